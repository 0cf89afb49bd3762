"""Headless service: dry runs, the log for machines, one run at a time, and telling whoever waits."""

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from moto.sns.models import sns_backends

from pitrkit.aws.items import attributes, canonical
from pitrkit.cli import commands
from pitrkit.config.team_settings import Notify
from pitrkit.errors import Exit
from pitrkit.incident import lock
from pitrkit.incident.lock import Holder
from pitrkit.runner import notifications
from pitrkit.runner.table_marker import TAG, MarkerContent
from pitrkit.sandbox import FaultRule, PastWrite, Sandbox
from pitrkit.times import iso
from tests.notebooks.conftest import place_of
from tests.notebooks.listening import listening

pytestmark = [pytest.mark.xdist_group("headless"), pytest.mark.takes(25)]

TABLE = {
    "TableName": "Stock",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}],
    "BillingMode": "PAY_PER_REQUEST",
    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
}
DRY = """\
dry run of incident dry: nothing was written to AWS
differs      3 removed, 0 modified, 0 inserted
scope        removed items
would write  put 3 back, update 0, delete 0
would leave  nothing
takes        1 s at 500 write units a second
costs about  under USD 0.01 (3 write units x 0.625 a million = 1.9e-06, us-east-1, on demand; prices of 2026-11-01)
plan         {digest}
to write it  pitrkit recover Stock --at {at} --incident dry --approve {digest}
"""
DRY_RESTORE = """\
dry run of incident early: nothing was written to AWS
would restore  Stock as it was at {moment} UTC, into Stock-pitr-{stamp}
costs about    {cost}
then           it would be compared and planned; what a plan would hold cannot be known before
to begin       pitrkit recover Stock --at {at} --incident early
"""
WRITES = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "BatchExecuteStatement", "TransactWriteItems",
          "RestoreTableToPointInTime", "ExportTableToPointInTime", "CreateTable", "UpdateTable", "DeleteTable",
          "TagResource", "UntagResource", "CreateBackup", "UpdateContinuousBackups")  # fmt: skip


class Desk:
    """Where nobody sits: a sandbox with a damaged table, and the command line."""

    def __init__(self, sandbox, place, home):
        self.sandbox, self.place, self.home = sandbox, place, home
        now = sandbox.clock.now().replace(microsecond=0)
        self.good_at = now - timedelta(minutes=20)
        images = [canonical({"id": {"N": str(number)}, "name": {"S": f"item {number}"}}) for number in range(5)]
        keys = [canonical({"id": {"N": str(number)}}) for number in range(5)]
        past = [PastWrite(self.good_at - timedelta(minutes=9), attributes(key), attributes(image))
                for key, image in zip(keys, images, strict=True)]  # fmt: skip
        past += [PastWrite(self.good_at + timedelta(seconds=30), attributes(key), None) for key in keys[:3]]
        sandbox.seed(TABLE, past, created_at=self.good_at - timedelta(minutes=10))
        self.whole = sorted(images)
        self.client = sandbox.client("dynamodb")
        self.arn = self.client.describe_table(TableName="Stock")["Table"]["TableArn"]
        self.at = iso(self.good_at)
        self.asked = ("recover", "Stock", "--at", self.at)

    def pitrkit(self, *words):
        """Run one command; return its exit code, stdout and stderr."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = commands.main([str(word) for word in words])
        return code, out.getvalue(), err.getvalue()

    def by_stream(self, *words):
        """Recover by the table's stream."""
        return self.pitrkit(*self.asked, "--route", "stream", "--kinds", "removed", *words)

    def tag(self, mark):
        self.client.tag_resource(ResourceArn=self.arn, Tags=[{"Key": TAG, "Value": str(mark)}])

    def mark(self):
        """What the table's marker says, None where there is none."""
        tags = self.client.list_tags_of_resource(ResourceArn=self.arn)["Tags"]
        return {one["Key"]: one["Value"] for one in tags}.get(TAG)

    def met(self, *operations):
        """Count requests from now on; return a function that tells how many there were."""
        self.sandbox.faults.clear()
        self.sandbox.faults.add(FaultRule(kind="slow", seconds=0, operations=operations))
        return lambda: self.sandbox.faults.report()[0]["met"]

    def notify(self, text):
        (self.home / "pitrkit.toml").write_text(text)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    home = tmp_path_factory.mktemp("desk")
    with Sandbox(restore_seconds=0.5) as sandbox, place_of(sandbox, home / "incidents") as place:
        os.environ["PITRKIT_SETTINGS"] = str(home / "pitrkit.toml")
        desk = Desk(sandbox, place, home)
        desk.notify("")
        yield desk


@pytest.fixture(autouse=True)
def _as_it_was(desk):
    yield
    desk.sandbox.faults.clear()
    desk.notify("")
    desk.client.untag_resource(ResourceArn=desk.arn, TagKeys=[TAG])


# A dry run


def test_a_dry_run_says_word_for_word_what_would_be_written_and_writes_nothing(desk):
    with listening() as (url, told):
        desk.notify(f'[notify]\nwebhook = "{url}/hook"\n')
        written = desk.met(*WRITES)
        code, out, err = desk.by_stream("--incident", "dry", "--dry-run")
    digest = desk.place.incident("dry")["plan"]["digest"]
    assert (code, out) == (0, DRY.format(digest=digest, at=desk.at)), err
    assert written() == 0
    assert told == []
    assert "10_rollback_without_restore: stopped" in err


def test_a_dry_run_that_would_have_to_restore_says_what_and_stops_before_it(desk):
    written = desk.met(*WRITES)
    code, out, err = desk.pitrkit(*desk.asked, "--incident", "early", "--dry-run")
    stamp, moment = f"{desk.good_at:%Y%m%dT%H%M%SZ}", f"{desk.good_at:%Y-%m-%d %H:%M:%S}"
    assert code == 0, err
    cost = re.search(r"costs about +(under USD 0.01 .*)", out)[1]
    assert out == DRY_RESTORE.format(at=desk.at, moment=moment, stamp=stamp, cost=cost)
    assert written() == 0
    assert desk.place.tables() == ["Stock"]


def test_what_a_dry_run_says_to_begin_with_asks_for_all_that_was_asked(desk):
    where = "before.name != 'it is'"
    asked = ("--where", where, "--modified", "revert", "--target", "Elsewhere", "--accept", "ttl", "--safety-copy")
    code, out, err = desk.pitrkit(*desk.asked, *asked, "--incident", "whole", "--dry-run")
    assert code == 0, err
    begin = shlex.split(out.splitlines()[-1].removeprefix("to begin"))
    parsed = commands.parser().parse_args(begin[1:])
    assert begin[0] == "pitrkit"
    assert (parsed.table, parsed.at, parsed.incident) == ("Stock", desk.at, "whole")
    assert (parsed.where, parsed.modified, parsed.target, parsed.accept) == (where, "revert", "Elsewhere", "ttl")
    assert (parsed.safety_copy, parsed.dry_run) == ("true", False)


def test_a_notebook_run_dry_stops_before_the_first_call_that_would_change_something(desk):
    written = desk.met(*WRITES)
    code, out, _ = desk.pitrkit("run", "03_restore", "-p", "incident", "early", "--dry-run")
    assert code == 0
    assert out.splitlines()[0] == ("Stock: dry run: stopped before calling dynamodb:RestoreTableToPointInTime")
    assert written() == 0


def test_approving_a_dry_run_is_refused(desk):
    code, _, err = desk.by_stream("--incident", "dry", "--dry-run", "--approve", "0" * 12)
    assert (code, "leave out one" in err.lower()) == (2, True)


# One at a time


def test_a_second_run_of_an_incident_is_told_who_works_on_it_and_since_when(desk):
    with lock.lock("dry"):
        for words in ((*desk.asked, "--incident", "dry"), ("run", "06_report", "-p", "incident", "dry")):
            code, out, err = desk.pitrkit(*words)
            assert (code, out) == (2, "")
            assert f"process {os.getpid()} on {lock.host()}, since 20" in err
            assert "Wait until that run ends" in err


def test_a_lock_of_a_process_that_was_killed_holds_nobody_up(desk):
    code = "from pitrkit.incident import lock; import os\nwith lock.lock('killed'): os.kill(os.getpid(), 9)"
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -9
    assert lock.is_held("killed") is False
    with lock.lock("killed"):
        assert lock.is_held("killed")


@pytest.mark.parametrize("holder", [Holder(4711, "elsewhere", "2026-11-23T03:15:00Z"), Holder.me()])
def test_a_table_that_another_recovery_is_at_work_on_is_left_alone_before_anything_is_read(desk, holder):
    desk.tag(MarkerContent("other", holder))
    reads = desk.met("Scan", "GetRecords", "BatchGetItem", "RestoreTableToPointInTime")
    with lock.lock("other") if holder.host == lock.host() else contextlib.nullcontext():
        for more in ((), ("--take-over", "wrong")):
            code, _, err = desk.by_stream("--incident", "second", *more)
            assert code == 2
            assert f"by incident other: process {holder.pid} on {holder.host}, since" in err
    assert reads() == 0
    assert desk.mark() == str(MarkerContent("other", holder))
    assert not (desk.place.folder / "second").exists()


def test_a_run_that_is_at_work_here_cannot_be_taken_over(desk):
    desk.tag(MarkerContent("other", Holder.me()))
    with lock.lock("other"):
        code, _, err = desk.by_stream("--incident", "second", "--take-over", "other")
    assert code == 2
    assert "Wait until that run has ended, or end it." in err


def test_the_mark_of_a_dead_run_is_known_as_such(desk):
    process = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    desk.tag(MarkerContent("other", Holder(int(process.stdout), lock.host(), "2026-11-23T03:15:00Z")))
    code, _, err = desk.by_stream("--incident", "second")
    assert code == 2
    assert "that run is dead" in err
    assert "--take-over other" in err


# The log for machines, and who is told


def lines(text):
    """Each line of the log, all of which are JSON of the same shape."""
    found = [json.loads(line) for line in text.splitlines()]
    assert all(list(one) == ["at", "level", "event", "incident", "notebook", "fields"] for one in found)
    assert all(datetime.fromisoformat(one["at"]).utcoffset() == timedelta() for one in found)
    assert {one["level"] for one in found} <= {"info", "warning", "error"}
    return found


def topic_of(sandbox):
    """Return a topic's ARN, and what tells the messages that were published to it."""
    arn = sandbox.client("sns").create_topic(Name="recoveries")["TopicArn"]
    sent = sns_backends[arn.split(":")[4]][arn.split(":")[3]].topics[arn].sent_notifications
    return arn, lambda: [(subject, json.loads(message)) for _, message, subject, *_ in sent]


def test_a_recovery_is_logged_line_by_line_marks_its_table_and_tells_a_webhook_and_a_topic(desk):
    arn, published = topic_of(desk.sandbox)
    desk.tag(MarkerContent("dead", Holder(4711, "elsewhere", "2026-11-23T03:15:00Z")))
    with listening([503, 302]) as (url, told):
        desk.notify(f'[notify]\nwebhook = "{url}/hook"\ntopic = "{arn}"\n')
        asked = ("--incident", "night", "--take-over", "dead", "--log", "json")
        code, out, err = desk.by_stream(*asked)
        logged = lines(err)
        assert code == 3
        assert "took over Stock from incident dead (process 4711 on elsewhere, since 2026-11-23 03:15:00 UTC)" in out
        assert desk.mark() is None
        assert len(told) == 2, "a busy webhook is tried again, a redirect is not followed"
        assert "nobody was notified by the webhook at 127.0.0.1: it answered 302" in out

        marked = desk.met("TagResource")
        command = re.search(r"pitrkit (recover Stock .*--approve [0-9a-f]{64})", out)[1]
        log = desk.home / "run.log"
        code, out, err = desk.pitrkit(*command.split(), "--log-file", log)
    assert code == 0, out
    assert err == ""
    assert desk.place.items("Stock") == desk.whole
    assert (marked(), desk.mark()) == (1, None)

    names = [one["event"] for one in logged]
    assert names[0] == "run_started"
    assert names[-1] == "run_ended"
    assert [one["fields"]["exit_code"] for one in (logged[-1], *lines(log.read_text())[-1:])] == [3, 0]
    events = [json.loads(line) for line in (desk.place.folder / "night" / "events.jsonl").read_text().splitlines()]
    recorded = [(one["event"], one["data"]) for one in events]
    mirrored = [(one["event"], one["fields"]) for one in (*logged, *lines(log.read_text()))]
    assert [one for one in mirrored if one in recorded] == recorded
    of_gate = next(one for one in logged if one["event"] == "gate_closed")
    assert (of_gate["level"], of_gate["incident"]) == ("warning", "night")
    assert of_gate["notebook"] == "10_rollback_without_restore"
    assert "recovery_taken_over" in names

    first = json.loads(told[-1])
    happened = [("gate_closed", 3), ("done", 0)]
    assert [(message["event"], message["exit_code"]) for _, message in published()] == happened
    assert first["event"] == "done"
    assert first["counts"]["applied"] == 3
    assert published()[0][0] == "Stock, incident night: waits for an approval"
    assert "item 0" not in json.dumps([told, published()])


def test_what_cannot_be_done_is_a_line_of_the_log_as_well_and_nothing_else_is_in_that_stream(desk):
    code, _, err = desk.pitrkit(*desk.asked, "--where", "nonsense ==", "--log", "json", "--incident", "no")
    (*_, error, ended) = lines(err)
    assert (code, error["event"], error["level"], error["fields"]["error"]) == (2, "error", "error", "BadInput")
    assert ended["fields"] == {"exit_code": 2}
    with pytest.raises(SystemExit):
        desk.pitrkit("recover", "--log", "json", "--nonsense")


def test_where_tags_are_denied_that_is_said_and_the_recovery_goes_on(desk):
    desk.sandbox.faults.add(FaultRule(kind="denied", operations=("ListTagsOfResource", "TagResource", "UntagResource")))
    code, out, _ = desk.pitrkit(*desk.asked, "--incident", "denied", "--restored", "Nowhere")
    assert code == 2
    assert "Stock cannot be marked as being recovered (tags are denied)" in out
    assert "01_select_table: stopped" in out
    assert "Nowhere" in out


def test_a_notice_tells_four_things_apart_and_no_error_in_full():
    found = {code: notifications.notice(code, "night", "Stock", {}, error="BadInput") for code in Exit}
    events = {code: said["event"] for code, said in found.items()}
    assert events == {
        Exit.DONE: "done", Exit.LEFT: "left", Exit.GATE_CLOSED: "gate_closed",
        Exit.ERROR: "failed", Exit.INPUT_NEEDED: "failed", Exit.INTERRUPTED: "failed",
    }  # fmt: skip
    assert found[Exit.ERROR]["text"] == "Stock, incident night: did not come to its end. Exit code 2 (BadInput)."


def test_a_busy_webhook_is_tried_again_and_one_that_is_not_there_is_named_without_its_path():
    pauses = []
    with listening([503, 429]) as (url, told):
        assert notifications.send({"title": "t"}, Notify(webhook=f"{url}/secret"), sleep=pauses.append) == (
            ["the webhook at 127.0.0.1"], [],
        )  # fmt: skip
    assert len(told) == 3
    assert len(pauses) == 2
    told, (failed,) = notifications.send({"title": "t"}, Notify(webhook=f"{url}/secret"), sleep=pauses.append)
    assert told == []
    assert failed.startswith("the webhook at 127.0.0.1: ConnectionRefusedError")
    assert "secret" not in failed
