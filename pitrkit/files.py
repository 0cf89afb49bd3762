"""Durable files: replaced whole, locked between processes, on disk before a function returns; SHA-256."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pitrkit.errors import PitrkitError


def sha256(raw: bytes) -> str:
    """Return the SHA-256 of *raw*, in hex."""
    return hashlib.sha256(raw).hexdigest()


def open_lock(path: Path, *, fresh: bool = False, follow: bool = True) -> int:
    """Open the lock file *path*, made if absent, and return its descriptor. It is the owner's alone.

    Args:
        path: The file.
        fresh: Whether it must not be there yet.
        follow: Whether it may be a link.

    Raises:
        OSError: It cannot be opened; `FileExistsError`: it is there although it must not.
    """
    more = (os.O_EXCL if fresh else 0) | (0 if follow else os.O_NOFOLLOW)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | more, 0o600)


def lock(handle: int, *, wait: bool = True) -> None:
    """Take the operating system's lock of an open file, for as long as it is open, also when the process is killed.

    Raises:
        BlockingIOError: Somebody else holds it, and it is not to be waited for.
    """
    fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def unlock(handle: int) -> None:
    """Let go of the lock of an open file."""
    fcntl.flock(handle, fcntl.LOCK_UN)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the exclusive lock file *path*: one writer at a time, over processes and threads.

    Raises:
        BlockingIOError: Somebody else holds it, and it is not to be waited for.
    """
    handle = open_lock(path)
    try:
        lock(handle, wait=wait)
        yield
    finally:
        os.close(handle)


def is_locked(path: Path) -> bool:
    """Return whether a process holds the operating system's lock of a file. Looking needs no right to write it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def sync(handle: int) -> None:
    """Bring what was written to an open file onto the disk."""
    os.fsync(handle)


def replace(path: Path, raw: bytes) -> None:
    """Replace the file at *path* with *raw* in one step; it is on disk when this returns."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            sync(file.fileno())
        move(fresh, path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise PitrkitError(
            f"cannot write {path}: {error.strerror}",
            fix="Make room or restore access, then run this step again.",
        ) from error


def append(path: Path, raw: bytes) -> None:
    """Write *raw* at the end of the file at *path*, made if absent; it is on disk when this returns."""
    fresh = not path.exists()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "ab") as file:
        file.write(raw)
        file.flush()
        sync(file.fileno())
    if fresh:
        sync_folder(path.parent)


def settle(part: Path, path: Path) -> None:
    """Give the file *part*, written to its end, the name *path*; content and name are on disk when this returns."""
    with part.open("rb") as file:
        sync(file.fileno())
    move(part, path)


def move(path: Path, place: Path) -> None:
    """Give a file or folder another name in one step; that is on disk when this returns."""
    path.replace(place)
    sync_folder(place.parent)


def sync_folder(folder: Path) -> None:
    """Make new names in *folder* durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync(handle)
    finally:
        os.close(handle)
