"""The chart of drills: a column each, in steps, with its limit; below, how far the recovery point was behind.

Geometry is computed here, in the units of the drawing; the template only draws it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from pitrkit.runbook.drill_history import RECOVERY, Drill
from pitrkit.runbook.picture import Box
from pitrkit.runbook.values import duration, moment

WIDTH = 960.0
LEFT, RIGHT = 96.0, 10.0

_TOP, _PLOT, _GAP, _STRIP, _FOOT = 16.0, 96.0, 14.0, 26.0, 36.0
_WIDEST = 46.0
_BAR = 40
_TONES = dict(zip(RECOVERY, ("c1", "c2", "c3", "c4", "c6"), strict=True))
_NAMES = {"restore": "restore", "diff": "compare", "plan": "plan", "copy": "copy", "verify": "verify"}


@dataclass(frozen=True, slots=True)
class Column:
    """One drill: its boxes, and all of it in words."""

    x: float
    width: float
    boxes: tuple[Box, ...]
    day: str
    time: str
    passed: bool
    words: str

    @property
    def middle(self) -> float:
        """Where its label stands."""
        return round(self.x + self.width / 2, 2)


@dataclass(frozen=True, slots=True)
class Scale:
    """A row of the chart: where it stands, what its height stands for, and its limit, if it has one."""

    label: str
    floor: float
    height: float
    most: float
    limit: float | None

    @property
    def ceiling(self) -> float:
        """Its upper end."""
        return self.floor - self.height

    @property
    def top(self) -> str:
        """What its full height stands for."""
        return duration(self.most)

    @property
    def limit_y(self) -> float | None:
        """Height of the line of its limit."""
        return None if self.limit is None else round(self.y(self.limit), 2)

    @property
    def limit_words(self) -> str:
        """The limit as it is written at its line."""
        return "" if self.limit is None else f"limit {duration(self.limit)}"

    def y(self, seconds: float) -> float:
        """Return the height at which *seconds* end."""
        return self.floor - self.height * seconds / self.most


@dataclass(frozen=True, slots=True)
class DrillChart:
    """Drills side by side, the oldest first."""

    block: ClassVar[str] = "drills"
    drills: tuple[Drill, ...]
    columns: tuple[Column, ...]
    scales: tuple[Scale, Scale]
    legend: tuple[tuple[str, str], ...]

    width: ClassVar[float] = WIDTH
    left: ClassVar[float] = LEFT
    right: ClassVar[float] = WIDTH - RIGHT
    height: ClassVar[float] = _TOP + _PLOT + _GAP + _STRIP + _FOOT
    top: ClassVar[float] = _TOP

    @property
    def foot(self) -> float:
        """Where the days are written."""
        return self.scales[1].floor + 14

    @property
    def summary(self) -> str:
        """The chart in a sentence."""
        passed = sum(one.passed for one in self.drills)
        return f"{passed} of {len(self.drills)} drills passed; times are UTC"

    def lines(self) -> list[str]:
        """Return a bar of `#` for each drill's recovery time."""
        most = self.scales[0].most
        found = []
        for one in self.drills:
            took = one.recovery_seconds
            bar = "#" * max(1, round(_BAR * took / most)) if took is not None else "-"
            words = duration(took) if took is not None else "not recovered"
            found.append(f"{moment(one.began_at)}  {bar} {words}{'' if one.passed else ', failed'}")
        return [*found, self.summary]


def draw(drills: Sequence[Drill]) -> DrillChart:
    """Return the chart of *drills*, the oldest first; the limits are those of the last one."""
    last = drills[-1].limits if drills else {}
    floor = _TOP + _PLOT
    scales = (
        _scale("recovery time", floor, _PLOT, [_height(one) for one in drills], last.get("recovery_time")),
        _scale(
            "recovery point",
            floor + _GAP + _STRIP,
            _STRIP,
            [one.recovery_point_seconds or 0.0 for one in drills],
            last.get("recovery_point"),
        ),
    )
    step = (WIDTH - LEFT - RIGHT) / max(1, len(drills))
    width = min(_WIDEST, step * 0.6)
    columns = []
    for place, one in enumerate(drills):
        x = round(LEFT + step * place + (step - width) / 2, 2)
        boxes = tuple(_boxes(one, x, width, scales))
        day, time = f"{one.began_at:%b %d}", f"{one.began_at:%H:%M}"
        columns.append(Column(x, width, boxes, day, time, one.passed, words(one)))
    used = {name for one in drills for name in one.steps}
    legend = tuple((_NAMES[name], _TONES[name]) for name in RECOVERY if name in used)
    return DrillChart(tuple(drills), tuple(columns), scales, legend)


def words(drill: Drill) -> str:
    """Return a drill in a line."""
    steps = ", ".join(f"{_NAMES[name]} {duration(drill.steps[name])}" for name in RECOVERY if name in drill.steps)
    how = "passed" if drill.passed else f"failed: {'; '.join(drill.why)}"
    return f"{moment(drill.began_at)}, {how}. {steps}"


def _scale(label: str, floor: float, height: float, values: Sequence[float], limit: float | None) -> Scale:
    """Return a scale on which all values can be seen: a limit far above them is not drawn."""
    most = max([*values, 1.0])
    near = limit is not None and limit <= 2 * most
    return Scale(label, floor, height, max(most, limit or 0.0) * 1.08 if near else most * 1.08, limit if near else None)


def _height(drill: Drill) -> float:
    return sum(drill.steps.get(name, 0.0) for name in RECOVERY)


def _boxes(drill: Drill, x: float, width: float, scales: tuple[Scale, Scale]) -> Iterator[Box]:
    times, points = scales
    y = times.floor
    for name in RECOVERY:
        height = times.height * drill.steps.get(name, 0.0) / times.most
        if height > 0:
            y -= height
            yield Box(x, round(y, 2), width, round(height, 2), _TONES[name])
    behind = drill.recovery_point_seconds
    if behind:
        y = points.y(behind)
        yield Box(x, round(y, 2), width, round(points.floor - y, 2), "same")
