"""Claims: tables that an incident is about to make, named in its record before they exist.

A process may die between asking for a table and recording it. A name that was seen to be free, and was written down
as ours before the table was asked for, leaves none behind that nobody knows to be ours. Such names are made up for one
incident alone, see `drill_names`.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from pitrkit.aws.tables import tables
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import BadInput
from pitrkit.incident.state import BEFORE_DAMAGE, SCRATCH, CopyFields
from pitrkit.runbook.session.session import Session

UNMADE = "unmade"
"""Whose a table is that was claimed and did not come to be, as far as one could see: it is looked for again."""

_LONGEST = 215
"""Characters of the table's name that are kept, so that the longest of our names is a table's name."""


def drill_names(table: str, at: datetime) -> dict[CopyFields, str]:
    """Return names for the tables that a drill makes: `Orders-drill-20261124T021405Z-9f3a1c`, and with `-scratch`."""
    stem = f"{table[:_LONGEST]}-drill-{at.strftime('%Y%m%dT%H%M%SZ')}-{secrets.token_hex(3)}"
    return {BEFORE_DAMAGE: stem, SCRATCH: f"{stem}-scratch"}


def claim(session: Session, side: CopyFields, name: str) -> None:
    """Record that this incident is about to make the table *name*. Claimed already, it stays so.

    Raises:
        BadInput: There is such a table, and it is not this incident's.
    """
    if session.data.get(side.table) == name and session.data.get(side.by) == "incident":
        return
    if tables.find(session.aws, name) is not None:
        raise BadInput("a table of that name exists already", table=name, fix="Run it again: it uses another name.")
    claimed: dict[str, Any] = {side.table: name, side.by: "incident", side.table_id: None}
    session.keep("table_claimed", **claimed)


def resolve(session: Session) -> None:
    """Recognise tables that were claimed, and made, and not recorded any more because the process had died."""
    data = session.data
    for side in (BEFORE_DAMAGE, SCRATCH) if data.get("drill") else ():
        if data.get(side.by) not in ("incident", UNMADE) or data.get(side.table_id):
            continue
        claimed_table = tables.find(session.aws, data[side.table])
        if claimed_table is not None and _made(claimed_table, side, data["table_arn"]):
            ours: dict[str, Any] = {side.table_id: claimed_table.id, side.by: "incident"}
            session.keep("table_found", **ours)


def _made(table: Table, side: CopyFields, source_arn: str) -> bool:
    if side is SCRATCH:
        return table.restored is None
    return table.restored is not None and table.restored.source_arn == source_arn
