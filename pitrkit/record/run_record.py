"""A headless run of a notebook, from its beginning to an end that its record tells truly, even if it was killed.

A run writes its notebook under a name that says so (`05_copy_back.running.ipynb`) and holds a lock beside it that says
how it began. It lives as long as the lock is held: whatever ends the process lets go of it. So a run that was killed,
and could say nothing any more, is known by its lock that nobody holds; the next step of the incident gives its notebook
a name and the record the event.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pitrkit import __version__, documents, files
from pitrkit.errors import BadInput
from pitrkit.incident.incident import ROOT_VARIABLE, Incident
from pitrkit.record.manifest import RUN_LOCK_SUFFIX, RUNNING_SUFFIX, lock_of
from pitrkit.times import now

Ended = Literal["done", "gate closed", "input needed", "failed", "interrupted", "killed"]


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended.

    Attributes:
        ended: In a word or two.
        exit_code: As the command line's contract has it; None of a killed run, which had none to give.
        error: Name of the error that ended it, empty if none did.
    """

    ended: Ended
    exit_code: int | None
    error: str = ""


@dataclass(frozen=True)
class RunStart:
    """How a run began.

    Attributes:
        notebook: Its name, e.g. `05_copy_back`.
        sha256: Of the notebook as it was run.
        parameters: What it was given, as text.
        incident: The incident it was to belong to, blank if none was named.
        started_at: When, ISO 8601 in UTC.
        kit: The kit's version.
    """

    notebook: str
    sha256: str
    parameters: Mapping[str, str]
    incident: str = ""
    started_at: str = field(default_factory=lambda: _iso(now()))
    kit: str = __version__

    @classmethod
    def of(cls, source: Path, parameters: Mapping[str, str], incident: str) -> RunStart:
        """Return the beginning of a run of the notebook at *source*, now."""
        return cls(source.stem, hashlib.sha256(source.read_bytes()).hexdigest(), dict(parameters), incident)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON, without what the event's own line says."""
        return {
            "notebook": self.notebook,
            "parameters": dict(self.parameters),
            "sha256": self.sha256,
            "kit": self.kit,
        }


class Running:
    """A run that is under way: its notebook's file, and its lock, held until `end`.

    Args:
        folder: Where the executed notebook goes.
        stem: Its name there; a number is added while it is taken.
        beginning: How it began.

    Attributes:
        path: The notebook's file while it runs.

    Raises:
        BadInput: The folder cannot be written.
    """

    def __init__(self, folder: Path, stem: str, beginning: RunStart) -> None:
        self.beginning = beginning
        try:
            self.path, self._lock = _reserve(folder, stem)
            os.write(self._lock, documents.to_json({**beginning.to_dict(), **_of_lock(beginning)}).encode())
            files.sync(self._lock)
        except OSError as error:
            raise BadInput(
                f"{folder} cannot be written: {error.strerror}", fix=f"Set {ROOT_VARIABLE} to a folder of your own."
            ) from error

    def move(self, folder: Path) -> None:
        """Go on in another folder."""
        fresh, lock = _reserve(folder, self.beginning.notebook)
        os.write(lock, lock_of(self.path).read_bytes())
        self.path.replace(fresh)
        lock_of(self.path).unlink(missing_ok=True)
        os.close(self._lock)
        self.path, self._lock = fresh, lock

    def end(self, end: End) -> Path:
        """Stamp the executed notebook with how the run ended, give it its name, and return where it is."""
        final = _final(self.path)
        _stamp(self.path, final, self.beginning.to_dict() | _of_lock(self.beginning), end, _iso(now()))
        lock_of(self.path).unlink(missing_ok=True)
        os.close(self._lock)
        return final


def began(incident: Incident, running: Running) -> None:
    """Record in the incident that a run began."""
    incident.event("notebook_started", **running.beginning.to_dict(), running=f"notebooks/{running.path.name}")


def ended(incident: Incident, running: Running, end: End, final: Path, *, start_recorded: bool) -> None:
    """Record in the incident how a run ended; *start_recorded*, if the incident knows already that it began."""
    about = {} if start_recorded else {**running.beginning.to_dict(), "started_at": running.beginning.started_at}
    incident.event(
        "notebook_ended",
        **{
            **about,
            "notebook": f"notebooks/{final.name}",
            "running": f"notebooks/{running.path.name}",
            "ended": end.ended,
            "exit_code": end.exit_code,
            "error": end.error,
        },
    )


def resolve_killed(incident: Incident) -> list[Path]:
    """Give every killed run of the incident its true end, in its notebook and in the record; return the notebooks."""
    return [final for running in _running(incident.folder / "notebooks") if (final := _settle(running, incident))]


def settle_strays(root: Path) -> list[Path]:
    """Do so for killed runs whose notebook had not opened their incident yet, or had just done so."""
    return [final for running in _running(root / "_runs") if (final := _settle(running, None, root))]


def _running(folder: Path) -> list[Path]:
    locks = [path.with_name(path.name.removesuffix(RUN_LOCK_SUFFIX) + RUNNING_SUFFIX) for path in _of(folder, ".lock")]
    return sorted({*_of(folder, ".ipynb"), *locks})


def _of(folder: Path, suffix: str) -> list[Path]:
    return [path for path in folder.glob(f"*.running{suffix}") if path.is_file() and not path.is_symlink()]


def _settle(running: Path, incident: Incident | None, root: Path | None = None) -> Path | None:
    """End a run that nobody runs any more. None if somebody does, or there is nothing to end."""
    handle = files.open_lock(lock_of(running))
    try:
        try:
            files.lock(handle, wait=False)
        except BlockingIOError:
            return None
        if not running.exists():
            lock_of(running).unlink(missing_ok=True)
            return None
        began = _began(lock_of(running))
        final, end = _final(running), End("killed", None)
        last = _iso(datetime.fromtimestamp(running.stat().st_mtime, UTC))
        if incident is None and root is not None and (root / str(began.get("incident")) / "incident.json").is_file():
            # Its notebook had opened the incident, and it was killed before it went there.
            incident = Incident(str(began["incident"]), root / str(began["incident"]))
            folder = incident.path("notebooks")
            folder.mkdir(mode=0o700, exist_ok=True)
            final = _free(folder, str(began.get("notebook")))
        _stamp(running, final, began, end, last)
        if incident is not None:
            about: dict[str, Any] = {
                name: began[name] for name in ("started_at", "parameters", "sha256", "kit") if name in began
            }
            # When it was killed nobody knows; it last wrote its notebook then.
            named: dict[str, Any] = {"notebook": f"notebooks/{final.name}", "running": f"notebooks/{running.name}"}
            more: dict[str, Any] = {"ended": end.ended, "exit_code": None, "error": "", "last_wrote_at": last}
            incident.event("notebook_ended", **{**about, **named, **more})
        lock_of(running).unlink(missing_ok=True)
        return final
    finally:
        os.close(handle)


def _began(lock: Path) -> dict[str, Any]:
    try:
        return documents.from_json(lock.read_bytes(), dict[str, Any])
    except (OSError, ValueError):
        return {}


def _of_lock(beginning: RunStart) -> dict[str, Any]:
    return {"incident": beginning.incident, "started_at": beginning.started_at}


def _stamp(running: Path, final: Path, began: Mapping[str, Any], end: End, ended_at: str) -> None:
    """Write into the executed notebook what really ran and how that ended, and give it its name."""
    notebook: Any = None
    with suppress(ValueError):  # a kill may have cut it: it stays as it is, and the event tells
        notebook = json.loads(running.read_bytes())
    if isinstance(notebook, dict) and "cells" in notebook:
        metadata = notebook.setdefault("metadata", {})
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]
        metadata["pitrkit"] = {
            **{name: began.get(name, "") for name in ("kit", "notebook", "sha256", "started_at")},
            "ended_at": ended_at,
            "ended": end.ended,
            "exit_code": end.exit_code,
            "error": end.error,
            "cells": len(code),
            "ran": sum(cell.get("execution_count") is not None for cell in code),
        }
        metadata.get("papermill", {})["output_path"] = str(final)
        if end.ended != "done":
            metadata.get("papermill", {})["exception"] = True
        for cell in notebook["cells"]:
            _put_status_right(cell)
        files.replace(running, (json.dumps(notebook, indent=1) + "\n").encode())
    files.move(running, final)


def _put_status_right(cell: dict[str, Any]) -> None:
    status = cell["metadata"].get("papermill", {})
    ran = cell.get("execution_count") is not None
    if cell["cell_type"] == "code" and "".join(cell["source"]).strip() and not ran and "status" in status:
        status["status"] = "pending"
    elif status.get("status") == "running":
        status["status"] = "failed"


def _reserve(folder: Path, stem: str) -> tuple[Path, int]:
    """Return a name for a running notebook whose final name is free as well, taken, and its lock, held."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in range(1, sys.maxsize):
        running = folder / f"{stem if number == 1 else f'{stem}-{number}'}{RUNNING_SUFFIX}"
        if _final(running).exists() or running.exists():
            continue
        try:
            lock = files.open_lock(lock_of(running), fresh=True)
        except FileExistsError:
            continue
        files.lock(lock)
        if _same(lock, lock_of(running)):
            running.touch(mode=0o600)
            return running, lock
        os.close(lock)  # somebody has just cleared it away as a leftover
    raise AssertionError


def _same(handle: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False


def _free(folder: Path, stem: str) -> Path:
    names = (folder / f"{stem if number == 1 else f'{stem}-{number}'}.ipynb" for number in range(1, sys.maxsize))
    return next(path for path in names if not path.exists())


def _final(running: Path) -> Path:
    return running.with_name(running.name.removesuffix(RUNNING_SUFFIX) + ".ipynb")


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
