"""AWS Backup, backups across Regions, keys and capacity of restored tables, seen through plain boto3."""

import pytest
from botocore.exceptions import ClientError

from pitrkit.sandbox import Sandbox
from pitrkit.sandbox.protocol.faults import FaultRule

THERE = "eu-west-1"
ROLE = "arn:aws:iam::123456789012:role/backup"
INDEX = {
    "IndexName": "by-who",
    "KeySchema": [{"AttributeName": "who", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as sandbox:
        sandbox.client("dynamodb").create_table(
            TableName="Orders",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "who")],
            BillingMode="PAY_PER_REQUEST",
            GlobalSecondaryIndexes=[INDEX],
            Tags=[{"Key": "team", "Value": "shop"}],
        )
        yield sandbox


@pytest.fixture
def dynamodb(sandbox):
    return sandbox.client("dynamodb")


@pytest.fixture
def vaults(sandbox):
    return sandbox.client("backup")


def table_arn(dynamodb):
    return dynamodb.describe_table(TableName="Orders")["Table"]["TableArn"]


def point(vaults, arn):
    return vaults.start_backup_job(BackupVaultName="safe", ResourceArn=arn, IamRoleArn=ROLE)["RecoveryPointArn"]


def refused(call, **parameters):
    with pytest.raises(ClientError) as failed:
        call(**parameters)
    return failed.value.response["Error"]


def test_a_recovery_point_is_listed_and_a_job_restores_it_whole_with_its_tags(dynamodb, vaults):
    arn = table_arn(dynamodb)
    dynamodb.put_item(TableName="Orders", Item={"pk": {"S": "a"}})
    made = point(vaults, arn)
    assert made.startswith("arn:aws:backup:")
    assert [one["ResourceArn"] for one in vaults.list_protected_resources()["Results"]] == [arn]
    (listed,) = vaults.list_recovery_points_by_resource(ResourceArn=arn)["RecoveryPoints"]
    assert (listed["RecoveryPointArn"], listed["BackupVaultName"], listed["Status"]) == (made, "safe", "COMPLETED")
    wanted = {"RecoveryPointArn": made, "IamRoleArn": ROLE, "Metadata": {"TargetTableName": "Back"}}
    job = vaults.start_restore_job(**wanted, IdempotencyToken="t", CopySourceTagsToRestoredResource=True)
    assert vaults.start_restore_job(**wanted, IdempotencyToken="t")["RestoreJobId"] == job["RestoreJobId"]
    done = vaults.describe_restore_job(RestoreJobId=job["RestoreJobId"])
    assert done["Status"] == "COMPLETED"
    assert dynamodb.scan(TableName="Back")["Count"] == 1
    assert dynamodb.list_tags_of_resource(ResourceArn=done["CreatedResourceArn"])["Tags"] == [
        {"Key": "team", "Value": "shop"}
    ]
    again = vaults.start_restore_job(**wanted)["RestoreJobId"]
    failed = vaults.describe_restore_job(RestoreJobId=again)
    assert failed["Status"] == "FAILED"
    assert "TableAlreadyExistsException" in failed["StatusMessage"]
    assert (
        refused(vaults.start_restore_job, **{**wanted, "IamRoleArn": "me"})["Code"] == "InvalidParameterValueException"
    )
    other = made[:-3] + "000"
    assert refused(vaults.start_restore_job, **{**wanted, "RecoveryPointArn": other})["Code"] == (
        "ResourceNotFoundException"
    )


def test_without_its_own_management_aws_backup_makes_a_backup_of_dynamodb_s(dynamodb, vaults):
    vaults.update_region_settings(ResourceTypeManagementPreference={"DynamoDB": False})
    made = point(vaults, table_arn(dynamodb))
    vaults.update_region_settings(ResourceTypeManagementPreference={"DynamoDB": True})
    assert made.startswith("arn:aws:dynamodb:")
    listed = {
        kind: [one["BackupArn"] for one in dynamodb.list_backups(BackupType=kind)["BackupSummaries"]]
        for kind in ("USER", "ALL", "AWS_BACKUP")
    }
    assert listed == {"USER": [], "ALL": [], "AWS_BACKUP": [made]}
    assert refused(dynamodb.delete_backup, BackupArn=made)["Code"] == "AccessDeniedException"
    dynamodb.restore_table_from_backup(TargetTableName="Legacy", BackupArn=made)
    assert dynamodb.describe_table(TableName="Legacy")["Table"]["RestoreSummary"]["SourceBackupArn"] == made


def test_a_backup_is_restored_in_another_region_once_its_encryption_is_named(sandbox, dynamodb):
    arn = dynamodb.create_backup(TableName="Orders", BackupName="friday")["BackupDetails"]["BackupArn"]
    there = sandbox.client("dynamodb", region_name=THERE)
    wanted = {"TargetTableName": "Orders", "BackupArn": arn}
    assert "SSESpecificationOverride" in refused(there.restore_table_from_backup, **wanted)["Message"]
    there.restore_table_from_backup(**wanted, SSESpecificationOverride={"Enabled": False})
    assert there.describe_table(TableName="Orders")["Table"]["TableArn"].split(":")[3] == THERE
    assert refused(there.describe_backup, BackupArn=arn)["Code"] == "BackupNotFoundException"
    assert refused(dynamodb.create_backup, TableName="Orders", BackupName="a b")["Code"] == "ValidationException"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"ProvisionedThroughputOverride": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}, "PAY_PER_REQUEST"),
        ({"OnDemandThroughputOverride": {}}, "MaxReadRequestUnits"),
        ({"BillingModeOverride": "PROVISIONED"}, "must be specified"),
        (
            {
                "BillingModeOverride": "PROVISIONED",
                "ProvisionedThroughputOverride": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
                "GlobalSecondaryIndexOverride": [INDEX],
            },
            "for index: by-who",
        ),
        ({"SSESpecificationOverride": {"Enabled": True, "KMSMasterKeyId": "alias/none"}}, "KMS key not found"),
    ],
)
def test_what_a_restored_table_cannot_be_is_refused_and_nothing_is_made(dynamodb, overrides, words):
    arn = dynamodb.create_backup(TableName="Orders", BackupName="again")["BackupDetails"]["BackupArn"]
    error = refused(dynamodb.restore_table_from_backup, TargetTableName="Never", BackupArn=arn, **overrides)
    assert error["Code"] == "ValidationException"
    assert words in error["Message"]
    assert "Never" not in dynamodb.list_tables()["TableNames"]


def test_a_key_that_is_off_is_refused(sandbox, dynamodb):
    kms = sandbox.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=key)
    arn = dynamodb.create_backup(TableName="Orders", BackupName="keyed")["BackupDetails"]["BackupArn"]
    error = refused(
        dynamodb.restore_table_from_backup,
        TargetTableName="Never",
        BackupArn=arn,
        SSESpecificationOverride={"Enabled": True, "KMSMasterKeyId": key},
    )
    assert "DisabledException" in error["Message"]


def test_aws_backup_denies_on_demand_and_what_is_not_answered_here_is_moto_s(sandbox, dynamodb, vaults):
    vaults.create_backup_vault(BackupVaultName="safe")
    assert [one["BackupVaultName"] for one in vaults.list_backup_vaults()["BackupVaultList"]] == ["safe"]
    sandbox.faults.add(FaultRule("denied", service="backup"))
    try:
        error = refused(vaults.list_recovery_points_by_resource, ResourceArn=table_arn(dynamodb))
    finally:
        sandbox.faults.clear()
    assert error["Code"] == "AccessDeniedException"
    assert "backup:ListRecoveryPointsByResource" in error["Message"]
