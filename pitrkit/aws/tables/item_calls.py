"""Items over the fast transport: which operation a request of bytes goes to, pages of a scan, re-reads of keys.

What a write says is decided by who plans it (`recovery/apply`); it comes here as bytes, and only here does it get
the operation's name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import orjson

from pitrkit.aws.client.error_mapping import Ambiguous, Throttled
from pitrkit.aws.client.transport import Answer, Wire
from pitrkit.aws.items import Image, Key, KeySchema
from pitrkit.aws.tables.scan_pages import Page, Scan, rows_of
from pitrkit.errors import AwsError, PitrkitError

KEYS_PER_CALL = 100
"""Keys in one BatchGetItem call. Source: the API reference."""

Action = Literal["put", "update", "delete", "inserts", "look"]

OPERATIONS: dict[Action, str] = {
    "put": "PutItem",
    "update": "UpdateItem",
    "delete": "DeleteItem",
    "inserts": "BatchExecuteStatement",
    "look": "GetItem",
}
"""The API's operation of each kind of request."""

SCAN = "Scan"

BATCH_READ = "BatchGetItem"

Request = tuple[Action, bytes]
"""What is to be done, and the request's JSON."""


class _Left(msgspec.Struct):
    Keys: list[msgspec.Raw] = []


class _Read(msgspec.Struct):
    Responses: dict[str, list[msgspec.Raw]] = {}
    UnprocessedKeys: dict[str, _Left] = {}


_read = msgspec.json.Decoder(_Read).decode


@dataclass(frozen=True, slots=True)
class Batch:
    """What one re-read of keys answered.

    Attributes:
        items: Each item found, by its key, without the attributes that global tables keep for themselves.
        left: Keys that the service left unprocessed, as its JSON: nothing is known about those.
    """

    items: dict[Key, Image]
    left: list[bytes]


def send(wire: Wire, request: Request, *, table: str) -> Answer:
    """Send one request on one item exactly once; the errors are those of `Wire.send`."""
    action, body = request
    return wire.send(OPERATIONS[action], body, table=table)


def send_all(wire: Wire, requests: Sequence[Request], *, table: str) -> list[Answer | PitrkitError]:
    """Send many requests at once, each exactly once, and return the answer or the error of each, in order."""
    return wire.send_all([(OPERATIONS[action], body) for action, body in requests], table=table)


def scan_page(
    wire: Wire,
    scan: Scan,
    after: bytes = b"",
    *,
    limit: int = 0,
    on_failure: Callable[[Throttled | Ambiguous], object] | None = None,
) -> tuple[Page, bytes]:
    """Read the page of *scan* after a key; return what it says about itself, and its bytes.

    Args:
        wire: Where the table is.
        scan: The segment.
        after: The key to go on after, as JSON; empty for the first page.
        limit: How many items at most; 0 for a full page.
        on_failure: Told of each attempt that is going to be repeated.

    Raises:
        AwsError: Or one of its subclasses; with the code `BadPage`, the answer is not a page.
    """
    body = wire.call(SCAN, scan.request(after, limit=limit), table=scan.table, on_failure=on_failure).body
    try:
        return Page.read(body), body
    except ValueError as error:
        raise _unreadable("a page of the scan", error, SCAN, scan.table) from error


def read_keys(wire: Wire, table: str, keys: Sequence[bytes], key_schema: KeySchema) -> Batch:
    """Read *keys* (at most 100, as the service's JSON), strongly consistently.

    A key that is neither found nor left is absent from the table.

    Raises:
        AwsError: Or one of its subclasses; with the code `BadPage`, the answer cannot be read.
    """
    body = b'{"RequestItems":{%b:{"Keys":[%b],"ConsistentRead":true}}}' % (orjson.dumps(table), b",".join(keys))
    answer = wire.call(BATCH_READ, body, table=table).body
    try:
        response = _read(answer)
    except ValueError as error:
        raise _unreadable("the answer to a re-read", error, BATCH_READ, table) from error
    rows = rows_of(response.Responses.get(table, ()), key_schema.names)
    left = response.UnprocessedKeys.get(table, _Left()).Keys
    return Batch({key.decode(): image.decode() for key, image, _ in rows}, [bytes(key) for key in left])


def _unreadable(what: str, error: ValueError, operation: str, table: str) -> AwsError:
    return AwsError(
        f"{what} cannot be read: {error}",
        code="BadPage",
        operation=operation,
        table=table,
        fix="A proxy between this machine and AWS may change responses: check the proxy settings.",
    )
