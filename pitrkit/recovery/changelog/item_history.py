"""One item in time: what it looked like at chosen moments, as far as a log, a copy or an export can tell.

No source is believed further than it reaches. A log of single writes tells every moment it covers; one made of
exports tells the ends of its windows, and between them only up to the last write; a copy tells its own second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pitrkit.aws.items import Image, attributes
from pitrkit.recovery.changes.change import ItemStep
from pitrkit.times import iso


@dataclass(frozen=True, slots=True)
class Sight:
    """What one item looked like at one moment.

    Attributes:
        at: The moment.
        image: The item, None if it did not exist.
        known: Whether any source can tell; if not, `image` means nothing.
        source: Which source told, or why none can.
        by: Who made the item what it was then, where the source tells: `ttl`.
    """

    at: datetime
    image: Image | None
    known: bool
    source: str
    by: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON, the item as the service's JSON."""
        item = attributes(self.image) if self.image is not None else None
        return {"at": iso(self.at), "known": self.known, "item": item, "source": self.source, "by": self.by}


Teller = Callable[[datetime], Sight | None]
"""Tells what the item looked like at a moment, None where it cannot."""


def images_at(times: Iterable[datetime], tellers: Sequence[Teller]) -> list[Sight]:
    """Return what the item looked like at each of *times*, in time order, by the first of *tellers* that knows."""
    return [_seen(at, [sight for teller in tellers if (sight := teller(at)) is not None]) for at in sorted(times)]


def _seen(at: datetime, sights: Sequence[Sight]) -> Sight:
    unknown = sights[0] if sights else Sight(at, None, known=False, source="no source covers this time")
    return next((sight for sight in sights if sight.known), unknown)


def by_steps(steps: Sequence[ItemStep], since_at: datetime, until_at: datetime, *, source: str) -> Teller:
    """Return the teller of an item's *steps*, all there are from *since_at* to *until_at*.

    An item without steps was not written in that time: what it was, the steps cannot tell. A moment is the beginning of
    its second, as it is for a restore: a single write, which is dated to a second, happened within that one, so later.
    """

    def done(step: ItemStep, at: datetime) -> bool:
        return step.at < at if step.single else step.at <= at

    def tell(at: datetime) -> Sight | None:
        if not steps or not since_at <= at <= until_at:
            return None
        past = [step for step in steps if done(step, at)]
        coming = next((step for step in steps if not done(step, at)), None)
        if coming is not None and not coming.single and coming.before_at < at:
            return Sight(at, None, known=False, source=f"written between {iso(coming.before_at)} and {iso(coming.at)}")
        if past:
            return Sight(at, past[-1].after, known=True, source=source, by=past[-1].by)
        return Sight(at, steps[0].before, known=True, source=source)

    return tell


def by_copy(copied_at: datetime, image: Image | None, *, source: str) -> Teller:
    """Return the teller of a copy of the table, or an export, as of *copied_at* in which the item is *image*."""

    def tell(at: datetime) -> Sight | None:
        return Sight(at, image, known=True, source=source) if at == copied_at else None

    return tell


def by_present(image: Image | None, since_at: datetime, until_at: datetime) -> Teller:
    """Return the teller of an item that was not written from *since_at* to *until_at*, which is about now."""

    def tell(at: datetime) -> Sight | None:
        text = f"as it is now: not written since {iso(since_at)}"
        return Sight(at, image, known=True, source=text) if since_at <= at <= until_at else None

    return tell
