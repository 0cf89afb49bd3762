"""The routes to a recovery: what each can tell, what it takes, and what it costs for a table of a given size.

Times are orders of magnitude. The service promises none: in 2023 its documentation had 95% of restores done within an
hour, and small exports were seen to take five minutes; a stream is read at once. Costs are estimates of `cost`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from pitrkit.recovery.cost import Estimate, Prices, estimate

KEPT_DAYS = 1.0
"""How long a restored copy is thought to be kept."""


@dataclass(frozen=True, slots=True)
class Route:
    """One way to a change set.

    Attributes:
        name: What it is called.
        command: How `pitrkit recover` takes it.
        when: When to take it.
        reach: How far back it goes.
        time: How long it takes until there is a change set, in words.
        cost: What that costs, without the writes of the recovery itself.
    """

    name: str
    command: str
    when: str
    reach: str
    time: str
    cost: Estimate


def routes(size_bytes: float, *, windows: Sequence[timedelta] = (), prices: Prices | None = None) -> list[Route]:
    """Return the routes for a table of *size_bytes*, the cheapest kind first.

    Args:
        size_bytes: What the table holds.
        windows: Windows of the incremental exports it would take; three short ones where blank, as for a short damage.
        prices: Price table, the built-in one if absent.
    """
    logs = [0.0] * (len(windows) or 3)
    return [
        Route(
            "stream", "--route stream",
            "the table has a stream with both images, and the damage is of the last 24 hours",
            "24 hours", "minutes", estimate(prices=prices),
        ),
        Route(
            "incremental exports", "--route export",
            "no stream, or longer ago; also for tables too large to restore and scan",
            "35 days", "5 minutes to an hour", estimate(export_logs=logs, prices=prices),
        ),
        Route(
            "full exports, three-way", "--damage-until TIME --how export",
            "you want to see whole items of both moments, but no table made",
            "35 days", _exporting(size_bytes), estimate(export_bytes=2 * size_bytes, prices=prices),
        ),
        Route(
            "one copy against now", "",
            "you want a table of the past to look around in; nothing but the time is known",
            "35 days", _restoring(size_bytes, scans=2),
            estimate(restore_bytes=size_bytes, kept_days=KEPT_DAYS, scan_bytes=2 * size_bytes, prices=prices),
        ),
        Route(
            "two copies, three-way", "--damage-until TIME",
            "as above, and the shop went on writing: good writes since are told from the damage",
            "35 days", _restoring(size_bytes, scans=2),
            estimate(restore_bytes=2 * size_bytes, kept_days=KEPT_DAYS, scan_bytes=2 * size_bytes, prices=prices),
        ),
    ]  # fmt: skip


_LARGE = 100 * 1024**3


def _restoring(size_bytes: float, *, scans: int) -> str:
    if size_bytes < _LARGE:
        return f"10 minutes to an hour, and {scans} scans"
    return f"an hour to many, and {scans} scans of hours"


def _exporting(size_bytes: float) -> str:
    return "5 minutes to an hour" if size_bytes < _LARGE else "hours, and reading the files"
