"""What a caller may do, as far as that can be told without doing it.

IAM is asked to evaluate the caller's policies (`iam:SimulatePrincipalPolicy`), and reads that change nothing are tried.
A read that was tried is certain. IAM's answer covers the policies of the user or role, permissions boundaries and
organisations; it does not cover policies of tables, buckets and keys, or of the session. Source: IAM API Reference,
"SimulatePrincipalPolicy".
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal

from pitrkit.aws.backups import pitr
from pitrkit.aws.client.client import Aws, answered_at
from pitrkit.aws.client.error_mapping import Ambiguous
from pitrkit.aws.tables import tables
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import AccessDenied, AwsError, TableNotFound

PermissionResult = Literal["allowed", "denied", "unknown"]
Demand = tuple[str, str]
"""An IAM action, and the ARN that it is done to."""

_SESSION = re.compile(r"arn:([a-z-]+):sts::(\d{12}):assumed-role/([^/]+)/.+")
_IDENTITY = re.compile(r"arn:[a-z-]+:iam::\d{12}:(user|role)/.+")
_VALUES: dict[str, Callable[[], str | bytes]] = {
    "S": lambda: str(uuid.uuid4()),
    "N": lambda: str(uuid.uuid4().int >> 32),
    "B": lambda: uuid.uuid4().bytes,
}
"""Keys that no item has."""


def simulated(aws: Aws, demands: Iterable[Demand]) -> dict[Demand, PermissionResult]:
    """Return what IAM says of each demand by the policies of the caller.

    Raises:
        AccessDenied: IAM may not be asked.
        AwsError: It cannot tell, as for a caller who is neither a user nor a role.
    """
    source = _identity(aws)
    by_resource: dict[str, list[str]] = {}
    for action, resource in dict.fromkeys(demands):
        by_resource.setdefault(resource, []).append(action)
    results: dict[Demand, PermissionResult] = {}
    for resource, actions in by_resource.items():
        request: dict[str, Any] = {"PolicySourceArn": source, "ActionNames": actions, "ResourceArns": [resource]}
        while True:
            # One attempt: from where IAM cannot be reached, nobody waits for eight.
            answer = aws.call("iam", "simulate_principal_policy", retry=False, **request)
            results |= {(row["EvalActionName"], resource): _decision(row) for row in answer["EvaluationResults"]}
            if not answer.get("IsTruncated"):
                break
            request["Marker"] = answer["Marker"]
    return results


def probe_actions(aws: Aws, name: str, actions: Iterable[str]) -> dict[str, PermissionResult]:
    """Return what came of trying those of *actions* on a table that are reads and change nothing.

    No item is looked at: one is counted, and one that does not exist is asked for.

    Args:
        aws: Where.
        name: The table.
        actions: IAM actions.
    """
    results: dict[str, PermissionResult] = {}
    table: Table | None = None
    try:
        table = tables.describe(aws, name)
    except AccessDenied:
        results["dynamodb:DescribeTable"] = "denied"
    except TableNotFound:
        results["dynamodb:DescribeTable"] = "allowed"
    else:
        results["dynamodb:DescribeTable"] = "allowed"
    reads = {**_reads(aws, name), **(_reads_of(aws, table) if table else {})}
    for action in dict.fromkeys(actions):
        if action in reads:
            results[action] = _came_of(reads[action])
    return results


def _reads(aws: Aws, name: str) -> Mapping[str, Callable[[], Any]]:
    """Return reads by action that take the table's name alone."""
    return {
        "dynamodb:DescribeContinuousBackups": lambda: pitr.protection(aws, name),
        "dynamodb:DescribeKinesisStreamingDestination": lambda: aws.call(
            "dynamodb", "describe_kinesis_streaming_destination", TableName=name
        ),
        "dynamodb:DescribeTimeToLive": lambda: tables.ttl_attribute(aws, name),
        "dynamodb:ListTables": lambda: aws.call("dynamodb", "list_tables", Limit=1),
        "dynamodb:ListBackups": lambda: aws.call("dynamodb", "list_backups", Limit=1),
        "dynamodb:ListExports": lambda: aws.call("dynamodb", "list_exports", MaxResults=1),
        "dynamodb:ListStreams": lambda: aws.call("dynamodbstreams", "list_streams", TableName=name, Limit=1),
        "dynamodb:Scan": lambda: aws.call("dynamodb", "scan", TableName=name, Select="COUNT", Limit=1),
        "lambda:ListEventSourceMappings": lambda: aws.call("lambda", "list_event_source_mappings", MaxItems=1),
        "cloudtrail:LookupEvents": lambda: aws.call("cloudtrail", "lookup_events", MaxResults=1),
        "cloudwatch:DescribeAlarms": lambda: aws.call("cloudwatch", "describe_alarms", MaxRecords=1),
        "cloudwatch:GetMetricData": lambda: _one_metric(aws, name),
    }


def _reads_of(aws: Aws, table: Table) -> Mapping[str, Callable[[], Any]]:
    """Return reads by action that take what the table is."""
    key = {part.name: {part.type: _VALUES[part.type]()} for part in table.key_schema.attributes}
    request_items = {table.name: {"Keys": [key]}}
    reads: dict[str, Callable[[], Any]] = {
        "dynamodb:ListTagsOfResource": lambda: aws.call(
            "dynamodb", "list_tags_of_resource", table=table.name, ResourceArn=table.arn
        ),
        "dynamodb:GetItem": lambda: aws.call("dynamodb", "get_item", TableName=table.name, Key=key),
        "dynamodb:BatchGetItem": lambda: aws.call(
            "dynamodb", "batch_get_item", table=table.name, RequestItems=request_items
        ),
    }
    if arn := table.stream_arn:
        reads["dynamodb:DescribeStream"] = lambda: aws.call(
            "dynamodbstreams", "describe_stream", StreamArn=arn, Limit=1
        )
    return reads


def _one_metric(aws: Aws, name: str) -> Any:
    until = answered_at(aws.call("sts", "get_caller_identity"))
    of_table = {"Namespace": "AWS/DynamoDB", "MetricName": "ConsumedWriteCapacityUnits"}
    metric = {**of_table, "Dimensions": [{"Name": "TableName", "Value": name}]}
    return aws.call(
        "cloudwatch",
        "get_metric_data",
        MetricDataQueries=[{"Id": "one", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}],
        StartTime=until - timedelta(minutes=1),
        EndTime=until,
    )


def _came_of(read: Callable[[], Any]) -> PermissionResult:
    try:
        read()
    except AccessDenied:
        return "denied"
    except TableNotFound:
        return "allowed"  # permissions are looked at first
    except AwsError:
        return "unknown"
    return "allowed"


def _identity(aws: Aws) -> str:
    """Return the ARN of the user or role whose policies count.

    A session's ARN leaves out its role's path, so a role is looked up where that is permitted.

    Raises:
        AwsError: The caller is neither.
    """
    arn = aws.caller().arn
    if _IDENTITY.fullmatch(arn):
        return arn
    session = _SESSION.fullmatch(arn)
    if session is None:
        raise AwsError(
            f"IAM evaluates policies of users and roles, and the caller is {arn}",
            code="NoSuchEntity",
            operation="SimulatePrincipalPolicy",
            fix="Use a role's credentials.",
        )
    partition, account, role = session.groups()
    try:
        return str(aws.call("iam", "get_role", retry=False, RoleName=role)["Role"]["Arn"])
    except Ambiguous:
        raise
    except AwsError:
        return f"arn:{partition}:iam::{account}:role/{role}"


def _decision(row: Mapping[str, Any]) -> PermissionResult:
    if row["EvalDecision"] == "allowed":
        return "allowed"
    return "unknown" if row.get("MissingContextValues") and row["EvalDecision"] == "implicitDeny" else "denied"
