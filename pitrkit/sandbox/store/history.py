"""A table's past: every change of an item with its time, from which any earlier state is computed."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Literal, NamedTuple

from pitrkit.sandbox.store.rows import Position
from pitrkit.sandbox.store.values import Image

By = Literal["", "ttl"]
"""Who changed an item: a client, or the service itself because the item had expired."""


class PastWrite(NamedTuple):
    """A write of a story that is laid into a new table: see `Sandbox.seed`.

    Attributes:
        at: When it happened, aware.
        key: The key attributes, `{"pk": {"S": "a"}}`. An item holds its key itself, so they count for deletes only.
        item: The whole item afterwards, in the service's JSON (binary as base64), or None for a delete.
        by: Who wrote.
    """

    at: datetime
    key: Image
    item: Image | None
    by: By = ""


@dataclass(frozen=True, slots=True)
class ItemVersion:
    """One item's change: absent images are None, and they are never both equal."""

    at: datetime
    position: Position
    before: Image | None
    after: Image | None
    by: By = ""


class History:
    """All changes of one table in the order of time.

    Attributes:
        base: The items the table began with: none, or what it was restored from.
        changes: Every change since.
    """

    def __init__(self, base: dict[Position, Image] | None = None) -> None:
        self.base = dict(base or {})
        self.changes: list[ItemVersion] = []

    def state_at(self, at: datetime) -> dict[Position, Image]:
        """Return the items as they were after the last change at or before *at*."""
        items = dict(self.base)
        for change in self.changes[: bisect_right(self.changes, at, key=attrgetter("at"))]:
            if change.after is None:
                del items[change.position]
            else:
                items[change.position] = change.after
        return items
