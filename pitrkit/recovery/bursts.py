"""Bursts: what is done by a program stands out in time from what people do over the day.

Events are grouped by the quiet gaps between them, for gaps of various lengths, and the burst that is least likely to be
chance decides which length fits. The measure is the scan statistic of Kulldorff, "A spatial scan statistic", 1997.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import inf, log

_GAPS = (1, 2, 5, 10, 30, 60, 120, 300, 900, inf)
_STANDS_OUT = 15.0  # by how much a log-likelihood ratio must exceed that of everything; by chance it seldom does


def bursts(seconds: Counter[int], span: float) -> tuple[list[tuple[int, int]], bool]:
    """Return the bursts (first and last second), largest first, and whether the first of them stands out.

    Where none stands out, everything is one.

    Args:
        seconds: How many events each second has; at least one has some.
        span: Seconds that were watched.
    """
    ordered = sorted(seconds)
    total = seconds.total()
    everything = [(ordered[0], ordered[-1], total)]
    span = max(span, ordered[-1] - ordered[0] + 1)

    def strength(found: list[tuple[int, int, int]]) -> float:
        return max(_likelihood(count, total, last - first + 1, span) for first, last, count in found)

    candidates = [list(_split(ordered, seconds, gap)) for gap in _GAPS]
    best = max(candidates, key=strength)
    clear = strength(best) > strength(everything) + _STANDS_OUT
    chosen = sorted(best if clear else everything, key=lambda burst: (-burst[2], burst[0]))
    return [(first, last) for first, last, _ in chosen], clear or total == 1 or len(best) == 1


def _split(ordered: list[int], seconds: Counter[int], gap: float) -> Iterator[tuple[int, int, int]]:
    """Yield runs (first and last second, how many) between which more than *gap* seconds are quiet."""
    first = last = ordered[0]
    count = 0
    for second in ordered:
        if second - last > gap:
            yield first, last, count
            first, count = second, 0
        last = second
        count += seconds[second]
    yield first, last, count


def _likelihood(inside: int, total: int, length: float, span: float) -> float:
    """Return the log-likelihood ratio of *inside* of *total* events lying in *length* of *span* by more than chance."""
    expected, outside = total * length / span, total - inside
    if inside <= expected:
        return 0.0
    rest = outside * log(outside / (total - expected)) if outside else 0.0
    return inside * log(inside / expected) + rest
