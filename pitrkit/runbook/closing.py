"""A copy's closed gate: why it is closed, what would happen, and what could do harm, as a card and for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from pitrkit.errors import GateClosed
from pitrkit.recovery.cost import Estimate
from pitrkit.recovery.plan import Plan
from pitrkit.runbook import views
from pitrkit.runbook.acknowledging import Acknowledged
from pitrkit.runbook.gate import SHORTEST
from pitrkit.runbook.scoping import outside_words
from pitrkit.runbook.values import about


def words(plan: Plan, known: Acknowledged, costs: Estimate, *, pace: float, outside: Mapping[str, int]) -> str:
    """Return what would be done in a few lines, for a terminal.

    Args:
        plan: The plan.
        known: What is known about the target.
        costs: What the writes cost.
        pace: Write units a second.
        outside: How many differences of each kind its scope leaves out.
    """
    (_, did), (_, scope) = _pairs(plan)
    left = f"; outside the scope: {outside_words(outside)}" if outside else ""
    takes = f"{about(plan.write_units / pace)}, costs {costs}"
    return f"   it {did}\n   scope: {scope}{left}\n   takes {takes}{known.words()}"


def closed(closed: GateClosed, plan: Plan, known: Acknowledged, said: str) -> GateClosed:
    """Return a closed gate's error with what would be done: in *said*, and on its card."""
    why = closed.what.partition(f"plan {plan.digest[:SHORTEST]} ")[2]
    told = GateClosed(f"{closed.what}\n{said}", digest=closed.digest, table=closed.table, fix=closed.fix)
    told.card = views.gate_card(
        plan,
        None,
        command=closed.fix,
        why=f"the plan {why}" if why else "",
        words=_pairs(plan),
        findings=known.waiting,
    )
    return told


def _pairs(plan: Plan) -> tuple[tuple[str, str], tuple[str, str]]:
    left = ", ".join(f"{count:,} {reason}" for reason, count in plan.left.items()) or "nothing"
    did = f"puts {plan.puts:,} items back, updates {plan.updates:,}, deletes {plan.deletes:,}; leaves {left}"
    return ("it", did), ("scope", views.scope_words(plan.scope))
