"""Change logs: every step that the items of a table went through in a window, as a stream or exports tell it.

A log is a folder: `steps.parquet` (key, kind, before_at, at, before, after, single, by, undated; sorted by key, then
by `at`, then in the order of arrival) and `log.json`, which is written last and makes it complete. So one item's
history lies together, and whatever is asked of a log is answered in bounded memory, one history at a time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from pitrkit.aws.items import Key, KeySchema
from pitrkit.errors import BadInput
from pitrkit.recovery.changelog.merge import DamageScope, change_of
from pitrkit.recovery.changes.change import Change, ItemStep
from pitrkit.recovery.changes.change_set import ChangeSet, from_changes
from pitrkit.recovery.changes.join import arrange
from pitrkit.recovery.changes.scope import Scope
from pitrkit.recovery.storage import batches, read_json, write_json, writing

STREAM = "stream"
EXPORTS = "incremental exports"
ONE_STEP_A_WINDOW = (
    "Exports show only the first and last state of an item per window: "
    "a good write to it in the same window cannot be separated from the damage."
)

_META = "log.json"
_ROWS = "steps.parquet"
_TEXT = pa.string()
_TIME = pa.timestamp("us", tz="UTC")
_SCHEMA = pa.schema(
    [
        ("key", _TEXT),
        ("kind", _TEXT),
        ("before_at", _TIME),
        ("at", _TIME),
        ("before", _TEXT),
        ("after", _TEXT),
        ("single", pa.bool_()),
        ("by", _TEXT),
        ("undated", pa.bool_()),
    ]
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_AGAIN = "Read the change log again into this folder; an unfinished one is replaced."


class Covered(Protocol):
    """What a source knows of itself only once it is read through."""

    @property
    def since_at(self) -> datetime:
        """From when on it is complete."""

    @property
    def until_at(self) -> datetime:
        """Until when."""

    @property
    def notes(self) -> Sequence[str]:
        """What it cannot know, in words."""


@dataclass(frozen=True, slots=True)
class ChangeLog:
    """A change log on disk.

    Attributes:
        folder: Where it lies.
        table: Table it is about.
        key_schema: The table's key.
        source: What told it: `stream` or `incremental exports`.
        since_at: From when on it is complete.
        until_at: Until when.
        single: Whether each step is exactly one write.
        removed: How many steps removed an item; `modified` and `inserted` likewise.
        notes: What it cannot know, in words.
    """

    folder: Path
    table: str
    key_schema: KeySchema
    source: str
    since_at: datetime
    until_at: datetime
    single: bool
    removed: int
    modified: int
    inserted: int
    notes: tuple[str, ...]

    @classmethod
    def open(cls, folder: Path) -> ChangeLog:
        """Open the log in *folder*.

        Raises:
            BadInput: There is none, it was never finished, or its rows are gone.
        """
        data = read_json(folder / _META, what="change log", fix=_AGAIN)
        try:
            typed = {name: datetime.fromisoformat(data[name]) for name in ("since_at", "until_at")}
            key_schema = KeySchema.from_dict(data["key_schema"])
            log = cls(folder, **(data | typed | {"key_schema": key_schema, "notes": tuple(data["notes"])}))
            row_count = pq.read_metadata(log.rows).num_rows
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise BadInput(f"the change log in {folder} cannot be read: {error!r}", fix=_AGAIN) from error
        if row_count != len(log):
            raise BadInput(f"the change log in {folder} has {row_count:,} of its {len(log):,} steps", fix=_AGAIN)
        return log

    @property
    def rows(self) -> Path:
        """Its Parquet file."""
        return self.folder / _ROWS

    def to_dict(self) -> dict[str, Any]:
        """Return what is known about it as plain JSON, without its folder and its steps."""
        return {
            "table": self.table,
            "key_schema": self.key_schema.to_dict(),
            "source": self.source,
            "since_at": self.since_at.isoformat(),
            "until_at": self.until_at.isoformat(),
            "single": self.single,
            "removed": self.removed,
            "modified": self.modified,
            "inserted": self.inserted,
            "notes": list(self.notes),
        }

    def __len__(self) -> int:
        return self.removed + self.modified + self.inserted

    def __bool__(self) -> bool:
        return True  # an empty log is a result, not the lack of one

    def __iter__(self) -> Iterator[ItemStep]:
        for batch in batches(self.rows, _SCHEMA.names):
            yield from _steps(batch)

    def history(self, key: Key) -> list[ItemStep]:
        """Return one item's steps as they followed each other, none if it had none."""
        item_steps: list[ItemStep] = []
        with pq.ParquetFile(self.rows, pre_buffer=False) as file:

            def last_key(group: int) -> str:
                return str(file.read_row_group(group, ["key"], use_threads=False).column(0)[-1].as_py())

            for group in range(bisect_left(range(file.num_row_groups), key, key=last_key), file.num_row_groups):
                keys = file.read_row_group(group, ["key"], use_threads=False).column(0).to_pylist()
                start = bisect_left(keys, key)
                length = keys[start:].count(key)
                if length:
                    rows = file.read_row_group(group, _SCHEMA.names, use_threads=False).slice(start, length)
                    item_steps += [step for batch in rows.to_batches() for step in _steps(batch)]
                if start + length < len(keys):
                    break
        return item_steps

    def changes(self, folder: Path, *, damage: Scope, since_at: datetime, until_at: datetime) -> ChangeSet:
        """Write the change set whose revert takes back exactly the damage to *folder*, and return it. See `merge`.

        Its `after` is each item as this log knows it last. What takes a person to tell has its `Change.review`.

        Args:
            folder: Where the change set goes; an earlier one there is replaced.
            damage: What its steps look like. It is asked about single steps, so its condition may use `by` and `at`.
            since_at: From when on such steps are damage.
            until_at: Until when; steps at or after that are not damage.

        Raises:
            BadInput: The log does not know that window, the condition cannot be evaluated on a step, or the folder
                cannot be written.
        """
        if not self.since_at <= since_at < until_at <= self.until_at:
            raise BadInput(
                f"the damage's window is {_said(since_at)} to {_said(until_at)}, and the change log covers "
                f"{_said(self.since_at)} to {_said(self.until_at)}",
                table=self.table,
                fix="Choose a window inside it, or read a change log with a longer window.",
            )
        scope = DamageScope(damage, since_at, until_at)

        def found() -> Iterator[Change]:
            for _, history in groupby(self, key=attrgetter("key")):
                if (change := change_of(history, scope)) is not None:
                    yield change

        return from_changes(
            found(),
            folder,
            table=self.table,
            key_schema=self.key_schema,
            source=self.source,
            before_at=since_at.isoformat(),
            after_at=self.until_at.isoformat(),
        )


def write(
    steps: Iterable[ItemStep],
    folder: Path,
    *,
    table: str,
    key_schema: KeySchema,
    source: str,
    since_at: datetime,
    until_at: datetime,
    notes: Sequence[str] = (),
    covered: Covered | None = None,
) -> ChangeLog:
    """Write *steps* to *folder* as a change log, and return it. An earlier one in the folder is replaced.

    Args:
        steps: The steps; those of one item in the order in which they happened.
        folder: Where the log goes.
        table: Table it is about.
        key_schema: The table's key.
        source: `STREAM` or `EXPORTS`.
        since_at: From when on the steps are complete.
        until_at: Until when.
        notes: What the source cannot know.
        covered: Asked once the steps are all there, instead of *since_at* and *until_at*; its notes go with *notes*.

    Raises:
        BadInput: The folder cannot be written.
    """
    compacted: Counter[bool] = Counter()

    def rows() -> Iterator[tuple[Any, ...]]:
        for step in steps:
            compacted[not step.single] += 1
            times = (_micros(step.before_at), _micros(step.at))
            yield (step.key, step.kind, *times, step.before, step.after, step.single, step.by, step.undated)

    with writing(folder, complete=_META, clear=_ROWS) as work:
        kinds = arrange(rows(), folder / _ROWS, work, _SCHEMA, by="at")
        notes_written = (*notes, *(covered.notes if covered else ()), *([ONE_STEP_A_WINDOW] if compacted[True] else ()))
        log = ChangeLog(
            folder,
            table,
            key_schema,
            source,
            since_at=(covered.since_at if covered else since_at).astimezone(UTC),
            until_at=(covered.until_at if covered else until_at).astimezone(UTC),
            single=not compacted[True],
            removed=kinds["removed"],
            modified=kinds["modified"],
            inserted=kinds["inserted"],
            notes=tuple(dict.fromkeys(notes_written)),
        )
        write_json(folder / _META, log.to_dict())
    return log


def _steps(batch: pa.RecordBatch) -> Iterator[ItemStep]:
    columns = {name: batch.column(name) for name in _SCHEMA.names if name != "kind"}
    for name in ("before_at", "at"):
        columns[name] = columns[name].cast(pa.int64())
    for key, before_at, at, *rest in zip(*(column.to_pylist() for column in columns.values()), strict=True):
        yield ItemStep(key, _EPOCH + before_at * _MICROSECOND, _EPOCH + at * _MICROSECOND, *rest)


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _said(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
