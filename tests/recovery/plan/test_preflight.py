"""Preflight: what is found out about the target before anything is written."""

import io
import json
import zipfile
from dataclasses import replace

import pytest

from pitrkit.aws.backups import pitr
from pitrkit.aws.tables import tables
from pitrkit.aws.tables.dependents import Scaling
from pitrkit.errors import AccessDenied, BadInput
from pitrkit.recovery.plan.preflight import (
    ACCEPTABLE,
    Load,
    capacity,
    check_target,
    parse_accept,
    require_clear,
    to_accept,
)

ALL = ",".join(ACCEPTABLE)
STREAM = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}}


def found(bench, aws=None, **options):
    return {finding.name: finding for finding in check_target(aws or bench.aws, bench.table, **options)}


def severities(findings):
    """What is worth acting on, by name."""
    its = findings.values() if isinstance(findings, dict) else findings
    return {one.name: one.severity for one in its if one.severity != "information"}


@pytest.fixture
def busy(aws, tmp_path, make_bench):
    """A protected table with a stream."""
    bench = make_bench(aws, tmp_path, **STREAM)
    bench.table = tables.describe(aws, bench.name)
    pitr.enable(aws, bench.name)
    return bench


def function(sandbox, name):
    role = sandbox.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("x.py", "")
    sandbox.client("lambda").create_function(
        FunctionName=name, Runtime="python3.12", Role=role, Handler="x.h", Code={"ZipFile": code.getvalue()}
    )


def test_a_target_without_pitr_blocks(bench):
    findings = check_target(bench.aws, bench.table)
    assert severities(findings) == {"no-pitr": "blocking"}
    assert [one.name for one in to_accept(findings)] == ["no-pitr"]
    assert "off" in findings[0].what
    assert "00_start_here" in findings[0].fix


def test_a_target_without_pitr_passes_when_the_operator_says_so_by_name(bench):
    findings = check_target(bench.aws, bench.table, accept=parse_accept(" no-pitr "))
    assert severities(findings) == {"no-pitr": "accepted"}
    assert not to_accept(findings)
    require_clear(findings, bench.name)


def test_a_protected_plain_table_has_no_findings(bench):
    pitr.enable(bench.aws, bench.name)
    assert severities(found(bench, load=Load(write_units=1e6, pace=500))) == {}


@pytest.mark.parametrize("text", ["pitr", "no-pitr,everything", "not-active", "frozen", "freeze"])
def test_what_cannot_be_accepted_is_bad_input_that_names_what_can(text):
    with pytest.raises(BadInput, match="cannot be accepted") as refused:
        parse_accept(text)
    assert all(name in refused.value.fix for name in ACCEPTABLE)


def test_an_empty_list_accepts_nothing():
    assert parse_accept(" , ") == ()


def test_stream_expiry_and_indexes_are_said_with_what_they_will_do(aws, tmp_path, make_bench):
    rich = make_bench(
        aws,
        tmp_path,
        AttributeDefinitions=[{"AttributeName": "status", "AttributeType": "S"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-status",
                "KeySchema": [{"AttributeName": "status", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    aws.call(
        "dynamodb",
        "update_time_to_live",
        TableName=rich.name,
        TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"},
    )
    rich.table = tables.describe(aws, rich.name)
    pitr.enable(aws, rich.name)
    findings = found(rich)
    assert severities(findings) == {"ttl": "warning", "streams": "warning"}
    assert "'expires'" in findings["ttl"].what
    assert "by-status" in findings["indexes"].what
    assert all(finding.fix for finding in findings.values())
    puts_back = found(rich, load=Load(puts_expired=True))
    assert severities(puts_back) == {"ttl": "blocking", "streams": "warning"}
    assert "deletes them again" in puts_back["ttl"].what
    assert severities(found(rich, load=Load(puts_expired=True, undoes=True)))["ttl"] == "warning"


def test_replicas_block_unless_they_agree_on_each_write_and_so_does_a_table_that_is_not_active(bench):
    pitr.enable(bench.aws, bench.name)
    bench.table = replace(bench.table, status="ARCHIVED", replicas=("eu-west-1",))
    assert severities(found(bench)) == {"not-active": "blocking", "replicas": "blocking"}
    assert "eu-west-1" in found(bench)["replicas"].what
    with pytest.raises(BadInput, match="ARCHIVED"):
        require_clear(check_target(bench.aws, bench.table, accept=parse_accept(ALL)), bench.name)
    bench.table = replace(bench.table, status="ACTIVE", strong=True)
    assert severities(found(bench)) == {"replicas": "warning"}


def test_a_function_that_reads_the_stream_blocks_by_its_name_until_it_is_disabled(busy, sandbox):
    assert severities(found(busy)) == {"streams": "warning"}
    function(sandbox, "send-mails")
    client = sandbox.client("lambda")
    mapping = client.create_event_source_mapping(
        EventSourceArn=busy.table.stream_arn, FunctionName="send-mails", StartingPosition="LATEST"
    )
    finding = found(busy)["streams"]
    assert finding.severity == "blocking"
    assert "send-mails" in finding.what
    assert severities(found(busy, accept=("streams",))) == {"streams": "accepted"}
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    assert severities(found(busy)) == {"streams": "warning"}


def test_kinesis_blocks_until_it_is_switched_off(bench, sandbox):
    pitr.enable(bench.aws, bench.name)
    client, stream = sandbox.client("dynamodb"), "arn:aws:kinesis:us-east-1:123456789012:stream/ledger"
    client.enable_kinesis_streaming_destination(TableName=bench.name, StreamArn=stream)
    assert severities(found(bench)) == {"kinesis": "blocking"}
    assert "ledger" in found(bench)["kinesis"].what
    client.disable_kinesis_streaming_destination(TableName=bench.name, StreamArn=stream)
    assert severities(found(bench)) == {}


def test_a_key_that_is_disabled_or_lost_blocks(bench, sandbox):
    pitr.enable(bench.aws, bench.name)
    kms = sandbox.client("kms")
    key = kms.create_key()["KeyMetadata"]
    bench.table = replace(bench.table, kms_key=key["Arn"])
    assert severities(found(bench)) == {}
    kms.disable_key(KeyId=key["KeyId"])
    assert severities(found(bench)) == {"kms": "blocking"}
    assert "Disabled" in found(bench)["kms"].what
    bench.table = replace(bench.table, key_lost=True)
    assert severities(found(bench, accept=parse_accept(ALL))) == {"key-lost": "blocking"}


def test_a_policy_that_denies_writes_warns_and_another_recoverys_freeze_blocks(bench, sandbox):
    pitr.enable(bench.aws, bench.name)
    client, arn = sandbox.client("dynamodb"), bench.table.arn
    deny = {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::123456789012:role/x"}, "Resource": arn}
    said = {"Sid": "NoPuts", **deny, "Action": "dynamodb:Put*"}, {"Sid": "NoReads", **deny, "Action": "dynamodb:Scan"}
    frozen = {"Sid": "PitrkitFreeze0123456789ab", **deny, "Action": "dynamodb:PutItem"}
    client.put_resource_policy(ResourceArn=arn, Policy=json.dumps({"Version": "2012-10-17", "Statement": said}))
    assert severities(found(bench)) == {"resource-policy": "warning"}
    assert "NoPuts" in found(bench)["resource-policy"].what
    assert "NoReads" not in found(bench)["resource-policy"].what
    client.put_resource_policy(ResourceArn=arn, Policy=json.dumps({"Version": "2012-10-17", "Statement": frozen}))
    assert severities(found(bench, accept=parse_accept(ALL))) == {"frozen": "blocking"}


def test_a_copy_beyond_what_is_provisioned_blocks_where_it_would_last(bench, sandbox):
    units = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 100}
    sandbox.client("dynamodb").update_table(
        TableName=bench.name, BillingMode="PROVISIONED", ProvisionedThroughput=units
    )
    pitr.enable(bench.aws, bench.name)
    bench.table = tables.describe(bench.aws, bench.name)
    long = Load(write_units=1_000_000, pace=500)
    assert severities(found(bench, load=long)) == {"capacity": "blocking"}
    assert "no auto scaling" in found(bench, load=long)["capacity"].what
    assert severities(found(bench, load=Load(write_units=5000, pace=500))) == {"capacity": "warning"}
    assert severities(found(bench, load=Load(write_units=1_000_000, pace=40))) == {}
    sandbox.client("application-autoscaling").register_scalable_target(
        ServiceNamespace="dynamodb",
        ResourceId=f"table/{bench.name}",
        ScalableDimension="dynamodb:table:WriteCapacityUnits",
        MinCapacity=100,
        MaxCapacity=4000,
    )
    assert "4,000 at most" in found(bench, load=long)["capacity"].what


def test_the_index_with_the_fewest_units_is_the_limit(bench):
    (index,) = [tables.Index("by-status", "global", bench.table.key_schema, "ALL", write_units=10)]
    table = replace(bench.table, billing_mode="PROVISIONED", write_units=1000, indexes=(index,))
    severity, what, fix = capacity(table, [Scaling("", 5, 9000, False)], units=1e6, pace=500)
    assert severity == "blocking"
    assert "by-status is provisioned with 10" in what
    assert "9,000" not in what
    assert "5 write units" in fix
    limited = replace(bench.table, most_write_units=50)
    assert capacity(limited, [], units=1e6, pace=500)[0] == "blocking"
    assert capacity(bench.table, [], units=1e6, pace=500) is None


class Forbidden:
    """May read nothing but what is *allowed*."""

    def __init__(self, aws, *allowed):
        self._aws, self._allowed = aws, allowed

    def call(self, service, operation, **parameters):
        self._require(operation)
        return self._aws.call(service, operation, **parameters)

    def paginate(self, service, operation, result_key, **parameters):
        self._require(operation)
        return self._aws.paginate(service, operation, result_key, **parameters)

    def _require(self, operation):
        if operation in self._allowed:
            return
        raise AccessDenied(f"the caller may not do {operation}", code="AccessDeniedException", operation=operation)


def test_what_may_not_be_read_is_a_finding_that_says_what_cannot_be_known(busy):
    table = replace(busy.table, kms_key="arn:aws:kms:us-east-1:123456789012:key/k", write_units=5)
    busy.table = replace(table, billing_mode="PROVISIONED")
    findings = found(busy, Forbidden(busy.aws), load=Load(write_units=1e6, pace=500))
    assert severities(findings) == {
        "no-pitr": "blocking", "streams": "blocking", "kinesis": "blocking", "capacity": "blocking",
        "kms": "warning", "resource-policy": "warning", "ttl": "warning",
    }  # fmt: skip
    for name, operation in {
        "streams": "list_event_source_mappings",
        "kinesis": "describe_kinesis_streaming_destination",
        "capacity": "describe_scalable_targets",
        "kms": "describe_key",
        "resource-policy": "get_resource_policy",
        "ttl": "describe_time_to_live",
    }.items():
        assert "cannot be known" in findings[name].what
        assert operation in findings[name].what
