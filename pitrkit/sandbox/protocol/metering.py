"""The layers that count what happens, for CloudWatch, and how a seeded past is counted.

`counted` stands under the lock, where requests have been done even if their answer is lost. `throttled` stands around
the faults, because it is there that requests are refused for their rate.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import attrgetter

from pitrkit.sandbox.protocol.protocol import OK, Handler, ServiceReply, ServiceRequest
from pitrkit.sandbox.store import capacity
from pitrkit.sandbox.store.history import ItemVersion
from pitrkit.sandbox.store.metric_data import Meter
from pitrkit.sandbox.store.tables import PastTable

THROTTLES = ("ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException")
READS = frozenset({"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"})
WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"})
STATEMENTS = frozenset({"ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"})
PAST_MILLISECONDS = 4.0
"""How long each call of a seeded past is said to have taken."""
BATCH = 25
_FAILED = "ConditionalCheckFailed"


def consumed(way: str, table: PastTable, units: Mapping[str, float]) -> None:
    """Take note of what a request consumed of *table*: *units* by index, of `Read` or `Write` capacity."""
    indexes = frozenset(index.name for index in table.global_indexes)
    backend = table.backend
    backend.meter.consumed(way, backend.clock.now(), units, table=table.name, global_indexes=indexes)


def counted(request: ServiceRequest, inner: Handler) -> ServiceReply:
    """Layer that counts item operations: successful ones by table and operation, and failed conditions."""
    if request.operation not in READS | WRITES | STATEMENTS:
        return inner(request)
    began = time.perf_counter()
    reply = inner(request)
    meter, at = request.backend.meter, request.backend.clock.now()
    tables = _tables(request)
    if reply.status == OK:
        milliseconds = (time.perf_counter() - began) * 1000
        for name in tables:
            meter.add("SuccessfulRequestLatency", at, milliseconds, TableName=name, Operation=request.operation)
    if _FAILED.encode() in reply.content:
        for name, times in _failed(request, reply, tables).items():
            meter.count("ConditionalCheckFailedRequests", at, times, TableName=name)
    return reply


def throttled(request: ServiceRequest, inner: Handler) -> ServiceReply:
    """Layer that counts what is refused, whole or in part, for its rate."""
    reply = inner(request)
    if request.operation not in READS | WRITES | STATEMENTS or _served(request, reply):
        return reply
    meter, at, body = request.backend.meter, request.backend.clock.now(), reply.body
    event = "ReadThrottleEvents" if request.operation in READS else "WriteThrottleEvents"
    if body.get("__type", "").rpartition("#")[2] in THROTTLES:
        for name, times in _asked(request).items():
            meter.count("ThrottledRequests", at, 1, TableName=name, Operation=request.operation)
            meter.count(event, at, times, TableName=name)
    for name, parts in (body.get("UnprocessedItems") or body.get("UnprocessedKeys") or {}).items():
        meter.count(event, at, len(parts["Keys"] if isinstance(parts, dict) else parts), TableName=name)
    return reply


def count_history(table: PastTable, changes: Iterable[ItemVersion], meter: Meter) -> None:
    """Count what a seeded table has been through. Puts and deletes of one moment came together in batches."""
    indexes = frozenset(index.name for index in table.global_indexes)
    for at, together in groupby(changes, key=attrgetter("at")):
        operations: Counter[str] = Counter()
        for change in together:
            if change.by == "ttl":
                meter.count("TimeToLiveDeletedItemCount", at, 1, TableName=table.name)
                continue
            operations[_operation(change)] += 1
            units = capacity.write_units(table, change.before, change.after)
            meter.consumed("Write", at, units, table=table.name, global_indexes=indexes)
        if operations["PutItem"] + operations["DeleteItem"] > 1:
            writes = operations.pop("PutItem", 0) + operations.pop("DeleteItem", 0)
            operations["BatchWriteItem"] = -(-writes // BATCH)
        for operation, calls in operations.items():
            for _ in range(calls):
                meter.add("SuccessfulRequestLatency", at, PAST_MILLISECONDS, TableName=table.name, Operation=operation)


def _operation(change: ItemVersion) -> str:
    if change.after is None:
        return "DeleteItem"
    return "PutItem" if change.before is None else "UpdateItem"


def _tables(request: ServiceRequest) -> list[str]:
    """Return the names of the tables that there are of those that a request names."""
    request_tables = (request.table(name) for name in request.tables())
    return list(dict.fromkeys(table.name for table in request_tables if table is not None))


def _failed(request: ServiceRequest, reply: ServiceReply, tables: Iterable[str]) -> Counter[str]:
    """Return how many conditions failed, by table."""
    body = reply.body
    if body.get("__type", "").endswith(f"{_FAILED}Exception"):
        return Counter(tables)
    failed: Counter[str] = Counter()
    actions = [action for item in request.body.get("TransactItems", ()) for action in item.values()]
    for action, reason in zip(actions, body.get("CancellationReasons", ()), strict=False):
        if reason.get("Code") == _FAILED:
            failed[action["TableName"].rpartition(":table/")[2]] += 1
    for response in body.get("Responses", ()):
        if "Error" in response and response["Error"].get("Code") == _FAILED:
            failed[response["TableName"]] += 1
    return failed


def _served(request: ServiceRequest, reply: ServiceReply) -> bool:
    """Whether everything was done; told without reading an answer full of items."""
    if reply.status != OK:
        return not any(code.encode() in reply.content for code in THROTTLES)
    unprocessed = {"BatchWriteItem": b'"UnprocessedItems":{}', "BatchGetItem": b'"UnprocessedKeys":{}'}
    return unprocessed.get(request.operation, b"") in reply.content


def _asked(request: ServiceRequest) -> Counter[str]:
    """Return how many items a request is about, by table."""
    batches: Mapping[str, Iterable[object] | Mapping[str, list[object]]] = request.body.get("RequestItems", {})
    sizes = {name: len(parts["Keys"] if isinstance(parts, dict) else list(parts)) for name, parts in batches.items()}
    return Counter(sizes) if sizes else Counter(_tables(request))
