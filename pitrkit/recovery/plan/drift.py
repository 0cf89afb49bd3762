"""Drift: what moved in a table since a plan was made, before the plan's guards find out one by one.

The guards keep a plan safe however old it is. Looking ahead tells the operator how much of it would come to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.transport import Wire
from pitrkit.aws.items import Image, Key
from pitrkit.aws.tables.tables import Table
from pitrkit.recovery.plan.current_items import READERS, in_calls, in_parallel, keys_of
from pitrkit.recovery.plan.guard import as_wanted, holds
from pitrkit.recovery.plan.plan import Plan, ProgressCallback

LOOKED_AT = 5_000
"""Writes that are looked at: some seconds' reading. Of a larger plan these are a fair sample."""

MOVED_KEPT = 20


@dataclass(frozen=True, slots=True)
class Moved:
    """An item that is not any more as a plan saw it, so that its write would be a conflict."""

    key: Key
    seen: Image | None
    found: Image | None


@dataclass(frozen=True, slots=True)
class Drift:
    """What moved since a plan was made.

    Attributes:
        checked: Writes that were looked at.
        total: Writes of the plan.
        moved: How many of those looked at would be conflicts now.
        already: How many of them are as they should be without us.
        items: The first of those that moved.
    """

    checked: int
    total: int
    moved: int
    already: int
    items: tuple[Moved, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain JSON; items are not for records."""
        return {"checked": self.checked, "total": self.total, "moved": self.moved, "already": self.already}


def drift(
    aws: Aws,
    table: Table,
    plan: Plan,
    *,
    settled: Iterable[int] = (),
    at_most: int = LOOKED_AT,
    on_progress: ProgressCallback | None = None,
) -> Drift:
    """Read what *plan* is about again, strongly consistently, and return what moved since.

    Args:
        aws: Where.
        table: The table.
        plan: The plan.
        settled: Numbers of writes that have their outcome already, so that it does not matter any more.
        at_most: How many writes to look at; a sample, if there are more.
        on_progress: Told how far it is.
    """
    done = frozenset(settled)
    sampled_writes = (
        sampled_write
        for sampled_write in plan.writes(shuffled=plan.total > at_most)
        if sampled_write.number not in done
    )
    looked = min(at_most, plan.total - len(done))

    checked = moved = already = 0
    items: list[Moved] = []
    wire = Wire.of(aws, max_connections=READERS)
    for batch, current_images in in_parallel(wire, table, in_calls(islice(sampled_writes, at_most)), keys_of):
        for write in batch:
            present = current_images.get(write.key)
            if as_wanted(write, present):
                already += 1
            elif not holds(write, present):
                moved += 1
                items += [Moved(write.key, write.seen, present)] if len(items) < MOVED_KEPT else []
        checked += len(batch)
        if on_progress is not None:
            on_progress(checked, looked, f"{moved} moved")
    return Drift(checked, plan.total, moved, already, tuple(sorted(items, key=lambda drifted_item: drifted_item.key)))
