"""What pip installs for comparing two tables, at work on two snapshots: `peers.py datacompy|pandas FOLDER`.

It runs alone, perhaps in an environment of its own, and prints as JSON what it cost. Items are compared as canonical
text, which is the fastest that each can do, and only counted.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def side(folder: Path) -> pa.Table:
    """Return the keys and items of a snapshot."""
    files = sorted(folder.glob("*.parquet"))
    return pa.concat_tables([pq.ParquetFile(file).read(["key", "item"]) for file in files])


def by_datacompy(before: pa.Table, after: pa.Table, datacompy: Any) -> int:
    """Return how many rows differ, by datacompy over Polars, the fastest of its kinds."""
    polars = importlib.import_module("polars")
    found = datacompy.PolarsCompare(polars.from_arrow(before), polars.from_arrow(after), join_columns="key")
    only_one = len(found.df1_unq_rows) + len(found.df2_unq_rows)
    return len(found.intersect_rows) - int(found.count_matching_rows()) + only_one


def by_pandas(before: pa.Table, after: pa.Table, _: Any) -> int:
    """Return how many rows differ, by a merge of pandas."""
    both = before.to_pandas().merge(after.to_pandas(), on="key", how="outer", suffixes=("_then", "_now"))
    return int((both["item_then"] != both["item_now"]).sum())


def main(peer: str, folder: Path) -> None:
    """Compare, and print what it cost."""
    library = importlib.import_module(peer)
    compare = {"datacompy": by_datacompy, "pandas": by_pandas}[peer]
    began = time.process_time()
    before, after = side(folder / "before"), side(folder / "after")
    differing = compare(before, after, library)
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1000
    cost = {
        "pairs": before.num_rows,
        "cpu": time.process_time() - began,
        "peak_mb": peak,
        "differing": differing,
    }
    print(json.dumps(cost))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
