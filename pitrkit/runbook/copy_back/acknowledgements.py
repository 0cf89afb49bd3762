"""Findings about a copy's target, who acknowledged which, and when; the closed gate, as a card and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pitrkit.aws.tables.tables import Table
from pitrkit.errors import GateClosed
from pitrkit.incident.state import SHORTEST, outside_words
from pitrkit.recovery.advice.cost import Estimate
from pitrkit.recovery.plan import preflight
from pitrkit.recovery.plan.freeze import Lifted
from pitrkit.recovery.plan.plan import Plan
from pitrkit.recovery.plan.preflight import Load, TargetFinding
from pitrkit.runbook.copy_back import freeze, plan_views
from pitrkit.runbook.session import gate_views
from pitrkit.runbook.session.session import Session
from pitrkit.times import iso, now
from pitrkit.ui.text import duration_estimate


@dataclass(frozen=True)
class PreflightCheck:
    """What a copy looks at before it writes.

    Attributes:
        accept: Names of findings that are acknowledged by parameter.
        freeze: Whether other writers are to be held off.
        lifted: How a freeze that an earlier run had left was undone, None if there was none.
    """

    accept: tuple[str, ...]
    freeze: bool
    lifted: Lifted | None = None

    def look(self, session: Session, table: Table, plan: Plan, pace: float) -> Acknowledgements:
        """Return what is known about writing *plan* into *table* at a pace in write units a second. Reads only."""
        puts_expired = plan.policy.expired == "put" and not plan.empty
        load = Load(plan.write_units, pace, puts_expired, undoes="undo_of" in plan.scope)
        target_findings = preflight.check_target(session.aws, table, load=load)
        if self.freeze and not plan.empty and all(one.name != "frozen" for one in target_findings):
            seconds = plan.write_units / pace
            target_findings.append(freeze.finding(session.aws, table, incident=session.incident.id, seconds=seconds))
        if self.lifted is not None:
            words = f"an earlier run had left other writers blocked; that is undone now. {self.lifted.words}"
            target_findings.append(TargetFinding("freeze-undone", "warning", words, "Nothing."))
        return Acknowledgements(target_findings, self.accept)

    def holding(self, session: Session, table: Table) -> AbstractContextManager[None]:
        """Return a context in which other writers are held off, if that is asked for."""
        return freeze.frozen(session, table) if self.freeze else nullcontext()


@dataclass
class Acknowledgements:
    """Findings, and which of them are acknowledged.

    Attributes:
        found: As they were found.
        given: Names that are acknowledged by parameter.
        ticked: Names that are acknowledged by hand, with when.
        looked_at: When they were found.
    """

    found: Sequence[TargetFinding]
    given: tuple[str, ...]
    ticked: dict[str, datetime] = field(default_factory=dict)
    looked_at: datetime = field(default_factory=now)

    def since(self, before: Acknowledgements) -> Acknowledgements:
        """Return these findings with what was acknowledged of the same ones *before*, word for word."""
        same = {one.name for one in self.found if one in before.found}
        self.ticked = {name: at for name, at in before.ticked.items() if name in same}
        return self

    @property
    def findings(self) -> list[TargetFinding]:
        """The findings with those accepted that are acknowledged, the gravest first."""
        return preflight.accepted(self.found, (*self.given, *self.ticked))

    @property
    def waiting(self) -> list[TargetFinding]:
        """Those that nobody has acknowledged yet, and somebody must."""
        return preflight.to_accept(self.findings)

    @property
    def by_hand(self) -> list[TargetFinding]:
        """Those that may be acknowledged by hand."""
        return [one for one in preflight.to_accept(self.found) if one.name not in self.given]

    def tick(self, name: str, on: bool) -> None:
        """Acknowledge what bears this name, or take that back."""
        if on:
            self.ticked[name] = now()
        else:
            self.ticked.pop(name, None)

    def require(self, plan: Plan, command: str) -> None:
        """Let pass only if everything that could do harm is acknowledged.

        Raises:
            GateClosed: Something is not.
        """
        if names := ", ".join(one.name for one in self.waiting):
            raise GateClosed(
                f"gate closed: plan {plan.digest[:SHORTEST]} has risks that must be acknowledged first: {names}",
                digest=plan.digest,
                table=plan.table,
                fix=command,
            )

    def words(self) -> str:
        """Return what could do harm, or stops the shop, a line each, for a terminal."""
        grave = {"blocking", "accepted"}
        shown_findings = [one for one in self.findings if one.severity in grave or one.name.startswith("freeze")]
        return "".join(f"\n   {one.severity}: {one.name}: {one.what}" for one in shown_findings)

    def parameter(self) -> str:
        """Return the parameter that acknowledges all that is to be."""
        return ",".join(dict.fromkeys([*self.given, *self.ticked, *(one.name for one in self.waiting)]))

    def to_record(self, by: str) -> list[dict[str, Any]]:
        """Return what was acknowledged, by whom, when and how, as plain JSON."""
        at = now()
        return [
            {
                "name": one.name,
                "what": one.what,
                "at": iso(self.ticked.get(one.name, at)),
                "how": "click" if one.name in self.ticked else "parameter",
                "by": by,
            }
            for one in self.findings
            if one.severity == "accepted"
        ]


def to_text(plan: Plan, known: Acknowledgements, costs: Estimate, *, pace: float, outside: Mapping[str, int]) -> str:
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
    takes = f"{duration_estimate(plan.write_units / pace)}, costs {costs}"
    return f"   it {did}\n   scope: {scope}{left}\n   takes {takes}{known.words()}"


def closed(closed: GateClosed, plan: Plan, known: Acknowledgements, said: str) -> GateClosed:
    """Return a closed gate's error with what would be done: in *said*, and on its card."""
    why = closed.what.partition(f"plan {plan.digest[:SHORTEST]} ")[2]
    told = GateClosed(f"{closed.what}\n{said}", digest=closed.digest, table=closed.table, fix=closed.fix)
    told.card = gate_views.gate_card(
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
    return ("it", did), ("scope", plan_views.scope_words(plan.scope))
