"""The work behind a diff: which keys differ, and their images in key order, in bounded memory.

DuckDB joins keys and digests only. Those rows are small, so it keeps to its memory limit at any number of items.
Images it must not touch: its joins and sorts hold thousands of rows at a time and break off at items of 100 KB.
They are put in order by a distribution sort instead: one pass over each side drops every image that differs into
the spool file of its stretch of the order, then one stretch after the other is read back and written out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pitrkit.errors import BadInput
from pitrkit.recovery.pairing import Rows, unpaired
from pitrkit.recovery.storage import ROWS_PER_GROUP, ParquetFile, batches

MEMORY_LIMIT = "512MB"
_STRETCH_BYTES = 32 * 1024 * 1024
_MAX_STRETCHES = 256  # open files
_INDEX = pa.schema(
    [
        ("key", pa.string()),
        ("kind", pa.string()),
        ("before_row", pa.int64()),
        ("after_row", pa.int64()),
        ("place", pa.int64()),
        ("stretch", pa.int64()),
    ]
)
_SPOOL = pa.schema([("place", pa.int64()), ("image", pa.string())])
_LEFT = pa.schema([("key", pa.string()), ("size", pa.int32()), ("digest", pa.binary(32)), ("row", pa.int64())])
_DIFFERING = """
    SELECT
        coalesce(b.key, a.key) AS key,
        CASE WHEN a.key IS NULL THEN 'removed' WHEN b.key IS NULL THEN 'inserted' ELSE 'modified' END AS kind,
        b.row AS before_row,
        a.row AS after_row,
        coalesce(b.size, 0)::BIGINT + coalesce(a.size, 0)::BIGINT AS weight
    FROM before_left b FULL JOIN after_left a ON a.key = b.key
    WHERE b.digest IS DISTINCT FROM a.digest
    ORDER BY ALL
"""
_UNSORTED = """
    SELECT
        key,
        kind,
        CASE WHEN has_before THEN file_row_number END AS before_row,
        CASE WHEN has_after THEN file_row_number END AS after_row,
        weight
    FROM unsorted
    ORDER BY key
"""
_PLACES = "SELECT {side}_row AS row, place, stretch FROM places WHERE {side}_row IS NOT NULL ORDER BY row"
TWICE = "Take both snapshots again; if it stays so, the source of this change set is broken."


@dataclass(frozen=True, slots=True)
class _Side:
    """Where the images of one side are: a column of Parquet files, whose rows are numbered through."""

    name: str
    files: list[str]
    column: str


def join(before: list[str], after: list[str], path: Path, work: Path, *, size: int, memory_limit: str) -> Counter[str]:
    """Write what differs (key, kind, before, after) to *path*, sorted by key; return the count of each kind.

    Args:
        before: Parquet files of the earlier side, with key, item, size and digest.
        after: Those of the later side.
        path: Where the rows go.
        work: A folder for files that are needed meanwhile.
        size: About how many bytes both sides hold.
        memory_limit: What the join of the keys may use, as DuckDB reads it.

    Raises:
        BadInput: A key differs more than once, or the memory limit is too small or not a size.
    """
    sides = (_Side("before", before, "item"), _Side("after", after, "item"))
    with ThreadPoolExecutor(len(sides)) as pool:
        left = list(pool.map(lambda side, rows: _leave(side, rows, work), sides, unpaired(before, after, work)))
    with _database(work, memory_limit) as database:
        for side, path_left in zip(sides, left, strict=True):
            _read(database, path_left).create_view(f"{side.name}_left")
        return _in_order(database, _DIFFERING, sides, path, work, size=size)


def arrange(changes: Iterable[tuple[str, str, str | None, str | None]], path: Path, work: Path) -> Counter[str]:
    """Write *changes* (key, kind, before, after; in any order) to *path*, sorted by key; return the count of each kind.

    Raises:
        BadInput: A key comes more than once.
    """
    images = [("before", pa.string()), ("after", pa.string())]
    found = [("has_before", pa.bool_()), ("has_after", pa.bool_()), ("weight", pa.int64())]
    unsorted = work / "unsorted.parquet"
    size = 0
    schema = pa.schema([("key", pa.string()), ("kind", pa.string()), *images, *found])
    with ParquetFile(unsorted, schema, compression="lz4", lasting=False) as file:
        for key, kind, before, after in changes:
            weight = len(before or "") + len(after or "")
            file.add(key, kind, before, after, before is not None, after is not None, weight, weight=weight)
            size += weight
    with _database(work, MEMORY_LIMIT) as database:
        _read(database, unsorted).create_view("unsorted")
        sides = (_Side("before", [str(unsorted)], "before"), _Side("after", [str(unsorted)], "after"))
        return _in_order(database, _UNSORTED, sides, path, work, size=size)


@contextmanager
def _database(work: Path, memory_limit: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a database that keeps to *memory_limit* and spills into *work*."""
    config: dict[str, Any] = {
        "memory_limit": memory_limit,
        "temp_directory": str(work),
        "preserve_insertion_order": False,  # what matters is ordered by ORDER BY
        "autoinstall_known_extensions": False,
    }
    try:
        with duckdb.connect(config=config) as database:
            database.execute("SET enable_progress_bar = false")  # it goes to standard output, which is the operator's
            yield database
    except (duckdb.OutOfMemoryException, duckdb.ParserException) as error:
        raise BadInput(
            f"the comparison cannot be done in {memory_limit} of memory: {str(error).splitlines()[0]}",
            fix="Give a larger memory_limit, for example 4GB.",
        ) from error


def _read(database: duckdb.DuckDBPyConnection, path: Path) -> duckdb.DuckDBPyRelation:
    """Return the rows of one file, whatever pattern characters or `a=b` folders are in its path."""
    name = re.sub(r"[*?[]", r"[\g<0>]", str(path.resolve()))
    return database.read_parquet(name, hive_partitioning=False, file_row_number=True)


def _leave(side: _Side, rows: Rows, work: Path) -> Path:
    """Write what the join needs of the given rows of a snapshot, and return where."""
    left = work / f"{side.name}-left.parquet"
    with ParquetFile(left, _LEFT, compression="lz4", lasting=False) as file:
        for first, group, source in _row_groups(side):
            (here,) = np.nonzero(rows[first : first + source.metadata.row_group(group).num_rows])
            if len(here):
                found = source.read_row_group(group, _LEFT.names[:-1], use_threads=False).take(here)
                for batch in found.append_column(_LEFT.field("row"), pa.array(here + first)).to_batches():
                    file.add_batch(batch)
    return left


def _row_groups(side: _Side) -> Iterator[tuple[int, int, pq.ParquetFile]]:
    """Yield the row groups of a side's files: the number of its first row, the group's number in its file, the file."""
    first = 0
    for path in side.files:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for group in range(file.num_row_groups):
                yield first, group, file
                first += file.metadata.row_group(group).num_rows


def _in_order(
    database: duckdb.DuckDBPyConnection,
    differing: str,
    sides: tuple[_Side, _Side],
    path: Path,
    work: Path,
    *,
    size: int,
) -> Counter[str]:
    """Write the images that the query *differing* names (key, kind, before_row, after_row, weight) in its order."""
    index = work / "index.parquet"
    counts = _index(
        database.sql(differing).to_arrow_reader(ROWS_PER_GROUP), index, max(_STRETCH_BYTES, size // _MAX_STRETCHES)
    )
    _read(database, index).create_view("places")
    with ThreadPoolExecutor(len(sides)) as pool:
        list(pool.map(lambda side: _distribute(side, database.cursor(), work), sides))
    schema = pa.schema([("key", pa.string()), ("kind", pa.string()), ("before", pa.string()), ("after", pa.string())])
    with ParquetFile(path, schema) as file:
        for rows in _stretches(index):
            places = rows["place"].to_numpy()
            images = [_spooled(_spool(work, side.name, rows["stretch"][0].as_py()), places) for side in sides]
            for batch in pa.table([rows["key"], rows["kind"], *images], schema=schema).to_batches():
                file.add_batch(batch)
    return counts


def _index(differing: Iterable[pa.RecordBatch], path: Path, stretch_bytes: int) -> Counter[str]:
    """Write each differing key with its place in the order and the stretch of the order that it is in."""
    counts: Counter[str] = Counter()
    place, weight, last = 0, 0, None
    with ParquetFile(path, _INDEX, compression="lz4", lasting=False) as file:
        for batch in differing:
            if not batch.num_rows:
                continue
            keys = batch.column("key")
            if keys[0].as_py() == last or not pc.all(pc.less(keys[:-1], keys[1:]), min_count=0).as_py():
                raise BadInput("a key is there more than once", fix=TWICE)
            last = keys[-1].as_py()
            counts.update({row["values"]: row["counts"] for row in batch.column("kind").value_counts().to_pylist()})
            weights = weight + np.cumsum(batch.column("weight").to_numpy())
            columns = [batch.column(name) for name in _INDEX.names[:4]]
            places = np.arange(place, place + batch.num_rows)
            file.add_batch(pa.record_batch([*columns, places, weights // stretch_bytes], schema=_INDEX))
            place, weight = place + batch.num_rows, int(weights[-1])
    return counts


def _stretches(index: Path) -> Iterator[pa.Table]:
    """Yield the index stretch by stretch."""
    cursor = _Cursor(batches(index, _INDEX.names), "stretch", _INDEX)
    while (stretch := cursor.next_value()) is not None:
        yield cursor.below(stretch + 1)


def _distribute(side: _Side, database: duckdb.DuckDBPyConnection, work: Path) -> None:
    """Append each image that has a place to the spool file of its stretch."""
    places = database.sql(_PLACES.format(side=side.name)).to_arrow_reader(ROWS_PER_GROUP)
    cursor = _Cursor(places, "row", places.schema)
    spools: dict[int, pa.RecordBatchWriter] = {}
    with ExitStack() as opened:
        for first, group, file in _row_groups(side):
            here = cursor.below(first + file.metadata.row_group(group).num_rows)
            if here.num_rows:
                images = file.read_row_group(group, [side.column], use_threads=False).column(0)
                for stretch, rows in _by_stretch(here, images, first):
                    if stretch not in spools:
                        writer = pa.ipc.new_stream(_spool(work, side.name, stretch), _SPOOL)
                        spools[stretch] = opened.enter_context(writer)
                    spools[stretch].write_table(rows)


def _by_stretch(here: pa.Table, images: pa.ChunkedArray, first: int) -> Iterator[tuple[int, pa.Table]]:
    """Yield the places and images of some rows by stretch, *images* being those of the rows from *first* on."""
    stretch_of = here["stretch"].to_numpy()
    order = np.argsort(stretch_of, kind="stable")
    wanted = pa.array(here["row"].to_numpy()[order] - first)
    rows = pa.table([here["place"].take(pa.array(order)), images.take(wanted)], schema=_SPOOL)
    stretches, starts = np.unique(stretch_of[order], return_index=True)
    for stretch, start, end in zip(stretches, starts, [*starts[1:], rows.num_rows], strict=True):
        yield int(stretch), rows.slice(start, end - start)


def _spool(work: Path, side: str, stretch: int) -> Path:
    return work / f"{side}-{stretch}.spool"


def _spooled(path: Path, places: Any) -> pa.ChunkedArray:
    """Return the images of consecutive *places* from a spool file, null where it has none, and remove the file."""
    if not path.exists():
        return pa.chunked_array([pa.nulls(len(places), pa.string())])
    with pa.ipc.open_stream(path) as stream:
        spool = stream.read_all()
    path.unlink()
    rows = np.full(len(places), -1)
    rows[spool["place"].to_numpy() - places[0]] = np.arange(spool.num_rows)
    return spool["image"].take(pa.array(rows, mask=rows < 0))


class _Cursor:
    """A stream of batches sorted by one column, taken from the front."""

    def __init__(self, stream: Iterable[pa.RecordBatch], column: str, schema: pa.Schema) -> None:
        self._stream = iter(stream)
        self._column = column
        self._schema = schema
        self._batch: pa.RecordBatch | None = None
        self._fill()

    def _fill(self) -> None:
        while self._batch is None or not self._batch.num_rows:
            self._batch = next(self._stream, None)
            if self._batch is None:
                return

    def next_value(self) -> int | None:
        """Return the column's value in the next row, None at the end."""
        return None if self._batch is None else int(self._batch.column(self._column)[0].as_py())

    def below(self, limit: int) -> pa.Table:
        """Take the rows whose value is below *limit*."""
        taken: list[pa.RecordBatch] = []
        while self._batch is not None:
            rows = int(np.searchsorted(self._batch.column(self._column).to_numpy(), limit))
            taken.append(self._batch.slice(0, rows))
            self._batch = self._batch.slice(rows)
            if self._batch.num_rows:
                break
            self._fill()
        return pa.Table.from_batches(taken, self._schema)
