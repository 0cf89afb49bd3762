"""The demo: a shop's table is damaged by a bad deploy while it goes on selling, and the runbook recovers it headless.

The sandbox knows what is true, so the demo does not believe the runbook: it reads the table itself and compares.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from pitrkit.config import guardrails
from pitrkit.errors import Exit
from pitrkit.incident.incident import Incident
from pitrkit.options import LATEST_LAG_SECONDS
from pitrkit.runner.notebook_run import display_path
from pitrkit.runner.recover import recover
from pitrkit.runner.recover_request import RecoverRequest
from pitrkit.sandbox import EXPORTS_BUCKET, Sandbox
from pitrkit.sandbox.scenario.live_shop import LiveShop
from pitrkit.sandbox.scenario.shop import orders
from pitrkit.sandbox.scenario.truth import Differences, Truth, check

RESTORE_SECONDS = 3.0
ROUTES = ("restore", "threeway", "stream", "export")
"""Ways to the same table: the copy as of T against now, two copies, the table's stream, incremental exports."""

RULE = "-" * 78


def run(root: Path, *, seed: int, route: str = "restore", echo: TextIO) -> Exit:
    """Recover the scenario under *root* and return DONE only if the table is what it would be without the damage.

    Args:
        root: Folder of the demo's incident.
        seed: Of the scenario.
        route: One of `ROUTES`.
        echo: Where the story is told.
    """
    began = time.monotonic()
    scenario = orders(seed, now=datetime.now(UTC))
    with Sandbox(restore_seconds=RESTORE_SECONDS, latest_lag_seconds=LATEST_LAG_SECONDS) as sandbox:
        scenario.lay_into(sandbox)
        client = sandbox.client("dynamodb")
        truth = scenario.truth
        print(_story(truth), file=echo, flush=True)
        with variables({**sandbox.environment(), **guardrails.WITHOUT_SETTINGS}):
            shop = LiveShop(scenario, client, sandbox.clock.now, every_seconds=0.25)
            with shop:
                ended, incident = _both_halves(truth, route, root, echo)
            truth = shop.truth
        if incident is None or ended not in {Exit.DONE, Exit.LEFT}:
            return ended
        items = [
            item
            for page in client.get_paginator("scan").paginate(TableName=truth.table, ConsistentRead=True)
            for item in page["Items"]
        ]
    differences = check(items, truth)
    print(_summary(truth, incident, differences, time.monotonic() - began), file=echo, flush=True)
    return Exit.DONE if differences.none and ended is Exit.DONE else Exit.LEFT


def _both_halves(truth: Truth, route: str, root: Path, echo: TextIO) -> tuple[Exit, Incident | None]:
    ended_at = truth.damage_ended_at.replace(microsecond=0) + timedelta(seconds=1)
    recovery_request = RecoverRequest(
        table=truth.table,
        at=truth.good_at.isoformat(),
        damage_until="" if route == "restore" else ended_at.isoformat(),
        route="" if route in {"restore", "threeway"} else route,
        bucket=EXPORTS_BUCKET if route == "export" else "",
        where=truth.where,
        modified="revert",
        attributes=",".join(truth.attributes),
        guard="" if route == "restore" else "attributes",
    )
    ended, incident = recover(recovery_request, root=root, echo=echo, lasting=False)
    if ended is not Exit.GATE_CLOSED or incident is None:
        return ended, incident
    digest = incident.data["plan"]["digest"]
    print(f"{RULE}\nThe gate holds until somebody approves exactly this plan. The demo approves {digest[:12]}.\n{RULE}",
          file=echo, flush=True)  # fmt: skip
    approved = RecoverRequest(
        table=truth.table,
        at=truth.good_at.isoformat(),
        route=recovery_request.route,
        incident=incident.id,
        approve=digest,
    )
    return recover(approved, root=root, echo=echo, lasting=False)


@contextmanager
def variables(environment: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the kernels that are started meanwhile. AWS settings of the caller stay out."""
    before = {name: value for name, value in os.environ.items() if name.startswith("AWS_") or name in environment}
    for name in before:
        del os.environ[name]
    os.environ.update(environment)
    try:
        yield
    finally:
        for name in environment:
            os.environ.pop(name, None)
        os.environ.update(before)


def _story(truth: Truth) -> str:
    counts = truth.counts
    return (
        f"{RULE}\n"
        f"A table {truth.table} with six hours of a shop's orders. At {truth.damage_started_at:%H:%M:%S} UTC a bad\n"
        f"deploy began to run: {counts['deleted']} orders deleted, {counts['mangled']} corrupted."
        " The shop went on selling, and still does.\n"
        f"{RULE}"
    )


def _summary(truth: Truth, incident: Incident, differences: Differences, seconds: float) -> str:
    data: dict[str, Any] = incident.data
    done, counts, out = data["apply"], truth.counts, io.StringIO()
    kept_writes = counts["new"] + counts["updated"] + counts["cancelled"]
    print(RULE, file=out)
    print(f"damaged       {counts['deleted']} orders deleted, {counts['mangled']} corrupted", file=out)
    print(f"came back     {done['applied']} orders, by {data['plan']['puts']} puts and {data['plan']['updates']}"
          " updates of only the corrupted attributes", file=out)  # fmt: skip
    print(f"left alone    {kept_writes} good writes since: {counts['new']} new orders, {counts['updated']} updates,"
          f" {counts['cancelled']} cancellations", file=out)  # fmt: skip
    print("              (counted at the end: the shop went on selling; the report counts when it compared)", file=out)
    print(f"conflicts     {done['conflicts']}, failed {done['failed']}", file=out)
    print(f"took          {seconds:.0f} seconds", file=out)
    print(f"report        {display_path(incident.folder / 'report.html')}", file=out)
    program = Path(sys.executable).with_name("pitrkit")
    print(f"audit         {display_path(program)} audit {display_path(incident.folder)}", file=out)
    print(
        "undo          not here: the demo's sandbox ends with it; `make lab` or `pitrkit sandbox` lets you try",
        file=out,
    )
    print(RULE, file=out)
    verdict = (
        "The table is exactly what it would be if the bad deploy had never run."
        if differences.none
        else f"The table is NOT right: {differences}"
    )
    print(verdict, file=out)
    return out.getvalue().rstrip()
