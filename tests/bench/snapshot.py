"""Snapshots: a table scanned to canonical items in Parquet, against what boto3 takes only to read it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import boto3

from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables import tables
from pitrkit.recovery.snapshot.snapshot import take
from tests.bench.endpoint import TABLE, Endpoint
from tests.bench.rows import Row, Target, small
from tests.bench.spent import in_a_process

ITEMS = 200_000
BY_PEER = 10_000
RATE = 40_000


def measure() -> list[Row]:
    """Return the rows of the benchmark's table."""
    with Endpoint(BY_PEER) as few:
        os.environ.update(few.environment())
        theirs = in_a_process(by_boto3, prepare=boto3_table)
    with Endpoint(ITEMS) as many:
        os.environ.update(many.environment())
        alone = in_a_process(by_us, 1, prepare=Aws.connect)
        several = in_a_process(by_us, 2, prepare=Aws.connect)
    ours, peer = (spent.result / spent.cpu for spent in (alone, theirs))
    return [
        Row(
            work="snapshot: items a second of one core",
            ours=f"{ours:,.0f}",
            peer=f"boto3 Table.scan, read only: {peer:,.0f}",
            ratio=ours / peer,
            peak_memory=f"{alone.peak_mb:.0f} MB",
            target=(Target(f">= {RATE:,}", ours >= RATE), small(alone.peak_mb)),
            note=f"canonical, hashed, in Parquet; with 2 processes {several.result / several.wall:,.0f} by the clock",
        )
    ]


def by_us(aws: Aws, processes: int) -> int:
    """Take a snapshot, and return how many items it has."""
    with tempfile.TemporaryDirectory() as folder:
        return take(aws, tables.describe(aws, TABLE), Path(folder), processes=processes).items


def boto3_table() -> Any:
    """Return boto3's table."""
    return boto3.resource("dynamodb").Table(TABLE)


def by_boto3(table: Any) -> int:
    """Read the table, and return how many items it has."""
    page = table.scan()
    items = page["Count"]
    while "LastEvaluatedKey" in page:
        page = table.scan(ExclusiveStartKey=page["LastEvaluatedKey"])
        items += page["Count"]
    return items


if __name__ == "__main__":
    print(measure())  # noqa: T201
