"""01: select the table that was damaged, and see what hangs on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Thread
from typing import Any, TypeVar

from pitrkit.dynamodb import activity, arns, pitr, tables
from pitrkit.dynamodb.pitr import Protection, iso
from pitrkit.dynamodb.session import Aws
from pitrkit.dynamodb.tables import Table
from pitrkit.errors import AccessDenied, AwsError, BadInput, InputNeeded, PitrkitError, TableNotFound
from pitrkit.runbook import views
from pitrkit.runbook.book import OF_A_COMPARISON, Book
from pitrkit.runbook.incident import STATE, Incident, checked_id, now, root_folder
from pitrkit.runbook.sides import THEN, UNTIL
from pitrkit.runbook.views import View
from pitrkit.runbook.widgets import TablePicker

T = TypeVar("T")

COPY = re.compile(r".+-pitr-\d{8}T\d{6}Z")
"""What `pitr.copy_name` calls a copy."""

PATIENCE_SECONDS = 3.0
AT_ONCE_SHOWN = 25

CALLS_AT_ONCE = 8
"""DescribeContinuousBackups is limited to 10 calls a second; botocore's standard retries cover a burst."""


@dataclass(frozen=True, slots=True)
class Overview:
    """A table and its protection; each is None where the caller may not see it, or where it is gone meanwhile.

    Attributes:
        last_write_at: Beginning of the last hour in which it was written to; None if that was not of late.
        writes_known: Whether CloudWatch was asked and may be read.
        known: False while it is still being read.
    """

    name: str
    table: Table | None
    protection: Protection | None
    last_write_at: datetime | None = None
    writes_known: bool = False
    known: bool = True

    @property
    def is_copy(self) -> bool:
        """Whether it is a copy that the kit had restored, by its name and its origin: it needs no protection."""
        return self.table is not None and self.table.restored is not None and bool(COPY.fullmatch(self.name))

    @property
    def unprotected(self) -> bool:
        """Whether its PITR is seen to be off, and ought to be on."""
        return self.protection is not None and not self.protection.enabled and not self.is_copy


def overview(aws: Aws, *, on_some: Callable[[list[Overview]], object] | None = None) -> list[Overview]:
    """Return every table of this account and region with its protection, by name.

    Args:
        aws: Where.
        on_some: Called with all of them, as far as they are known, whenever some more are: at first with their names.
    """
    return _read(aws, tables.names(aws), on_some or (lambda _: None))


def _read(aws: Aws, names: list[str], on_some: Callable[[list[Overview]], object]) -> list[Overview]:
    found = {name: Overview(name, None, None, known=False) for name in names}
    on_some(list(found.values()))
    with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        writes = pool.submit(_permitted_writes, aws, names)
        for number, one in enumerate(pool.map(lambda name: _one(aws, name), names), 1):
            found[one.name] = one
            if number % AT_ONCE_SHOWN == 0:
                on_some(list(found.values()))
        written = writes.result()
    if written is not None:
        found = {name: replace(one, last_write_at=written.get(name), writes_known=True) for name, one in found.items()}
    on_some(list(found.values()))
    return list(found.values())


def _permitted_writes(aws: Aws, names: list[str]) -> dict[str, datetime] | None:
    try:
        return activity.last_writes(aws, names, now())
    except AwsError:
        return None  # for orientation only: what an account does not tell is left blank


def _one(aws: Aws, name: str) -> Overview:
    return Overview(name, permitted(lambda: tables.describe(aws, name)), permitted(lambda: pitr.protection(aws, name)))


def permitted(read: Callable[[], T]) -> T | None:
    """Return what *read* returns, None if the caller may not read it or it is gone: an overview shows what it can."""
    try:
        return read()
    except (AccessDenied, TableNotFound):
        return None


def choose(aws: Aws, table: str = "", *, incident: str = "", patience_seconds: float = PATIENCE_SECONDS) -> TablePicker:
    """Return a widget over all tables with their protection and window; over *table* alone where it is given.

    The tables are there at once by name. Where reading them takes longer than *patience_seconds*, the list fills
    itself while one can already search and choose.

    Args:
        aws: Where.
        table: The table, if it is known.
        incident: An incident that goes on: its table is chosen already.
        patience_seconds: How long to wait for all of them, so that a saved copy of the notebook is whole.
    """
    known = table or _table_of(incident)
    if known:
        return TablePicker(_read(aws, [known], lambda _: None), value=known, at=now())
    picker = TablePicker([Overview(name, None, None, known=False) for name in tables.names(aws)], at=now())
    reading = Thread(target=_fill, args=(aws, picker), daemon=True, name="pitrkit-tables")
    reading.start()
    reading.join(patience_seconds)
    return picker


def _table_of(incident: str) -> str:
    """Return the table of an incident that exists, else blank."""
    if not incident or not (root_folder() / checked_id(incident) / STATE).is_file():
        return ""
    return str(Incident.open(incident).data.get("table") or "")


def _fill(aws: Aws, picker: TablePicker) -> None:
    try:
        _read(aws, picker.names, picker.fill)
    except PitrkitError as error:
        picker.failed(error)


def select(
    aws: Aws, table: str, *, incident: str = "", restored: str = "", restored_until: str = "", source_arn: str = ""
) -> Book:
    """Open the incident of *table*.

    Args:
        aws: Where.
        table: The damaged table.
        incident: Name of the incident; a new one is made up when blank.
        restored: An existing copy of the table's past to compare with, instead of a restore.
        restored_until: An existing copy of the table right after the damage, for the three-way route: then the two
            copies are compared, instead of the first one with the table as it is now. Each is a name, or the ARN of a
            table of the same account, in another Region as well.
        source_arn: ARN of another table of this account, whose past is to be restored instead of *table*'s own: such as
            its replica in a Region where point-in-time recovery is on.

    Raises:
        InputNeeded: *table* is blank.
        TableNotFound: There is no such table.
        BadInput: *restored*, *restored_until* or *source_arn* is not a table with the same key, the second comes
            without the first, or the incident is another table's.
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
    places = {side: _placed(aws, name) for side, name in copies}
    copied_at = {side: check_copy(tables.describe(*place), found) for side, place in places.items()}
    if len(copied_at) > 1 and all(copied_at.values()) and copied_at[THEN] >= copied_at[UNTIL]:
        raise BadInput(
            f"{restored} shows {copied_at[THEN]}, which is not before {restored_until}'s {copied_at[UNTIL]}",
            table=table,
            fix="Give the earlier one as `restored` and the later one as `restored_until`.",
        )
    source = _source(aws, source_arn, found, restored)
    book = Book.begin(incident, table=table, aws=aws)
    given: dict[str, Any] = {}
    for side, (there, name) in places.items():
        region = None if there is aws else there.region
        given |= {side.table: name, side.at: copied_at[side], side.by: "given", side.region: region}
        if (book.data.get(side.table), book.data.get(side.region)) != (name, region):
            given |= dict.fromkeys(OF_A_COMPARISON)
    if source and source != book.data.get("source_arn"):
        if book.data.get(THEN.table):
            raise BadInput(
                "this incident has a copy already", table=table, fix="Begin another incident for another source."
            )
        given["source_arn"] = source
    book.done("select", "table_selected", table=table, table_arn=found.arn, table_id=found.id, **given)
    return book


def _placed(aws: Aws, name: str) -> tuple[Aws, str]:
    """Return the account in the Region of a table that is named, or given by its ARN, and its name."""
    if not arns.is_arn(name):
        return aws, name
    named = arns.ours(arns.table_arn(name), aws.caller().account, what="table")
    return aws.elsewhere(named.region), named.table


def _source(aws: Aws, source_arn: str, original: Table, restored: str) -> str:
    """Return the ARN of the table to restore instead of *original*; blank if it is no other one."""
    if not source_arn:
        return ""
    if restored:
        raise BadInput("a copy was given, so there is nothing to restore", fix="Leave `source_arn` blank.")
    there, name = _placed(aws, arns.table_arn(source_arn).text)
    source = tables.describe(there, name)
    if source.arn == original.arn:
        return ""
    check_copy(source, original)
    return source.arn


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
