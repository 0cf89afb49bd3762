"""Verify: every key that a copy settled, read again, against what it was to be."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.transport import Wire
from pitrkit.aws.items import Image, Key
from pitrkit.aws.tables.tables import Table
from pitrkit.recovery.apply.journal import Journal
from pitrkit.recovery.plan.current_items import READERS, in_calls, in_parallel, keys_of
from pitrkit.recovery.plan.guard import Write, as_wanted
from pitrkit.recovery.plan.plan import Plan, ProgressCallback

KEYS_NAMED = 100
"""How many keys that do not hold are named; all are counted."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What is true now of a plan's writes.

    Attributes:
        ok: Every write that was to be done is done, and is still so: no mismatches, none unwritten. Conflicts were
            left to their writers on purpose and are counted apart.
        checked: Keys read: all that are applied or already so.
        mismatches: Keys among them that do not hold what they should. Somebody may have changed them since.
        conflicts: Writes not done because the item was found changed.
        unwritten: Writes that failed or were not sent.
        keys: The first 100 keys that do not hold, sorted.
    """

    ok: bool
    checked: int
    mismatches: int
    conflicts: int
    unwritten: int
    keys: tuple[Key, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self) | {"keys": list(self.keys)}


def verify(
    aws: Aws, table: Table, plan: Plan, journal: Path, *, on_progress: ProgressCallback | None = None
) -> Verified:
    """Read every key again, strongly consistently, that the journal says is applied or already so.

    A plan whose guards are the attributes it writes is held to those alone: others may be written at any time.
    """
    done = bytearray(plan.total + 1)
    conflicts = 0
    after: dict[int, Image] = {}
    for entry in Journal(journal, plan).outcomes():
        done[entry.number] = entry.outcome in {"applied", "already"}
        conflicts += entry.outcome == "conflict"
        if entry.after is not None:
            after[entry.number] = entry.after
    to_check = sum(done)

    checked = mismatches = 0
    keys: list[Key] = []
    settled_writes = (write for write in plan.writes() if done[write.number])
    wire = Wire.of(aws, max_connections=READERS)
    for batch, items in in_parallel(wire, table, in_calls(settled_writes), keys_of):
        wrong = [write.key for write in batch if not _holds(write, items.get(write.key), after.get(write.number))]
        keys += wrong[: KEYS_NAMED - len(keys)]
        mismatches += len(wrong)
        checked += len(batch)
        if on_progress is not None:
            on_progress(checked, to_check, f"{mismatches} do not match" if mismatches else "all match")
    unwritten = plan.total - to_check - conflicts
    return Verified(not mismatches and not unwritten, checked, mismatches, conflicts, unwritten, tuple(keys))


def _holds(write: Write, current: Image | None, after: Image | None) -> bool:
    """Return whether *current* is what *write* left behind: its goal, or *after* where others had added to the item."""
    if write.guard == "attributes":
        return as_wanted(write, current)
    return current == (write.goal if after is None else after)
