"""Append-only JSON lines, each with a checksum over itself and the line before it.

A line cut short at the very end is what a crash leaves behind: readers pass over it, and the next writer cuts it
off. Damage anywhere else, a line taken out, or one moved, is tampering or a bad disk, and is refused.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from pitrkit import files
from pitrkit.errors import BadInput, PitrkitError, RecordAltered

_HEAD = b'{"sum":"'
_MIDDLE = b'","line":'
_SUM = 16
_BODY = len(_HEAD) + _SUM + len(_MIDDLE)


class Chain:
    """A file of chained lines, open for appending by this process alone. Safe to share between threads.

    Args:
        path: The file; made if absent.
        follow: Told every line that is there already.
    """

    def __init__(self, path: Path, follow: Callable[[dict[str, Any]], None]) -> None:
        self._path = path
        self._lock = Lock()
        self._broken = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            self._lock_out_others()
            self._sum = self._take_up(follow)
        except BaseException:
            os.close(self._file)
            raise

    def append(self, *lines: dict[str, Any]) -> None:
        """Write *lines* at the end. On disk after the next `sync`; a killed process alone does not lose them.

        Raises:
            PitrkitError: The disk did not take it.
        """
        bodies = [orjson.dumps(line) for line in lines]
        with self._lock:
            if self._broken:
                raise self._unwritable(None)
            data = b""
            for body in bodies:
                self._sum = _checksum(self._sum, body)
                data += _HEAD + self._sum.encode() + _MIDDLE + body + b"}\n"
            try:
                while data:
                    data = data[os.write(self._file, data) :]
            except OSError as error:
                # What lies at the end may be half a line: nothing may follow it.
                self._broken = True
                raise self._unwritable(error) from error

    def sync(self) -> None:
        """Bring everything appended so far onto the disk."""
        try:
            files.sync(self._file)
        except OSError as error:
            self._broken = True
            raise self._unwritable(error) from error

    def close(self) -> None:
        """Close the file and let other writers in."""
        with self._lock:
            self._broken = True  # a thread that is late must not write to whatever gets the file's number next
            os.close(self._file)

    def _lock_out_others(self) -> None:
        try:
            files.lock(self._file, wait=False)
        except BlockingIOError:
            raise BadInput(
                f"another run is writing {self._path}",
                fix="Wait for it to end, or end it; then run this step again: it goes on where that one stopped.",
            ) from None

    def _take_up(self, follow: Callable[[dict[str, Any]], None]) -> str:
        digest, whole = "", 0
        for line, digest, whole in chained(self._path):  # noqa: B007 -- the last checksum and end are wanted
            follow(line)
        if os.fstat(self._file).st_size > whole:
            os.ftruncate(self._file, whole)
            files.sync(self._file)
        if not whole:
            files.sync_folder(self._path.parent)
        return digest

    def _unwritable(self, error: OSError | None) -> PitrkitError:
        why = error.strerror if error is not None else "an earlier write to it failed"
        return BadInput(
            f"{self._path} cannot be written: {why}",
            fix="Choose a folder that you may write to, on a disk with room, and run this step again.",
        )


def chained(path: Path) -> Iterator[tuple[dict[str, Any], str, int]]:
    """Yield each whole line of *path* with its checksum and the offset of its end; nothing if there is no file.

    Raises:
        RecordAltered: A line other than a last one cut short is damaged, missing or out of order.
    """
    digest, end = "", 0
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            body = line[_BODY:-2]
            digest = _checksum(digest, body)
            if line != _HEAD + digest.encode() + _MIDDLE + body + b"}\n":
                raise RecordAltered(
                    f"line {number} of {path} is damaged, or a line before it is missing",
                    fix="Bring the file back from a copy, or build a new plan: it re-reads the table and is safe.",
                )
            end += len(line)
            yield orjson.loads(body), digest, end


def _checksum(previous: str, body: bytes) -> str:
    return hashlib.sha256(previous.encode() + body).hexdigest()[:_SUM]
