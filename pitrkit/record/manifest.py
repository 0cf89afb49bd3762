"""What a record holds: the files that its manifest names, wherever the record lies.

`manifest.json` has the SHA-256 of every file and of the event log as it was at the seal. It does not name itself, its
signature, the event log (which goes on), empty lock files, and notebooks that are running.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from pitrkit import documents
from pitrkit.files import is_locked, sha256
from pitrkit.incident.incident import EVENTS

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"
SEALED = "sealed"
RUNNING_SUFFIX = ".running.ipynb"
RUN_LOCK_SUFFIX = ".running.lock"
"""Of the lock that a run holds as long as it lives; it says how the run began."""

APART = (MANIFEST, SIGNATURE, EVENTS)
"""What every record has and no manifest names."""


class Holding(Protocol):
    """Where a record lies: a folder, or a bucket."""

    @property
    def name(self) -> str:
        """The incident's id."""

    def __str__(self) -> str:
        """Return how a person names the place."""

    def names(self) -> Iterable[str]:
        """Return the name of everything in it, sorted, but what is `APART` and lock files."""

    def read(self, name: str) -> bytes:
        """Return a file's content, empty if there is no such file."""

    def fingerprint(self, name: str) -> dict[str, Any] | None:
        """Return `sha256` and `size` of a file, None if it is no plain file."""


class Folder:
    """A record in a folder of its own.

    Attributes:
        path: The folder, absolute.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @property
    def name(self) -> str:
        """The incident's id."""
        return self.path.name

    def __str__(self) -> str:
        """Return its path."""
        return str(self.path)

    def names(self) -> Iterator[str]:
        """Yield the name of everything in it, sorted; a running notebook and its lock are not in it yet."""
        file_names = []
        for at, folders, names in os.walk(self.path):
            links = [name for name in folders if (Path(at) / name).is_symlink()]
            file_names += [Path(at) / name for name in (*names, *links)]
        for path in sorted(file_names):
            name = path.relative_to(self.path).as_posix()
            if name not in APART and not _is_lock(name, path) and not _is_running(path):
                yield name

    def read(self, name: str) -> bytes:
        """Return a file's content, empty if there is no such file."""
        path = self.path / name
        return path.read_bytes() if path.is_file() else b""

    def fingerprint(self, name: str) -> dict[str, Any] | None:
        """Return `sha256` and `size` of a file, None if it is no plain file."""
        path = self.path / name
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        with path.open("rb") as file:
            return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "size": os.fstat(file.fileno()).st_size}

    def open_to_others(self) -> list[str]:
        """Return what somebody else than the owner may read or change, the folder itself as `.`.

        In a folder that nobody else may enter that is nothing, whatever the files' own rights.
        """
        if not stat.S_IMODE(self.path.stat().st_mode) & 0o077:
            return []
        paths = [self.path, *sorted(self.path.rglob("*"))]
        return [
            path.relative_to(self.path).as_posix()
            for path in paths
            if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077
        ]


def lock_of(running: Path) -> Path:
    """Return the lock of a running notebook."""
    return running.with_name(running.name.removesuffix(RUNNING_SUFFIX) + RUN_LOCK_SUFFIX)


def parse(raw: bytes) -> dict[str, Any] | None:
    """Return the manifest in *raw*, None if it is not one."""
    try:
        manifest = documents.from_json(raw, dict[str, Any])
        log, files = manifest["events"], manifest["files"]
        sound = isinstance(log["size"], int) and isinstance(log["sha256"], str) and isinstance(log["count"], int)
        sound = sound and isinstance(manifest["sealed_at"], str) and isinstance(manifest["previous"], str)
        sound = sound and all(isinstance(was["size"], int) and isinstance(was["sha256"], str) for was in files.values())
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return manifest if sound else None


def changed_since(before_raw: bytes, files: dict[str, Any], folder: Path) -> tuple[list[str], list[str]]:
    """Return which files of the manifest before have changed and which are gone; a log that only grew has not."""
    before = parse(before_raw)
    if before is None:
        return ([MANIFEST] if before_raw else []), []
    changed = [
        name
        for name, was in before["files"].items()
        if name in files and files[name] != was and not (name.endswith(".jsonl") and _grew(folder / name, was))
    ]
    return changed, [name for name in before["files"] if name not in files]


def _grew(path: Path, was: dict[str, Any]) -> bool:
    with path.open("rb") as file:
        return sha256(file.read(was["size"])) == str(was["sha256"])


def _is_lock(name: str, path: Path) -> bool:
    # Empty and of the folder itself: it can hold nothing.
    return "/" not in name and name.endswith(".lock") and path.is_file() and path.stat().st_size == 0


def _is_running(path: Path) -> bool:
    if path.name.endswith(RUNNING_SUFFIX):
        return is_locked(lock_of(path))
    return path.name.endswith(RUN_LOCK_SUFFIX) and is_locked(path)
