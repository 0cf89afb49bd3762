"""All tables of the account with their protection, and whether one of them may be recovered, or be compared with."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from pitrkit.aws.backups import pitr
from pitrkit.aws.backups.pitr import ContinuousBackups
from pitrkit.aws.client.client import Aws
from pitrkit.aws.services import cloudwatch
from pitrkit.aws.tables import tables
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import AccessDenied, AwsError, BadInput, TableNotFound
from pitrkit.times import iso, now

T = TypeVar("T")

COPY = re.compile(r".+-pitr-\d{8}T\d{6}Z")
"""What `pitr.copy_name` calls a copy."""

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
    protection: ContinuousBackups | None
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
    return _read(aws, tables.table_names(aws), on_some or (lambda _: None))


def _read(aws: Aws, names: list[str], on_some: Callable[[list[Overview]], object]) -> list[Overview]:
    overviews = {name: Overview(name, None, None, known=False) for name in names}
    on_some(list(overviews.values()))
    with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        writes = pool.submit(_permitted_writes, aws, names)
        for number, table_row in enumerate(pool.map(lambda name: _one(aws, name), names), 1):
            overviews[table_row.name] = table_row
            if number % AT_ONCE_SHOWN == 0:
                on_some(list(overviews.values()))
        written = writes.result()
    if written is not None:
        overviews = {
            name: replace(table_row, last_write_at=written.get(name), writes_known=True)
            for name, table_row in overviews.items()
        }
    on_some(list(overviews.values()))
    return list(overviews.values())


def _permitted_writes(aws: Aws, names: list[str]) -> dict[str, datetime] | None:
    try:
        return cloudwatch.last_writes(aws, names, now())
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


def check_copy(copy: Table, original: Table) -> str:
    """Return the time that *copy* shows, blank if it is no restore, if it can be compared with *original*.

    Raises:
        BadInput: It is the same table, not active, or keyed otherwise.
    """
    if copy.arn == original.arn:
        raise BadInput("a table cannot be compared with itself", table=copy.name, fix="Name the restored copy.")
    if copy.key_schema != original.key_schema:
        raise BadInput(
            f"{copy.name} has the key {copy.key_schema}, {original.name} by {original.key_schema}",
            fix="Compare only tables with the same key: same names, types and order.",
        )
    for table in (copy, original):
        if table.status not in {"ACTIVE", "UPDATING"}:
            raise BadInput(f"the table is {table.status}", table=table.name, fix="Wait until it is ACTIVE.")
    return iso(copy.restored.restore_at) if copy.restored else ""
