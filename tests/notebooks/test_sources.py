"""What a copy, or a deleted table, is restored from, and what it is to be like: by command and by notebook."""

import json
import re
import time

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.aws.settings.kinds import Recovery, TableRef
from pitrkit.aws.settings.reapply import SettingsWriter
from pitrkit.aws.settings.settings import of_backup, read
from pitrkit.errors import AwsError, BadInput, GateClosed
from pitrkit.runbook.adopt import cut_over, deleted_table
from pitrkit.runbook.diff import diff
from pitrkit.runbook.finish import clean_up
from pitrkit.runbook.restore import restore
from pitrkit.runbook.restore.source_choice import RestoreRequest, choose
from pitrkit.runbook.session.session import Session
from pitrkit.runbook.start import select_table
from pitrkit.runbook.timeline import pick_timestamp
from pitrkit.sandbox import Sandbox
from pitrkit.sandbox.protocol.faults import FaultRule

from .conftest import place_of

pytestmark = pytest.mark.takes(40)

HERE, THERE = "us-east-1", "eu-west-1"
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/backup"
INDEX = {
    "IndexName": "by-day",
    "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}
UNITS = {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4}
STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with Sandbox(restore_seconds=0.3) as sandbox, place_of(sandbox, tmp_path_factory.mktemp("incidents")) as place:
        yield place


@pytest.fixture(scope="module")
def aws(place):
    return Aws.connect()


@pytest.fixture
def dynamodb(place):
    return place.sandbox.client("dynamodb")


def make(place, table, *, region=HERE, pitr=True, items=3, **more):
    client = place.sandbox.client("dynamodb", region_name=region)
    client.create_table(
        **{
            "TableName": table,
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": n, "AttributeType": "S"} for n in ("id", "day")],
            "BillingMode": "PAY_PER_REQUEST",
            "GlobalSecondaryIndexes": [INDEX],
            **more,
        }
    )
    for number in range(items):
        client.put_item(TableName=table, Item={"id": {"S": str(number)}, "day": {"S": "mon"}})
    if pitr:
        client.update_continuous_backups(
            TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
        place.sandbox.clock.advance(2)  # so that there is a whole second to restore


def point_of(place, table):
    """Have AWS Backup make a recovery point of a table, and return its ARN."""
    arn = place.sandbox.client("dynamodb").describe_table(TableName=table)["Table"]["TableArn"]
    backup = place.sandbox.client("backup")
    return backup.start_backup_job(BackupVaultName="safe", ResourceArn=arn, IamRoleArn=ROLE)["RecoveryPointArn"]


def approved(place, said):
    """Run the command that a closed gate printed."""
    return place.pitrkit(*re.search(r"pitrkit ((?:run|recover) .*)", said)[1].split())


def arn_of(table, region=HERE):
    return f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/{table}"


def test_a_deleted_table_comes_back_with_the_settings_that_its_backup_knows(place, dynamodb):
    index = {**INDEX, "ProvisionedThroughput": UNITS}
    more = {"BillingMode": "PROVISIONED", "ProvisionedThroughput": UNITS, "GlobalSecondaryIndexes": [index]}
    make(place, "Carts", StreamSpecification=STREAM, Tags=[{"Key": "team", "Value": "shop"}], **more)
    dynamodb.update_time_to_live(TableName="Carts", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"})
    before = place.items("Carts")
    dynamodb.delete_table(TableName="Carts")
    asked = (
        "run",
        "11",
        "-p",
        "incident",
        "carts",
        "-p",
        "table",
        "Carts",
        "-p",
        "settings",
        "ttl,stream,pitr,deletion-protection",
    )
    code, said = place.pitrkit(*asked)
    assert code == 3, said
    assert "Carts" not in place.tables()
    code, said = approved(place, said)
    assert code == 0, said
    assert place.items("Carts") == before
    table = dynamodb.describe_table(TableName="Carts")["Table"]
    assert table["StreamSpecification"] == STREAM
    assert table["DeletionProtectionEnabled"]
    assert table["ProvisionedThroughput"]["WriteCapacityUnits"] == 4
    assert [one["IndexName"] for one in table["GlobalSecondaryIndexes"]] == ["by-day"]
    assert dynamodb.describe_time_to_live(TableName="Carts")["TimeToLiveDescription"]["AttributeName"] == "until"
    state = place.incident("carts")
    assert state["settings"] == dict.fromkeys(("ttl", "stream", "pitr", "deletion-protection"), True)
    events = (place.folder / "carts" / "events.jsonl").read_text()
    done = [one["data"] for one in map(json.loads, events.splitlines()) if one["event"] == "setting_done"]
    assert [one["setting"] for one in done] == ["ttl", "stream", "pitr", "deletion-protection"]
    assert all(call["request_id"] for one in done for call in one["calls"])
    code, said = place.pitrkit(*asked, "-p", "approve", re.search(r'"digest":"([0-9a-f]+)"', events)[1])
    assert code == 0, said
    assert "adopted" in said or place.incident("carts")["restored_table_id"] == table["TableId"]
    assert (place.folder / "carts" / "events.jsonl").read_text().count('"setting_done"') == 4
    adopting = cut_over.read(Session.open("carts", aws=Aws.connect()))
    assert cut_over.plan(adopting).plan.empty
    back = cut_over.plan(adopting, undo=True).plan
    assert [one.setting.kind for one in back.changes] == ["deletion-protection", "stream", "ttl"]
    dynamodb.update_table(TableName="Carts", DeletionProtectionEnabled=False)


def test_what_a_backup_does_not_know_is_not_made_up():
    nothing = of_backup("Carts", {}).found
    assert deleted_table.chosen(nothing, "") == ()
    with pytest.raises(BadInput, match="ttl was off, or does not know"):
        deleted_table.chosen(nothing, "ttl")
    with pytest.raises(BadInput, match="not known"):
        deleted_table.chosen(nothing, "tags")
    both = deleted_table.chosen(nothing, "deletion-protection,pitr")
    assert [one.kind for one in both] == ["pitr", "deletion-protection"]
    left = of_backup("Carts", {"BackupDetails": {"BackupType": "SYSTEM"}}).found
    assert [one.kind for one in deleted_table.chosen(left, "")] == ["pitr"]
    assert deleted_table.chosen(left, "none") == ()


def test_recovery_is_turned_on_as_soon_as_a_table_is_not_too_new_for_it(place, aws, dynamodb):
    make(place, "Young")
    dynamodb.restore_table_to_point_in_time(
        SourceTableName="Young", TargetTableName="Younger", UseLatestRestorableTime=True
    )
    with pytest.raises(dynamodb.exceptions.ContinuousBackupsUnavailableException):
        dynamodb.update_continuous_backups(
            TableName="Younger", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
    hand = SettingsWriter(aws, TableRef("Younger", arn_of("Younger")), sleep=lambda _: time.sleep(0.05))
    hand.give(Recovery(0))
    assert [call.operation for call in hand.calls] == ["UpdateContinuousBackups"]
    assert read(aws, "Younger", {"pitr"}) == {"pitr": Recovery(35)}


def test_a_table_that_had_no_recovery_comes_back_from_aws_backup_with_its_tags(place, aws, dynamodb):
    make(place, "Stock", pitr=False, Tags=[{"Key": "team", "Value": "shop"}])
    point_of(place, "Stock")
    before = place.items("Stock")
    dynamodb.delete_table(TableName="Stock")
    listed = str(deleted_table.deleted_tables(aws))
    assert "Stock" in listed
    assert "with a role, without options" in listed
    with pytest.raises(BadInput, match="needs a role for the restore") as caught:
        deleted_table.bring_back(aws, "Stock", incident="no-role")
    assert "service-role/AWSBackupDefaultServiceRole" in caught.value.fix
    with pytest.raises(BadInput, match="throughput cannot be chosen"):
        deleted_table.bring_back(aws, "Stock", incident="no-units", asked=RestoreRequest(role="", throughput="5/5"))
    code, said = place.pitrkit("run", "11", "-p", "incident", "stock", "-p", "table", "Stock", "-p", "role", ROLE)
    assert code == 3, said
    code, said = approved(place, said)
    assert code == 0, said
    assert place.items("Stock") == before
    table_arn = dynamodb.describe_table(TableName="Stock")["Table"]["TableArn"]
    assert dynamodb.list_tags_of_resource(ResourceArn=table_arn)["Tags"] == [{"Key": "team", "Value": "shop"}]


def test_a_name_that_was_taken_again_is_not_restored_over_and_the_backup_serves_as_a_source(place, aws, dynamodb):
    make(place, "Again")
    dynamodb.delete_table(TableName="Again")
    make(place, "Again", items=1)
    with pytest.raises(BadInput, match="there is a table Again") as caught:
        deleted_table.bring_back(aws, "Again", incident="again")
    command = re.search(r"pitrkit recover Again --backup (\S+)", caught.value.fix)
    session = select_table.select(aws, "Again", incident="again-items")
    restore.start(session, asked=RestoreRequest(backup=command[1]))
    restore.wait(session)
    assert diff.diff(session).changes.counts.to_dict() == {"same": 1, "removed": 2, "modified": 0, "inserted": 0}
    elsewhere = deleted_table.bring_back(aws, "Again", target="Again-then", incident="again-elsewhere")
    with pytest.raises(GateClosed):
        elsewhere.gate("")
    with pytest.raises(GateClosed):
        elsewhere.restore()


@pytest.fixture(scope="module")
def orders(place):
    """A table without recovery, an on-demand backup of it, and its damage."""
    client = place.sandbox.client("dynamodb")
    make(place, "Orders", pitr=False, items=5)
    before = place.items("Orders")
    arn = client.create_backup(TableName="Orders", BackupName="friday")["BackupDetails"]["BackupArn"]
    for number in range(3):
        client.delete_item(TableName="Orders", Key={"id": {"S": str(number)}})
    return arn, before


def test_a_backup_as_source_takes_what_the_policy_of_its_route_says(place, orders):
    with place.permitted("--route", "backup", "--steps", "restore,diff,copy"):
        code, said = place.pitrkit(
            "recover", "Orders", "--backup", orders[0], "--incident", "least", "--accept", "no-pitr"
        )
    assert code == 3, said
    assert place.incident("least")["plan"]["puts"] == 3
    place.sandbox.client("dynamodb").delete_table(TableName=place.incident("least")["restored_table"])


def test_an_on_demand_backup_restored_in_another_region_brings_the_items_back(place, aws, orders):
    arn, before = orders
    key = place.sandbox.client("kms", region_name=THERE).create_key()["KeyMetadata"]["Arn"]
    options = ("--target-region", THERE, "--indexes", "by-day", "--kms-key", key, "--billing", "provisioned")
    asked = (
        "recover",
        "Orders",
        "--backup",
        arn,
        "--incident",
        "backup",
        "--accept",
        "no-pitr",
        *options,
        "--throughput",
        "7/8",
    )
    code, said = place.pitrkit(*asked)
    assert code == 3, said
    state = place.incident("backup")
    assert state["restored_region"] == THERE
    assert state["restored_source"] == arn
    assert state["diff"]["removed"] == 3
    there = place.sandbox.client("dynamodb", region_name=THERE)
    copy = there.describe_table(TableName=state["restored_table"])["Table"]
    assert copy["SSEDescription"]["KMSMasterKeyArn"] == key
    assert copy["ProvisionedThroughput"]["ReadCapacityUnits"] == 7
    assert copy["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["WriteCapacityUnits"] == 8
    assert state["restored_table"] not in place.tables()
    gate = re.search(r"pitrkit (recover .*)", said)[1].split()
    code, said = place.pitrkit(*gate, "--kms-key", "aws-owned")
    assert code == 2
    assert "--kms-key" in said
    code, said = place.pitrkit(*gate)
    assert code == 0, said
    assert place.items("Orders") == before
    code, said = place.pitrkit("run", "13_cut_over", "-p", "incident", "backup")
    assert (code, f"the copy lies in {THERE}" in said) == (2, True), "a copy elsewhere is not adopted"
    removal = clean_up.prepare(select_table.select(aws, "Orders", incident="backup"))
    assert THERE in str(removal)
    with pytest.raises(GateClosed) as closed:
        removal.gate("")
    removal.gate(closed.value.digest)
    removal.delete()
    assert there.list_tables()["TableNames"] == []


def test_a_replica_elsewhere_whose_recovery_is_on_is_restored_by_its_arn(place, aws, dynamodb):
    make(place, "Global", pitr=False)
    make(place, "Global", region=THERE, items=4)
    with pytest.raises(BadInput, match="recovery is off"):
        pick_timestamp.pick(select_table.select(aws, "Global", incident="here"), "1m")
    session = select_table.select(aws, "Global", incident="replica", source_arn=arn_of("Global", THERE))
    pick_timestamp.pick(session, "latest")
    assert THERE in str(choose(session))
    restore.start(session)
    restore.wait(session)
    copy = dynamodb.describe_table(TableName=session.data["restored_table"])["Table"]
    assert copy["RestoreSummary"]["SourceTableArn"] == arn_of("Global", THERE)
    assert diff.diff(session).changes.counts.removed == 1
    restore.start(session)
    make(place, "Global-2")
    with pytest.raises(BadInput, match="has a restored copy already"):
        select_table.select(aws, "Global", incident="replica", source_arn=arn_of("Global-2"))


def test_a_copy_that_is_there_is_adopted_only_if_it_is_what_is_asked_for(place, aws, dynamodb):
    make(place, "Shared")
    first = select_table.select(aws, "Shared", incident="first")
    pick_timestamp.pick(first, "latest")
    restore.start(first, target="Shared-copy", asked=RestoreRequest(throughput="20/10"))
    restore.wait(first)
    second = select_table.select(aws, "Shared", incident="second")
    pick_timestamp.pick(second, first.data["restore_at"])
    for asked, words in (
        (RestoreRequest(indexes="all"), "indexes none"),
        (RestoreRequest(billing="provisioned", throughput="5/5"), "billing mode is PAY_PER_REQUEST"),
        (RestoreRequest(throughput="20/11"), "throughput is 20/10"),
        (RestoreRequest(kms_key="aws-managed"), "key is the AWS owned key"),
    ):
        with pytest.raises(BadInput, match=words):
            restore.start(second, target="Shared-copy", asked=asked)
    assert second.data.get("restored_table") is None
    restore.start(second, target="Shared-copy", asked=RestoreRequest(throughput="20/10", kms_key="aws-owned"))
    assert second.data["restored_by"] == "adopted"


def test_a_copy_elsewhere_is_compared_by_its_arn_and_one_of_another_account_is_refused(place, aws, dynamodb):
    make(place, "Near", items=2)
    make(place, "Far", region=THERE, items=4)
    session = select_table.select(aws, "Near", incident="far", restored=arn_of("Far", THERE))
    assert diff.diff(session).changes.counts.removed == 2
    foreign = arn_of("Far", THERE).replace(ACCOUNT, "999999999999")
    with pytest.raises(BadInput, match="belongs to account 999999999999"):
        select_table.select(aws, "Near", incident="foreign", restored=foreign)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (RestoreRequest(indexes="by-week"), "no index by-week"),
        (RestoreRequest(billing="provisioned"), "needs capacity"),
        (RestoreRequest(kms_key="00000000-0000-0000-0000-000000000000"), "there is no key"),
        (RestoreRequest(kms_key="alias/none"), "there is no key"),
        (RestoreRequest(kms_key=f"arn:aws:kms:{THERE}:{ACCOUNT}:key/x"), f"is a key in {THERE}"),
        (RestoreRequest(backup=arn_of("Shop") + "/backup/01"), "Backup not found"),
        (RestoreRequest(backup=f"arn:aws:backup:{HERE}:{ACCOUNT}:recovery-point:x", role=ROLE), "no recovery point"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_only_aws_can_refuse_is_refused_before_anything_is_made(place, aws, dynamodb, asked, words):
    if "Shop" not in place.tables():
        make(place, "Shop")
    session = select_table.select(aws, "Shop", incident="refused")
    pick_timestamp.pick(session, "latest")
    before = place.tables()
    with pytest.raises(Exception, match=words) as caught:
        restore.start(session, asked=asked)
    assert caught.value.fix
    assert place.tables() == before
    assert "restored_table" not in session.data


def test_the_job_of_a_recovery_point_is_gone_on_with_and_one_that_failed_says_why(place, aws, dynamodb):
    make(place, "Vaulted", pitr=False)
    point = point_of(place, "Vaulted")
    dynamodb.delete_item(TableName="Vaulted", Key={"id": {"S": "0"}})
    session = select_table.select(aws, "Vaulted", incident="vaulted")
    restore.start(session, asked=RestoreRequest(backup=point, role=ROLE, kms_key=denying_key(place)))
    failed = session.data["restore_job"]
    with pytest.raises(AwsError, match=r"AWS Backup could not restore it: .*KMS key access denied"):
        restore.wait(session)
    restore.start(session, asked=RestoreRequest(backup=point, role=ROLE, kms_key="aws-owned"))
    begun = session.data["restore_job"]
    assert begun["id"] != failed["id"]
    restore.start(session)
    assert session.data["restore_job"] == begun
    restore.wait(session)
    assert session.data["restored_by"] == "incident"
    assert diff.diff(session).changes.counts.removed == 1
    other = select_table.select(aws, "Vaulted", incident="other")
    with pytest.raises(BadInput, match="did not restore"):
        restore.start(other, target=session.data["restored_table"], asked=RestoreRequest(backup=point, role=ROLE))


def denying_key(place):
    kms = place.sandbox.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    statement = {"Effect": "Deny", "Principal": "*", "Action": "kms:CreateGrant", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
    return key


def test_a_key_that_is_off_or_denies_is_explained(place, aws, dynamodb):
    make(place, "Keyed")
    kms = place.sandbox.client("kms")
    off = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=off)
    session = select_table.select(aws, "Keyed", incident="keyed")
    pick_timestamp.pick(session, "latest")
    with pytest.raises(BadInput, match="is Disabled"):
        restore.start(session, asked=RestoreRequest(kms_key=off))
    with pytest.raises(Exception, match="KMS key access denied") as caught:
        restore.start(session, asked=RestoreRequest(kms_key=denying_key(place)))
    assert "kms:CreateGrant" in caught.value.fix
    assert caught.value.request_id


def test_into_another_region_a_customer_key_has_to_be_chosen_anew(place, aws, dynamodb):
    key = place.sandbox.client("kms").create_key()["KeyMetadata"]["Arn"]
    make(place, "Sealed", SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key})
    session = select_table.select(aws, "Sealed", incident="sealed")
    pick_timestamp.pick(session, "latest")
    with pytest.raises(BadInput, match=f"does not work in {THERE}") as caught:
        restore.start(session, asked=RestoreRequest(region=THERE))
    assert "aws-managed" in caught.value.fix
    restore.start(session, asked=RestoreRequest(region=THERE, kms_key="aws-managed"))
    assert restore.wait(session).data["region"] == THERE


def test_aws_backup_that_may_not_be_looked_at_is_named_and_the_rest_is_offered(place, aws, orders):
    session = select_table.select(aws, "Orders", incident="unseen")
    place.sandbox.faults.add(FaultRule("denied", service="backup"))
    try:
        shown = choose(session)
    finally:
        place.sandbox.faults.clear()
    assert "on-demand backup" in str(shown)
    assert "no permission for backup:ListRecoveryPointsByResource" in str(shown)
    place.sandbox.faults.add(FaultRule("denied", operations=("ListBackups",)))
    try:
        assert "DynamoDB's backups: not read" in str(choose(session))
        with pytest.raises(BadInput, match="no permission for dynamodb:ListBackups"):
            deleted_table.bring_back(aws, "Unknown", incident="unknown")
    finally:
        place.sandbox.faults.clear()
    assert shown.asked == RestoreRequest()
    shown.source.value = orders[0]
    shown.region.value = "nowhere"
    with pytest.raises(BadInput, match="is not a Region"):
        _ = shown.asked


RECOVER = ("recover", "Orders", "--incident", "typed-wrong")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--backup", "friday"), "not the ARN of a backup"),
        (("--backup", "B", "--at", "90m"), "not the ARN"),
        (("--backup", arn_of("Orders") + "/backup/01", "--at", "90m"), "--at"),
        (("--backup", f"arn:aws:backup:{HERE}:{ACCOUNT}:recovery-point:x"), "--backup-role"),
        (("--at", "90m", "--backup-role", ROLE), "--backup-role is the role"),
        (("--at", "90m", "--source-arn", "Orders"), "not the ARN of a table"),
        (("--at", "90m", "--target-region", "Ireland"), "not a Region"),
        (("--at", "90m", "--indexes", "a,,b"), "blank name"),
        (("--at", "90m", "--kms-key", "my key"), "is not a KMS key"),
        (("--at", "90m", "--throughput", "100"), "READ/WRITE"),
        (("--at", "90m", "--throughput", "0/5"), "READ/WRITE"),
        (("--at", "90m", "--route", "stream", "--indexes", "all"), "--indexes"),
        (("--at", "90m", "--how", "export", "--billing", "on-demand"), "--billing"),
        (("--restored", "Copy", "--kms-key", "aws-owned"), "--kms-key"),
    ],
)
def test_what_cannot_be_read_is_refused_before_anything_is_done(place, monkeypatch, words, said):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nothing answers there
    code, printed = place.pitrkit(*RECOVER, *words)
    assert code == 2, printed
    assert said in printed
    assert "01_select_table" not in printed
    assert not (place.folder / "typed-wrong").exists()
