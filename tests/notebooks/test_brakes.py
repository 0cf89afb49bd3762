"""The brakes and the read pace that an operator asks for reach the copy and the scans, and the gate repeats them."""

import json
import re
from datetime import datetime

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.errors import BadInput
from pitrkit.runbook.copy_back import copy_back
from pitrkit.runbook.diff import diff
from pitrkit.runbook.restore import restore
from pitrkit.runbook.session.session import Session
from pitrkit.runbook.start import select_table
from pitrkit.runbook.timeline import pick_timestamp
from pitrkit.runner.recover import approve_command
from pitrkit.runner.recover_request import RecoverRequest
from pitrkit.times import iso

pytestmark = [pytest.mark.xdist_group("brakes"), pytest.mark.takes(20)]


@pytest.fixture(scope="module")
def session(shop):
    """An incident that stands before its plan."""
    opened = select_table.select(Aws.connect(), "Orders", incident="braked")
    pick_timestamp.pick(opened, iso(shop.truth.good_at))
    restore.start(opened)
    restore.wait(opened)
    diff.scope(diff.diff(opened), where=shop.truth.where)
    return opened


def test_a_stop_file_ends_the_copy_with_writes_unsent_and_without_it_the_same_command_finishes(shop, session, tmp_path):
    stop = tmp_path / "STOP"
    stop.touch()
    before = shop.items()
    for notebook in ("05_copy_back", "12_undo"):
        asked = ("run", notebook, "-p", "incident", "braked", "-p", "stop_file", stop)
        code, said = shop.pitrkit(*asked, *(("-p", "modified", "revert") if notebook.startswith("05") else ()))
        assert code == 3, said
        command = re.search(rf"pitrkit (run {notebook} .*)", said)[1].split()
        assert str(stop) in command
        stood = shop.items()

        stop.touch()
        code, said = shop.pitrkit(*command)
        done = shop.incident("braked")
        done = (done["undo"] if notebook == "12_undo" else done)["apply"]
        assert code == 1, said
        assert done["unsent"] > 0
        assert done["applied"] == done["failed"] == 0
        assert str(stop) in done["why"]
        assert shop.items() == stood

        stop.unlink()
        code, said = shop.pitrkit(*command)
        assert code == 0, said
        assert shop.items() != stood
    assert shop.items() == before


@pytest.mark.parametrize(
    ("asked", "words"),
    [({"alarms": "nosuch"}, "no CloudWatch alarm nosuch"), ({"ceiling": -1.0}, "allows nothing")],
)
def test_a_brake_that_cannot_work_is_refused_before_anything_is_approved(session, asked, words):
    with pytest.raises(BadInput, match=words):
        copy_back.plan(session, modified="revert", **asked)


def test_the_command_of_the_gate_repeats_the_brakes_and_means_the_same_file_from_any_folder(
    shop, session, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shop.sandbox.client("cloudwatch").put_metric_alarm(
        AlarmName="check out", Namespace="Shop", MetricName="Errors", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    copy = copy_back.plan(
        Session.open("braked"), modified="revert", alarms="check out", ceiling=900.0, stop_file="STOP"
    )
    for words in ("alarms 'check out'", "ceiling 900.0", f"stop_file {tmp_path / 'STOP'}"):
        assert f"-p {words}" in copy.command
    request = RecoverRequest(table="Orders", alarms="check out", ceiling="900", stop_file="STOP")
    command = approve_command(request, "braked", None)
    assert f"--alarms 'check out' --ceiling 900 --stop-file {tmp_path / 'STOP'}" in command


def test_without_brakes_the_command_names_none(session):
    assert not re.search("alarms|ceiling|stop_file", copy_back.plan(session, modified="revert").command)


def taken(session):
    """How long each scan of the last comparison took by its snapshot, and the read units it consumed."""
    found = [json.loads(path.read_text()) for path in session.incident.path("snapshots").glob("now-*/snapshot.json")]
    last = max(found, key=lambda one: one["started_at"])
    began, ended = (datetime.fromisoformat(last[name]) for name in ("started_at", "finished_at"))
    return (ended - began).total_seconds(), last["read_units"]


def test_the_live_table_is_scanned_at_the_read_pace_asked_for(shop, session):
    code, said = shop.pitrkit("run", "04", "-p", "incident", "braked", "-p", "read_units", "10")
    assert code == 0, said
    seconds, units = taken(session)
    assert units > 20
    assert seconds >= units / 10 / 2, "a burst at its end is not waited for; unpaced it takes a tenth of a second"
    assert shop.incident("braked")["read_units"] == 10


def test_a_read_pace_below_nothing_is_refused(session):
    with pytest.raises(BadInput, match="read units a second"):
        diff.diff(session, read_units=-1)
