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
from pitrkit.recovery.changes.pairing import Rows, unpaired
from pitrkit.recovery.storage import ROWS_PER_GROUP, ParquetFile, batches

MEMORY_LIMIT = "512MB"
_STRETCH_BYTES = 32 * 1024 * 1024
_MAX_STRETCHES = 256  # open files
_PLACE = [pa.field(name, pa.int64()) for name in ("before_row", "after_row", "place", "stretch")]
_IMAGES = ("before", "after")
_SPOOL = pa.schema([("place", pa.int64()), ("image", pa.string())])
_LEFT = pa.schema([("key", pa.string()), ("size", pa.int32()), ("digest", pa.binary(32)), ("row", pa.int64())])
_DIFFERING = """
    SELECT
        coalesce(b.key, a.key) AS key,
        CASE WHEN a.key IS NULL THEN 'removed' WHEN b.key IS NULL THEN 'inserted' ELSE 'modified' END AS kind,
        '' AS review,
        b.row AS before_row,
        a.row AS after_row,
        coalesce(b.size, 0)::BIGINT + coalesce(a.size, 0)::BIGINT AS weight
    FROM before_left b FULL JOIN after_left a ON a.key = b.key
    WHERE b.digest IS DISTINCT FROM a.digest
    ORDER BY ALL
"""
_UNSORTED = """
    SELECT
        {columns},
        CASE WHEN has_before THEN file_row_number END AS before_row,
        CASE WHEN has_after THEN file_row_number END AS after_row,
        weight
    FROM unsorted
    ORDER BY {order}
"""
_PLACES = "SELECT {side}_row AS row, place, stretch FROM places WHERE {side}_row IS NOT NULL ORDER BY row"
TWICE = "Take both snapshots again; if it fails again, the source of this change set is damaged."


@dataclass(frozen=True, slots=True)
class _Side:
    """Where the images of one side are: a column of Parquet files, whose rows are numbered through."""

    name: str
    files: list[str]
    column: str


def join(
    before: list[str],
    after: list[str],
    path: Path,
    work: Path,
    *,
    schema: pa.Schema,
    size: int,
    memory_limit: str,
) -> Counter[str]:
    """Write what differs to *path*, sorted by key; return the count of each kind.

    Args:
        before: Parquet files of the earlier side, with key, item, size and digest.
        after: Those of the later side.
        path: Where the rows go.
        work: A folder for files that are needed meanwhile.
        schema: The columns to write: key, kind, before, after and review, which stays empty.
        size: About how many bytes both sides hold.
        memory_limit: What the join of the keys may use, as DuckDB reads it.

    Raises:
        BadInput: A key differs more than once, or the memory limit is too small or not a size.
    """
    sides = (_Side("before", before, "item"), _Side("after", after, "item"))
    with ThreadPoolExecutor(len(sides)) as pool:
        leaving_files = list(
            pool.map(lambda side, rows: _leave(side, rows, work), sides, unpaired(before, after, work))
        )
    with _database(work, memory_limit) as database:
        for side, path_left in zip(sides, leaving_files, strict=True):
            numbered(database, path_left).create_view(f"{side.name}_left")
        return _in_order(database, _DIFFERING, sides, path, work, schema=schema, size=size)


def arrange(
    rows: Iterable[tuple[Any, ...]], path: Path, work: Path, schema: pa.Schema, *, by: str = ""
) -> Counter[str]:
    """Write *rows*, given in any order, to *path*, sorted by key; return the count of each kind.

    Args:
        rows: Values of the columns of *schema*, times as microseconds since the epoch.
        path: Where they go.
        work: A folder for files that are needed meanwhile.
        schema: The columns: key, kind, before and after are among them, and the others are small.
        by: The column that orders the rows of one key; where it is the same, they stay in the order in which they were
            given. Without it a key must come once.

    Raises:
        BadInput: A key comes more than once.
    """
    about = [("has_before", pa.bool_()), ("has_after", pa.bool_()), ("weight", pa.int64())]
    unsorted = work / "unsorted.parquet"
    size = 0
    sides = [schema.get_field_index(name) for name in _IMAGES]
    full_schema = pa.schema([*_kept(schema), *(pa.field(*column_field) for column_field in about)])
    with ParquetFile(unsorted, full_schema, compression="lz4", lasting=False) as file:
        for row in rows:
            images = [row[side] for side in sides]
            weight = sum(len(image) for image in images if image is not None)
            file.add(*row, *(image is not None for image in images), weight, weight=weight)
            size += weight
    columns = ", ".join(f'"{name}"' for name in schema.names if name not in _IMAGES)
    query = _UNSORTED.format(columns=columns, order=f'key, "{by}", file_row_number' if by else "key")
    with _database(work, MEMORY_LIMIT) as database:
        numbered(database, unsorted).create_view("unsorted")
        both = (_Side("before", [str(unsorted)], "before"), _Side("after", [str(unsorted)], "after"))
        return _in_order(database, query, both, path, work, schema=schema, size=size, once=not by)


def _kept(schema: pa.Schema) -> list[pa.Field]:
    """Return columns as they are kept meanwhile: times as plain numbers, which no database gives a zone of its own."""
    return [
        pa.field(schema_field.name, pa.int64()) if pa.types.is_timestamp(schema_field.type) else schema_field
        for schema_field in schema
    ]


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
            f"the comparison needs more than {memory_limit} of memory: {str(error).splitlines()[0]}",
            fix="Set a larger memory_limit, for example 4GB.",
        ) from error


def numbered(database: duckdb.DuckDBPyConnection, path: Path) -> duckdb.DuckDBPyRelation:
    """Return the rows of one file, numbered, whatever pattern characters or `a=b` folders are in its path."""
    name = re.sub(r"[*?[]", r"[\g<0>]", str(path.resolve()))
    return database.read_parquet(name, hive_partitioning=False, file_row_number=True)


def _leave(side: _Side, rows: Rows, work: Path) -> Path:
    """Write what the join needs of the given rows of a snapshot, and return where."""
    leaving_file = work / f"{side.name}-left.parquet"
    with ParquetFile(leaving_file, _LEFT, compression="lz4", lasting=False) as file:
        for first, group, source in _row_groups(side):
            (here,) = np.nonzero(rows[first : first + source.metadata.row_group(group).num_rows])
            if len(here):
                leaving_rows = source.read_row_group(group, _LEFT.names[:-1], use_threads=False).take(here)
                for batch in leaving_rows.append_column(_LEFT.field("row"), pa.array(here + first)).to_batches():
                    file.add_batch(batch)
    return leaving_file


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
    schema: pa.Schema,
    size: int,
    once: bool = True,
) -> Counter[str]:
    """Write *schema* in the order of the query *differing*: all but the images, before_row, after_row and weight."""
    index = work / "index.parquet"
    columns = pa.schema(
        [*(column_field for column_field in _kept(schema) if column_field.name not in _IMAGES), *_PLACE]
    )
    rows = database.sql(differing).to_arrow_reader(ROWS_PER_GROUP)
    counts = _index(rows, index, columns, max(_STRETCH_BYTES, size // _MAX_STRETCHES), once=once)
    numbered(database, index).create_view("places")
    with ThreadPoolExecutor(len(sides)) as pool:
        list(pool.map(lambda side: _distribute(side, database.cursor(), work), sides))
    with ParquetFile(path, schema) as file:
        for stretch_rows in _stretches(index, columns):
            places = stretch_rows["place"].to_numpy()
            stretch = stretch_rows["stretch"][0].as_py()
            images = {side.name: _spooled(_spool(work, side.name, stretch), places) for side in sides}
            written = [
                images[schema_field.name]
                if schema_field.name in images
                else stretch_rows[schema_field.name].cast(schema_field.type)
                for schema_field in schema
            ]
            for batch in pa.table(written, schema=schema).to_batches():
                file.add_batch(batch)
    return counts


def _index(
    differing: Iterable[pa.RecordBatch], path: Path, schema: pa.Schema, stretch_bytes: int, *, once: bool
) -> Counter[str]:
    """Write each row with its place in the order and the stretch of the order that it is in."""
    counts: Counter[str] = Counter()
    place, weight, last = 0, 0, None
    with ParquetFile(path, schema, compression="lz4", lasting=False) as file:
        for batch in differing:
            if not batch.num_rows:
                continue
            keys = batch.column("key")
            rising = keys[0].as_py() != last and pc.all(pc.less(keys[:-1], keys[1:]), min_count=0).as_py()
            if once and not rising:
                raise BadInput("a key occurs more than once", fix=TWICE)
            last = keys[-1].as_py()
            counts.update({row["values"]: row["counts"] for row in batch.column("kind").value_counts().to_pylist()})
            weights = weight + np.cumsum(batch.column("weight").to_numpy())
            columns = [batch.column(name) for name in schema.names[:-2]]
            places = np.arange(place, place + batch.num_rows)
            file.add_batch(pa.record_batch([*columns, places, weights // stretch_bytes], schema=schema))
            place, weight = place + batch.num_rows, int(weights[-1])
    return counts


def _stretches(index: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the index stretch by stretch."""
    cursor = _Cursor(batches(index, schema.names), "stretch", schema)
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
    row_indices = pa.array(here["row"].to_numpy()[order] - first)
    rows = pa.table([here["place"].take(pa.array(order)), images.take(row_indices)], schema=_SPOOL)
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
