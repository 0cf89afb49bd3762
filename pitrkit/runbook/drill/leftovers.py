"""Left-overs: what a drill that did not come to its end has left in the account, and how it goes.

Deleted is only what a drill's own record names as made by it. A table that looks like a drill's, but of which no record
is here, is named to a person instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pitrkit import files
from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables import tables
from pitrkit.errors import RecordAltered
from pitrkit.incident.incident import Incident
from pitrkit.incident.state import BEFORE_DAMAGE, SCRATCH
from pitrkit.runbook.finish import clean_up, report
from pitrkit.runbook.finish.drill_history import left_over
from pitrkit.runbook.session.session import Session
from pitrkit.runbook.session.table_claims import UNMADE
from pitrkit.runbook.start import table_overview
from pitrkit.times import now

LOCK = "drill.lock"
_HELD: list[int] = []
"""Locks of this process; the system lets go of them when it ends, however it ends."""


def mark_running(incident: Incident) -> None:
    """Mark the drill as running for as long as this process lives."""
    handle = files.open_lock(incident.path(LOCK))
    files.lock(handle, wait=False)
    _HELD.append(handle)


def running(incident: Incident) -> bool:
    """Return whether a process is at work on this drill."""
    return files.is_locked(incident.path(LOCK))


def drills(data: Mapping[str, Any]) -> Iterator[tuple[Incident, dict[str, Any]]]:
    """Yield the other drills in this folder of the same account and region, of any table."""
    for incident in Incident.existing():
        try:
            other = incident.data
        except RecordAltered:
            continue  # named where incidents are listed
        same_account = all(other.get(name) == data.get(name) for name in ("account", "region"))
        if same_account and other.get("drill") and incident.id != data.get("incident"):
            yield incident, other


def unfinished(data: Mapping[str, Any]) -> list[Incident]:
    """Return the other drills of the account and region that may have left something, and that nobody is at work on."""
    return [
        incident
        for incident, other in drills(data)
        if any(other.get(side.by) in ("incident", UNMADE) for side in (BEFORE_DAMAGE, SCRATCH))
        and not running(incident)
    ]


def remove(session: Session) -> list[str]:
    """Delete the tables that the drill of *session* made, and return those that are still there.

    The approval of the drill covers it: it says that the drill deletes what it makes.
    """
    removal = clean_up.prepare(session, leave="exports")
    if removal.intent is not None:
        removal.gate(removal.intent.digest)
        removal.delete()
    for side in (BEFORE_DAMAGE, SCRATCH):
        data = session.data
        if data.get(side.by) == "incident" and data.get(side.table) and not tables.find(session.aws, data[side.table]):
            now_whose: dict[str, Any] = {side.by: "deleted" if data.get(side.table_id) else UNMADE}
            session.keep("table_not_there", **now_whose)
    return left_over(session.data)


def finish_stopped(session: Session, why: str) -> list[str]:
    """Bring a drill that stopped to its end: delete what it made, say why it failed, write its report, seal it.

    Returns:
        The tables that could not be deleted (yet).
    """
    remaining = remove(session)
    if not session.data["drill"].get("outcome"):
        outcome = {"passed": False, "why": [why, *(f"{name} was not deleted" for name in remaining)]}
        session.keep(
            "drill_ended", into={"drill": {"outcome": outcome, "ended_at": now().isoformat(timespec="seconds")}}
        )
    report.report(session)
    report.seal(session)
    return remaining


def unrecorded_tables(aws: Aws, table: str) -> list[str]:
    """Return tables that look like those of a drill of *table* and are in no record in this folder."""
    looks = re.compile(rf"{re.escape(table[:215])}-drill-\d{{8}}T\d{{6}}Z-[0-9a-f]{{6}}(-scratch)?")
    match = table_overview.permitted(lambda: [name for name in tables.table_names(aws) if looks.fullmatch(name)]) or []
    name_set: set[str] = set()
    for incident in Incident.existing() if match else ():
        try:
            name_set |= {str(incident.data.get(side.table)) for side in (BEFORE_DAMAGE, SCRATCH)}
        except RecordAltered:
            continue  # named where incidents are listed
    return [name for name in match if name not in name_set]
