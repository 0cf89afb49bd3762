"""The layers that refuse, before anything else, values and names that are none, and work on tables in creation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pitrkit.sandbox.protocol.protocol import Handler, ServiceError, ServiceReply, ServiceRequest, invalid
from pitrkit.sandbox.store.values import BadType, BadValue, check_name, normalised, normalised_image

_IMAGES = ("Key", "Item", "ExclusiveStartKey")
_OLD = ("Expected", "AttributeUpdates")


def forms(request: ServiceRequest, inner: Handler) -> ServiceReply:
    """Layer that checks names and values; each operation has them in other places."""
    try:
        for part in _parts(request.body):
            _check(part)
    except BadType as bad:
        raise ServiceError("SerializationException", str(bad)) from None
    except BadValue as bad:
        raise invalid(str(bad)) from None
    return inner(request)


def _parts(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a request's body and what it holds that is like a body: the members of batches and transactions."""
    yield body
    for of_table in body.get("RequestItems", {}).values():
        if isinstance(of_table, dict):
            yield of_table
        else:
            yield from (part for write in of_table for part in write.values())
    for action in body.get("TransactItems", []):
        yield from action.values()
    yield from body.get("Statements", [])
    yield from body.get("TransactStatements", [])


def _check(part: Mapping[str, Any]) -> None:
    for name in _IMAGES:
        normalised_image(part.get(name) or {})
    for key in part.get("Keys", []):
        normalised_image(key)
    for parameter in part.get("Parameters") or []:
        normalised(parameter)
    for name in _OLD:
        for attribute, term in part.get(name, {}).items():
            check_name(attribute)
            for value in [*([term["Value"]] if "Value" in term else []), *term.get("AttributeValueList", [])]:
                normalised(value)
    _check_placeholders(part, "ExpressionAttributeNames", check_name)
    _check_placeholders(part, "ExpressionAttributeValues", normalised)


def _check_placeholders(part: Mapping[str, Any], parameter: str, check: Any) -> None:
    for placeholder, meaning in (part.get(parameter) or {}).items():
        try:
            check(meaning)
        except BadType:
            raise
        except BadValue as bad:
            raise BadValue(f"{parameter} contains invalid value: {bad} for key {placeholder}") from None


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


def unfinished(request: ServiceRequest, inner: Handler) -> ServiceReply:
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
