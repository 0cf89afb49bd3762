"""The time axis of a picture: where a moment lies, and which moments are written below."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_STEPS = (60, 120, 180, 240, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 604800)
_TICKED = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200, 86400, 172800, 604800)
_DAY = 86400
_EDGE = 18.0


@dataclass(frozen=True, slots=True)
class Tick:
    """A moment written below the axis; *anchor* keeps it inside the picture."""

    x: float
    label: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Axis:
    """A stretch of time, drawn from *left* to *right*."""

    start_at: datetime
    end_at: datetime
    left: float
    right: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return max(1.0, (self.end_at - self.start_at).total_seconds())

    def x(self, at: datetime) -> float:
        """Return where *at* lies, at the nearer end if it lies outside."""
        share = (at - self.start_at).total_seconds() / self.seconds
        return round(self.left + (self.right - self.left) * min(1.0, max(0.0, share)), 2)

    def holds(self, at: datetime) -> bool:
        """Return whether *at* lies on it."""
        return self.start_at <= at <= self.end_at

    def step(self, most: int, period: timedelta) -> timedelta:
        """Return a round length of time, no shorter than *period*, of which at most *most* fit on the axis."""
        unit = int(period.total_seconds())
        minimum_seconds = self.seconds / most
        round_seconds = next((step for step in _STEPS if step >= minimum_seconds and step % unit == 0), 0)
        return timedelta(seconds=round_seconds or -(-int(minimum_seconds) // unit) * unit)

    def ticks(self, most: int = 9) -> Iterator[Tick]:
        """Yield round moments, at most *most*; a midnight is written as its day."""
        step = next((step for step in _TICKED if self.seconds / step <= most), 4 * _TICKED[-1])
        first = -(-int(self.start_at.timestamp()) // step) * step
        for at in range(first, int(self.end_at.timestamp()) + 1, step):
            tick_at = datetime.fromtimestamp(at, UTC)
            midnight = at % _DAY == 0
            x = self.x(tick_at)
            anchor = "end" if x > self.right - _EDGE else "start" if x < self.left + _EDGE / 2 else "middle"
            yield Tick(x, f"{tick_at:%b %d}" if midnight or step >= _DAY else f"{tick_at:%H:%M}", anchor)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the drawing."""

    x: float
    y: float
    width: float
    height: float
    tone: str
