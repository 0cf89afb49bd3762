"""05: plan the copy, pass the gate, write under guards, verify. Undo goes the same way with other changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pitrkit.config import masked_inputs
from pitrkit.errors import BadInput, Exit
from pitrkit.incident.state import SHORTEST, nothing_in_scope
from pitrkit.recovery.changes.change_set import ChangeSet
from pitrkit.recovery.plan import preflight
from pitrkit.recovery.plan.policy import Policy
from pitrkit.recovery.token_bucket import Pace
from pitrkit.runbook.copy_back import freeze as freezing
from pitrkit.runbook.copy_back import plans
from pitrkit.runbook.copy_back.acknowledgements import PreflightCheck
from pitrkit.runbook.copy_back.copy import LOOKS_AGAIN_AFTER, WRITE_UNITS, Copy
from pitrkit.runbook.copy_back.options import Braking, policy
from pitrkit.runbook.copy_back.plans import Slot
from pitrkit.runbook.diff import diff
from pitrkit.runbook.session.approval import ApprovalFlow
from pitrkit.runbook.session.session import Session
from pitrkit.runbook.session.verdict import open_conflicts
from pitrkit.times import now
from pitrkit.ui.controls import Choice

NOTEBOOKS: dict[str, Slot] = {"05_copy_back": "", "10_rollback_without_restore": "", "12_undo": "undo"}
"""The notebooks that copy, each with where its copy keeps its state."""


def choose_modified(difference: diff.IncidentChanges, modified: str = "") -> Choice:
    """Return a widget that asks what to do with modified items, if there are any in scope."""
    counts = difference.changes.counts
    unless_told = (
        "leave them for now: they may be good writes"
        if difference.changes.open_ended
        else "put their earlier values back, as they were damaged"
    )
    return Choice(
        f"{counts.modified:,} modified items",
        [
            (unless_told, ""),
            ("keep them as they are now", "keep"),
            ("put their earlier values back", "revert"),
        ],
        value=modified,
        required=False,
    )


def plan(
    session: Session,
    *,
    modified: str = "",
    inserted: str = "",
    attributes: str = "",
    guard: str = "",
    expired: str = "",
    mixed: str = "",
    accept: str = "",
    write_units: float = WRITE_UNITS,
    alarms: str = "",
    ceiling: float = 0.0,
    stop_file: str = "",
    freeze: bool = False,
    safety_copy: bool = False,
    approve: str = "",
) -> Copy:
    """Plan the revert of the changes in scope. Reads only.

    Where *approve* names a plan that this incident holds, that plan is opened instead of building another one, so
    that what was approved is what gets written.

    Raises:
        InputNeeded: There is no comparison yet.
        BadInput: A policy word is not known, a brake cannot be used, or *approve* names a plan of another policy.
    """
    changes = diff.open_scoped(session).changes
    # What differs from now may be a good write; what differs from right after the damage is not.
    unless_told = "ask" if changes.open_ended else "revert"
    copy_policy = policy(modified or unless_told, inserted, attributes, guard=guard, expired=expired, mixed=mixed)
    explicit = bool(modified or inserted or attributes or guard or expired or mixed)
    scope = session.data.get("scope") or masked_inputs.recorded(session.incident, changes.scope)
    return prepare(
        session,
        changes,
        copy_policy,
        slot="",
        scope=scope,
        accept=accept,
        write_units=write_units,
        braking=Braking(alarms, ceiling, stop_file),
        freeze=freeze,
        safety_copy=safety_copy,
        approve=approve,
        explicit=explicit,
    )


def prepare(
    session: Session,
    changes: ChangeSet,
    copy_policy: Policy,
    *,
    slot: Slot,
    scope: dict[str, Any],
    accept: str,
    write_units: float,
    braking: Braking,
    freeze: bool,
    safety_copy: bool = False,
    approve: str,
    explicit: bool = True,
) -> Copy:
    """Return a `Copy` of the plan that reverts *changes*, built anew or found by its approval."""
    lifted = freezing.left_over(session)
    table = session.target()
    scope = {**scope, "changes": changes.folder.name}
    accepted = preflight.parse_accept(accept)
    pace = Pace(write_units)
    braking.brakes(session.aws, table.name)  # a brake that does not work is told before anything is approved
    copy_plan = plans.approved(session, slot, approve) or plans.again(session, slot, copy_policy, scope)
    if copy_plan is not None and explicit and copy_plan.policy != copy_policy:
        raise BadInput(
            f"plan {copy_plan.digest[:SHORTEST]} was made with another policy than is asked for now",
            table=table.name,
            fix="Leave the policy's parameters blank to write that plan, or leave `approve` blank to make a new one.",
        )
    reopened = copy_plan is not None
    if copy_plan is None:
        copy_plan = plans.build(session, table, changes, copy_policy, scope)
    plans.record_plan(session, slot, copy_plan)
    ahead = PreflightCheck(accepted, freeze, lifted)
    preflight_check = ahead.look(session, table, copy_plan, pace.units)
    passage = ApprovalFlow(None if copy_plan.empty else copy_plan, table.name)
    copy = Copy(session, table, copy_plan, slot, preflight_check, ahead, pace.units, braking, passage, safety_copy)
    if reopened and not copy_plan.empty and now() - copy_plan.created_at > LOOKS_AGAIN_AFTER:
        copy.look_again()
    elif reopened and not copy_plan.empty:
        copy.settled = len(plans.settled_writes(session, copy_plan))
    return copy


def ending(data: Mapping[str, Any], slot: Slot = "") -> Exit:
    """Return how a copy ended, from `incident.json`: DONE, or LEFT if anything needs a person.

    An empty plan is done, too, unless its scope let nothing through although there are differences: then the scope
    is more likely wrong than the table right.
    """
    state = plans.state_of(data, slot)
    done, verified, plan_record = state.get("apply") or {}, state.get("verify") or {}, state.get("plan") or {}
    unfinished_count = open_conflicts(state) or done.get("failed", 0) or plan_record.get("undecided", 0)
    planned = sum(plan_record.get(name, 0) for name in ("puts", "updates", "deletes"))
    if not planned:
        return Exit.LEFT if unfinished_count or (not slot and nothing_in_scope(data)) else Exit.DONE
    return Exit.DONE if verified.get("ok") and not unfinished_count else Exit.LEFT
