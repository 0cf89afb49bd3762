"""Change sets: what differs between two times, whoever can tell it.

A change set is a folder: `changes.parquet` (key, kind, before, after, review; images are canonical JSON text; sorted by
key) and `changes.json`, which is written last and makes it complete. Nothing downstream knows whether it came from two
snapshots, an export, a stream or a journal. All of it is read and written in bounded memory. pandas
frames are how people look at them; a frame never carries what will be written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pitrkit.aws.items import KeySchema, attributes, changed_attributes, plain
from pitrkit.errors import BadInput
from pitrkit.recovery.changes.change import Change, Counts, Kind
from pitrkit.recovery.changes.join import MEMORY_LIMIT, TWICE, arrange, join
from pitrkit.recovery.changes.query import SIDE_NAMES
from pitrkit.recovery.changes.scope import EVERYTHING, Scope
from pitrkit.recovery.storage import ParquetFile, batches, read_json, write_json, writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from pitrkit.recovery.snapshot.snapshot import Snapshot


ONE_COPY = "restored copy"
"""A source: a copy of the past against the table as it is now, so the later side holds good writes, too."""

TWO_COPIES = "two copies"
"""A source: the table before the damage against the table right after it."""

_META = "changes.json"
_ROWS = "changes.parquet"
_TEXT = pa.string()
_SCHEMA = pa.schema([("key", _TEXT), ("kind", _TEXT), ("before", _TEXT), ("after", _TEXT), ("review", _TEXT)])
_AGAIN = "Create the change set again in this folder; an unfinished one is replaced."


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """A change set on disk. Iterating yields its changes sorted by key, in bounded memory.

    Attributes:
        folder: Where it lies.
        table: Table it is about.
        key_schema: The table's key.
        source: What told it: `ONE_COPY`, `TWO_COPIES`, `journal`, or a log.
        before_at: The earlier time, as text.
        after_at: The later time, as text.
        counts: Items by kind, of what is in scope; `same` always counts the whole comparison.
        scope: What this set was narrowed to; everything, when it is the whole comparison.
    """

    folder: Path
    table: str
    key_schema: KeySchema
    source: str
    before_at: str
    after_at: str
    counts: Counts
    scope: Scope = EVERYTHING

    @classmethod
    def open(cls, folder: Path) -> ChangeSet:
        """Open the change set in *folder*.

        Raises:
            BadInput: There is none, it was never finished, or its rows are gone.
        """
        data = read_json(folder / _META, what="change set", fix=_AGAIN)
        try:
            changes = cls(
                folder=folder,
                table=data["table"],
                key_schema=KeySchema.from_dict(data["key_schema"]),
                source=data["source"],
                before_at=data["before_at"],
                after_at=data["after_at"],
                counts=Counts(**data["counts"]),
                scope=Scope.from_dict(data["scope"]),
            )
            row_count = pq.read_metadata(changes.rows).num_rows
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise BadInput(f"the change set in {folder} cannot be read: {error!r}", fix=_AGAIN) from error
        if row_count != len(changes):
            raise BadInput(f"the change set in {folder} has {row_count:,} of its {len(changes):,} changes", fix=_AGAIN)
        return changes

    @property
    def open_ended(self) -> bool:
        """Whether its later side is simply now, so that good writes made since the damage are among its changes."""
        return self.source == ONE_COPY

    @property
    def rows(self) -> Path:
        """Its Parquet file, with the columns key, kind, before, after and review."""
        return self.folder / _ROWS

    @property
    def columns(self) -> list[str]:
        """Columns that its file has: change sets of before reviews were known have no `review`."""
        return list(pq.read_schema(self.rows).names)

    def to_dict(self) -> dict[str, Any]:
        """Return what is known about it as plain JSON, without its folder and its changes."""
        return {
            "table": self.table,
            "key_schema": self.key_schema.to_dict(),
            "source": self.source,
            "before_at": self.before_at,
            "after_at": self.after_at,
            "counts": self.counts.to_dict(),
            "scope": self.scope.to_dict(),
        }

    def __iter__(self) -> Iterator[Change]:
        for batch in self.batches():
            yield from _changes(batch)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield its rows in key order, a stretch at a time, with the columns key, kind, before, after and review."""
        kept = self.columns
        for batch in batches(self.rows, [name for name in _SCHEMA.names if name in kept]):
            yield batch if "review" in kept else batch.append_column(_SCHEMA.field("review"), _blank(batch.num_rows))

    def __len__(self) -> int:
        return self.counts.changes

    def __bool__(self) -> bool:
        return True  # an empty change set is a result, not the lack of one

    def scoped(self, scope: Scope, folder: Path) -> ChangeSet:
        """Write the changes that are in *scope* to *folder* as a change set of their own, and return it.

        Raises:
            BadInput: This one is scoped already, *folder* is its own or cannot be written, or the scope's condition
                cannot be evaluated on one of the changes.
        """
        if self.scope != EVERYTHING:
            raise BadInput("this change set already has a scope", fix="Apply the scope to the whole change set.")
        if folder.resolve() == self.folder.resolve():
            raise BadInput(f"{folder} contains the whole change set", fix="Write the scoped one to another folder.")
        kinds: Counter[str] = Counter()
        with writing(folder, complete=_META, clear=_ROWS):
            with ParquetFile(folder / _ROWS, _SCHEMA) as file:
                for batch in self.batches():
                    in_scope = [scope.holds(change) for change in _changes(batch)]
                    inside = batch.filter(pa.array(in_scope, pa.bool_()))
                    kinds.update(inside.column("kind").to_pylist())
                    file.add_batch(inside)
            counts = Counts(same=self.counts.same, **kinds)
            return _finish(replace(self, folder=folder, counts=counts, scope=scope))

    def samples(self, kind: Kind, n: int = 5) -> list[Change]:
        """Return up to *n* changes of one kind, spread evenly over the set in key order; the same ones each time."""
        total = getattr(self.counts, kind)
        wanted_rows = {place * total // n for place in range(n)} if total > n else set(range(total))
        sampled: list[Change] = []
        place = 0
        with pq.ParquetFile(self.rows, pre_buffer=False) as file:
            for group in range(file.num_row_groups):
                kinds = file.read_row_group(group, ["kind"]).column("kind")
                indices = pc.indices_nonzero(pc.equal(kinds, kind)).to_pylist()
                here = [index for rank, index in enumerate(indices, start=place) if rank in wanted_rows]
                place += len(indices)
                if here:
                    names = [name for name in _SCHEMA.names if name in file.schema_arrow.names]
                    rows = file.read_row_group(group, names, use_threads=False).take(here)
                    sampled += [change for batch in rows.to_batches() for change in _changes(batch)]
        return sampled

    def attribute_statistics(self) -> pd.DataFrame:
        """Return which top-level attributes of the modified items differ, busiest first.

        Columns: `attribute`, and in how many items it was `changed`, `added` or `removed`. Memory grows with the
        number of attribute names, not of items.
        """
        return attribute_statistics(self)

    def explore(self, limit: int = 1000) -> pd.DataFrame:
        """Return the first *limit* changes in key order, to be looked at.

        Columns: `kind`, the key attributes, then `name (before)` and `name (now)` of each other attribute; of more than
        `frames.ATTRIBUTES_SHOWN` names, those that differ most often. Values are plain (`int`, `Decimal`, text, lists):
        NULL is None, an attribute or item that is not there is `pandas.NA`.
        """
        return explore(self, limit)


def diff(
    before: Snapshot,
    after: Snapshot,
    folder: Path,
    *,
    before_at: str,
    after_at: str,
    source: str = ONE_COPY,
    table: str = "",
    memory_limit: str = MEMORY_LIMIT,
) -> ChangeSet:
    """Write what differs between two snapshots to *folder* as a change set, and return it.

    An earlier change set in the folder is replaced. *table* is the one that it is about, the later side's where blank.
    Beside *memory_limit*, which the join of the keys keeps to, it uses
    some 200 MB at any number and size of items; the rest lies in files inside the folder while it runs.

    Raises:
        BadInput: The tables have different keys, a snapshot holds a key twice, the folder cannot be written, or the
            memory limit is too small or not a size.
    """
    if before.key_schema != after.key_schema:
        raise BadInput(
            f"the tables have different keys: {before.table} has {before.key_schema}, {after.table} {after.key_schema}",
            table=after.table,
            fix="Compare two tables with the same key attributes and types.",
        )
    with writing(folder, complete=_META, clear=_ROWS) as work:
        size = before.bytes + after.bytes
        both = before.files, after.files
        kinds = join(*both, folder / _ROWS, work, schema=_SCHEMA, size=size, memory_limit=memory_limit)
        counts = Counts(**kinds)
        same = before.items - counts.removed - counts.modified
        if after.items != same + counts.modified + counts.inserted:
            raise BadInput("a snapshot contains a key more than once", table=after.table, fix=TWICE)
        return _finish(
            ChangeSet(
                folder=folder,
                table=table or after.table,
                key_schema=after.key_schema,
                source=source,
                before_at=before_at,
                after_at=after_at,
                counts=replace(counts, same=same),
            )
        )


def from_changes(
    changes: Iterable[Change],
    folder: Path,
    *,
    table: str,
    key_schema: KeySchema,
    source: str,
    before_at: str,
    after_at: str,
) -> ChangeSet:
    """Write *changes*, in any order, to *folder* as a change set, and return it. An earlier one there is replaced.

    Raises:
        BadInput: Two changes have the same key, or the folder cannot be written.
    """
    rows = ((change.key, change.kind, change.before, change.after, change.review) for change in changes)
    with writing(folder, complete=_META, clear=_ROWS) as work:
        counts = Counts(**arrange(rows, folder / _ROWS, work, _SCHEMA))
        return _finish(ChangeSet(folder, table, key_schema, source, before_at, after_at, counts))


def _blank(rows: int) -> pa.Array:
    return pa.array([""] * rows, _TEXT)


def _changes(batch: pa.RecordBatch) -> Iterator[Change]:
    return map(Change, *(column.to_pylist() for column in batch.columns))


def _finish(changes: ChangeSet) -> ChangeSet:
    write_json(changes.folder / _META, changes.to_dict())
    return changes


ATTRIBUTES_SHOWN = 100


def attribute_statistics(changes: Iterable[Change]) -> pd.DataFrame:
    """Return `attribute`, `changed`, `added` and `removed`: in how many modified items, busiest first."""
    import pandas as pd  # noqa: PLC0415  slow to import, and headless paths do without

    changed: Counter[str] = Counter()
    added: Counter[str] = Counter()
    removed: Counter[str] = Counter()
    for change in changes:
        if change.before is None or change.after is None:
            continue
        then, now = attributes(change.before), attributes(change.after)
        added.update(now.keys() - then.keys())
        removed.update(then.keys() - now.keys())
        changed.update(name for name in then.keys() & now.keys() if then[name] != now[name])
    names = sorted((total := changed + added + removed), key=lambda name: (-total[name], name))
    rows = [(name, changed[name], added[name], removed[name]) for name in names]
    return pd.DataFrame(rows, columns=["attribute", "changed", "added", "removed"])


def explore(changes: ChangeSet, limit: int) -> pd.DataFrame:
    """Return the first *limit* changes: `kind`, key attributes, then `name (before)` and `name (now)` of each other."""
    return frame(list(islice(changes, limit)), changes.key_schema.names)


def frame(shown: Sequence[Change], keys: Sequence[str]) -> pd.DataFrame:
    """Return these changes in the columns of `explore`."""
    import pandas as pd  # noqa: PLC0415  as above

    others = _names(shown, keys)
    columns = ["kind", *keys, *(f"{name} ({when})" for name in others for when in SIDE_NAMES.values())]
    rows = [_row(change, keys, others, pd.NA) for change in shown]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _names(shown: Iterable[Change], keys: Sequence[str]) -> list[str]:
    """Return the attributes to show, by name; of too many, those that differ most often."""
    differ: Counter[str] = Counter()
    for change in shown:
        differ.update(dict.fromkeys(attributes(change.before or change.after or "{}"), 0))
        differ.update(changed_attributes(change.before or "{}", change.after or "{}"))
    for name in keys:
        differ.pop(name, None)
    most = sorted(differ, key=lambda name: (-differ[name], name))[:ATTRIBUTES_SHOWN]
    return sorted(most)


def _row(change: Change, keys: Sequence[str], others: Sequence[str], absent: Any) -> list[Any]:
    key = plain(change.key)
    then, now = plain(change.before or "{}"), plain(change.after or "{}")
    row: list[Any] = [change.kind, *(key[name] for name in keys)]
    for name in others:
        row += [then.get(name, absent), now.get(name, absent)]
    return row
