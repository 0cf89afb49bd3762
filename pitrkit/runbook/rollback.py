"""10: roll the damage back without a restore, out of the table's stream or of incremental exports.

Both tell what happened to each item, so no copy of the table is made and no table is scanned. What is to be written
back goes the way of every copy: plan, gate, apply, verify.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd

from pitrkit.dynamodb import pitr, streams
from pitrkit.dynamodb.pitr import iso
from pitrkit.dynamodb.tables import Table
from pitrkit.errors import BadInput, InputNeeded
from pitrkit.recovery import export_log, exported, stream_log
from pitrkit.recovery.changes import ChangeSet
from pitrkit.recovery.locate import locate
from pitrkit.recovery.log import EXPORTS, STREAM, ChangeLog
from pitrkit.recovery.routes import routes
from pitrkit.recovery.scope import Scope
from pitrkit.runbook import copy_back, log_views, restore, views
from pitrkit.runbook.book import OF_A_COMPARISON, Book, flag
from pitrkit.runbook.incident import now
from pitrkit.runbook.item import item_at, one_key
from pitrkit.runbook.progress import Progress
from pitrkit.runbook.values import moment, size, things
from pitrkit.runbook.view import Shows
from pitrkit.runbook.views import View

SOURCES = ("stream", "export")
READ_AGAIN_AFTER = timedelta(minutes=15)
"""How old the log of a stream may be: what was written since is not in it, and would only be found by the guards."""


@dataclass(frozen=True)
class Log(Shows):
    """The log of a window, in the incident's folder."""

    book: Book
    log: ChangeLog
    since_at: datetime
    until_at: datetime

    def view(self) -> View:
        """Return what the log covers and tells."""
        return log_views.log_card(self.log)

    def locate(self, *, kinds: str = "", keys: str = "", where: str = "") -> View:
        """Return when what looks like this began and ended, in how many items, and how sure that is.

        Args:
            kinds: `removed`, `modified`, `inserted`, with commas between; blank for all.
            keys: JSON list of keys; blank for all.
            where: JMESPath over `kind`, `key`, `before`, `after`, `changed`, `by` and `at` of each change.
        """
        found = locate(self.log, self._damage(kinds, keys, where))
        self.book.note("damage_located", **{name: value for name, value in found.to_dict().items() if name != "keys"})
        return log_views.located_card(found)

    def history(self, key: str, times: str = "", *, bucket: str = "", prefix: str = "") -> View:
        """Return what happened to one item, or what it looked like at chosen times; a note where *key* is blank.

        Args:
            key: The item's key, as plain JSON or DynamoDB JSON.
            times: Moments, with commas between; blank for each change that the log knows.
            bucket: S3 bucket for filtered exports of moments that nothing else tells; none when blank.
            prefix: Prefix in that bucket.
        """
        if not key.strip():
            return views.note("No item was asked for: give `key` to see what happened to one.", "muted")
        moments = [time.strip() for time in times.split(",") if time.strip()]
        if moments:
            return item_at(self.book, key, *moments, log=self.log, bucket=bucket, prefix=prefix)
        found = one_key(key, self.log.key_schema)
        return log_views.history_view(found, self.log.history(found), self.log)

    def damage(self, *, kinds: str = "", keys: str = "", where: str = "") -> Damage:
        """Return the change set whose revert takes back what looks like this, and leave it in the incident.

        Raises:
            BadInput: A part of the description cannot be read.
        """
        book, wanted = self.book, self._damage(kinds, keys, where)
        number = 1 + len(list(book.incident.path("changes").glob("[0-9][0-9][0-9]")))
        kept = f"changes/{number:03}"
        found = self.log.changes(book.path(kept), damage=wanted, since_at=self.since_at, until_at=self.until_at)
        counts = found.counts.to_dict()
        scope = {**wanted.to_dict(), "words": wanted.describe()}
        book.done(
            "diff", "damage_told", diff=counts, changes=kept, scope=scope, scoped=counts, scoped_changes=kept,
            scoped_at=iso(now()),
        )  # fmt: skip
        return Damage(book, self.log, found, self.since_at, self.until_at)

    def _damage(self, kinds: str, keys: str, where: str) -> Scope:
        return Scope.parse(kinds, keys, where, self.log.key_schema)


@dataclass(frozen=True)
class Damage(Shows):
    """The changes whose revert takes back the damage."""

    book: Book
    log: ChangeLog
    changes: ChangeSet
    since_at: datetime
    until_at: datetime

    def view(self) -> View:
        """Return how many items the damage removed, modified and inserted, and what counts as damage."""
        scope = Scope.from_dict(self.book.data["scope"])
        return log_views.damage_card(self.changes, scope, self.since_at, self.until_at)

    def samples(self, n: int = 3) -> View:
        """Return *n* changes of each kind: without the damage, and as the log knows the item last."""
        return views.samples_view(self.changes, n)

    def reviews(self) -> View:
        """Return the damaged items that others wrote as well, with their histories."""
        return log_views.reviews_view(self.log, self.changes)

    def explore(self, limit: int = 1000) -> pd.DataFrame:
        """Return a frame of the first *limit* changes, plain values, for looking at only."""
        return self.changes.explore(limit)


def ahead(book: Book, *, source: str = "", since: str = "", until: str = "", width_minutes: float = 0.0) -> View:
    """Return the routes for this table side by side, what each costs, and which one is taken. Nothing is started.

    Args and errors are those of `read`.
    """
    table = book.table()
    asked = _asked(book, source, since, until)
    windows: list[export_log.Window] = []
    notes = []
    if asked.source == "export":
        windows = _windows(book, table, asked.since_at, asked.until_at, width_minutes)
        first, last = min(begin for begin, _ in windows), max(end for _, end in windows)
        notes.append(f"It has the service make {things(len(windows), 'export')}, of {moment(first)} to {moment(last)}.")
    found = routes(table.size_bytes, windows=[end - begin for begin, end in windows])
    chosen = "incremental exports" if windows else "stream"
    return log_views.routes_card(found, table=table.name, chosen=chosen, size_text=size(table.size_bytes), notes=notes)


def read(
    book: Book,
    *,
    source: str = "",
    since: str = "",
    until: str = "",
    bucket: str = "",
    prefix: str = "",
    width_minutes: float = 0.0,
    approve: str = "",
) -> Log:
    """Read what happened to the table's items from *since* until before *until*, into the incident's folder.

    A stream is read up to now, because what others wrote after the damage is kept with what they wrote. What was read
    for the same window a moment ago, or for a plan that *approve* names, is not read again.

    Args:
        book: The incident's book.
        source: `stream`, `export`, or blank for the stream if it reaches, else exports.
        since: Beginning of the window: ISO 8601 with Z or an offset, or a duration ago.
        until: Its end, excluded, written the same way; blank for up to now, or as late as can be exported.
        bucket: S3 bucket of exports; that of the table's earlier exports where blank.
        prefix: Prefix in that bucket.
        width_minutes: About how long each export's window is to be, to narrow down the moment; 0 for as long as may be.
        approve: Digest of an approved plan of this incident.

    Raises:
        InputNeeded: *since*, or the bucket, is blank and cannot be found.
        BadInput: A time is not one, or the source cannot tell that window.
    """
    if copy_back.approved(book, "", approve) is not None and book.data.get("log"):
        return _opened(book)
    asked = _asked(book, source, since, until)
    since_at, until_at = asked.since_at, asked.until_at
    book.keep("window_chosen", route=asked.source, window={"since": iso(since_at), "until": iso(until_at)})
    by_stream = asked.source == "stream"
    if (kept := _kept(book, since_at, until_at, by_stream=by_stream, width_minutes=width_minutes)) is not None:
        return kept
    number = 1 + len(list(book.incident.path("logs").glob("[0-9][0-9][0-9]")))
    folder = book.incident.path("logs", f"{number:03}")
    table = book.table()
    at = now()
    if by_stream:
        told = _from_stream(book, table, folder, since_at, at)
    else:
        place = {"bucket": bucket, "prefix": prefix}
        told = _from_exports(book, table, folder, (since_at, until_at), place, width_minutes)
    book.done(
        "log",
        "log_read",
        log={"folder": f"logs/{number:03}", "width_minutes": width_minutes, "read_at": iso(at), **told.to_dict()},
        **dict.fromkeys(OF_A_COMPARISON),
    )
    return Log(book, told, max(since_at, told.since_at), min(until_at, told.until_at))


def plan(
    damage: Damage,
    *,
    modified: str = "",
    inserted: str = "",
    attributes: str = "",
    guard: str = "",
    expired: str = "",
    mixed: str = "",
    accept: str = "",
    write_units: float = copy_back.WRITE_UNITS,
    approve: str = "",
) -> copy_back.Copy:
    """Plan the revert of the damage; see `copy_back.plan`."""
    return copy_back.plan(
        damage.book, modified=modified, inserted=inserted, attributes=attributes, guard=guard, expired=expired,
        mixed=mixed, accept=accept, write_units=write_units, approve=approve,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Asked:
    source: str
    since_at: datetime
    until_at: datetime


def _asked(book: Book, source: str, since: str, until: str) -> _Asked:
    """Return what is asked for; what is left blank is what the incident knows.

    Raises:
        InputNeeded: It knows no beginning.
        BadInput: A time is not one, or the end is not after the beginning.
    """
    flag(source, "source", ("", *SOURCES))
    table, at, known = book.table(), now(), book.data.get("window") or {}
    if not since and not known:
        raise InputNeeded("since", fix="Give the second before the damage: ISO 8601 with Z, or a duration ago (90m).")
    since_at = pitr.parse_time(since or known["since"], now=at)
    said = until or ("" if since else known["until"])
    source = source or ("stream" if _by_stream(book, table, since_at) else "export")
    window = pitr.protection(book.aws, table.name).window
    latest_at = at if source == "stream" or window is None else window.latest_at
    until_at = pitr.parse_time(said, now=at, window=window) if said else latest_at
    if not since_at < until_at:
        raise BadInput(f"{iso(since_at)} is not before {iso(until_at)}", fix="Give an `until` later than `since`.")
    return _Asked(source, since_at, until_at)


def _by_stream(book: Book, table: Table, since_at: datetime) -> bool:
    """Return whether the table has a stream that tells images, and reaches back so far."""
    stream = streams.describe(book.aws, table)
    reaches = now() - streams.RETENTION
    return stream is not None and stream.view == streams.VIEW and since_at >= max(reaches, stream.created_at)


def _opened(book: Book) -> Log:
    kept, window = book.data["log"], book.data["window"]
    return Log(
        book,
        ChangeLog.open(book.path(kept["folder"])),
        datetime.fromisoformat(window["since"]),
        datetime.fromisoformat(window["until"]),
    )


def _kept(book: Book, since_at: datetime, until_at: datetime, *, by_stream: bool, width_minutes: float) -> Log | None:
    """Return the log that the incident holds already, if it tells this window as well as another reading would."""
    kept = book.data.get("log") or {}
    if not kept or kept["source"] != (STREAM if by_stream else EXPORTS):
        return None
    found = ChangeLog.open(book.path(kept["folder"]))
    if by_stream:
        fresh = now() - datetime.fromisoformat(kept["read_at"]) < READ_AGAIN_AFTER
        same = fresh and found.since_at <= since_at and until_at <= found.until_at
    else:
        same = (found.since_at, found.until_at) == (since_at, until_at) and kept["width_minutes"] == width_minutes
    return Log(book, found, since_at, until_at) if same else None


def _from_stream(book: Book, table: Table, folder: Path, since_at: datetime, at: datetime) -> ChangeLog:
    with Progress(f"Reading the stream of {table.name}", unit="shards") as progress:
        return stream_log.read(book.aws, table, folder, since_at, at, on_progress=progress)


def _from_exports(  # noqa: PLR0917
    book: Book, table: Table, folder: Path, window: export_log.Window, place: dict[str, str], width_minutes: float
) -> ChangeLog:
    since_at, until_at = window
    needed = _windows(book, table, since_at, until_at, width_minutes)
    started = export_log.start(book.aws, table, needed, **place)
    book.note("exports_started", exports=[one.arn for one in started])
    label = f"Waiting for {len(started)} exports of {table.name}"
    with Progress(label, unit="seconds") as progress:
        done = export_log.wait(
            book.aws,
            started,
            poll_seconds=restore.poll_seconds(book),
            on_progress=lambda export, waiting: progress(
                int(waiting.seconds), waiting.expected_seconds, f"{export}: {waiting.status}"
            ),
        )
    with Progress(f"Reading the exports of {table.name}", unit="records") as progress:
        return exported.read(
            book.aws,
            table,
            done,
            folder,
            since_at=since_at,
            until_at=until_at,
            on_progress=lambda records: progress(records, None, ""),
        )


def _windows(
    book: Book, table: Table, since_at: datetime, until_at: datetime, width_minutes: float
) -> list[export_log.Window]:
    """Return the windows of the exports that it takes."""
    window = pitr.check_restorable(book.aws, table.name, until_at).window
    assert window is not None
    return export_log.windows(
        since_at,
        until_at,
        latest_at=window.latest_at,
        earliest_at=window.earliest_at,
        width=timedelta(minutes=width_minutes) if width_minutes else None,
    )
