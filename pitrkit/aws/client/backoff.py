"""Backoff: how long to wait before a request is sent again. Full jitter, doubled each time, up to a longest pause."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pauses between repetitions of one kind of request.

    Attributes:
        first: Seconds that the first pause is drawn from; doubled for each further one.
        longest: Seconds that no pause exceeds.
    """

    first: float
    longest: float = 20.0

    def pause(self, attempt: int) -> float:
        """Return the pause before the *attempt*-th repetition, in seconds.

        Drawn between nothing and the whole (full jitter), so that what failed together does not come back as one.
        """
        return random.uniform(0, min(self.longest, self.first * 2 ** (attempt - 1)))  # noqa: S311 -- jitter, no secret
