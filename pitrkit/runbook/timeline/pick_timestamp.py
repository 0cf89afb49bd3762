"""02: choose the recovery point."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pitrkit import times
from pitrkit.aws.backups import pitr
from pitrkit.aws.backups.pitr import ContinuousBackups
from pitrkit.aws.client.client import Aws
from pitrkit.errors import BadInput, InputNeeded, RecordAltered
from pitrkit.incident.state import AFTER_DAMAGE, BEFORE_DAMAGE
from pitrkit.recovery.changes.scope import Scope
from pitrkit.runbook.change_log import read_log
from pitrkit.runbook.change_log import views as change_log_views
from pitrkit.runbook.session.session import OF_A_COMPARISON, Session
from pitrkit.runbook.timeline import table_history
from pitrkit.runbook.timeline import views as timeline_views
from pitrkit.runbook.timeline.table_history import TableHistory
from pitrkit.runbook.timeline.timeline_picker import TimelinePicker
from pitrkit.times import iso, now
from pitrkit.ui import cards
from pitrkit.ui.text import visible
from pitrkit.ui.view import Shows, View

HOURS = 12.0
MOST_HOURS = 35 * 24.0
BEFORE_T = timedelta(hours=1)
"""How far before a given recovery point the picture begins at the latest."""


@dataclass(frozen=True)
class PickWindow(Shows):
    """The restorable window of the incident's table and, within it, what is known of its life."""

    session: Session
    protection: ContinuousBackups
    life: TableHistory

    def picker(self, at: str = "") -> TimelinePicker | NothingToPick:
        """Return a widget whose time cannot leave the window; nothing to pick where a copy was given.

        Raises:
            BadInput: PITR is off.
        """
        if self.session.data.get("restored_by") == "given":
            return NothingToPick(self.session)
        if self.protection.window is None:
            pitr.check_restorable(_source(self.session)[0], self.protection.table, now())
        assert self.protection.window is not None
        return TimelinePicker(self.life, self.protection.window, value=at or self.session.data.get("restore_at") or "")

    def view(self) -> View:
        """Return the window, the life of the table as a picture, and the candidates."""
        return timeline_views.window_view(self.protection, self.life, at=self.session.data.get("restore_at", ""))


@dataclass(frozen=True)
class NothingToPick(Shows):
    """Stands in for the widget where an existing copy says which second it is."""

    session: Session
    value: str = ""

    def view(self) -> View:
        """Return why there is nothing to pick."""
        data = self.session.data
        shows = f", as of {data['restore_at']}" if data.get("restore_at") else ""
        return cards.note(f"Nothing to choose: the given copy {data['restored_table']}{shows} is compared.")


def window(session: Session, *, hours: float = HOURS, at: str = "") -> PickWindow:
    """Return the restorable window of the incident's table and its life of late, as far as the account tells it.

    What was read is kept with the incident.

    Args:
        session: The incident's session.
        hours: How far back to look.
        at: A second that is asked for; the picture reaches back to an hour before it at least.

    Raises:
        BadInput: *hours* is not a number of hours that PITR may reach back.
    """
    if not 0 < hours <= MOST_HOURS:
        raise BadInput(f"hours={hours:g} is out of range", fix=f"Set hours to a number up to {MOST_HOURS:g}.")
    table = session.required("table", step="01_select_table")
    source_aws, source = _source(session)
    protection = pitr.protection(source_aws, source)
    end_at = now()
    start_at = end_at - timedelta(hours=hours)
    if asked_at := _asked(at or str(session.data.get("restore_at") or ""), protection):
        start_at = max(min(start_at, asked_at - BEFORE_T), end_at - timedelta(hours=MOST_HOURS))
    gathered = table_history.gather(session.aws, table, protection.window, start_at, end_at)
    table_history.save(gathered, session.incident)
    session.note(
        "timeline_read",
        start_at=iso(gathered.start_at),
        end_at=iso(gathered.end_at),
        events=len(gathered.events),
        candidates=[iso(candidate.at) for candidate in gathered.candidates],
        gaps=[gap.what for gap in gathered.gaps],
    )
    return PickWindow(session, protection, gathered)


@dataclass(frozen=True)
class LocatedDamage(Shows):
    """When the damage happened, by a log of what happened; a note where that was not asked for."""

    shown: View
    value: str = ""
    """The last second that is surely before the damage, as text; blank if it was not looked for."""

    def view(self) -> View:
        """Return when it began and ended, and how sure that is."""
        return self.shown


def locate(
    session: Session,
    *,
    source: str = "",
    since: str = "",
    hours: float = HOURS,
    bucket: str = "",
    width_minutes: float = 15.0,
    kinds: str = "",
    where: str = "",
) -> LocatedDamage:
    """Look for the damage itself: in which second it began and ended, by what it looks like.

    Args:
        session: The incident's session.
        source: `stream` or `export`; blank does not look.
        since: From when on; blank for *hours* ago.
        hours: How far back to look where *since* is blank; a stream goes back 24 hours at most.
        bucket: S3 bucket for exports.
        width_minutes: About how long each export's window is to be.
        kinds: `removed`, `modified`, `inserted`, with commas between; blank for all.
        where: JMESPath over `kind`, `key`, `before`, `after`, `changed`, `by` and `at` of each change.

    Raises:
        InputNeeded: No bucket was given, and none was exported to before.
        BadInput: The source cannot tell, or nothing looks like that.
    """
    if not source:
        return LocatedDamage(
            cards.note("No search: set `source` and describe the damage (`kinds`, `where`) to search for it.", "muted")
        )
    reach = pitr.protection(session.aws, session.required("table", step="01_select_table")).window
    earliest_at = now() - timedelta(hours=hours)
    begin = since or iso(max(earliest_at, reach.earliest_at) if reach else earliest_at)
    request = read_log.asked(session, source=source, since=begin, until="", width_minutes=width_minutes)
    damage = Scope.parse(kinds, "", where, session.table().key_schema, steps=True)
    _, log = read_log.read(session, request, bucket=bucket)
    located = read_log.located(session, log, damage)
    return LocatedDamage(change_log_views.located_card(located), iso(located.restore_at))


def pick(session: Session, at: str, *, damage_until: str = "") -> View:
    """Settle the recovery point and leave it in the incident.

    Args:
        session: The incident's session.
        at: ISO 8601 with Z or an offset, `latest`, or a duration ago such as `90m`.
        damage_until: A second by which the damage was done, written the same way, for the three-way route: what
            differs between the two is looked at, instead of what differs from now. Blank keeps what was picked with
            the same second before, else takes the classic route; `none` goes back to that.

    Raises:
        InputNeeded: *at* is blank; it names the candidates.
        BadInput: Not a time, outside the window, not after the recovery point, or the incident has restored another
            second already.
    """
    data = session.data
    if data.get("restored_by") == "given":
        if damage_until and damage_until != data.get(AFTER_DAMAGE.at):
            raise BadInput(
                "damage_until needs a restore, but a copy was given to compare with",
                fix="Also give a copy from right after the damage: restored_until in 01_select_table.",
            )
        return NothingToPick(session).view()
    history = _known(session)
    if not at:
        raise InputNeeded(
            "at",
            fix=f"{_candidates(history)}Set `at` (recover: --at), or choose a time above: {_FORMS}",
        )
    table = session.required("table", step="01_select_table")
    source_aws, source = _source(session)
    protection = pitr.protection(source_aws, source)
    second = times.parse_time(at, now=now(), window=protection.window)
    if not damage_until and data.get(BEFORE_DAMAGE.at) == iso(second):
        damage_until = str(data.get(AFTER_DAMAGE.at) or "")
    until_text = "" if damage_until.strip().lower() == "none" else damage_until
    until = times.parse_time(until_text, now=now(), window=protection.window) if until_text else None
    if until is not None and until <= second:
        raise BadInput(
            f"damage_until {iso(until)} is not after the recovery point {iso(second)}",
            table=table,
            fix="Set damage_until to a time after the recovery point.",
        )
    for side, requested in ((BEFORE_DAMAGE, iso(second)), (AFTER_DAMAGE, iso(until) if until else "")):
        if (data.get(side.table) or data.get(side.export)) and data.get(side.at) not in ("", requested):
            raise BadInput(
                f"this incident already has a copy as of {data[side.at]}",
                table=table,
                fix=f"Continue with that copy, or open a new incident for {requested or 'this'} with 01_select_table.",
            )
    for point_at in filter(None, (second, until)):
        pitr.check_restorable(source_aws, source, point_at)
    changed = (
        {} if data.get(AFTER_DAMAGE.at) in (None, iso(until) if until else None) else dict.fromkeys(OF_A_COMPARISON)
    )
    picked = {BEFORE_DAMAGE.at: iso(second), AFTER_DAMAGE.at: iso(until) if until else None}
    session.done("pick", "timestamp_picked", **picked, **changed)
    return timeline_views.picked_time(second, protection, history, until=until)


def _source(session: Session) -> tuple[Aws, str]:
    """Return the name of the table whose past is restored, and the account in its Region."""
    if not session.data.get("source_arn"):
        return session.aws, str(session.required("table", step="01_select_table"))
    source_aws, source = session.source()
    return source_aws, source.name


_FORMS = "ISO 8601 with Z, 'latest', or '90m' for ago."


def _asked(at: str, protection: ContinuousBackups) -> datetime | None:
    """Return the second that is asked for; what is no time is refused where it is used, not here."""
    try:
        return times.parse_time(at, now=now(), window=protection.window) if at else None
    except BadInput:
        return None


def _known(session: Session) -> TableHistory | None:
    try:
        return table_history.load(session.incident)
    except RecordAltered:
        return None  # only what is shown beside the recovery point is missing then; the report says so


def _candidates(history: TableHistory | None) -> str:
    if history is None or not history.candidates:
        return ""
    listed = "; ".join(f"{iso(candidate.at)} ({visible(candidate.title)})" for candidate in history.candidates)
    return f"Candidates, most likely first: {listed}. "
