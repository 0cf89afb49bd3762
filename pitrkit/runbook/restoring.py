"""How long a restore takes: since when it runs, and what earlier ones of the same table took.

The service tells no percentage and promises no time. The one honest estimate is what it took the last time; without one
nothing is made up.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pitrkit.errors import RecordAltered
from pitrkit.runbook.book import Book
from pitrkit.runbook.incident import Incident, now
from pitrkit.runbook.values import duration

NO_PROMISE = "small tables take minutes, large ones hours; the service promises no time"


POLL_SECONDS = 5.0
SANDBOX_POLL_SECONDS = 0.5


def poll_seconds(book: Book) -> float:
    """Return the pause between two looks at something that takes its time."""
    return SANDBOX_POLL_SECONDS if book.aws.endpoint_url else POLL_SECONDS


def running_for(started_at: object) -> float:
    """Return the seconds since *started_at*, as the incident has it; 0 where it does not say."""
    try:
        since = datetime.fromisoformat(str(started_at)).astimezone(UTC)
    except ValueError:
        return 0.0
    return max(0.0, (now() - since).total_seconds())


def expected_seconds(book: Book) -> float | None:
    """Return how long the last restore of the incident's table took, as far as this folder tells; else None."""
    table, account = book.data.get("table"), book.data.get("account")
    for one in Incident.existing():
        try:
            data = one.data
        except RecordAltered:
            continue
        took = data.get("restore_seconds")
        if took and (data.get("table"), data.get("account")) == (table, account):
            return float(took)
    return None


def words(status: str, seconds: float, expected: float | None) -> str:
    """Return what is to be said of a restore that runs for *seconds*."""
    if expected is None:
        return f"{status}, {NO_PROMISE}"
    last = f"the last one of this table took {duration(expected)}"
    return f"{status}, {last}" if seconds <= expected else f"{status}, longer than expected: {last}"


def takes(book: Book) -> str:
    """Return what is known of how long it takes before it begins."""
    expected = expected_seconds(book)
    return f"the last restore of this table took {duration(expected)}" if expected else NO_PROMISE


def ahead(book: Book) -> str:
    """Return what is known before it begins."""
    took = takes(book)
    goes_on = "It goes on in the service: close this, come back tomorrow, run 03 again; it is found, not repeated."
    return f"{took[0].upper()}{took[1:]}. {goes_on}"
