"""What a piece of work costs: CPU time and memory of a process that does nothing else."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Spent:
    """What it cost.

    Attributes:
        cpu: CPU seconds, user and system, of the process and those it started; without its imports.
        wall: Seconds.
        peak_mb: Peak resident memory of the process, in MB, with its imports.
        result: What the work returned.
    """

    cpu: float
    wall: float
    peak_mb: float
    result: Any


def in_a_process(work: Callable[..., Any], *given: Any, prepare: Callable[[], Any]) -> Spent:
    """Do *work* with what *prepare* returns, and *given*, in a fresh process, and return what it cost there.

    What *prepare* costs, e.g. connecting, does not count.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_measured, prepare, work, *given).result()


def _measured(prepare: Callable[[], Any], work: Callable[..., Any], *given: Any) -> Spent:
    prepared = prepare()
    cpu, wall = _cpu(), time.perf_counter()
    result = work(prepared, *given)
    return Spent(_cpu() - cpu, time.perf_counter() - wall, _peak_mb(), result)


def _cpu() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _peak_mb() -> float:
    # Not ru_maxrss: a new process inherits that of the one that started it.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1000
