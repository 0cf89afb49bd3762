"""02: pick the second to go back to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pitrkit.dynamodb import activity, pitr
from pitrkit.dynamodb.activity import Minute
from pitrkit.dynamodb.pitr import Protection, iso
from pitrkit.errors import AwsError, BadInput, InputNeeded
from pitrkit.runbook import views
from pitrkit.runbook.book import OF_A_COMPARISON, Book
from pitrkit.runbook.incident import now
from pitrkit.runbook.sides import THEN, UNTIL
from pitrkit.runbook.view import Shows
from pitrkit.runbook.views import View
from pitrkit.runbook.widgets import TimePicker

ACTIVITY_SHOWN = timedelta(hours=12)


@dataclass(frozen=True)
class Window(Shows):
    """The restorable window of the incident's table and, within it, what is known of its writes."""

    book: Book
    protection: Protection
    minutes: tuple[Minute, ...]
    unknown: str

    def picker(self, at: str = "") -> TimePicker | NothingToPick:
        """Return a widget whose time cannot leave the window; nothing to pick where a copy was given.

        Raises:
            BadInput: PITR is off.
        """
        if self.book.data.get("restored_by") == "given":
            return NothingToPick(self.book)
        if self.protection.window is None:
            pitr.check_restorable(self.book.aws, self.protection.table, now())
        assert self.protection.window is not None
        return TimePicker(self.protection.window, value=at)

    def view(self) -> View:
        """Return the window and the writes of its last hours as a picture."""
        return views.window_view(self.protection, self.minutes, self.unknown, at=self.book.data.get("restore_at", ""))


@dataclass(frozen=True)
class NothingToPick(Shows):
    """Stands in for the widget where an existing copy says which second it is."""

    book: Book
    value: str = ""

    def view(self) -> View:
        """Return why there is nothing to pick."""
        data = self.book.data
        shows = f"; it shows {data['restore_at']}" if data.get("restore_at") else ""
        return views.note(f"Nothing to pick: {data['restored_table']} was given as the copy to compare with{shows}.")


def window(book: Book) -> Window:
    """Return the restorable window of the incident's table and its write activity, as far as it is known."""
    table = book.known("table", step="01_select_table")
    found = pitr.protection(book.aws, table)
    end_at = now()
    minutes: list[Minute] = []
    unknown = ""
    try:
        minutes = activity.writes_per_minute(book.aws, table, end_at - ACTIVITY_SHOWN, end_at)
        if not minutes:
            hours = ACTIVITY_SHOWN // timedelta(hours=1)
            unknown = f"CloudWatch has no write calls of this table in the last {hours} hours."
    except AwsError as error:
        unknown = f"CloudWatch could not be asked ({error.code}); the window below is all that is known."
    return Window(book, found, tuple(minutes), unknown)


def pick(book: Book, at: str, *, damage_until: str = "") -> View:
    """Settle the second to go back to and leave it in the incident.

    Args:
        book: The incident's book.
        at: ISO 8601 with Z or an offset, `latest`, or a duration ago such as `90m`.
        damage_until: A second by which the damage was done, written the same way, for the three-way route: what
            differs between the two is looked at, instead of what differs from now. Blank: the classic route.

    Raises:
        InputNeeded: *at* is blank.
        BadInput: Not a time, outside the window, not after T, or the incident has restored another second already.
    """
    data = book.data
    if data.get("restored_by") == "given":
        if damage_until and damage_until != data.get(UNTIL.at):
            raise BadInput(
                "the damage's end goes with a restore, but a copy was given to compare with",
                fix="Give a copy of the table right after the damage, too: restored_until in 01_select_table.",
            )
        return NothingToPick(book).view()
    if not at:
        raise InputNeeded("at", fix="Choose a time above, or give `at`: ISO 8601 with Z, 'latest', or '90m' for ago.")
    table = book.known("table", step="01_select_table")
    protection = pitr.protection(book.aws, table)
    second = pitr.parse_time(at, now=now(), window=protection.window)
    until = pitr.parse_time(damage_until, now=now(), window=protection.window) if damage_until else None
    if until is not None and until <= second:
        raise BadInput(
            f"the damage cannot have ended at {iso(until)}, before or at T, which is {iso(second)}",
            table=table,
            fix="Give a damage_until later than the time to go back to.",
        )
    for side, wanted in ((THEN, iso(second)), (UNTIL, iso(until) if until else "")):
        if data.get(side.table) and data.get(side.at) not in ("", wanted):
            raise BadInput(
                f"this incident has restored {data[side.at]} already",
                table=table,
                fix=f"Go on with that copy, or begin another incident for {wanted or 'this'} with 01_select_table.",
            )
    for one in filter(None, (second, until)):
        pitr.check_restorable(book.aws, table, one)
    changed = {} if data.get(UNTIL.at) in (None, iso(until) if until else None) else dict.fromkeys(OF_A_COMPARISON)
    picked = {THEN.at: iso(second), UNTIL.at: iso(until) if until else None}
    book.done("pick", "timestamp_picked", **picked, **changed)
    return views.picked_time(second, protection, until=until)
