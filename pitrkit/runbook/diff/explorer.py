"""The control for exploring a change set and taking what is looked at as the scope of the recovery.

The filters make a `Query`, whose scope is the very thing that is applied later and that headless runs are given. So
what is seen here is what will be in scope. The items stay on disk: the browser gets one page of them.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import orjson

from pitrkit.aws.items import attributes
from pitrkit.config import masking
from pitrkit.errors import BadInput, PitrkitError
from pitrkit.recovery.changes import change_set
from pitrkit.recovery.changes.query import SIDE_NAMES, Query
from pitrkit.recovery.changes.search import TRIED, Search, SearchResult, Shift, Sort
from pitrkit.runbook.diff import csv_export, explorer_views
from pitrkit.runbook.diff.explorer_filters import Filters, button, row
from pitrkit.ui.browser_widgets import ChangeGrid, Facets, Group
from pitrkit.ui.cards import error_card, note
from pitrkit.ui.controls import CardControl
from pitrkit.ui.text import count_text, folded, key_text, visible

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from pitrkit.recovery.changes.change_set import ChangeSet
    from pitrkit.recovery.changes.scope import Scope
    from pitrkit.ui.view import View


COPIED = 5_000
"""Changes that are copied at once; all of them are saved."""

_COLUMNS = 3
_SAMPLE = 500
_FOCUS_SAMPLE = 5_000
_FOCUS_OF = 4


class Explorer(CardControl):
    """Filters over a change set, with charts, a grid and the opened item of what they let through.

    Args:
        changes: The change set.
        on_use: Called with the scope and its words when it is taken; what it returns is said.
        tried: How many changes a condition in JMESPath is tried on at most.

    Attributes:
        filters: The fields.
        facets: The charts.
        grid: The page of changes.
        words: The scope in words, once it was taken.
    """

    def __init__(
        self, changes: ChangeSet, *, on_use: Callable[[Scope, str], str] | None = None, tried: int = TRIED
    ) -> None:
        self._changes, self._on_use, self._tried = changes, on_use, tried
        self._search = Search(changes)
        self._keys = changes.key_schema.names
        self._found: SearchResult | None = None
        self._groups: list[Group] = []
        self._shifts: list[Shift] = []
        self._together: list[tuple[tuple[str, ...], int]] = []
        self._scope: Scope | None = None
        self._quiet = False
        self.words = ""
        names = self._search.names(_SAMPLE)
        self._columns = self._first_columns(names)
        self.filters = Filters(
            changes,
            names,
            values=self._values,
            on_change=self.does(self._look),
            on_refuse=lambda why: self._say(why, "warn"),
        )
        self.found, self.status_line, self.item = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.use = button("Limit recovery to these", "filter", "Limit recovery to the changes shown here")
        self.only = button("Only selected", "check-square-o", "Show only the items selected in the grid")
        self.clear = button("Clear filters", "eraser", "Show all changes")
        self.copy = button("Copy as CSV", "clipboard", f"Copy the changes shown, up to {COPIED:,}")
        self.save = button("Save as CSV", "download", "Save all changes shown, in the incident's folder")
        self.use.button_style = "primary"
        self.use.on_click(self.does(self._used))
        self.only.on_click(self.does(self._only_ticked))
        self.clear.on_click(self.does(self._cleared))
        self.copy.on_click(self.does(self._copied))
        self.save.on_click(self.does(self._saved))
        self.only.disabled = True
        self.facets, self.grid = Facets(), ChangeGrid()
        self.facets.on_press(lambda id_: self.does(self._pressed, id_)())
        self.grid.observe(self.does(self._turned), names=["page", "length"])
        self.grid.observe(self.does(lambda: self._turned(page=0)), names="sort")
        self.grid.observe(self.does(self._opened), names="opened")
        self.grid.observe(self.does(self._ticked), names="picked")
        self._look()
        self.view = self._still()
        buttons = row(self.use, self.only, self.clear, self.copy, self.save)
        self.box = widgets.VBox(
            [self.filters.box, self.found, buttons, self.status_line, self.facets, self.grid, self.item]
        )

    @property
    def scope(self) -> Scope | None:
        """The scope that "Limit recovery to these" was last pressed for, None until it was."""
        return self._scope

    def frame(self, limit: int = 1000) -> pd.DataFrame:
        """Return the first *limit* changes of what is shown as a pandas frame, plain values, for looking at only."""
        matches = islice(self._search.matches(self._shown()), limit)
        return change_set.frame([masking.current().change(change, text=True) for change in matches], self._keys)

    def save_csv(self, path: Path | None = None) -> Path:
        """Write all of what is shown as CSV, safe to open in a spreadsheet; return where it is.

        Args:
            path: Where to; beside the change set where it is not given.
        """
        result = self._shown()
        if path is None:
            number = 1 + len(list(self._changes.folder.glob("explored-*.csv")))
            path = self._changes.folder / f"explored-{number:02}.csv"
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            csv_export.write(file, self._search.matches(result), self._keys, self._names_in(result))
        return path

    def _shown(self) -> SearchResult:
        return self._found or self._search.find(Query())

    def _first_columns(self, names: list[str]) -> list[str]:
        """Return the attributes to show at first: the last one, whose values are charted, goes fewest ways."""
        whole = self._search.find(Query())
        differ = [difference.attribute for difference in self._search.prints.differing(whole.mask)[:_FOCUS_OF]]
        if not differ:
            return [name for name in names if name not in self._keys][:2]
        sample = self._search.first(whole, _FOCUS_SAMPLE)
        few = max(differ, key=lambda name: sum(shift.count for shift in self._search.shifts(sample, name, 3)))
        return [*[name for name in differ if name != few][:1], few]

    def _values(self, name: str) -> list[str]:
        """Return values of an attribute to choose from, the most frequent ones."""
        if name in self._keys or masking.current().touches(name):
            return []
        shifts = self._search.shifts(self._shown(), name, 20)
        sides = [explorer_views.shift_value(side) for shift in shifts for side in (shift.now, shift.then)]
        return list(dict.fromkeys(side for side in sides if side))

    # What is looked at

    def _look(self) -> None:
        """Find what passes the filters, and show it from its first page on."""
        self._found, self.grid.busy = None, True
        try:
            self._found = self._search.find(self.filters.query, tried=self._tried)
            self.found.value = explorer_views.found_card(self._found)._repr_html_()
        except BadInput as error:
            self.found.value = error_card(error)._repr_html_()
        for control in (self.use, self.copy, self.save):
            control.disabled = self._found is None
        self._say("")
        self._turn_to(0)
        self._draw_page()
        self._draw_charts()
        self.grid.busy = False

    def _draw_page(self) -> None:
        grid, result, columns = self.grid, self._found, self._columns[::-1]
        heads = [("kind", "kind"), *((f"key:{name}", name) for name in self._keys), ("changed", "changed")]
        heads += [(f"{side}:{name}", f"{name} {label}") for name in columns for side, label in SIDE_NAMES.items()]
        grid.columns = [{"id": id_, "label": folded(visible(label), 40), "sortable": True} for id_, label in heads]
        if result is None:
            grid.total, grid.rows = 0, []
            return
        if grid.sort[0] not in {"", *(id_ for id_, _ in heads)}:
            self._quietly(sort=["", False])
        place, _, attribute = str(grid.sort[0]).partition(":")
        sort = Sort(place, attribute, bool(grid.sort[1]))  # type: ignore[arg-type]
        page = self._search.page(result, sort, grid.page * grid.length, grid.length)
        grid.total = len(result)
        grid.rows = [
            {
                "row": place,
                "name": key_text(change.key),
                "cells": [{"tag": change.kind}, *explorer_views.cells(change, self._keys, columns)],
            }
            for place, change in page
        ]

    def _still(self) -> View:
        result = self._shown()
        first = [change for _, change in self._search.page(result, Sort(), 0, explorer_views.STILL)]
        return explorer_views.still_card(self._changes, result, first, self._columns[-1:], self._groups)

    def _draw_charts(self) -> None:
        if self._found is None:
            return
        prints, result, columns = self._search.prints, self._found, self._columns[-1:]
        self._together = prints.together(result.mask, explorer_views.SHOWN)
        charted = [name for name in columns if not masking.current().touches(name)]
        self._shifts = self._search.shifts(result, charted[0], explorer_views.SHOWN) if charted else []
        self._groups = explorer_views.charts(
            prints.differing(result.mask), self._together, self._shifts, columns=self._columns, query=result.query
        )
        self.facets.show(self._groups)

    def _turned(self, page: int | None = None) -> None:
        if not self._quiet:
            last = max(0, -(-self.grid.total // max(1, self.grid.length)) - 1)
            self._turn_to(min(max(0, self.grid.page if page is None else page), last))
            self._draw_page()

    def _turn_to(self, page: int) -> None:
        self._quietly(page=page)

    def _quietly(self, **traits: Any) -> None:
        self._quiet = True
        try:
            for name, value in traits.items():
                setattr(self.grid, name, value)
        finally:
            self._quiet = False

    def _opened(self) -> None:
        place = self.grid.opened
        exists = 0 <= place < len(self._changes)
        self.item.value = explorer_views.item_card(self._search.change(place))._repr_html_() if exists else ""

    def _pressed(self, id_: str) -> None:
        """Do what a chart's bar is for: show a column, or filter by what it counts; pressed again, undo that."""
        kind, _, rest = id_.partition(":")
        if kind == "column":
            others = [column for column in self._columns if column != rest]
            self._columns = others if rest in self._columns else [*others, rest][-_COLUMNS:]
            self._draw_page()
            self._draw_charts()
        elif kind == "print" and int(rest) < len(self._together):
            names = self._together[int(rest)][0]
            self.filters.put(fingerprint=() if self.filters.fingerprint == names else names)
        elif kind == "shift" and int(rest) < len(self._shifts):
            terms = explorer_views.shift_terms(self._shifts[int(rest)], self._columns[-1])
            others_ = [term for term in self.filters.terms if term not in terms]
            pressed = set(terms) <= set(self.filters.terms)
            self.filters.put(terms=others_ if pressed else [*self.filters.terms, *terms])

    # What is done with it

    def _ticked(self) -> None:
        self.only.disabled = not self.grid.picked

    def _only_ticked(self) -> None:
        keys = [self._search.change(place).key for place in sorted(self.grid.picked)]
        if masking.current().hides_key(self._keys):
            self.filters.put(ticked=tuple(keys))
        else:
            self.filters.keys.value = orjson.dumps([attributes(key) for key in keys]).decode()

    def _cleared(self) -> None:
        self.grid.picked = []
        self.filters.clear()

    def _used(self) -> None:
        if self._found is None:
            return
        scope = self._found.query.scope()
        scope_text = masking.current().words(scope, self._found.query.describe())
        try:
            message = self._on_use(scope, scope_text) if self._on_use is not None else "Run the next cell."
        except PitrkitError as error:
            self.status_line.value = error_card(error)._repr_html_()
            return
        self._scope, self.words = scope, scope_text
        self.show(self._still())
        self._say(f"Scope: {scope_text}. {message}", "good")

    def _names_in(self, result: SearchResult) -> list[str]:
        return csv_export.names_of(islice(self._search.matches(result), 1000), self._keys, change_set.ATTRIBUTES_SHOWN)

    def _copied(self) -> None:
        result = self._shown()
        text = io.StringIO()
        count = csv_export.write(text, islice(self._search.matches(result), COPIED), self._keys, self._names_in(result))
        more = f", the first of {len(result):,}; save as CSV to get all" if len(result) > count else ""
        self.grid.copy(text.getvalue(), f"{count_text(count, 'change')} copied as CSV{more}")

    def _saved(self) -> None:
        try:
            self._say(f"{count_text(len(self._shown()), 'change')} saved in {self.save_csv()}", "good")
        except OSError as error:
            self._say(f"Saving failed: {error.strerror or error}", "bad")

    def _say(self, text: str, tone: Any = "info") -> None:
        self.status_line.value = note(text, tone)._repr_html_() if text else ""
