"""The chart of write activity: calls by operation over time, with the chosen moment marked.

Geometry is computed here, in the units of the drawing; the template only draws it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from pitrkit.runbook.values import moment, things

if TYPE_CHECKING:
    from pitrkit.dynamodb.activity import Minute

WIDTH, HEIGHT = 760.0, 132.0
_LEFT, _TOP, _BOTTOM, _RIGHT = 44.0, 18.0, 18.0, 8.0
_BARS = 180
_GAP = 0.12
_EDGE = 14.0
_SHORTEST = timedelta(minutes=30)
_STEPS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 604800)
_TICKS = 7
_MINUTE = 60
_OPERATIONS = ("PutItem", "UpdateItem", "BatchWriteItem", "TransactWriteItems", "DeleteItem")
"""In the order in which bars are stacked: what deletes is at the top, where it is seen."""

_TONES = {"PutItem": "c1", "UpdateItem": "c2", "BatchWriteItem": "c3", "TransactWriteItems": "c4", "DeleteItem": "c5"}


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the drawing, with what it says when pointed at."""

    x: float
    y: float
    width: float
    height: float
    tone: str
    title: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the time axis; *anchor* keeps its label inside the drawing."""

    x: float
    label: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Total:
    """All calls of an operation."""

    operation: str
    calls: int
    tone: str


@dataclass(frozen=True, slots=True)
class Marker:
    """The chosen moment; *right* says on which side its label stands."""

    x: float
    label: str
    right: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn chart.

    Attributes:
        boxes: The bars' parts.
        top: Calls a bar at the axis's upper end stands for.
        totals: The legend.
        per: What a bar covers: `minute`, `5 minutes`.
        busiest: The busiest bar, in words.
    """

    block: ClassVar[str] = "chart"
    boxes: tuple[Box, ...]
    ticks: tuple[Tick, ...]
    top: int
    totals: tuple[Total, ...]
    marker: Marker | None
    start_at: datetime
    end_at: datetime
    per: str
    busiest: str

    width: ClassVar[float] = WIDTH
    height: ClassVar[float] = HEIGHT
    left: ClassVar[float] = _LEFT
    ceiling: ClassVar[float] = _TOP
    floor: ClassVar[float] = HEIGHT - _BOTTOM
    right: ClassVar[float] = WIDTH - _RIGHT

    @property
    def summary(self) -> str:
        """The chart in a sentence."""
        total = things(sum(total.calls for total in self.totals), "write call")
        return f"{total} from {moment(self.start_at)} to {moment(self.end_at)}; {self.busiest}"

    def lines(self) -> list[str]:
        """Return the chart in words, with the totals by operation."""
        return [self.summary, *(f"  {total.operation}  {total.calls:,}" for total in self.totals)]


def draw(minutes: Sequence[Minute], start_at: datetime, end_at: datetime, marked_at: datetime | None) -> Chart:
    """Return the chart of *minutes* from *start_at* to *end_at*, with *marked_at* marked if it lies between."""
    end_at = max([end_at, *(minute.at + timedelta(minutes=1) for minute in minutes)])
    start_at = min([start_at, end_at - _SHORTEST, *(minute.at for minute in minutes)])
    seconds = max(_MINUTE, int((end_at - start_at).total_seconds()))
    step = _bar_seconds(seconds)
    bars = _bars(minutes, start_at, step)
    top = max((sum(bar.values()) for bar in bars.values()), default=0)
    scale = (WIDTH - _LEFT - _RIGHT) / seconds

    totals = Counter[str]()
    for minute in minutes:
        totals[minute.operation] += minute.calls
    return Chart(
        boxes=tuple(_boxes(bars, start_at, step, scale, max(top, 1))),
        ticks=tuple(_ticks(start_at, end_at, seconds, scale)),
        top=top,
        totals=tuple(Total(name, totals[name], _TONES.get(name, "c6")) for name in sorted(totals, key=_rank)),
        marker=_marker(start_at, end_at, scale, marked_at),
        start_at=start_at,
        end_at=end_at,
        per="minute" if step == _MINUTE else f"{step // _MINUTE} minutes",
        busiest=_busiest(bars, start_at, step),
    )


def _rank(operation: str) -> tuple[int, str]:
    return (_OPERATIONS.index(operation) if operation in _OPERATIONS else len(_OPERATIONS), operation)


def _bar_seconds(seconds: int) -> int:
    wanted = seconds / _BARS
    return next((step for step in _STEPS if step >= wanted), -(-int(wanted) // _MINUTE) * _MINUTE)


def _bars(minutes: Iterable[Minute], start_at: datetime, step: int) -> dict[int, Counter[str]]:
    bars: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for minute in minutes:
        bars[int((minute.at - start_at).total_seconds()) // step][minute.operation] += minute.calls
    return dict(sorted(bars.items()))


def _boxes(bars: dict[int, Counter[str]], start_at: datetime, step: int, scale: float, top: int) -> Iterable[Box]:
    floor, room = HEIGHT - _BOTTOM, HEIGHT - _TOP - _BOTTOM
    for place, calls in bars.items():
        at = start_at + timedelta(seconds=place * step)
        y = floor
        for operation in sorted(calls, key=_rank):
            height = room * calls[operation] / top
            y -= height
            yield Box(
                x=round(_LEFT + place * step * scale, 2),
                y=round(y, 2),
                width=round(max(0.8, step * scale * (1 - _GAP)), 2),
                height=round(height, 2),
                tone=_TONES.get(operation, "c6"),
                title=f"{moment(at)}: {calls[operation]:,} {operation}",
            )


def _ticks(start_at: datetime, end_at: datetime, seconds: int, scale: float) -> Iterable[Tick]:
    step = next((step for step in _STEPS if seconds / step <= _TICKS), 4 * _STEPS[-1])
    form = "%H:%M" if step < _STEPS[-3] else "%b %d"
    first = -(-int(start_at.timestamp()) // step) * step
    for at in range(first, int(end_at.timestamp()) + 1, step):
        tick_at = datetime.fromtimestamp(at, UTC)
        midnight = tick_at.hour == tick_at.minute == 0
        x = round(_LEFT + (tick_at - start_at).total_seconds() * scale, 2)
        anchor = "end" if x > WIDTH - _RIGHT - _EDGE else "middle"
        yield Tick(x, tick_at.strftime("%b %d" if midnight else form), anchor)


def _marker(start_at: datetime, end_at: datetime, scale: float, marked_at: datetime | None) -> Marker | None:
    if marked_at is None or not start_at <= marked_at <= end_at:
        return None
    x = round(_LEFT + (marked_at - start_at).total_seconds() * scale, 2)
    return Marker(x, f"T {moment(marked_at)}", right=x < WIDTH / 2)


def _busiest(bars: dict[int, Counter[str]], start_at: datetime, step: int) -> str:
    if not bars:
        return "none"
    place = max(bars, key=lambda place: (sum(bars[place].values()), -place))
    calls = ", ".join(f"{count:,} {name}" for name, count in sorted(bars[place].items(), key=lambda c: _rank(c[0])))
    return f"busiest at {moment(start_at + timedelta(seconds=place * step))} with {calls}"
