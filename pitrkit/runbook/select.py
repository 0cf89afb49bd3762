"""01: select the table that was damaged, and see what hangs on it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from pitrkit.dynamodb import pitr, tables
from pitrkit.dynamodb.pitr import Protection, iso
from pitrkit.dynamodb.session import Aws
from pitrkit.dynamodb.tables import Table
from pitrkit.errors import AccessDenied, BadInput, InputNeeded, TableNotFound
from pitrkit.runbook import views
from pitrkit.runbook.book import OF_A_COMPARISON, Book
from pitrkit.runbook.sides import THEN, UNTIL
from pitrkit.runbook.views import View
from pitrkit.runbook.widgets import TablePicker

T = TypeVar("T")

CALLS_AT_ONCE = 8
"""DescribeContinuousBackups is limited to 10 calls a second; botocore's standard retries cover a burst."""


@dataclass(frozen=True, slots=True)
class Overview:
    """A table and its protection; each is None where the caller may not see it, or where it is gone meanwhile."""

    name: str
    table: Table | None
    protection: Protection | None


def overview(aws: Aws) -> list[Overview]:
    """Return every table of this account and region with its protection, by name."""
    with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        return list(pool.map(lambda name: _one(aws, name), tables.names(aws)))


def _one(aws: Aws, name: str) -> Overview:
    return Overview(name, permitted(lambda: tables.describe(aws, name)), permitted(lambda: pitr.protection(aws, name)))


def permitted(read: Callable[[], T]) -> T | None:
    """Return what *read* returns, None if the caller may not read it or it is gone: an overview shows what it can."""
    try:
        return read()
    except (AccessDenied, TableNotFound):
        return None


def choose(aws: Aws, table: str = "") -> TablePicker:
    """Return a widget over all tables with their protection and window; over *table* alone where it is given."""
    return TablePicker([_one(aws, table)] if table else overview(aws), value=table)


def select(aws: Aws, table: str, *, incident: str = "", restored: str = "", restored_until: str = "") -> Book:
    """Open the incident of *table*.

    Args:
        aws: Where.
        table: The damaged table.
        incident: Name of the incident; a new one is made up when blank.
        restored: An existing copy of the table's past to compare with, instead of a restore.
        restored_until: An existing copy of the table right after the damage, for the three-way route: then the two
            copies are compared, instead of the first one with the table as it is now.

    Raises:
        InputNeeded: *table* is blank.
        TableNotFound: There is no such table.
        BadInput: *restored* or *restored_until* is not a table with the same key, the second comes without the first,
            or the incident is another table's.
    """
    if not table:
        raise InputNeeded("table", fix="Choose a table in the list above, or give the parameter `table`.")
    found = tables.describe(aws, table)
    if restored_until and not restored:
        raise BadInput(
            "a copy from after the damage alone cannot say what the table was before",
            table=table,
            fix="Give the earlier copy as the parameter `restored`, too.",
        )
    if restored and restored == restored_until:
        raise BadInput("both copies are the same table", table=restored, fix="Name two copies, of two moments.")
    copies = [(side, name) for side, name in ((THEN, restored), (UNTIL, restored_until)) if name]
    copied_at = {side: check_copy(tables.describe(aws, name), found) for side, name in copies}
    if len(copied_at) > 1 and all(copied_at.values()) and copied_at[THEN] >= copied_at[UNTIL]:
        raise BadInput(
            f"{restored} shows {copied_at[THEN]}, which is not before {restored_until}'s {copied_at[UNTIL]}",
            table=table,
            fix="Give the earlier one as `restored` and the later one as `restored_until`.",
        )
    book = Book.begin(incident, table=table, aws=aws)
    given: dict[str, Any] = {}
    for side, name in copies:
        given |= {side.table: name, side.at: copied_at[side], side.by: "given"}
        if book.data.get(side.table) != name:
            given |= dict.fromkeys(OF_A_COMPARISON)
    book.done("select", "table_selected", table=table, table_arn=found.arn, table_id=found.id, **given)
    return book


def check_copy(copy: Table, original: Table) -> str:
    """Return the time that *copy* shows, blank if it is no restore, if it can be compared with *original*.

    Raises:
        BadInput: It is the same table, not active, or keyed otherwise.
    """
    if copy.arn == original.arn:
        raise BadInput("a table cannot be compared with itself", table=copy.name, fix="Name the restored copy.")
    if copy.key_schema != original.key_schema:
        raise BadInput(
            f"{copy.name} is keyed by {copy.key_schema}, {original.name} by {original.key_schema}",
            fix="Compare only tables with the same key: same names, types and order.",
        )
    for table in (copy, original):
        if table.status not in {"ACTIVE", "UPDATING"}:
            raise BadInput(f"the table is {table.status}", table=table.name, fix="Wait until it is ACTIVE.")
    return iso(copy.restored.restore_at) if copy.restored else ""


def card(book: Book) -> View:
    """Return the selected table: its key, size, window, and what hangs on it."""
    table = book.table()
    return views.table_card(
        table,
        permitted(lambda: pitr.protection(book.aws, table.name)),
        ttl_attribute=permitted(lambda: tables.ttl_attribute(book.aws, table.name)),
        tags=tables.tags(book.aws, table),
    )
