"""03: restore the chosen second into a new table and wait for it."""

from __future__ import annotations

from pitrkit.dynamodb import pitr
from pitrkit.dynamodb.pitr import Restoration, iso
from pitrkit.dynamodb.tables import Table
from pitrkit.runbook import views
from pitrkit.runbook.book import OF_A_COMPARISON, Book
from pitrkit.runbook.incident import now
from pitrkit.runbook.progress import Progress
from pitrkit.runbook.views import View

POLL_SECONDS = 5.0
SANDBOX_POLL_SECONDS = 0.5


def start(book: Book, *, target: str = "", indexes: bool = False) -> View:
    """Start the restore, or adopt the matching copy that is there.

    Args:
        book: The incident's book.
        target: Name of the new table, made up from the table and the second when blank.
        indexes: Whether to restore the secondary indexes too. A comparison needs none, and without them the restore
            is faster and cheaper.

    Raises:
        BadInput: The time left the window, or the name is taken by something else.
    """
    data = book.data
    if data.get("restored_by") == "given":
        return views.note(f"Nothing to restore: {data['restored_table']} was given.")
    at = pitr.parse_time(book.known("restore_at", step="02_pick_timestamp"), now=now())
    source = book.table()
    name = target or data.get("restored_table") or pitr.copy_name(source.name, at)
    # Recorded before it is asked for: if this process dies now, the next run adopts the copy it finds.
    book.note("restore_requested", source=source.name, target=name, restore_at=iso(at), indexes=indexes)
    restoration = pitr.restore(book.aws, source, name, at, indexes=indexes)
    same = data.get("restored_table") == name
    ours = not restoration.adopted or (same and data.get("restored_by") == "incident")
    book.keep(
        "restore_adopted" if restoration.adopted else "restore_started",
        restored_table=name,
        restored_by="incident" if ours else "adopted",
        restore_started_at=iso(restoration.started_at),
        **({} if same else dict.fromkeys((*OF_A_COMPARISON, "restored_table_id"))),
    )
    return views.restoration_card(restoration)


def wait(book: Book) -> View:
    """Wait until the restored copy can be read. Safe to interrupt: running it again goes on waiting."""
    data = book.data
    name = book.known("restored_table", step="03_restore")
    label = "Looking at" if data.get("restored_by") == "given" else "Restoring"
    with Progress(f"{label} {name}", unit="seconds") as progress:
        copy = await_active(book, name, progress)
    book.done("restore", "restore_finished", restored_table=name, restored_table_id=copy.id)
    at = copy.restored.restore_at if copy.restored else copy.created_at
    known = Restoration(
        data["table"], name, at, adopted=data.get("restored_by") != "incident", started_at=copy.created_at
    )
    return views.restoration_card(known, copy)


def await_active(book: Book, name: str, progress: Progress) -> Table:
    """Return the table *name* once it is ACTIVE, showing its status as it goes."""
    poll = SANDBOX_POLL_SECONDS if book.aws.endpoint_url else POLL_SECONDS
    return pitr.wait(
        book.aws,
        name,
        poll_seconds=poll,
        on_progress=lambda status, seconds: progress(int(seconds), None, status),
    )
