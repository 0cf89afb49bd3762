"""What a request demands of a caller's permissions: IAM actions, each with the ARN of what it is done to.

An operation is not always the action of its name: transactions and PartiQL are asked for what they do to items, and a
restore asks for reading and writing the table that it makes. Actions without resource types are done to `*`. Sources:
Service Authorization Reference, "Actions, resources, and condition keys for Amazon DynamoDB"; Amazon DynamoDB Developer
Guide, "Using IAM with DynamoDB backup and restore".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pitrkit.sandbox.protocol.protocol import ServiceRequest
from pitrkit.sandbox.store.partiql import table_of

ON_THE_TARGET = ("BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem")
"""What a restore asks for on the table that it makes."""

FOR_AN_EXPORT = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:PutObjectAcl")
"""What an export asks for on the objects that it writes."""

OF_A_TRANSACTION = {
    "ConditionCheck": "ConditionCheckItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
}
"""The IAM action of each part of a transaction."""
_OF_A_STATEMENT = {
    "INSERT": "PartiQLInsert",
    "UPDATE": "PartiQLUpdate",
    "DELETE": "PartiQLDelete",
    "SELECT": "PartiQLSelect",
}
_ANYWHERE = frozenset(
    ("ListTables", "ListBackups", "ListExports", "ListImports", "ListStreams", "ListGlobalTables", "DescribeLimits",
     "DescribeEndpoints")
)  # fmt: skip
_WHOLE_ARNS = ("BackupArn", "ExportArn", "StreamArn", "ResourceArn", "TableArn", "SourceTableArn")
_TABLE_NAMES = ("TableName", "SourceTableName")


class Demand(NamedTuple):
    """One action on one resource."""

    action: str
    resource: str


def demands(request: ServiceRequest) -> list[Demand]:
    """Return what *request* demands, each thing once, in the order in which it is asked for."""
    if request.service not in {"dynamodb", "dynamodbstreams"}:
        return [Demand(f"{request.service}:{request.operation}", _elsewhere(request))]
    return list(dict.fromkeys(Demand(f"dynamodb:{action}", arn) for action, arn in _of_tables(request)))


def action_of(statement: str) -> str | None:
    """Return the IAM action of a PartiQL statement; None where it says nothing that is known."""
    return _OF_A_STATEMENT.get(statement.split(None, 1)[0].upper()) if statement.strip() else None


def of_statement(request: ServiceRequest, statement: Mapping[str, Any]) -> Demand | None:
    """Return what a PartiQL statement demands; None where it says nothing that is known."""
    text = str(statement.get("Statement", ""))
    action = action_of(text)
    return Demand(f"dynamodb:{action}", _arn(request, table_of(text))) if action else None


def _of_tables(request: ServiceRequest) -> Iterator[tuple[str, str]]:
    body, operation = request.body, request.operation
    if operation in _ANYWHERE:
        yield operation, "*"
    elif "TransactItems" in body:
        parts = (part for item in body["TransactItems"] for part in item.items())
        yield from ((OF_A_TRANSACTION[kind], _arn(request, part["TableName"])) for kind, part in parts)
    elif operation in {"ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"}:
        body_parts = (body, *body.get("Statements", ()), *body.get("TransactStatements", ()))
        statement_demands = (of_statement(request, body_part) for body_part in body_parts)
        yield from ((demand.action.partition(":")[2], demand.resource) for demand in statement_demands if demand)
    elif "RequestItems" in body:
        yield from ((operation, _arn(request, name)) for name in body["RequestItems"])
    elif "ShardIterator" in body:
        yield operation, str(body["ShardIterator"]).partition("|")[0]
    else:
        yield from _of_one(request)


def _of_one(request: ServiceRequest) -> Iterator[tuple[str, str]]:
    body = request.body
    arns = [str(body[name]) for name in _WHOLE_ARNS if name in body]
    arns += [_arn(request, str(body[name])) for name in _TABLE_NAMES if name in body]
    for arn in arns[:1]:
        yield request.operation, f"{arn}/index/{body['IndexName']}" if "IndexName" in body else arn
    if "TargetTableName" in body:
        for action in ON_THE_TARGET:
            yield action, _arn(request, str(body["TargetTableName"]))


def _arn(request: ServiceRequest, table: str) -> str:
    return table if table.startswith("arn:") else f"arn:aws:dynamodb:{request.region}:{request.account}:table/{table}"


def _elsewhere(request: ServiceRequest) -> str:
    """Return what an operation of another service is done to: an ARN that it names, or everything."""
    if (request.service, request.operation) == ("cloudwatch", "DescribeAlarms"):
        return f"arn:aws:cloudwatch:{request.region}:{request.account}:alarm:*"
    named = (value for value in request.body.values() if isinstance(value, str) and value.startswith("arn:"))
    return next(named, "*")
