"""A drill proves a recovery on tables of its own, tells whether it kept to its limits, and leaves nothing behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.errors import BadInput
from pitrkit.incident.incident import Incident
from pitrkit.incident.working_copy import notebooks_folder
from pitrkit.recovery.advice import permission_catalogue
from pitrkit.runbook.drill import drill
from pitrkit.runbook.drill.scratch_table import DrillSession
from pitrkit.runbook.session.session import Session
from pitrkit.sandbox import Sandbox
from pitrkit.sandbox.protocol.faults import FaultRule
from pitrkit.sandbox.scenario.shop import orders

pytestmark = [pytest.mark.xdist_group("drill"), pytest.mark.takes(25)]
WRITES = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems", "BatchExecuteStatement")


@pytest.fixture(scope="module")
def shop(tmp_path_factory, placed):
    """A table that is only read: the account denies every write to it, its deletion and its change."""
    scenario = orders(7, now=datetime.now(UTC), orders=150)
    with Sandbox(restore_seconds=0.3, latest_lag_seconds=5) as sandbox:
        scenario.lay_into(sandbox)
        sandbox.faults.add(FaultRule("denied", operations=(*WRITES, "DeleteTable", "UpdateTable"), table="Orders"))
        with placed(sandbox, tmp_path_factory.mktemp("incidents"), scenario.truth) as place:
            yield place


@pytest.fixture(scope="module")
def digest(shop):
    return drill.prepare(Aws.connect(), "Orders").intent.digest


@pytest.fixture(scope="module")
def passed(shop, digest):
    before = shop.items()
    given = ("--approve", digest, "--recovery-time", "1h", "--write-units", "5000")
    with shop.permitted("--route", "drill") as caller:
        code, said = shop.pitrkit("drill", "Orders", "--incident", "weekly", *given)
        asked = {one.action for one in caller.asked}
    assert shop.items() == before
    return code, said, asked


def held(shop, name):
    """Return all that the folder of a drill says, as text."""
    return "".join(path.read_text(errors="replace") for path in (shop.folder / name).rglob("*") if path.is_file())


def test_without_its_approval_nothing_is_made_and_one_command_is_printed(shop, digest):
    code, said = shop.pitrkit("drill", "Orders", "--recovery-time", "2h")
    assert code == 3
    assert re.findall(r"pitrkit drill Orders .*", said) == [
        f"pitrkit drill Orders --recovery-time 2h --approve {digest}"
    ]
    assert shop.tables() == ["Orders"]
    assert not [one for one in Incident.existing() if one.id != "weekly"]


def test_it_recovers_into_a_scratch_table_and_writes_nothing_to_the_real_one(shop, passed):
    code, said, _ = passed
    assert code == 0, said
    assert shop.tables() == ["Orders"]
    data = shop.incident("weekly")
    count = len(shop.items())
    assert data["plan"]["puts"] == data["apply"]["applied"] == data["undo"]["apply"]["applied"] == count
    assert data["verify"]["ok"]
    assert data["drill"]["undone"] == {"ok": True, "left": 0}
    assert data["drill"]["outcome"] == {"passed": True, "why": []}
    assert list(data["drill_steps"]) == ["restore", "diff", "plan", "copy", "verify", "undo", "clean_up"]
    assert 5 <= data["drill"]["recovery_point_seconds"] < 60
    assert sum(data["drill_steps"][name] for name in ("restore", "copy")) <= data["drill"]["recovery_seconds"] + 0.01


def test_it_needs_what_its_policy_says_and_nothing_of_that_is_too_much(passed):
    needed = {action for step in permission_catalogue.steps_of("drill") for action in step.actions}
    assert needed - passed[2] == set()


def test_its_record_is_sealed_and_holds_no_item(shop, passed):
    assert shop.pitrkit("audit", "weekly")[0] == 0
    items = [json.loads(item) for item in shop.items()]
    said = held(shop, "weekly")
    assert not [item for item in items if item["order_id"]["S"] in said]
    assert not {"snapshots", "changes", "plan", "journal"} & {path.name for path in (shop.folder / "weekly").iterdir()}


def test_what_a_drill_copies_can_be_led_to_no_table_but_its_own(shop, passed):
    session = Session.open("weekly")
    with pytest.raises(BadInput, match="weekly is a drill"):
        session.target()
    with pytest.raises(BadInput, match="no scratch table"):
        DrillSession.open("weekly").target()
    client = shop.sandbox.client("dynamodb")
    client.create_table(
        TableName="Another",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    other = Incident.open("forged", create=True, account=session.data["account"], region=session.data["region"])
    arn, made = session.data["table_arn"], {"scratch_by": "incident", "drill": {"items": 1}, "table": "Orders"}
    for name, table_id in (("Another", "made-anew"), ("Orders", session.data["table_id"])):
        other.update(scratch_table=name, scratch_table_id=table_id, table_arn=arn, **made)
        with pytest.raises(BadInput, match="not the scratch table"):
            DrillSession(session.aws, other).target()
    other.update(scratch_by=None)
    client.delete_table(TableName="Another")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"recovery_time": "soon"}, "not a length of time"),
        ({"items": -1}, "items is -1"),
        ({"cost_limit": -1.0}, "cost_limit is -1"),
        ({"at": "2020-01-01T00:00:00Z"}, "earlier than the earliest"),
        ({"incident": "weekly"}, "has ended"),
        ({"write_units": 0.0}, "write"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_made(shop, passed, wrong, says):
    with pytest.raises(BadInput, match=says):
        drill.prepare(Aws.connect(), "Orders", **wrong)


def test_an_approval_holds_for_that_drill_alone_and_for_that_cost(shop, digest):
    assert drill.prepare(Aws.connect(), "Orders", write_units=9.0).intent.digest == digest
    assert drill.prepare(Aws.connect(), "Orders", items=10).intent.digest != digest
    dear = drill.prepare(Aws.connect(), "Orders", cost_limit=0.0)
    assert dear.intent.digest != digest
    with pytest.raises(BadInput, match="would cost about"):
        dear.gate(dear.intent.digest)


def test_over_a_limit_of_the_settings_plain_papermill_fails_and_the_report_shows_both_drills(shop, passed, tmp_path):
    (tmp_path / "pitrkit.toml").write_text('[drill]\nrecovery_time = "1h"\nrecovery_point = "1s"\n')
    some = drill.prepare(Aws.connect(), "Orders", items=20).intent.digest
    given = {"table": "Orders", "incident": "slow", "items": "20", "approve": some}
    words = [word for name, value in given.items() for word in ("-p" if name == "items" else "-r", name, value)]
    ran = subprocess.run(
        [sys.executable, "-m", "papermill", notebooks_folder() / "15_drill.ipynb", tmp_path / "o.ipynb", *words,
         "--cwd", tmp_path],
        cwd=tmp_path, env={**os.environ, "PITRKIT_SETTINGS": str(tmp_path / "pitrkit.toml")},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "DrillFailed" in ran.stderr
    data = shop.incident("slow")
    assert (data["plan"]["puts"], data["drill"]["undone"]["ok"]) == (20, True)
    assert re.search("the recovery point was .* behind, and the limit is 1 s", data["drill"]["outcome"]["why"][0])
    report = (shop.folder / "slow" / "report.html").read_text()
    assert report.count('<g class="pk-col">') == 2
    assert "1 of 2 drills passed" in report
    assert shop.tables() == ["Orders"]


def begin(shop, name, digest):
    """Start a drill in a process of its own, and return it once it copies; slowly, so that it can be met there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pitrkit", "drill", "Orders", "--incident", name, "--approve", digest,
         "--write-units", "5"],
        env={**os.environ}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    client = shop.sandbox.client("dynamodb")
    for _ in range(600):
        scratch = [table for table in shop.tables() if table.endswith("-scratch")]
        if scratch and client.scan(TableName=scratch[0])["Count"]:
            return process
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)
    raise AssertionError


def family(pid):
    """Return a process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def test_a_drill_that_is_stopped_deletes_its_tables_on_its_way_out(shop, digest):
    before = shop.items()
    process = begin(shop, "stopped", digest)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert shop.tables() == ["Orders"]
    assert shop.items() == before
    outcome = shop.incident("stopped")["drill"]["outcome"]
    assert not outcome["passed"]
    assert "interrupted" in outcome["why"][0]
    assert shop.pitrkit("audit", "stopped")[0] == 0


def test_what_a_killed_drill_leaves_is_deleted_by_the_next_one_and_nothing_else_is(shop, digest):
    process = begin(shop, "killed", digest)
    for pid in family(process.pid):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert len(shop.tables()) == 3
    mine = "Orders-drill-20260101T000000Z-abcdef"
    shop.sandbox.client("dynamodb").create_table(
        TableName=mine,
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    code, said = shop.pitrkit(
        "drill", "Orders", "--incident", "next", "--approve", digest, "--write-units", "5000", "--recovery-point", "1s"
    )
    assert code == 1, said
    assert shop.tables() == ["Orders", mine]
    assert mine in held(shop, "next")
    outcome = shop.incident("killed")["drill"]["outcome"]
    assert outcome == {"passed": False, "why": ["it was stopped, and did not clean up after itself"]}
    assert shop.pitrkit("audit", "killed")[0] == 0
