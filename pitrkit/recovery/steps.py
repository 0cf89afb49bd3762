"""Steps: what single items went through, in order, as a source of changes tells it. See `log` for many of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pitrkit.dynamodb.items import Image, Key


@dataclass(frozen=True, slots=True)
class Step:
    """One item's way from one image to another.

    Attributes:
        key: The item's key.
        before_at: The moment that `before` is the item's state at. A stream's step: when it was written. An export's:
            the window's start, as of which the service gives the old image.
        at: When the item was last written in this step: to the second by a stream, to the microsecond by an export.
        before: Its image at the step's beginning, None where it did not exist.
        after: Its image at the step's end, None where it no longer exists. Never equal to `before`.
        single: Whether it is exactly one write. An export's step may stand for several: exports give an item once.
        by: Who wrote: `ttl`, the service's own deletion of expired items; empty where the source does not tell.
        undated: Whether a removal's moment is not known, so that `at` is only the last one that it may have been.
    """

    key: Key
    before_at: datetime
    at: datetime
    before: Image | None
    after: Image | None
    single: bool
    by: Literal["", "ttl"] = ""
    undated: bool = False

    @property
    def exact(self) -> bool:
        """Return whether `at` is the moment of it all: it is a single write, or a removal, which comes last."""
        return self.single or (self.after is None and not self.undated)

    @property
    def kind(self) -> Literal["removed", "modified", "inserted"]:
        """Return what happened to the item, in time's direction."""
        return kind_of(self.before, self.after)


def kind_of(before: Image | None, after: Image | None) -> Literal["removed", "modified", "inserted"]:
    """Return what lies between two different images of one item."""
    if before is None:
        return "inserted"
    return "removed" if after is None else "modified"
