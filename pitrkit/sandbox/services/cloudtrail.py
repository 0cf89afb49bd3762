"""CloudTrail's LookupEvents, and the layer that records who called which of DynamoDB's management operations.

The service shows an event some minutes later, the sandbox at once. Item operations are data events, which LookupEvents
never shows.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import orjson

from pitrkit.sandbox.protocol.protocol import OK, Handler, Native, ServiceError, ServiceReply, ServiceRequest, moment
from pitrkit.sandbox.store.clock import Clock
from pitrkit.sandbox.store.trail_events import ManagementEvent, record, second, summary

PAGE = 50
KEPT = timedelta(days=90)
CALLER = "moto"
"""The user that moto's STS takes every caller for."""
DATA_EVENTS = frozenset(
    {
        "BatchExecuteStatement",
        "BatchGetItem",
        "BatchWriteItem",
        "DeleteItem",
        "ExecuteStatement",
        "ExecuteTransaction",
        "GetItem",
        "GetRecords",
        "GetShardIterator",
        "PutItem",
        "Query",
        "Scan",
        "TransactGetItems",
        "TransactWriteItems",
        "UpdateItem",
    }
)
_READS = re.compile("(Describe|List|Get)")
_TABLES = ("TableName", "TableArn", "SourceTableName", "SourceTableArn", "TargetTableName", "ResourceArn")
_ATTRIBUTES = frozenset(
    ("AccessKeyId", "EventId", "EventName", "EventSource", "ReadOnly", "ResourceName", "ResourceType", "Username")
)


class Lookups:
    """The operations of CloudTrail.

    Args:
        clock: What time it is.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def operations(self) -> dict[str, Native]:
        """Return what is answered here, by the operation's name."""
        return {"LookupEvents": self.lookup}

    def lookup(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """Return a page of events, newest first."""
        body = request.body
        most = body.get("MaxResults", PAGE)
        if not 1 <= most <= PAGE:
            raise ServiceError("InvalidMaxResultsException", f"MaxResults must be between 1 and {PAGE}.")
        query_fields = {name: value for name, value in body.items() if name not in ("NextToken", "MaxResults")}
        after = _resumed(body, query_fields)
        matches: list[tuple[int, dict[str, Any]]] = []
        for number, event in self._matching(request):
            place = (int(event.at.timestamp()), number)
            if after is not None and place >= after:
                continue
            if len(matches) == most:
                last, shown = matches[-1]
                token = orjson.dumps([query_fields, shown["EventTime"], last])
                return {
                    "Events": [trail_event for _, trail_event in matches],
                    "NextToken": base64.b64encode(token).decode(),
                }
            whole = record(number, event, account=request.account, region=request.region)
            matches.append((number, {**summary(number, event), "CloudTrailEvent": orjson.dumps(whole).decode()}))
        return {"Events": [trail_event for _, trail_event in matches]}

    def _matching(self, request: ServiceRequest) -> Iterator[tuple[int, ManagementEvent]]:
        body, now = request.body, self._clock.now()
        attributes = body.get("LookupAttributes", [])
        if len(attributes) > 1 or any(attribute["AttributeKey"] not in _ATTRIBUTES for attribute in attributes):
            raise ServiceError("InvalidLookupAttributesException", "You can only provide one valid lookup attribute.")
        start = moment(body["StartTime"]) if "StartTime" in body else now - KEPT
        end = moment(body["EndTime"]) if "EndTime" in body else now
        if start > end:
            raise ServiceError("InvalidTimeRangeException", "The start time is after the end time.")
        if body.get("EventCategory", "") == "insight":
            return
        for number, event in request.backend.trail.newest():
            at = second(event.at)
            if max(start, now - KEPT) <= at <= end and all(_has(number, event, attribute) for attribute in attributes):
                yield number, event

    def recorded(self, request: ServiceRequest, inner: Handler) -> ServiceReply:
        """Layer around DynamoDB that records calls of management operations, refused ones as well."""
        if request.operation in DATA_EVENTS:
            return inner(request)
        at = self._clock.now()
        reply = inner(request)
        error = ("", "")
        if reply.status != OK:
            reply_body = reply.body
            error = (
                reply_body.get("__type", "").rpartition("#")[2],
                reply_body.get("message", reply_body.get("Message", "")),
            )
        request.backend.trail.add(
            ManagementEvent(
                at,
                request.operation,
                "dynamodb.amazonaws.com",
                CALLER,
                parameters=_lower(request.body),
                resources=tuple(("AWS::DynamoDB::Table", arn) for arn in _tables(request)),
                read_only=_READS.match(request.operation) is not None,
                error=error,
                address=request.environ.get("REMOTE_ADDR", "127.0.0.1"),
                agent=request.environ.get("HTTP_USER_AGENT", ""),
                access_key=request.access_key,
            )
        )
        return reply


def _tables(request: ServiceRequest) -> list[str]:
    """Return the ARNs of the tables that a management operation is about."""
    arn_prefix = f"arn:aws:dynamodb:{request.region}:{request.account}:table/"
    named = [request.body[name] for name in _TABLES if isinstance(request.body.get(name), str)]
    named += [request.body[name].partition("/stream/")[0] for name in ("StreamArn",) if name in request.body]
    return list(dict.fromkeys(name if name.startswith("arn:") else arn_prefix + name for name in named))


def _lower(value: Any) -> Any:
    """Return parameters as events have them, their names in lowerCamelCase."""
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: _lower(inner) for name, inner in value.items()}
    return [_lower(inner) for inner in value] if isinstance(value, list) else value


def _has(number: int, event: ManagementEvent, wanted: Mapping[str, str]) -> bool:
    key, value = wanted["AttributeKey"], wanted["AttributeValue"]
    event_summary = summary(number, event)
    if key.startswith("Resource"):
        return any(resource[key] == value for resource in event_summary["Resources"])
    return bool(event_summary[key] == value)


def _resumed(body: Mapping[str, Any], asked: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return after which event the page begins: by the token, which is good for the same question only."""
    if "NextToken" not in body:
        return None
    try:
        token_query, at, number = orjson.loads(base64.b64decode(body["NextToken"]))
    except (binascii.Error, ValueError):
        token_query = at = number = None
    if token_query != asked:
        raise ServiceError("InvalidNextTokenException", "The NextToken is not one of this request.")
    return at, number
