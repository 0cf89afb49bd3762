"""What the browser draws of a change set: a page of rows, and small charts whose bars can be pressed.

Both are anywidgets: a module of our own each, which travels with the kit and loads nothing. The browser holds one page;
what is asked for comes back as another value of a trait, so all of it can be tried without a browser.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as widgets
import traitlets

from pitrkit.ui.text import visible

STATIC = Path(__file__).parent / "static"

LENGTH = 10
"""Rows on a page to begin with: the opened item, below them, stays in sight."""


class ChangeGrid(anywidget.AnyWidget):  # type: ignore[misc]
    """A page of changes as a grid: sorted by its headings, opened by Enter or a click, ticked by Space.

    Attributes:
        columns: Headings: `id`, `label`, `sortable`, `number`.
        rows: The page: `row` (its place in the change set), `name` and `cells`.
        total: Rows on all pages.
        page: The page, from 0.
        length: Rows on a page.
        sort: Id of the column to sort by, blank for none, and whether from the largest down.
        opened: The row that is open, -1 for none.
        picked: The rows that are ticked.
        busy: Whether a page is being made.
    """

    _esm = STATIC / "grid.js"
    _css = STATIC / "explore.css"
    columns = traitlets.List().tag(sync=True)
    rows = traitlets.List().tag(sync=True)
    total = traitlets.Int(0).tag(sync=True)
    page = traitlets.Int(0).tag(sync=True)
    length = traitlets.Int(LENGTH).tag(sync=True)
    sort = traitlets.List(["", False]).tag(sync=True)
    opened = traitlets.Int(-1).tag(sync=True)
    picked = traitlets.List().tag(sync=True)
    busy = traitlets.Bool(False).tag(sync=True)

    def copy(self, text: str, confirmation: str) -> None:
        """Put *text* on the clipboard of whoever looks, and say *confirmation* when it is there."""
        self.send({"copy": text, "words": confirmation})


@dataclass(frozen=True, slots=True)
class BarSegment:
    """A stretch of a bar."""

    tone: str
    count: int


@dataclass(frozen=True, slots=True)
class PressBar:
    """A bar that can be pressed.

    Attributes:
        id: What is pressed.
        label: What it counts.
        count: How many.
        words: The same as a sentence, with what pressing it does.
        parts: Its stretches.
        pressed: Whether it is in force.
        disabled: Whether it can only be looked at.
    """

    id: str
    label: str
    count: int
    words: str
    parts: tuple[BarSegment, ...]
    pressed: bool = False
    disabled: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as the browser is given it."""
        return {**asdict(self), "label": visible(self.label), "words": visible(self.words)}


@dataclass(frozen=True, slots=True)
class Group:
    """Bars under one heading."""

    title: str
    hint: str
    bars: tuple[PressBar, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as the browser is given it."""
        return {"title": visible(self.title), "hint": visible(self.hint), "bars": [bar.to_dict() for bar in self.bars]}


class Facets(anywidget.AnyWidget):  # type: ignore[misc]
    """Groups of bars.

    Attributes:
        groups: The groups, as the browser is given them.
        pressed: The bar pressed last, and how many presses there were.
    """

    _esm = STATIC / "facets.js"
    _css = STATIC / "explore.css"
    groups = traitlets.List().tag(sync=True)
    pressed = traitlets.Dict().tag(sync=True)

    def show(self, groups: Sequence[Group]) -> None:
        """Draw *groups*; those without bars are left out."""
        self.groups = [group.to_dict() for group in groups if group.bars]

    def on_press(self, does: Callable[[str], object]) -> None:
        """Call *does* with the id of each bar that is pressed."""

        def pressed(change: Mapping[str, Any]) -> None:
            does(str(change["new"].get("id", "")))

        self.observe(pressed, names="pressed")


class HandleNames(anywidget.AnyWidget):  # type: ignore[misc]
    """Names for a slider's handles.

    Attributes:
        names: What a screen reader calls each, the first handle's first.
    """

    _esm = STATIC / "handles.js"
    names = traitlets.List().tag(sync=True)


def named_slider(slider: widgets.Widget, *names: str) -> widgets.Box:
    """Return *slider* in a box where each of its handles has a name for screen readers."""
    box = widgets.VBox([slider, HandleNames(names=list(names))], layout={"width": "100%"})
    box.add_class("pk-named-slider")
    return box
