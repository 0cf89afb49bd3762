"""The locator: given what damage looks like, when it began and ended, by a log of changes, and how sure that is.

A description may fit ordinary writes as well (`removed` alone fits every deletion of the day). Damage is mostly done by
a program, so it stands out as a burst (`bursts`): the largest one is proposed, the others are named. Where none
stands out, all that fits is taken as one.

Events are grouped by the quiet gaps between them, for gaps of various lengths, and the burst that is least likely to be
chance decides which length fits. The measure is the scan statistic of Kulldorff, "A spatial scan statistic", 1997.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappush, heappushpop
from itertools import groupby
from math import inf, log
from operator import attrgetter
from typing import Any

from pitrkit.aws.items import Key
from pitrkit.errors import BadInput, PitrkitError
from pitrkit.recovery.changelog.change_log import ChangeLog
from pitrkit.recovery.changelog.merge import looks_like
from pitrkit.recovery.changes.change import KINDS, ItemStep
from pitrkit.recovery.changes.scope import Scope

_GAPS = (1, 2, 5, 10, 30, 60, 120, 300, 900, inf)
_STANDS_OUT = 15.0  # by how much a log-likelihood ratio must exceed that of everything; by chance it seldom does


def bursts(seconds: Counter[int], span: float) -> tuple[list[tuple[int, int]], bool]:
    """Return the bursts (first and last second), largest first, and whether the first of them stands out.

    Where none stands out, everything is one.

    Args:
        seconds: How many events each second has; at least one has some.
        span: Seconds that were watched.
    """
    ordered = sorted(seconds)
    total = seconds.total()
    everything = [(ordered[0], ordered[-1], total)]
    span = max(span, ordered[-1] - ordered[0] + 1)

    def strength(burst_spans: list[tuple[int, int, int]]) -> float:
        return max(_likelihood(count, total, last - first + 1, span) for first, last, count in burst_spans)

    candidates = [list(_split(ordered, seconds, gap)) for gap in _GAPS]
    best = max(candidates, key=strength)
    clear = strength(best) > strength(everything) + _STANDS_OUT
    chosen = sorted(best if clear else everything, key=lambda burst: (-burst[2], burst[0]))
    return [(first, last) for first, last, _ in chosen], clear or total == 1 or len(best) == 1


def _split(ordered: list[int], seconds: Counter[int], gap: float) -> Iterator[tuple[int, int, int]]:
    """Yield runs (first and last second, how many) between which more than *gap* seconds are quiet."""
    first = last = ordered[0]
    count = 0
    for second in ordered:
        if second - last > gap:
            yield first, last, count
            first, count = second, 0
        last = second
        count += seconds[second]
    yield first, last, count


def _likelihood(inside: int, total: int, length: float, span: float) -> float:
    """Return the log-likelihood ratio of *inside* of *total* events lying in *length* of *span* by more than chance."""
    expected, outside = total * length / span, total - inside
    if inside <= expected:
        return 0.0
    rest = outside * log(outside / (total - expected)) if outside else 0.0
    return inside * log(inside / expected) + rest


SHOWN = 5
"""Bursts that are described."""

KEYS = 20
"""Keys of each that are named."""

_LARGE = 10  # a burst of a tenth of the largest one is worth a line

_SECOND = timedelta(seconds=1)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Between:
    """A moment that is known within bounds, both included.

    Attributes:
        earliest: It was not before.
        latest: It was not after; where it is dated to the second, not after that second.
    """

    earliest: datetime
    latest: datetime

    def to_dict(self) -> dict[str, str]:
        """Return both as ISO 8601 text."""
        return {"earliest": self.earliest.isoformat(), "latest": self.latest.isoformat()}

    def __str__(self) -> str:
        """Return the moment, or its bounds."""
        bounds = [f"{moment:%Y-%m-%d %H:%M:%S}" for moment in (self.earliest, self.latest)]
        return f"{bounds[0]} UTC" if bounds[0] == bounds[1] else f"between {bounds[0]} and {bounds[1]} UTC"


@dataclass(frozen=True, slots=True)
class Burst:
    """Changes that fit the description, with a quiet time before and after them.

    Attributes:
        steps: How many changes fit.
        items: How many items they are of.
        kinds: Items by kind of their first such change.
        keys: Keys of the first of them, in time's order.
        began: When the first was made.
        ended: When the last was made.
        since_at: Beginning of a window of the log that contains it.
        until_at: End of that window, itself not part of it.
    """

    steps: int
    items: int
    kinds: dict[str, int]
    keys: tuple[Key, ...]
    began: Between
    ended: Between
    since_at: datetime
    until_at: datetime

    @property
    def restore_at(self) -> datetime:
        """The latest whole second that is surely before it: a restore to it holds writes up to that very moment."""
        return (self.began.earliest - _MICROSECOND).replace(microsecond=0)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "steps": self.steps,
            "items": self.items,
            "kinds": self.kinds,
            "keys": list(self.keys),
            "began": self.began.to_dict(),
            "ended": self.ended.to_dict(),
            "restore_at": self.restore_at.isoformat(),
            "since_at": self.since_at.isoformat(),
            "until_at": self.until_at.isoformat(),
        }

    def __str__(self) -> str:
        """Return e.g. `618 items (618 modified), began ..., ended ...`."""
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.kinds.items())
        return f"{self.items:,} item{'s' * (self.items != 1)} ({kinds}), began {self.began}, ended {self.ended}"


@dataclass(frozen=True, slots=True)
class Located:
    """Where in time the damage is. What it says of itself is of the burst that it proposes, the first of `bursts`.

    Attributes:
        table: Table it is about.
        source: What told it.
        damage: What was looked for, in words.
        steps: How many changes fit, in all.
        bursts: The largest bursts, largest first, at most `SHOWN`.
        found: How many bursts there are.
        precision: How sure the times are, in words.
        unknown: What it cannot know, in words.
    """

    table: str
    source: str
    damage: str
    steps: int
    bursts: tuple[Burst, ...]
    found: int
    precision: str
    unknown: tuple[str, ...]

    @property
    def burst(self) -> Burst:
        """The burst that it takes for the damage."""
        return self.bursts[0]

    @property
    def items(self) -> int:
        """How many items."""
        return self.burst.items

    @property
    def kinds(self) -> dict[str, int]:
        """Items by kind."""
        return self.burst.kinds

    @property
    def keys(self) -> tuple[Key, ...]:
        """Keys of the first items, in time's order."""
        return self.burst.keys

    @property
    def began(self) -> Between:
        """When the damage began."""
        return self.burst.began

    @property
    def ended(self) -> Between:
        """When it ended."""
        return self.burst.ended

    @property
    def restore_at(self) -> datetime:
        """The latest whole second that is surely before the damage."""
        return self.burst.restore_at

    @property
    def since_at(self) -> datetime:
        """Beginning of the window to roll back."""
        return self.burst.since_at

    @property
    def until_at(self) -> datetime:
        """End of that window, itself not part of it."""
        return self.burst.until_at

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON: the proposed burst's own, then what else is known."""
        return self.burst.to_dict() | {
            "table": self.table,
            "source": self.source,
            "damage": self.damage,
            "precision": self.precision,
            "unknown": list(self.unknown),
            "matching": self.steps,
            "found": self.found,
            "bursts": [burst.to_dict() for burst in self.bursts],
        }

    def __str__(self) -> str:
        """Return it in words, a line each."""
        lines = [f"{self.damage}: {self.burst}", f"Times are {self.precision} (source: {self.source})."]
        lines.append(f"Restore to {self.restore_at:%Y-%m-%d %H:%M:%S} UTC to get the table before the damage.")
        if (rest := self.steps - self.burst.steps) > 0:
            lines.append(f"{rest:,} more matching changes at other times.")
            large = [burst for burst in self.bursts[1:] if burst.steps * _LARGE >= self.burst.steps]
            lines += [f"- {burst}" for burst in large]
        return "\n".join([*lines, *self.unknown])


def locate(changes: ChangeLog, damage: Scope) -> Located:
    """Return when the damage in a log began and ended, and how sure that is. Reads the log twice.

    Args:
        changes: The log.
        damage: What damage looks like; it is asked about single steps. The service's deletion of expired items fits
            only a condition that asks for `by`.

    Raises:
        BadInput: Nothing in the log is like that, or the condition cannot be evaluated on a step.
    """
    seconds = Counter(int(step.at.timestamp()) for step in changes if looks_like(step, damage))
    if not seconds:
        raise BadInput(
            f"no change in the log matches the description of the damage{PitrkitError.quoted(damage.describe())}",
            table=changes.table,
            fix="Change the description, or read a change log that reaches further back.",
        )
    span = max(1.0, (changes.until_at - changes.since_at).total_seconds())
    ranges, clear = bursts(seconds, span)
    shown_ranges = ranges[:SHOWN]
    locations = [_Found() for _ in shown_ranges]
    starts = sorted((start, place) for place, (start, _) in enumerate(shown_ranges))
    for _, history in groupby(changes, key=attrgetter("key")):
        fits: dict[int, list[ItemStep]] = {}
        for step in history:
            second = int(step.at.timestamp())
            nearest = bisect_right(starts, (second, len(starts))) - 1
            if nearest >= 0 and second <= shown_ranges[place := starts[nearest][1]][1] and looks_like(step, damage):
                fits.setdefault(place, []).append(step)
        for place, steps in fits.items():
            locations[place].take(steps)
    return Located(
        table=changes.table,
        source=changes.source,
        damage=damage.describe(),
        steps=seconds.total(),
        bursts=tuple(location.burst(changes) for location in locations),
        found=len(ranges),
        precision=locations[0].precision(),
        unknown=tuple(_unknown(changes, locations[0], len(seconds), clear=clear)),
    )


@dataclass(slots=True)
class _Found:
    """A burst being counted, in bounded memory.

    Attributes:
        lower: Before what the steps were surely not made: the first, and the last of these bounds; `upper` likewise.
        single: Whether all its steps are single writes.
        exact: Whether all its times are known, at least to the second.
    """

    steps: int = 0
    items: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    lower: list[datetime] = field(default_factory=list)
    upper: list[datetime] = field(default_factory=list)
    single: bool = True
    exact: bool = True
    _first: list[tuple[float, Key]] = field(default_factory=list)

    def take(self, steps: list[ItemStep]) -> None:
        """Count one item's steps."""
        self.steps += len(steps)
        self.items += 1
        self.kinds[steps[0].kind] += 1
        entry = (-steps[0].at.timestamp(), steps[0].key)
        (heappushpop if len(self._first) >= KEYS else heappush)(self._first, entry)
        for step in steps:
            self.single = self.single and step.single
            self.exact = self.exact and step.exact
            self.lower = _ends([*self.lower, step.at if step.exact else step.before_at])
            self.upper = _ends([*self.upper, step.at])

    def burst(self, changes: ChangeLog) -> Burst:
        """Return what was counted in *changes*."""
        return Burst(
            steps=self.steps,
            items=self.items,
            kinds={kind: self.kinds[kind] for kind in KINDS if self.kinds[kind]},
            keys=tuple(key for _, key in sorted(self._first, key=lambda entry: (-entry[0], entry[1]))),
            began=Between(self.lower[0], self.upper[0]),
            ended=Between(self.lower[-1], self.upper[-1]),
            since_at=max(changes.since_at, self.lower[0].replace(microsecond=0)),
            until_at=min(changes.until_at, self.upper[-1].replace(microsecond=0) + _SECOND),
        )

    def precision(self) -> str:
        """Return how sure its times are."""
        if self.single:
            return "exact to the second"
        if self.exact:
            return "exact: removals have exact times"
        return "bounds: each change was made between the start of its export window and the item's last write in it"


def _ends(moments: Iterable[datetime]) -> list[datetime]:
    """Return the first and the last of some moments."""
    return [min(moments := list(moments)), max(moments)]


def _unknown(changes: ChangeLog, location: _Found, moments: int, *, clear: bool) -> Iterator[str]:
    """Yield what is not known, in words."""
    if not clear and moments > 1:
        yield "No burst stands out among the matching changes, so all of them count as one."
    first = min(location.lower)
    if first <= changes.since_at.replace(microsecond=0) + _SECOND:
        since = f"{changes.since_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        yield f"The change log begins at {since} UTC; the damage may have begun earlier."
    yield from changes.notes
