"""What the front shows on a terminal: progress that a kernel reports, and text that cannot take the terminal over."""

from __future__ import annotations

import shutil
import threading
import time
from typing import TYPE_CHECKING, Self, TextIO

from pitrkit.ui.progress import ProgressState, read_line
from pitrkit.ui.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType


LOOK_SECONDS = 0.2
"""How often the file of progress is looked at."""

LINE_SECONDS = 5.0
"""How often running work gets a line of its own where lines cannot be rewritten."""


class ProgressTail:
    """Shows on *echo* the states that are appended to *path*, for as long as the context lasts.

    A terminal shows one line that is rewritten and stays when the work has ended. Elsewhere (a log) running work gets
    a line now and then, and one at its end. *on_state* is told as well.
    """

    def __init__(
        self, path: Path, echo: TextIO, on_state: Callable[[ProgressState], object] = lambda _state: None
    ) -> None:
        self._on_state = on_state
        self._path = path
        self._echo = echo
        self._rewrites = bool(getattr(echo, "isatty", lambda: False)())
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)
        self._said_at = time.monotonic()
        self._pending = b""
        self._open_line = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._open_line:
            self._echo.write("\n")

    def _watch(self) -> None:
        with self._path.open("rb") as file:
            while True:
                last_look = self._over.is_set()
                *lines, self._pending = (self._pending + file.read()).split(b"\n")
                states = [state for line in lines if (state := read_line(line.decode("ascii", "replace")))]
                for state in states[:-1]:
                    if state.ended:
                        self._show(state)
                if states:
                    self._show(states[-1])
                if last_look:
                    return
                self._over.wait(LOOK_SECONDS)

    def _show(self, state: ProgressState) -> None:
        self._on_state(state)
        text = clean(str(state)).replace("\n", " ")
        if self._rewrites:
            width = shutil.get_terminal_size().columns - 3
            self._echo.write(f"\r\x1b[K  {text[:width]}" + ("\n" if state.ended else ""))
            self._open_line = not state.ended
        elif state.ended or (state.seconds >= 1 and time.monotonic() - self._said_at >= LINE_SECONDS):
            self._said_at = time.monotonic()
            self._echo.write(f"  {text}\n")
        self._echo.flush()
