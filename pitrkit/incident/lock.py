"""The lock of an incident: one run at a time works on it, on this machine.

It is a lock of the operating system on a file beside the incidents, so that it ends with whoever holds it, however that
ends. A kernel that is at work inherits it: where its front was killed, the lock lasts until the kernel has ended, too.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from pitrkit import documents, files
from pitrkit.errors import BadInput
from pitrkit.incident.incident import ROOT_VARIABLE, root_folder
from pitrkit.times import iso, now

FOLDER = "_locks"
ORPHAN_SECONDS = 8.0
"""How long the kernel of a run that was killed may take to notice that."""


def host() -> str:
    """Return this machine's name, as a tag may hold it."""
    return re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname())[:80]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who works on an incident.

    Attributes:
        pid: Process id.
        host: Name of the machine.
        since: When it began, in UTC.
    """

    pid: int
    host: str
    since: str

    @classmethod
    def me(cls) -> Holder:
        """Return this process."""
        return cls(os.getpid(), host(), iso(now()))

    @property
    def gone(self) -> bool:
        """Whether it is surely not there any more: a process of this machine that has ended."""
        if self.host != host():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since.replace('T', ' ').replace('Z', ' UTC')}"


@contextmanager
def lock(incident: str, root: str | Path | None = None) -> Iterator[int]:
    """Hold the lock of an incident; yield the file descriptor that a kernel is to inherit.

    Raises:
        BadInput: Another run works on it, or the lock cannot be taken here.
    """
    path = _path(incident, root)
    handle = _opened(path)
    try:
        _take(handle, path, incident)
        raw = documents.to_json(asdict(Holder.me())).encode()
        os.ftruncate(handle, 0)
        os.pwrite(handle, raw, 0)
        yield handle
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def is_held(incident: str, root: str | Path | None = None) -> bool | None:
    """Return whether a run works on an incident; None where this machine knows nothing of it."""
    path = _path(incident, root)
    return files.is_locked(path) if path.is_file() else None


def _path(incident: str, root: str | Path | None) -> Path:
    return root_folder(root) / FOLDER / f"{incident}.lock"


def _opened(path: Path) -> int:
    try:
        path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        return files.open_lock(path)
    except OSError as error:
        raise BadInput(
            f"the incident's lock {path} cannot be written: {error.strerror}",
            fix=f"Set {ROOT_VARIABLE} to a writable folder, or make this one writable.",
        ) from error


def _take(handle: int, path: Path, incident: str) -> None:
    deadline = time.monotonic() + ORPHAN_SECONDS
    while True:
        try:
            files.lock(handle, wait=False)
        except BlockingIOError:
            holder = _holder(path)
            if (holder is None or holder.gone) and time.monotonic() < deadline:
                time.sleep(0.2)  # it begins just now, or its kernel is about to end
                continue
            raise BadInput(
                f"incident {incident} is in use already: {holder or 'by an unknown run'}",
                fix="Wait until that run ends, or end it; then run the same command again.",
            ) from None
        return


def _holder(path: Path) -> Holder | None:
    try:
        return documents.from_json(path.read_bytes(), Holder)
    except (OSError, ValueError):
        return None
