"""Diffs of two snapshots, against tools that pip installs for comparing two tables.

`python -m tests.bench.diff PAIRS PERCENT` does one diff of any size, without peers.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from pitrkit.aws.items import KeyAttribute, KeySchema, canonical, stored_size
from pitrkit.aws.tables.scan_pages import Row as Item
from pitrkit.recovery.changes.change_set import diff
from pitrkit.recovery.snapshot import parts
from pitrkit.recovery.snapshot.parts import ScanPart
from pitrkit.recovery.snapshot.snapshot import Snapshot
from pitrkit.recovery.storage import write_json
from tests.bench.endpoint import TABLE, order
from tests.bench.rows import Row, Target, small
from tests.bench.spent import Spent, in_a_process

PAIRS = 500_000
ALL_DIFFER = 200_000
BY_PEER = 200_000
RATE = 500_000
PEERS = "PITRKIT_BENCH_PEERS"
"""Environment variable with the Python that the peers are installed for; absent, this one."""

_SCHEMA = KeySchema((KeyAttribute("pk", "S", "HASH"), KeyAttribute("sk", "N", "RANGE")))
_SEGMENTS = 4
_BATCH = 1000
_DRAFTS = 20_000
_DRAFT = re.compile(r'(.*)"pk":{"S":"[^"]*"},"sk":{"N":"\d+"}(.*"trace":{"S":")\w+(".*)')


def measure() -> list[Row]:
    """Return the rows of the benchmark's table."""
    rows = []
    for what, percent, pairs in (("1% differ", 1, PAIRS), ("all differ", 100, ALL_DIFFER)):
        with tempfile.TemporaryDirectory() as name:
            many, few = Path(name) / "many", Path(name) / "few"
            make(many, pairs, percent)
            ours = in_a_process(by_us, many / "changes", prepare=partial(opened, many))
            make(few, BY_PEER, percent)
            theirs = {peer: by_peer(peer, few) for peer in ("datacompy", "pandas")}
        rows.append(_row(f"diff: pairs a second of CPU, {what}", ours, theirs, least=RATE if percent == 1 else 0))
    return rows


def _row(work: str, ours: Spent, theirs: dict[str, dict[str, float]], *, least: float) -> Row:
    rate = ours.result / ours.cpu
    rates = {peer: spent["pairs"] / spent["cpu"] for peer, spent in theirs.items()}
    memory = {peer: f"{spent['peak_mb']:.0f} MB at {spent['pairs']:,}" for peer, spent in theirs.items()}
    return Row(
        work=work,
        ours=f"{rate:,.0f}",
        peer=", ".join(f"{peer}: {each:,.0f}" for peer, each in rates.items()),
        ratio=rate / max(rates.values()),
        peak_memory=f"{ours.peak_mb:.0f} MB",
        target=(*([Target(f">= {least:,}", rate >= least)] if least else []), small(ours.peak_mb)),
        note=(
            f"{ours.result:,} pairs, by the clock {ours.result / ours.wall:,.0f}/s, the images that differ written in "
            f"key order; the peers only count, from our canonical text, in memory: "
            + ", ".join(f"{peer} {each}" for peer, each in memory.items())
        ),
    )


def opened(folder: Path) -> tuple[Snapshot, Snapshot]:
    """Open the snapshots in *folder*. The peers' imports do not count; nor do ours, of which pandas is a late one."""
    importlib.import_module("pandas")
    return Snapshot.open(folder / "before"), Snapshot.open(folder / "after")


def by_us(snapshots: tuple[Snapshot, Snapshot], folder: Path) -> int:
    """Diff two snapshots to *folder*, and return how many pairs that were."""
    found = diff(*snapshots, folder, before_at="then", after_at="now")
    return found.counts.same + found.counts.changes


def by_peer(peer: str, folder: Path) -> dict[str, float]:
    """Return what a peer says that comparing the snapshots in *folder* cost it: pairs, cpu, peak_mb, differing."""
    script = Path(__file__).with_name("peers.py")
    command = [os.environ.get(PEERS, sys.executable), str(script), peer, str(folder)]
    told: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return told


def make(folder: Path, pairs: int, percent: float) -> None:
    """Write two snapshots of *pairs* orders to `before` and `after` in *folder*: shuffled, and some differ."""
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        list(pool.map(_make, (folder / "before", folder / "after"), (pairs, pairs), (0, percent)))


def _make(folder: Path, pairs: int, percent: float) -> None:
    folder.mkdir(parents=True)
    chance = random.Random(20261123)
    drafts = [_Draft(canonical(order(number, chance))) for number in range(min(pairs, _DRAFTS))]
    numbers = list(range(pairs))
    random.Random(folder.name).shuffle(numbers)
    written = [
        parts.write(folder, ScanPart(segment, 0), _batches(numbers[segment::_SEGMENTS], drafts, percent))
        for segment in range(_SEGMENTS)
    ]
    now = datetime.now(UTC)
    size = sum(part.bytes for part in written)
    write_json(folder / "snapshot.json", Snapshot(folder, TABLE, "", _SCHEMA, pairs, size, now, now, 0.0).to_dict())


class _Draft:
    """An order that others are made of, each with its own key and trace."""

    def __init__(self, image: str) -> None:
        found = _DRAFT.fullmatch(image)
        assert found
        self._head, self._middle, self._tail = found.groups()
        self._size = stored_size(image)

    def order(self, number: int, *, differs: bool) -> Item:
        key = f'"pk":{{"S":"customer-{number % 5000:06}"}},"sk":{{"N":"{number}"}}'
        head = self._head.replace('"EUR"', '"USD"') if differs else self._head
        trace = number * 0x9E3779B97F4A7C15F39CC0605CEDC8341082276BF3A27251F86C6A11D0C18E95 % 2**256
        return f"{{{key}}}".encode(), f"{head}{key}{self._middle}{trace:064x}{self._tail}".encode(), self._size


def _batches(numbers: list[int], drafts: list[_Draft], percent: float) -> Iterator[Iterator[Item]]:
    rest = iter(numbers)
    while some := list(islice(rest, _BATCH)):
        yield (
            drafts[number % len(drafts)].order(number, differs=number * 7919 % 10_000 < percent * 100)
            for number in some
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        make(Path(name) / "two", int(sys.argv[1]), float(sys.argv[2]))
        print(in_a_process(by_us, Path(name) / "changes", prepare=partial(opened, Path(name) / "two")))  # noqa: T201
