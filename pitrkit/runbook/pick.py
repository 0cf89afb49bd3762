"""02: pick the second to go back to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pitrkit.dynamodb import activity, pitr
from pitrkit.dynamodb.activity import Minute
from pitrkit.dynamodb.pitr import Protection, iso
from pitrkit.errors import AwsError, BadInput, InputNeeded
from pitrkit.runbook import views
from pitrkit.runbook.book import Book
from pitrkit.runbook.incident import now
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


def pick(book: Book, at: str) -> View:
    """Settle the second to go back to and leave it in the incident.

    Args:
        book: The incident's book.
        at: ISO 8601 with Z or an offset, `latest`, or a duration ago such as `90m`.

    Raises:
        InputNeeded: *at* is blank.
        BadInput: Not a time, outside the window, or the incident has restored another second already.
    """
    data = book.data
    if data.get("restored_by") == "given":
        return NothingToPick(book).view()
    if not at:
        raise InputNeeded("at", fix="Choose a time above, or give `at`: ISO 8601 with Z, 'latest', or '90m' for ago.")
    table = book.known("table", step="01_select_table")
    protection = pitr.protection(book.aws, table)
    second = pitr.parse_time(at, now=now(), window=protection.window)
    if data.get("restored_table") and data.get("restore_at") not in ("", iso(second)):
        raise BadInput(
            f"this incident has restored {data['restore_at']} already",
            table=table,
            fix=f"Go on with that copy, or begin another incident for {iso(second)} with 01_select_table.",
        )
    pitr.check_restorable(book.aws, table, second)
    book.done("pick", "timestamp_picked", restore_at=iso(second))
    return views.picked_time(second, protection)
