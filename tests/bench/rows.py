"""What a benchmark found: one line of the table that `make bench` prints."""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    work: str
    ours: str
    peer: str
    ratio: float
    peak_memory: str = ""
    note: str = ""
