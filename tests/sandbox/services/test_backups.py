"""Deleted tables and their system backups, seen through plain boto3."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from pitrkit.sandbox import Sandbox

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ITEM = {"pk": {"S": "a"}, "who": {"S": "ann"}}
INDEX = {
    "IndexName": "by-who",
    "KeySchema": [{"AttributeName": "who", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}


@pytest.fixture
def sandbox():
    with Sandbox(ticking=False) as sandbox:
        sandbox.clock.set(NOON)
        yield sandbox


@pytest.fixture
def dynamodb(sandbox):
    return sandbox.client("dynamodb")


def create(dynamodb, name="Orders", *, protected=True, **settings):
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "who")],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[INDEX],
        **settings,
    )
    if protected:
        dynamodb.update_continuous_backups(
            TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )


def names(dynamodb, **parameters):
    return [backup["BackupName"] for backup in dynamodb.list_backups(**parameters)["BackupSummaries"]]


def code_of(call, **parameters):
    with pytest.raises(ClientError) as failed:
        call(**parameters)
    return failed.value.response["Error"]["Code"]


def test_a_deleted_table_with_recovery_leaves_a_system_backup(sandbox, dynamodb):
    create(dynamodb, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
    dynamodb.update_time_to_live(
        TableName="Orders", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    dynamodb.put_item(TableName="Orders", Item=ITEM)
    table = dynamodb.describe_table(TableName="Orders")["Table"]
    sandbox.clock.advance(60)
    assert dynamodb.delete_table(TableName="Orders")["TableDescription"]["TableStatus"] == "DELETING"
    assert code_of(dynamodb.describe_table, TableName="Orders") == "ResourceNotFoundException"

    assert names(dynamodb) == names(dynamodb, BackupType="USER") == []
    assert names(dynamodb, BackupType="ALL") == ["Orders$DeletedTableBackup"]
    (summary,) = dynamodb.list_backups(BackupType="SYSTEM")["BackupSummaries"]
    assert summary["TableName"] == "Orders"
    assert summary["TableId"] == table["TableId"]
    assert summary["BackupType"] == "SYSTEM"
    assert summary["BackupCreationDateTime"] == NOON + timedelta(seconds=60)
    assert summary["BackupExpiryDateTime"] == NOON + timedelta(days=35, seconds=60)

    described = dynamodb.describe_backup(BackupArn=summary["BackupArn"])["BackupDescription"]
    assert described["SourceTableDetails"]["KeySchema"] == table["KeySchema"]
    assert described["SourceTableDetails"]["ItemCount"] == 1
    assert described["SourceTableDetails"]["TableCreationDateTime"] == NOON
    features = described["SourceTableFeatureDetails"]
    assert features["GlobalSecondaryIndexes"][0]["IndexName"] == "by-who"
    assert features["TimeToLiveDescription"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    assert features["StreamDescription"] == {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}


def test_a_system_backup_restores_the_state_just_before_the_deletion(sandbox, dynamodb):
    create(dynamodb)
    dynamodb.put_item(TableName="Orders", Item={"pk": {"S": "gone"}})
    dynamodb.put_item(TableName="Orders", Item=ITEM)
    dynamodb.delete_item(TableName="Orders", Key={"pk": {"S": "gone"}})
    dynamodb.delete_table(TableName="Orders")
    (summary,) = dynamodb.list_backups(BackupType="SYSTEM")["BackupSummaries"]
    wanted = {"BackupArn": summary["BackupArn"], "TargetTableName": "Orders"}
    restored = dynamodb.restore_table_from_backup(**wanted)["TableDescription"]
    assert restored["RestoreSummary"]["SourceBackupArn"] == summary["BackupArn"]
    assert restored["RestoreSummary"]["RestoreInProgress"] is True
    assert dynamodb.describe_table(TableName="Orders")["Table"]["RestoreSummary"]["RestoreInProgress"] is False
    assert dynamodb.scan(TableName="Orders")["Items"] == [ITEM]
    found = dynamodb.query(
        TableName="Orders",
        IndexName="by-who",
        KeyConditionExpression="who = :who",
        ExpressionAttributeValues={":who": {"S": "ann"}},
    )
    assert found["Items"] == [ITEM]
    assert code_of(dynamodb.restore_table_from_backup, **wanted) == "TableAlreadyExistsException"
    dynamodb.restore_table_from_backup(**{**wanted, "TargetTableName": "Bare"}, GlobalSecondaryIndexOverride=[])
    assert "GlobalSecondaryIndexes" not in dynamodb.describe_table(TableName="Bare")["Table"]


def test_a_system_backup_expires_after_35_days_and_cannot_be_deleted(sandbox, dynamodb):
    create(dynamodb)
    dynamodb.delete_table(TableName="Orders")
    (summary,) = dynamodb.list_backups(BackupType="SYSTEM")["BackupSummaries"]
    assert code_of(dynamodb.delete_backup, BackupArn=summary["BackupArn"]) == "ValidationException"
    sandbox.clock.advance(35 * 86400)
    assert names(dynamodb, BackupType="ALL") == []
    assert code_of(dynamodb.describe_backup, BackupArn=summary["BackupArn"]) == "BackupNotFoundException"


def test_a_deleted_table_without_recovery_leaves_nothing(dynamodb):
    create(dynamodb, protected=False)
    dynamodb.delete_table(TableName="Orders")
    assert names(dynamodb, BackupType="ALL") == []


def test_a_protected_table_is_not_deleted(dynamodb):
    create(dynamodb, DeletionProtectionEnabled=True)
    assert code_of(dynamodb.delete_table, TableName="Orders") == "ValidationException"
    assert names(dynamodb, BackupType="ALL") == []
    dynamodb.update_table(TableName="Orders", DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName="Orders")
    assert names(dynamodb, BackupType="ALL") == ["Orders$DeletedTableBackup"]


def test_backups_are_listed_by_time_table_and_page(sandbox, dynamodb):
    create(dynamodb)
    create(dynamodb, "Other")
    for number in range(3):
        dynamodb.create_backup(TableName="Orders", BackupName=f"made-{number}")
        sandbox.clock.advance(60)
    dynamodb.delete_table(TableName="Other")
    everything = {"BackupType": "ALL"}
    assert names(dynamodb) == ["made-0", "made-1", "made-2"]
    assert names(dynamodb, **everything) == ["made-0", "made-1", "made-2", "Other$DeletedTableBackup"]
    assert names(dynamodb, TableName="Other", **everything) == ["Other$DeletedTableBackup"]
    assert names(
        dynamodb,
        TimeRangeLowerBound=NOON + timedelta(seconds=60),
        TimeRangeUpperBound=NOON + timedelta(seconds=120),
    ) == ["made-1"]
    first = dynamodb.list_backups(Limit=2, **everything)
    rest = dynamodb.list_backups(ExclusiveStartBackupArn=first["LastEvaluatedBackupArn"], **everything)
    listed = first["BackupSummaries"] + rest["BackupSummaries"]
    assert [backup["BackupName"] for backup in listed] == names(dynamodb, **everything)
    assert "LastEvaluatedBackupArn" not in rest
    assert sandbox.client("dynamodb", region_name="eu-west-1").list_backups()["BackupSummaries"] == []
    dynamodb.delete_backup(BackupArn=listed[0]["BackupArn"])
    assert names(dynamodb) == ["made-1", "made-2"]


def test_a_backup_keeps_what_the_table_held_then(dynamodb):
    create(dynamodb)
    dynamodb.put_item(TableName="Orders", Item=ITEM)
    arn = dynamodb.create_backup(TableName="Orders", BackupName="made")["BackupDetails"]["BackupArn"]
    dynamodb.delete_item(TableName="Orders", Key={"pk": {"S": "a"}})
    dynamodb.restore_table_from_backup(BackupArn=arn, TargetTableName="Copy")
    assert dynamodb.scan(TableName="Copy")["Items"] == [ITEM]
    assert dynamodb.scan(TableName="Orders")["Items"] == []
    assert code_of(dynamodb.create_backup, TableName="Nowhere", BackupName="x" * 3) == "TableNotFoundException"
