"""What the lines of an export's data files say: items of a full one, what became of items of an incremental one.

Values become what a scan would make of them, by the same code, so that an export, a scan and another export of the same
items are equal byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import orjson

from pitrkit.aws.change_data.export import Export
from pitrkit.aws.change_data.export_files import BrokenFile, DataFile, blocks, damaged
from pitrkit.aws.items import REPLICATION_PREFIX, canonicalise_in_place, without_replication
from pitrkit.aws.tables.scan_pages import Row, row
from pitrkit.errors import BadInput

_T = TypeVar("_T")
_REPLICATION = REPLICATION_PREFIX.encode()


class ExportRecord(NamedTuple):
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
    yield from _made(path, file, export, lambda line: row(line["Item"], names))


def records(path: Path, file: DataFile, export: Export, key: Sequence[str]) -> Iterator[ExportRecord]:
    """Yield what a fetched file of an incremental export says; parameters and errors are those of `rows`."""
    names = sorted(key)
    for batch in _made(path, file, export, lambda line: _record(line, names)):
        yield from batch


def _made(path: Path, file: DataFile, export: Export, make: Callable[[dict[str, Any]], _T]) -> Iterator[list[_T]]:
    """Yield what *make* makes of a file's lines, in batches; there must be as many lines as the manifest says.

    Each line is made into bytes before the next one is loaded: many dictionaries at once would cost as much again.
    """
    count = 0
    try:
        for block in blocks(path):
            lines = filter(bytes.strip, block.split(b"\n"))
            if _REPLICATION in block:
                batch = [make(_without_replication(orjson.loads(line))) for line in lines]
            else:
                batch = [make(orjson.loads(line)) for line in lines]
            count += len(batch)
            yield batch
    except orjson.JSONDecodeError as error:
        raise damaged(f"{file.name} is damaged: a line is not JSON ({error.msg})", export) from error
    except BrokenFile as error:
        raise damaged(f"{file.name} is damaged: {error}", export) from error
    except (KeyError, TypeError, ValueError, AttributeError, BadInput) as error:
        raise _foreign(file, export, error) from error
    if count != file.items:
        raise damaged(f"{file.name} is damaged: it contains {count:,} items, the manifest says {file.items:,}", export)


def _without_replication(line: dict[str, Any]) -> dict[str, Any]:
    return {
        name: without_replication(value) if name in {"Item", "NewImage", "OldImage"} else value
        for name, value in line.items()
    }


def _record(line: dict[str, Any], names: list[str]) -> ExportRecord:
    key = line["Keys"]
    if sorted(key) != names:
        raise KeyError(f"the key is of {', '.join(sorted(key))}")
    canonicalise_in_place(key)
    written = line["Metadata"]["WriteTimestampMicros"]
    micros = int(written["N"] if isinstance(written, dict) else written)
    before, after = _image(line.get("OldImage")), _image(line.get("NewImage"))
    return ExportRecord(orjson.dumps(key, option=orjson.OPT_SORT_KEYS), micros, before, after)


def _image(attrs: dict[str, Any] | None) -> bytes | None:
    if attrs is None:
        return None
    canonicalise_in_place(attrs)
    return orjson.dumps(attrs, option=orjson.OPT_SORT_KEYS)


def _foreign(file: DataFile, export: Export, error: Exception) -> BadInput:
    why = error.what if isinstance(error, BadInput) else f"{type(error).__name__}: {error}"
    return damaged(f"{file.name} is foreign or damaged: a line is not an item of this export ({why})", export)
