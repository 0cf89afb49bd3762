"""Stop signals outside of notebooks: where they are as good as Ctrl-C, and where they have to wait a moment.

A SIGINT or SIGTERM always stops, even if it was ignored when we were started: a shell ignores SIGINT for what it starts
in the background, and somebody who sends one means it. A SIGHUP that was ignored stays ignored, which is what `nohup`
asks for.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def take_signals(handler: Callable[[int, Any], None]) -> dict[int, Any]:
    """Have *handler* called for the stop signals, in the main thread only; return what was done about each before."""
    numbers = [
        number for number in _STOP_SIGNALS if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
    ]
    return {number: signal.signal(number, handler) for number in numbers}


@contextmanager
def as_interrupt() -> Iterator[None]:
    """Let each of them do what Ctrl-C does. A notebook that runs meanwhile sees to them itself."""

    def stop(number: int, frame: object) -> None:
        del number, frame
        raise KeyboardInterrupt

    with _handled(stop):
        yield


@contextmanager
def deferred() -> Iterator[None]:
    """Let what is inside come to its end, and raise KeyboardInterrupt then if one of them has come."""
    asked: list[int] = []

    def note(number: int, frame: object) -> None:
        del frame
        asked.append(number)

    with _handled(note):
        yield
    if asked:
        raise KeyboardInterrupt


@contextmanager
def _handled(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Have *handler* called for them, where Python allows that: in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = take_signals(handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
