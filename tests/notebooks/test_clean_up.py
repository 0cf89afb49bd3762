"""What an incident made is deleted, shown before and approved; what anybody else made is not."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.aws.settings.settings import capture
from pitrkit.aws.tables import tables
from pitrkit.errors import AwsError, BadInput, StalePlan
from pitrkit.runbook.adopt import cut_over
from pitrkit.runbook.change_log import rollback_without_restore
from pitrkit.runbook.copy_back import safety_backup
from pitrkit.runbook.finish import clean_up
from pitrkit.runbook.restore import restore
from pitrkit.runbook.session.session import Session
from pitrkit.runbook.start import select_table
from pitrkit.runbook.timeline import pick_timestamp
from pitrkit.sandbox import ExportFault, PastWrite, Sandbox
from pitrkit.times import iso
from tests.notebooks.conftest import place_of

TABLE = {
    "TableName": "Orders",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}],
    "BillingMode": "PAY_PER_REQUEST",
}
BUCKET = "kept-exports"


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    """A table with a past of two hours, and a bucket that exports of others lie in as well."""
    with Sandbox() as sandbox:
        began_at = datetime.now(UTC) - timedelta(hours=2)
        writes = [
            PastWrite(began_at + timedelta(minutes=n), {"id": {"N": str(n)}}, {"id": {"N": str(n)}}) for n in range(90)
        ]
        sandbox.seed(TABLE, writes, created_at=began_at)
        sandbox.bucket(BUCKET)
        with place_of(sandbox, tmp_path_factory.mktemp("incidents")) as place:
            yield place


@pytest.fixture(autouse=True)
def without_faults(orders):
    yield
    orders.sandbox.faults.clear()


def ago(minutes):
    return iso(datetime.now(UTC) - timedelta(minutes=minutes))


def opened(name):
    return select_table.select(Aws.connect(), "Orders", incident=name)


def copied(name):
    """Restore a copy, as 01 to 03 do; return the incident's session."""
    session = opened(name)
    pick_timestamp.pick(session, ago(30))
    restore.start(session, target=f"Orders-{name}")
    restore.wait(session)
    return session


def read_log(name, since, until, prefix):
    """Read what happened from incremental exports, as 10 does; return the incident's session."""
    session = opened(name)
    rollback_without_restore.read(session, source="export", since=since, until=until, bucket=BUCKET, prefix=prefix)
    return session


def keys(place):
    found = place.sandbox.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {one["Key"] for one in found}


def cleaned(session, **given):
    removal = clean_up.prepare(session, **given)
    removal.gate(removal.intent.digest)
    return removal.delete()


def test_exports_and_copies_of_this_incident_are_deleted_and_those_of_others_are_not(orders):
    theirs = read_log("theirs", ago(110), ago(80), "shared")
    before = keys(orders)
    session = copied("mine")
    rollback_without_restore.read(
        session, source="export", since=ago(60), until=ago(20), bucket=BUCKET, prefix="shared"
    )
    assert keys(orders) > before
    code, said = orders.pitrkit("run", "14_clean_up", "-p", "incident", "mine")
    assert code == 3, said
    assert "Orders-mine" in orders.tables()
    code, said = orders.pitrkit(*re.search(r"pitrkit (run 14_clean_up .*)", said)[1].split())
    assert code == 0, said
    assert keys(orders) == before
    assert orders.tables() == ["Orders"]
    lines = [json.loads(line) for line in (orders.folder / "mine" / "events.jsonl").read_text().splitlines()]
    assert all(one["data"]["request_ids"] for one in lines if one["event"] == "export_deleted")
    assert any(one["data"].get("request_id") for one in lines if one["event"] == "delete_answered")
    again = clean_up.prepare(session)
    assert again.intent is None
    assert "deleted already" in str(again)
    cleaned(theirs)
    assert keys(orders) == set()


def test_an_export_that_another_incident_reads_or_that_was_there_before_stays(orders):
    since, until = ago(100), ago(70)
    first = read_log("first", since, until, "both")
    second = read_log("second", since, until, "both")
    assert "existed before this incident" in str(clean_up.prepare(second))
    removal = clean_up.prepare(first)
    assert removal.intent is None
    assert "read by incident second" in str(removal)


def test_a_clean_up_that_was_interrupted_goes_on_with_the_same_approval_and_another_needs_its_own(orders):
    session = copied("half")
    rollback_without_restore.read(session, source="export", since=ago(50), until=ago(25), bucket=BUCKET, prefix="half")
    removal = clean_up.prepare(session)
    digest = removal.intent.digest
    removal.gate(digest)
    orders.sandbox.faults.add(ExportFault("s3_denied", bucket=BUCKET, operations=("DeleteObject",)))
    with pytest.raises(AwsError):
        removal.delete()
    orders.sandbox.faults.clear()
    assert "Orders-half" not in orders.tables(), "the copy goes first"
    went_on = clean_up.prepare(session, approve=digest)
    went_on.gate(digest)
    went_on.delete()
    assert not [key for key in keys(orders) if key.startswith("half/")]
    fresh = copied("fresh")
    removal = clean_up.prepare(fresh, approve=digest)
    with pytest.raises(StalePlan):
        removal.gate(digest)
    assert "Orders-fresh" in orders.tables()


def test_a_safety_copy_is_deleted_only_by_its_name_and_never_somebody_elses(orders):
    client = orders.sandbox.client("dynamodb")
    others = client.create_backup(TableName="Orders", BackupName="weekly")["BackupDetails"]["BackupArn"]
    session = opened("backed")
    made = safety_backup.make_backup(session, tables.describe(session.aws, "Orders"), "a" * 64, begun=False)
    removal = clean_up.prepare(session)
    assert removal.intent is None
    assert "only if you name it" in str(removal)
    for wrong in (others, "weekly", "pitrkit-other"):
        with pytest.raises(BadInput, match="no safety copy that this incident made"):
            clean_up.prepare(session, backup=wrong)
    cleaned(session, backup=made.name)
    assert [one["BackupArn"] for one in client.list_backups()["BackupSummaries"]] == [others]
    assert "gone already" in str(clean_up.prepare(session, backup=made.arn))


def test_what_is_gone_already_is_fine_and_what_was_adopted_is_not_deleted(orders):
    session = copied("gone")
    removal = clean_up.prepare(session)
    removal.gate(removal.intent.digest)
    orders.sandbox.client("dynamodb").delete_table(TableName="Orders-gone")
    assert "gone already" in str(removal.delete())
    session = copied("live")
    adoption = cut_over.plan(cut_over.read(Session.open("live", aws=Aws.connect())))
    adoption.gate(adoption.plan.digest)
    adoption.reapply()
    adoption.verify()
    assert capture(session.aws, "Orders-live").of("pitr")
    removal = clean_up.prepare(session)
    assert removal.intent is None
    assert "may be in use" in str(removal)
    with pytest.raises(BadInput, match="is not known"):
        clean_up.prepare(session, leave="everything")
