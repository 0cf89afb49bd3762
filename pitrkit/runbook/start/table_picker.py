"""The control over all tables: a list to search, to sort and to choose from, which stays quick with thousands.

The browser sorts and searches by itself; what it sends back is the name that was chosen. Its script comes from the
kernel, so nothing is loaded from anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import anywidget
import ipywidgets as widgets
import traitlets

from pitrkit.errors import PitrkitError
from pitrkit.runbook.start.table_views import overview_tag, status_text, tables_overview, window_short, written_text
from pitrkit.ui.browser_widgets import STATIC
from pitrkit.ui.cards import error_card, note
from pitrkit.ui.controls import CardControl
from pitrkit.ui.text import size, visible

if TYPE_CHECKING:
    from pitrkit.runbook.start.table_overview import Overview


_NEVER, _UNKNOWN = -1, -2

COLUMNS = ("Table", "PITR", "Restorable (UTC)", "Items", "Size", "Last written", "Status")
_NUMBERS = (3, 4)


class TableList(anywidget.AnyWidget):  # type: ignore[misc]
    """The list in the browser.

    Attributes:
        columns: Headings, each with whether it is of numbers.
        rows: Tables: `name`, and `cells` with a text, what it is sorted by, and a tone.
        value: Name of the chosen one.
    """

    _esm: ClassVar[Path] = STATIC / "table_list.js"
    _css: ClassVar[Path] = STATIC / "table_list.css"
    label = traitlets.Unicode("Tables").tag(sync=True)
    columns = traitlets.List().tag(sync=True)
    rows = traitlets.List().tag(sync=True)
    value = traitlets.Unicode("").tag(sync=True)


class TablePicker(CardControl):
    """A list of tables with their protection and window.

    Args:
        overviews: The tables.
        value: Name of the table chosen already, blank if none is.
        at: When they were read.
    """

    def __init__(self, overviews: Sequence[Overview], value: str = "", at: datetime | None = None) -> None:
        self._overviews, self._at = list(overviews), at
        self.view = tables_overview(self._overviews, at=at)
        self.list = TableList(
            label="Tables to choose from",
            columns=[{"name": name, "number": place in _NUMBERS} for place, name in enumerate(COLUMNS)],
            rows=[self._row(overview) for overview in self._overviews],
            value=value,
        )
        self.status_line = widgets.HTML()
        self.list.observe(self._list_changed, names="value")
        preset = bool(value) and self.names == [value]
        self.box = widgets.VBox([self.status_line] if preset else [self.list, self.status_line])
        self._say()

    @property
    def value(self) -> str:
        """Name of the chosen table, blank until one is chosen."""
        return str(self.list.value)

    @property
    def names(self) -> list[str]:
        """Names of all tables."""
        return [overview.name for overview in self._overviews]

    def fill(self, overviews: Sequence[Overview]) -> None:
        """Show what is known of the tables by now; what was chosen stays chosen."""
        self._overviews = list(overviews)
        self.list.rows = [self._row(overview) for overview in self._overviews]
        if all(overview.known for overview in self._overviews):
            self.show(tables_overview(self._overviews, at=self._at))
        self._say()

    def failed(self, error: PitrkitError) -> None:
        """Say that the rest cannot be read."""
        self.status_line.value = error_card(error)._repr_html_()

    def _row(self, overview: Overview) -> dict[str, Any]:
        window = overview.protection.window if overview.protection else None
        mark = overview_tag(overview)
        written = (
            _UNKNOWN
            if not overview.writes_known
            else _NEVER
            if overview.last_write_at is None
            else overview.last_write_at
        )
        cells: list[dict[str, Any]] = [
            {"text": visible(overview.name), "sort": overview.name.lower()},
            {"text": mark.text, "sort": mark.text, "tone": mark.tone},
            {"text": window_short(window), "sort": window.earliest_at.timestamp() if window else _NEVER},
            {"text": f"{overview.table.item_count:,}", "sort": overview.table.item_count} if overview.table else _BLANK,
            {"text": size(overview.table.size_bytes), "sort": overview.table.size_bytes} if overview.table else _BLANK,
            {
                "text": written_text(overview, self._at),
                "sort": written.timestamp() if isinstance(written, datetime) else written,
            },
            {"text": visible(status_text(overview)), "sort": status_text(overview)},
        ]
        return {"name": overview.name, "cells": cells}

    def _list_changed(self, _change: Mapping[str, Any]) -> None:
        self._say()

    def _say(self) -> None:
        name = self.value
        overview = next((overview for overview in self._overviews if overview.name == name), None)
        if not name:
            status_view = note("No table is chosen yet.")
        elif overview is None:
            status_view = note(f"There is no table {name} in this account and Region.", "warn")
        elif overview.protection is not None and not overview.protection.enabled:
            fix = "If you have a copy of it, set the parameter `restored` to it."
            status_view = note(f"Chosen: {name}. PITR is off, so it cannot be restored to an earlier time.", "bad", fix)
        else:
            status_view = note(f"Chosen: {name}. Run the next cell.", "good")
        self.status_line.value = status_view._repr_html_()


_BLANK: dict[str, Any] = {"text": "", "sort": _NEVER}
