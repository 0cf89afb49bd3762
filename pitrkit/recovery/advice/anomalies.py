"""Surprises in a series of counts: where it left what it had been, by a measure that one burst does not spoil.

Each period is compared with the median of the hour before it, in units of the spread then (the median absolute
deviation, and never less than counting alone would scatter). That is one test a period and a series, a day long, so
the bar is high, and a surprise has to stand out from everything that was calm before it as well: noise with a long
tail crosses any bar now and then, but never twice as high as it ever did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

BASE = 60
"""Periods before one that say what is usual for it."""

FEWEST = 15
"""Periods that have to be known before anything can be a surprise."""

BAR = 8.0
"""Spreads from the median at which a period is a surprise."""

_FALL_BAR, _FALL_TO, _FALL_LASTS, _FALL_FROM = 4.0, 0.3, 5, 10.0
_EXCESS = 5.0
_TWICE, _LASTING, _LASTS = 2.0, 1.2, 3
_PAUSE = 5
_BACK = 2
_MAD = 1.4826
_REGULAR = 2


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A stretch of periods in which a series was far from what it had been.

    Attributes:
        first: Place of the period in which it may have begun.
        seen: Place of the first period that stands out beyond doubt; `first`, or soon after it.
        last: Place of its last period.
        peak: The value furthest from usual.
        total: All of the stretch together.
        usual: Median of the periods before.
        most: Largest value among them.
        spreads: How far the peak was from usual.
        rise: Up, or down.
        again: Something like it had happened once before.
    """

    first: int
    seen: int
    last: int
    peak: float
    total: float
    usual: float
    most: float
    spreads: float
    rise: bool
    again: bool = False


def rises(values: Sequence[float]) -> list[Anomaly]:
    """Return where a series of counts suddenly rose; what it does regularly is no surprise."""
    counts = np.asarray(values, dtype=float)
    usual, spread = _usual(counts)
    far = (counts - usual) / spread
    flagged = (far >= BAR) & (counts - usual >= _EXCESS)
    calm = np.where(_around(flagged), -np.inf, counts)
    stretches = _stretches(flagged)
    anomalies: list[Anomaly] = []
    for number, (begins, last) in enumerate(stretches):
        burst_counts = counts[begins : last + 1]
        earlier = max(0.0, float(calm[:begins].max(initial=0.0)))
        lasting = len(burst_counts) >= _LASTS and float(burst_counts[:_LASTS].min()) > _LASTING * earlier
        if float(burst_counts.max()) < _TWICE * earlier and not lasting:
            continue
        likes = sum(float(counts[a : b + 1].max()) >= burst_counts.max() / 2 for a, b in stretches[:number])
        if likes >= _REGULAR:
            continue
        peak = begins + int(burst_counts.argmax())
        first = begins
        # The damage may have begun late in a minute: too early is safe, too late is not.
        while first > max(FEWEST, begins - _BACK) and far[first - 1] >= 1:
            first -= 1
        before = counts[max(0, first - BASE) : first]
        anomalies.append(
            Anomaly(
                first=first,
                seen=begins,
                last=last,
                peak=float(counts[peak]),
                total=float(burst_counts.sum()),
                usual=float(np.median(before)),
                most=float(before.max()),
                spreads=float(far[begins : last + 1].max()),
                rise=True,
                again=likes > 0,
            )
        )
    return anomalies


def falls(values: Sequence[float]) -> list[Anomaly]:
    """Return where a busy series suddenly fell to less than a third, and stayed there for some periods."""
    counts = np.asarray(values, dtype=float)
    usual, spread = _usual(counts)
    far = (counts - usual) / spread
    flagged = (far <= -_FALL_BAR) & (usual >= _FALL_FROM) & (counts <= _FALL_TO * usual)
    anomalies: list[Anomaly] = []
    for first, last in _stretches(flagged):
        if last - first + 1 < _FALL_LASTS or not flagged[first : first + _FALL_LASTS].all():
            continue
        span_counts, before = counts[first : last + 1], counts[max(0, first - BASE) : first]
        anomalies.append(
            Anomaly(
                first, first, last, float(span_counts.min()), float(span_counts.sum()), float(usual[first]),
                float(before.max()),
                float(-far[first : last + 1].min()), rise=False,
            )
        )  # fmt: skip
    return anomalies


def _usual(known: Any) -> tuple[Any, Any]:
    """Return for each period the median of those before it, and their spread; infinite where too few are known."""
    count = len(known)
    middle, spread = np.zeros(count), np.full(count, np.inf)
    for place in range(FEWEST, min(BASE, count)):
        middle[place], spread[place] = _measured(known[:place])
    if count > BASE:
        windows = np.lib.stride_tricks.sliding_window_view(known, BASE)[:-1]
        middle[BASE:] = np.median(windows, axis=1)
        spread[BASE:] = _MAD * np.median(np.abs(windows - middle[BASE:, None]), axis=1)
        spread[BASE:] = np.maximum(spread[BASE:], np.sqrt(np.maximum(middle[BASE:], 1.0)))
    return middle, spread


def _measured(before: Any) -> tuple[float, float]:
    middle = float(np.median(before))
    return middle, max(_MAD * float(np.median(np.abs(before - middle))), max(middle, 1.0) ** 0.5)


def _stretches(flagged: Any) -> list[tuple[int, int]]:
    """Return first and last place of each stretch; a short pause does not end it."""
    index_ranges: list[tuple[int, int]] = []
    for place in map(int, np.flatnonzero(flagged)):
        if index_ranges and place - index_ranges[-1][1] <= _PAUSE:
            index_ranges[-1] = (index_ranges[-1][0], place)
        else:
            index_ranges.append((place, place))
    return index_ranges


def _around(flagged: Any) -> Any:
    """Return *flagged*, and the periods right beside: a stretch's edges are not calm."""
    wide = flagged.copy()
    wide[:-1] |= flagged[1:]
    wide[1:] |= flagged[:-1]
    return wide
