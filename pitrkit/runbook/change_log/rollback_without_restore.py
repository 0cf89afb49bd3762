"""10: roll the damage back without a restore, out of the table's stream or of incremental exports.

Both tell what happened to each item, so no copy of the table is made and no table is scanned. What is to be written
back goes the way of every copy: plan, gate, apply, verify.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pitrkit.config import masked_inputs, masking
from pitrkit.recovery.advice.cost import routes
from pitrkit.recovery.changelog.change_log import EXPORTS, STREAM, ChangeLog
from pitrkit.recovery.changelog.from_exports import Window
from pitrkit.recovery.changes.change_set import ChangeSet
from pitrkit.recovery.changes.scope import EVERYTHING, Scope
from pitrkit.runbook.change_log import read_log
from pitrkit.runbook.change_log import views as change_log_views
from pitrkit.runbook.change_log.item_history import item_at, one_key
from pitrkit.runbook.change_log.read_log import LogRequest
from pitrkit.runbook.copy_back import plans
from pitrkit.runbook.diff import diff
from pitrkit.runbook.diff import views as diff_views
from pitrkit.runbook.diff.explorer import Explorer
from pitrkit.runbook.session import costs
from pitrkit.runbook.session.session import OF_A_COMPARISON, Session
from pitrkit.times import iso, now
from pitrkit.ui import cards, progress
from pitrkit.ui.text import count_text, moment, size
from pitrkit.ui.view import Shows, View

READ_AGAIN_AFTER = timedelta(minutes=15)
"""How old the log of a stream may be: what was written since is not in it, and would only be found by the guards."""


@dataclass(frozen=True)
class Log(Shows):
    """The log of a window, in the incident's folder."""

    session: Session
    log: ChangeLog
    since_at: datetime
    until_at: datetime

    def view(self) -> View:
        """Return what the log covers and tells."""
        return change_log_views.log_card(self.log)

    def locate(self, *, kinds: str = "", keys: str = "", where: str = "") -> View:
        """Return when what looks like this began and ended, in how many items, and how sure that is.

        Where all are blank, it is what was described last in this incident.

        Args:
            kinds: `removed`, `modified`, `inserted`, with commas between; blank for all.
            keys: JSON list of keys; blank for all.
            where: JMESPath over `kind`, `key`, `before`, `after`, `changed`, `by` and `at` of each change.
        """
        return change_log_views.located_card(read_log.located(self.session, self.log, self._damage(kinds, keys, where)))

    def history(self, key: str, times: str = "", *, bucket: str = "", prefix: str = "") -> View:
        """Return what happened to one item, or what it looked like at chosen times; a note where *key* is blank.

        Args:
            key: The item's key, as plain JSON or DynamoDB JSON.
            times: Moments, with commas between; blank for each change that the log knows.
            bucket: S3 bucket for filtered exports of moments that nothing else tells; none when blank.
            prefix: Prefix in that bucket.
        """
        key = masked_inputs.read(self.session.incident, key)
        if not key.strip():
            return cards.note("No item was asked for: give `key` to see what happened to one.", "muted")
        moments = [time.strip() for time in times.split(",") if time.strip()]
        if moments:
            return item_at(self.session, key, *moments, log=self.log, bucket=bucket, prefix=prefix)
        item_key = one_key(key, self.log.key_schema)
        return change_log_views.history_view(item_key, self.log.history(item_key), self.log)

    def damage(self, *, kinds: str = "", keys: str = "", where: str = "") -> LogDamage:
        """Return the change set whose revert takes back what looks like this, and leave it in the incident.

        Raises:
            BadInput: A part of the description cannot be read.
        """
        session, damage_scope, narrowed = self.session, self._damage(kinds, keys, where), _narrowed(self.session)
        number = 1 + len(list(session.incident.path("changes").glob("[0-9][0-9][0-9]")))
        folder = f"changes/{number:03}"
        changes = self.log.changes(
            session.path(folder), damage=damage_scope, since_at=self.since_at, until_at=self.until_at
        )
        counts = changes.counts.to_dict()
        scope = masked_inputs.recorded(session.incident, damage_scope)
        session.done(
            "diff", "damage_told", diff=counts, changes=folder, scope=scope, scoped=counts, scoped_changes=folder,
            scoped_at=iso(now()),
        )  # fmt: skip
        log_damage = LogDamage(session, self.log, changes, damage_scope, self.since_at, self.until_at)
        if narrowed and masked_inputs.recorded_scope(session.incident, narrowed["damage"]) != damage_scope:
            session.keep("damage_not_narrowed", narrowed=None)
        elif narrowed:
            log_damage.narrow(
                masked_inputs.recorded_scope(session.incident, narrowed["scope"]), narrowed["scope"]["words"]
            )
        return log_damage

    def _damage(self, kinds: str, keys: str, where: str) -> Scope:
        """Return what damage looks like; said of nothing, it looks as it did when it was described last."""
        keys, where = (masked_inputs.read(self.session.incident, text) for text in (keys, where))
        scope = Scope.parse(kinds, keys, where, self.log.key_schema, steps=True)
        earlier_scope = _narrowed(self.session).get("damage") or self.session.data.get("scope")
        return (
            masked_inputs.recorded_scope(self.session.incident, earlier_scope)
            if scope == EVERYTHING and earlier_scope
            else scope
        )


@dataclass(frozen=True)
class LogDamage(Shows):
    """The changes whose revert takes back the damage."""

    session: Session
    log: ChangeLog
    changes: ChangeSet
    wanted: Scope
    since_at: datetime
    until_at: datetime

    def view(self) -> View:
        """Return how many items the damage removed, modified and inserted, and what counts as damage."""
        narrowed = _narrowed(self.session)
        scope_text = narrowed["scope"]["words"] if narrowed else ""
        return change_log_views.damage_card(
            self.changes, self.wanted, self.since_at, self.until_at, narrowed=scope_text
        )

    def samples(self, n: int = 3) -> View:
        """Return *n* changes of each kind: without the damage, and as the log knows the item last."""
        return diff_views.samples_view(self.changes, n)

    def reviews(self) -> View:
        """Return the damaged items that others wrote as well, with their histories."""
        return change_log_views.reviews_view(self.log, self.changes)

    def explore(self, limit: int = 1000) -> pd.DataFrame:
        """Return a frame of the first *limit* changes, plain values, for looking at only."""
        return diff.explore(self.changes, limit)

    def explorer(self) -> Explorer:
        """Return a widget to look through the damage, and to take back only what is looked at."""
        return Explorer(self.changes, on_use=self._use)

    def narrow(self, scope: Scope, scope_text: str = "") -> ChangeSet:
        """Take back only what of the damage is in *scope* as well, and leave that in the incident.

        Args:
            scope: The scope.
            scope_text: The scope in words; its own description where blank.
        """
        scoped = diff.narrow(diff.IncidentChanges(self.session, self.changes), scope, scope_text).changes
        whole = scope == EVERYTHING
        record = (
            None
            if whole
            else {
                "damage": masked_inputs.recorded(self.session.incident, self.wanted),
                "scope": self.session.data["scope"],
            }
        )
        self.session.keep("damage_narrowed", narrowed=record)
        return scoped

    def _use(self, scope: Scope, scope_text: str) -> str:
        # What counts as damage at all stays part of what is said.
        scope_texts = [part for part in (masking.current().words(self.wanted), scope_text) if part != "everything"] or [
            "everything"
        ]
        count = self.narrow(scope, "; of these, ".join(scope_texts)).counts.changes
        return f"{count_text(count, 'change')} of {len(self.changes):,} will be reverted. Run on from the next cell."


def _narrowed(session: Session) -> dict[str, Any]:
    """Return what the damage was narrowed down to, and what damage that was; nothing if it was not."""
    narrowed: dict[str, Any] = session.data.get("narrowed") or {}
    return narrowed


def estimate(
    session: Session, *, source: str = "", since: str = "", until: str = "", width_minutes: float = 0.0
) -> View:
    """Return the routes for this table side by side, what each costs, and which one is taken. Nothing is started.

    Args and errors are those of `read`.
    """
    table = session.table()
    request = read_log.asked(session, source=source, since=since, until=until, width_minutes=width_minutes)
    windows: list[Window] = []
    notes = []
    if request.source == "export":
        windows = read_log.windows(session, request)
        first, last = min(begin for begin, _ in windows), max(end for _, end in windows)
        notes.append(
            f"It has the service make {count_text(len(windows), 'export')}, of {moment(first)} to {moment(last)}."
        )
    priced_routes = routes(table.size_bytes, windows=[end - begin for begin, end in windows], prices=costs.prices())
    route_name = "incremental exports" if windows else "stream"
    taken = next(route for route in priced_routes if route.name == route_name)
    progress.terminal_line(f"{taken.name}: {taken.time}; costs {taken.cost}")
    return change_log_views.routes_card(
        priced_routes, table=table.name, chosen=route_name, size_text=size(table.size_bytes), notes=notes
    )


def read(
    session: Session,
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
        session: The incident's session.
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
    if plans.approved(session, "", approve) is not None and session.data.get("log"):
        return _opened(session)
    request = read_log.asked(session, source=source, since=since, until=until, width_minutes=width_minutes)
    since_at, until_at = request.since_at, request.until_at
    session.keep("window_chosen", route=request.source, window={"since": iso(since_at), "until": iso(until_at)})
    if (kept_log := _kept(session, request)) is not None:
        return kept_log
    at = now()
    folder, change_log = read_log.read(session, request, bucket=bucket, prefix=prefix)
    about = {"folder": folder, "width_minutes": _minutes(request), "read_at": iso(at), **change_log.to_dict()}
    session.done("log", "log_read", log=about, **dict.fromkeys(OF_A_COMPARISON))
    return Log(session, change_log, max(since_at, change_log.since_at), min(until_at, change_log.until_at))


def _opened(session: Session) -> Log:
    record, window = session.data["log"], session.data["window"]
    return Log(
        session,
        ChangeLog.open(session.path(record["folder"])),
        datetime.fromisoformat(window["since"]),
        datetime.fromisoformat(window["until"]),
    )


def _kept(session: Session, request: LogRequest) -> Log | None:
    """Return the log that the incident holds already, if it tells this window as well as another reading would."""
    record = session.data.get("log") or {}
    since_at, until_at = request.since_at, request.until_at
    if not record or record["source"] != {"stream": STREAM, "export": EXPORTS}[request.source]:
        return None
    log = ChangeLog.open(session.path(record["folder"]))
    if request.source == "stream":
        fresh = now() - datetime.fromisoformat(record["read_at"]) < READ_AGAIN_AFTER
        same = fresh and log.since_at <= since_at and until_at <= log.until_at
    else:
        same = (log.since_at, log.until_at) == (since_at, until_at) and record["width_minutes"] == _minutes(request)
    return Log(session, log, since_at, until_at) if same else None


def _minutes(request: LogRequest) -> float:
    return request.width.total_seconds() / 60 if request.width else 0.0
