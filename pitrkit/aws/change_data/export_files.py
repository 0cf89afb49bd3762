"""An export's files in S3: what its manifests list, fetched whole and proved to be what was written, or refused.

Only the manifests say which files are an export's: incremental ones share a folder. Sources disagree on how the service
spells two things, so both are accepted: checksum files end in `.checksum` or `.md5`, and keys in the manifests come
with or without the export's prefix.

Source: Amazon DynamoDB Developer Guide, "DynamoDB table export output format".
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from botocore.exceptions import BotoCoreError
from urllib3.exceptions import HTTPError

from pitrkit.aws.change_data.export import Export
from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.error_mapping import Ambiguous
from pitrkit.errors import AccessDenied, AwsError, BadInput
from pitrkit.times import iso

_CHUNK = 1 << 20
_TRIES = 4
_CHECKSUMS = (".checksum", ".md5")
_FORBIDDEN = {"AccessDenied", "403"}
_MISSING = {"NoSuchKey", "404"}


class BrokenFile(Exception):
    """A data file cannot be unpacked."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A data file as the manifest lists it.

    Attributes:
        number: Its place in the manifest, from 0.
        keys: Where it may be in the bucket, the likeliest first.
        items: How many items it holds.
        md5: Base64 of its MD5, as it lies in S3.
    """

    number: int
    keys: tuple[str, ...]
    items: int
    md5: str

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.keys[0]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export's manifests say, found to be of the export that they were looked up for.

    Attributes:
        export: The export.
        items: How many items all files hold together.
        files: The data files.
    """

    export: Export
    items: int
    files: tuple[DataFile, ...]

    def check_complete(self) -> None:
        """Raise BadInput unless the files hold as many items as the export says."""
        listed = sum(file.items for file in self.files)
        if listed != self.items:
            raise damaged(
                f"the files in manifest-files.json contain {listed:,} items, but the summary says {self.items:,}",
                self.export,
            )


def damaged(problem: str, export: Export) -> BadInput:
    """Return what to raise about a file of *export* that cannot be used."""
    return BadInput(
        f"the {export} in s3://{export.bucket} cannot be used: {problem}",
        table=export.table,
        fix=f"Delete {_summary_keys(export)[0]} there and run this step again: it exports again, as long as "
        "the time is restorable.",
    )


def summary_exists(aws: Aws, export: Export) -> bool:
    """Return whether a complete export's summary is still in its bucket.

    Raises:
        AccessDenied: That cannot be seen.
    """
    try:
        _found(aws, export, _summary_keys(export))
    except AwsError as error:
        if error.code not in {*_MISSING, "NoSuchBucket"}:
            raise
        return False
    return True


def manifest(aws: Aws, export: Export) -> Manifest:
    """Read and check the manifests of *export*.

    Raises:
        BadInput: One is missing, damaged, or of another export or table; or the export is not in DynamoDB JSON.
        AccessDenied: The bucket may not be read.
    """
    if export.status != "COMPLETED":
        raise BadInput(f"the {export} is {export.status}", table=export.table, fix="Wait for it with `exports.wait`.")
    summary_key, content = _checked(aws, export, _summary_keys(export))
    summary = _loaded(content, summary_key, export)
    _check_identity(summary, summary_key, export)
    if summary.get("outputFormat", export.format) != "DYNAMODB_JSON":
        raise BadInput(
            f"the {export} is in {summary.get('outputFormat')}", table=export.table, fix="Export it as DYNAMODB_JSON."
        )
    files_key, lines = _checked(aws, export, _keys(export, str(summary.get("manifestFilesS3Key", ""))))
    files: list[DataFile] = []
    try:
        for line in filter(None, map(bytes.strip, lines.split(b"\n"))):
            row = orjson.loads(line)
            keys = _keys(export, row["dataFileS3Key"])
            files.append(DataFile(len(files), keys, int(row["itemCount"]), row["md5Checksum"]))
        items = int(summary["itemCount"])
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(f"{files_key} is not a manifest of an export ({error!r})", export) from error
    return Manifest(export, items, tuple(files))


def fetch(aws: Aws, export: Export, file: DataFile, path: Path) -> int:
    """Write a data file, as it lies in S3, to *path*, and return how many bytes it has.

    Raises:
        BadInput: It is missing, or not what the manifest says.
        AccessDenied: It may not be read.
        AwsError: It could not be read, after several tries.
    """
    for attempt in range(_TRIES):
        body = _found(aws, export, file.keys, file.name)[1]
        digest = hashlib.md5(usedforsecurity=False)
        size = 0
        try:
            with path.open("wb") as out:
                for chunk in _streamed(body, file.name, export):
                    digest.update(chunk)
                    size += out.write(chunk)
        except Ambiguous:
            if attempt + 1 < _TRIES:
                continue
            raise
        if base64.b64encode(digest.digest()).decode() != file.md5:
            raise damaged(f"{file.name} is damaged: its MD5 is not the one in the manifest", export)
        return size
    raise AssertionError("the last try returns or raises")


def blocks(path: Path) -> Iterator[bytes]:
    """Yield a fetched file's text in blocks of whole lines.

    Raises:
        BrokenFile: It is not gzip, or breaks off.
    """
    rest = b""
    try:
        with gzip.open(path) as text:
            while chunk := text.read(_CHUNK):
                head, newline, tail = chunk.rpartition(b"\n")
                if newline:
                    yield rest + head
                    rest = tail
                else:
                    rest += chunk
    except (OSError, EOFError, zlib.error) as error:
        raise BrokenFile(f"its gzip data is incomplete ({error})") from error
    yield rest


def _streamed(body: Any, name: str, export: Export) -> Iterator[bytes]:
    try:
        while chunk := body.read(_CHUNK):
            yield chunk
    except (BotoCoreError, HTTPError, ConnectionError) as error:
        raise Ambiguous(
            f"{name} could not be read completely: {type(error).__name__}",
            code=type(error).__name__,
            operation="GetObject",
            table=export.table,
            fix="Check the network, then run this step again.",
        ) from error


def _checked(aws: Aws, export: Export, keys: Sequence[str]) -> tuple[str, bytes]:
    """Return a manifest's key and content, which its checksum file proves."""
    key, body = _found(aws, export, keys, keys[0])
    content = b"".join(_streamed(body, key, export))
    proof, checksum = _found(
        aws, export, [key.removesuffix(".json") + end for end in _CHECKSUMS], f"the checksum of {key}"
    )
    expected_md5 = b"".join(_streamed(checksum, proof, export)).decode(errors="replace").strip()
    digest = hashlib.md5(content, usedforsecurity=False)
    if expected_md5 not in {base64.b64encode(digest.digest()).decode(), digest.hexdigest()}:
        raise damaged(f"{key} is damaged: it does not match its checksum", export)
    return key, content


def _found(aws: Aws, export: Export, keys: Sequence[str], name: str = "") -> tuple[str, Any]:
    """Return the first of *keys* that is there, and its content to be read.

    Where the bucket may not be listed, a key that is not there is denied instead: so that stops only at the last.

    Raises:
        BadInput: None is there, and *name* says what is missing.
        AwsError: As above, but no *name*; or another failure.
    """
    refused: AwsError | None = None
    for key in keys:
        try:
            where = {"Bucket": export.bucket, "Key": key, **export.owner}
            return key, aws.call("s3", "get_object", table=export.table, **where)["Body"]
        except AwsError as error:
            if error.code not in _MISSING | _FORBIDDEN:
                raise
            refused = error if refused is None or error.code in _FORBIDDEN else refused
    assert refused is not None
    if refused.code in _FORBIDDEN:
        raise AccessDenied(
            f"s3://{export.bucket}/{keys[0]} cannot be read: no permission",
            code=refused.code,
            operation="GetObject",
            request_id=refused.request_id,
            table=export.table,
            fix=f"Allow s3:GetObject on {export.bucket}'s objects, and s3:ListBucket on the bucket (without it a "
            "missing file looks like a forbidden one); kms:Decrypt if the bucket has a key of its own.",
        ) from refused
    if name:
        raise damaged(f"{name} is missing", export) from refused
    raise refused


def _summary_keys(export: Export) -> tuple[str, ...]:
    made_up = f"AWSDynamoDB/{export.arn.rpartition('/')[2]}/manifest-summary.json"
    return _keys(export, export.manifest or made_up)


def _keys(export: Export, key: str) -> tuple[str, ...]:
    """Return where a file may be whose key a manifest gives with or without the prefix."""
    key = key.removeprefix(f"s3://{export.bucket}/").removeprefix("/")
    if not export.prefix:
        return (key,)
    longer = f"{export.prefix}/{key}"
    return (key, longer) if key.startswith(f"{export.prefix}/") else (longer, key)


def _loaded(content: bytes, key: str, export: Export) -> dict[str, Any]:
    try:
        summary = orjson.loads(content)
    except ValueError:
        summary = None
    if not isinstance(summary, dict):
        raise damaged(f"{key} is not JSON", export)
    return summary


def _check_identity(summary: dict[str, Any], key: str, export: Export) -> None:
    """Refuse a summary that tells of something else than *export*; what it does not say, it cannot contradict."""
    pairs: list[tuple[str, str]] = [
        ("exportArn", export.arn),
        ("tableArn", export.table_arn),
        ("tableId", export.table_id),
    ]
    for name, expected in pairs:
        actual = summary.get(name)
        if actual and expected and actual != expected:
            raise damaged(f"{key} is foreign: its {name} is {actual}, not {expected}", export)
    if not summary.get("tableArn"):
        raise damaged(f"{key} does not name its table", export)
    times = (("exportTime", export.at), ("exportFromTime", export.from_at), ("exportToTime", export.to_at))
    for name, at in times:
        actual = summary.get(name)
        if actual and at and iso(_parsed(actual, key, export)) != iso(at):
            raise damaged(f"{key} is foreign: its {name} is {actual}, not {iso(at)}", export)


def _parsed(time_text: Any, key: str, export: Export) -> datetime:
    try:
        return datetime.fromisoformat(time_text)
    except (ValueError, TypeError):
        raise damaged(f"{key} has a time that cannot be read: {time_text!r}", export) from None
