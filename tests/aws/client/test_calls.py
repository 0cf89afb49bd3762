"""Every call that changes something in AWS is told with its request id, whatever came of it; looking is not."""

from __future__ import annotations

import pytest

from pitrkit.aws.backups import pitr
from pitrkit.aws.client.client import Aws, changes_something
from pitrkit.aws.tables import tables
from pitrkit.errors import AwsError
from pitrkit.sandbox import FaultRule, Sandbox

KEYED = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}],
    "BillingMode": "PAY_PER_REQUEST",
}


@pytest.fixture
def sandbox(monkeypatch):
    with Sandbox() as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        sandbox.client("dynamodb").create_table(TableName="Orders", **KEYED)
        yield sandbox


def test_changes_are_told_as_done_refused_or_unknown_and_reading_is_not_told(sandbox):
    aws, told = Aws.connect(), []
    aws.on_change = told.append
    tables.describe(aws, "Orders")
    list(aws.paginate("dynamodb", "list_tables", "TableNames"))
    assert told == []
    pitr.enable(aws, "Orders")
    sandbox.faults.add(FaultRule("denied", operations=("DeleteTable",), count=1))
    with pytest.raises(AwsError) as refused:
        aws.call("dynamodb", "delete_table", TableName="Orders")
    sandbox.faults.add(FaultRule("drop_after", operations=("DeleteTable",), count=1))
    with pytest.raises(AwsError):
        aws.call("dynamodb", "delete_table", TableName="Orders", retry=False)
    assert [(call.operation, call.table, call.outcome, call.code) for call in told] == [
        ("UpdateContinuousBackups", "Orders", "done", ""),
        ("DeleteTable", "Orders", "refused", "AccessDeniedException"),
        ("DeleteTable", "Orders", "unknown", "ConnectionClosedError"),
    ]
    assert told[0].request_id
    assert told[1].request_id == refused.value.request_id != ""
    assert told[2].request_id == ""


@pytest.mark.parametrize(
    ("service", "operation", "changes"),
    [
        ("dynamodb", "restore_table_from_backup", True),
        ("dynamodb", "put_resource_policy", True),
        ("s3", "delete_object", True),
        ("dynamodb", "scan", False),
        ("cloudtrail", "lookup_events", False),
        ("kms", "sign", False),
    ],
)
def test_what_is_not_known_to_only_look_counts_as_a_change(service, operation, changes):
    assert changes_something(service, operation) is changes
