"""Controls: what an operator works with, above a card that says the same to whoever reads the saved notebook.

A control shows itself as two outputs. The first is a view, which every reader of the notebook sees: in JupyterLab, in
a copy that papermill ran, on paper. The second is the widget, which needs a running kernel. So no information is only
in a widget, and a missing one leaves no empty box. Nothing here waits: a control keeps what was chosen until a later
cell asks for its value.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import ipywidgets as widgets
from IPython.display import display

from pitrkit.errors import PitrkitError
from pitrkit.runbook.blocks import Block, Code, Grid, Note
from pitrkit.runbook.gate import CLICK_LASTS, SHORTEST
from pitrkit.runbook.incident import now
from pitrkit.runbook.incident_views import error_card, note
from pitrkit.runbook.values import moment, things, visible
from pitrkit.runbook.view import View

if TYPE_CHECKING:
    from pitrkit.runbook.incident import Clock

WIDE = {"description_width": "9em"}


class Control:
    """A card and a widget below it.

    Attributes:
        view: The card: what can be chosen, or approved.
        box: The widget.
    """

    view: View
    box: Any
    _card_output: Any = None
    _failure: Any = None
    offline: ClassVar[str] = "The controls need a running kernel; headless, a parameter says the same."

    def _ipython_display_(self) -> None:
        self._card_output = display(self.view, display_id=True)
        whole = widgets.VBox([self.box, self.failure])
        # Where the widget cannot be drawn, its text is; a widget's own would be its Python expression.
        display({**whole._repr_mimebundle_(), "text/plain": self.offline}, raw=True)

    def __str__(self) -> str:
        return str(self.view)

    @property
    def failure(self) -> widgets.HTML:
        """What the last press or change raised, as a card below the widget; blank where it did not."""
        if self._failure is None:
            self._failure = widgets.HTML()
        return self._failure

    def does(self, work: Callable[..., object], *given: object) -> Callable[..., None]:
        """Return a callback that calls *work* with *given*. What it raises is shown: no kernel shows that by itself."""

        def callback(*_event: object) -> None:
            self.failure.value = ""
            try:
                work(*given)
            except Exception as error:  # noqa: BLE001 (see above)
                self.failure.value = error_card(error, trace="".join(traceback.format_exception(error)))._repr_html_()

        return callback

    def show(self, view: View) -> None:
        """Put another card in the place of the one that is shown; a saved copy of the notebook keeps it."""
        self.view = view
        if self._card_output is not None:
            self._card_output.update(view)


class Choice(Control):
    """One of several.

    Args:
        label: What is chosen.
        options: What it is called, and its value.
        value: What is chosen already, blank if nothing is.
        required: False where blank is one of the *options*.
    """

    def __init__(
        self, label: str, options: Sequence[tuple[str, str]], *, value: str = "", required: bool = True
    ) -> None:
        self._chosen = value
        known = {given for _, given in options}
        mark = "given" if value else "unless chosen otherwise"
        rows = tuple((text, given or "(blank)", mark if given == value else "") for text, given in options)
        grid = Grid(("option", "value", ""), rows) if rows else Note("There is nothing to choose from.")
        data = {"options": [given for _, given in options], "value": value}
        self.view = View("choice", f"Choose: {label}", blocks=(grid,), data=data)
        listed = [(visible(text), given) for text, given in options]
        if "" not in known:
            listed.insert(0, ("choose…" if required else "none", ""))
        if value and value not in known:
            listed.append((visible(value), value))
        self.list = widgets.Dropdown(
            description=visible(label),
            options=listed,
            value=value,
            tooltip=visible(label),
            style={"description_width": "initial"},
            layout={"width": "max-content", "max_width": "100%"},
            disabled=not options,
        )
        self.list.observe(self._list_changed, names="value")
        self.box = widgets.VBox([self.list])

    @property
    def value(self) -> str:
        """What is chosen, blank until something is."""
        return self._chosen

    def _list_changed(self, change: Mapping[str, Any]) -> None:
        self._chosen = change["new"] or ""


class ApproveBox(Control):
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

    offline: ClassVar[str] = "The approval needs a running kernel; headless, the parameter `approve` gives it."

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
        self.said = widgets.HTML()
        self.typed.observe(self._typed_changed, names="value")
        self.button.on_click(self.does(self._clicked))
        self.row = widgets.HBox([self.typed, self.button], layout={"flex_flow": "row wrap"})
        self.box = widgets.VBox([])
        self.about(digest, table, summary=summary, needed=needed, command=command)

    def about(self, digest: str, table: str, *, summary: Mapping[str, Any], needed: bool, command: str = "") -> None:
        """Be about another plan from now on. What was typed and approved was for the one before, and is forgotten."""
        self._digest, self._table, self._needed = digest, table, needed
        self.approved_at = None
        what = f"{_summed(summary)} (digest {digest[:SHORTEST]})"
        self.typed.value = ""
        self.typed.placeholder = table
        self.typed.disabled = not needed
        self.button.tooltip = f"Approve {what}"
        self.said.value = ""
        self.box.children = (self.row, self.said) if needed else ()
        self.show(self._card(what, command))

    def _card(self, what: str, command: str) -> View:
        if not self._needed:
            return note("There is nothing to approve.")
        blocks: list[Block] = [
            Note(f"To approve: {what}. Type the table's name, {self._table}, and press Approve.", "warn")
        ]
        if command:
            blocks.append(Code(command, "Or headless, by this command:"))
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
            self.said.value = error_card(error)._repr_html_()
            return
        self.approved_at = self._clock()
        self.button.button_style = "success"
        until = moment(self.approved_at + CLICK_LASTS)
        said = note(f"Approved {self._digest[:SHORTEST]}, until {until}. Run the next cell.", "good")
        self.said.value = said._repr_html_()


def _summed(summary: Mapping[str, Any]) -> str:
    if "action" in summary:
        return str(summary["action"])
    counts = ", ".join(
        things(int(summary.get(name, 0)), name.removesuffix("s")) for name in ("puts", "updates", "deletes")
    )
    return f"the plan of {counts}"
