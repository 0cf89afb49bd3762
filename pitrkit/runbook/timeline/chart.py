"""The chart of write activity: writes by operation, what else CloudWatch counts, deployments, candidates.

Geometry is computed here, in the units of the drawing; the template only draws it. One picture serves all: still in a
saved notebook and in the report, and *live* in the widget, where a bar that is pointed at is read out below the axis.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from pitrkit.recovery.advice.candidates import Candidate
from pitrkit.runbook.timeline.chart_lanes import HEIGHT as LANE
from pitrkit.runbook.timeline.chart_lanes import Lane, lanes
from pitrkit.runbook.timeline.table_history import TableHistory, floored
from pitrkit.ui.chart import Axis, Box, Tick
from pitrkit.ui.text import count_text, moment

WIDTH = 960.0
LEFT, RIGHT = 66.0, 10.0
BARS = 300
SHORTEST = timedelta(minutes=10)

_FLAGS, _LANES = 24.0, 40.0
_PLOT, _STRIP, _GAP = 128.0, 20.0, 8.0
_FOOT = 20.0
_READ = 18.0
_BETWEEN = 0.12
_FLAG = 17.0
_ORDER = ("PutItem", "UpdateItem", "BatchWriteItem", "TransactWriteItems", "DeleteItem")
"""In the order in which bars are stacked: what deletes is at the top, where it is seen."""

_TONES = {"PutItem": "c1", "UpdateItem": "c2", "BatchWriteItem": "c3", "TransactWriteItems": "c4", "DeleteItem": "c5"}
_STRIPS = (
    ("write_units", "units", "write units", "c6"),
    ("expired", "TTL", "TTL deletions", "c5"),
    ("throttled", "throttled", "throttled writes", "failed"),
)
"""Rows below the writes: the series, how it is called beside the row and in words, its colour."""


@dataclass(frozen=True, slots=True)
class ActivityBar:
    """What happened in a stretch of time: its boxes, the column that they stand in, and all of it in words."""

    x: float
    width: float
    boxes: tuple[Box, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Strip:
    """A low row below the writes, with a scale of its own.

    Attributes:
        key: Name of its series.
        label: As it is written beside the row.
        top: What its full height stands for.
    """

    key: str
    label: str
    y: float
    height: float = _STRIP
    top: float = 0.0


@dataclass(frozen=True, slots=True)
class Flag:
    """A candidate, by its number; *x* is where its second lies, *at_x* where its number stands."""

    number: int
    x: float
    at_x: float
    words: str


@dataclass(frozen=True, slots=True)
class TimeMarker:
    """The chosen second; *right* says on which side its label stands."""

    x: float
    label: str
    right: bool


@dataclass(frozen=True, slots=True)
class Total:
    """All calls of an operation."""

    operation: str
    calls: int
    tone: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn picture.

    Attributes:
        shade: The restorable part of it, None where none of it is.
        ceiling: Height at which bars are at their highest.
        floor: Height at which they stand.
        top: Calls that the highest bar stands for.
        totals: The legend.
        per: What a bar covers: `minute`, `5 minutes`.
        busiest: The busiest bar, in words.
        quiet: What did not happen at all, in words.
        live: Whether what is pointed at is read out.
    """

    block: ClassVar[str] = "picture"
    axis: Axis
    height: float
    ceiling: float
    floor: float
    bottom: float
    bars: tuple[ActivityBar, ...]
    ticks: tuple[Tick, ...]
    top: int
    strips: tuple[Strip, ...]
    lanes: tuple[Lane, ...]
    flags: tuple[Flag, ...]
    marker: TimeMarker | None
    shade: Box | None
    totals: tuple[Total, ...]
    per: str
    busiest: str
    quiet: str
    live: bool

    width: ClassVar[float] = WIDTH
    left: ClassVar[float] = LEFT
    right: ClassVar[float] = WIDTH - RIGHT
    flag_y: ClassVar[float] = _FLAGS

    @property
    def summary(self) -> str:
        """The picture in a sentence."""
        total = count_text(sum(total.calls for total in self.totals), "write call")
        marks = ", ".join(f"{sum(mark.count for mark in lane.marks):,} {_counted(lane)}" for lane in self.lanes)
        span = f"from {moment(self.axis.start_at)} to {moment(self.axis.end_at)}"
        return f"{total} {span}; {self.busiest}{f'; {marks}' if marks else ''}"

    def lines(self) -> list[str]:
        """Return the picture in words, with the totals by operation."""
        total_lines = [f"  {total.operation}  {total.calls:,}" for total in self.totals]
        return [self.summary, *total_lines, *([self.quiet] if self.quiet else [])]


def _counted(lane: Lane) -> str:
    single = sum(mark.count for mark in lane.marks) == 1
    labels = {"deploy": ("deployment", "deployments"), "table": ("table change", "table changes")}[lane.kind]
    return labels[0] if single else labels[1]


def draw(
    life: TableHistory,
    start_at: datetime | None = None,
    end_at: datetime | None = None,
    *,
    marked_at: datetime | None = None,
    live: bool = False,
) -> Picture:
    """Return the chart of *life*, from *start_at* to *end_at* if given, with *marked_at* as the recovery point."""
    period = life.activity.period if life.activity else timedelta(minutes=1)
    start_at = floored(start_at or life.start_at, period)
    axis = Axis(start_at, max(end_at or life.end_at, start_at + SHORTEST), LEFT, WIDTH - RIGHT)
    rows = lanes(life.events, axis, _LANES)
    ceiling = _LANES + len(rows) * LANE + 12
    floor = ceiling + _PLOT
    step = axis.step(BARS, period)
    columns = _columns(life, axis, step)
    strips = tuple(_strips(columns, floor + _GAP))
    absent = [label for key, _, label, _ in _STRIPS if key not in {strip.key for strip in strips}]
    top = max((sum(column["calls"].values()) for column in columns.values()), default=0)
    bottom = floor + sum(strip.height + _GAP for strip in strips)
    totals = sum((column["calls"] for column in columns.values()), Counter[str]())
    return Picture(
        axis=axis,
        height=bottom + _FOOT + (_READ if live else 0),
        ceiling=ceiling,
        floor=floor,
        bottom=bottom,
        bars=tuple(_bars(columns, axis, step, (floor, max(top, 1), strips))),
        ticks=tuple(axis.ticks()),
        top=top,
        strips=strips,
        lanes=rows,
        flags=tuple(_flags(life.candidates, axis)),
        marker=_marker(axis, marked_at),
        shade=_shade(life, axis, bottom),
        totals=tuple(Total(name, totals[name], _TONES.get(name, "c6")) for name in sorted(totals, key=_rank)),
        per=_per(step),
        busiest=_busiest(columns),
        quiet=f"No {', no '.join(absent)} in this time range." if absent and life.activity else "",
        live=live,
    )


_Columns = dict[datetime, dict[str, Counter[str]]]


def _columns(life: TableHistory, axis: Axis, step: timedelta) -> _Columns:
    """Return what is known, by the stretch of time that it lies in."""
    columns: defaultdict[datetime, dict[str, Counter[str]]] = defaultdict(
        lambda: {"calls": Counter(), "strips": Counter()}
    )
    if life.activity is None:
        return {}

    def place(at: datetime) -> datetime:
        return axis.start_at + (at - axis.start_at) // step * step

    for minute in life.activity.calls:
        if axis.start_at <= minute.at < axis.end_at:
            columns[place(minute.at)]["calls"][minute.operation] += minute.calls
    for name, _, _, _ in _STRIPS:
        for at, value in getattr(life.activity, name):
            if axis.start_at <= at < axis.end_at:
                columns[place(at)]["strips"][name] += value
    return dict(sorted(columns.items()))


def _strips(columns: _Columns, y: float) -> Iterator[Strip]:
    """Yield the rows below the writes, those that are not empty."""
    for key, label, _, _ in _STRIPS:
        most = max((column["strips"][key] for column in columns.values()), default=0)
        if most:
            yield Strip(key, label, y, top=most)
            y += _STRIP + _GAP


def _bars(
    columns: _Columns, axis: Axis, step: timedelta, rows: tuple[float, int, Sequence[Strip]]
) -> Iterator[ActivityBar]:
    floor, top, strips = rows
    tones = {name: tone for name, _, _, tone in _STRIPS}
    for at, column in columns.items():
        left, right = axis.x(at), axis.x(at + step)
        width = round(max(0.8, (right - left) * (1 - _BETWEEN)), 2)
        boxes: list[Box] = []
        y = floor
        for operation in sorted(column["calls"], key=_rank):
            height = _PLOT * column["calls"][operation] / top
            y -= height
            boxes.append(Box(left, round(y, 2), width, round(height, 2), _TONES.get(operation, "c6")))
        for strip in strips:
            if value := column["strips"][strip.key]:
                height = max(1.0, strip.height * value / strip.top)
                y = strip.y + strip.height - height
                boxes.append(Box(left, round(y, 2), width, round(height, 2), tones[strip.key]))
        text = f"{moment(at)}, {_per(step)}: {_said(column)}"
        yield ActivityBar(left, round(max(1.0, right - left), 2), tuple(boxes), text)


def _per(step: timedelta) -> str:
    return "minute" if step == timedelta(minutes=1) else f"{int(step.total_seconds()) // 60:,} minutes"


def _said(column: dict[str, Counter[str]]) -> str:
    calls = sorted(column["calls"].items(), key=lambda entry: _rank(entry[0]))
    parts = [", ".join(f"{count:,} {operation}" for operation, count in calls) or "no writes"]
    parts += [f"{column['strips'][name]:,.0f} {label}" for name, _, label, _ in _STRIPS if column["strips"][name]]
    return "; ".join(parts)


def _flags(candidates: Iterable[Candidate], axis: Axis) -> Iterator[Flag]:
    """Yield candidates where they lie; numbers that would cover each other stand beside each other."""
    numbered = [(number, candidate) for number, candidate in enumerate(candidates, 1) if axis.holds(candidate.at)]
    ordered = sorted(numbered, key=lambda pair: pair[1].at)
    reach = axis.left - _FLAG
    places: list[float] = []
    for _, candidate in ordered:
        reach = max(axis.x(candidate.at), reach + _FLAG)
        places.append(reach)
    limit = axis.right - _FLAG / 2
    for index in range(len(places) - 1, -1, -1):
        places[index] = round(min(places[index], limit), 2)
        limit = places[index] - _FLAG
    for (number, candidate), at_x in zip(ordered, places, strict=True):
        text = f"Candidate {number}: {moment(candidate.at)}. {candidate.title}. {' '.join(candidate.evidence)}"
        yield Flag(number, axis.x(candidate.at), at_x, text)


def _marker(axis: Axis, marked_at: datetime | None) -> TimeMarker | None:
    if marked_at is None or not axis.holds(marked_at):
        return None
    x = axis.x(marked_at)
    return TimeMarker(x, f"recovery point {moment(marked_at)}", right=x < WIDTH / 2)


def _shade(life: TableHistory, axis: Axis, bottom: float) -> Box | None:
    if life.window is None or life.window.latest_at <= axis.start_at or life.window.earliest_at >= axis.end_at:
        return None
    left, right = axis.x(life.window.earliest_at), axis.x(life.window.latest_at)
    return Box(left, _LANES - 2, round(right - left, 2), round(bottom - _LANES + 2, 2), "window")


def _busiest(columns: _Columns) -> str:
    if not any(column["calls"] for column in columns.values()):
        return "none"
    at = max(columns, key=lambda at: (sum(columns[at]["calls"].values()), -at.timestamp()))
    calls = sorted(columns[at]["calls"].items(), key=lambda entry: _rank(entry[0]))
    return f"busiest at {moment(at)} with {', '.join(f'{count:,} {name}' for name, count in calls)}"


def _rank(operation: str) -> tuple[int, str]:
    return (_ORDER.index(operation) if operation in _ORDER else len(_ORDER), operation)
