"""The pace of a copy: capacity units a second over all threads and processes, and what makes it slow down.

A `Bucket` is a timeline of allowance. It grows with the clock, at most by `Pace.burst` beyond what was spent, and a
request goes out as soon as it has caught up with everything spent before. So the rate over time is exact whatever the
sizes of the requests, and whatever the clock, the scheduler or the service's answers were late by is caught up with.
What the service says it consumed corrects what was estimated.

Nothing is reserved ahead: who waits holds no place on the timeline. A pace that falls while threads wait holds for all
of them, and a process that is killed leaves no debt but that of the requests it sent.

Throttling slows the timeline itself, for every process that shares it: by half where the account is at its limit, by a
third where table or index are, by a tenth where it is one key range, since the writes are shuffled and most of them
go elsewhere. Once nothing was throttled for a while, it comes back by a twentieth of the full pace a second.

Between processes of one machine it is a file of a few numbers under a lock. The system frees the lock of a process
that dies, and the file may be deleted whenever nobody uses it.
"""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import astuple, dataclass
from math import inf
from pathlib import Path
from typing import Literal, Protocol, Self

from pitrkit import files
from pitrkit.errors import BadInput

_NEVER = float("-inf")
_NUMBERS = struct.Struct("<6d")


@dataclass(slots=True)
class PaceState:
    """Where a timeline stands.

    Attributes:
        at: When it was brought up to date, by the clock.
        reached: Seconds of allowance there have been.
        spent: Seconds of allowance that were spent; whoever wants to spend waits for `reached` to be here.
        share: How fast allowance grows: 1 is in full, less after throttling.
        slowed_at: When `share` was last cut, by the clock.
        throttled_at: When the service last refused a request for its rate, by the clock.
    """

    at: float = float("inf")
    reached: float = 0.0
    spent: float = 0.0
    share: float = 1.0
    slowed_at: float = _NEVER
    throttled_at: float = _NEVER

    def reset(self, now: float) -> None:
        """Begin anew at *now*."""
        self.at, self.reached, self.spent, self.share = now, 0.0, 0.0, 1.0
        self.slowed_at = self.throttled_at = _NEVER


class PaceTimeline(Protocol):
    """Holds a `PaceState` for those who share it."""

    def locked(self) -> AbstractContextManager[PaceState]:
        """Return a block in which the state is the caller's alone, to read and to change."""


class OneProcess:
    """A timeline shared by the threads of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state = PaceState()

    @contextmanager
    def locked(self) -> Iterator[PaceState]:
        """Return a block in which the state is the caller's alone."""
        with self._lock:
            yield self._state


class ManyProcesses:
    """A timeline shared by the processes of one user on one machine, through a file.

    Args:
        path: The file; made if absent.

    Raises:
        BadInput: It cannot be used, or is somebody else's.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            # Lies in a folder that others may write to as well: a link that they put there is not followed.
            self._file = files.open_lock(path, follow=False)
        except OSError as error:
            raise _unusable(path, error.strerror or "") from error
        if os.fstat(self._file).st_uid != os.getuid():
            os.close(self._file)
            raise _unusable(path, "it is another user's")

    @classmethod
    def of(cls, what: str, *, folder: Path | None = None) -> Self:
        """Return the timeline that everything of this user on this machine shares for *what*, e.g. a table's ARN."""
        name = hashlib.sha256(what.encode()).hexdigest()[:16]
        return cls((folder or Path(tempfile.gettempdir())) / f"pitrkit-{os.getuid()}-{name}.pace")

    @contextmanager
    def locked(self) -> Iterator[PaceState]:
        """Return a block in which the state is the caller's alone."""
        with self._lock:  # The file's lock does not keep threads of one process apart.
            files.lock(self._file)
            try:
                state_bytes = os.pread(self._file, _NUMBERS.size, 0)
                state = PaceState(*_NUMBERS.unpack(state_bytes)) if len(state_bytes) == _NUMBERS.size else PaceState()
                yield state
                os.pwrite(self._file, _NUMBERS.pack(*astuple(state)), 0)
            finally:
                files.unlock(self._file)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


@contextmanager
def shared_timeline(given: PaceTimeline | None, what: str) -> Iterator[PaceTimeline]:
    """Return the timeline that was *given*, else the one that this user's processes share for *what*."""
    if given is not None:
        yield given
        return
    own = ManyProcesses.of(what)
    try:
        yield own
    finally:
        own.close()


def _unusable(path: Path, why: str) -> BadInput:
    return BadInput(f"{path}, which keeps the pace, cannot be used: {why}", fix="Delete it, or set TMPDIR elsewhere.")


LOOKS_AGAIN = 0.25
"""Seconds after which a waiting thread looks again whether the pace has changed."""

_BY_REASON = {"AccountLimitExceeded": 0.5, "KeyRangeThroughputExceeded": 0.9}
_BY_ANY_OTHER = 2 / 3
_LEAST = 0.02
_REACTS_EVERY = 0.5
_QUIET = 2.0
_RECOVERS = 0.05
_NEARLY = 1e-9


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast capacity may be consumed.

    Attributes:
        units: Ceiling in capacity units a second: of a copy, write units over the table and its indexes.
        burst: Seconds of unused allowance that may be spent at once. DynamoDB itself keeps 300 s.
        kind: Which units they are, for words.
    """

    units: float
    burst: float = 1.0
    kind: Literal["write", "read"] = "write"

    def __post_init__(self) -> None:
        if not 0 < self.units < inf or self.burst < 0:
            did = {"write": "writes", "read": "reads"}[self.kind]
            raise BadInput(
                f"a pace of {self.units} {self.kind} units a second (burst {self.burst} s) {did} nothing",
                fix=f"Give a pace above 0, e.g. 100; the table's free {self.kind} capacity is a good measure.",
            )

    @property
    def write_units(self) -> float:
        """Write units a second, as a copy calls them."""
        return self.units

    def seconds(self, units: float) -> float:
        """How long *units* take at this pace."""
        return units / self.units

    def __str__(self) -> str:
        return f"{self.units:,g} {self.kind} units a second"


class Bucket:
    """The allowance of a `Pace`. Safe to share between threads; between processes by a shared timeline.

    Processes that share a timeline at different paces never spend more than the highest of these together.

    Args:
        pace: What may be spent.
        timeline: Where it is kept; absent, in this process alone.
        clock: Monotonic seconds, the same in all processes that share the timeline.
        sleep: Waits that many seconds. Returns true when nobody is to wait any more.
    """

    def __init__(
        self,
        pace: Pace,
        *,
        timeline: PaceTimeline | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.pace = pace
        self._timeline = timeline or OneProcess()
        self._clock = clock
        self._sleep = sleep
        self._turn = threading.Lock()
        self._limits: dict[str, tuple[float, str]] = {}
        self._reasons: tuple[str, ...] = ()
        self._waited_at = float("-inf")
        self._braked_until = float("-inf")
        with self._timeline.locked() as state:
            self._advance(state)

    def take(self, units: float) -> None:
        """Wait until *units* may be spent, and spend them. Threads take turns."""
        with self._turn:
            while (wait := self._try(units)) > 0:
                self._waited_at = self._clock()
                if self._sleep(min(wait, LOOKS_AGAIN)):
                    return

    def correct(self, units: float) -> None:
        """Charge (or, negative, give back) the difference between what was taken and what the service consumed."""
        with self._timeline.locked() as state:
            state.reached -= self.pace.seconds(units)

    def throttled(self, reasons: Iterable[str] = ()) -> None:
        """Slow down, as the service has refused a request for *reasons* (its `ThrottlingReasons`).

        However many requests are refused at once, it slows down once for them.
        """
        reasons = tuple(reasons)
        with self._timeline.locked() as state:
            self._advance(state)
            if state.at - state.slowed_at >= _REACTS_EVERY:
                factors = [_factor(reason) for reason in reasons] or [_BY_ANY_OTHER]
                state.share = max(_LEAST, state.share * min(factors))
                state.slowed_at = state.at
            state.throttled_at = state.at
        self._reasons = reasons

    def limit(self, by: str, share: float, why: str = "") -> None:
        """Let brake *by* hold the pace down to *share* of itself (0 stops it, 1 lets go), for the reason *why*."""
        self._limits = {name: limit_value for name, limit_value in self._limits.items() if name != by}
        if share < 1:
            self._limits = {**self._limits, by: (max(0.0, share), why)}

    @property
    def units(self) -> float:
        """Capacity units a second that may be spent at present."""
        with self._timeline.locked() as state:
            self._advance(state)
            return self.pace.units * min(state.share, self._held())

    @property
    def why(self) -> str:
        """Why it is as slow as it is, in words; empty while nothing has to wait for the pace."""
        with self._timeline.locked() as state:
            self._advance(state)
            share, now = state.share, state.at
        limit_values = sorted(self._limits.values())
        if limit_values and limit_values[0][0] <= share:
            how = "paused" if not limit_values[0][0] else f"slowed down to {limit_values[0][0]:.0%} of {self.pace}"
            return f"{how}: {limit_values[0][1]}"
        if share < 1:
            reasons = ", ".join(self._reasons) or "no reason given"
            return f"slowed down to {share:.0%} of {self.pace}: the service throttles ({reasons})"
        return f"at the set pace of {self.pace}" if now - self._waited_at < 1 else ""

    def _try(self, units: float) -> float:
        """Spend *units* and return 0, or return the seconds until that may be."""
        stored_state = self._held()
        if not stored_state:
            return LOOKS_AGAIN
        with self._timeline.locked() as state:
            self._advance(state)
            behind = state.spent - state.reached
            if behind > _NEARLY:
                return behind / state.share
            if state.at < self._braked_until:
                return self._braked_until - state.at
            state.spent += self.pace.seconds(units)
            if stored_state < 1:
                # A brake is this process's alone: it does not slow the timeline that others share.
                late = min(LOOKS_AGAIN, state.at - self._braked_until)
                self._braked_until = state.at - late + self.pace.seconds(units) / stored_state
            return 0.0

    def _held(self) -> float:
        return min((share for share, _ in self._limits.values()), default=1.0)

    def _advance(self, state: PaceState) -> None:
        """Bring *state* to the present."""
        now = self._clock()
        passed = now - state.at
        if passed < 0:  # The machine has started anew since; or nobody has used it yet.
            state.reset(now)
            return
        state.reached = min(state.reached + passed * state.share, state.spent + self.pace.burst)
        quiet = min(passed, now - state.throttled_at - _QUIET)
        if quiet > 0:
            state.share = min(1.0, state.share + quiet * _RECOVERS)
        state.at = now


def units_for(stored_bytes: int) -> int:
    """Write units that one write of an item of *stored_bytes* consumes (1 per started KiB).

    Source: Amazon DynamoDB Developer Guide, "Read and write capacity".
    """
    return max(1, -(-stored_bytes // 1024))


def _factor(reason: str) -> float:
    """Return what is left of the pace after throttling for *reason*, e.g. `TableWriteKeyRangeThroughputExceeded`."""
    return min((factor for end, factor in _BY_REASON.items() if reason.endswith(end)), default=_BY_ANY_OTHER)
