"""The model: a change of one item, its kind, and the steps that an item went through. See `change_log` for many."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal, get_args

from pitrkit.aws.items import Image, Key


@dataclass(frozen=True, slots=True)
class ItemStep:
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


@dataclass(frozen=True, slots=True)
class Change:
    """One item's change.

    Attributes:
        key: The item's key.
        kind: What happened to it, in time's direction.
        before: Its image at the earlier time, None where it did not exist.
        after: Its image at the later time, None where it no longer exists.
        review: Why it takes a person to tell what of it is damage; mostly empty. Only a log of changes can know.
    """

    key: Key
    kind: Kind
    before: Image | None
    after: Image | None
    review: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many items of each kind; `same` is 0 where a source cannot know it (a stream, a journal)."""

    same: int = 0
    removed: int = 0
    modified: int = 0
    inserted: int = 0

    def to_dict(self) -> dict[str, int]:
        """Return the counts as plain JSON."""
        return asdict(self)

    @property
    def changes(self) -> int:
        """Items that differ."""
        return self.removed + self.modified + self.inserted


Kind = Literal["removed", "modified", "inserted"]

KINDS: tuple[Kind, ...] = get_args(Kind)
