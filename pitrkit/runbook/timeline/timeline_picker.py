"""The control for the recovery point on the timeline: candidates, the chart to zoom into, the exact second.

Choosing a candidate fills the second; moving the second moves its mark. Everything is reached by keys alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from pitrkit import times
from pitrkit.runbook.timeline.chart import SHORTEST, draw
from pitrkit.runbook.timeline.table_history import floored
from pitrkit.runbook.timeline.time_picker import TimePicker
from pitrkit.ui.browser_widgets import named_slider
from pitrkit.ui.controls import WIDE, CardControl
from pitrkit.ui.text import folded, moment, visible
from pitrkit.ui.view import View

if TYPE_CHECKING:
    from pitrkit.runbook.timeline.table_history import TableHistory
    from pitrkit.times import Window


CLOSE = timedelta(minutes=45)
"""How much is shown on either side of the likeliest candidate to begin with."""

LOOKS = ("Zoom in", "Zoom out", "Earlier", "Later", "Everything")
_MINUTE = timedelta(minutes=1)


class TimelinePicker(CardControl):
    """Write activity as a chart to zoom into, over a `TimePicker`.

    Nothing is chosen until the operator chooses a candidate or a second.

    Args:
        life: What is known of the table.
        window: The restorable seconds.
        value: A time chosen already; blank if none is.
        local_tz: Zone of the local field, this machine's if absent.
    """

    def __init__(self, life: TableHistory, window: Window, value: str = "", local_tz: tzinfo | None = None) -> None:
        self._life, self._drawing = life, True
        self.picture = widgets.HTML()
        self.time = TimePicker(window, value, local_tz, self._time_changed)
        self.view: View = self.time.view
        self.candidates = widgets.RadioButtons(
            description="Candidates",
            options=[
                (_label(number, candidate.at, candidate.title), candidate.at)
                for number, candidate in enumerate(life.candidates, 1)
            ],
            value=None,
            tooltip="Choosing one sets the time below",
            style=WIDE,
            layout={"width": "auto", "max_width": "100%"},
        )
        self._start_at = floored(life.start_at, _MINUTE)
        self._minutes = max(1, -(-int((life.end_at - self._start_at).total_seconds()) // 60))
        self.shown = widgets.IntRangeSlider(
            description="Shown",
            min=0,
            max=self._minutes,
            value=(0, self._minutes),
            readout=False,
            continuous_update=False,
            tooltip="First and last minute of the chart",
            style=WIDE,
            layout={"width": "100%", "max_width": "60em"},
        )
        self.looks = {
            text: widgets.Button(description=text, tooltip=f"{text} in the chart", layout={"width": "auto"})
            for text in LOOKS
        }
        self.shown.observe(self.does(self._draw), names="value")
        self.candidates.observe(self._candidate_changed, names="value")
        for text in LOOKS:
            self.looks[text].on_click(self.does(self._look, text))
        has_activity = bool(life.events or (life.activity and life.activity.calls))
        looking = [
            widgets.HBox(list(self.looks.values()), layout={"flex_flow": "row wrap"}),
            named_slider(self.shown, "First minute shown", "Last minute shown"),
            self.picture,
        ]
        self.box = widgets.VBox(
            [
                *([self.candidates] if life.candidates else []),
                *(looking if has_activity else []),
                self.time.box,
            ]
        )
        self._drawing = False
        if self.time.value:
            self._time_changed(datetime.fromisoformat(self.time.value), chosen=True)
            self._around(datetime.fromisoformat(self.time.value))
        elif life.candidates:
            self._around(life.candidates[0].at)
        self._draw()

    @property
    def value(self) -> str:
        """The chosen second as `2026-11-23T02:14:05Z`, blank until one is chosen."""
        return self.time.value

    def _candidate_changed(self, change: Mapping[str, Any]) -> None:
        if self._drawing or change["new"] is None:
            return
        first, last = self._between()
        if not first <= change["new"] <= last:
            self._around(change["new"])
        self.time.choose(change["new"])

    def _time_changed(self, at: datetime, chosen: bool) -> None:
        if self._drawing:
            return
        # A candidate is shown as chosen for as long as its second is.
        matching = [candidate.at for candidate in self._life.candidates if chosen and candidate.at == at]
        self._drawing = True
        try:
            self.candidates.value = matching[0] if matching else None
        finally:
            self._drawing = False
        self._draw()

    def _between(self) -> tuple[datetime, datetime]:
        first, last = self.shown.value
        return self._start_at + first * _MINUTE, self._start_at + last * _MINUTE

    def _around(self, at: datetime) -> None:
        middle = int((at - self._start_at) // _MINUTE)
        half = int(CLOSE // _MINUTE)
        self._show(middle - half, middle + half)

    def _look(self, text: str) -> None:
        first, last = self.shown.value
        length = last - first
        if text == "Everything":
            self._show(0, self._minutes)
        elif text in {"Earlier", "Later"}:
            move = max(1, length // 2) * (1 if text == "Later" else -1)
            self._show(first + move, last + move)
        else:
            middle = self._middle(first, last)
            half = length // 4 if text == "Zoom in" else length
            self._show(middle - half, middle + half)

    def _middle(self, first: int, last: int) -> int:
        """Return the minute that zooming keeps in sight: that of the recovery point if it is shown, else the middle."""
        if self.time.value:
            minute = int((datetime.fromisoformat(self.time.value) - self._start_at) // _MINUTE)
            if first <= minute <= last:
                return minute
        return (first + last) // 2

    def _show(self, first: int, last: int) -> None:
        """Show these minutes, as many of them as there are and never fewer than can be read."""
        length = min(self._minutes, max(int(SHORTEST // _MINUTE), last - first))
        first = max(0, min(first, self._minutes - length))
        self.shown.value = (first, first + length)

    def _draw(self) -> None:
        if self._drawing:
            return
        first, last = self._between()
        chosen_at = datetime.fromisoformat(self.time.value) if self.time.value else None
        drawn = draw(self._life, first, last, marked_at=chosen_at, live=True)
        self.picture.value = View("timeline", blocks=(drawn,), data={"at": times.iso(first)})._repr_html_()


def _label(number: int, at: datetime, title: str) -> str:
    return f"{number}   {moment(at)}   {folded(visible(title), 100)}"
