"""The lanes of the timeline: what was done in the account, as marks in rows above the writes.

Two marks that would cover each other become one with a count, so two hundred events a day are still told apart, and a
closer look tells each. A mark with room beside it is labelled.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pitrkit.aws.services.cloudtrail import TrailEvent
from pitrkit.ui.chart import Axis
from pitrkit.ui.text import folded, moment

HEIGHT = 22.0
CELL = 20.0
"""Width that a mark takes."""

NAMES = {"deploy": "deploys", "table": "table"}

_RADIUS = 6.5
_LETTER = 6.6
_LEAST, _LONGEST = 9, 40
_TOLD = 8
_MANY = 10


@dataclass(frozen=True, slots=True)
class LaneMark:
    """One event, or several so near each other that they share a mark.

    Attributes:
        x: Its centre.
        width: Its width; as wide as high for a single one.
        count: How many events.
        label: Words beside it, blank where there is no room.
        words: What happened, an event a line.
    """

    x: float
    width: float
    count: int
    label: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of marks of one kind."""

    name: str
    kind: str
    y: float
    marks: tuple[LaneMark, ...]

    @property
    def middle(self) -> float:
        """Height at which its marks stand."""
        return self.y + HEIGHT / 2


def lanes(events: Iterable[TrailEvent], axis: Axis, top: float) -> tuple[Lane, ...]:
    """Return a lane for each kind of which there are events on *axis*, the first one at *top*."""
    kinds: defaultdict[str, list[TrailEvent]] = defaultdict(list)
    for event in events:
        if axis.holds(event.at):
            kinds[event.kind].append(event)
    shown_kinds = [kind for kind in NAMES if kind in kinds]
    return tuple(
        Lane(NAMES[kind], kind, top + number * HEIGHT, tuple(_marks(kinds[kind], axis)))
        for number, kind in enumerate(shown_kinds)
    )


def event_words(event: TrailEvent) -> str:
    """Return an event in a line: `2026-11-23 04:30:52 UTC  UpdateFunctionCode orders (lambda) by kim (deployer)`."""
    done = f"{event.name} {event.what}".strip()
    return f"{moment(event.at)}  {folded(done, 80)} ({event.source}) by {folded(event.who, 60)}"


def _marks(events: Sequence[TrailEvent], axis: Axis) -> Iterator[LaneMark]:
    cells: defaultdict[int, list[TrailEvent]] = defaultdict(list)
    for event in events:
        cells[int((axis.x(event.at) - axis.left) // CELL)].append(event)
    placed = [(_centre(cell, cell_events, axis), cell_events) for cell, cell_events in sorted(cells.items())]
    ends = [*(x for x, _ in placed[1:]), axis.right + _RADIUS]
    for (x, cell_events), end in zip(placed, ends, strict=True):
        width = 2 * _RADIUS if len(cell_events) < _MANY else CELL - 2
        room = int((end - x - width / 2 - _RADIUS - 6) / _LETTER)
        yield LaneMark(x, width, len(cell_events), _label(cell_events, room), tuple(_told(cell_events)))


def _centre(cell: int, events: Sequence[TrailEvent], axis: Axis) -> float:
    """Return where a cell's mark stands: near its events, and clear of the next cell's."""
    begins = axis.left + cell * CELL
    edge = CELL / 2 if len(events) >= _MANY else _RADIUS + 1
    middle = sum(axis.x(event.at) for event in events) / len(events)
    return round(min(max(middle, begins + edge), begins + CELL - edge, axis.right), 2)


def _label(events: Sequence[TrailEvent], room: int) -> str:
    if room < _LEAST:
        return ""
    if len(events) == 1:
        text = f"{events[0].name} {events[0].what}".strip()
    else:
        text = ", ".join(name for name, _ in Counter(event.name for event in events).most_common())
    limit = min(room, _LONGEST)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _told(events: Sequence[TrailEvent]) -> Iterator[str]:
    for event in events[:_TOLD]:
        yield event_words(event)
    if len(events) > _TOLD:
        yield f"and {len(events) - _TOLD} more until {moment(events[-1].at)}"
