"""Snapshots of given items, for tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pitrkit.aws.items import Image, KeySchema, attributes, without_replication
from pitrkit.aws.tables.scan_pages import Row, row
from pitrkit.recovery.snapshot import parts
from pitrkit.recovery.snapshot.parts import ScanPart
from pitrkit.recovery.snapshot.snapshot import Snapshot, empty_snapshot, gather

HELD = 1024 * 1024
"""Bytes of items in a batch."""


def from_items(items: Iterable[Image], folder: Path, *, table: str, table_arn: str, key_schema: KeySchema) -> Snapshot:
    """Write *items* to *folder* as a snapshot, and return it. An earlier one in the folder is replaced."""

    def make(_work: Path, _done: list[ScanPart]) -> list[ScanPart]:
        return [parts.write(folder, ScanPart(0, 0), _batches(items, sorted(key_schema.names)))]

    of: dict[str, Any] = {"given": True}
    return gather(empty_snapshot(folder, table, table_arn, key_schema), of, make)


def _batches(items: Iterable[Image], key: list[str]) -> Iterator[list[Row]]:
    """Yield rows of *items* in batches that can be held, at least one."""
    batch: list[Row] = []
    held = 0
    for item in items:
        batch.append(row(without_replication(attributes(item)), key))
        held += len(item)
        if held >= HELD:
            yield batch
            batch, held = [], 0
    yield batch
