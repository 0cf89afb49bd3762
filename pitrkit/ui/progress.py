"""Progress of long work: in the notebook, where its last state stays as text, and in the terminal through the front.

A notebook's output is updated in place (`display_id`), so an executed notebook shows how the work ended rather than a
bar frozen at 0%. The front runs notebooks in a kernel of their own; it names a file in `PITRKIT_PROGRESS`, to which
each state is appended as a line of JSON for the front to show.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pitrkit import documents
from pitrkit.ui.text import duration

if TYPE_CHECKING:
    from types import TracebackType


VARIABLE = "PITRKIT_PROGRESS"
"""Environment variable that names the file to append states to."""

BETWEEN_UPDATES = 0.25
"""Seconds between two updates at least, but for the last."""

Show = Callable[[str, str], None]
"""Shows a state as (text, HTML), in place of the one before."""


@dataclass(frozen=True, slots=True)
class ProgressState:
    """How far the work is.

    Attributes:
        label: What is being done.
        done: Units done.
        total: Units to do, None when nobody knows.
        unit: What is counted, e.g. `items`; `seconds` for work that only waits.
        note: A word more, e.g. a status.
        seconds: Time taken so far.
        ended: Blank while it runs; `told` where there is nothing but its label to tell.
        first: Units that were done when it was first reported: an earlier run may have done them.
        first_seconds: Time taken until then.
    """

    label: str
    done: float = 0
    total: float | None = None
    unit: str = "items"
    note: str = ""
    seconds: float = 0.0
    ended: Literal["", "done", "stopped", "told"] = ""
    first: float = 0
    first_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Units a second since it was first reported, 0 while that cannot be said."""
        passed = self.seconds - self.first_seconds
        return max(0.0, (self.done - self.first) / passed) if passed > 0 else 0.0

    @property
    def eta_seconds(self) -> float | None:
        """Seconds to go at the present rate, None when that cannot be said."""
        if not self.total or not self.rate or self.ended:
            return None
        return max(0.0, (self.total - self.done) / self.rate)

    def __str__(self) -> str:
        if self.ended == "told":
            return self.label
        parts = []
        counts = self.unit != "seconds"  # Waiting is told by its time alone: "1 second a second" tells nothing.
        if counts and (self.done or self.total):
            # A total is often an estimate: what is through, or beyond it, is told without it.
            going = self.total and self.done < self.total and self.ended != "done"
            of_total = f" of {_count(self.total)}" if self.total and going else ""
            share = f" ({int(100 * self.done / self.total)}%)" if self.total and going else ""
            parts.append(f"{_count(self.done)}{of_total} {self.unit}{share}")
        if self.note:
            parts.append(self.note)
        if counts and self.rate and self.seconds >= 1:
            parts.append(f"{_count(self.rate)} {self.unit}/s")
        parts.append(duration(self.seconds))
        if self.eta_seconds is not None and self.eta_seconds >= 1:
            parts.append(f"about {duration(self.eta_seconds)} left")
        ended = {"done": "done: ", "stopped": "stopped: "}.get(self.ended, "")
        return f"{self.label}: {ended}{', '.join(parts)}"

    def to_html(self) -> str:
        """Return it with a bar, for the notebook."""
        share = 1.0 if self.ended == "done" else min(1.0, self.done / self.total) if self.total else 0.0
        colour = {"done": "#2e7d4f", "stopped": "#b3541e"}.get(self.ended, "#2563a8")
        bar = (
            '<div style="height:4px;max-width:32em;margin:.35em 0;border-radius:2px;background:rgba(128,128,128,.25)">'
            f'<div style="height:4px;border-radius:2px;width:{share * 100:.0f}%;background:{colour}"></div></div>'
        )
        return f'<div style="font-variant-numeric:tabular-nums">{escape(str(self))}{bar}</div>'


class ProgressBar:
    """Shows how far a piece of work is; call it with (done, total, note), from any thread.

    Args:
        label: What is being done.
        total: Units to do, where it is known.
        unit: What is counted.
        elapsed: Seconds it has taken already, where the work began before it was waited for here.
        show: Shows a state; by default the notebook's output, or nothing outside of a notebook.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        label: str,
        total: float | None = None,
        unit: str = "items",
        *,
        elapsed: float = 0.0,
        show: Show | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._show = show or notebook_output()
        self._file = os.environ.get(VARIABLE, "")
        self._lock = threading.Lock()
        self._started = clock() - elapsed
        self._shown: float | None = None
        self._first: tuple[float, float] | None = None
        self.state = ProgressState(label, total=total, unit=unit)

    def __enter__(self) -> Self:
        self._publish()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._advance(self.state.done, self.state.total, self.state.note, "stopped" if kind else "done")

    def __call__(self, done: float, total: float | None = None, note: str = "") -> None:
        """Say how far it is: *done* units of *total*; blanks keep what was said before."""
        self._advance(done, total, note, "")

    def html(self) -> str:
        """Return what the notebook shows of the present state."""
        return self.state.to_html()

    def _advance(self, done: float, total: float | None, note: str, ended: Literal["", "done", "stopped"]) -> None:
        with self._lock:
            seconds = self._clock() - self._started
            if self._first is None and not ended:
                self._first = done, seconds
            first, first_seconds = self._first or (0, 0.0)
            self.state = replace(
                self.state,
                done=done,
                total=self.state.total if total is None else total,
                note=note or self.state.note,
                seconds=seconds,
                ended=ended,
                first=first,
                first_seconds=first_seconds,
            )
            if ended or self._shown is None or self._clock() - self._shown >= BETWEEN_UPDATES:
                self._publish()

    def _publish(self) -> None:
        self._shown = self._clock()
        if self._show is not None:
            self._show(str(self.state), self.html())
        if self._file and not _append(self._file, self.state):
            self._file = ""


def terminal_line(text: str) -> None:
    """Say a line on the terminal that waits for this notebook, where there is one."""
    if file := os.environ.get(VARIABLE):
        _append(file, ProgressState(text, ended="told"))


def _append(path: str, state: ProgressState) -> bool:
    try:
        with Path(path).open("a", encoding="ascii") as file:
            file.write(documents.to_json(asdict(state)) + "\n")
    except OSError:
        # The front is gone or its disk is full. The work matters, its display does not.
        return False
    return True


def read_line(line: str) -> ProgressState | None:
    """Return the state in a line of the `PITRKIT_PROGRESS` file, None if it is torn."""
    try:
        return documents.from_json(line, ProgressState)
    except ValueError:
        return None


def notebook_output() -> Show | None:
    """Return what shows a state in the output of the notebook's running cell, None outside of a notebook."""
    try:
        from IPython.core.getipython import get_ipython  # noqa: PLC0415 (a terminal does not need IPython)
        from IPython.display import display  # noqa: PLC0415
    except ImportError:
        return None
    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    handle: Any = None

    def show(text: str, html: str) -> None:
        nonlocal handle
        bundle = {"text/plain": text, "text/html": html}
        if handle is None:
            handle = display(bundle, raw=True, display_id=True)
        else:
            handle.update(bundle, raw=True)

    return show


def _count(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 or number == int(number) else f"{number:.1f}"  # noqa: PLR2004
