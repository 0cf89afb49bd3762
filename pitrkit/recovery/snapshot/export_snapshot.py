"""A full export as a snapshot: the table at one second, out of S3, without a restore, a scan or a read unit.

Each data file becomes one part of the snapshot. It is fetched whole and proved by its checksum before anything is made
of it; threads fetch, and other processes make parts as for a scan. What was made before a run was stopped is kept, as
an export does not change.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from threading import Event

from pitrkit.aws.change_data import export_files, export_records
from pitrkit.aws.change_data.export import Export
from pitrkit.aws.change_data.export_files import DataFile
from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import BadInput, PitrkitError
from pitrkit.recovery.snapshot import parts
from pitrkit.recovery.snapshot.parts import ScanPart
from pitrkit.recovery.snapshot.scan import PartWriters, Read
from pitrkit.recovery.snapshot.snapshot import Snapshot, empty_snapshot, gather, likely_processes

FETCHERS = 6
"""Files fetched side by side, and so about how many lie in the work folder at once."""


def from_export(
    aws: Aws,
    export: Export,
    table: Table,
    folder: Path,
    *,
    processes: int = 0,
    on_progress: Callable[[Read], None] | None = None,
) -> Snapshot:
    """Read a complete full export of *table* into *folder* and return the snapshot; it shows the export's second.

    Reading that was stopped is gone on with, file by file, by the next call for the same export and folder.

    Args:
        aws: Where the export is.
        export: The export.
        table: The table it must be of.
        folder: Where the snapshot goes.
        processes: How many processes make parts, once that is much; 0 for as many as there are cores.
        on_progress: Called in this thread after each file.

    Raises:
        BadInput: The export is not a full and whole one of this table, or a file of it is missing, damaged or foreign;
            the file is named. Nothing is left that looks like a snapshot.
        AccessDenied: The bucket may not be read.
    """
    _check(export, table)
    manifest = export_files.manifest(aws, export)

    def read(work: Path, done: list[ScanPart]) -> list[ScanPart]:
        work = Path(mkdtemp(dir=work))
        made = {part.segment: part for part in done}
        todo = [file for file in manifest.files if file.number not in made]
        stop = Event()

        def one(file: DataFile) -> tuple[ScanPart, int]:
            if stop.is_set():
                raise _Stopped
            path = work / f"file-{file.number}"
            size = export_files.fetch(aws, export, file, path)
            making = partial(write_part, work, path, file, export, table.key_schema.names)
            part = makers.submit(making, size).result()
            path.unlink()
            (work / part.name).replace(folder / part.name)
            return part, size

        makers = PartWriters(processes or likely_processes())
        with makers, ThreadPoolExecutor(FETCHERS, thread_name_prefix="export") as pool:
            running = [pool.submit(one, file) for file in todo]
            try:
                progress = _Progress(sum(part.items for part in done), on_progress)
                for future in as_completed(running):
                    part, size = future.result()
                    made[part.segment] = part
                    progress.add(part, size)
            except BrokenProcessPool as error:
                stop.set()
                raise PitrkitError(
                    "a process that writes the snapshot was killed, perhaps because memory ran out",
                    table=table.name,
                    fix="Run this step again to resume.",
                ) from error
            except BaseException:  # also an interrupt: do not read on behind the operator's back
                stop.set()
                raise
        manifest.check_complete()
        return list(made.values())

    snapshot = empty_snapshot(folder, table.name, table.arn, table.key_schema, at=export.at)
    return gather(snapshot, {"export_arn": export.arn, "files": len(manifest.files)}, read)


def write_part(folder: Path, path: Path, file: DataFile, export: Export, key: tuple[str, ...]) -> ScanPart:
    """Write the items of a fetched file to a part in *folder*, and return what came of it."""
    return parts.write(folder, ScanPart(file.number, 0), export_records.rows(path, file, export, key))


class _Stopped(PitrkitError):
    def __init__(self) -> None:
        super().__init__("another file failed")


class _Progress:
    def __init__(self, before: int, tell: Callable[[Read], None] | None) -> None:
        self._before = before
        self._tell = tell
        self._items = self._bytes = 0
        self._began = time.monotonic()

    def add(self, part: ScanPart, size: int) -> None:
        self._items += part.items
        self._bytes += size
        if self._tell is not None:
            seconds = time.monotonic() - self._began
            self._tell(Read(self._before + self._items, self._bytes, 0.0, seconds, self._items))


def _check(export: Export, table: Table) -> None:
    if export.kind != "full" or export.at is None:
        raise BadInput(f"the {export} contains changes, not a whole table", table=table.name, fix="Use a full export.")
    if export.filtered:
        raise BadInput(
            f"the {export} was filtered: it does not contain whole items",
            table=table.name,
            fix="Export the whole table; a filtered export can only be viewed.",
        )
    same_id = not export.table_id or not table.id or export.table_id == table.id
    if export.table_arn != table.arn or not same_id:
        raise BadInput(
            f"the {export} is of {export.table_arn} (id {export.table_id}), not of this table (id {table.id})",
            table=table.name,
            fix="Choose an export of this table.",
        )
