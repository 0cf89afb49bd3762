"""The sandbox's clock: every write, table and backup is dated by it.

It starts at the real time and ticks with it. A scenario sets it back to the beginning of its story and advances it,
so that six hours of history are made in a second. What has happened cannot be moved: the clock goes neither back
behind the last thing it dated, nor does it date anything out of order.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta


class Clock:
    """A settable clock in UTC.

    Args:
        ticking: Goes on with real time between settings. A clock that does not tick stands still until it is set or
            advanced, which makes every timestamp of a test exact.
    """

    def __init__(self, *, ticking: bool = True) -> None:
        self._lock = threading.Lock()
        self._ticking = ticking
        self._set_at = datetime.now(UTC)
        self._mark = time.monotonic()
        self._happened_at: datetime | None = None

    def now(self) -> datetime:
        """Return the time, aware and in UTC."""
        with self._lock:
            return self._now()

    def set(self, at: datetime) -> datetime:
        """Put the clock to *at* and return it.

        Raises:
            ValueError: *at* is naive, or before something that already happened.
        """
        if at.tzinfo is None:
            raise ValueError("the sandbox's clock takes aware times only, e.g. 2026-11-20T12:00:00Z")
        with self._lock:
            return self._put(at.astimezone(UTC))

    def advance(self, seconds: float) -> datetime:
        """Move the clock on by *seconds* and return the new time.

        Raises:
            ValueError: *seconds* is negative.
        """
        if seconds < 0:
            raise ValueError("the sandbox's clock only advances; use set() before anything happened")
        with self._lock:
            return self._put(self._now() + timedelta(seconds=seconds))

    def stamp(self, at: datetime | None = None) -> datetime:
        """Return the time for something that happens now (or happened at *at*); never earlier than the last one."""
        with self._lock:
            stamped = at or self._now()
            if self._happened_at is not None and stamped < self._happened_at:
                stamped = self._happened_at
            self._happened_at = stamped
            return stamped

    def _now(self) -> datetime:
        if not self._ticking:
            return self._set_at
        return self._set_at + timedelta(seconds=time.monotonic() - self._mark)

    def _put(self, at: datetime) -> datetime:
        if self._happened_at is not None and at < self._happened_at:
            raise ValueError(
                f"the sandbox's clock cannot go back to {at.isoformat()}: "
                f"something already happened at {self._happened_at.isoformat()}"
            )
        self._set_at, self._mark = at, time.monotonic()
        return at
