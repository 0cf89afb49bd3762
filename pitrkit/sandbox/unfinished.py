"""The layer that refuses to work on tables that are still being created."""

from __future__ import annotations

from pitrkit.sandbox.wire import Handler, Reply, Request, ServiceError

_SETTINGS = ("DeleteTable", "UpdateTable", "UpdateTimeToLive")
_DATA = (
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "GetItem",
    "Query",
    "Scan",
    "BatchGetItem",
    "BatchWriteItem",
    "TransactGetItems",
    "TransactWriteItems",
)


def unfinished(request: Request, inner: Handler) -> Reply:
    """Layer that refuses to work on tables that are still being created."""
    if request.operation in (*_DATA, *_SETTINGS):
        for name in request.tables():
            table = request.table(name)
            if table is None or table.active:
                continue
            if request.operation in _DATA:
                raise ServiceError("ResourceNotFoundException", "Requested resource not found")
            raise ServiceError("ResourceInUseException", f"Table is being created: {table.name}")
    return inner(request)
