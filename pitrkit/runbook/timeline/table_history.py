"""Write activity and deployments around an incident, from whatever the account allows, and what they hint at.

Each source is optional. One that is missing or not permitted leaves a gap, which says what is not known and what would
have to be allowed. What was read is kept in the incident's folder as `timeline.json`: metrics and events grow old, and
the report draws from the record alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pitrkit import documents
from pitrkit import files as logs
from pitrkit.aws.client.client import Aws
from pitrkit.aws.services import cloudtrail, cloudwatch
from pitrkit.aws.services.cloudtrail import TrailEvent
from pitrkit.aws.services.cloudwatch import Activity, Minute
from pitrkit.errors import AccessDenied, AwsError, RecordAltered
from pitrkit.incident.incident import Incident
from pitrkit.recovery.advice.candidates import Candidate, propose
from pitrkit.times import Window
from pitrkit.ui.text import duration

NAME = "timeline.json"
_BEFORE_LIFE = timedelta(minutes=10)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class HistoryGap:
    """Something that is not known: what, why, and what would let it be known."""

    what: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class TableHistory:
    """What is known of a table from *start_at* to *end_at*.

    Attributes:
        window: The restorable seconds, None where PITR is off.
        activity: Its writes, None where CloudWatch could not be asked.
        events: Deploys and changes of the table, in time order.
        candidates: Proposed recovery points, the likeliest first.
        gaps: What is not known.
    """

    table: str
    start_at: datetime
    end_at: datetime
    window: Window | None
    activity: Activity | None
    events: tuple[TrailEvent, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    gaps: tuple[HistoryGap, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON; `from_dict` reads it again."""
        return {
            "table": self.table,
            "start_at": self.start_at.isoformat(),
            "end_at": self.end_at.isoformat(),
            "window": [self.window.earliest_at.isoformat(), self.window.latest_at.isoformat()] if self.window else None,
            "activity": _written(self.activity) if self.activity else None,
            "events": [{**asdict(event), "at": event.at.isoformat()} for event in self.events],
            "candidates": [candidate.to_dict() for candidate in self.candidates],
            "gaps": [asdict(gap) for gap in self.gaps],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TableHistory:
        """Return what `to_dict` wrote."""
        window = data["window"]
        return cls(
            table=data["table"],
            start_at=_time(data["start_at"]),
            end_at=_time(data["end_at"]),
            window=Window(_time(window[0]), _time(window[1])) if window else None,
            activity=_read(data["activity"]) if data["activity"] else None,
            events=tuple(TrailEvent(**{**event, "at": _time(event["at"])}) for event in data["events"]),
            candidates=tuple(
                Candidate(**{**row, "at": _time(row["at"]), "evidence": tuple(row["evidence"])})
                for row in data["candidates"]
            ),
            gaps=tuple(HistoryGap(**gap) for gap in data["gaps"]),
        )


def gather(aws: Aws, table: str, window: Window | None, start_at: datetime, end_at: datetime) -> TableHistory:
    """Return what the account tells of *table* from *start_at* to *end_at*. What it does not tell is a gap."""
    gaps: list[HistoryGap] = []
    write_activity: Activity | None = None
    span = duration((end_at - start_at).total_seconds())
    try:
        write_activity = cloudwatch.read(aws, table, start_at, end_at)
        start_at, end_at = write_activity.start_at, write_activity.end_at
        if not write_activity.calls:
            gaps.append(HistoryGap(f"CloudWatch has no write calls of this table in the last {span}."))
        if write_activity.partial:
            gaps.append(
                HistoryGap("CloudWatch returned incomplete metrics; some writes may be missing.", "Run it again.")
            )
    except AwsError as error:
        gaps.append(_gap(error, "Writes, TTL deletions and throttles are unknown", "cloudwatch:GetMetricData"))
    events: tuple[TrailEvent, ...] = ()
    try:
        trail_lookup = cloudtrail.read(aws, table, start_at, end_at)
        events = trail_lookup.events
        if trail_lookup.cut:
            gaps.append(HistoryGap(trail_lookup.cut, "Choose a shorter time range (parameter `hours`)."))
    except AwsError as error:
        gaps.append(_gap(error, "Deployments and table changes are unknown", "cloudtrail:LookupEvents"))
    candidates = tuple(propose(write_activity, events))
    # Before a young table's first sign of life there is nothing to show.
    signs = [window.earliest_at] if window else []
    signs += [
        *(minute.at for minute in (write_activity.calls[:1] if write_activity else ())),
        *(event.at for event in events[:1]),
    ]
    start_at = max(start_at, floored(min(signs, default=start_at) - _BEFORE_LIFE, _MINUTE))
    return TableHistory(table, start_at, end_at, window, write_activity, events, candidates, tuple(gaps))


def floored(at: datetime, period: timedelta) -> datetime:
    """Return *at*, or the last whole period before it."""
    return at - timedelta(seconds=at.timestamp() % period.total_seconds())


def save(life: TableHistory, incident: Incident) -> None:
    """Keep it in the incident's folder."""
    logs.replace(incident.path(NAME), f"{documents.to_json(life)}\n".encode())


def load(incident: Incident) -> TableHistory | None:
    """Return what was kept in the incident's folder, None if nothing was.

    Raises:
        RecordAltered: It cannot be read.
    """
    path = incident.path(NAME)
    if not path.is_file():
        return None
    try:
        return TableHistory.from_dict(documents.from_json(path.read_bytes(), dict[str, Any]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise RecordAltered(
            f"{path} cannot be read: {type(error).__name__}", fix="Run 02_pick_timestamp again."
        ) from error


def _gap(error: AwsError, subject: str, action: str) -> HistoryGap:
    if isinstance(error, AccessDenied):
        return HistoryGap(
            f"{subject}: the caller has no permission for {action}.", f"Allow the action {action} for this role."
        )
    return HistoryGap(f"{subject}: {error.operation} returned {error.code}.", error.fix)


def _written(activity: Activity) -> dict[str, Any]:
    calls: defaultdict[str, list[list[int]]] = defaultdict(list)
    for minute in activity.calls:
        calls[minute.operation].append([_place(activity, minute.at), minute.calls])
    return {
        "start_at": activity.start_at.isoformat(),
        "end_at": activity.end_at.isoformat(),
        "period": int(activity.period.total_seconds()),
        "calls": calls,
        "partial": activity.partial,
        **{
            name: [[_place(activity, at), value] for at, value in getattr(activity, name)]
            for name in ("write_units", "expired", "throttled")
        },
    }


def _place(activity: Activity, at: datetime) -> int:
    return int((at - activity.start_at) / activity.period)


def _read(data: Mapping[str, Any]) -> Activity:
    start_at, period = _time(data["start_at"]), timedelta(seconds=data["period"])
    calls = [
        Minute(start_at + place * period, operation, int(count))
        for operation, points in data["calls"].items()
        for place, count in points
    ]
    series = {
        name: tuple((start_at + place * period, value) for place, value in data[name])
        for name in ("write_units", "expired", "throttled")
    }
    calls.sort(key=lambda minute: (minute.at, minute.operation))
    return Activity(start_at, _time(data["end_at"]), period, tuple(calls), partial=data["partial"], **series)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
