"""Work in a process of its own that is killed at a given moment."""

import os
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables import tables
from pitrkit.recovery.apply.apply import apply
from pitrkit.recovery.changes.change_set import ChangeSet
from pitrkit.recovery.plan.plan import Plan, build
from pitrkit.recovery.plan.policy import Policy
from pitrkit.recovery.snapshot import snapshot
from pitrkit.recovery.token_bucket import OneProcess, Pace

# A process forked from one that has everything imported begins to work at once, so that a kill meets the work.
_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


def taking(table: str, folder: Path, processes: int) -> None:
    """Take a snapshot."""
    aws = Aws.connect()
    snapshot.take(aws, tables.describe(aws, table), folder, segments=6, processes=processes)


def planning(table: str, changes: Path, folder: Path) -> None:
    """Build a plan that reverts everything."""
    aws = Aws.connect()
    build(aws, tables.describe(aws, table), ChangeSet.open(changes), Policy.UNDO, folder, scope={})


def applying(plan: Path, journal: Path, pace: float) -> None:
    """Apply a plan."""
    aws, opened = Aws.connect(), Plan.open(plan)
    apply(aws, tables.describe(aws, opened.table), opened, journal, pace=Pace(pace), timeline=OneProcess())


def whole(environment: dict[str, str], work: Callable[..., None], *given: Any) -> float:
    """Let *work* come to its end, and return how many seconds it took: the kill's moments are drawn from these."""
    began = time.monotonic()
    process = _started(environment, work, given)
    process.join()
    assert process.exitcode == 0, f"{work.__name__} ended with {process.exitcode}"
    return time.monotonic() - began


def killed(
    environment: dict[str, str],
    work: Callable[..., None],
    *given: Any,
    after: float,
    begun: Callable[[], bool] = lambda: True,
) -> int | None:
    """Do *work* in a process of its own, and kill that; return its exit code, which is -9 if the kill met it.

    Args:
        environment: Leads to the sandbox.
        work: One of the above.
        given: Its arguments.
        after: How many seconds it lives on, once
        begun: says so.
    """
    process = _started(environment, work, given)
    while process.is_alive() and not begun():
        time.sleep(0.001)
    process.join(after)
    process.kill()
    process.join()
    return process.exitcode


def _started(environment: dict[str, str], work: Callable[..., None], given: tuple[Any, ...]) -> Any:
    process = _CONTEXT.Process(target=_working, args=(environment, work, given))
    process.start()
    return process


def _working(environment: dict[str, str], work: Callable[..., None], given: tuple[Any, ...]) -> None:
    os.environ.update(environment)
    sys.stdin.close()
    work(*given)
