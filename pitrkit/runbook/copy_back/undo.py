"""12: take an earlier copy back. Undo has no code of its own: it is the revert of the journal's changes."""

from __future__ import annotations

from dataclasses import replace

from pitrkit.errors import BadInput, InputNeeded
from pitrkit.incident.state import SHORTEST
from pitrkit.recovery.apply import journal
from pitrkit.recovery.changes.change_set import ChangeSet
from pitrkit.recovery.plan.plan import Plan
from pitrkit.recovery.plan.policy import Policy
from pitrkit.runbook.copy_back import copy_back, plans
from pitrkit.runbook.copy_back.copy import WRITE_UNITS, Copy
from pitrkit.runbook.copy_back.options import Braking
from pitrkit.runbook.session.session import Session
from pitrkit.ui.controls import Choice
from pitrkit.ui.text import count_text


def copies(session: Session) -> Choice:
    """Return a widget over the copies that this incident has written, the latest first."""
    return Choice("copy to undo", [(_label(plan), plan.digest) for plan in plans.written_plans(session)])


def _label(plan: Plan) -> str:
    writes = count_text(plan.total, "write")
    return f"{plan.digest[:SHORTEST]}  ({writes}, planned {plan.created_at:%Y-%m-%d %H:%M} UTC)"


def chosen(session: Session, copy: str) -> Plan:
    """Return the plan of the copy that is to be undone.

    Args:
        session: The incident's session.
        copy: Digest of the plan that was written, or its first 12 characters; blank for the only one.

    Raises:
        InputNeeded: *copy* is blank and several copies were made.
        BadInput: This incident has made no such copy.
    """
    written = plans.written_plans(session)
    if not written:
        raise BadInput("this incident has written nothing yet", fix="There is nothing to undo.")
    if not copy and len(written) > 1:
        digests = ", ".join(copy_plan.digest[:SHORTEST] for copy_plan in written)
        raise InputNeeded("copy", fix=f"Choose one above, the latest first, or give `copy`: {digests}.")
    short = copy.strip().lower()[:SHORTEST] or written[0].digest[:SHORTEST]
    for copy_plan in written:
        if copy_plan.digest.startswith(short) and len(short) == SHORTEST:
            return copy_plan
    raise BadInput(
        f"no copy {short!r} in this incident",
        fix=f"Known: {', '.join(copy_plan.digest[:SHORTEST] for copy_plan in written)}.",
    )


def changes_of(session: Session, copy_plan: Plan) -> ChangeSet:
    """Return what the copy of a plan really wrote, as a change set: before, and after."""
    folder = session.incident.path("changes", f"undo-{copy_plan.digest[:SHORTEST]}")
    changes = journal.journal_changes(
        copy_plan, journal.journal_path(session.incident.path("journal"), copy_plan), folder
    )
    if (session.data.get("undo") or {}).get("of") != copy_plan.digest:
        session.keep("undo_chosen", undo={"of": copy_plan.digest, "changes": f"changes/{folder.name}"})
    return changes


def plan(
    session: Session,
    *,
    copy: str = "",
    accept: str = "",
    write_units: float = WRITE_UNITS,
    alarms: str = "",
    ceiling: float = 0.0,
    stop_file: str = "",
    freeze: bool = False,
    safety_copy: bool = False,
    approve: str = "",
) -> Copy:
    """Plan the revert of what an earlier copy wrote. Items that somebody has written since are left alone.

    What counts as written since is what counted for the copy: one that kept other attributes is undone the same way.
    Where *approve* names an undo that this incident has planned, its copy need not be named again.

    Raises:
        InputNeeded: *copy* is blank and several copies were made.
        BadInput: This incident has made no such copy, or *approve* is for the undo of another one.
    """
    approved = plans.approved(session, "undo", approve)
    prior = chosen(session, copy or (approved.scope["undo_of"] if approved else ""))
    if approved is not None and approved.scope["undo_of"] != prior.digest:
        raise BadInput(
            f"the approval is for the undo of {approved.scope['undo_of'][:SHORTEST]}, not of {prior.digest[:SHORTEST]}",
            table=prior.table,
            fix="Leave `copy` blank to undo what was approved, or leave `approve` blank to plan anew.",
        )
    return copy_back.prepare(
        session,
        changes_of(session, prior),
        replace(Policy.UNDO, guard=prior.policy.guard),
        slot="undo",
        scope={"undo_of": prior.digest},
        accept=accept,
        write_units=write_units,
        braking=Braking(alarms, ceiling, stop_file),
        freeze=freeze,
        safety_copy=safety_copy,
        approve=approve,
    )
