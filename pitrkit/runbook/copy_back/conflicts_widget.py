"""The control for conflicts: each item as it was found beside ours, decided one by one or in groups.

To keep theirs is to do nothing, on purpose. To take ours is to plan again, with the item as found for a guard: it
goes through the gate like any other plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import ipywidgets as widgets

from pitrkit.incident.state import SHORTEST
from pitrkit.recovery.apply.conflicts import Decision
from pitrkit.recovery.apply.journal import Conflict
from pitrkit.recovery.plan.plan import Plan
from pitrkit.runbook.copy_back.result_views import conflict_card, conflicts_card, counted, group_of, tally_of
from pitrkit.ui.cards import error_card, note
from pitrkit.ui.controls import WIDE, CardControl
from pitrkit.ui.text import count_text, folded, key_text, visible
from pitrkit.ui.view import View

PAGE = 5
"""Conflicts on a page, each as a card."""

NAMED = 60
"""Characters of a key by which a screen reader tells the choices apart."""

_CHOICES = (("undecided", ""), ("keep theirs", "theirs"), ("take ours", "ours"))


class _Row:
    """One conflict on a page, and its decision."""

    def __init__(self, on_change: Callable[[int, str], object]) -> None:
        self._on_change = on_change
        self._place = -1
        self._filling = False
        self.card = widgets.HTML()
        self.choice = widgets.ToggleButtons(
            description="Decide",
            options=_CHOICES,
            value="",
            tooltips=["Leave it for now", "Leave the item as it was found", "Plan to put ours back over it"],
            style={"description_width": "initial", "button_width": "9em"},
        )
        self.choice.observe(self._changed, names="value")
        self.box = widgets.VBox([self.card, self.choice])

    def fill(self, place: int, conflict: Conflict, decision: str) -> None:
        if place != self._place:
            self._place = place
            self.card.value = conflict_card(conflict)._repr_html_()
            self.choice.description = f"Decide on {folded(key_text(conflict.key), NAMED)}"
        self._filling = True
        try:
            self.choice.value = decision
        finally:
            self._filling = False

    def _changed(self, change: Mapping[str, Any]) -> None:
        if not self._filling:
            self._on_change(self._place, change["new"])


class ConflictBox(CardControl):
    """The conflicts of a copy, to be decided.

    Args:
        conflicts: All of them.
        on_settle: Called with the decisions by the number of the write; returns the new plan, if they make one.
        digest: Of the plan that met them.

    Attributes:
        decisions: What is decided so far, by the number of the write.
    """

    offline: ClassVar[str] = "Deciding needs a running kernel; headless, `conflicts` decides all: theirs or ours."

    def __init__(
        self,
        conflicts: Sequence[Conflict],
        on_settle: Callable[[Mapping[int, Decision]], Plan | None],
        *,
        digest: str = "",
    ) -> None:
        self._conflicts, self._on_settle, self._digest = conflicts, on_settle, digest
        self._groups = [group_of(conflict) for conflict in conflicts]
        self._texts = [key_text(conflict.key).lower() for conflict in conflicts]
        self._page = 0
        self._listed = list(range(len(conflicts)))
        self.decisions: dict[int, Decision] = {}
        self._settled_as: dict[int, Decision] = {}
        self.view = conflicts_card(conflicts, digest=digest)
        counts = {name: self._groups.count(name) for name in sorted(set(self._groups))}
        self.group = widgets.Dropdown(
            description="Group",
            options=[("all conflicts", ""), *((f"{name} ({count:,})", name) for name, count in counts.items())],
            value="",
            tooltip="Only conflicts of one kind",
            style=WIDE,
            layout={"width": "40em", "max_width": "100%"},
        )
        self.find = widgets.Text(
            description="Key contains",
            placeholder="part of a key",
            tooltip="Only items whose key contains this",
            style=WIDE,
            layout={"width": "40em", "max_width": "100%"},
        )
        self.theirs = widgets.Button(icon="user", layout={"width": "auto"})
        self.ours = widgets.Button(icon="reply", layout={"width": "auto"})
        self.before = widgets.Button(description="Earlier", icon="chevron-left", tooltip="The page before")
        self.after = widgets.Button(description="Later", icon="chevron-right", tooltip="The next page")
        self.where = widgets.HTML()
        self.tally = widgets.HTML()
        self.make = widgets.Button(icon="gavel", layout={"width": "max-content"})
        self.status_line = widgets.HTML()
        self._rows = [_Row(self._decided) for _ in range(min(PAGE, len(conflicts)))]
        self._pages = widgets.VBox([])
        self._connect()
        wrap = {"flex_flow": "row wrap"}
        self.box = widgets.VBox(
            [
                self.group,
                self.find,
                widgets.HBox([self.theirs, self.ours], layout=wrap),
                self._pages,
                widgets.HBox([self.before, self.after, self.where], layout=wrap),
                self.tally,
                self.make,
                self.status_line,
            ]
            if conflicts
            else []
        )
        self._fill()

    def _connect(self) -> None:
        self.group.observe(self._filtered, names="value")
        self.find.observe(self._filtered, names="value")
        self.theirs.on_click(self.does(lambda: self.decide(self._listed, "theirs")))
        self.ours.on_click(self.does(lambda: self.decide(self._listed, "ours")))
        self.before.on_click(self.does(self._turn, -1))
        self.after.on_click(self.does(self._turn, 1))
        self.make.on_click(self.does(self.settle))

    def decide(self, places: Iterable[int], decision: Decision) -> None:
        """Decide the conflicts at *places* the same way. Nothing comes of it before `settle`."""
        for place in places:
            self.decisions[self._conflicts[place].number] = decision
        self._fill()

    def settle(self) -> None:
        """Have the decisions recorded, and a plan made of those that take ours."""
        self.make.disabled = True
        decisions = dict(self.decisions)
        try:
            plan = self._on_settle(decisions)
        except Exception as error:  # noqa: BLE001 (what a button raises is seen nowhere else)
            self.status_line.value = error_card(error)._repr_html_()
            self.make.disabled = False
            return
        self._settled_as = decisions
        self.show(conflicts_card(self._conflicts, self.decisions, digest=self._digest))
        self.status_line.value = self._settled(plan)._repr_html_()
        self._fill()

    def _settled(self, plan: Plan | None) -> View:
        undecided = counted(self._conflicts, self.decisions)
        still = f" {count_text(undecided['open'], 'conflict')} stay undecided." if undecided["open"] else ""
        if plan is None:
            return note(f"Recorded: {count_text(undecided['theirs'], 'item')} stay as they were found.{still}", "good")
        if plan.empty:
            text = "None of ours can be planned: the items were written once more meanwhile. The plan's card says more."
            return note(text, "warn")
        items = count_text(plan.total, "item")
        text = f"Plan {plan.digest[:SHORTEST]} takes ours in {items} and waits at the gate.{still}"
        return note(text, "good", "Go up to the gate, approve it, and run on from there.")

    def _decided(self, place: int, decision: str) -> None:
        number = self._conflicts[place].number
        if decision:
            self.decisions[number] = decision  # type: ignore[assignment]
        else:
            self.decisions.pop(number, None)
        self._fill()

    def _filtered(self, _change: Mapping[str, Any]) -> None:
        search_text, group = self.find.value.strip().lower(), self.group.value
        self._listed = [
            place
            for place, text in enumerate(self._texts)
            if search_text in text and (not group or self._groups[place] == group)
        ]
        self._page = 0
        self._fill()

    def _turn(self, by: int) -> None:
        self._page += by
        self._fill()

    def _fill(self) -> None:
        last = max(0, -(-len(self._listed) // PAGE) - 1)
        self._page = max(0, min(self._page, last))
        places = self._listed[self._page * PAGE : (self._page + 1) * PAGE]
        for row, place in zip(self._rows, places, strict=False):
            conflict = self._conflicts[place]
            row.fill(place, conflict, self.decisions.get(conflict.number, ""))
        boxes = tuple(row.box for row in self._rows[: len(places)])
        if self._pages.children != boxes:
            self._pages.children = boxes
        self.before.disabled, self.after.disabled = self._page == 0, self._page == last
        page_text = f"Page {self._page + 1} of {last + 1}, {count_text(len(self._listed), 'conflict')}"
        self.where.value = f"<span>{page_text}</span>"
        self.theirs.description = visible(f"Keep theirs: all {len(self._listed):,} listed")
        self.ours.description = visible(f"Take ours: all {len(self._listed):,} listed")
        self.theirs.disabled = self.ours.disabled = not self._listed
        self._sum_up()

    def _sum_up(self) -> None:
        counts = counted(self._conflicts, self.decisions)
        view = View("tally", blocks=(tally_of(self._conflicts, self.decisions),))
        self.tally.value = view._repr_html_()
        new = self.decisions != self._settled_as
        self.make.disabled = not new
        self.make.description = "Make a new plan of ours" if counts["ours"] else "Record what was decided"
        self.make.button_style = "warning" if new else ""
        self.make.tooltip = "Nothing is written: a new plan waits at the gate" if counts["ours"] else "Writes nothing"
