"""What the lines of an export's data files say: items of a full one, what became of items of an incremental one.

Values become what a scan would make of them, by the same code, so that an export, a scan and another export of the same
items are equal byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from pitrkit.dynamodb.export import Export
from pitrkit.dynamodb.export_files import DataFile, blocks, damaged
from pitrkit.dynamodb.items import REPLICATION_PREFIX, settle, without_replication
from pitrkit.dynamodb.pages import Row, row
from pitrkit.errors import BadInput

_REPLICATION = REPLICATION_PREFIX.encode()


class Record(NamedTuple):
    """One item of an incremental export. Images and the key are canonical JSON text.

    Attributes:
        key: The item's key.
        micros: When it was last written in the window, in microseconds since 1970.
        before: The item right before the window, None where it was absent.
        after: The item at the window's end, None where it was absent.
    """

    key: bytes
    micros: int
    before: bytes | None
    after: bytes | None


def rows(path: Path, file: DataFile, export: Export, key: Sequence[str]) -> Iterator[list[Row]]:
    """Yield the items of a fetched file of a full export, in batches that can be held.

    Args:
        path: Where it was fetched to.
        file: What the manifest says of it.
        export: The export it is of.
        key: Names of the table's key attributes.

    Raises:
        BadInput: The file is damaged, or of something else; it is named.
    """
    names = sorted(key)
    for batch in _loaded(path, file, export):
        try:
            yield [row(line["Item"], names) for line in batch]
        except (KeyError, TypeError, AttributeError, BadInput) as error:
            raise _foreign(file, export, error) from error


def records(path: Path, file: DataFile, export: Export, key: Sequence[str]) -> Iterator[Record]:
    """Yield what a fetched file of an incremental export says; parameters and errors are those of `rows`."""
    names = sorted(key)
    for batch in _loaded(path, file, export):
        try:
            found = [_record(line, names) for line in batch]
        except (KeyError, TypeError, ValueError, AttributeError, BadInput) as error:
            raise _foreign(file, export, error) from error
        yield from found


def _loaded(path: Path, file: DataFile, export: Export) -> Iterator[list[dict[str, Any]]]:
    """Yield the lines of a file in batches, and prove in the end that there were as many as the manifest says."""
    count = 0
    try:
        for block in blocks(path):
            batch = [orjson.loads(line) for line in block.split(b"\n") if line.strip()]
            if _REPLICATION in block:
                batch = [_without_replication(line) for line in batch]
            count += len(batch)
            yield batch
    except (ValueError, AttributeError) as error:
        raise damaged(f"{file.name} cannot be read: {error}", export) from error
    if count != file.items:
        raise damaged(f"{file.name} holds {count:,} items, not the {file.items:,} of the manifest", export)


def _without_replication(line: dict[str, Any]) -> dict[str, Any]:
    return {
        name: without_replication(held) if name in {"Item", "NewImage", "OldImage"} else held
        for name, held in line.items()
    }


def _record(line: dict[str, Any], names: list[str]) -> Record:
    key = line["Keys"]
    if sorted(key) != names:
        raise KeyError(f"the key is of {', '.join(sorted(key))}")
    settle(key)
    written = line["Metadata"]["WriteTimestampMicros"]
    micros = int(written["N"] if isinstance(written, dict) else written)
    before, after = _image(line.get("OldImage")), _image(line.get("NewImage"))
    return Record(orjson.dumps(key, option=orjson.OPT_SORT_KEYS), micros, before, after)


def _image(attrs: dict[str, Any] | None) -> bytes | None:
    if attrs is None:
        return None
    settle(attrs)
    return orjson.dumps(attrs, option=orjson.OPT_SORT_KEYS)


def _foreign(file: DataFile, export: Export, error: Exception) -> BadInput:
    why = error.what if isinstance(error, BadInput) else f"{type(error).__name__}: {error}"
    return damaged(f"{file.name} is foreign or damaged: a line of it is no item of this export ({why})", export)
