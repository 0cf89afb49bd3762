"""The restored copy is adopted: settings come along under a gate, and what only people can change is listed."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.aws.settings import settings
from pitrkit.aws.settings.settings import capture
from pitrkit.errors import BadInput, InputNeeded
from pitrkit.runbook.adopt import cut_over
from pitrkit.runbook.restore import restore
from pitrkit.runbook.session.session import Session
from pitrkit.sandbox import FaultRule, Sandbox
from tests.furnish import furnish
from tests.notebooks.conftest import place_of

pytestmark = pytest.mark.takes(20)

CALLED_IN = {"event-source", "kinesis"}


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    """A furnished table. The tests of this module go on where the one before stopped."""
    with Sandbox() as sandbox:
        furnish(sandbox, "Orders")
        sandbox.clock.advance(60)  # its window begins within a second: no whole second of that one can be restored
        with place_of(sandbox, tmp_path_factory.mktemp("incidents")) as place:
            yield place


def restored(place, incident, table="Orders"):
    """Restore the table's latest second into a copy of its own, as 01 to 03 do; return the copy's name."""
    place.sandbox.faults.clear()
    aws = Aws.connect()
    session = Session.begin(incident, table=table, aws=aws)
    session.keep("table_selected", table_arn=session.table().arn)
    latest = place.sandbox.client("dynamodb").describe_continuous_backups(TableName=table)
    at = latest["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]["LatestRestorableDateTime"]
    session.keep("time_picked", restore_at=at.replace(microsecond=0).isoformat())
    restore.start(session, target=f"{table}-{incident}")
    restore.wait(session)
    return f"{table}-{incident}"


def states(copy):
    aws = Aws.connect()
    return {(one.kind, one.name): one.state for one in settings.compare(capture(aws, "Orders"), capture(aws, copy))}


def approved(place, said):
    """Run the one command that a closed gate names."""
    return place.pitrkit(*re.search(r"pitrkit (run 13_cut_over .*)", said)[1].split())


def events(place, incident):
    return [json.loads(line) for line in (place.folder / incident / "events.jsonl").read_text().splitlines()]


def test_the_copy_gets_the_settings_once_approved_and_nothing_follows_it_unasked(orders):
    copy = restored(orders, "adopt")
    before = states(copy)
    with orders.permitted("--route", "cutover", "--target", "Orders-adopt"):
        code, said = orders.pitrkit("run", "13_cut_over", "-p", "incident", "adopt")
        assert code == 3, said
        assert states(copy) == before
        code, said = approved(orders, said)
        assert code == 0, said
    left = {kind for (kind, _), state in states(copy).items() if state != "same"}
    assert left == {"alarm"} | CALLED_IN
    state = orders.incident("adopt")["cut_over"]
    assert state["failed"] == state["changed"] == 0
    assert state["verify"] == {"ok": True, "checked": state["done"], "wrong": []}
    done = [one["data"] for one in events(orders, "adopt") if one["event"] == "setting_done"]
    assert len(done) == state["done"]
    assert all(call["request_id"] for one in done for call in one["calls"])
    executed = (orders.folder / "adopt" / "notebooks" / "13_cut_over-2.ipynb").read_text()
    assert "takes its point-in-time recovery history with it" in executed
    assert executed.index("history with it") < executed.index("Settings: the original")
    for word in ("on-order", "Orders throttles", "put-metric-alarm", "create-change-set"):
        assert word in executed


def test_its_fragments_for_infrastructure_code_tell_the_copy_as_it_is(orders):
    folder = orders.folder / "adopt" / "settings"
    (listed,) = json.loads((folder / "import.json").read_text())
    assert listed["ResourceIdentifier"] == {"TableName": "Orders-adopt"}
    resource = json.loads((folder / "template.json").read_text())["Resources"][listed["LogicalResourceId"]]
    assert resource["DeletionPolicy"] == "Retain"
    properties = resource["Properties"]
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "ends", "Enabled": True}
    assert properties["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["ReadCapacityUnits"] == 7
    assert {"Key": "team", "Value": "shop"} in properties["Tags"]
    terraform = (folder / "adopt.tf").read_text()
    assert 'to = aws_dynamodb_table.orders\n  id = "Orders-adopt"' in terraform
    assert 'id = "dynamodb/table/Orders-adopt/dynamodb:table:WriteCapacityUnits"' in terraform
    assert "recovery_period_in_days = 20" in terraform


def test_what_was_given_is_taken_back_and_an_hour_has_to_pass_for_ttl(orders):
    undo = ("run", "13_cut_over", "-p", "incident", "adopt", "-p", "undo", "true")
    code, said = orders.pitrkit(*undo)
    assert code == 3, said
    code, refused = approved(orders, said)
    assert code == 1, refused
    assert orders.incident("adopt")["cut_over"]["verify"]["wrong"] == ["ttl"]
    orders.sandbox.clock.advance(3601)
    code, again = approved(orders, said)
    assert code == 0, again
    gone = {kind for (kind, _), state in states("Orders-adopt").items() if state == "missing"}
    assert gone >= {"ttl", "tags", "stream", "resource-policy", "scaling-target", "deletion-protection"}
    assert states("Orders-adopt")["pitr", ""] == "same", "recovery is never turned off"


def test_a_run_that_is_killed_goes_on_with_the_plan_that_was_approved(orders):
    copy = restored(orders, "killed")
    code, said = orders.pitrkit("run", "13_cut_over", "-p", "incident", "killed")
    assert code == 3, said
    words = re.search(r"pitrkit (run 13_cut_over .*)", said)[1].split()
    orders.sandbox.faults.add(FaultRule("slow", operations=("UpdateTable", "TagResource"), table=copy, seconds=0.5))
    run = subprocess.Popen(
        [sys.executable, "-m", "pitrkit", *words],
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while [one["event"] for one in events(orders, "killed")].count("setting_requested") < 3:
        assert run.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    asked = [one for one in events(orders, "killed") if one["event"] == "setting_requested"]
    orders.sandbox.faults.clear()
    code, said = orders.pitrkit(*words)
    assert code == 0, said
    left = {kind for (kind, _), state in states(copy).items() if state != "same"}
    assert left == {"alarm"} | CALLED_IN
    told = [one["data"] for one in events(orders, "killed") if one["event"] == "setting_done"]
    names = [(one["setting"], one["name"]) for one in told]
    assert len(names) == len(set(names)) >= len(asked), "each is told once"


def test_a_source_that_may_not_be_read_is_named_and_its_settings_are_not_taken_for_absent(orders):
    restored(orders, "denied")
    orders.sandbox.faults.add(
        FaultRule("denied", service="application-autoscaling", operations=("DescribeScalingPolicies",)),
        FaultRule("denied", service="lambda"),
    )
    code, said = orders.pitrkit("run", "13_cut_over", "-p", "incident", "denied")
    orders.sandbox.faults.clear()
    assert code == 3, said
    executed = (orders.folder / "denied" / "notebooks" / "13_cut_over.ipynb").read_text()
    assert "application-autoscaling:DescribeScalingPolicies" in executed
    assert "lambda:ListEventSourceMappings" in executed
    planned = next(one["data"] for one in events(orders, "denied") if one["event"] == "settings_planned")
    plan = json.loads((orders.folder / "denied" / "settings" / f"{planned['digest'][:12]}.json").read_text())
    assert not [one for one in plan["changes"] if one["setting"]["kind"] in ("scaling-policy", "event-source")]
    assert {"scaling-policy", "event-source"} <= {kind for kind, _, why in plan["left"] if "allow" in why}


def tables(incident):
    return cut_over.read(Session.open(incident, aws=Aws.connect()))


def test_consumers_come_along_only_by_name(orders):
    restored(orders, "called")
    adoption = cut_over.plan(tables("called"), accept="event-source, kinesis", leave="tags,ttl")
    adoption.gate(adoption.plan.digest)
    adoption.reapply()
    adoption.verify()
    found = states("Orders-called")
    assert {kind for (kind, _), state in found.items() if state != "same"} == {"alarm", "tags", "ttl"}
    handover = str(adoption.handover())
    assert "sees both tables' changes now" in handover
    (mapping,) = [
        one for one in orders.sandbox.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        if "/Orders-called/" in one["EventSourceArn"]
    ]  # fmt: skip
    assert mapping["BatchSize"] == 25


def test_a_setting_that_somebody_changed_since_the_plan_is_left_alone(orders):
    copy = restored(orders, "changed")
    adoption = cut_over.plan(tables("changed"))
    orders.sandbox.client("dynamodb").update_time_to_live(
        TableName=copy, TimeToLiveSpecification={"Enabled": True, "AttributeName": "theirs"}
    )
    adoption.gate(adoption.plan.digest)
    adoption.reapply()
    adoption.verify()
    state = orders.incident("changed")["cut_over"]
    assert (state["changed"], state["verify"]["wrong"]) == (1, ["ttl"])
    assert cut_over.ending({"cut_over": state}) == 1


def test_a_refused_setting_is_told_with_its_request_id_and_keeps_no_other_from_being_given(orders):
    copy = restored(orders, "refused")
    adoption = cut_over.plan(tables("refused"))
    adoption.gate(adoption.plan.digest)
    orders.sandbox.faults.add(FaultRule("denied", operations=("TagResource",)))
    adoption.reapply()
    orders.sandbox.faults.clear()
    adoption.verify()
    (failed,) = [one["data"] for one in events(orders, "refused") if one["event"] == "setting_failed"]
    assert (failed["setting"], failed["code"]) == ("tags", "AccessDeniedException")
    assert failed["request_id"]
    assert {kind for (kind, _), state in states(copy).items() if state != "same"} == {"alarm", "tags"} | CALLED_IN


WRONG = {"colour is not known": {"leave": "colour"}, "tags is not known": {"accept": "tags"},
         "given the copy no settings": {"undo": True}}  # fmt: skip


def test_wrong_parameters_are_refused_before_anything_is_planned(orders):
    restored(orders, "wrong")
    for words, given in WRONG.items():
        with pytest.raises((BadInput, InputNeeded)) as refused:
            cut_over.plan(tables("wrong"), **given)
        assert words in str(refused.value)
    assert [path.name for path in (orders.folder / "wrong" / "settings").iterdir()] == ["original.json"]


def test_it_asks_for_a_copy_and_adopts_none_that_is_gone_or_replaced(orders):
    Session.begin("nothing", table="Orders", aws=Aws.connect())
    code, said = orders.pitrkit("run", "13_cut_over", "-p", "incident", "nothing")
    assert (code, "03_restore" in said) == (4, True), said
    copy = restored(orders, "gone")
    adoption = cut_over.plan(tables("gone"))
    adoption.gate(adoption.plan.digest)
    client = orders.sandbox.client("dynamodb")
    client.delete_table(TableName=copy)
    with pytest.raises(BadInput, match="the copy is gone"):
        tables("gone")
    described = client.describe_table(TableName="Orders")["Table"]
    client.create_table(TableName=copy, KeySchema=described["KeySchema"], BillingMode="PAY_PER_REQUEST",
                        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])  # fmt: skip
    with pytest.raises(BadInput, match="another table"):
        adoption.reapply()


def test_the_original_that_is_gone_is_known_by_what_was_read_before(orders):
    copy = restored(orders, "last")
    tables("last")
    client = orders.sandbox.client("dynamodb")
    client.update_table(TableName="Orders", DeletionProtectionEnabled=False)
    client.delete_table(TableName="Orders")
    adoption = cut_over.plan(tables("last"))
    assert {change.setting.kind for change in adoption.plan.changes} >= {"ttl", "tags", "resource-policy"}
    assert "itself is gone" in str(cut_over.risks(Session.open("last", aws=Aws.connect())))
    assert copy in str(adoption)


def test_a_deleted_table_that_came_back_gets_what_its_backup_knows(orders):
    client = orders.sandbox.client("dynamodb")
    (backup,) = client.list_backups(BackupType="SYSTEM", TableName="Orders")["BackupSummaries"]
    client.restore_table_from_backup(TargetTableName="Orders", BackupArn=backup["BackupArn"])
    session = Session.begin("back", table="Orders", aws=Aws.connect())
    session.keep("restore_finished", backup=backup["BackupArn"], restored_table="Orders", restored_by="returned")
    found = tables("back")
    adoption = cut_over.plan(found)
    assert {change.setting.kind for change in adoption.plan.changes} == {"ttl", "stream", "pitr"}
    adoption.gate(adoption.plan.digest)
    adoption.reapply()
    adoption.verify()
    assert {one.kind for one in capture(session.aws, "Orders").found} >= {"ttl", "stream", "pitr"}
    assert "clients" not in dict(adoption.handover().items), "its name is what it was"
