"""Earlier drills: how long each step took, what was found, whether it passed; as data and as a chart.

The history is the incidents themselves, sealed like any other; nothing else keeps it.
Geometry is computed here, in the units of the drawing; the template only draws it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any, ClassVar

from pitrkit import times
from pitrkit.errors import RecordAltered
from pitrkit.incident.incident import Incident
from pitrkit.incident.state import BEFORE_DAMAGE, SCRATCH
from pitrkit.ui.chart import Box
from pitrkit.ui.text import count_text, duration, moment

COMPARED = 12
"""How many drills are looked at together."""

RECOVERY = ("restore", "diff", "plan", "copy", "verify")
"""The steps that a recovery takes, in order; what a drill does besides is not counted as its time."""

NO_LIMIT = "none"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a drill must keep to; None where nothing is set.

    Attributes:
        recovery_time: From the beginning of the restore until the copy is verified.
        recovery_point: How much of the latest past cannot be restored.
    """

    recovery_time: timedelta | None
    recovery_point: timedelta | None

    @classmethod
    def parse(cls, recovery_time: str, recovery_point: str) -> Limits:
        """Return the limits in words such as `2h`; blank, or `none`, for no limit.

        Raises:
            BadInput: One is no length of time.
        """
        return cls(_limit(recovery_time), _limit(recovery_point))

    def to_dict(self) -> dict[str, float | None]:
        """Return them in seconds."""
        pairs = (("recovery_time", self.recovery_time), ("recovery_point", self.recovery_point))
        return {name: limit.total_seconds() if limit is not None else None for name, limit in pairs}


def _limit(text: str) -> timedelta | None:
    return None if text.strip().lower() in ("", NO_LIMIT) else times.parse_duration(text)


@dataclass(frozen=True, slots=True)
class DrillRecord:
    """One drill.

    Attributes:
        incident: Its incident.
        began_at: When its restore began.
        steps: Seconds by step, as far as it got.
        recovery_seconds: From the beginning of the restore until the copy was verified; None if it did not get there.
        recovery_point_seconds: How far the latest restorable time was behind.
        limits: In seconds, by name.
        items: How many items were copied.
        passed: Whether it is over and kept to everything.
        why: Why it failed.
    """

    incident: str
    began_at: datetime
    steps: Mapping[str, float]
    recovery_seconds: float | None
    recovery_point_seconds: float | None
    limits: Mapping[str, float | None]
    items: int
    passed: bool
    why: tuple[str, ...]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> DrillRecord | None:
        """Return the drill of an incident, as its `incident.json` has it; None if it is none, or never began."""
        drill = data.get("drill") or {}
        if not drill.get("began_at"):
            return None
        outcome = drill.get("outcome") or {}
        return cls(
            incident=str(data.get("incident") or ""),
            began_at=datetime.fromisoformat(str(drill["began_at"])),
            steps={name: float(took) for name, took in (data.get("drill_steps") or {}).items()},
            recovery_seconds=drill.get("recovery_seconds"),
            recovery_point_seconds=drill.get("recovery_point_seconds"),
            limits=drill.get("limits") or {},
            items=int((data.get("plan") or {}).get("puts") or 0),
            passed=bool(outcome.get("passed")),
            why=tuple(outcome.get("why") or ("it did not end",)),
        )


def earlier(data: Mapping[str, Any]) -> list[DrillRecord]:
    """Return the last drills of the same table before the one that *data* is about, the oldest first."""
    drills = []
    for incident in Incident.existing():
        try:
            other = incident.data
        except RecordAltered:
            continue  # named where incidents are listed
        same = all(other.get(name) == data.get(name) for name in ("table", "account", "region"))
        if same and incident.id != data.get("incident") and (drill := DrillRecord.of(other)) is not None:
            drills.append(drill)
    return sorted(drills, key=lambda record: record.began_at)[-(COMPARED - 1) :]


def compared(drill: DrillRecord, others: list[DrillRecord]) -> str:
    """Return how a drill's recovery time stands beside that of those before it that got as far."""
    took = [other.recovery_seconds for other in others if other.recovery_seconds is not None]
    if drill.recovery_seconds is None or not took:
        return "There is no earlier drill of this table here to compare with." if not took else ""
    usual = median(took)
    beside = f"the median of the {len(took)} before it, {duration(usual)}" if len(took) > 1 else (
        f"the {duration(usual)} of the one before it"
    )  # fmt: skip
    by = round(100 * (drill.recovery_seconds - usual) / max(1.0, usual))  # of parts of a second nobody asks
    if not by:
        return f"As long as {beside}."
    return f"{abs(by)} % {'longer' if by > 0 else 'shorter'} than {beside}."


def failures(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Return why a drill that ran to its end has failed, by what its incident says; nothing if it passed."""
    drill = data.get("drill") or {}
    limits = drill.get("limits") or {}
    failure_texts = []
    verified, plan_record = data.get("verify") or {}, data.get("plan") or {}
    if plan_record.get("puts") and not verified.get("ok"):
        wrong = verified.get("mismatches", 0) + verified.get("unwritten", 0) + verified.get("conflicts", 0)
        failure_texts.append(f"of what was copied, {count_text(wrong, 'item')} did not hold")
    if not (drill.get("undone") or {}).get("ok"):
        remaining_count = (drill.get("undone") or {}).get("left", 0)
        failure_texts.append(
            f"the copy was not undone completely: {count_text(remaining_count, 'item')} stayed in the scratch table"
        )
    for name, label in (("recovery_time", "recovery took"), ("recovery_point", "the recovery point was")):
        value = drill.get("recovery_seconds" if name == "recovery_time" else "recovery_point_seconds")
        limit = limits.get(name)
        if limit is not None and value is not None and value > limit:
            behind = " behind" if name == "recovery_point" else ""
            failure_texts.append(f"{label} {duration(value)}{behind}, and the limit is {duration(limit)}")
    failure_texts += [f"{name} was not deleted" for name in left_over(data)]
    return tuple(failure_texts)


def left_over(data: Mapping[str, Any]) -> list[str]:
    """Return the tables that a drill has made, or was about to make, and not deleted."""
    if not data.get("drill"):
        return []
    return [
        str(data[side.table])
        for side in (BEFORE_DAMAGE, SCRATCH)
        if data.get(side.by) == "incident" and data.get(side.table)
    ]


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
    drills: tuple[DrillRecord, ...]
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
        passed = sum(drill.passed for drill in self.drills)
        return f"{passed} of {len(self.drills)} drills passed; times are UTC"

    def lines(self) -> list[str]:
        """Return a bar of `#` for each drill's recovery time."""
        most = self.scales[0].most
        text_lines = []
        for drill in self.drills:
            took = drill.recovery_seconds
            bar = "#" * max(1, round(_BAR * took / most)) if took is not None else "-"
            text = duration(took) if took is not None else "not recovered"
            text_lines.append(f"{moment(drill.began_at)}  {bar} {text}{'' if drill.passed else ', failed'}")
        return [*text_lines, self.summary]


def draw(drills: Sequence[DrillRecord]) -> DrillChart:
    """Return the chart of *drills*, the oldest first; the limits are those of the last one."""
    last = drills[-1].limits if drills else {}
    floor = _TOP + _PLOT
    scales = (
        _scale("recovery time", floor, _PLOT, [_height(drill) for drill in drills], last.get("recovery_time")),
        _scale(
            "recovery point",
            floor + _GAP + _STRIP,
            _STRIP,
            [drill.recovery_point_seconds or 0.0 for drill in drills],
            last.get("recovery_point"),
        ),
    )
    step = (WIDTH - LEFT - RIGHT) / max(1, len(drills))
    width = min(_WIDEST, step * 0.6)
    columns = []
    for place, drill in enumerate(drills):
        x = round(LEFT + step * place + (step - width) / 2, 2)
        boxes = tuple(_boxes(drill, x, width, scales))
        day, time = f"{drill.began_at:%b %d}", f"{drill.began_at:%H:%M}"
        columns.append(Column(x, width, boxes, day, time, drill.passed, to_text(drill)))
    used = {name for drill in drills for name in drill.steps}
    legend = tuple((_NAMES[name], _TONES[name]) for name in RECOVERY if name in used)
    return DrillChart(tuple(drills), tuple(columns), scales, legend)


def to_text(drill: DrillRecord) -> str:
    """Return a drill in a line."""
    steps = ", ".join(f"{_NAMES[name]} {duration(drill.steps[name])}" for name in RECOVERY if name in drill.steps)
    outcome = "passed" if drill.passed else f"failed: {'; '.join(drill.why)}"
    return f"{moment(drill.began_at)}, {outcome}. {steps}"


def _scale(label: str, floor: float, height: float, values: Sequence[float], limit: float | None) -> Scale:
    """Return a scale on which all values can be seen: a limit far above them is not drawn."""
    most = max([*values, 1.0])
    near = limit is not None and limit <= 2 * most
    return Scale(label, floor, height, max(most, limit or 0.0) * 1.08 if near else most * 1.08, limit if near else None)


def _height(drill: DrillRecord) -> float:
    return sum(drill.steps.get(name, 0.0) for name in RECOVERY)


def _boxes(drill: DrillRecord, x: float, width: float, scales: tuple[Scale, Scale]) -> Iterator[Box]:
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
