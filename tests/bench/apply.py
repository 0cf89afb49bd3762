"""Guarded writes: a plan applied, against boto3 with one conditional call for each item."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from pitrkit.aws.client.client import Aws
from pitrkit.aws.items import canonical, key_of, to_boto
from pitrkit.aws.tables import tables
from pitrkit.recovery.apply.apply import apply
from pitrkit.recovery.plan import plan as planning
from pitrkit.recovery.plan.guard import Write
from pitrkit.recovery.plan.plan import Plan
from pitrkit.recovery.plan.policy import Policy
from pitrkit.recovery.storage import ParquetFile, write_json
from pitrkit.recovery.token_bucket import OneProcess, Pace
from tests.bench.endpoint import TABLE, Endpoint, order
from tests.bench.rows import Row, Target, small
from tests.bench.spent import in_a_process

PUTS = 40_000
UPDATES = 15_000
BY_PEER = 2_000
THREADS = 16
RATE = 10_000
NOTE = (
    "740-byte items; with checking the plan's digest, intents and outcomes fsynced, and their summary; the endpoint "
    "does not return replaced items"
)


def measure() -> list[Row]:
    """Return the rows of the benchmark's table."""
    with Endpoint(items=1000) as endpoint, tempfile.TemporaryDirectory() as name:
        os.environ.update(endpoint.environment())
        folder = Path(name)
        theirs = BY_PEER / in_a_process(_by_boto3, prepare=_client).cpu
        rows = []
        for work, writes in (("put onto an absent key", puts(PUTS)), ("update under a guard", _updates(UPDATES))):
            plan = planned(folder / work, writes)
            spent = in_a_process(_by_us, plan.folder, folder / f"{work}.jsonl", prepare=Aws.connect)
            assert spent.result == plan.total
            ours = plan.total / spent.cpu
            rows.append(
                Row(
                    work=f"apply: {work}",
                    ours=f"{ours:,.0f} writes/s of CPU",
                    peer=f"boto3, one conditional call each: {theirs:,.0f}",
                    ratio=ours / theirs,
                    peak_memory=f"{spent.peak_mb:,.0f} MB",
                    target=(Target(f">= {RATE:,}", ours >= RATE), small(spent.peak_mb)),
                    note=NOTE,
                )
            )
        return rows


def planned(folder: Path, writes: Iterable[Write]) -> Plan:
    """Return a plan of *writes*, as `build` leaves it on disk."""
    table = tables.describe(Aws.connect(), TABLE)
    folder.mkdir()
    with ParquetFile(folder / "left.parquet", planning._LEFT):
        pass
    with ParquetFile(folder / "plan.parquet", planning._PLAN) as file:
        for write in writes:
            file.add(write.number, write.key, write.seen, write.goal, weight=len(write.goal or ""))
    where = {"folder": folder, "table": TABLE, "table_arn": table.arn, "table_id": table.id}
    whose = {"account": "000000000000", "region": "us-east-1", "key_schema": table.key_schema}
    why = {"policy": Policy.UNDO, "scope": {}, "source": "bench", "created_at": datetime.now(UTC)}
    counts = {"digest": "", "puts": 0, "updates": 0, "deletes": 0, "left": {}, "write_units": 0}
    plan = planning._counted(Plan(**where, **whose, **why, **counts))
    write_json(folder / "plan.json", plan.to_dict())
    return Plan.open(folder)


def puts(count: int) -> Iterable[Write]:
    """Yield writes of orders onto absent keys."""
    chance = random.Random(1)
    for number in range(1, count + 1):
        item = order(number, chance)
        yield Write(number, key_of(item, ("pk", "sk")), None, canonical(item))


def _updates(count: int) -> Iterable[Write]:
    for write in puts(count):
        mangled = {**to_boto(write.goal or ""), "status": {"S": "mangled"}, "extra": {"N": "1"}}
        yield Write(write.number, write.key, canonical(mangled), write.goal)


def _by_us(aws: Aws, plan: Path, journal: Path) -> int:
    opened = Plan.open(plan)
    table = tables.describe(aws, TABLE)
    return apply(aws, table, opened, journal, pace=Pace(1e6), timeline=OneProcess()).applied


def _client() -> tuple[Any, list[dict[str, Any]]]:
    client = boto3.client("dynamodb", config=Config(max_pool_connections=THREADS))
    return client, [to_boto(write.goal or "") for write in puts(BY_PEER)]


def _by_boto3(prepared: tuple[Any, list[dict[str, Any]]]) -> None:
    client, items = prepared

    def put(item: dict[str, Any]) -> None:
        client.put_item(TableName=TABLE, Item=item, ConditionExpression="attribute_not_exists(pk)")

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(put, items))
