"""Waiting for something in AWS: look, show how far it is, pause, look again.

botocore's waiters give up after minutes and show nothing; what is waited for here may take hours.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def poll(
    look: Callable[[], Found],
    ended: Callable[[Found, float], bool],
    *,
    every: float,
    at_most: float = math.inf,
    sleep: Callable[[float], object] | None = None,
) -> Found:
    """Look again and again until it has ended, and return what was found last.

    Args:
        look: Returns what there is now.
        ended: Given what was found, and the seconds since the first look began: shows it, if somebody wants to see it,
            and returns whether that is the end. What it raises ends the waiting, too.
        every: Seconds of the pause between two looks.
        at_most: Seconds after which the last look is the end in any case.
        sleep: Pauses; absent, `time.sleep`.
    """
    began = time.monotonic()
    while True:
        state = look()
        seconds = time.monotonic() - began
        if ended(state, seconds) or seconds >= at_most:
            return state
        (sleep or time.sleep)(every)
