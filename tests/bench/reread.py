"""Candidates read again, 100 keys a call: over the wire as canonical items, against boto3's `batch_get_item`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import boto3

from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.transport import Wire
from pitrkit.aws.items import KeyAttribute, KeySchema, canonical, to_boto
from pitrkit.aws.tables.item_calls import KEYS_PER_CALL
from pitrkit.recovery.plan.current_items import current_items
from tests.bench.endpoint import TABLE, Endpoint
from tests.bench.rows import Row, small
from tests.bench.spent import in_a_process

ITEMS = 40_000

BY_PEER = 4_000

_SCHEMA = KeySchema((KeyAttribute("pk", "S", "HASH"), KeyAttribute("sk", "N", "RANGE")))


def measure() -> list[Row]:
    """Return the rows of the benchmark's table."""
    with Endpoint(ITEMS) as endpoint:
        os.environ.update(endpoint.environment())
        ours = in_a_process(by_wire, prepare=connected)
        theirs = in_a_process(by_boto3, prepare=boto3_client)
    assert (ours.result, theirs.result) == (ITEMS, BY_PEER)
    per_item, of_theirs = (1e6 * spent.cpu / spent.result for spent in (ours, theirs))
    return [
        Row(
            work="re-read of candidates, client CPU an item",
            ours=f"{per_item:.1f} µs",
            peer=f"boto3 batch_get_item: {of_theirs:.0f} µs",
            ratio=of_theirs / per_item,
            peak_memory=f"{ours.peak_mb:.0f} MB",
            target=(small(ours.peak_mb),),
            note="ours ends with canonical items, checksums verified; boto3 with its dicts, still to be made canonical",
        )
    ]


def batches(items: int) -> Iterator[list[str]]:
    """Yield the keys of the first *items* orders, as many together as a call takes."""
    for start in range(0, items, KEYS_PER_CALL):
        numbers = range(start, min(items, start + KEYS_PER_CALL))
        yield [canonical({"pk": {"S": f"customer-{n % 5000:06}"}, "sk": {"N": str(n)}}) for n in numbers]


def connected() -> tuple[Wire, list[list[str]]]:
    """Return a wire, and the keys."""
    return Wire.of(Aws.connect()), list(batches(ITEMS))


def by_wire(given: tuple[Wire, list[list[str]]]) -> int:
    """Read the candidates again as planning does, and return how many were there."""
    wire, keys = given
    return sum(len(current_items(wire, TABLE, some, _SCHEMA)) for some in keys)


def boto3_client() -> tuple[Any, list[list[dict[str, Any]]]]:
    """Return boto3's client, and the keys in its shape."""
    return boto3.client("dynamodb"), [[to_boto(key) for key in some] for some in batches(BY_PEER)]


def by_boto3(given: tuple[Any, list[list[dict[str, Any]]]]) -> int:
    """Read as boto3's documentation shows, and return how many items were there."""
    client, keys = given
    found = 0
    for some in keys:
        answer = client.batch_get_item(RequestItems={TABLE: {"Keys": some, "ConsistentRead": True}})
        found += len(answer["Responses"][TABLE])
    return found


if __name__ == "__main__":
    print(measure())  # noqa: T201
