"""Pages of a scan: asked for and taken apart as bytes.

What a page says about itself is read without touching its items, and an item is a slice of the page until somebody
wants it. So a page costs what it takes to receive it; only making images of its items costs more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from pitrkit.aws.items import REPLICATION_PREFIX, canonicalise_in_place, without_replication

_REPLICATION = REPLICATION_PREFIX.encode()

Row = tuple[bytes, bytes, int]
"""One item of a page: its key's canonical text, its own, and its size in bytes as DynamoDB counts them."""


class _Consumed(msgspec.Struct, frozen=True):
    CapacityUnits: float = 0.0


class _About(msgspec.Struct):
    Count: int = 0
    LastEvaluatedKey: msgspec.Raw = msgspec.Raw()
    ConsumedCapacity: _Consumed = _Consumed()


class _Items(msgspec.Struct):
    Items: list[msgspec.Raw] = []


_about = msgspec.json.Decoder(_About)
_items = msgspec.json.Decoder(_Items)


@dataclass(frozen=True, slots=True)
class Page:
    """What a page of a scan says about itself.

    Attributes:
        count: How many items it has. None is not the end.
        next: The key to go on after, as JSON; empty at the end.
        read_units: Read capacity units it took.
    """

    count: int
    next: bytes
    read_units: float

    @classmethod
    def read(cls, body: bytes) -> Page:
        """Read it off the answer.

        Raises:
            ValueError: It is not a scan's answer.
        """
        about = _about.decode(body)
        return cls(about.Count, bytes(about.LastEvaluatedKey), about.ConsumedCapacity.CapacityUnits)


@dataclass(frozen=True, slots=True)
class Scan:
    """A segment of a table to be scanned.

    Attributes:
        table: The table's name.
        segment: Which segment.
        segments: Of how many.
        consistent: Whether to read strongly consistently, at twice the read units.
    """

    table: str
    segment: int = 0
    segments: int = 1
    consistent: bool = False

    def request(self, after: bytes = b"", *, limit: int = 0) -> bytes:
        """Return the request for the page after the key *after*, of at most *limit* items unless that is 0."""
        request: dict[str, Any] = {
            "TableName": self.table,
            "Segment": self.segment,
            "TotalSegments": self.segments,
            "ConsistentRead": self.consistent,
            "ReturnConsumedCapacity": "TOTAL",
        }
        if limit:
            request["Limit"] = limit
        if after:
            request["ExclusiveStartKey"] = orjson.Fragment(after)
        return orjson.dumps(request)


def slices(body: bytes) -> list[msgspec.Raw]:
    """Return a page's items as slices of it: the service's own JSON."""
    return _items.decode(body).Items


def rows(body: bytes, key: Sequence[str]) -> Iterator[Row]:
    """Yield a page's items in canonical form, without the attributes that global tables keep for themselves.

    Args:
        body: The answer to a scan.
        key: Names of the table's key attributes.

    Raises:
        BadInput: An item holds what is no DynamoDB value.
    """
    yield from rows_of(slices(body), key, replicated=_REPLICATION in body)


def rows_of(items: Iterable[msgspec.Raw], key: Sequence[str], *, replicated: bool = True) -> Iterator[Row]:
    """Yield items, each the service's own JSON, in canonical form; otherwise as `rows`.

    Args:
        items: The items.
        key: Names of the table's key attributes.
        replicated: Whether one of them may hold attributes that global tables keep for themselves.
    """
    names = sorted(key)
    for item in items:
        attrs = orjson.loads(memoryview(item))
        yield row(without_replication(attrs) if replicated else attrs, names)


def row(attrs: dict[str, Any], names: Sequence[str]) -> Row:
    """Return an item, as the service's JSON, in canonical form; *attrs* is changed in place.

    Args:
        attrs: The item's attributes, without those that global tables keep for themselves.
        names: Names of the key attributes, sorted.
    """
    size = canonicalise_in_place(attrs)
    image = orjson.dumps(attrs, option=orjson.OPT_SORT_KEYS)
    return orjson.dumps({name: attrs[name] for name in names}), image, size
