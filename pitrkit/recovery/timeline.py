"""The timeline of a pace: how far its allowance has come and how much of it is spent, in one process or several.

Between processes of one machine it is a file of a few numbers under a lock. The system frees the lock of a process
that dies, and the file may be deleted whenever nobody uses it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Protocol, Self

from pitrkit.errors import BadInput

_NEVER = float("-inf")
_NUMBERS = struct.Struct("<6d")


@dataclass(slots=True)
class State:
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


class Timeline(Protocol):
    """Holds a `State` for those who share it."""

    def locked(self) -> AbstractContextManager[State]:
        """Return a block in which the state is the caller's alone, to read and to change."""


class OneProcess:
    """A timeline shared by the threads of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state = State()

    @contextmanager
    def locked(self) -> Iterator[State]:
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
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
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
    def locked(self) -> Iterator[State]:
        """Return a block in which the state is the caller's alone."""
        with self._lock:  # The file's lock does not keep threads of one process apart.
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                held = os.pread(self._file, _NUMBERS.size, 0)
                state = State(*_NUMBERS.unpack(held)) if len(held) == _NUMBERS.size else State()
                yield state
                os.pwrite(self._file, _NUMBERS.pack(*astuple(state)), 0)
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


@contextmanager
def shared(given: Timeline | None, what: str) -> Iterator[Timeline]:
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
