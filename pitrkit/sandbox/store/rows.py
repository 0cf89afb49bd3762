"""A table's items in the order in which the service scans them.

Partitions follow a hash of the partition key, items within one follow the sort key by value. The order is kept as a
sorted list of positions, so a page of a Scan or a Query costs what it reads and not what the table holds, and a scan
segment is a range of the hash.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from hashlib import md5
from itertools import takewhile

import orjson

from pitrkit.sandbox.store.values import Image, Sortable, Value, sortable, stored_size

HASH_RANGE = 1 << 64

Position = tuple[int, Sortable, Sortable]
"""Hash of the partition key, partition key, sort key (empty text where there is none)."""


class StoredItem:
    """One stored item: its image, size in bytes, and JSON on the wire."""

    __slots__ = ("_json", "image", "size")

    def __init__(self, image: Image) -> None:
        self.image = image
        self.size = stored_size(image)
        self._json: bytes | None = None

    @property
    def json(self) -> bytes:
        """The item as JSON; made once."""
        if self._json is None:
            self._json = orjson.dumps(self.image)
        return self._json


def position(partition: Value, sort: Value | None) -> Position:
    """Return where the item with these (normalised) key values stands."""
    first = sortable(partition)
    text = first if isinstance(first, bytes) else str(first).encode()
    token = int.from_bytes(md5(text, usedforsecurity=False).digest()[:8])
    return token, first, "" if sort is None else sortable(sort)


class ItemStore:
    """The items of one table."""

    def __init__(self, images: dict[Position, Image] | None = None) -> None:
        self._rows = {at: StoredItem(image) for at, image in (images or {}).items()}
        self._order = sorted(self._rows)
        self.bytes = sum(row.size for row in self._rows.values())

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[StoredItem]:
        return (self._rows[at] for at in self._order)

    def get(self, at: Position) -> StoredItem | None:
        """Return the row at a position, or None."""
        return self._rows.get(at)

    def images(self) -> dict[Position, Image]:
        """Return every item by its position."""
        return {at: row.image for at, row in self._rows.items()}

    def put(self, at: Position, image: Image | None) -> None:
        """Store *image* at a position, or remove what is there."""
        old = self._rows.get(at)
        if old is not None:
            self.bytes -= old.size
        if image is None:
            if old is not None:
                del self._rows[at]
                del self._order[bisect_left(self._order, at)]
            return
        if old is None:
            insort(self._order, at)
        row = self._rows[at] = StoredItem(image)
        self.bytes += row.size

    def segment(
        self, number: int, segments: int, after: Position | None = None
    ) -> Iterator[tuple[Position, StoredItem]]:
        """Yield the rows of scan segment *number* of *segments*, behind *after*."""
        low = -(-number * HASH_RANGE // segments)
        high = -(-(number + 1) * HASH_RANGE // segments)
        start = bisect_left(self._order, (low,))
        if after is not None:
            start = max(start, bisect_right(self._order, after))
        return self._between(start, bisect_left(self._order, (high,)))

    def partition(self, value: Value) -> list[tuple[Position, StoredItem]]:
        """Return the rows with one partition key, by sort key."""
        token, first, _ = position(value, None)
        start = bisect_left(self._order, (token, first))
        return list(takewhile(lambda row: row[0][:2] == (token, first), self._between(start, len(self._order))))

    def _between(self, start: int, end: int) -> Iterator[tuple[Position, StoredItem]]:
        for index in range(start, end):
            at = self._order[index]
            yield at, self._rows[at]
