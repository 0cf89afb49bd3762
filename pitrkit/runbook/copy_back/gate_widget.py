"""The control before the gate of a copy: approve the plan, see what moved since it was made, or plan it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import ipywidgets as widgets

from pitrkit.incident.state import SHORTEST
from pitrkit.runbook.copy_back.plan_views import moved_samples
from pitrkit.runbook.session.approval import ApprovalFlow
from pitrkit.runbook.session.gate_views import ApproveBox, drift_note
from pitrkit.ui.blocks import Block, Note
from pitrkit.ui.cards import error_card, note
from pitrkit.ui.text import count_text, visible
from pitrkit.ui.view import View

if TYPE_CHECKING:
    from pitrkit.aws.tables.tables import Table
    from pitrkit.recovery.plan.drift import Drift
    from pitrkit.recovery.plan.plan import Plan
    from pitrkit.recovery.plan.preflight import TargetFinding
    from pitrkit.runbook.copy_back.acknowledgements import Acknowledgements
    from pitrkit.ui.progress import Show


class PlannedCopy(Protocol):
    """What the gate's control asks of a copy; `copy.Copy` is the one there is."""

    plan: Plan
    table: Table
    known: Acknowledgements

    @property
    def command(self) -> str:
        """The command that runs this copy headless."""

    def acknowledge(self, name: str, on: bool) -> None:
        """Acknowledge the finding of this name, or take that back."""

    def look_again(self, *, show: Show | None = None) -> Drift:
        """Read what the plan is about again and return what changed since it was made."""

    def plan_again(self, *, show: Show | None = None) -> None:
        """Read every candidate again and make a new plan."""


class CopyGate(ApproveBox):
    """Approves the plan of a copy. Planned again, here or elsewhere, it is about the new plan.

    Args:
        copy: The copy.
    """

    def __init__(self, copy: PlannedCopy) -> None:
        self._copy = copy
        self.look = widgets.Button(
            description="Check for changes since the plan",
            icon="search",
            layout=widgets.Layout(width="auto"),
            tooltip="Read the plan's items again and say which were written since it was made; writes nothing",
        )
        self.again = widgets.Button(
            description="Plan again",
            icon="refresh",
            tooltip="Read every candidate again and make a new plan, to be approved for itself; writes nothing",
        )
        self.ticks = widgets.VBox()
        self._tick_boxes()
        self.look.on_click(self.does(self._busy, self._look))
        self.again.on_click(self.does(self._busy, self._plan_again))
        plan = copy.plan
        super().__init__(
            plan.digest,
            copy.table.name,
            summary=plan.to_dict(),
            on_approve=ApprovalFlow.approve,
            needed=not plan.empty,
            command=copy.command,
        )
        self._add_buttons()

    def renew(self) -> None:
        """Be about the copy's present plan."""
        plan = self._copy.plan
        if plan.digest != self._digest:
            self.about(
                plan.digest,
                self._copy.table.name,
                summary=plan.to_dict(),
                needed=not plan.empty,
                command=self._copy.command,
            )
            self._add_buttons()
        self._tick_boxes()
        self._typed_changed({})

    def _add_buttons(self) -> None:
        buttons = widgets.HBox([self.look, self.again] if self._needed else [self.again])
        self.box.children = (
            (self.ticks, self.row, buttons, self.status_line) if self._needed else (buttons, self.status_line)
        )

    def _tick_boxes(self) -> None:
        """Offer a box for each finding that could do harm; before all are ticked nothing can be approved."""
        self.ticks.children = tuple(self._tick_box(finding) for finding in self._copy.known.by_hand)

    def _tick_box(self, finding: TargetFinding) -> widgets.Checkbox:
        label = visible(f"{finding.name}: {finding.what}")
        box = widgets.Checkbox(
            value=finding.name in self._copy.known.ticked,
            description=f"I have seen to this: {label}",
            tooltip=f"Acknowledge {finding.name}: {visible(finding.fix)}",
            indent=False,
            style={"description_width": "initial"},
            layout={"width": "100%", "height": "auto"},
        )
        box.add_class("pk-tick")  # what is acknowledged is to be read to its end
        box.observe(self.does(self._ticked, finding.name, box), names="value")
        return box

    def _ticked(self, name: str, box: widgets.Checkbox) -> None:
        self._copy.acknowledge(name, box.value)
        self._typed_changed({})

    def _matches(self) -> bool:
        return super()._matches() and not self._copy.known.waiting

    def _busy(self, work: Callable[[], View]) -> None:
        self.look.disabled = self.again.disabled = True
        try:
            view = work()
        except Exception as error:  # noqa: BLE001 (what a button raises is seen nowhere else)
            view = error_card(error)
        finally:
            self.look.disabled = self.again.disabled = False
        self.status_line.value = view._repr_html_()

    def _show(self, _text: str, html: str) -> None:
        self.status_line.value = html

    def _look(self) -> View:
        return drift_card(self._copy.look_again(show=self._show))

    def _plan_again(self) -> View:
        before = self._copy.plan
        self._copy.plan_again(show=self._show)
        plan = self._copy.plan
        counts = f"{plan.puts:,} put back, {plan.updates:,} updated, {plan.deletes:,} deleted"
        difference = plan.total - before.total
        than = f", {count_text(abs(difference), 'write')} {'more' if difference > 0 else 'fewer'} than before"
        text = f"New plan {plan.digest[:SHORTEST]}: {counts}{than if difference else ''}."
        return note(text, "info", "Read its card above; the approval of the one before no longer counts.")


def drift_card(drift: Drift) -> View:
    """Return what moved since a plan was made, the first items side by side."""
    moved = drift_note(drift)
    if moved is None:
        return note(f"Nothing moved: {count_text(drift.checked, 'item')} read again, all as the plan saw them.", "good")
    blocks: list[Block] = [Note(moved.text, moved.tone, moved.fix)]
    if drift.items:
        blocks.append(moved_samples(drift))
    return View("drift", blocks=tuple(blocks), data=drift.to_dict())
