"""Durable files: replaced whole, locked between processes, on disk before a function returns; JSON text and SHA-256."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitrkit.errors import PitrkitError

if TYPE_CHECKING:
    from collections.abc import Iterator


def sha256(raw: bytes) -> str:
    """Return the SHA-256 of *raw*, in hex."""
    return hashlib.sha256(raw).hexdigest()


def to_json(value: Any) -> str:
    """Return *value* as one line of JSON, all ASCII; times become ISO 8601, objects their `to_dict()`.

    Raises:
        TypeError: *value* holds something that has no JSON form.
    """
    return json.dumps(value, separators=(",", ":"), default=_plain, allow_nan=False)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the exclusive lock file *path*: one writer at a time, over processes and threads."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def replace(path: Path, raw: bytes) -> None:
    """Replace the file at *path* with *raw* in one step; it is on disk when this returns."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise PitrkitError(
            f"cannot write {path}: {error.strerror}",
            fix="Make room or restore access, then run this step again.",
        ) from error


def sync_folder(folder: Path) -> None:
    """Make new names in *folder* durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else str(value)
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


SHORTEST = 12
"""Characters of the digest that an approval needs at least."""


def is_locked(path: Path) -> bool:
    """Return whether a process holds the operating system's lock of a file."""
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
