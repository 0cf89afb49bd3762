"""`make bench`: every benchmark, one after the other, as one table.

`python -m tests.bench [NAME...]` runs only those named.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
import time
import traceback

from tests.bench.rows import Row

BENCHES = ("wire", "reread", "snapshot", "diff", "apply", "pace")
_HEAD = ("work", "ours", "peer", "ratio", "peak memory", "target")


def table(rows: list[Row]) -> str:
    """Return the rows as a table in plain text, their notes below it."""
    cells = [
        (
            f"{number}. {row.work}",
            row.ours,
            row.peer,
            f"{row.ratio:.1f}x",
            row.peak_memory or "-",
            ", ".join(map(str, row.target)) or "-",
        )
        for number, row in enumerate(rows, start=1)
    ]
    widths = [max(map(len, column)) for column in zip(_HEAD, *cells, strict=True)]
    lines = [_HEAD, tuple("-" * width for width in widths), *cells]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    notes = [f"{number}. {row.note}" for number, row in enumerate(rows, start=1) if row.note]
    return "\n".join([*text, *([""] if notes else []), *notes])


def main(names: list[str]) -> int:
    """Run the benchmarks, print the table, and return 1 if one could not be done, or missed its target."""
    began = time.monotonic()
    rows: list[Row] = []
    failed: list[str] = []
    for name in names or BENCHES:
        _say(f"bench {name}")
        try:
            rows += importlib.import_module(f"tests.bench.{name}").measure()
        except Exception:  # noqa: BLE001  the others are still worth having
            traceback.print_exc()
            failed.append(name)
    minutes, seconds = divmod(int(time.monotonic() - began), 60)
    cores = len(os.sched_getaffinity(0))
    print(f"{table(rows)}\n")  # noqa: T201
    print(f"measured in {minutes} min {seconds:02} s, Python {platform.python_version()}, {cores} cores, loopback")  # noqa: T201
    if failed:
        _say(f"could not be done: {', '.join(failed)}")
    if missed := [row.work for row in rows if row.missed]:
        _say(f"missed its target: {'; '.join(missed)}")
    return 1 if failed or missed else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
