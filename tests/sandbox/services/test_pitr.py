"""Point-in-time recovery of the sandbox, seen through plain boto3."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from pitrkit.sandbox import Sandbox

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ORDERS = {
    "TableName": "Orders",
    "KeySchema": [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ],
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": kind} for name, kind in (("pk", "S"), ("sk", "N"), ("who", "S"))
    ],
    "BillingMode": "PAY_PER_REQUEST",
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-who",
            "KeySchema": [{"AttributeName": "who", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
    "LocalSecondaryIndexes": [
        {
            "IndexName": "by-pk-who",
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "who", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
}


@pytest.fixture
def sandbox():
    with Sandbox(ticking=False) as sandbox:
        sandbox.clock.set(NOON)
        yield sandbox


@pytest.fixture
def dynamodb(sandbox):
    client = sandbox.client("dynamodb")
    client.create_table(**ORDERS)
    return client


def protect(dynamodb, **period):
    return dynamodb.update_continuous_backups(
        TableName="Orders",
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True, **period},
    )["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]


def order(number, **attributes):
    return {"pk": {"S": f"o{number}"}, "sk": {"N": "1"}, **attributes}


def put(dynamodb, number, **attributes):
    dynamodb.put_item(TableName="Orders", Item=order(number, **attributes))


def restore(dynamodb, target="Copy", **parameters):
    return dynamodb.restore_table_to_point_in_time(
        **{"SourceTableName": "Orders", "TargetTableName": target, **parameters}
    )["TableDescription"]


def items(dynamodb, table="Copy"):
    found = dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]
    return sorted(found, key=lambda item: item["pk"]["S"])


def code_of(call, *args, **kwargs):
    with pytest.raises(ClientError) as failed:
        call(*args, **kwargs)
    return failed.value.response["Error"]["Code"]


def test_the_window_follows_the_clock_and_the_period(sandbox, dynamodb):
    described = dynamodb.describe_continuous_backups(TableName="Orders")["ContinuousBackupsDescription"]
    assert described["PointInTimeRecoveryDescription"] == {"PointInTimeRecoveryStatus": "DISABLED"}

    window = protect(dynamodb, RecoveryPeriodInDays=2)
    assert window["EarliestRestorableDateTime"] == window["LatestRestorableDateTime"] == NOON
    sandbox.clock.advance(3 * 86400)

    window = dynamodb.describe_continuous_backups(TableName="Orders")["ContinuousBackupsDescription"][
        "PointInTimeRecoveryDescription"
    ]
    assert window["RecoveryPeriodInDays"] == 2
    assert window["EarliestRestorableDateTime"] == NOON + timedelta(days=1)
    assert window["LatestRestorableDateTime"] == NOON + timedelta(days=3)


def test_the_latest_restorable_time_lags_behind_the_clock():
    with Sandbox(ticking=False, latest_lag_seconds=300) as sandbox:
        sandbox.clock.set(NOON)
        dynamodb = sandbox.client("dynamodb")
        dynamodb.create_table(**ORDERS)
        protect(dynamodb)
        put(dynamodb, 1)
        sandbox.clock.advance(301)
        put(dynamodb, 2)
        at = restore(dynamodb, UseLatestRestorableTime=True)["RestoreSummary"]["RestoreDateTime"]
        assert at == NOON + timedelta(seconds=1)
        assert items(dynamodb) == [order(1)]
        assert code_of(restore, dynamodb, "Other", RestoreDateTime=NOON + timedelta(seconds=2)) == (
            "InvalidRestoreTimeException"
        )


def test_disabling_and_enabling_begins_a_new_window(sandbox, dynamodb):
    protect(dynamodb)
    sandbox.clock.advance(60)
    assert protect(dynamodb)["EarliestRestorableDateTime"] == NOON
    dynamodb.update_continuous_backups(
        TableName="Orders", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
    )
    sandbox.clock.advance(60)
    assert protect(dynamodb)["EarliestRestorableDateTime"] == NOON + timedelta(seconds=120)
    assert code_of(restore, dynamodb, RestoreDateTime=NOON) == "InvalidRestoreTimeException"


def test_a_shorter_period_gives_up_what_is_older_for_good(sandbox, dynamodb):
    protect(dynamodb)
    sandbox.clock.advance(10 * 86400)
    protect(dynamodb, RecoveryPeriodInDays=1)
    assert protect(dynamodb, RecoveryPeriodInDays=35)["EarliestRestorableDateTime"] == NOON + timedelta(days=9)
    assert code_of(protect, dynamodb, RecoveryPeriodInDays=36) == "ValidationException"


def test_a_restore_holds_exactly_the_writes_up_to_the_whole_second(sandbox, dynamodb):
    protect(dynamodb)
    put(dynamodb, 1, state={"S": "new"})
    sandbox.clock.advance(1)
    put(dynamodb, 2)  # at 12:00:01.000000: belongs to 12:00:01
    sandbox.clock.advance(0.000001)
    put(dynamodb, 3)  # at 12:00:01.000001: does not
    put(dynamodb, 1, state={"S": "changed"})
    dynamodb.delete_item(TableName="Orders", Key=order(2))
    sandbox.clock.advance(10)

    summary = restore(dynamodb, RestoreDateTime=NOON + timedelta(seconds=1, microseconds=999_999))["RestoreSummary"]
    assert summary["RestoreDateTime"] == NOON + timedelta(seconds=1)
    assert items(dynamodb) == [order(1, state={"S": "new"}), order(2)]

    restore(dynamodb, "Later", RestoreDateTime=NOON + timedelta(seconds=2))
    assert items(dynamodb, "Later") == [order(1, state={"S": "changed"}), order(3)]
    assert items(dynamodb, "Orders") == items(dynamodb, "Later")


def test_a_restore_takes_its_real_time():
    with Sandbox(restore_seconds=0.3, ticking=False) as sandbox:
        sandbox.clock.set(NOON)
        dynamodb = sandbox.client("dynamodb")
        dynamodb.create_table(**ORDERS)
        protect(dynamodb)
        put(dynamodb, 1)
        begun = restore(dynamodb, UseLatestRestorableTime=True)
        assert begun["TableStatus"] == "CREATING"
        assert begun["RestoreSummary"]["RestoreInProgress"] is True
        assert begun["RestoreSummary"]["SourceTableArn"].endswith(":table/Orders")
        while (table := dynamodb.describe_table(TableName="Copy")["Table"])["TableStatus"] == "CREATING":
            time.sleep(0.05)
        assert table["RestoreSummary"] == {**begun["RestoreSummary"], "RestoreInProgress": False}
        assert items(dynamodb) == [order(1)]


def test_a_table_that_is_being_restored_refuses_work():
    with Sandbox(restore_seconds=600) as sandbox:
        dynamodb = sandbox.client("dynamodb")
        dynamodb.create_table(**ORDERS)
        protect(dynamodb)
        restore(dynamodb, UseLatestRestorableTime=True)
        table = dynamodb.describe_table(TableName="Copy")["Table"]
        assert table["TableStatus"] == "CREATING"
        assert table["RestoreSummary"]["RestoreInProgress"] is True
        refused = {
            "ResourceNotFoundException": (
                (dynamodb.scan, {"TableName": "Copy"}),
                (dynamodb.query, {"TableName": "Copy", "KeyConditionExpression": "pk = :p"}),
                (dynamodb.get_item, {"TableName": "Copy", "Key": order(1)}),
                (dynamodb.put_item, {"TableName": "Copy", "Item": order(1)}),
                (dynamodb.batch_get_item, {"RequestItems": {"Copy": {"Keys": [order(1)]}}}),
                (dynamodb.batch_write_item, {"RequestItems": {"Copy": [{"PutRequest": {"Item": order(1)}}]}}),
                (
                    dynamodb.transact_write_items,
                    {"TransactItems": [{"Put": {"TableName": "Copy", "Item": order(1)}}]},
                ),
                (dynamodb.execute_statement, {"Statement": 'SELECT * FROM "Copy"'}),
            ),
            "ResourceInUseException": (
                (dynamodb.delete_table, {"TableName": "Copy"}),
                (dynamodb.update_table, {"TableName": "Copy", "DeletionProtectionEnabled": True}),
            ),
            "TableInUseException": (
                (restore, {"dynamodb": dynamodb, "UseLatestRestorableTime": True}),
                (dynamodb.create_backup, {"TableName": "Copy", "BackupName": "early"}),
            ),
            "ContinuousBackupsUnavailableException": (
                (
                    dynamodb.update_continuous_backups,
                    {
                        "TableName": "Copy",
                        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                    },
                ),
            ),
        }
        for code, calls in refused.items():
            for call, parameters in calls:
                assert code_of(call, **parameters) == code


def test_every_refusal_has_the_codes_of_the_service(sandbox, dynamodb):
    assert code_of(restore, dynamodb, UseLatestRestorableTime=True) == "PointInTimeRecoveryUnavailableException"
    protect(dynamodb)
    sandbox.clock.advance(60)
    assert code_of(restore, dynamodb) == "ValidationException"
    assert code_of(restore, dynamodb, UseLatestRestorableTime=True, RestoreDateTime=NOON) == "ValidationException"
    assert code_of(restore, dynamodb, "no/name", UseLatestRestorableTime=True) == "ValidationException"
    assert code_of(restore, dynamodb, SourceTableArn="arn:x", UseLatestRestorableTime=True) == "ValidationException"
    assert code_of(restore, dynamodb, "Orders", UseLatestRestorableTime=True) == "TableAlreadyExistsException"
    nameless = {"TargetTableName": "Copy", "UseLatestRestorableTime": True}
    assert code_of(dynamodb.restore_table_to_point_in_time, **nameless, SourceTableArn="arn:x") == "ValidationException"
    assert code_of(dynamodb.restore_table_to_point_in_time, **nameless) == "ValidationException"
    missing = {"SourceTableName": "Nowhere", "UseLatestRestorableTime": True}
    assert code_of(restore, dynamodb, **missing) == "TableNotFoundException"
    for at in (NOON - timedelta(seconds=1), NOON + timedelta(seconds=61)):
        assert code_of(restore, dynamodb, RestoreDateTime=at) == "InvalidRestoreTimeException"
    assert code_of(dynamodb.describe_continuous_backups, TableName="Nowhere") == "TableNotFoundException"
    assert dynamodb.list_tables()["TableNames"] == ["Orders"]


def test_more_than_fifty_restores_at_a_time_are_refused():
    with Sandbox(restore_seconds=600) as sandbox:
        dynamodb = sandbox.client("dynamodb")
        dynamodb.create_table(**ORDERS)
        protect(dynamodb)
        for number in range(50):
            restore(dynamodb, f"Copy{number}", UseLatestRestorableTime=True)
        assert code_of(restore, dynamodb, "OneMore", UseLatestRestorableTime=True) == "LimitExceededException"


def test_a_source_may_be_named_by_its_arn(sandbox, dynamodb):
    protect(dynamodb)
    arn = dynamodb.describe_table(TableName="Orders")["Table"]["TableArn"]
    dynamodb.restore_table_to_point_in_time(SourceTableArn=arn, TargetTableName="Copy", UseLatestRestorableTime=True)
    assert dynamodb.describe_table(TableName="Copy")["Table"]["RestoreSummary"]["SourceTableArn"] == arn


def test_a_restore_into_another_region_needs_its_encryption_named(sandbox, dynamodb):
    protect(dynamodb)
    put(dynamodb, 1)
    arn = dynamodb.describe_table(TableName="Orders")["Table"]["TableArn"]
    there = sandbox.client("dynamodb", region_name="eu-west-1")
    wanted = {"SourceTableArn": arn, "TargetTableName": "Copy", "UseLatestRestorableTime": True}
    assert code_of(there.restore_table_to_point_in_time, **wanted) == "ValidationException"
    there.restore_table_to_point_in_time(**wanted, SSESpecificationOverride={"Enabled": False})
    assert items(there) == [order(1)]
    assert dynamodb.list_tables()["TableNames"] == ["Orders"]


def test_indexes_come_back_unless_they_are_overridden(sandbox, dynamodb):
    protect(dynamodb)
    everything = restore(dynamodb, "All", UseLatestRestorableTime=True)
    assert [index["IndexName"] for index in everything["GlobalSecondaryIndexes"]] == ["by-who"]
    assert [index["IndexName"] for index in everything["LocalSecondaryIndexes"]] == ["by-pk-who"]

    bare = restore(
        dynamodb,
        "Bare",
        UseLatestRestorableTime=True,
        GlobalSecondaryIndexOverride=[],
        LocalSecondaryIndexOverride=[],
    )
    assert "GlobalSecondaryIndexes" not in bare
    assert "LocalSecondaryIndexes" not in bare
    assert {attribute["AttributeName"] for attribute in bare["AttributeDefinitions"]} == {"pk", "sk"}

    one = restore(
        dynamodb,
        "One",
        UseLatestRestorableTime=True,
        GlobalSecondaryIndexOverride=ORDERS["GlobalSecondaryIndexes"],
        LocalSecondaryIndexOverride=[],
    )
    assert [index["IndexName"] for index in one["GlobalSecondaryIndexes"]] == ["by-who"]

    unknown = {**ORDERS["GlobalSecondaryIndexes"][0], "IndexName": "unknown"}
    warm = {**ORDERS["GlobalSecondaryIndexes"][0], "WarmThroughput": {"ReadUnitsPerSecond": 12000}}
    for override in (unknown, warm):
        wanted = {"UseLatestRestorableTime": True, "GlobalSecondaryIndexOverride": [override]}
        assert code_of(restore, dynamodb, "Bad", **wanted) == "ValidationException"


def test_billing_and_throughput_can_be_overridden(sandbox, dynamodb):
    protect(dynamodb)
    units = {"ReadCapacityUnits": 7, "WriteCapacityUnits": 9}
    latest = {"UseLatestRestorableTime": True}
    assert restore(dynamodb, "Same", **latest)["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    provisioned = restore(
        dynamodb, "Provisioned", **latest, BillingModeOverride="PROVISIONED", ProvisionedThroughputOverride=units
    )
    assert provisioned["BillingModeSummary"]["BillingMode"] == "PROVISIONED"
    assert provisioned["ProvisionedThroughput"]["WriteCapacityUnits"] == 9
    assert code_of(restore, dynamodb, "Bad", **latest, BillingModeOverride="PROVISIONED") == "ValidationException"


def test_a_restore_leaves_behind_what_the_service_leaves_behind(sandbox):
    dynamodb = sandbox.client("dynamodb")
    dynamodb.create_table(
        **ORDERS,
        Tags=[{"Key": "team", "Value": "shop"}],
        DeletionProtectionEnabled=True,
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    dynamodb.update_time_to_live(
        TableName="Orders", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    protect(dynamodb)
    copy = restore(dynamodb, UseLatestRestorableTime=True)
    assert copy["DeletionProtectionEnabled"] is False
    assert "LatestStreamArn" not in copy
    assert dynamodb.list_tags_of_resource(ResourceArn=copy["TableArn"])["Tags"] == []
    ttl = dynamodb.describe_time_to_live(TableName="Copy")["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "DISABLED"}
    recovery = dynamodb.describe_continuous_backups(TableName="Copy")["ContinuousBackupsDescription"]
    assert recovery["PointInTimeRecoveryDescription"] == {"PointInTimeRecoveryStatus": "DISABLED"}


def test_a_restored_table_has_a_past_of_its_own(sandbox, dynamodb):
    protect(dynamodb)
    put(dynamodb, 1)
    sandbox.clock.advance(10)
    restore(dynamodb, UseLatestRestorableTime=True)
    dynamodb.update_continuous_backups(
        TableName="Copy", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    sandbox.clock.advance(10)
    dynamodb.put_item(TableName="Copy", Item=order(2))
    dynamodb.delete_item(TableName="Copy", Key=order(1))
    assert items(dynamodb, "Orders") == [order(1)]
    restore(dynamodb, "Earlier", SourceTableName="Copy", RestoreDateTime=NOON + timedelta(seconds=19))
    assert items(dynamodb, "Earlier") == [order(1)]
    restore(dynamodb, "Later", SourceTableName="Copy", UseLatestRestorableTime=True)
    assert items(dynamodb, "Later") == [order(2)]


def test_a_table_created_again_has_another_id_and_none_of_the_old_past(sandbox, dynamodb):
    protect(dynamodb)
    put(dynamodb, 1)
    first = dynamodb.describe_table(TableName="Orders")["Table"]
    sandbox.clock.advance(60)
    dynamodb.delete_table(TableName="Orders")
    dynamodb.create_table(**ORDERS)
    second = dynamodb.describe_table(TableName="Orders")["Table"]
    assert second["TableId"] != first["TableId"]
    assert second["CreationDateTime"] - first["CreationDateTime"] == timedelta(seconds=60)
    assert code_of(restore, dynamodb, UseLatestRestorableTime=True) == "PointInTimeRecoveryUnavailableException"
    protect(dynamodb)
    assert code_of(restore, dynamodb, RestoreDateTime=NOON) == "InvalidRestoreTimeException"
    restore(dynamodb, UseLatestRestorableTime=True)
    assert items(dynamodb) == []
