"""Preflight: what is found out about the target before anything is written."""

from dataclasses import replace

import pytest

from pitrkit.dynamodb import pitr, tables
from pitrkit.errors import AccessDenied, BadInput
from pitrkit.recovery.preflight import check_target, parse_accept, require_clear


def found(bench, **options):
    return {finding.name: finding for finding in check_target(bench.aws, bench.table, **options)}


def test_a_target_without_pitr_blocks(bench):
    findings = check_target(bench.aws, bench.table)
    assert [(finding.name, finding.severity) for finding in findings] == [("no-pitr", "blocking")]
    with pytest.raises(BadInput, match="point-in-time recovery is off") as refused:
        require_clear(findings, bench.name)
    assert "00_start_here" in refused.value.fix


def test_a_target_without_pitr_passes_when_the_operator_says_so_by_name(bench):
    findings = check_target(bench.aws, bench.table, accept=parse_accept(" no-pitr "))
    assert [(finding.name, finding.severity) for finding in findings] == [("no-pitr", "accepted")]
    require_clear(findings, bench.name)


def test_a_protected_plain_table_has_no_findings(bench):
    pitr.enable(bench.aws, bench.name)
    assert found(bench) == {}


@pytest.mark.parametrize("text", ["pitr", "no-pitr,everything", "not-active"])
def test_what_cannot_be_accepted_is_bad_input(text):
    with pytest.raises(BadInput, match="cannot be accepted"):
        parse_accept(text)


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
    assert {name: finding.severity for name, finding in findings.items()} == {
        "ttl": "warning",
        "stream": "warning",
        "indexes": "information",
    }
    assert "'expires'" in findings["ttl"].what
    assert "by-status" in findings["indexes"].what
    assert all(finding.fix for finding in findings.values())


def test_replicas_and_a_table_that_is_not_active_are_said(bench):
    pitr.enable(bench.aws, bench.name)
    bench.table = replace(bench.table, status="ARCHIVED", replicas=("eu-west-1",))
    assert {name: finding.severity for name, finding in found(bench, accept=("no-pitr",)).items()} == {
        "not-active": "blocking",
        "replicas": "warning",
    }


def test_protection_that_may_not_be_read_blocks_and_expiry_that_may_not_be_read_warns(bench):
    class Forbidden:
        def call(self, _service, operation, **_parameters):
            raise AccessDenied(f"the caller may not do {operation}", code="AccessDeniedException", operation=operation)

    findings = check_target(Forbidden(), bench.table)
    assert [(finding.name, finding.severity) for finding in findings] == [("no-pitr", "blocking"), ("ttl", "warning")]
