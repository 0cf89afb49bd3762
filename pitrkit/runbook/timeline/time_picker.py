"""The control for the recovery point: it cannot leave the restorable window, and shows UTC and local time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from pitrkit import times
from pitrkit.errors import BadInput
from pitrkit.times import now
from pitrkit.ui.blocks import Facts, Note, Tone
from pitrkit.ui.browser_widgets import named_slider
from pitrkit.ui.controls import WIDE, CardControl
from pitrkit.ui.text import duration, moment
from pitrkit.ui.view import View

if TYPE_CHECKING:
    from pitrkit.times import Window


STEPS = (("-1 h", -3600), ("-1 min", -60), ("-1 s", -1), ("+1 s", 1), ("+1 min", 60), ("+1 h", 3600))

BEFORE_LATEST, IS_LATEST = "before latest restorable time", "none, it is the latest"

_FORM = "%Y-%m-%d %H:%M:%S"


class TimePicker(CardControl):
    """A slider, two exact fields and buttons, all over the same second of the window.

    Nothing is chosen until the operator moves it, types a time inside the window, or presses "Use this time".

    Args:
        window: The restorable seconds.
        value: A time chosen already, as `pitrkit.times.parse_time` reads it; blank if none is.
        local_tz: Zone of the local field, this machine's if absent.
        on_change: Called with the second that is shown, and whether it is chosen, whenever either changes.
    """

    def __init__(
        self,
        window: Window,
        value: str = "",
        local_tz: tzinfo | None = None,
        on_change: Callable[[datetime, bool], object] | None = None,
    ) -> None:
        self._window, self._zone, self._on_change = window, local_tz, on_change
        self._at, self._chosen, self._drawing = window.latest_at, False, False
        self.view = _card(window, value)
        span = max(0, int((window.latest_at - window.earliest_at).total_seconds()))
        self.slider = widgets.IntSlider(
            description="Position in restore window",
            min=0,
            max=span,
            readout=False,
            tooltip="Seconds since the earliest restorable time",
            style=WIDE,
            layout={"width": "100%", "max_width": "60em"},
        )
        self.utc = _field("UTC", "Exact time in UTC; a time with an offset, 'latest' or '90m' (ago) also works")
        self.local = _field(f"Local ({self._zone_name()})", "The same time in local time")
        self.buttons = {
            text: widgets.Button(description=text, tooltip=f"Move by {text}", layout={"width": "6em"})
            for text, _ in STEPS
        }
        self.use = widgets.Button(description="Use this time", icon="check", tooltip="Choose the time shown")
        self.status_line = widgets.HTML()
        self.slider.observe(self._slider_changed, names="value")
        self.utc.observe(self._utc_changed, names="value")
        self.local.observe(self._local_changed, names="value")
        for text, seconds in STEPS:
            self.buttons[text].on_click(self.does(self._step, seconds))
        self.use.on_click(self.does(lambda: self._go(self._at)))
        fields = [self.utc, self.local] if self._has_local() else [self.utc]
        self.box = widgets.VBox(
            [
                named_slider(self.slider, "Position in restore window, in seconds"),
                widgets.HBox(fields, layout={"flex_flow": "row wrap"}),
                widgets.HBox([*self.buttons.values(), self.use], layout={"flex_flow": "row wrap"}),
                self.status_line,
            ]
        )
        if value:
            self._read(value, UTC)
        else:
            self._draw("No time is chosen yet: move the slider, type a time, or press 'Use this time'.")

    @property
    def value(self) -> str:
        """The chosen second as `2026-11-23T02:14:05Z`, blank until one is chosen."""
        return times.iso(self._at) if self._chosen else ""

    def choose(self, at: datetime) -> None:
        """Choose *at*; a second outside the window is not chosen, and said to be outside."""
        self._take(at)

    def _go(self, at: datetime) -> None:
        """Move to *at*, or to the end of the window that it lies beyond, and choose that."""
        self._at, self._chosen = self._inside(at), True
        self._draw()

    def _inside(self, at: datetime) -> datetime:
        return max(self._window.earliest_at, min(at, self._window.latest_at))

    def _step(self, seconds: int) -> None:
        self._go(self._at + timedelta(seconds=seconds))

    def _slider_changed(self, change: Mapping[str, Any]) -> None:
        if not self._drawing:
            self._go(self._window.earliest_at + timedelta(seconds=change["new"]))

    def _utc_changed(self, change: Mapping[str, Any]) -> None:
        if not self._drawing:
            self._read(change["new"], UTC)

    def _local_changed(self, change: Mapping[str, Any]) -> None:
        if not self._drawing:
            self._read(change["new"], self._zone)

    def _read(self, text: str, zone: tzinfo | None) -> None:
        """Take what was typed: inside the window it is chosen, outside it is clamped and waits for confirmation."""
        self._chosen = False
        try:
            at, twice = _parsed(text, zone, self._window)
        except (BadInput, OverflowError) as error:
            # What was typed stays for correction; nothing is chosen meanwhile.
            why = error.what if isinstance(error, BadInput) else "This is not a valid time"
            self._say(f"{why}. No time is chosen.", "bad")
            return
        self._take(at, "This local time occurred twice (clock change); the earlier one is used." if twice else "")

    def _take(self, at: datetime, remark: str = "") -> None:
        self._chosen = False
        if not self._window.holds(at):
            which = "latest" if at > self._window.latest_at else "earliest"
            self._at = self._inside(at)
            text = f"{moment(at)} is outside the restore window. The {which} restorable time is shown instead."
            self._draw(f"{text} To choose it, press 'Use this time'.", "warn")
            return
        self._at, self._chosen = at, True
        self._draw(remark)

    def _draw(self, remark: str = "", tone: Tone = "info") -> None:
        self._drawing = True
        try:
            self.slider.value = int((self._at - self._window.earliest_at).total_seconds())
            self.utc.value = f"{self._at.astimezone(UTC):{_FORM}}"
            self.local.value = f"{self._at.astimezone(self._zone):{_FORM}}"
        finally:
            self._drawing = False
        self._say(remark, tone)

    def _say(self, remark: str, tone: Tone = "info") -> None:
        rows = [("UTC", moment(self._at))]
        if self._has_local():
            local = self._at.astimezone(self._zone)
            rows.append(("local", f"{local:{_FORM}} {local.tzname()} (UTC{local:%z})"))
        rows.append((BEFORE_LATEST, _distance(self._window.latest_at - self._at)))
        chosen_note = Note(f"Chosen: {self.value}. Run the next cell.", "good") if self._chosen else None
        notes = [*([Note(remark, tone)] if remark else []), *([chosen_note] if chosen_note else [])]
        self.status_line.value = View("time", blocks=(Facts(tuple(rows)), *notes))._repr_html_()
        if self._on_change:
            self._on_change(self._at, self._chosen)

    def _has_local(self) -> bool:
        ends = (self._window.earliest_at, self._window.latest_at)
        return any(end.astimezone(self._zone).utcoffset() for end in ends)

    def _zone_name(self) -> str:
        return str(self._window.latest_at.astimezone(self._zone).tzname())


def _field(label: str, tooltip: str) -> Any:
    return widgets.Text(
        description=label, tooltip=tooltip, continuous_update=False, style=WIDE, layout={"width": "26em"}
    )


def _parsed(text: str, zone: tzinfo | None, window: Window) -> tuple[datetime, bool]:
    """Return the second that *text* names, read in *zone* if it names none itself, and whether it came twice."""
    try:
        naive = datetime.fromisoformat(text.strip().removesuffix("UTC").strip())
    except ValueError:
        naive = None
    if naive is None or naive.tzinfo is not None:
        return times.parse_time(text, now=now(), window=window), False
    first, second = (
        naive.replace(fold=fold, tzinfo=zone, microsecond=0).astimezone(UTC)
        if zone
        else naive.replace(fold=fold, microsecond=0).astimezone().astimezone(UTC)
        for fold in (0, 1)
    )
    return min(first, second), first < second


def _distance(span: timedelta) -> str:
    return duration(span.total_seconds()) if span else IS_LATEST


def _card(window: Window, value: str) -> View:
    rows = (("from", moment(window.earliest_at)), ("to", moment(window.latest_at)), ("chosen", value or "none yet"))
    text = "Any second of this window, both ends included. In a headless run, set the parameter `at`."
    data = {"earliest_at": times.iso(window.earliest_at), "latest_at": times.iso(window.latest_at), "at": value}
    return View("times", "Choose the recovery point", blocks=(Facts(rows), Note(text, "muted")), data=data)
