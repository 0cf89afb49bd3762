"""Controls: what an operator works with, above a card that says the same to whoever reads the saved notebook.

A control shows itself as two outputs. The first is a view, which every reader of the notebook sees: in JupyterLab, in
a copy that papermill ran, on paper. The second is the widget, which needs a running kernel. So no information is only
in a widget, and a missing one leaves no empty box. Nothing here waits: a control keeps what was chosen until a later
cell asks for its value.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import ipywidgets as widgets
from IPython.display import display

from pitrkit.ui.blocks import Grid, Note
from pitrkit.ui.cards import error_card
from pitrkit.ui.text import visible
from pitrkit.ui.view import View

WIDE = {"description_width": "9em"}


class CardControl:
    """A card and a widget below it.

    Attributes:
        view: The card: what can be chosen, or approved.
        box: The widget.
    """

    view: View
    box: Any
    _card_output: Any = None
    _failure: Any = None
    offline: ClassVar[str] = "The controls need a running kernel; in a headless run, set the parameter."

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

    def does(self, work: Callable[..., object], *args: object) -> Callable[..., None]:
        """Return a callback that calls *work* with *args*. What it raises is shown: no kernel shows that by itself."""

        def callback(*_event: object) -> None:
            self.failure.value = ""
            try:
                work(*args)
            except Exception as error:  # noqa: BLE001 (see above)
                self.failure.value = error_card(error, trace="".join(traceback.format_exception(error)))._repr_html_()

        return callback

    def show(self, view: View) -> None:
        """Put another card in the place of the one that is shown; a saved copy of the notebook keeps it."""
        self.view = view
        if self._card_output is not None:
            self._card_output.update(view)


class Choice(CardControl):
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
        values = {option_value for _, option_value in options}
        mark = "given" if value else "by default"
        rows = tuple(
            (text, option_value or "(blank)", mark if option_value == value else "") for text, option_value in options
        )
        grid = Grid(("option", "value", ""), rows) if rows else Note("There is nothing to choose from.")
        data = {"options": [option_value for _, option_value in options], "value": value}
        self.view = View("choice", f"Choose: {label}", blocks=(grid,), data=data)
        listed = [(visible(text), option_value) for text, option_value in options]
        if "" not in values:
            listed.insert(0, ("choose…" if required else "none", ""))
        if value and value not in values:
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
