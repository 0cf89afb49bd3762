"""Settings of tables that moto does not keep: class, limits, encryption, Kinesis destinations, Contributor Insights.

They take effect at once; in the service most of them take moments to minutes.
"""

from __future__ import annotations

import re
from typing import Any

from pitrkit.sandbox.protocol.protocol import OK, Handler, Native, ServiceError, ServiceReply, ServiceRequest, invalid
from pitrkit.sandbox.store.tables import PastTable

CLASSES = ("STANDARD", "STANDARD_INFREQUENT_ACCESS")
MOST_DESTINATIONS = 2
_KINESIS = re.compile(r"arn:[a-z-]+:kinesis:[a-z0-9-]+:\d{12}:stream/[\w.-]{1,128}")
_ALONE = ("BillingMode", "ProvisionedThroughput", "StreamSpecification", "TableClass", "SSESpecification")
"""What one UpdateTable changes beside nothing else; billing goes with throughput."""


def keep_settings(request: ServiceRequest, inner: Handler) -> ServiceReply:
    """Layer around CreateTable and UpdateTable that keeps what moto does not."""
    if request.operation not in ("CreateTable", "UpdateTable"):
        return inner(request)
    body = request.body
    if body.get("TableClass", CLASSES[0]) not in CLASSES:
        raise invalid(
            f"1 validation error detected: Value '{body['TableClass']}' at 'tableClass' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(CLASSES)}]"
        )
    if request.operation == "UpdateTable":
        _refuse_two_changes(body)
    reply = inner(request)
    table = request.table(body.get("TableName", ""))
    if reply.status != OK or table is None:
        return reply
    _keep(table, body, creating=request.operation == "CreateTable")
    described = inner(request.changed("DescribeTable", {"TableName": table.name})).body["Table"]
    return ServiceReply.json({"TableDescription": described})


def _refuse_two_changes(body: dict[str, Any]) -> None:
    alone = [name for name in _ALONE if name in body]
    changed = sum(
        any(key in update for key in ("Create", "Delete")) for update in body.get("GlobalSecondaryIndexUpdates", ())
    )
    if len(alone) + changed > 1 and alone != ["BillingMode", "ProvisionedThroughput"]:
        raise invalid(
            "One or more parameter values were invalid: Only one of these can be changed in one request: billing mode "
            f"and throughput, stream, table class, encryption, one index; got {', '.join(alone) or 'several indexes'}"
        )


def _keep(table: PastTable, body: dict[str, Any], *, creating: bool) -> None:
    table.table_class = body.get("TableClass", table.table_class)
    if limits := body.get("OnDemandThroughput"):
        table.on_demand_limits = {**table.on_demand_limits, **limits}
    if "SSESpecification" in body and not creating:
        sse_specification = dict(body["SSESpecification"])
        table.sse_specification = sse_specification if sse_specification.get("Enabled") else None
    if body.get("BillingMode") == "PAY_PER_REQUEST" and not creating:
        for holder in (table, *table.global_indexes):
            holder.throughput = {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}
        table.throughput["NumberOfDecreasesToday"] = 0


def operations() -> dict[str, Native]:
    """Return what is answered here, by the operation's name."""
    return {
        "DescribeKinesisStreamingDestination": _destinations,
        "EnableKinesisStreamingDestination": _enable,
        "DisableKinesisStreamingDestination": _disable,
        "DescribeContributorInsights": _insights,
        "UpdateContributorInsights": _update_insights,
    }


def _destinations(request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
    table = _existing(request)
    destinations = [{"StreamArn": arn, **destination} for arn, destination in table.destinations.items()]
    return {"TableName": table.name, "KinesisDataStreamDestinations": destinations}


def _enable(request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
    table, arn = _existing(request), request.body["StreamArn"]
    if not _KINESIS.fullmatch(arn):
        raise invalid(f"Invalid Kinesis data stream ARN: {arn}")
    on = [
        destination_arn
        for destination_arn, status_fields in table.destinations.items()
        if status_fields["DestinationStatus"] == "ACTIVE"
    ]
    if arn in on:
        raise invalid(f"Table is not in a valid state to enable Kinesis Streaming Destination: {arn} is ACTIVE")
    if len(on) >= MOST_DESTINATIONS:
        raise ServiceError("LimitExceededException", f"A table may have {MOST_DESTINATIONS} destinations")
    destination = {"DestinationStatus": "ACTIVE", **request.body.get("EnableKinesisStreamingConfiguration", {})}
    table.destinations[arn] = destination
    return {"TableName": table.name, "StreamArn": arn, "DestinationStatus": "ENABLING"}


def _disable(request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
    table, arn = _existing(request), request.body["StreamArn"]
    if table.destinations.get(arn, {}).get("DestinationStatus") != "ACTIVE":
        raise invalid(f"Table is not in a valid state to disable Kinesis Streaming Destination: {arn} is not ACTIVE")
    table.destinations[arn]["DestinationStatus"] = "DISABLED"
    return {"TableName": table.name, "StreamArn": arn, "DestinationStatus": "DISABLING"}


def _insights(request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
    table, index = _existing(request), _index(request)
    insights = {
        "TableName": table.name,
        "ContributorInsightsStatus": "ENABLED" if index in table.insights else "DISABLED",
    }
    if index in table.insights:
        insights["ContributorInsightsMode"] = table.insights[index]
    return insights if not index else {**insights, "IndexName": index}


def _update_insights(request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
    table, index = _existing(request), _index(request)
    if request.body["ContributorInsightsAction"] == "ENABLE":
        table.insights[index] = request.body.get("ContributorInsightsMode", "ACCESSED_AND_THROTTLED_KEYS")
        return {"TableName": table.name, "ContributorInsightsStatus": "ENABLING"}
    table.insights.pop(index, None)
    return {"TableName": table.name, "ContributorInsightsStatus": "DISABLING"}


def _existing(request: ServiceRequest) -> PastTable:
    table = request.table(request.body["TableName"])
    if table is None:
        raise ServiceError("ResourceNotFoundException", f"Requested resource not found: {request.body['TableName']}")
    return table


def _index(request: ServiceRequest) -> str:
    name: str = request.body.get("IndexName", "")
    table = _existing(request)
    if name and name not in {index.name for index in table.global_indexes}:
        raise ServiceError("ResourceNotFoundException", f"Requested resource not found: Index: {name} not found")
    return name
