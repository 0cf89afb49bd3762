"""Candidates for the recovery point, each with the evidence for it.

The evidence is circumstantial: calls a minute and what was done in the account. A sudden change of the writes says in
which minute it began, a deploy right before it says in which second its cause came. The proposal is the last second
before that. Too early costs little: what was written in between shows up as a difference and may be kept, and only an
item that came into being in between and was then deleted is missed. Too late loses what the damage did first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import log2
from typing import Any, Literal

from pitrkit.aws.services.cloudtrail import TrailEvent
from pitrkit.aws.services.cloudwatch import WRITES, Activity
from pitrkit.recovery.advice.anomalies import Anomaly, falls, rises

MOST = 5
"""Candidates that are proposed at most: more would be no help."""

BLAMED = timedelta(minutes=15)
"""How long before a change a deploy is taken for its cause."""

BLAMED_TTL = timedelta(hours=48)
"""As above for turning TTL on: the service deletes within a few days of expiry."""

_TOGETHER = timedelta(minutes=2)
_CHAIN = timedelta(minutes=2)
_UNSETTLED = timedelta(minutes=3)
_SECOND = timedelta(seconds=1)
_ALONE = 2
_ENOUGH = 3

_EXPIRED, _UNITS = "TTL deletions", "write units"
_WEIGHTS = {"DeleteItem": 3.0, _EXPIRED: 2.5, "BatchWriteItem": 2.5, "TransactWriteItems": 2.5, _UNITS: 1.0}
_WEIGHTS |= {"ExecuteStatement": 1.0, "BatchExecuteStatement": 1.0}  # some of these only read
_WEIGHT, _FALL, _BEFORE, _BY_DEPLOY, _RIGHT_AFTER = 2.0, 0.3, 0.5, 1.3, 1.6
_ALONE_SCORE, _TTL_SCORE = 0.3, 0.6

Kind = Literal["deletes", "writes", "deploy"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A proposed recovery point.

    Attributes:
        at: The last second that is good if this is it; whole, in UTC.
        kind: What gave it away: more deletes, another change of the writes, a deploy alone.
        title: In a few words.
        evidence: What suggests it, a sentence each.
        score: Only its order matters.
    """

    at: datetime
    kind: Kind
    title: str
    evidence: tuple[str, ...]
    score: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "at": f"{self.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "kind": self.kind,
            "title": self.title,
            "evidence": list(self.evidence),
            "score": round(self.score, 3),
        }


@dataclass(frozen=True, slots=True)
class _Change:
    """A surprise of one series, in time."""

    series: str
    at: datetime
    seen_at: datetime
    ends_at: datetime
    found: Anomaly

    @property
    def score(self) -> float:
        weight = _WEIGHTS.get(self.series, _WEIGHT) * log2(1 + min(self.found.spreads, 1000.0))
        return weight if self.found.rise else weight * _FALL


def propose(activity: Activity | None, events: Sequence[TrailEvent] = (), *, most: int = MOST) -> list[Candidate]:
    """Return candidates for the recovery point, the likeliest first.

    Args:
        activity: What is known of the table's writes; None if nothing is.
        events: What is known of deploys and of changes to the table, in any order.
        most: How many at most.
    """
    ordered = sorted(events, key=lambda event: (event.at, event.id))
    period = activity.period if activity else timedelta(minutes=1)
    groups = _together(_changes(activity)) if activity else []
    candidate_windows = [_of(group, ordered, period) for group in groups]
    candidate_times = {candidate.at for candidate in candidate_windows}
    if len(candidate_windows) < _ENOUGH:
        alone = (change for change in _alone(ordered) if all(abs(change.at - at) > BLAMED for at in candidate_times))
        candidate_windows += list(alone)[:_ALONE]
    unique = {candidate.at: candidate for candidate in sorted(candidate_windows, key=lambda candidate: candidate.score)}
    return sorted(unique.values(), key=lambda candidate: -candidate.score)[:most]


def _changes(activity: Activity) -> Iterator[_Change]:
    series = [(name, list(points)) for name, points in _series(activity)]
    # What comes first is no change of anything. The latest minutes are still coming in: what they lack is no fall.
    start_at = min((at for _, points in series for at, _ in points), default=activity.end_at)
    end_at = activity.end_at - max(_UNSETTLED, activity.period)
    count = max(0, int((end_at - start_at) / activity.period))
    for name, points in series:
        values = [0.0] * count
        for at, value in points:
            place = int((at - start_at) / activity.period)
            if 0 <= place < count:
                values[place] += value
        for activity_shift in (*rises(values), *(falls(values) if name != _EXPIRED else ())):
            at, seen_at, ends_at = (
                start_at + place * activity.period
                for place in (activity_shift.first, activity_shift.seen, activity_shift.last + 1)
            )
            yield _Change(name, at, seen_at, ends_at, activity_shift)


def _series(activity: Activity) -> Iterator[tuple[str, Iterable[tuple[datetime, float]]]]:
    for operation in WRITES:
        points = [(minute.at, float(minute.calls)) for minute in activity.calls if minute.operation == operation]
        if points:
            yield operation, points
    yield _UNITS, activity.write_units
    yield _EXPIRED, activity.expired


def _together(changes: Iterable[_Change]) -> list[list[_Change]]:
    """Return the changes that began at about the same time, together."""
    groups: list[list[_Change]] = []
    for change in sorted(changes, key=lambda change: (change.at, change.series)):
        if groups and change.at - groups[-1][0].at <= _TOGETHER:
            groups[-1].append(change)
        else:
            groups.append([change])
    return groups


def _of(group: list[_Change], events: Sequence[TrailEvent], period: timedelta) -> Candidate:
    ranked = sorted(group, key=lambda change: -change.score)
    seen_at = min(change.seen_at for change in group)
    begins_at = min(ranked[0].at, seen_at)
    scores = sorted((change.score for change in group), reverse=True)
    score = scores[0] + sum(scores[1:]) / 2
    evidence = [_words(change, period) for change in ranked]
    cause = _cause(group, events, seen_at, period)
    at = begins_at
    title = _title(ranked[0])
    if cause:
        first, last = cause[0], cause[-1]
        at = first.at.replace(microsecond=0) - _SECOND
        close = last.at >= seen_at - period
        score *= _RIGHT_AFTER if close else _BY_DEPLOY
        title += f" after {_named(first)}"
        evidence += [_told(event, seen_at, period) for event in cause[:3]]
        if len(cause) > 3:  # noqa: PLR2004 (three are enough to read)
            evidence.append(f"{len(cause) - 3} more right after them.")
    elif ranked[0].found.again:
        score *= _BEFORE
    kind: Kind = "deletes" if any(change.series in {"DeleteItem", _EXPIRED} for change in group) else "writes"
    return Candidate(at.astimezone(UTC), kind, title, tuple(evidence), score)


def _cause(
    group: list[_Change], events: Sequence[TrailEvent], seen_at: datetime, period: timedelta
) -> list[TrailEvent]:
    """Return the deploys right before a change began, as many as belong together, in time order."""
    until_at = seen_at + period
    if any(change.series == _EXPIRED for change in group):
        turned_on = [
            ttl_event
            for ttl_event in events
            if _turns_ttl_on(ttl_event) and until_at - BLAMED_TTL <= ttl_event.at < until_at
        ]
        if turned_on:
            return turned_on[-1:]
    deploys = [event for event in events if event.kind == "deploy" and seen_at - BLAMED <= event.at < until_at]
    chain: list[TrailEvent] = []
    for event in reversed(deploys):
        if chain and chain[-1].at - event.at > _CHAIN:
            break
        chain.append(event)
    return chain[::-1]


def _turns_ttl_on(event: TrailEvent) -> bool:
    return event.name == "UpdateTimeToLive" and "TTL on" in event.what


def _alone(events: Sequence[TrailEvent]) -> Iterator[Candidate]:
    """Yield deploys, the latest first: a few items corrupted by one show in no count."""
    causes = [event for event in events if event.kind == "deploy" or _turns_ttl_on(event)]
    while causes:
        event = causes.pop()
        while causes and event.at - causes[-1].at <= _CHAIN:
            event = causes.pop()
        evidence = (_told(event, None, timedelta()), "No sudden change in the writes follows.")
        score = _TTL_SCORE if _turns_ttl_on(event) else _ALONE_SCORE
        at = (event.at.replace(microsecond=0) - _SECOND).astimezone(UTC)
        yield Candidate(at, "deploy", f"Before {_named(event)}", evidence, score)
        while causes and event.at - causes[-1].at <= BLAMED:
            causes.pop()


def _title(change: _Change) -> str:
    verb = "rose" if change.found.rise else "fell"
    return f"{change.series[0].upper()}{change.series[1:]} {verb}"


def _named(event: TrailEvent) -> str:
    return f"{event.name} {event.what}".strip()


def _words(change: _Change, period: timedelta) -> str:
    activity_shift = change.found
    per = _per(period)
    unit = "" if change.series in {_EXPIRED, _UNITS} else " calls"
    verb = "rose" if activity_shift.rise else "fell"
    since = f"from {change.seen_at.astimezone(UTC):%H:%M} UTC on"
    text = f"{change.series[0].upper()}{change.series[1:]} {verb} to {activity_shift.peak:,.0f}{unit} {per} {since}"
    text += f" (before: {activity_shift.usual:,.0f}, at most {activity_shift.most:,.0f})"
    lasts = activity_shift.last - activity_shift.seen + 1
    if activity_shift.rise and lasts > 1:
        span = int((change.ends_at - change.seen_at).total_seconds() // 60)
        text += f"; {activity_shift.total:,.0f} in {span:,} minutes"
    return text + ("; the same occurred once before." if activity_shift.again else ".")


def _per(period: timedelta) -> str:
    minutes = int(period.total_seconds() // 60)
    return {1: "per minute", 60: "per hour"}.get(minutes, f"per {minutes} minutes")


def _told(event: TrailEvent, seen_at: datetime | None, period: timedelta) -> str:
    text = f"{_named(event)} ({event.source}) by {event.who} at {event.at.astimezone(UTC):%H:%M:%S} UTC"
    if seen_at is None:
        return text + "."
    if event.at >= seen_at:
        return f"{text}, in the {'minute' if period <= timedelta(minutes=1) else 'period'} in which it began."
    seconds = int((seen_at - event.at).total_seconds())
    away = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"  # noqa: PLR2004 (minutes read better from two on)
    return f"{text}, {away} before that minute." if period <= timedelta(minutes=1) else f"{text}, {away} before."
