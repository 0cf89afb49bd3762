"""The gate as an operator sees it: its card, the approve box, and what has changed since the plan was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import ipywidgets as widgets

from pitrkit.errors import PitrkitError
from pitrkit.incident.state import SHORTEST
from pitrkit.runbook.session.gate import CLICK_LASTS
from pitrkit.times import now
from pitrkit.ui.blocks import Block, Cell, Code, Facts, Note, Tag
from pitrkit.ui.cards import error_card, note
from pitrkit.ui.controls import WIDE, CardControl
from pitrkit.ui.text import count_text, moment
from pitrkit.ui.view import View

if TYPE_CHECKING:
    from pitrkit.recovery.plan.drift import Drift
    from pitrkit.recovery.plan.preflight import TargetFinding
    from pitrkit.runbook.session.gate import Approvable, Approval, Intent
    from pitrkit.times import Clock


class ApproveBox(CardControl):
    """Approves one plan, once the operator has typed the name of the table it is about.

    Args:
        digest: What is approved.
        table: The name to type.
        summary: Of what is approved: `puts`, `updates` and `deletes` of a plan, or an `action`.
        on_approve: Called with the digest on approval.
        needed: False if there is nothing to approve.
        command: The one command that approves it headless.
        clock: The time.
    """

    offline: ClassVar[str] = "The approve box needs a running kernel; in a headless run, set the parameter `approve`."

    def __init__(
        self,
        digest: str,
        table: str,
        *,
        summary: Mapping[str, Any],
        on_approve: Callable[[str], object],
        needed: bool = True,
        command: str = "",
        clock: Clock = now,
    ) -> None:
        self._on_approve, self._clock = on_approve, clock
        self.approved_at: datetime | None = None
        self.typed = widgets.Text(
            description="Table's name",
            tooltip="Type the table's name to approve this plan",
            style=WIDE,
            layout={"width": "32em"},
        )
        self.button = widgets.Button(description="Approve", icon="check", disabled=True)
        self.status_line = widgets.HTML()
        self.typed.observe(self._typed_changed, names="value")
        self.button.on_click(self.does(self._clicked))
        self.row = widgets.HBox([self.typed, self.button], layout={"flex_flow": "row wrap"})
        self.box = widgets.VBox([])
        self.about(digest, table, summary=summary, needed=needed, command=command)

    def about(self, digest: str, table: str, *, summary: Mapping[str, Any], needed: bool, command: str = "") -> None:
        """Be about another plan from now on. What was typed and approved was for the one before, and is forgotten."""
        self._digest, self._table, self._needed = digest, table, needed
        self.approved_at = None
        text = f"{_summed(summary)} (digest {digest[:SHORTEST]})"
        self.typed.value = ""
        self.typed.placeholder = table
        self.typed.disabled = not needed
        self.button.tooltip = f"Approve {text}"
        self.status_line.value = ""
        self.box.children = (self.row, self.status_line) if needed else ()
        self.show(self._card(text, command))

    def _card(self, text: str, command: str) -> View:
        if not self._needed:
            return note("There is nothing to approve.")
        blocks: list[Block] = [
            Note(f"To approve: {text}. Type the table's name, {self._table}, and press Approve.", "warn")
        ]
        if command:
            blocks.append(Code(command, "Or without the box, run this command:"))
        return View("approve", blocks=tuple(blocks), data={"digest": self._digest, "command": command})

    def _matches(self) -> bool:
        return self._needed and bool(self._table) and self.typed.value == self._table

    def _typed_changed(self, _change: Mapping[str, Any]) -> None:
        self.button.disabled = not self._matches()
        self.button.button_style = "warning" if self._matches() else ""

    def _clicked(self) -> None:
        if not self._matches():
            return
        try:
            self._on_approve(self._digest)
        except PitrkitError as error:
            self.status_line.value = error_card(error)._repr_html_()
            return
        self.approved_at = self._clock()
        self.button.button_style = "success"
        until = moment(self.approved_at + CLICK_LASTS)
        approval_note = note(f"Approved {self._digest[:SHORTEST]}, until {until}. Run the next cell.", "good")
        self.status_line.value = approval_note._repr_html_()


def _summed(summary: Mapping[str, Any]) -> str:
    if "action" in summary:
        return str(summary["action"])
    counts = ", ".join(
        count_text(int(summary.get(name, 0)), name.removesuffix("s")) for name in ("puts", "updates", "deletes")
    )
    return f"the plan of {counts}"


def drift_note(drift: Drift) -> Note | None:
    """Return what moved since a plan was made; None if nothing did."""
    if not drift.moved and not drift.already:
        return None
    checked_text = f"{drift.checked:,} items" if drift.checked == drift.total else f"{drift.checked:,} items checked"
    sentences = []
    if drift.moved:
        sentences.append(
            f"{drift.moved:,} of {checked_text} were written since this plan was made. The plan does not change them."
        )
    if drift.already:
        sentences.append(f"{drift.already:,} of {checked_text} are already correct.")
    return Note(" ".join(sentences), "warn" if drift.moved else "info", "Plan again to read them again.")


def intent_card(intent: Intent, text: str) -> View:
    """Return one change to AWS other than a plan's writes, as something to approve."""
    details: list[tuple[str, Cell]] = [(name, _plainly(value)) for name, value in intent.details.items()]
    rows = (("table", intent.table), *details, ("digest", intent.digest))
    data = {"action": intent.action, "table": intent.table, "digest": intent.digest, **intent.details}
    tag = Tag("not done yet", "info")
    return View("intent", intent.action.capitalize(), (tag,), (Facts(rows), Note(text)), data)


def _plainly(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def gate_card(
    subject: Approvable,
    approval: Approval | None,
    *,
    by: str = "",
    command: str = "",
    why: str = "",
    plan_facts: Sequence[tuple[str, str]] = (),
    findings: Sequence[TargetFinding] = (),
    drift: Drift | None = None,
) -> View:
    """Return whether the gate is open for *subject*; closed, with how to open it.

    Args:
        subject: What would be done.
        approval: The approval it has, None if it has none.
        by: Who is asking.
        command: The one command that opens it.
        why: Why it is closed.
        plan_facts: What would be done: labels, and a few words each.
        findings: What could do harm and is to be acknowledged first.
        drift: What moved since it was planned, if anybody looked.
    """
    rows: list[tuple[str, Cell]] = [("for", f"{subject.digest[:SHORTEST]} on {subject.table}")]
    rows += plan_facts
    data: dict[str, Any] = {"open": approval is not None, "digest": subject.digest, "table": subject.table, "by": by}
    if approval is None:
        rows += [("why", why)] if why else []
        rows.append(("your data", "Nothing is written before approval."))
        tick = "acknowledge above each risk that you have handled, " if findings else ""
        text = (
            f"What to do: {tick}type the table's name above and press Approve. Then run this cell and those below it."
        )
        harm = [Note(f"{finding.name}: {finding.what}", "bad", finding.fix) for finding in findings]
        blocks: list[Block] = [Facts(tuple(rows)), *harm, Note(text)]
        if command:
            blocks.append(Code(command, "Or run this command to approve it:"))
        return View("gate", "Gate", (Tag("closed", "warn"),), tuple(blocks), data)
    rows.append(("approved", f"{moment(approval.approved_at)} by {approval.how}"))
    if by:
        rows.append(("caller", by))
    if approval.how == "click":
        rows.append(("approval valid until", moment(approval.approved_at + CLICK_LASTS)))
    opened: list[Block] = [Facts(tuple(rows))]
    if drift is not None and (moved := drift_note(drift)) is not None:
        opened.append(moved)
    return View("gate", "Gate", (Tag("open", "good"),), tuple(opened), data | {"approval": approval.to_dict()})
