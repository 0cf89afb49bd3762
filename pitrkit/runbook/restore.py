"""03: restore the chosen second into a new table and wait for it; in a three-way recovery, the damage's end as well."""

from __future__ import annotations

from typing import Any

from pitrkit.dynamodb import pitr
from pitrkit.dynamodb.pitr import Restoration, iso
from pitrkit.dynamodb.tables import Table
from pitrkit.runbook import views
from pitrkit.runbook.book import OF_A_COMPARISON, Book
from pitrkit.runbook.incident import now
from pitrkit.runbook.progress import Progress
from pitrkit.runbook.sides import THEN, Side, sides
from pitrkit.runbook.views import View

POLL_SECONDS = 5.0
SANDBOX_POLL_SECONDS = 0.5


def start(book: Book, *, target: str = "", indexes: bool = False) -> View:
    """Start the restore, or adopt the matching copy that is there; of both sides where there are two.

    Args:
        book: The incident's book.
        target: Name of the new table as of T, made up from the table and the second when blank.
        indexes: Whether to restore the secondary indexes too. A comparison needs none, and without them the restore
            is faster and cheaper.

    Raises:
        BadInput: The time left the window, or the name is taken by something else.
    """
    book.known(THEN.at if book.data.get(THEN.by) != "given" else THEN.table, step="02_pick_timestamp")
    found = [_start(book, side, target if side is THEN else "", indexes) for side in sides(book.data)]
    started = [(one, None) for one in found if isinstance(one, Restoration)]
    if not started:
        verb = "was" if len(found) == 1 else "were"
        return views.note(f"Nothing to restore: {' and '.join(str(one) for one in found)} {verb} given.")
    return views.restoration_card(*started)


def _start(book: Book, side: Side, target: str, indexes: bool) -> Restoration | str:
    """Start the restore of one side and return it; the copy's name where the operator gave one."""
    data = book.data
    if data.get(side.by) == "given":
        return str(data[side.table])
    at = pitr.parse_time(book.known(side.at, step="02_pick_timestamp"), now=now())
    source = book.table()
    name = target or data.get(side.table) or pitr.copy_name(source.name, at)
    # Recorded before it is asked for: if this process dies now, the next run adopts the copy it finds.
    book.note("restore_requested", source=source.name, target=name, restore_at=iso(at), indexes=indexes)
    restoration = pitr.restore(book.aws, source, name, at, indexes=indexes)
    same = data.get(side.table) == name
    ours = not restoration.adopted or (same and data.get(side.by) == "incident")
    results: dict[str, Any] = {
        side.table: name,
        side.by: "incident" if ours else "adopted",
        side.started_at: iso(restoration.started_at),
        **({} if same else dict.fromkeys((*OF_A_COMPARISON, side.table_id))),
    }
    book.keep("restore_adopted" if restoration.adopted else "restore_started", **results)
    return restoration


def wait(book: Book) -> View:
    """Wait until what was restored can be read. Safe to interrupt: running it again goes on waiting."""
    return views.restoration_card(*[_wait(book, side) for side in sides(book.data)])


def _wait(book: Book, side: Side) -> tuple[Restoration, Table]:
    data = book.data
    name = book.known(side.table, step="03_restore")
    label = "Looking at" if data.get(side.by) == "given" else "Restoring"
    with Progress(f"{label} {name}", unit="seconds") as progress:
        copy = await_active(book, name, progress)
    book.done("restore", "restore_finished", **{side.table: name, side.table_id: copy.id})
    at = copy.restored.restore_at if copy.restored else copy.created_at
    adopted = data.get(side.by) != "incident"
    return Restoration(data["table"], name, at, adopted=adopted, started_at=copy.created_at), copy


def await_active(book: Book, name: str, progress: Progress) -> Table:
    """Return the table *name* once it is ACTIVE, showing its status as it goes."""
    poll = SANDBOX_POLL_SECONDS if book.aws.endpoint_url else POLL_SECONDS
    return pitr.wait(
        book.aws,
        name,
        poll_seconds=poll,
        on_progress=lambda status, seconds: progress(int(seconds), None, status),
    )
