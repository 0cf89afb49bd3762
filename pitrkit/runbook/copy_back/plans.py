"""The plans of an incident: which one is about to be written, found again or built anew, and what is kept of it.

A plan that was approved, that was made a moment ago, or that is written in part is opened again rather than built
another time: what was looked at, and agreed to, is what gets written.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from pitrkit import files
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import BadInput, RecordAltered
from pitrkit.incident.state import SHORTEST
from pitrkit.recovery.apply import journal
from pitrkit.recovery.apply.journal import Conflict, Journal
from pitrkit.recovery.changes.change_set import ChangeSet
from pitrkit.recovery.plan import plan as planning
from pitrkit.recovery.plan.plan import Plan
from pitrkit.recovery.plan.policy import Policy
from pitrkit.runbook.session.gate import PLAN_LASTS
from pitrkit.runbook.session.session import Session
from pitrkit.runbook.session.status import has_log
from pitrkit.times import iso, now
from pitrkit.ui.progress import ProgressBar, Show

Slot = Literal["", "undo"]
"""Where in `incident.json` a copy keeps its state: at the top, or under `undo`."""

REUSED_FOR = timedelta(minutes=15)
"""How long an unapplied plan of the same inputs is shown again, so that "run all" does not void an approval."""


def notebook_of(data: Mapping[str, Any], slot: Slot) -> str:
    """Return the notebook in which a copy of this incident goes on."""
    if slot:
        return "12_undo"
    return "10_rollback_without_restore" if has_log(data) else "05_copy_back"


def save_results(session: Session, slot: Slot, event: str, **results: Any) -> None:
    """Leave a copy's results in the incident, at the top or under its slot."""
    if slot:
        session.keep(event, into={slot: results})
    else:
        session.keep(event, **results)


def state_of(data: Mapping[str, Any], slot: Slot) -> Mapping[str, Any]:
    """Return what the incident, as its `incident.json` has it, knows of a copy."""
    return (data.get(slot) or {}) if slot else data


def is_current(session: Session, slot: Slot, plan: Plan) -> bool:
    """Return whether *plan* is the one that the incident is about to write, or has written."""
    return bool((state_of(session.data, slot).get("plan") or {}).get("digest") == plan.digest)


def approved(session: Session, slot: Slot, approve: str) -> Plan | None:
    """Return the plan of this incident and slot that *approve* names, None if it names none."""
    short = approve.strip().lower()[:SHORTEST]
    if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST}}}", short) or not session.incident.path("plan", short).is_dir():
        return None
    plan = Plan.open(session.incident.path("plan", short))
    return plan if of_slot(plan, slot) else None


def of_slot(plan: Plan, slot: Slot) -> bool:
    """Return whether *plan* is an undo where undos are asked for, and none elsewhere."""
    return ("undo_of" in plan.scope) == (slot == "undo")


def again(session: Session, slot: Slot, policy: Policy, scope: Mapping[str, Any]) -> Plan | None:
    """Return the plan of the same changes and policy that was made a moment ago, or is written in part; else None."""
    state = state_of(session.data, slot)
    plan_record, done = state.get("plan") or {}, state.get("apply")
    writing_began = done is not None
    if not plan_record or (done and not done.get("failed") and not done.get("unsent")):
        return None
    try:
        plan = Plan.open(session.incident.path("plan", plan_record["digest"][:SHORTEST]))
    except (BadInput, RecordAltered):
        return None  # a plan that cannot be read is made again
    same = plan.policy == policy and plan.scope == scope
    return plan if same and now() - plan.created_at < (PLAN_LASTS if writing_began else REUSED_FOR) else None


def build(
    session: Session,
    table: Table,
    changes: ChangeSet,
    policy: Policy,
    scope: dict[str, Any],
    *,
    show: Show | None = None,
) -> Plan:
    """Build the plan that reverts *changes* and put it where the incident's plans are.

    Args:
        session: The incident's session.
        table: The table, as described just now.
        changes: What to revert.
        policy: How.
        scope: What the changes were narrowed to.
        show: Shows the progress; by default the output of the running cell.
    """
    folder = session.incident.path("plan", "building")
    with ProgressBar("Reading the candidates again", total=len(changes), show=show) as progress:
        built = planning.build(session.aws, table, changes, policy, folder, scope=scope, on_progress=progress)
    place = session.incident.path("plan", built.digest[:SHORTEST])
    if place.exists():
        shutil.rmtree(folder)
    else:
        files.move(folder, place)
    return Plan.open(place)


def changes_of(session: Session, plan: Plan) -> ChangeSet:
    """Return the changes that *plan* was built of.

    Raises:
        BadInput: They are not there any more.
    """
    return ChangeSet.open(session.incident.path("changes", plan.scope["changes"]))


def record_plan(session: Session, slot: Slot, plan: Plan) -> None:
    """Make *plan* the plan that the incident is about to write, unless it is already.

    An empty plan does not take the place of one that was written: looking again does not change what was done.
    """
    if is_current(session, slot, plan) or (plan.empty and state_of(session.data, slot).get("apply")):
        return
    record = {
        "digest": plan.digest,
        "puts": plan.puts,
        "updates": plan.updates,
        "deletes": plan.deletes,
        "left": plan.left,
        "undecided": plan.undecided,
        "write_units": plan.write_units,
        "policy": plan.policy.to_dict(),
        "changes": plan.scope["changes"],
        "created_at": iso(plan.created_at),
    }
    save_results(session, slot, "plan_built", plan=record, approval=None, accepted=None, apply=None, verify=None)


def written_plans(session: Session) -> list[Plan]:
    """Return the plans of this incident of which something was written, the latest first."""
    logs = session.incident.path("journal").glob("*.jsonl")
    plans = [Plan.open(session.incident.path("plan", log.stem)) for log in logs]
    return sorted((plan for plan in plans if not plan.empty), key=lambda plan: plan.created_at, reverse=True)


def settled_writes(session: Session, plan: Plan) -> frozenset[int]:
    """Return the numbers of the writes of *plan* that have come to their outcome."""
    entries = Journal(journal.journal_path(session.incident.path("journal"), plan), plan).outcomes()
    return frozenset(entry.number for entry in entries if entry.outcome != "failed")


def conflicts(session: Session, plan: Plan) -> list[Conflict]:
    """Return the conflicts that *plan* met, sorted by key; none where nothing of it was written."""
    return journal.conflicts(plan, journal.journal_path(session.incident.path("journal"), plan))
