"""A copy's pace against what its table is provisioned for: who would have to wait for whom.

The service keeps up to five minutes of unused units for bursts; a plan that takes a minute's worth at most passes in
that without anybody noticing. Source: Developer Guide, "Burst and adaptive capacity".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pitrkit.dynamodb.surroundings import Scaling
from pitrkit.dynamodb.tables import Table

Told = tuple[Literal["blocking", "warning", "information"], str, str]
"""How bad it is, what is so, and what to do."""

UNNOTICED_SECONDS = 60


def capacity(table: Table, scaling: Sequence[Scaling], *, units: float, pace: float, unknown: str = "") -> Told | None:
    """Return what a copy of *units* at *pace* would do to the capacity of *table*, None where there is no limit.

    Args:
        table: The target.
        scaling: What may scale its write units.
        units: Write units of the copy.
        pace: Write units a second.
        unknown: Why the scaling is not known, blank where it is.
    """
    if not pace or not (table.write_units or table.most_write_units):
        return None
    where, limit = _least(table)
    scales = _scaled(where, scaling, unknown) if table.write_units else ""
    kind = "provisioned with" if table.write_units else "limited to"
    has = f"{where or 'the table'} is {kind} {limit:,} write units a second{scales}"
    slower = f"Give a pace of {max(1, limit // 2):,} write units or less"
    if pace > limit and units > limit * UNNOTICED_SECONDS:
        what = (
            f"{has}; the copy would take up to {pace:,.0f} for as long as it writes, and the shop's writes would fail"
        )
        return "blocking", what, f"{slower}, or accept 'capacity'."
    if pace > limit / 2 and units > limit:
        return "warning", f"{has}; the copy takes up to {min(pace, limit):,.0f} of them", f"{slower}."
    return "information", f"{has}, and the copy takes {units:,.0f} in all", "Nothing."


def _least(table: Table) -> tuple[str, int]:
    """Return what has the fewest units: an index by name, or blank for the table."""
    if not table.write_units:
        return "", table.most_write_units
    limits = [("", table.write_units), *((one.name, one.write_units) for one in table.indexes if one.write_units)]
    return min(limits, key=lambda one: one[1])


def _scaled(index: str, scaling: Sequence[Scaling], unknown: str) -> str:
    if unknown:
        return f" (whether auto scaling raises that cannot be known: {unknown})"
    its = [one for one in scaling if one.index == index and not one.suspended]
    if not its:
        return " and no auto scaling"
    return f" (auto scaling raises that, within minutes, to {its[0].most:,} at most, and the bill with it)"
