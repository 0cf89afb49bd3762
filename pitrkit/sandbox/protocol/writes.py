"""The layer around writes: exact images and consumed capacity in replies, and what batches and transactions refuse.

moto does the write below this layer, under the server's lock. So an item's images before and after it are simply what
the table holds before and after.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import orjson

from pitrkit.sandbox.protocol import metering
from pitrkit.sandbox.protocol.protocol import OK, Handler, ServiceError, ServiceReply, ServiceRequest, invalid
from pitrkit.sandbox.store import capacity
from pitrkit.sandbox.store.rows import Position
from pitrkit.sandbox.store.tables import PastTable
from pitrkit.sandbox.store.values import Image, Value, normalised_image

BATCH_WRITES = 25
TOKEN_LIFETIME = timedelta(minutes=10)
"""How long the service remembers a transaction by its client's token."""
_OURS = ("ReturnConsumedCapacity", "ReturnValuesOnConditionCheckFailure")
_FAILED = "ConditionalCheckFailedException"

Target = tuple[PastTable, Position]


def write_layer(request: ServiceRequest, inner: Handler) -> ServiceReply:
    """Layer around writes."""
    match request.operation:
        case "PutItem" | "UpdateItem" | "DeleteItem":
            return _single(request, inner)
        case "BatchWriteItem":
            return _batch(request, inner)
        case "TransactWriteItems":
            return _transaction(request, inner)
    return inner(request)


def _single(request: ServiceRequest, inner: Handler) -> ServiceReply:
    body = request.body
    table = request.table(body["TableName"])
    place = table and table.place(body.get("Key") or body.get("Item") or {})
    if table is None or place is None:
        return inner(request)
    if "Item" in body:
        table.check_index_keys(normalised_image(body["Item"]))
    return_values = body.get("ReturnValues", "NONE")
    ours = return_values == "ALL_OLD" or (return_values == "ALL_NEW" and request.operation == "UpdateItem")
    # moto is slow to write an item and wrong about binary, so it is not asked for what is added here.
    request_fields = {
        name: value for name, value in body.items() if name not in _OURS and not (ours and name == "ReturnValues")
    }
    before = table.read(place)
    reply = inner(request if len(request_fields) == len(body) else request.changed(request.operation, request_fields))
    after, answer = table.read(place), reply.body
    if reply.status != OK:
        failed = answer.get("__type", "").endswith(_FAILED)
        if failed:  # such a write costs what it would have cost, as far as is known: the item that is there
            metering.consumed("Write", table, {"": capacity.write_units(table, before, before)[""]})
        if not failed or body.get("ReturnValuesOnConditionCheckFailure") != "ALL_OLD":
            return reply
        details = {} if before is None else {"Item": before}
        return ServiceReply.error(ServiceError(_FAILED, "The conditional request failed", **details))
    image = {"ALL_OLD": before, "ALL_NEW": after, "UPDATED_OLD": before, "UPDATED_NEW": after}.get(return_values)
    if image is not None and not ours:
        image = {name: _exact(value, image[name]) for name, value in answer.get("Attributes", {}).items()}
    answer = {"Attributes": image} if image else {}
    level, units = body.get("ReturnConsumedCapacity", "NONE"), capacity.write_units(table, before, after)
    metering.consumed("Write", table, units)
    if level != "NONE":
        answer["ConsumedCapacity"] = capacity.consumed(table, units, level)
    return ServiceReply.json(answer)


def _exact(value: Value, stored: Value) -> Value:
    """Return an updated attribute: moto's *value*, which may be part of a map or list, else what is *stored*."""
    return value if "M" in value or "L" in value else stored


def _batch(request: ServiceRequest, inner: Handler) -> ServiceReply:
    batches = request.body["RequestItems"]
    if not 1 <= sum(map(len, batches.values())) <= BATCH_WRITES:
        raise invalid(
            "1 validation error detected: Value at 'requestItems' failed to satisfy constraint: "
            f"Member must have between 1 and {BATCH_WRITES} requests"
        )
    attrs = (
        (name, write.get("PutRequest", {}).get("Item") or write["DeleteRequest"]["Key"])
        for name, requests in batches.items()
        for write in requests
    )
    targets = _targets(request, attrs)
    if len({(table.name, place) for table, place in targets}) != len(targets):
        raise invalid("Provided list of item keys contains duplicates")
    before = _images(targets)
    with request.backend.atomic() as unit:
        # Table by table, because moto takes the same item in two tables for a duplicate.
        for name, some in batches.items():
            reply = inner(request.changed(request.operation, {**request.body, "RequestItems": {name: some}}))
            if reply.status != OK:
                unit.drop()
                return reply
    answer: dict[str, Any] = {"UnprocessedItems": {}}
    return _with_capacity(request, answer, targets, before, times=1)


def _transaction(request: ServiceRequest, inner: Handler) -> ServiceReply:
    actions = [action for item in request.body["TransactItems"] for action in item.values()]
    targets = _targets(request, ((a["TableName"], a.get("Key") or a.get("Item") or {}) for a in actions))
    before = _images(targets)
    token, backend = request.body.get("ClientRequestToken", ""), request.backend
    now, digest = backend.clock.now(), sha256(orjson.dumps(actions)).digest()
    done_at, done = backend.transactions.get(token, (now, b""))
    if done and now - done_at <= TOKEN_LIFETIME:
        if done != digest:
            raise ServiceError(
                "IdempotentParameterMismatchException",
                "The request uses the same client token as a previous, but non-identical request",
            )
        return _with_capacity(request, {}, targets, before, times=2)
    reply = inner(request)
    if reply.status != OK:
        return _with_blocking_items(reply, targets, before)
    if token:
        backend.transactions[token] = now, digest
    return _with_capacity(request, {}, targets, before, times=2)


def _with_blocking_items(reply: ServiceReply, targets: list[Target], before: list[Image | None]) -> ServiceReply:
    answer = reply.body
    reasons = answer.get("CancellationReasons", [])
    if len(reasons) == len(targets):
        for reason, image in zip(reasons, before, strict=True):
            if "Item" in reason:
                reason["Item"] = image
    return ServiceReply.json(answer, status=reply.status)


def _targets(request: ServiceRequest, attrs: Iterable[tuple[str, Image]]) -> list[Target]:
    """Return table and position of each item; those that moto is going to refuse are left out."""
    targets = []
    for name, item in attrs:
        table = request.table(name)
        place = table and table.place(item)
        if table is not None and place is not None:
            targets.append((table, place))
    return targets


def _images(targets: list[Target]) -> list[Image | None]:
    return [table.read(place) for table, place in targets]


def _with_capacity(
    request: ServiceRequest, answer: dict[str, Any], targets: list[Target], before: list[Image | None], *, times: int
) -> ServiceReply:
    level = request.body.get("ReturnConsumedCapacity", "NONE")
    units: dict[str, dict[str, float]] = {}
    for (table, place), old in zip(targets, before, strict=True):
        spent = capacity.write_units(table, old, table.read(place))
        units[table.name] = capacity.added(units.get(table.name, {}), spent, times)
    for name, spent in units.items():
        metering.consumed("Write", request.backend.tables[name], spent)
    if level != "NONE":
        answer["ConsumedCapacity"] = [
            capacity.consumed(request.backend.tables[name], spent, level) for name, spent in units.items()
        ]
    return ServiceReply.json(answer)
