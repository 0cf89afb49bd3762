"""Reading what happened to a table's items in a window, from its stream or incremental exports, into an incident."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from pitrkit import times
from pitrkit.aws.backups import pitr
from pitrkit.aws.change_data import streams
from pitrkit.aws.tables.tables import Table
from pitrkit.config import masking
from pitrkit.errors import BadInput, InputNeeded
from pitrkit.options import choose
from pitrkit.recovery.changelog import from_exports, from_stream
from pitrkit.recovery.changelog.change_log import ChangeLog
from pitrkit.recovery.changelog.from_exports import Window
from pitrkit.recovery.changelog.locate import Located, locate
from pitrkit.recovery.changes.scope import Scope
from pitrkit.runbook.restore import restore
from pitrkit.runbook.restore.restore_wait import poll_seconds
from pitrkit.runbook.session.session import Session
from pitrkit.runbook.start.table_overview import permitted
from pitrkit.times import iso, now
from pitrkit.ui.progress import ProgressBar

SOURCES = ("stream", "export")


@dataclass(frozen=True, slots=True)
class LogRequest:
    """What is to be read.

    Attributes:
        source: `stream` or `export`.
        since_at: From when on.
        until_at: Until before when.
        width: About how long each export's window is to be; None for as long as may be.
    """

    source: str
    since_at: datetime
    until_at: datetime
    width: timedelta | None = None


def asked(session: Session, *, source: str, since: str, until: str, width_minutes: float = 0.0) -> LogRequest:
    """Return what an operator asked for as text; what is left blank is what the incident knows.

    Args:
        session: The incident's session.
        source: `stream`, `export`, or blank for the stream if it reaches back so far, else exports.
        since: ISO 8601 with Z or an offset, or a duration ago.
        until: The same; blank for up to now, or as late as can be exported.
        width_minutes: About how long each export's window is to be; 0 for as long as may be.

    Raises:
        InputNeeded: No beginning is known.
        BadInput: A time is not one, or the end is not after the beginning.
    """
    choose("source", source)
    table, at, window_record = session.table(), now(), session.data.get("window") or {}
    if not since and not window_record:
        raise InputNeeded("since", fix="Give a time before the damage: ISO 8601 with Z, or a duration ago (90m).")
    since_at = times.parse_time(since or window_record["since"], now=at)
    until_text = until or ("" if since else window_record["until"])
    source = source or ("stream" if _by_stream(session, table, since_at) else "export")
    window = pitr.protection(session.aws, table.name).window
    latest_at = at if source == "stream" or window is None else window.latest_at
    until_at = times.parse_time(until_text, now=at, window=window) if until_text else latest_at
    if not since_at < until_at:
        raise BadInput(f"{iso(since_at)} is not before {iso(until_at)}", fix="Give an `until` later than `since`.")
    return LogRequest(source, since_at, until_at, timedelta(minutes=width_minutes) if width_minutes else None)


def windows(session: Session, request: LogRequest) -> list[Window]:
    """Return the windows of the exports that it takes.

    Raises:
        BadInput: PITR is off, or the window, or what it takes to tell it, is not restorable.
    """
    window = pitr.check_restorable(session.aws, session.table().name, request.until_at).window
    assert window is not None
    return from_exports.windows(
        request.since_at,
        request.until_at,
        latest_at=window.latest_at,
        earliest_at=window.earliest_at,
        width=request.width,
    )


def read(session: Session, request: LogRequest, *, bucket: str = "", prefix: str = "") -> tuple[str, ChangeLog]:
    """Read what is asked for into a new folder of the incident; return its name there, and the log.

    A stream is read up to now, because what others wrote after the damage is kept with what they wrote.

    Raises:
        InputNeeded: No bucket was given, and none was exported to before.
        BadInput: The source cannot tell that window.
    """
    number = 1 + len(list(session.incident.path("logs").glob("[0-9][0-9][0-9]")))
    name = f"logs/{number:03}"
    if request.source == "export":
        return name, _from_exports(session, session.path(name), request, bucket, prefix)
    table = session.table()
    with ProgressBar(f"Reading the stream of {table.name}", unit="shards") as progress:
        log = from_stream.read(session.aws, table, session.path(name), request.since_at, now(), on_progress=progress)
    return name, log


def located(session: Session, log: ChangeLog, damage: Scope) -> Located:
    """Return when *damage* began and ended by a log, and record it; no key gets into the record.

    Raises:
        BadInput: Nothing in the log looks like that, or the condition cannot be evaluated.
    """
    location = replace(locate(log, damage), damage=masking.current().words(damage))
    record = {name: value for name, value in location.to_dict().items() if name != "keys"}
    record["bursts"] = [{name: value for name, value in burst.items() if name != "keys"} for burst in record["bursts"]]
    session.note("damage_located", **record)
    return location


def _by_stream(session: Session, table: Table, since_at: datetime) -> bool:
    """Return whether the table has a stream that tells images, and reaches back so far; none if it may not be seen."""
    stream = permitted(lambda: streams.describe(session.aws, table))
    reaches = now() - streams.RETENTION
    return stream is not None and stream.view == streams.VIEW and since_at >= max(reaches, stream.created_at)


def _from_exports(session: Session, folder: Path, request: LogRequest, bucket: str, prefix: str) -> ChangeLog:
    table = session.table()
    started = from_exports.start(session.aws, table, windows(session, request), bucket=bucket, prefix=prefix)
    session.note("exports_started", exports=[export.arn for export in started])
    restore.note_begun(session, started)
    label = f"Waiting for {len(started)} exports of {table.name}"
    with ProgressBar(label, unit="seconds") as progress:
        done = from_exports.wait(
            session.aws,
            started,
            poll_seconds=poll_seconds(session),
            on_progress=lambda export, waiting: progress(
                int(waiting.seconds), waiting.expected_seconds, f"{export}: {waiting.status}"
            ),
        )
    with ProgressBar(f"Reading the exports of {table.name}", unit="records") as progress:
        return from_exports.read(
            session.aws,
            table,
            done,
            folder,
            since_at=request.since_at,
            until_at=request.until_at,
            on_progress=lambda records: progress(records, None, ""),
        )
