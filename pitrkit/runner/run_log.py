"""The log of a run for machines: JSON lines, and nothing else in that stream.

    {"at":"2026-11-23T03:15:00.123Z","level":"info","event":"notebook_started","incident":"night","notebook":"04_diff",
     "fields":{...}}

Events are those of the incident's `events.jsonl` as they are recorded, with their data as `fields`, and these of the
run itself: `run_started`, `progress`, `said` (text that something else wrote to this stream), `marker`, `notified`,
`not_notified`, `error`, `run_ended`. Names are stable. Levels are `info`, `warning` and `error`.

It goes along with the whole run (`RunWatch`), kernels included.
"""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from pitrkit.errors import BadInput, GateClosed, InputNeeded, PitrkitError
from pitrkit.incident import event_log
from pitrkit.incident.incident import EVENTS, Incident
from pitrkit.times import now
from pitrkit.ui.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitrkit.ui.progress import ProgressState


Level = Literal["info", "warning", "error"]

LOOK_SECONDS = 0.2
PROGRESS_SECONDS = 5.0
"""How often running work gets a line."""

_WARNINGS = {"gate_closed", "plan_stale", "apply_interrupted", "write_interrupted"}
_CALM = {GateClosed.__name__, InputNeeded.__name__}


class RunLog:
    """Writes lines; without a stream it writes nothing.

    Args:
        stream: Where to.

    Attributes:
        incident: The incident that the run is of.
        notebook: The notebook that runs.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._alone, self._looking = threading.Lock(), threading.Lock()
        self._events: Path | None = None
        self._seen = self._size = 0
        self._said_at = 0.0
        self.incident = ""
        self.notebook = ""

    def __bool__(self) -> bool:
        return self._stream is not None

    def line(self, level: Level, event: str, /, **fields: Any) -> None:
        """Write one line."""
        self._write(level, event, fields, now())

    def _write(self, level: Level, event: str, fields: Mapping[str, Any], at: datetime) -> None:
        if self._stream is None:
            return
        record = {
            "at": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
            "level": level,
            "event": event,
            "incident": self.incident,
            "notebook": self.notebook,
            "fields": fields,
        }
        with self._alone:
            self._stream.write(json.dumps(record, separators=(",", ":"), default=str) + "\n")
            self._stream.flush()

    def error(self, error: BaseException) -> None:
        """Write what ended the run."""
        text = clean(str(error)) if isinstance(error, PitrkitError) else "interrupted; run the same command again"
        self.line("error", "error", error=type(error).__name__, message=text)

    def state(self, state: ProgressState) -> None:
        """Write how far a piece of work is, now and then and at its end."""
        if state.ended or time.monotonic() - self._said_at >= PROGRESS_SECONDS:
            self._said_at = time.monotonic()
            state_fields = {"what": state.label, "done": state.done, "total": state.total, "unit": state.unit}
            self.line("info", "progress", **state_fields, seconds=round(state.seconds, 1), ended=state.ended)

    def begins(self, notebook: str) -> None:
        """Take note that what follows is of another notebook."""
        self._look()
        self.notebook = notebook

    @contextmanager
    def following(self, incident: Incident) -> Iterator[None]:
        """Write each event that is recorded in an incident meanwhile, whether or not it exists yet."""
        self.incident = incident.id
        if self._stream is None:
            yield
            return
        self._events = incident.folder / EVENTS
        self._seen = max((event.n for event in event_log.read(self._events)), default=0)
        over = threading.Event()
        thread = threading.Thread(target=self._follow, args=(over,), name="run-log", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self._look()

    def _follow(self, over: threading.Event) -> None:
        while not over.wait(LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        """Write the events that were recorded since it was looked for them last."""
        if self._events is None or not self._events.exists():
            return
        with self._looking:
            if self._events.stat().st_size == self._size:
                return
            self._size = self._events.stat().st_size
            for event in event_log.read(self._events):
                if event.n > self._seen:
                    self._seen = event.n
                    self._write(_level(event), event.event, event.data, event.at)


def _level(event: event_log.LogEvent) -> Level:
    failed = event.data.get("ended") == "failed"
    if failed and event.data.get("error") not in _CALM:
        return "error"
    applied = event.data.get("apply") or {}
    left = event.event == "apply_finished" and (applied.get("conflicts") or applied.get("failed"))
    return "warning" if failed or left or event.event in _WARNINGS else "info"


class _Said(io.TextIOBase):
    """Takes text and makes a line of each line of it."""

    def __init__(self, log: RunLog) -> None:
        self._log, self._begun = log, ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *whole, self._begun = (self._begun + text).split("\n")
        for chunk in filter(None, whole):
            self._log.line("warning", "said", text=clean(chunk))
        return len(text)


@contextmanager
def opened(kind: str = "", file: str = "") -> Iterator[RunLog]:
    """Open the log that was asked for: on stderr, or appended to a file; one that writes nothing if none was.

    Args:
        kind: `json`, or blank for none; a file is always JSON.
        file: The file; stderr where blank.

    Raises:
        BadInput: The file cannot be written.
    """
    if not (kind or file):
        yield RunLog()
    elif not file:
        log, before = RunLog(sys.stderr), sys.stderr
        sys.stderr = _Said(log)
        try:
            yield log
        finally:
            sys.stderr = before
    else:
        try:
            handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise BadInput(
                f"the log {file} cannot be written: {error.strerror}", fix="Name a file in a folder that is there."
            ) from error
        with os.fdopen(handle, "a", encoding="utf-8") as stream:
            yield RunLog(stream)


@dataclass
class RunWatch:
    """What a run is accompanied by. By default it is nothing.

    Attributes:
        log: The log for machines.
        fds: File descriptors that kernels inherit.
        dry: Whether nothing may be written to AWS.
        before: Called with the name of each notebook before it begins; it raises to keep that from happening.
    """

    log: RunLog = field(default_factory=RunLog)
    fds: tuple[int, ...] = ()
    dry: bool = False
    before: Callable[[str], object] = lambda _name: None

    def begins(self, notebook: str) -> None:
        """Take note that a notebook is about to begin."""
        self.before(notebook)
        self.log.begins(notebook)
