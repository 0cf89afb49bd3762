"""A rehearsal: the steps of a drill behind its gate, each of them timed.

They are those of a recovery, by the same functions. Only the table that is written to is another one, see
`scratch_table`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pitrkit.aws.backups import pitr
from pitrkit.aws.tables import tables
from pitrkit.errors import DrillFailed, InputNeeded
from pitrkit.incident.state import BEFORE_DAMAGE, SCRATCH
from pitrkit.recovery.plan.policy import Policy
from pitrkit.recovery.snapshot import snapshot
from pitrkit.runbook.copy_back import copy_back, undo
from pitrkit.runbook.copy_back.copy import Copy
from pitrkit.runbook.copy_back.options import Braking
from pitrkit.runbook.diff import diff
from pitrkit.runbook.drill import leftovers, scratch_table
from pitrkit.runbook.drill import views as drill_views
from pitrkit.runbook.drill.proposal import Proposal
from pitrkit.runbook.drill.scratch_table import DrillSession
from pitrkit.runbook.finish import drill_history, report
from pitrkit.runbook.finish.drill_history import DrillRecord
from pitrkit.runbook.restore import restore
from pitrkit.runbook.session import table_claims
from pitrkit.runbook.session.session import Session
from pitrkit.runbook.timeline import pick_timestamp
from pitrkit.times import iso, now
from pitrkit.ui import cards
from pitrkit.ui.blocks import Links
from pitrkit.ui.view import View

_POLICY = Policy(removed="put", modified="keep", inserted="keep", expired="put")
_ACCEPT = "no-pitr"
"""The scratch table has no point-in-time recovery, and needs none."""

_DATA = ("snapshots", "changes", "plan", "journal")
"""Folders of the incident that hold items."""


@dataclass
class Rehearsal(Proposal):
    """A drill of one table: a method for each of its steps, in order."""

    _copy: Copy | None = None

    @contextmanager
    def _step(self, name: str) -> Iterator[DrillSession]:
        """Time a step of the drill. One that raises has taken no time that would mean anything."""
        session = self.session
        session.note("drill_step_began", step=name)
        began = time.monotonic()
        yield session
        took = round(time.monotonic() - began, 3)
        session.keep("drill_step_done", into={"drill_steps": {name: took}})

    def sweep(self) -> View:
        """Delete what earlier drills have left behind."""
        swept: dict[str, list[str]] = {}
        for incident in leftovers.unfinished(self.session.data):
            why = "it was stopped, and did not clean up after itself"
            swept[incident.id] = leftovers.finish_stopped(DrillSession(self.aws, incident), why)
        if swept:
            self.session.note("left_overs_deleted", drills=swept)
        return drill_views.leftovers_result(swept, self.strangers)

    def restore(self) -> View:
        """Restore the past into a new table, and note how far back its latest second lies. The clock starts here."""
        session = self.session
        if not session.data["drill"].get("began_at"):
            self._begin(session)
        with self._step("restore"):
            name = session.data["drill"]["copy"]
            table_claims.claim(session, BEFORE_DAMAGE, name)
            restore.start(session, target=name)
            view = restore.wait(session)
        copy = tables.describe(self.aws, name)
        requested_at = datetime.fromisoformat(session.data[BEFORE_DAMAGE.at])
        lag = (requested_at - copy.restored.restore_at).total_seconds() if copy.restored else 0.0
        behind = float(session.data["drill"]["latest_behind_seconds"])
        session.keep("recovery_point_found", into={"drill": {"recovery_point_seconds": behind + max(0.0, lag)}})
        return view

    def _begin(self, session: DrillSession) -> None:
        window = pitr.protection(self.aws, self.table.name).window
        began_at = now()
        behind = max(0.0, (began_at - window.latest_at).total_seconds()) if window else 0.0
        pick_timestamp.pick(session, self.asked.at)
        began = {"began_at": began_at.isoformat(timespec="milliseconds"), "latest_behind_seconds": round(behind, 3)}
        session.keep("drill_began", into={"drill": began})

    def diff(self) -> View:
        """Compare the copy with the live table, item by item. Reads both."""
        with self._step("diff") as session:
            return diff.diff(session, read_units=self.asked.read_units).counts()

    def plan(self) -> Copy:
        """Make the scratch table, and plan to put into it what it lacks of the copy."""
        with self._step("plan") as session:
            scratch_table.make(session, session.data["drill"]["scratch"])
            changes = scratch_table.damage(session, self.asked.items)
            text = f"{len(changes):,} items of the restored copy, all of which the scratch table lacks"
            self._copy = copy_back.prepare(
                session,
                changes,
                _POLICY,
                slot="",
                scope={"words": text},
                accept=_ACCEPT,
                write_units=self.asked.write_units,
                braking=Braking(),
                freeze=False,
                approve="",
            )
        return self._copy

    @property
    def _planned(self) -> Copy:
        if self._copy is None:
            raise InputNeeded("plan", fix="Run the plan's cell first.")
        return self._copy

    def copy(self) -> View:
        """Pass the plan's gate under the drill's approval, and write the plan into the scratch table."""
        copy = self._planned
        with self._step("copy"):
            return _without_ways(self._write(copy))

    def _write(self, copy: Copy) -> View:
        self.session.note("plan_approved_by_drill", digest=copy.plan.digest, drill=self.intent.digest)
        copy.gate(copy.plan.digest)
        return copy.apply()

    def verify(self) -> View:
        """Read again what was written. A recovery would be over here, so the clock stops."""
        copy = self._planned
        with self._step("verify"):
            view = copy.verify()
        began_at = datetime.fromisoformat(self.session.data["drill"]["began_at"])
        took = round((now() - began_at).total_seconds(), 3)
        self.session.keep("drill_recovered", into={"drill": {"recovery_seconds": took}})
        return _without_ways(view)

    def undo(self) -> View:
        """Take the copy back, and see by a scan that the scratch table is empty again."""
        with self._step("undo") as session:
            verified = True
            if not self._planned.plan.empty:
                undoing = undo.plan(session, accept=_ACCEPT, write_units=self.asked.write_units)
                self._write(undoing)
                undoing.verify()
                verified = bool((session.data["undo"].get("verify") or {}).get("ok"))
            folder = session.incident.path("snapshots", SCRATCH.snapshot)
            remaining = snapshot.take(self.aws, session.target(), folder, consistent=True).items
            session.keep(
                "drill_undone", into={"drill": {"undone": {"ok": verified and not remaining, "left": remaining}}}
            )
        return drill_views.undo_result(remaining, self._planned.plan.total, ok=verified and not remaining)

    def clean_up(self) -> View:
        """Delete the restored copy and the scratch table."""
        with self._step("clean_up") as session:
            remaining = leftovers.remove(session)
        return drill_views.cleaned(remaining)

    def finish(self) -> View:
        """Say how the drill went, beside those before it; write its report and seal its record.

        What was copied and taken back as it should be leaves no items in the record: the numbers are what it is about.
        """
        session = self.session
        why = drill_history.failures(session.data)
        if "outcome" not in session.data["drill"]:
            ended = {"outcome": {"passed": not why, "why": list(why)}, "ended_at": now().isoformat(timespec="seconds")}
            session.keep("drill_ended", into={"drill": ended})
        if (session.data.get("verify") or {}).get("ok") and session.data["drill"]["undone"]["ok"]:
            _forget_items(session)
        report.report(session)
        report.seal(session)
        drill = DrillRecord.of(session.data)
        assert drill is not None
        return drill_views.result(drill, self.others, session.incident.folder)

    def verdict(self) -> View:
        """Return that the drill passed, or raise why it failed, so that a schedule sees it.

        Raises:
            DrillFailed: It failed.
        """
        outcome = self.session.data["drill"]["outcome"]
        if not outcome["passed"]:
            raise DrillFailed(
                f"the drill failed: {'; '.join(outcome['why'])}",
                table=self.table.name,
                fix=f"The report says more: {self.session.incident.folder / 'report.html'}",
            )
        return cards.note("The drill passed.", "good")


def _without_ways(view: View) -> View:
    """Return a copy's view without its links to 06 and 12, which are not for drills."""
    return replace(view, blocks=tuple(block for block in view.blocks if not isinstance(block, Links)))


def _forget_items(session: Session) -> None:
    """Delete the items that the incident's folder holds, and record how much that was."""
    gone: dict[str, Any] = {}
    for name in _DATA:
        folder = session.incident.path(name)
        files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
        gone[name] = {"files": len(files), "bytes": sum(path.stat().st_size for path in files)}
        shutil.rmtree(folder, ignore_errors=True)
    void = dict.fromkeys(("changes", "scoped_changes"))
    session.keep("items_forgotten", **void, into={"drill": {"forgotten": gone, "forgotten_at": iso(now())}})
