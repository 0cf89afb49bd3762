"""What is to be sent next: writes not sent yet, and those whose turn comes again after a pause."""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from threading import Condition

from pitrkit.errors import PitrkitError
from pitrkit.recovery.apply.requests import insertable
from pitrkit.recovery.plan.guard import Write

_ALWAYS_ONE_UNIT = 1024
"""An image of at most so many bytes is an item of at most so many: JSON is longer than what is stored."""


@dataclass(slots=True, eq=False)
class Attempt:
    """A write that is on its way to its outcome.

    Attributes:
        write: What to write.
        units: Estimated write units.
        unsure: It may have been done already, by an earlier run or by an attempt whose answer was lost.
        lost: It may have been done by an attempt of this run.
        batched: It may go out together with others in one call.
        tried: How many attempts have failed.
        failure: How the last one failed.
    """

    write: Write
    units: int
    unsure: bool
    batched: bool
    lost: bool = False
    tried: int = 0
    failure: PitrkitError | None = field(default=None)

    @classmethod
    def of(cls, write: Write, *, unsure: bool) -> Attempt:
        """Return the first attempt at *write*."""
        images = [image for image in (write.seen, write.goal) if image is not None]
        small = all(len(image) <= _ALWAYS_ONE_UNIT and image.isascii() for image in images)
        batched = write.seen is None and write.goal is not None and insertable(write.goal)
        return cls(write, 1 if small else write.units, unsure, batched)


class Agenda:
    """Attempts to be made, shared by the threads that make them.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._change = Condition()
        self._new: deque[Attempt] = deque()
        self._again: list[tuple[float, int, Attempt]] = []
        self._order = count()
        self._open = True

    def add(self, attempts: Iterable[Attempt]) -> None:
        """Take up new ones."""
        with self._change:
            self._new.extend(attempts)
            self._change.notify_all()

    def again(self, attempt: Attempt, seconds: float) -> None:
        """Take one up that failed; its turn comes after *seconds*."""
        with self._change:
            heapq.heappush(self._again, (self._clock() + seconds, next(self._order), attempt))
            self._change.notify()

    def take(self, more: Callable[[Attempt], bool]) -> list[Attempt]:
        """Wait for attempts whose turn it is, and return as many as *more* accepts but at least one; none once closed.

        What has failed before comes first, so that little is ever in doubt.
        """
        with self._change:
            while self._open:
                now = self._clock()
                due = self._again[0][0] - now if self._again else None
                if (due is not None and due <= 0) or self._new:
                    return self._taken(now, more)
                self._change.wait(due)
            return []

    def close(self) -> list[Attempt]:
        """Let nobody wait or take any more, and return what is left."""
        with self._change:
            self._open = False
            self._change.notify_all()
            open_attempts = [attempt for _, _, attempt in self._again] + list(self._new)
            self._again, self._new = [], deque()
            return open_attempts

    def _taken(self, now: float, more: Callable[[Attempt], bool]) -> list[Attempt]:
        due_attempts: list[Attempt] = []
        while self._again and self._again[0][0] <= now and (more(self._again[0][2]) or not due_attempts):
            due_attempts.append(heapq.heappop(self._again)[2])
        while self._new and (not self._again or self._again[0][0] > now) and (more(self._new[0]) or not due_attempts):
            due_attempts.append(self._new.popleft())
        return due_attempts
