"""Reading a table's items from DynamoDB-JSON lines or from the folder of a full export."""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from pitrkit.sandbox.store.values import MAX_ITEM_BYTES, BadValue, Image, normalised_image, stored_size

_DEPTH = 32
_GZIP = b"\x1f\x8b"
_MANIFESTS = ("", "*/", "AWSDynamoDB/*/", "*/AWSDynamoDB/*/")
_HOW = (
    'give one item a line, as {"Item": {"id": {"S": "a"}, ...}} or without the "Item"; '
    "`aws dynamodb scan --table-name T --output json | jq -c '.Items[]'` and full exports write that"
)


class LoadError(ValueError):
    """A file that cannot be loaded as a table.

    Args:
        what: What is wrong and where; never an item's content.
        fix: What to do about it.
    """

    def __init__(self, what: str, *, fix: str) -> None:
        super().__init__(f"{what}\n-> {fix}")
        self.what = what
        self.fix = fix


class KeySpec(NamedTuple):
    """One key attribute: its name and its type, `S`, `N` or `B`."""

    name: str
    type: str


class Line(NamedTuple):
    """An item and where it was read: file name and line number, from 1."""

    file: str
    number: int
    item: Image

    @property
    def place(self) -> str:
        """Where the item was read, for messages."""
        return f"{self.file}, line {self.number}"


def parse_keys(text: str) -> tuple[KeySpec, ...]:
    """The key attributes named by *text*, e.g. `year:N,title:S`: partition key, then sort key if there is one."""
    keys = tuple(KeySpec(*part.strip().rpartition(":")[::2]) for part in text.split(","))
    if (
        len(keys) not in (1, 2)
        or any(not key.name or key.type not in ("S", "N", "B") for key in keys)
        or len({key.name for key in keys}) != len(keys)
    ):
        raise LoadError(
            f"{text!r} does not name a table's keys",
            fix="give name:type of the partition key and, if there is one, of the sort key, e.g. year:N,title:S",
        )
    return keys


def read(source: Path, keys: Sequence[KeySpec]) -> Iterator[Line]:
    """The items in *source*, values checked and in the form DynamoDB would return them.

    Attributes that DynamoDB keeps for itself (`aws:rep:*`) are left out.

    Args:
        source: A file of DynamoDB-JSON lines, plain or gzipped, or the folder of a full export.
        keys: The table's key attributes.

    Raises:
        LoadError: The source is missing, empty or damaged, a line is not an item, or an item does not have
            the keys or repeats them.
    """
    seen: dict[tuple[str, ...], tuple[str, int]] = {}
    for file in _files(source):
        for line_number, text in _lines(file):
            line = Line(file.name, line_number, {})
            item = _item(line.place, text, keys)
            key = tuple(str(item[spec.name][spec.type]) for spec in keys)
            if key in seen:
                first = Line(*seen[key], {}).place
                raise LoadError(
                    f"{line.place} repeats the key of {first}",
                    fix="keep one of the two; if both are meant, --keys lacks the sort key",
                )
            seen[key] = (file.name, line_number)
            yield line._replace(item=item)
    if not seen:
        raise LoadError(f"{source} holds no items", fix=_HOW)


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise LoadError(
            f"{source} does not exist", fix="give a file of DynamoDB-JSON lines or the folder of a full export"
        )
    manifests = sorted({manifest for where in _MANIFESTS for manifest in source.glob(f"{where}manifest-files.json")})
    if len(manifests) > 1:
        raise LoadError(
            f"{source} holds {len(manifests)} exports", fix=f"point at one of them, e.g. {manifests[0].parent}"
        )
    if manifests:
        return [_listed(manifests[0], number, text) for number, text in _lines(manifests[0])]
    files = sorted(source.glob("data/*.json.gz")) or sorted(source.glob("*.json.gz"))
    if not files:
        raise LoadError(
            f"{source} is not the folder of a full export in DynamoDB JSON",
            fix="point at the folder that holds manifest-files.json and data/*.json.gz",
        )
    return files


def _listed(manifest: Path, line_number: int, text: bytes) -> Path:
    """The data file that a line of the manifest names, found beside the manifest and whole."""
    try:
        entry = orjson.loads(text)
        # Only the last part of the S3 key: the folder may have been copied anywhere.
        name = str(entry["dataFileS3Key"]).rpartition("/")[2]
        checksum = entry.get("md5Checksum", "")
    except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError):
        raise LoadError(
            f"{manifest}, line {line_number} is not a line of an export's manifest", fix="copy the export again"
        ) from None
    file = manifest.parent / "data" / name
    if not file.is_file():
        raise LoadError(
            f"{manifest} lists {name}, which is not in {file.parent}",
            fix="copy the whole export: aws s3 cp --recursive",
        )
    digest = hashlib.md5(file.read_bytes(), usedforsecurity=False).digest()
    if checksum and base64.b64encode(digest).decode("ascii") != checksum:
        raise LoadError(f"{file} is not what its manifest says: the checksum differs", fix="copy the export again")
    return file


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of *file* that are not blank, with their numbers from 1."""
    try:
        with file.open("rb") as start:
            zipped = start.read(2) == _GZIP
        with gzip.open(file) if zipped else file.open("rb") as lines:
            for line_number, line in enumerate(lines, start=1):
                if line.strip():
                    yield line_number, line
    except (EOFError, OSError, zlib.error) as error:
        raise LoadError(f"{file} cannot be read: {error}", fix="check the file, or copy it again") from error


def _item(place: str, text: bytes, keys: Sequence[KeySpec]) -> Image:
    if text.startswith(b"$ion"):
        raise LoadError(f"{place} is Amazon Ion", fix="export the table in DynamoDB JSON (ExportFormat DYNAMODB_JSON)")
    try:
        line = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise LoadError(f"{place} is not JSON", fix=_HOW) from None
    if not isinstance(line, dict):
        raise LoadError(f"{place} is not an item", fix=_HOW)
    if "Keys" in line and "Metadata" in line:
        raise LoadError(
            f"{place} is of an incremental export, which holds changes and not a table", fix="give a full export"
        )
    wrapped = line.get("Item")
    # An item may have a key called Item itself: its value is then text, where a wrapped item has typed values.
    if (
        set(line) == {"Item"}
        and isinstance(wrapped, dict)
        and all(isinstance(content, dict) for content in wrapped.values())
    ):
        line = wrapped
    item = _checked(place, line)
    _check_keys(place, item, keys)
    return item


def _checked(place: str, line: dict[str, Any]) -> Image:
    """The item as DynamoDB would return it; refused where it is not DynamoDB JSON."""
    item = {name: value for name, value in line.items() if not name.startswith("aws:rep:")}
    wrong = next(filter(None, map(_misshapen, item.values())), "")
    if wrong:
        raise LoadError(f"{place} is not DynamoDB JSON: {wrong}", fix=_HOW)
    try:
        item = normalised_image(item)
    except BadValue:  # its message quotes the value
        raise LoadError(
            f"{place} holds a value that DynamoDB refuses",
            fix="numbers have 38 digits at most, sets no member twice, binary is base64: mend the line",
        ) from None
    if stored_size(item) > MAX_ITEM_BYTES:
        raise LoadError(f"{place} is larger than an item may be", fix="DynamoDB takes 400 KB: shorten the item")
    return item


def _check_keys(place: str, item: Image, keys: Sequence[KeySpec]) -> None:
    for key in keys:
        if key.name not in item:
            raise LoadError(f"{place} lacks the key {key.name!r}", fix="check --keys against the table's keys")
        if key.type not in item[key.name]:
            (content,) = item[key.name]
            raise LoadError(
                f"{place} has the key {key.name!r} of type {content}, not {key.type}",
                fix="check the types in --keys against the table's keys",
            )
        if not item[key.name][key.type]:
            raise LoadError(f"{place} has an empty key {key.name!r}", fix="DynamoDB takes no empty keys: mend the line")


def _misshapen(value: Any, depth: int = 1) -> str:
    """What is wrong with the shape of *value*, empty when it is DynamoDB JSON; never what it holds."""
    if depth > _DEPTH:
        return f"values are nested deeper than {_DEPTH} levels"
    if not isinstance(value, dict) or len(value) != 1:
        return "an attribute is not one type with one value"
    ((kind, content),) = value.items()
    match kind, content:
        case (("S" | "N" | "B"), str()) | ("BOOL", bool()) | ("NULL", True):
            return ""
        case ("M", dict()) | ("L", list()):
            members = content.values() if kind == "M" else content
            return next(filter(None, (_misshapen(member, depth + 1) for member in members)), "")
        case (("SS" | "NS" | "BS"), list()) if content and all(isinstance(member, str) for member in content):
            return ""
    return "an attribute has an unknown type, or a value that does not go with its type"
