"""A restored table is what was chosen, or the choice is refused and nothing is made."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pitrkit.aws.arns import backup_arn, table_arn
from pitrkit.aws.backups import backups, pitr
from pitrkit.aws.backups.restore_options import Options, RestoreDesign, difference
from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables import tables
from pitrkit.errors import BadInput
from pitrkit.sandbox import Sandbox

THERE = "eu-west-1"
UNITS = {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4}
INDEXES = [
    {
        "IndexName": name,
        "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }
    for name in ("by-day", "by-night")
]
LOCAL = {
    "IndexName": "local",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "day", "KeyType": "RANGE"}],
    "Projection": {"ProjectionType": "ALL"},
}
numbers = itertools.count()


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as sandbox:
        client = sandbox.client("dynamodb")
        for name, mode in (("Demand", "PAY_PER_REQUEST"), ("Provisioned", "PROVISIONED")):
            units = {"ProvisionedThroughput": UNITS} if mode == "PROVISIONED" else {}
            client.create_table(
                TableName=name,
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
                AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("id", "at", "day")],
                BillingMode=mode,
                GlobalSecondaryIndexes=[{**index, **units} for index in INDEXES],
                LocalSecondaryIndexes=[LOCAL],
                **units,
            )
            client.update_continuous_backups(
                TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
            )
        sandbox.clock.advance(2)
        yield sandbox


@pytest.fixture(scope="module")
def aws(sandbox):
    return Aws.connect(region=sandbox.region, endpoint_url=sandbox.url)


@pytest.fixture(scope="module", autouse=True)
def _credentials(sandbox):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sandbox.environment().items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def keys(sandbox):
    return {
        region: sandbox.client("kms", region_name=region).create_key()["KeyMetadata"]["Arn"]
        for region in ("us-east-1", THERE)
    }


@pytest.fixture(scope="module")
def made(sandbox):
    client = sandbox.client("dynamodb")
    return {
        name: client.create_backup(TableName=name, BackupName="backup")["BackupDetails"]["BackupArn"]
        for name in ("Demand", "Provisioned")
    }


REGIONS = st.sampled_from(["", "us-east-1", THERE])
CHOICES = st.builds(
    Options,
    region=REGIONS,
    indexes=st.sampled_from(["", "none", "all", "by-day", "local, by-night", "by-week"]),
    kms_key=st.sampled_from(["", "aws-owned", "aws-managed", "alias/us-east-1", f"alias/{THERE}"]),
    billing=st.sampled_from(["", "on-demand", "provisioned"]),
    throughput=st.sampled_from(["", "11/12"]),
)


@pytest.fixture(scope="module")
def account(aws, keys, made):
    return aws, keys, made


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(source=st.sampled_from(["Demand", "Provisioned"]), of_backup=st.booleans(), chosen=CHOICES)
def test_a_restored_table_is_what_was_chosen_and_is_found_to_be_or_nothing_is_made(account, source, of_backup, chosen):
    aws, keys, made = account
    key = chosen.kms_key.removeprefix("alias/")
    options = replace(chosen, kms_key=keys.get(key, key))
    region, indexes, billing, throughput = options.region, options.indexes, options.billing, options.throughput
    target, there = f"copy-{next(numbers)}", aws.elsewhere(region)
    table = tables.describe(aws, source)

    def restore():
        if of_backup:
            return backups.restore_backup(aws, backups.find(aws, made[source]), target, options=options)
        window = pitr.protection(aws, source).window
        return pitr.restore(aws, table, target, at.setdefault("at", window.latest_at), options=options)

    at = {}
    foreign_key = key in keys and key != (region or "us-east-1")
    no_capacity = source == "Demand" and billing == "provisioned" and not throughput
    if foreign_key or no_capacity or indexes == "by-week":
        with pytest.raises(BadInput) as refused:
            restore()
        assert refused.value.fix
        assert target not in tables.table_names(there)
        return
    assert not restore().adopted
    copy = pitr.wait(there, target, poll_seconds=0.05)
    mode = {"": table.billing_mode, "on-demand": "PAY_PER_REQUEST", "provisioned": "PROVISIONED"}[billing]
    assert copy.billing_mode == mode
    if throughput:
        assert copy.units == (11, 12)
    elif mode == table.billing_mode:
        assert copy.units == table.units
    names = {"": {"by-day", "by-night", "local"}, "all": {"by-day", "by-night", "local"}, "none": set()}
    assert {one.name for one in copy.indexes} == names.get(indexes, {name.strip() for name in indexes.split(",")})
    assert copy.kms_key == keys.get(key, copy.kms_key if key == "aws-managed" else "")
    assert restore().adopted
    design = RestoreDesign.of_table(tables.description(aws, source))
    described = tables.description(there, target)
    assert not difference(there, design, described, options)
    assert difference(there, design, described, Options(throughput="9/9"))


@pytest.mark.parametrize("text", ["", "arn:aws:s3:::bucket", "arn:aws:dynamodb:eu-west-1:1:table/T", "Orders"])
def test_what_is_no_arn_is_refused_with_the_form_of_one(text):
    for read in (table_arn, backup_arn):
        with pytest.raises(BadInput, match="is not the ARN") as caught:
            read(text)
        assert "arn:aws:dynamodb:REGION:ACCOUNT:table/NAME" in caught.value.fix
