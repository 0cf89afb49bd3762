"""Snapshots: all items of a table, on disk, as a scan found them.

A snapshot is a folder: `segment-*.parquet` files (see `parts`) and `snapshot.json`, which is written last and makes
it complete. Columns are key and item (canonical JSON text), size (bytes as DynamoDB counts them) and digest (of the key
and the item, by which snapshots are compared). A key is there once; in which file, and in what order, means nothing.

The attributes that old global tables keep for themselves (`aws:rep:*`) are left out when an item is written here:
they must be neither compared nor put back, and what is not in a snapshot can be neither.

A scan that was stopped or killed is gone on with by the next one into the same folder: `scan.json` says what it was
of, and its parts say how far it came.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.transport import Wire
from pitrkit.aws.items import KeySchema
from pitrkit.aws.tables.scan_pages import Scan
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import BadInput
from pitrkit.recovery.snapshot import parts
from pitrkit.recovery.snapshot.parts import PARTS, ScanPart
from pitrkit.recovery.snapshot.scan import Read, TableScanner
from pitrkit.recovery.storage import read_json, write_json, writing
from pitrkit.recovery.token_bucket import Bucket

MAX_SEGMENTS = 1_000_000
RESUMABLE = timedelta(hours=6)
"""How long after its beginning a stopped scan is gone on with: a snapshot should not be of too long a time."""

MOST_PROCESSES = 12
"""As many as one process can read for."""

_OPEN = datetime.max.replace(tzinfo=UTC)
_META = "snapshot.json"
_BEGUN = "scan.json"
_AGAIN = "Take the snapshot again into this folder; an unfinished one is resumed or replaced."


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot on disk.

    Attributes:
        folder: Where it lies.
        table: Name of the table it shows.
        table_arn: ARN of that table.
        key_schema: The table's key.
        items: How many items it holds.
        bytes: What DynamoDB counts for them.
        started_at: When the scan began. Each item shows some moment between this and `finished_at`.
        finished_at: When it ended.
        read_units: Read capacity units the scan consumed, as the service reported them.
    """

    folder: Path
    table: str
    table_arn: str
    key_schema: KeySchema
    items: int
    bytes: int
    started_at: datetime
    finished_at: datetime
    read_units: float

    @classmethod
    def open(cls, folder: Path) -> Snapshot:
        """Open the snapshot in *folder*.

        Raises:
            BadInput: There is none, it was never finished, or files of it are gone.
        """
        data = read_json(folder / _META, what="snapshot", fix=_AGAIN)
        try:
            snapshot = cls(
                folder=folder,
                table=data["table"],
                table_arn=data["table_arn"],
                key_schema=KeySchema.from_dict(data["key_schema"]),
                items=data["items"],
                bytes=data["bytes"],
                started_at=datetime.fromisoformat(data["started_at"]),
                finished_at=datetime.fromisoformat(data["finished_at"]),
                read_units=data["read_units"],
            )
            row_count = sum(pq.read_metadata(file).num_rows for file in snapshot.files)
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise BadInput(f"the snapshot in {folder} cannot be read: {error!r}", fix=_AGAIN) from error
        if row_count != snapshot.items:
            raise BadInput(f"the snapshot in {folder} has {row_count:,} of its {snapshot.items:,} items", fix=_AGAIN)
        return snapshot

    @property
    def files(self) -> list[str]:
        """Paths of its Parquet files, with the columns key, item, size and digest."""
        return [str(path) for path in sorted(self.folder.glob(PARTS))]

    def to_dict(self) -> dict[str, Any]:
        """Return what is known about it as plain JSON, without its folder."""
        return {
            "table": self.table,
            "table_arn": self.table_arn,
            "key_schema": self.key_schema.to_dict(),
            "items": self.items,
            "bytes": self.bytes,
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat(),
            "read_units": self.read_units,
        }


def take(
    aws: Aws,
    table: Table,
    folder: Path,
    *,
    segments: int = 4,
    consistent: bool = False,
    pace: Bucket | None = None,
    processes: int = 0,
    on_progress: Callable[[Read], None] | None = None,
    wire: Wire | None = None,
) -> Snapshot:
    """Scan *table* into *folder* and return the snapshot.

    A scan of the same table into the same folder that did not end, and began less than `RESUMABLE` ago, is gone on
    with if it was alike; anything else in the folder that is of a snapshot is replaced.

    Args:
        aws: Where the table is.
        table: The table.
        folder: Where the snapshot goes.
        segments: Parts of the table that are scanned side by side, each in a thread of its own.
        consistent: Read strongly consistently, at twice the read units.
        pace: What may be read, in read units; absent, as much as the service gives.
        processes: How many processes write what is read, once that is much; 0 for as many as there are cores.
        on_progress: Called in this thread after each page.
        wire: The way to the table, where there is one already.

    Raises:
        AwsError: A page could not be read; nothing is left that looks like a snapshot.
        BadInput: The folder cannot be written.
    """
    if not 1 <= segments <= MAX_SEGMENTS:
        raise BadInput(f"a scan cannot have {segments} segments", fix=f"Set segments to 1 to {MAX_SEGMENTS:,}.")

    def read(work: Path, done: list[ScanPart]) -> list[ScanPart]:
        scans = [Scan(table.name, number, segments, consistent) for number in range(segments)]
        reader = TableScanner(
            wire or Wire.of(aws),
            scans,
            table.key_schema.names,
            folder,
            work,
            pace=pace,
            processes=processes or likely_processes(),
        )
        return reader.read(done, on_progress)

    scan = {"table_id": table.id, "segments": segments, "consistent": consistent}
    return gather(empty_snapshot(folder, table.name, table.arn, table.key_schema), scan, read)


def gather(
    begun: Snapshot, must_match: dict[str, Any], read: Callable[[Path, list[ScanPart]], list[ScanPart]]
) -> Snapshot:
    """Make the snapshot *begun* of the parts that *read* makes, and return it.

    Args:
        begun: What is known of it at its `empty_snapshot`.
        must_match: What else must be alike for parts that an earlier run left to be gone on with.
        read: Makes the parts that are not there yet, given a work folder and those that are, and returns all.

    Raises:
        BadInput: The folder cannot be written.
    """
    folder = begun.folder
    earlier = _unfinished(begun, must_match)
    with writing(folder, complete=_META, clear="" if earlier else PARTS) as work:
        done = parts.finished_parts(folder) if earlier else []
        begun = replace(begun, started_at=earlier or begun.started_at)
        write_json(folder / _BEGUN, {**begun.to_dict(), **must_match})
        return _finish(read(work, done), begun)


def _unfinished(begun: Snapshot, scan: dict[str, Any]) -> datetime | None:
    """Return when a scan like this one began in the folder that can be gone on with, None if there is none."""
    if (begun.folder / _META).exists() or not (begun.folder / _BEGUN).exists():
        return None
    same = {**begun.to_dict(), **scan}
    try:
        data = read_json(begun.folder / _BEGUN, what="scan", fix=_AGAIN)
        age = begun.started_at - datetime.fromisoformat(data["started_at"])
        alike = all(data[name] == same[name] for name in ("table", "table_arn", "key_schema", *scan))
    except (BadInput, KeyError, TypeError, ValueError):
        return None
    return begun.started_at - age if alike and timedelta(0) <= age < RESUMABLE else None


def likely_processes() -> int:
    """Return how many processes are worth having: as many as this one may use cores, up to `MOST_PROCESSES`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_PROCESSES)


def empty_snapshot(
    folder: Path, table: str, table_arn: str, key_schema: KeySchema, *, at: datetime | None = None
) -> Snapshot:
    """Return an empty snapshot that shows the moment *at*; absent, one that begins now and ends when it is finished."""
    now = datetime.now(UTC)
    return Snapshot(
        folder, table, table_arn, key_schema, 0, 0, started_at=at or now, finished_at=at or _OPEN, read_units=0.0
    )


def _finish(made: list[ScanPart], begun: Snapshot) -> Snapshot:
    snapshot = replace(
        begun,
        items=sum(part.items for part in made),
        bytes=sum(part.bytes for part in made),
        finished_at=datetime.now(UTC) if begun.finished_at == _OPEN else begun.finished_at,
        read_units=sum(part.read_units for part in made),
    )
    # In this order: a complete snapshot must never be taken for a scan that did not end.
    (snapshot.folder / _BEGUN).unlink(missing_ok=True)
    write_json(snapshot.folder / _META, snapshot.to_dict())
    return snapshot
