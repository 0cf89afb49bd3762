"""The pace: write units a second as asked for, by two processes that share it, against sleeping between calls."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import boto3

from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables import tables
from pitrkit.recovery.apply.apply import apply
from pitrkit.recovery.plan.plan import Plan
from pitrkit.recovery.token_bucket import ManyProcesses, Pace
from tests.bench.apply import planned, puts
from tests.bench.endpoint import TABLE, Endpoint
from tests.bench.rows import Row, Target

PACES = (5, 50, 500, 4000)
SECONDS = 4
PROCESSES = 2
WITHIN = 0.05


def measure() -> list[Row]:
    """Return the row of the benchmark's table."""
    with Endpoint(items=1000) as endpoint, TemporaryDirectory() as name:
        os.environ.update(endpoint.environment())
        folder = Path(name)
        with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
            ours = [_off(pace, _ours(pool, folder / str(pace), pace)) for pace in PACES]
        theirs = [_off(pace, _by_sleeping(pace)) for pace in PACES]
    return [
        Row(
            work=f"pace: {', '.join(f'{pace:,}' for pace in PACES)} units/s, {PROCESSES} processes",
            ours=_said(ours),
            peer=f"boto3 with a sleep between calls: {_said(theirs)}",
            ratio=max(theirs) / max(ours),
            target=(Target(f"within {WITHIN:.0%}", max(ours) <= WITHIN),),
            note="what the service says was consumed, against what was asked for: the worst of these paces",
        )
    ]


def _ours(pool: ProcessPoolExecutor, folder: Path, pace: float) -> float:
    """Return the write units a second that processes consume together."""
    folder.mkdir()
    each = max(10, int(pace * SECONDS / PROCESSES))
    plans = [planned(folder / f"plan-{number}", puts(each)).folder for number in range(PROCESSES)]
    start = time.time() + 1.5
    runs = [pool.submit(_run, plan, folder, pace, start) for plan in plans]
    spans = [run.result() for run in runs]
    units = sum(units for units, _, _ in spans)
    return (units - 1) / (max(ended for _, _, ended in spans) - min(began for _, began, _ in spans))


def _run(plan: Path, folder: Path, pace: float, start: float) -> tuple[float, float, float]:
    """Apply a plan from *start* on, and return the units consumed, and when the first and the last of them were."""
    aws, opened = Aws.connect(), Plan.open(plan)
    table, line = tables.describe(aws, TABLE), ManyProcesses(folder / "pace")
    time.sleep(max(0.0, start - time.time()))
    began = time.time()
    done = apply(aws, table, opened, folder / f"{plan.name}.jsonl", pace=Pace(pace), timeline=line)
    return done.write_units, began, done.finished_at.timestamp()


def _by_sleeping(pace: float) -> float:
    """Return the write units a second of the usual loop: put, sleep for as long as a put should take."""
    client = boto3.client("dynamodb")
    count = max(10, int(pace * SECONDS / 4))
    began = time.time()
    for number in range(count):
        client.put_item(TableName=TABLE, Item={"pk": {"S": "a"}, "sk": {"N": str(number)}})
        time.sleep(1 / pace)
    return count / (time.time() - began)


def _off(pace: float, measured: float) -> float:
    return abs(measured / pace - 1)


def _said(off: Sequence[float]) -> str:
    return f"{max(off):.1%} off at most"
