"""Items moved as they are, scan to batch write: over the wire, against boto3's `Table.scan` and `batch_writer`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import boto3

from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.transport import Answer, Wire
from pitrkit.aws.tables.scan_pages import Page, Scan, slices
from tests.bench.endpoint import TABLE, Endpoint
from tests.bench.rows import Row, Target, small
from tests.bench.spent import in_a_process

ITEMS = 200_000
BY_PEER = 6_000
RATIO = 20
IN_A_BATCH = 25
AT_ONCE = 16


def measure() -> list[Row]:
    """Return the rows of the benchmark's table."""
    with Endpoint(BY_PEER) as few:
        os.environ.update(few.environment())
        theirs = in_a_process(by_boto3, prepare=boto3_table)
    with Endpoint(ITEMS) as many:
        os.environ.update(many.environment())
        ours = in_a_process(by_wire, prepare=connected)
        read = in_a_process(by_wire, False, prepare=connected)
    per_item, to_read, of_theirs = (1e6 * spent.cpu / spent.result for spent in (ours, read, theirs))
    return [
        Row(
            work="copy: scan to batch write, client CPU an item",
            ours=f"{per_item:.1f} µs",
            peer=f"boto3 Table.scan + batch_writer: {of_theirs:.0f} µs",
            ratio=of_theirs / per_item,
            peak_memory=f"{ours.peak_mb:.0f} MB",
            target=(Target("ratio >= 20", of_theirs / per_item >= RATIO), small(ours.peak_mb)),
            note=f"{to_read:.1f} µs of it reading pages, checksums verified; the rest is sockets, hashing and signing",
        )
    ]


def connected() -> Wire:
    """Return a wire."""
    return Wire.of(Aws.connect(), max_connections=AT_ONCE)


def by_wire(wire: Wire, write: bool = True) -> int:
    """Copy the table by its own bytes, and return how many items it had."""
    items = 0
    for body in pages(wire):
        page = slices(body)
        items += len(page)
        if write:
            requests = (b"%s%s]}}" % (_PUT, batch) for batch in batches(page))
            while some := [("BatchWriteItem", request) for request in islice(requests, AT_ONCE)]:
                for answer in wire.send_all(some, table=TABLE):
                    assert isinstance(answer, Answer)
                    assert b'"UnprocessedItems":{}' in answer.body
    return items


_PUT = b'{"ReturnConsumedCapacity":"TOTAL","RequestItems":{"%s":[' % TABLE.encode()


def batches(page: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the page's items as put requests, as many together as a batch takes."""
    rest = iter(page)
    while some := list(islice(rest, IN_A_BATCH)):
        yield b'{"PutRequest":{"Item":%s}}' % b'}},{"PutRequest":{"Item":'.join(some)


def pages(wire: Wire) -> Iterator[bytes]:
    """Yield the answers of a scan."""
    scan, after = Scan(TABLE), b""
    while True:
        body = wire.call("Scan", scan.request(after), table=TABLE).body
        yield body
        after = Page.read(body).next
        if not after:
            return


def boto3_table() -> Any:
    """Return boto3's table."""
    return boto3.resource("dynamodb").Table(TABLE)


def by_boto3(table: Any) -> int:
    """Copy the table as boto3's documentation shows, and return how many items it had."""
    items = 0
    more: dict = {}
    with table.batch_writer() as writer:
        while True:
            page = table.scan(ReturnConsumedCapacity="TOTAL", **more)
            for item in page["Items"]:
                writer.put_item(Item=item)
            items += len(page["Items"])
            if "LastEvaluatedKey" not in page:
                return items
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


if __name__ == "__main__":
    print(measure())  # noqa: T201
