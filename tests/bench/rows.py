"""What a benchmark found: one line of the table that `make bench` prints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """What a measured figure has to reach.

    Attributes:
        text: In words.
        met: Whether it was reached in this run.
    """

    text: str
    met: bool

    def __str__(self) -> str:
        return self.text if self.met else f"{self.text}: missed"


PEAK_MB = 1024


def small(peak_mb: float) -> Target:
    """Return the target of the peak memory, for what peaked at *peak_mb*."""
    return Target("peak < 1 GiB", peak_mb < PEAK_MB)


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. Every figure in it was measured in this run.

    Attributes:
        work: What was done.
        ours: How fast we did it, with its unit.
        peer: Who else did it, and how fast.
        ratio: How many times better ours is.
        peak_memory: Ours at its peak, with its unit; empty when it was not measured.
        note: What else there is to know, in a sentence.
        target: What has to be reached; empty when nothing has been promised.
    """

    work: str
    ours: str
    peer: str
    ratio: float
    peak_memory: str = ""
    note: str = ""
    target: tuple[Target, ...] = ()

    @property
    def missed(self) -> bool:
        """A target was missed."""
        return not all(target.met for target in self.target)
