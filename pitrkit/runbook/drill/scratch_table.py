"""The scratch table of a drill, and the only session by which a drill writes items.

Whatever is written goes to `Session.target`. For a drill's incident that refuses, so neither 05 nor 10 nor 12 can be
led from a drill to the real table. `DrillSession` alone has one: the scratch table, if it is the very one that the
drill made.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pitrkit.aws.backups import pitr
from pitrkit.aws.tables import tables
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import BadInput
from pitrkit.incident.state import BEFORE_DAMAGE, SCRATCH
from pitrkit.recovery.changes import sample
from pitrkit.recovery.changes.change_set import ChangeSet
from pitrkit.recovery.snapshot.snapshot import Snapshot
from pitrkit.runbook.diff.diff import snapshot_name
from pitrkit.runbook.restore.restore_wait import poll_seconds
from pitrkit.runbook.session import table_claims
from pitrkit.runbook.session.session import Session
from pitrkit.times import iso, now
from pitrkit.ui.progress import ProgressBar


@dataclass(frozen=True)
class DrillSession(Session):
    """A drill's session: it reads the real table, and writes to the scratch table alone."""

    def target(self) -> Table:
        """Return the scratch table.

        Raises:
            BadInput: There is none, or the table of its name is not the one that this drill made.
        """
        data = self.data
        name, table_id = data.get(SCRATCH.table), data.get(SCRATCH.table_id)
        if not name or not table_id or data.get(SCRATCH.by) != "incident":
            raise BadInput("this drill has no scratch table", fix="Run the cells above first.")
        table = tables.describe(self.aws, name)
        if table.id != table_id or table.arn == data["table_arn"] or table.restored is not None:
            raise BadInput(
                "this is not the scratch table that the drill made; nothing is written to it",
                table=name,
                fix="Look at who made a table of this name, and begin another drill.",
            )
        return table


def make(session: DrillSession, name: str) -> Table:
    """Return the empty scratch table, made if it is not there yet, once it can be written to."""
    table_claims.claim(session, SCRATCH, name)
    table_claims.resolve(session)
    if not session.data.get(SCRATCH.table_id):
        created = tables.create_like(session.aws, session.data["table"], name)
        results: dict[str, Any] = {SCRATCH.table_id: created.id, SCRATCH.started_at: iso(now())}
        session.keep("scratch_created", **results)
    with ProgressBar(f"Making {name}", unit="seconds") as progress:
        pitr.wait(
            session.aws,
            name,
            poll_seconds=poll_seconds(session),
            on_progress=lambda status, seconds: progress(int(seconds), None, status),
        )
    return session.target()


def copied(session: DrillSession) -> Path:
    """Return the folder with the snapshot of the restored copy."""
    return session.incident.path("snapshots", snapshot_name(BEFORE_DAMAGE, str(session.data[BEFORE_DAMAGE.table_id])))


def damage(session: DrillSession, items: int) -> ChangeSet:
    """Return what the scratch table lacks of the restored copy: *items* of its items, or all where that is 0."""
    folder = session.incident.path("changes", "scratch")
    at = str(session.data[BEFORE_DAMAGE.at])
    table = str(session.data[SCRATCH.table])
    return sample.missing_items(Snapshot.open(copied(session)), folder, items=items, table=table, before_at=at)
