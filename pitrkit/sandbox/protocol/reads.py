"""The layer around reads: plain ones are answered from the rows' own JSON, the others get their capacity right.

A Scan page through moto takes its time over every attribute of every item. Reads without expressions need none of
that, and they are what a snapshot, a plan and a verification are made of.
"""

from __future__ import annotations

from typing import Any

import orjson

from pitrkit.sandbox.protocol import metering
from pitrkit.sandbox.protocol.protocol import OK, Handler, ServiceError, ServiceReply, ServiceRequest, invalid
from pitrkit.sandbox.store import capacity
from pitrkit.sandbox.store.queries import page_of
from pitrkit.sandbox.store.tables import PastTable

BATCH_READS = 100
BATCH_READ_BYTES = 16 * 1024 * 1024
_PLAIN_READS = {
    "GetItem": {"TableName", "Key", "ConsistentRead", "ReturnConsumedCapacity"},
    "Scan": {
        "TableName",
        "Limit",
        "ExclusiveStartKey",
        "Segment",
        "TotalSegments",
        "ConsistentRead",
        "ReturnConsumedCapacity",
    },
    "BatchGetItem": {"RequestItems", "ReturnConsumedCapacity"},
}


def read_layer(request: ServiceRequest, inner: Handler) -> ServiceReply:
    """Layer around reads: plain ones are answered here, the others get their capacity right."""
    operation, body = request.operation, request.body
    if operation in _PLAIN_READS and body.keys() <= _PLAIN_READS[operation]:
        answer = {"GetItem": _get, "Scan": _scan, "BatchGetItem": _batch_get}[operation](request)
        if answer is not None:
            return ServiceReply.json(answer)
    table = request.table(body.get("TableName", ""))
    reply = inner(request)
    if operation not in ("Scan", "Query", "GetItem") or table is None or reply.status != OK:
        return reply
    size = table.bytes_read
    if operation == "GetItem":
        row = table.rows.get(table.position(body["Key"]))
        size = row.size if row else 0
    answer = reply.body
    answer.pop("ConsumedCapacity", None)
    return ServiceReply.json(_read_capacity(request, table, answer, size))


def _read_capacity(request: ServiceRequest, table: PastTable, answer: dict[str, Any], size: int) -> dict[str, Any]:
    level = request.body.get("ReturnConsumedCapacity", "NONE")
    units = {
        request.body.get("IndexName", ""): capacity.read_units(
            size, consistent=bool(request.body.get("ConsistentRead"))
        )
    }
    metering.consumed("Read", table, units)
    if level != "NONE":
        answer["ConsumedCapacity"] = capacity.consumed(table, units, level)
    return answer


def _get(request: ServiceRequest) -> dict[str, Any] | None:
    table, key = request.table(request.body["TableName"]), request.body["Key"]
    if table is None or key.keys() != set(table.table_key_attrs) or (place := table.place(key)) is None:
        return None
    row = table.rows.get(place)
    answer = {"Item": orjson.Fragment(row.json)} if row else {}
    return _read_capacity(request, table, answer, row.size if row else 0)


def _scan(request: ServiceRequest) -> dict[str, Any] | None:
    body = request.body
    table = request.table(body["TableName"])
    if table is None or ("Segment" in body) != ("TotalSegments" in body):
        return None
    segment, segments = body.get("Segment", 0), body.get("TotalSegments", 1)
    start = None if (key := body.get("ExclusiveStartKey")) is None else table.position(key)
    if not 0 <= segment < segments:
        return None
    page, last = page_of(table.rows.segment(segment, segments, start), body.get("Limit"))
    answer: dict[str, Any] = {
        "Items": [orjson.Fragment(row.json) for row in page],
        "Count": len(page),
        "ScannedCount": len(page),
    }
    if last is not None:
        answer["LastEvaluatedKey"] = {name: last.image[name] for name in table.table_key_attrs}
    return _read_capacity(request, table, answer, sum(row.size for row in page))


def _batch_get(request: ServiceRequest) -> dict[str, Any] | None:
    request_items = request.body["RequestItems"]
    if any(asked.keys() - {"Keys", "ConsistentRead"} for asked in request_items.values()):
        return None
    if not 1 <= sum(len(asked["Keys"]) for asked in request_items.values()) <= BATCH_READS:
        raise invalid(
            "1 validation error detected: Value at 'requestItems' failed to satisfy constraint: "
            f"Member must have between 1 and {BATCH_READS} keys"
        )
    answer: dict[str, Any] = {"Responses": {}, "UnprocessedKeys": {}}
    level, spent, size = request.body.get("ReturnConsumedCapacity", "NONE"), [], 0
    for name, asked in request_items.items():
        table = request.table(name)
        if table is None:
            raise ServiceError("ResourceNotFoundException", "Requested resource not found")
        places = [table.position(key) for key in asked["Keys"]]
        if len(set(places)) != len(places):
            raise invalid("Provided list of item keys contains duplicates")
        consistent, units, images = bool(asked.get("ConsistentRead")), 0.0, []
        for place, key in zip(places, asked["Keys"], strict=True):
            row = table.rows.get(place)
            if row and size + row.size > BATCH_READ_BYTES:
                left = answer["UnprocessedKeys"].setdefault(name, {**asked, "Keys": []})
                left["Keys"].append(key)
                continue
            units += capacity.read_units(row.size if row else 0, consistent=consistent)
            if row:
                size += row.size
                images.append(orjson.Fragment(row.json))
        answer["Responses"][name] = images
        metering.consumed("Read", table, {"": units})
        spent.append(capacity.consumed(table, {"": units}, level))
    if level != "NONE":
        answer["ConsumedCapacity"] = spent
    return answer
