"""The incident's event log: an append-only file of JSON lines, each carrying the hash of the line before it.

A line is `{"n", "at", "event", "data", "prev", "hash"}` in that order. An event that
changed `incident.json` has `state` before `prev`: the SHA-256 of that file as it was left. `prev` is that of the
previous raw line (without its newline; 64 zeros for the first), `hash` that of the line's own text up to `,"hash"`.
So a line that was altered, dropped, added or moved shows, and so does a change to the very last one.

A crash may tear the last line. Nothing is thrown away then: the next append ends the torn line where it is, chains
over it as it stands, and says so in an event of its own, `write_interrupted`. A line that only lost its newline
is complete and stays an event.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pitrkit import files
from pitrkit.documents import from_json, to_json
from pitrkit.errors import PitrkitError
from pitrkit.files import sha256

NO_LINE = "0" * 64
"""`prev` of the first line."""

INTERRUPTED = "write_interrupted"
"""Event that names a line torn by a crash."""

_OWN_HASH = re.compile(rb',"hash":"([0-9a-f]{64})"\}\Z')


@dataclass(frozen=True, slots=True)
class LogEvent:
    """Something that happened.

    Attributes:
        n: Number of its line, from 1.
        at: When it was recorded.
        event: What happened, e.g. `restore_started`.
        data: What belongs to it; plain JSON.
        state: SHA-256 of `incident.json` as the event left it, blank if it did not touch it.
    """

    n: int
    at: datetime
    event: str
    data: dict[str, Any]
    state: str = ""


@dataclass(frozen=True, slots=True)
class LogFault:
    """A line of the log that is not what was written.

    Attributes:
        line: Number of the line, from 1.
        problem: What is wrong with it, in words.
        crash: It is the trace of an interrupted write, not of a change made afterwards.
    """

    line: int
    problem: str
    crash: bool = False


@dataclass(frozen=True, slots=True)
class LogReading:
    """A log as it was read: the events that can be trusted to be lines of it, and what is wrong.

    Attributes:
        events: Every line that is an event, in file order, altered ones left out.
        faults: Everything that is wrong, in file order.
    """

    events: tuple[LogEvent, ...]
    faults: tuple[LogFault, ...]


def append(path: Path, event: str, data: dict[str, Any], at: datetime, *, state: str = "") -> LogEvent:
    """Append an event; it is on disk when this returns. The caller holds the folder's lock.

    *state* is as in `LogEvent`.

    Raises:
        PitrkitError: The line could not be written, e.g. the disk is full.
    """
    raw = path.read_bytes() if path.exists() else b""
    text = b""
    if raw and not raw.endswith(b"\n"):
        text, torn = b"\n", raw.rpartition(b"\n")[2]
        raw += text
        if _parse(torn) is None:
            note = {"line": raw.count(b"\n"), "bytes": len(torn), "sha256": sha256(torn)}
            line = _line(raw, INTERRUPTED, note, at)
            text, raw = text + line, raw + line
    line = _line(raw, event, data, at, state)
    written = _parse(line[:-1])
    assert written is not None
    try:
        files.append(path, text + line)
    except OSError as error:
        raise PitrkitError(
            f"cannot write the incident's event log {path}: {error.strerror}",
            fix="Free disk space or restore write access, then run this step again.",
        ) from error
    return written[0]


def read(path: Path) -> tuple[LogEvent, ...]:
    """Return the events of the log at *path*, none if there is no file."""
    return check(path.read_bytes() if path.exists() else b"").events


def check(raw: bytes) -> LogReading:
    """Read the log's bytes and name every line that breaks the chain."""
    events: list[LogEvent] = []
    faults: list[LogFault] = []
    lines = raw.split(b"\n")
    if not lines[-1]:
        lines.pop()
    prev, before, sound = NO_LINE, 0, True
    for number, line in enumerate(lines, start=1):
        parsed = _parse(line)
        if parsed is None:
            torn = number == len(lines) and not raw.endswith(b"\n")
            crash = torn or (number < len(lines) and _names(lines[number], line))
            problem = "is an incomplete write" if crash else "was altered: its content differs from what was written"
            faults.append(LogFault(number, problem, crash=crash))
            before, sound = number, crash
        else:
            event, event_prev = parsed
            if event.n != before + 1:
                faults.append(LogFault(number, f"is event {event.n}: {_order(event.n, before)}"))
            elif event_prev != prev and sound:
                faults.append(LogFault(number - 1, "was altered: the next line does not match its hash"))
            events.append(event)
            before, sound = event.n, True
        prev = sha256(line)
    return LogReading(tuple(events), tuple(faults))


def _line(raw: bytes, event: str, data: dict[str, Any], at: datetime, state: str = "") -> bytes:
    lines = raw.split(b"\n")[:-1]
    body = {
        "n": len(lines) + 1,
        "at": at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "event": event,
        "data": data,
        **({"state": state} if state else {}),
        "prev": sha256(lines[-1]) if lines else NO_LINE,
    }
    head = to_json(body)[:-1].encode()
    return head + f',"hash":"{sha256(head)}"}}\n'.encode()


def _parse(line: bytes) -> tuple[LogEvent, str] | None:
    """Return the event of a raw line and its `prev`, or None when it is not a line as it was written."""
    own = _OWN_HASH.search(line)
    if own is None or sha256(line[: own.start()]) != own[1].decode():
        return None
    try:
        fields = from_json(line, dict[str, Any])
        at, state = datetime.fromisoformat(fields["at"]), str(fields.get("state", ""))
        return LogEvent(fields["n"], at, fields["event"], fields["data"], state), fields["prev"]
    except (ValueError, KeyError, TypeError):
        return None


def _names(line: bytes, torn: bytes) -> bool:
    parsed = _parse(line)
    return parsed is not None and parsed[0].event == INTERRUPTED and parsed[0].data.get("sha256") == sha256(torn)


def _order(n: int, before: int) -> str:
    if n <= before:
        return "it is out of order or duplicated"
    missing = range(before + 1, n)
    return (
        f"event {missing[0]} is missing" if len(missing) == 1 else f"events {missing[0]} to {missing[-1]} are missing"
    )


CALL = "aws_call"
"""Event of a call that changed something in AWS."""
