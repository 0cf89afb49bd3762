"""On request the table is backed up before the first write, and without that backup nothing is written."""

import json

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.errors import AccessDenied, BadInput
from pitrkit.runbook.copy_back import copy_back, undo
from pitrkit.runbook.diff import diff
from pitrkit.runbook.finish import report
from pitrkit.runbook.restore import restore
from pitrkit.runbook.start import select_table
from pitrkit.runner.recover import approve_command
from pitrkit.runner.recover_request import RecoverRequest
from pitrkit.sandbox import FaultRule

KEYED = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}],
    "BillingMode": "PAY_PER_REQUEST",
}


@pytest.fixture
def two(empty):
    """A table that has lost an item, and a copy that has it."""
    client = empty.sandbox.client("dynamodb")
    for table, numbers in (("Live", (1, 2)), ("Copy", (1, 2, 3))):
        client.create_table(TableName=table, **KEYED)
        for number in numbers:
            client.put_item(TableName=table, Item={"id": {"N": str(number)}})
    return empty


def planned(place):
    """Compare both and plan, as 01 to 05 do; return the incident's session and the digest to approve."""
    session = select_table.select(Aws.connect(), "Live", incident="safe", restored="Copy")
    restore.wait(session)
    diff.diff(session)
    return session, copy_back.plan(session, accept="no-pitr").plan.digest


def written(place, digest, notebook="05_copy_back"):
    """Write it through the notebook, with a safety copy first."""
    given = {"incident": "safe", "accept": "no-pitr", "safety_copy": "true", "approve": digest}
    return place.pitrkit("run", notebook, *(word for pair in given.items() for word in ("-p", *pair)))


def backups(place):
    return place.sandbox.client("dynamodb").list_backups(TableName="Live")["BackupSummaries"]


def test_no_backup_no_write_and_one_backup_before_the_first_write(two):
    before = two.items("Live")
    session, digest = planned(two)
    two.sandbox.faults.add(FaultRule("denied", operations=("CreateBackup",)))
    code, refused = written(two, digest)
    assert (code, "dynamodb:CreateBackup" in refused) == (2, True), refused
    assert two.items("Live") == before
    assert two.incident("safe")["apply"] is None
    two.sandbox.faults.clear()
    code, done = written(two, digest)
    assert code == 0, done
    assert len(two.items("Live")) == 3
    (made,) = backups(two)
    (kept,) = two.incident("safe")["safety_copies"].values()
    assert (kept["arn"], kept["begun"]) == (made["BackupArn"], False)
    assert kept["request_id"]
    report.report(session)
    assert made["BackupArn"] in (two.folder / "safe" / "report.html").read_text()
    events = [json.loads(line)["event"] for line in (two.folder / "safe" / "events.jsonl").read_text().splitlines()]
    assert events.index("safety_copy_made") < events.index("apply_started")
    client = two.sandbox.client("dynamodb")
    client.restore_table_from_backup(TargetTableName="Before", BackupArn=made["BackupArn"])
    assert two.items("Before") == before


def test_a_run_that_died_right_after_asking_for_the_backup_finds_it_and_the_undo_has_its_own(two):
    session, digest = planned(two)
    two.sandbox.faults.add(FaultRule("denied", operations=("DescribeBackup",)))
    copy = copy_back.plan(session, accept="no-pitr", safety_copy=True, approve=digest)
    copy.gate(digest)
    with pytest.raises(AccessDenied):
        copy.apply()
    assert len(two.items("Live")) == 2
    two.sandbox.faults.clear()
    assert len(backups(two)) == 1
    copy.apply()
    assert len(backups(two)) == 1
    assert len(two.items("Live")) == 3
    reversal = undo.plan(session, accept="no-pitr", safety_copy=True)
    reversal.gate(reversal.plan.digest)
    reversal.apply()
    assert len(backups(two)) == 2
    assert len(session.data["safety_copies"]) == 2


def test_the_command_that_opens_the_gate_asks_for_the_safety_copy_again(two):
    request = RecoverRequest(table="Live", safety_copy="true")
    assert "--safety-copy" in approve_command(request, "safe", None)
    session, _ = planned(two)
    assert "-p safety_copy" in copy_back.plan(session, accept="no-pitr", safety_copy=True).command
    with pytest.raises(BadInput, match="safety_copy"):
        RecoverRequest(table="Live", safety_copy="perhaps").check({})
