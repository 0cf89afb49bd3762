"""Files of a recovery: Parquet written in bounded memory, and every file there whole or not at all.

Rows go out in row groups of a few thousand rows or a few megabytes, whichever is reached first, so neither the
writer nor a reader ever needs more of a file than one row group. A folder's JSON file is written last and makes
the folder complete: what a killed process leaves behind has none, and is refused.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from pitrkit import documents, files
from pitrkit.errors import BadInput

ROWS_PER_GROUP = 8192
BYTES_PER_GROUP = 8 * 1024 * 1024
_WORK = ".work"


class ParquetFile:
    """A Parquet file being written: rows or batches in, and on leaving the block the whole file under its name.

    Args:
        path: Where it goes.
        schema: Its columns.
        compression: Small (`zstd`), or quick to write and to read (`lz4`).
        lasting: Whether it is to outlast a failure of the machine, which a work file need not.

    Attributes:
        rows: Rows written so far.
        notes: What else the file is to say, in its metadata: they are there when the file is.
    """

    def __init__(
        self,
        path: Path,
        schema: pa.Schema,
        *,
        compression: Literal["zstd", "lz4"] = "zstd",
        lasting: bool = True,
    ) -> None:
        self.rows = 0
        self.notes: dict[str, str] = {}
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        self._schema = schema
        self._lasting = lasting
        # No dictionaries: they are built of items and digests, which are all different, only to be given up again.
        self._writer = pq.ParquetWriter(
            self._part,
            schema,
            compression=compression,
            compression_level=1 if compression == "zstd" else None,
            use_dictionary=False,
            write_statistics=False,
        )
        self._columns: list[list[Any]] = [[] for _ in schema]
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def add(self, *values: Any, weight: int) -> None:
        """Write one row; *weight* is about how many bytes it holds."""
        for column, value in zip(self._columns, values, strict=True):
            column.append(value)
        self.rows += 1
        self._bytes += weight
        if len(self._columns[0]) >= ROWS_PER_GROUP or self._bytes >= BYTES_PER_GROUP:
            self._flush()

    def add_batch(self, batch: pa.RecordBatch) -> None:
        """Write a batch of rows as row groups of the usual size."""
        self._flush()
        if not batch.num_rows:
            return
        rows = max(1, min(ROWS_PER_GROUP, BYTES_PER_GROUP * batch.num_rows // max(1, batch.nbytes)))
        for start in range(0, batch.num_rows, rows):
            self._writer.write_table(pa.Table.from_batches([batch.slice(start, rows)], self._schema), rows)
        self.rows += int(batch.num_rows)

    def _flush(self) -> None:
        if self._columns[0]:
            arrays = [pa.array(column, field.type) for column, field in zip(self._columns, self._schema, strict=True)]
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
            self._columns = [[] for _ in self._schema]
            self._bytes = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._writer.close()
            self._part.unlink(missing_ok=True)
            return
        self._flush()
        if self.notes:
            self._writer.add_key_value_metadata(self.notes)
        self._writer.close()
        if self._lasting:
            files.settle(self._part, self._path)
        else:
            self._part.replace(self._path)


def write_json(path: Path, data: Any) -> None:
    """Write *data* to *path*, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    files.settle(part, path)


def read_json(path: Path, *, what: str, fix: str) -> dict[str, Any]:
    """Read the JSON file that makes a folder complete.

    Raises:
        BadInput: There is none, or it cannot be read: *what* names the thing, *fix* says how to make it anew.
    """
    try:
        return documents.from_json(path.read_bytes(), dict[str, Any])
    except FileNotFoundError:
        raise BadInput(f"{path.parent} holds no complete {what} ({path.name} is missing)", fix=fix) from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read: {error}", fix=fix) from error


def batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet file in order, one row group's worth at a time."""
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for group in range(file.num_row_groups):
            yield from file.read_row_group(group, columns, use_threads=False).to_batches()


@contextmanager
def writing(folder: Path, *, complete: str, clear: str = "") -> Iterator[Path]:
    """Make *folder* ready to be written anew, and yield a work folder inside it that is gone afterwards.

    Args:
        folder: Where the files go; made if absent.
        complete: Name of the JSON file that marks an earlier result as complete; it goes first.
        clear: Pattern of the earlier result's other files, which go next; empty keeps them.

    Raises:
        BadInput: The folder cannot be written, or its disk is full.
    """
    work = folder / _WORK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / complete).unlink(missing_ok=True)
        for pattern in (clear, f".{clear}.part") if clear else ():
            for old in folder.glob(pattern):
                old.unlink(missing_ok=True)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        yield work
    except OSError as error:
        raise BadInput(
            f"{folder} cannot be written: {error.strerror or error}",
            fix="Choose a folder that you may write to, on a disk with room, and run this step again.",
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
