"""An export's files in S3: data files, manifests and their checksums, in the service's layout.

Where sources disagree how the service spells something, `ExportSettings` says which way it is spelt here, so that a
reader can be tried with each: the ending of checksum files, the prefix in the manifests' keys, and write times.

Source: Amazon DynamoDB Developer Guide, "DynamoDB table export output format".
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from pitrkit.sandbox.exports import ion
from pitrkit.sandbox.exports.export_records import ExportedItem
from pitrkit.sandbox.store.rows import HASH_RANGE
from pitrkit.sandbox.store.values import Image

FILES = 4
"""Data files with items in them, at most; one more is always empty."""

_SUFFIXES = (".checksum", ".md5")
_NAME_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_FOREIGN = b'{"Item":{"foreign_id":{"S":"of another table"}}}\n'
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """How exports go, and how they spell what the service is said to spell in two ways.

    Attributes:
        export_seconds: Real seconds that an export takes.
        checksum_suffix: Ending of the manifests' checksum files, `.checksum` or `.md5`.
        keys_with_prefix: Whether keys in the manifests begin with the export's prefix, as the objects' do.
        plain_timestamps: WriteTimestampMicros as a plain string instead of `{"N": "..."}`.
    """

    export_seconds: float = 0.0
    checksum_suffix: str = _SUFFIXES[0]
    keys_with_prefix: bool = True
    plain_timestamps: bool = False

    def __post_init__(self) -> None:
        if self.export_seconds < 0:
            raise ValueError("export_seconds cannot be negative")
        if self.checksum_suffix not in _SUFFIXES:
            raise ValueError(f"checksum_suffix is {self.checksum_suffix!r}; there are {', '.join(_SUFFIXES)}")


class File(NamedTuple):
    """One object in S3; without an ETag it is put in one part."""

    key: str
    content: bytes
    etag: str | None = None


class ExportedFile(NamedTuple):
    """One of an export's data files: its key without the export's prefix, its bytes, and how many items they hold."""

    key: str
    content: bytes
    items: int

    def entry(self, prefix: str) -> bytes:
        """Return its line of manifest-files.json, with *prefix* before its key."""
        line = {
            "itemCount": self.items,
            "md5Checksum": _md5(self.content),
            "etag": self.etag,
            "dataFileS3Key": prefix + self.key,
        }
        return orjson.dumps(line) + b"\n"

    @property
    def etag(self) -> str:
        """The ETag of a file that was put as one part of a multipart upload, as the service does it."""
        digest = hashlib.md5(self.content, usedforsecurity=False).digest()
        return hashlib.md5(digest, usedforsecurity=False).hexdigest() + "-1"


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


@dataclass(frozen=True, slots=True)
class Layout:
    """Where an export's files go, and what they are written in.

    Attributes:
        export_id: The last part of the export's ARN.
        prefix: The request's S3Prefix; may be empty.
        incremental: Whether it is an incremental export: its data files go into a folder that all of them share.
        ion: Whether items are written as Ion text.
        old_images: Whether records have the item before the window.
        settings: How it spells things.
    """

    export_id: str
    prefix: str
    incremental: bool
    ion: bool
    old_images: bool
    settings: ExportSettings

    @property
    def root(self) -> str:
        """What the keys of its objects begin with, before `AWSDynamoDB`."""
        return f"{self.prefix}/" if self.prefix else ""

    @property
    def folder(self) -> str:
        """Its own folder, without the prefix."""
        return f"AWSDynamoDB/{self.export_id}/"

    @property
    def spelt(self) -> str:
        """What keys in its manifests begin with."""
        return self.root if self.settings.keys_with_prefix else ""

    @property
    def manifest(self) -> str:
        """Key of its manifest-summary.json."""
        return f"{self.root}{self.folder}manifest-summary.json"

    def started(self) -> File:
        """Return the empty file that tells that it has begun."""
        return File(f"{self.root}{self.folder}_started", b"")

    def data(self, records: Iterable[ExportedItem]) -> list[ExportedFile]:
        """Return the data files with *records*: one for each range of the keys' hash, and one that is empty."""
        parts: list[list[bytes]] = [[] for _ in range(FILES + 1)]
        for record in records:
            parts[record.position[0] * FILES // HASH_RANGE].append(self._line(record))
        return [self.file(b"".join(part), len(part), number) for number, part in enumerate(parts)]

    def file(self, lines: bytes, items: int, number: int) -> ExportedFile:
        """Return data file *number* with *lines* in it."""
        folder = "AWSDynamoDB/data/" if self.incremental else f"{self.folder}data/"
        dice = random.Random(f"{self.export_id}/{number}")  # noqa: S311 - a name
        name = "".join(dice.choices(_NAME_ALPHABET, k=26))
        key = f"{folder}{name}.{'ion' if self.ion else 'json'}.gz"
        return ExportedFile(key, gzip.compress(lines, compresslevel=1, mtime=0), items)

    def foreign(self) -> ExportedFile:
        """Return a file as an export of another table could have left it."""
        return replace(self, export_id="00000000000000-00000000").file(_FOREIGN, 1, 0)

    def summary(self, facts: dict[str, Any]) -> File:
        """Return manifest-summary.json with *facts*."""
        where = {"manifestFilesS3Key": f"{self.spelt}{self.folder}manifest-files.json"}
        return File(self.manifest, orjson.dumps({**facts, **where}))

    def files(self, data: Iterable[ExportedFile]) -> File:
        """Return manifest-files.json, which lists *data*."""
        lines = b"".join(data_file.entry(self.spelt) for data_file in data)
        return File(f"{self.root}{self.folder}manifest-files.json", lines)

    def checksum(self, manifest: File) -> File:
        """Return the checksum file of a manifest."""
        return File(manifest.key.removesuffix(".json") + self.settings.checksum_suffix, _md5(manifest.content).encode())

    def _line(self, record: ExportedItem) -> bytes:
        if record.written_at is None:
            assert record.after is not None
            return ion.item(record.after) if self.ion else orjson.dumps({"Item": record.after}) + b"\n"
        images: dict[str, Image] = {}
        if record.after is not None:
            images["NewImage"] = record.after
        if record.before is not None and self.old_images:
            images["OldImage"] = record.before
        micros = (record.written_at - _EPOCH) // timedelta(microseconds=1)
        if self.ion:
            return ion.record(record.key, micros, images)
        written: Any = str(micros) if self.settings.plain_timestamps else {"N": str(micros)}
        return orjson.dumps({"Metadata": {"WriteTimestampMicros": written}, "Keys": record.key, **images}) + b"\n"


def iso(at: datetime) -> str:
    """Return a time as the manifests have it: UTC, with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shortened(content: bytes) -> bytes:
    """Return a data file without its last line, as whole as it was."""
    lines = gzip.decompress(content).splitlines(keepends=True)
    return gzip.compress(b"".join(lines[:-1]) if lines else b"\n", compresslevel=1, mtime=0)
