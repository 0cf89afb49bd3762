"""A sample of a snapshot as a change set: items that a table lacks, for a rehearsal to put there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pitrkit.recovery.changes.change import Change
from pitrkit.recovery.changes.change_set import ONE_COPY, ChangeSet, from_changes
from pitrkit.recovery.snapshot.snapshot import Snapshot
from pitrkit.recovery.storage import batches


def missing_items(snapshot: Snapshot, folder: Path, *, items: int, table: str, before_at: str) -> ChangeSet:
    """Write to *folder* the change set by which *items* items of *snapshot* were removed from *table*.

    They are spread evenly over the snapshot's files, and the same ones each time.

    Args:
        snapshot: Where they are.
        folder: Where the change set goes.
        items: How many; 0, or more than there are, for all.
        table: The table that has none of them.
        before_at: The moment that the snapshot shows.
    """
    return from_changes(
        _spread(snapshot, min(items, snapshot.items) or snapshot.items),
        folder,
        table=table,
        key_schema=snapshot.key_schema,
        source=ONE_COPY,
        before_at=before_at,
        after_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _spread(snapshot: Snapshot, wanted: int) -> Iterator[Change]:
    place = 0
    for file in snapshot.files:
        for batch in batches(Path(file), ["key", "item"]):
            for key, item in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                if place * wanted % snapshot.items < wanted:
                    yield Change(key, "removed", item, None)
                place += 1
