"""Settling conflicts: what a person decided about each becomes a change set, and so a plan with guards of its own.

Nothing is forced. To take ours is to plan again against the very item that was found: should somebody write it once
more, that is a conflict again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from pitrkit.aws.items import Image, changed_attributes, with_attributes
from pitrkit.recovery.apply.journal import Conflict
from pitrkit.recovery.changes.change import Change, Kind
from pitrkit.recovery.changes.change_set import ChangeSet, from_changes
from pitrkit.recovery.plan.plan import Plan
from pitrkit.recovery.plan.policy import Policy

Decision = Literal["ours", "theirs"]

SOURCE = "conflicts of plan"
"""How the source of such a change set begins."""

OPEN = "found changed while it was copied, and nobody has decided yet"


def policy_of(plan: Plan) -> Policy:
    """Return the policy under which decided conflicts of *plan* are written: just as decided, the same guard."""
    return Policy(
        removed="put", modified="revert", inserted="delete", expired="put", guard=plan.policy.guard, mixed="ask"
    )


def ours(conflict: Conflict) -> Image | None:
    """Return what taking ours makes of the item that was found.

    What the plan would have written is written; whatever else somebody wrote to the item since is kept. An item that
    was to be put back whole takes the place of the one that is there.
    """
    if conflict.goal is None or conflict.found is None or conflict.seen is None:
        return conflict.goal
    return with_attributes(conflict.found, conflict.goal, changed_attributes(conflict.seen, conflict.goal))


def changes(
    plan: Plan, conflicts: Iterable[Conflict], decisions: Mapping[int, Decision], folder: Path, *, found_at: str
) -> ChangeSet:
    """Write to *folder* the change set whose revert does what was decided, and return it.

    Args:
        plan: The plan that met the conflicts.
        conflicts: What it met.
        decisions: By the number of the write. Undecided ones stay in the set, marked as a person's to review.
        folder: Where to.
        found_at: When the conflicts were met, as text.
    """

    def decided() -> Iterator[Change]:
        for conflict in conflicts:
            decision = decisions.get(conflict.number)
            if decision == "theirs":
                continue
            goal = ours(conflict)
            if goal == conflict.found:
                continue  # it is as we want it by now
            kind: Kind = "inserted" if goal is None else "removed" if conflict.found is None else "modified"
            yield Change(conflict.key, kind, goal, conflict.found, "" if decision == "ours" else OPEN)

    return from_changes(
        decided(),
        folder,
        table=plan.table,
        key_schema=plan.key_schema,
        source=f"{SOURCE} {plan.digest[:12]}",
        before_at=plan.created_at.isoformat(timespec="seconds"),
        after_at=found_at,
    )
