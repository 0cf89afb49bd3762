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
        if self.freeze and not plan.empty and all(finding.name != "frozen" for finding in target_findings):
            seconds = plan.write_units / pace
            target_findings.append(freeze.finding(session.aws, table, incident=session.incident.id, seconds=seconds))
        if self.lifted is not None:
            text = f"an earlier run had left other writers blocked; that is undone now. {self.lifted.words}"
            target_findings.append(TargetFinding("freeze-undone", "warning", text, "Nothing."))
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
        same = {finding.name for finding in self.found if finding in before.found}
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
        return [finding for finding in preflight.to_accept(self.found) if finding.name not in self.given]

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
        if names := ", ".join(finding.name for finding in self.waiting):
            raise GateClosed(
                f"gate closed: plan {plan.digest[:SHORTEST]} has risks that must be acknowledged first: {names}",
                digest=plan.digest,
                table=plan.table,
                fix=command,
            )

    def words(self) -> str:
        """Return what could do harm, or stops the shop, a line each, for a terminal."""
        grave = {"blocking", "accepted"}
        shown_findings = [
            finding for finding in self.findings if finding.severity in grave or finding.name.startswith("freeze")
        ]
        return "".join(f"\n   {finding.severity}: {finding.name}: {finding.what}" for finding in shown_findings)

    def parameter(self) -> str:
        """Return the parameter that acknowledges all that is to be."""
        return ",".join(dict.fromkeys([*self.given, *self.ticked, *(finding.name for finding in self.waiting)]))

    def to_record(self, by: str) -> list[dict[str, Any]]:
        """Return what was acknowledged, by whom, when and how, as plain JSON."""
        at = now()
        return [
            {
                "name": finding.name,
                "what": finding.what,
                "at": iso(self.ticked.get(finding.name, at)),
                "how": "click" if finding.name in self.ticked else "parameter",
                "by": by,
            }
            for finding in self.findings
            if finding.severity == "accepted"
        ]


def to_text(
    plan: Plan, acknowledgements: Acknowledgements, costs: Estimate, *, pace: float, outside: Mapping[str, int]
) -> str:
    """Return what would be done in a few lines, for a terminal.

    Args:
        plan: The plan.
        acknowledgements: What is known about the target.
        costs: What the writes cost.
        pace: Write units a second.
        outside: How many differences of each kind its scope leaves out.
    """
    (_, did), (_, scope) = _pairs(plan)
    outside_text = f"; outside the scope: {outside_words(outside)}" if outside else ""
    takes = f"{duration_estimate(plan.write_units / pace)}, costs {costs}"
    return f"   action: {did}\n   scope: {scope}{outside_text}\n   takes {takes}{acknowledgements.words()}"


def closed(closed: GateClosed, plan: Plan, acknowledgements: Acknowledgements, text: str) -> GateClosed:
    """Return a closed gate's error with what would be done: in *text*, and on its card."""
    why = closed.what.partition(f"plan {plan.digest[:SHORTEST]} ")[2]
    error = GateClosed(f"{closed.what}\n{text}", digest=closed.digest, table=closed.table, fix=closed.fix)
    error.card = gate_views.gate_card(
        plan,
        None,
        command=closed.fix,
        why=f"the plan {why}" if why else "",
        plan_facts=_pairs(plan),
        findings=acknowledgements.waiting,
    )
    return error


def _pairs(plan: Plan) -> tuple[tuple[str, str], tuple[str, str]]:
    skipped = ", ".join(f"{count:,} {reason}" for reason, count in plan.left.items())
    left = f"skipped: {skipped}" if skipped else "none skipped"
    did = f"restore {plan.puts:,}, update {plan.updates:,}, delete {plan.deletes:,}; {left}"
    return ("action", did), ("scope", plan_views.scope_words(plan.scope))
