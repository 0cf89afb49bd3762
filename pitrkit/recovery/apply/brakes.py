"""What else may slow a copy down or stop it: a CloudWatch alarm, the table's total consumption, a file.

An alarm in ALARM pauses the copy until it is over. The ceiling leaves the copy what others do not consume of it. The
stop file ends the run in good order, as long as it is there: what was not sent stays unsent, and the next run goes on.
What cannot be looked at is taken for the worst: a brake that has lost its sight pauses the copy and says so.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from pitrkit.aws.client.client import Aws
from pitrkit.aws.services.cloudwatch import consumed_write_units, in_alarm
from pitrkit.errors import BadInput, PitrkitError
from pitrkit.recovery.token_bucket import Bucket

_MINUTE = timedelta(minutes=1)
_SETTLED_AFTER = timedelta(minutes=2)
_STALE_AFTER = timedelta(minutes=4)
_LOOKS_BACK = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Hold:
    """What a brake says at a moment.

    Attributes:
        units: Units a second that the copy may still consume; 0 pauses it.
        why: Reason in words; empty while nothing is held back.
        stop: The run is to end.
    """

    units: float = math.inf
    why: str = ""
    stop: bool = False


class Brake(Protocol):
    """Something that is looked at every now and then while a copy runs."""

    every: float
    """Seconds between two looks."""

    def look(self) -> Hold:
        """Return what is to be held back now."""

    def consumed(self, units: float) -> None:
        """Take note that the copy has just consumed *units*."""


class StopFile:
    """Ends the run while the file *path* exists."""

    every = 0.5

    def __init__(self, path: Path) -> None:
        self._path = path

    def look(self) -> Hold:
        """Return whether to stop."""
        if not self._path.exists():
            return Hold()
        return Hold(0.0, f"stopped by {self._path}; delete that file and run this step again to go on", stop=True)

    def consumed(self, units: float) -> None:
        """Pay no attention."""


class AlarmBrake:
    """Pauses the copy while one of these CloudWatch alarms is in ALARM.

    Raises:
        BadInput: There is no alarm of such a name.
        AccessDenied: Alarms may not be read (`cloudwatch:DescribeAlarms`).
    """

    every = 10.0

    def __init__(self, aws: Aws, names: Sequence[str]) -> None:
        self._aws = aws
        self._names = tuple(names)
        in_alarm(aws, self._names)

    def look(self) -> Hold:
        """Return whether to pause."""
        alarmed = in_alarm(self._aws, self._names)
        return Hold(0.0, f"the alarm {', '.join(alarmed)} is in ALARM") if alarmed else Hold()

    def consumed(self, units: float) -> None:
        """Pay no attention."""


class Ceiling:
    """Leaves the copy what others do not consume of a table's write units.

    CloudWatch knows a minute's consumption a minute or two later; what this copy consumed of it is known here. So the
    others' share is that of a moment ago, and the ceiling holds on average, not in each second.

    Args:
        aws: Where.
        table: The table.
        units: Write units a second that the table may consume in all.
        now: The time, aware.

    Raises:
        BadInput: The ceiling is not above 0.
        AccessDenied: Metrics may not be read (`cloudwatch:GetMetricData`).
    """

    every = 20.0

    def __init__(self, aws: Aws, table: str, units: float, *, now: Callable[[], datetime] | None = None) -> None:
        if not units > 0:
            raise BadInput(f"a ceiling of {units} write units a second allows nothing", fix="Give one above 0.")
        self._aws = aws
        self._table = table
        self._units = units
        self._now = now or (lambda: datetime.now(UTC))
        self._lock = threading.Lock()
        self._ours: deque[tuple[datetime, float]] = deque()
        self.look()

    def look(self) -> Hold:
        """Return what is left of the ceiling."""
        now = self._now()
        minutes = consumed_write_units(self._aws, self._table, now - _LOOKS_BACK, now)
        # A minute without any consumption is not told: a settled one that is not the last says nothing of the present.
        settled_minutes = [(at, units) for at, units in minutes if now - _STALE_AFTER < at <= now - _SETTLED_AFTER]
        if not settled_minutes:
            return Hold(self._units, f"the table may consume {self._units:,g} write units a second")
        at, units = settled_minutes[-1]
        others = max(0.0, units - self._consumed_in(at)) / 60
        remaining_units = max(0.0, self._units - others)
        return Hold(
            remaining_units,
            f"others consume {others:,.0f} of the {self._units:,g} write units a second that the table may consume",
        )

    def consumed(self, units: float) -> None:
        """Take note of what is ours."""
        minute = self._now().replace(second=0, microsecond=0)
        with self._lock:
            if self._ours and self._ours[-1][0] == minute:
                units += self._ours.pop()[1]
            self._ours.append((minute, units))
            while self._ours[0][0] < minute - _LOOKS_BACK - _MINUTE:
                self._ours.popleft()

    def _consumed_in(self, minute: datetime) -> float:
        with self._lock:
            return sum(units for at, units in self._ours if at == minute)


def chosen(
    aws: Aws, table: str, *, alarms: Sequence[str] = (), ceiling: float = 0, stop_file: Path | None = None
) -> list[Brake]:
    """Return the brakes that were asked for; what is left at its default is not.

    Raises:
        BadInput: There is no such alarm, or the ceiling allows nothing.
        AccessDenied: Alarms or metrics may not be read.
    """
    brakes: list[Brake] = [StopFile(stop_file)] if stop_file else []
    if alarms:
        brakes.append(AlarmBrake(aws, alarms))
    if ceiling:
        brakes.append(Ceiling(aws, table, ceiling))
    return brakes


class BrakeWatch:
    """Looks at brakes in a thread of its own while the block runs, and holds the pace down accordingly.

    Args:
        brakes: What to look at.
        bucket: The pace.
        halt: Set when a brake wants the run to end.
        clock: Monotonic seconds.

    Attributes:
        stopped: Why the run was ended; empty if it was not.
    """

    def __init__(
        self,
        brakes: Iterable[Brake],
        bucket: Bucket,
        halt: threading.Event,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._brakes = [(f"{type(brake).__name__} {number}", brake) for number, brake in enumerate(brakes)]
        self._bucket = bucket
        self._halt = halt
        self._clock = clock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="brakes", daemon=True)
        self.stopped = ""

    def __enter__(self) -> Self:
        """Look at all of them once, so that nothing is sent against a brake, and begin."""
        for name, brake in self._brakes:
            self.look(name, brake)
        if self._brakes:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1)

    def consumed(self, units: float) -> None:
        """Take note that the copy has just consumed *units*."""
        for _, brake in self._brakes:
            brake.consumed(units)

    def look(self, name: str, brake: Brake) -> None:
        """Look at one brake and do what it says."""
        try:
            hold = brake.look()
        except PitrkitError as error:
            hold = Hold(0.0, f"cannot be looked at: {error.what}")
        self._bucket.limit(name, hold.units / self._bucket.pace.units, hold.why)
        if hold.stop:
            self.stopped = hold.why
            self._halt.set()

    def _go_on(self) -> None:
        due = {name: self._clock() + brake.every for name, brake in self._brakes}
        while not self._over.wait(max(0.0, min(due.values()) - self._clock())):
            for name, brake in self._brakes:
                if due[name] <= self._clock():
                    self.look(name, brake)
                    due[name] = self._clock() + brake.every
