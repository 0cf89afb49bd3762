"""The log of a table by incremental exports: what became of each item from one second to another.

An incremental export is of 15 minutes at least and tells an item once: as it was right before the window, as it was at
its end, and when it was last written in between. An item that existed neither before nor after leaves nothing at all.

**A stretch of 15 minutes or more** is a chain of windows, each up to 24 hours long, or as short as `width` says where
the moment is looked for. Each window gives one step for each item.

**A shorter stretch** from S to U cannot be exported, but it can be told exactly by three windows of 15 minutes (L):

    early   [U - 2L, U - L)
    before  [S - L,  S)          its new images are the state at S of what was written in it
    until   [U - L,  U)          its new images are the state at U; U - L lies before S

All three end at U or before, so even the latest damage can be told as soon as it is restorable. Let an item have been
last written at `t` in a window:

- In `until` with t < S: not written in the stretch. With t >= S: written in it, last at t, and its new image is its
  state at U. Its state at S is the new image in `before`, if it is there. If it is not, the item was not written from
  S - L to S, and so at S is what it was at U - L, the old image in `until`; or it was both made and deleted in `before`
  and absent at S. The second is so exactly if it was there at U - L (old image in `until`) and `early` has it last
  written at S - L or later: it was made then.
- Not in `until`: not written there, and so the same at S as at U; or made and deleted in `until`, and so absent at U.
  It then was there at S exactly if `before` has it, with a new image and last written at U - L or later.

So everything is told exactly, but for one moment: when an item was deleted that was made less than 15 minutes before.
Its step is `undated`, and has the very end of the stretch.

The service says that a window's ends may be off by a minute. So leave a minute on each side of the damage. An item is
`Undecided`, and not told of, where it would be told on account of a record that is missing and of a write within that
minute, or where a record holds a write past its window's end.

What exports cannot tell is counted in the log's notes. The keys of such items are content of the table, so they are in
a file of the log's folder and not in its notes, which go into records.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from pitrkit.aws.change_data import export_files, export_records, exports
from pitrkit.aws.change_data.export import Export, whole_second
from pitrkit.aws.change_data.export_files import DataFile
from pitrkit.aws.change_data.export_records import ExportRecord
from pitrkit.aws.change_data.exports import LONGEST, SHORTEST, Waiting
from pitrkit.aws.client.client import Aws
from pitrkit.aws.items import KeySchema
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import BadInput
from pitrkit.recovery.changelog.change_log import EXPORTS, ChangeLog, write
from pitrkit.recovery.changelog.short_windows import ROLES, Evidence, Undecided, export_windows, step_of
from pitrkit.recovery.changes.change import ItemStep
from pitrkit.times import iso

SECOND = timedelta(seconds=1)
POLL_SECONDS = 10.0
Window = tuple[datetime, datetime]
_FETCHERS = 6
_STRETCH_BYTES = 32 * 1024**2
_MOST_STRETCHES = 128


def windows(
    since_at: datetime,
    until_at: datetime,
    *,
    latest_at: datetime,
    earliest_at: datetime | None = None,
    width: timedelta | None = None,
) -> list[Window]:
    """Return the windows whose exports tell what happened from *since_at* until before *until_at*, in order.

    Args:
        since_at: The beginning, cut to the second.
        until_at: The end, raised to the second.
        latest_at: The latest restorable time: nothing later can be exported.
        earliest_at: The earliest one, where it is known.
        width: About how long windows are to be, to narrow down the moment of something; 15 minutes at least. Absent,
            they are as long as they may be.

    Raises:
        BadInput: Times are naive or in the wrong order, or the stretch, or what it takes to tell it, is not restorable.
    """
    since_at, until_at = whole_seconds(since_at, until_at)
    if until_at > latest_at:
        raise BadInput(
            f"{iso(until_at)} is later than the latest time that can be exported, {iso(latest_at)}",
            fix="Wait a few minutes, or choose an earlier end.",
        )
    if until_at - since_at < SHORTEST:
        needed = export_windows(since_at, until_at)
    else:
        if width is not None and width < SHORTEST:
            raise BadInput(f"an export window of {width} is too short", fix="Set 15 minutes or more.")
        seconds = int((until_at - since_at).total_seconds())
        least = -(-seconds // int(LONGEST.total_seconds()))
        parts = max(least, seconds // int(width.total_seconds())) if width else least
        edges = [since_at + SECOND * (seconds * place // parts) for place in range(parts + 1)]
        needed = list(pairwise(edges))
    first_at = min(begin for begin, _ in needed)
    if earliest_at is not None and first_at < earliest_at:
        raise BadInput(
            f"reading {iso(since_at)} to {iso(until_at)} needs exports from {iso(first_at)} on, but the table is "
            f"restorable only from {iso(earliest_at)} on",
            fix="Choose a later start, or a window of 15 minutes or more; or use the stream or a restored copy.",
        )
    return needed


def whole_seconds(since_at: datetime, until_at: datetime) -> Window:
    """Return both times in whole seconds, so that nothing between them is left out.

    Raises:
        BadInput: One is naive, or they are in the wrong order.
    """
    begin, end = whole_second(since_at), whole_second(until_at)
    end += SECOND if end < until_at else timedelta()
    if begin >= end:
        raise BadInput(f"{iso(begin)} is not before {iso(end)}", fix="Set a start and a later end.")
    return begin, end


def start(
    aws: Aws, table: Table, needed: Sequence[Window], *, bucket: str = "", prefix: str = "", bucket_owner: str = ""
) -> list[Export]:
    """Start the exports of the windows, or adopt those that are there. Errors are those of `exports.start_full`."""
    earlier_exports = exports.earlier(aws, table)
    return [
        exports.start_incremental(
            aws,
            table,
            *window,
            bucket=bucket,
            prefix=prefix,
            bucket_owner=bucket_owner,
            earlier_exports=earlier_exports,
        )
        for window in needed
    ]


def wait(
    aws: Aws,
    started: Sequence[Export],
    *,
    poll_seconds: float = POLL_SECONDS,
    on_progress: Callable[[Export, Waiting], None] | None = None,
) -> list[Export]:
    """Wait for all of them and return them complete; a failed one raises as `exports.wait` does."""
    return [
        exports.wait(
            aws,
            export,
            poll_seconds=poll_seconds,
            on_progress=partial(on_progress, export) if on_progress else None,
        )
        for export in started
    ]


def steps(
    aws: Aws,
    done: Sequence[Export],
    key_schema: KeySchema,
    since_at: datetime,
    until_at: datetime,
    *,
    undecided: list[Undecided],
    work: Path | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Iterator[ItemStep]:
    """Yield what happened to items from *since_at* until before *until_at*; an item's steps in the order of time.

    Args:
        aws: Where the exports are.
        done: The complete exports of `windows(since_at, until_at)`, in any order; others are passed over.
        key_schema: The table's key.
        since_at: The beginning.
        until_at: The end.
        undecided: Gets the items of which exports cannot tell what happened, before this ends. It is for the caller to
            say so.
        work: A folder on a disk with room; by default the system's.
        on_progress: Called with the number of records read so far, after each file.

    Raises:
        BadInput: An export is missing, of another table, without old images, filtered, or has a file that is missing,
            damaged or foreign; it is named.
    """
    since_at, until_at = whole_seconds(since_at, until_at)
    _check(done)
    short = until_at - since_at < SHORTEST
    chosen = _three_of(done, since_at, until_at) if short else _chain(done, since_at, until_at)
    try:
        with TemporaryDirectory(prefix="export-", dir=work) as folder:
            reader = _ExportReader(aws, key_schema, Path(folder), on_progress)
            if short:
                yield from _told(
                    reader, chosen, Evidence(since_at, until_at, Path(folder), _stretches(chosen)), undecided
                )
            else:
                yield from _followed(reader, chosen)
    except OSError as error:
        place = work or "the folder for temporary files"
        raise BadInput(
            f"the data of the exports cannot be stored in {place}: {error.strerror or error}",
            fix="Set `work` to a folder on a disk with enough space.",
        ) from error


def _followed(reader: _ExportReader, chain: Sequence[Export]) -> Iterator[ItemStep]:
    for export in chain:
        assert export.from_at is not None
        yield from (step for record in reader.records(export) if (step := step_of(record, export.from_at)))


def _told(
    reader: _ExportReader, three_exports: Sequence[Export], evidence: Evidence, undecided: list[Undecided]
) -> Iterator[ItemStep]:
    with evidence:
        for role, export in zip(ROLES, three_exports, strict=True):
            evidence.add(role, reader.records(export))
    for record_steps in evidence.told():
        if isinstance(record_steps, ItemStep):
            yield record_steps
        else:
            undecided.append(record_steps)


def _stretches(chosen: Sequence[Export]) -> int:
    """Return over how many work files the records are spread, so that each of them can be held."""
    return min(_MOST_STRETCHES, 1 + sum(export.billed_bytes for export in chosen) // _STRETCH_BYTES)


class _ExportReader:
    """Reads exports' records: files are fetched side by side, a few ahead, and read in order."""

    def __init__(
        self, aws: Aws, key_schema: KeySchema, folder: Path, on_progress: Callable[[int], None] | None
    ) -> None:
        self._aws = aws
        self._names = key_schema.names
        self._folder = folder
        self._tell = on_progress
        self._read = 0

    def records(self, export: Export) -> Iterator[ExportRecord]:
        manifest = export_files.manifest(self._aws, export)
        waiting = iter(manifest.files)
        with ThreadPoolExecutor(_FETCHERS, thread_name_prefix="export") as pool:
            coming = deque(pool.submit(self._fetch, export, file) for file in islice(waiting, _FETCHERS))
            try:
                while coming:
                    file, path = coming.popleft().result()
                    coming.extend(pool.submit(self._fetch, export, more) for more in islice(waiting, 1))
                    for record in export_records.records(path, file, export, self._names):
                        self._read += 1
                        yield record
                    path.unlink()
                    if self._tell is not None:
                        self._tell(self._read)
            finally:
                pool.shutdown(cancel_futures=True)
        manifest.check_complete()

    def _fetch(self, export: Export, file: DataFile) -> tuple[DataFile, Path]:
        path = self._folder / f"file-{file.number}"
        export_files.fetch(self._aws, export, file, path)
        return file, path


def _check(done: Sequence[Export]) -> None:
    """Refuse exports that no log can be made of."""
    for export in done:
        why = ""
        if export.kind != "incremental":
            why = "contains items, not changes"
        elif export.view != "new-and-old":
            why = "has no old images, which contain the items before the changes"
        elif export.filtered:
            why = "was filtered: it does not contain every change"
        elif (export.table_arn, export.table_id) != (done[0].table_arn, done[0].table_id):
            why = f"is of another table ({export.table_arn}) than the first"
        if why:
            raise BadInput(
                f"the {export} {why}",
                table=export.table,
                fix="Use incremental exports of one table with NEW_AND_OLD_IMAGES; `export_log.start` makes them.",
            )


def _three_of(done: Sequence[Export], since_at: datetime, until_at: datetime) -> list[Export]:
    there = {export.when: export for export in done}
    needed = export_windows(since_at, until_at)
    if missing := [window for window in needed if window not in there]:
        raise _missing(missing)
    return [there[window] for window in needed]


def _chain(done: Sequence[Export], since_at: datetime, until_at: datetime) -> list[Export]:
    """Return the exports that follow each other from one time to the other, those of the narrowest windows."""
    chains: dict[datetime, list[Export]] = {since_at: []}
    for export in sorted(done, key=lambda candidate: (str(candidate.from_at), str(candidate.to_at))):
        if export.from_at in chains and export.to_at is not None and export.to_at <= until_at:
            longer = [*chains[export.from_at], export]
            chains[export.to_at] = max(chains.get(export.to_at, []), longer, key=len)
    if until_at not in chains:
        raise _missing([(max(chains), until_at)])
    return chains[until_at]


def _missing(missing: Sequence[Window]) -> BadInput:
    spelt = ", ".join(f"{iso(begin)} to {iso(end)}" for begin, end in missing)
    return BadInput(f"there is no export of {spelt}", fix="Start and wait for the exports of all `windows` first.")


UNDECIDED = "undecided.jsonl"
"""File in a log's folder: a line of JSON for each item that exports cannot tell, its `key` and `why`."""


@dataclass(slots=True)
class _Covered:
    """What the exports cover, and what they cannot tell, which is known once they are read."""

    since_at: datetime
    until_at: datetime
    undecided: list[Undecided] = field(default_factory=list)

    @property
    def notes(self) -> list[str]:
        if not self.undecided:
            return []
        count = len(self.undecided)
        items = f"{count:,} item{'s' * (count != 1)}"
        text = f"The exports do not show what happened to {items}, so this change log lacks them."
        return [f"{text} Their keys are in {UNDECIDED}: check them with a restored copy or the stream."]


def read(
    aws: Aws,
    table: Table,
    done: Sequence[Export],
    folder: Path,
    *,
    since_at: datetime,
    until_at: datetime,
    on_progress: Callable[[int], None] | None = None,
) -> ChangeLog:
    """Read what complete exports tell of [*since_at*, *until_at*) into *folder* as a change log, and return it.

    Args:
        aws: Where the exports are.
        table: The table.
        done: The exports of `export_log.windows(since_at, until_at)`.
        folder: Where the log goes; the files lie beside it while they are read.
        since_at: From when on.
        until_at: Until when.
        on_progress: Called with the number of records read so far.

    Raises:
        BadInput: An export is missing or not of this table, or a file of one is missing, damaged or foreign.
    """
    covered = _Covered(since_at, until_at)

    def told() -> Iterator[ItemStep]:
        yield from dated_steps
        lines = (
            orjson.dumps({"key": undecided_step.key, "why": undecided_step.why}) + b"\n"
            for undecided_step in covered.undecided
        )
        (folder / UNDECIDED).write_bytes(b"".join(lines))

    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    dated_steps = steps(
        aws, done, table.key_schema, since_at, until_at, undecided=covered.undecided, work=folder.parent,
        on_progress=on_progress,
    )  # fmt: skip
    return write(
        told(), folder, table=table.name, key_schema=table.key_schema, source=EXPORTS, since_at=since_at,
        until_at=until_at, covered=covered,
    )  # fmt: skip
