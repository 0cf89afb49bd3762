"""The fields that a query is clicked together with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from pitrkit.aws.items import Key
from pitrkit.errors import BadInput
from pitrkit.recovery.changes.change import KINDS
from pitrkit.recovery.changes.query import HOWS, SIDE_NAMES, VALUED, Query, Side, Term
from pitrkit.recovery.changes.scope import Scope
from pitrkit.ui.controls import WIDE
from pitrkit.ui.text import count_text, folded, visible

if TYPE_CHECKING:
    from pitrkit.recovery.changes.change_set import ChangeSet


SIDES: tuple[tuple[str, Side], ...] = ((SIDE_NAMES["now"], "now"), (SIDE_NAMES["then"], "then"))

_NAMES = 300


class Filters:
    """Fields for each part of a query, and a button for each filter that is in force.

    Args:
        changes: The change set.
        names: Names of attributes to filter by.
        values: Tells values of an attribute to choose from, as a term compares with them.
        on_change: Called whenever the query may be another one.
        on_refuse: Called with what cannot be added, and why.

    Attributes:
        box: The fields.
        terms: Conditions on attributes that are in force.
        fingerprint: Attributes that differ together, as in `Query`.
        ticked: Keys that are not to be read in a field; those of the field count where it is not blank.
    """

    def __init__(
        self,
        changes: ChangeSet,
        names: Sequence[str],
        *,
        values: Callable[[str], Sequence[str]],
        on_change: Callable[[], object],
        on_refuse: Callable[[str], object],
    ) -> None:
        self._changes, self._values = changes, values
        self._on_change, self._on_refuse = on_change, on_refuse
        self._keys = changes.key_schema.names
        self._quiet = False
        self.terms: tuple[Term, ...] = ()
        self.fingerprint: tuple[str, ...] = ()
        self.ticked: tuple[Key, ...] = ()
        self.kinds = {
            kind: widgets.Checkbox(
                value=True,
                description=f"{kind} ({getattr(changes.counts, kind):,})",
                indent=False,
                layout={"width": "auto", "margin": "2px 18px 2px 2px"},
            )
            for kind in KINDS
        }
        self.text = _text("Search", "text in a key, a name or a value", "Only items with this text, before or now")
        self.attribute = widgets.Dropdown(
            description="Attribute",
            options=[("choose…", ""), *((folded(visible(name), 60), name) for name in names[:_NAMES])],
            value="",
            tooltip="Attribute to filter by",
            style=WIDE,
            layout={"width": "21em"},
        )
        self.how = _dropdown("How", [(comparison, comparison) for comparison in HOWS], "Comparison", "10.5em")
        self.side = _dropdown("Side", list(SIDES), "Compare the item before or now", "8em")
        self.value = widgets.Combobox(
            description="Value",
            placeholder="text, number, true, null",
            options=[],
            ensure_option=False,
            tooltip='Value to compare with; "12" in quotes is text only',
            style={"description_width": "initial"},
            layout={"width": "14.5em"},
        )
        self.add = button("Add filter", "plus", "Show only changes that also match this filter")
        self.chips = row()
        self.where = _text("Where", "after.status == 'CANCELLED'", "JMESPath over kind, key, before, after, changed")
        self.keys = _text("Keys", f"[{_example(changes)}]", "Only these keys: a JSON list, plain or DynamoDB JSON")
        for control in (*self.kinds.values(), self.text, self.keys, self.where):
            control.observe(lambda _change: self._changed(), names="value")
        self.attribute.observe(lambda _change: self._attribute_chosen(), names="value")
        self.how.observe(lambda _change: self._usable(), names="value")
        self.add.on_click(lambda _button: self._added())
        self._usable()
        term = row(self.attribute, self.how, self.side, self.value, self.add)
        self.box = widgets.VBox([row(*self.kinds.values()), self.text, term, self.where, self.keys, self.chips])

    @property
    def query(self) -> Query:
        """What the fields say now.

        Raises:
            BadInput: One of them cannot be read, or no kind is ticked.
        """
        kinds = tuple(kind for kind in KINDS if self.kinds[kind].value)
        if not kinds:
            raise BadInput("no kind of change is selected", fix="Select at least one.")
        # Read by themselves: an error should speak of what was typed, not of all filters together.
        scope = Scope.parse("", self.keys.value, self.where.value, self._changes.key_schema)
        every, keys = len(kinds) == len(KINDS), scope.keys or self.ticked
        return Query(() if every else kinds, self.text.value, self.terms, self.fingerprint, keys, scope.where)

    def put(
        self,
        *,
        terms: Sequence[Term] | None = None,
        fingerprint: tuple[str, ...] | None = None,
        ticked: tuple[Key, ...] | None = None,
    ) -> None:
        """Put other conditions in force; what is not given stays."""
        if terms is not None:
            self.terms = tuple(dict.fromkeys(terms))
        if fingerprint is not None:
            self.fingerprint = fingerprint
        if ticked is not None:
            self.ticked = ticked
        self._draw_chips()
        self._changed()

    def clear(self) -> None:
        """Take every filter away."""
        self._quiet = True
        try:
            for control in (self.text, self.where, self.keys, self.value, self.attribute):
                control.value = ""
            for box in self.kinds.values():
                box.value = True
        finally:
            self._quiet = False
        self.put(terms=(), fingerprint=(), ticked=())

    def _changed(self) -> None:
        if not self._quiet:
            self._on_change()

    def _attribute_chosen(self) -> None:
        name = self.attribute.value
        self.value.options = [value for value in self._values(name) if visible(value) == value] if name else []
        self._usable()

    def _usable(self) -> None:
        self.value.disabled = self.how.value not in VALUED
        self.side.disabled = self.how.value == "changed" or self.attribute.value in self._keys

    def _added(self) -> None:
        name, comparison = self.attribute.value, self.how.value
        if not name:
            self._on_refuse("Choose an attribute to filter by first.")
        elif name in self._keys and comparison == "changed":
            self._on_refuse("A key never changes; an item with another key is another item.")
        else:
            side: Side = "key" if name in self._keys else self.side.value
            term = Term(name, comparison, self.value.value if comparison in VALUED else "", side)
            self.put(terms=(*self.terms, term))

    def _draw_chips(self) -> None:
        chips = []
        for term in self.terms:
            rest = tuple(other_term for other_term in self.terms if other_term != term)
            chip = _chip(term.describe())
            chip.on_click(lambda _button, rest=rest: self.put(terms=rest))
            chips.append(chip)
        if self.fingerprint:
            chip = _chip(f"exactly {', '.join(self.fingerprint)} changed")
            chip.on_click(lambda _button: self.put(fingerprint=()))
            chips.append(chip)
        if self.ticked:
            chip = _chip(f"only {count_text(len(self.ticked), 'selected item')}")
            chip.on_click(lambda _button: self.put(ticked=()))
            chips.append(chip)
        self.chips.children = chips


def row(*inside: Any) -> Any:
    """Return widgets beside each other, in as many lines as they need."""
    return widgets.HBox(list(inside), layout={"flex_flow": "row wrap"})


def button(text: str, icon: str, tooltip: str) -> Any:
    """Return a button as wide as its words."""
    return widgets.Button(description=text, icon=icon, tooltip=tooltip, layout={"width": "auto"})


def _chip(text: str) -> Any:
    chip_text = folded(visible(text), 80)
    return button(chip_text, "times", f"Remove the filter: {chip_text}")


def _dropdown(label: str, options: list[tuple[str, Any]], tooltip: str, width: str) -> Any:
    style = {"description_width": "initial"}
    return widgets.Dropdown(description=label, options=options, tooltip=tooltip, style=style, layout={"width": width})


def _text(label: str, placeholder: str, tooltip: str) -> Any:
    return widgets.Text(
        description=label,
        placeholder=placeholder,
        tooltip=tooltip,
        continuous_update=False,
        style=WIDE,
        layout={"width": "100%", "max_width": "60em"},
    )


def _example(changes: ChangeSet) -> str:
    parts = (
        f'"{attribute.name}": {1 if attribute.type == "N" else chr(34) + "a" + chr(34)}'
        for attribute in changes.key_schema.attributes
    )
    return f"{{{', '.join(parts)}}}"
