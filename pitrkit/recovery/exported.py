"""A change log out of incremental exports: what they cannot tell is counted in its notes, and named beside it.

The keys of such items are content of the table, so they are in a file of the log's folder and not in its notes, which
go into records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import orjson

from pitrkit.dynamodb.export import Export
from pitrkit.dynamodb.session import Aws
from pitrkit.dynamodb.tables import Table
from pitrkit.recovery import export_log
from pitrkit.recovery.export_short import Undecided
from pitrkit.recovery.log import EXPORTS, ChangeLog, write
from pitrkit.recovery.steps import Step

UNDECIDED = "undecided.jsonl"
"""File in a log's folder: a line of JSON for each item that exports cannot tell, its `key` and `why`."""


@dataclass(slots=True)
class _Covered:
    """What the exports cover, and what they cannot tell, which is known once they are read."""

    since_at: datetime
    until_at: datetime
    undecided: list[Undecided] = field(default_factory=list)

    @property
    def notes(self) -> list[str]:
        if not self.undecided:
            return []
        count = len(self.undecided)
        words = f"Of {count:,} item{'s' * (count != 1)} exports cannot tell what happened, so this log lacks them."
        return [f"{words} Their keys are in {UNDECIDED} beside it: look at them by a restored copy or the stream."]


def read(
    aws: Aws,
    table: Table,
    done: Sequence[Export],
    folder: Path,
    *,
    since_at: datetime,
    until_at: datetime,
    on_progress: Callable[[int], None] | None = None,
) -> ChangeLog:
    """Read what complete exports tell of [*since_at*, *until_at*) into *folder* as a change log, and return it.

    Args:
        aws: Where the exports are.
        table: The table.
        done: The exports of `export_log.windows(since_at, until_at)`.
        folder: Where the log goes; the files lie beside it while they are read.
        since_at: From when on.
        until_at: Until when.
        on_progress: Called with the number of records read so far.

    Raises:
        BadInput: An export is missing or not of this table, or a file of one is missing, damaged or foreign.
    """
    covered = _Covered(since_at, until_at)

    def told() -> Iterator[Step]:
        yield from dated_steps
        lines = (orjson.dumps({"key": one.key, "why": one.why}) + b"\n" for one in covered.undecided)
        (folder / UNDECIDED).write_bytes(b"".join(lines))

    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    dated_steps = export_log.steps(
        aws, done, table.key_schema, since_at, until_at, undecided=covered.undecided, work=folder.parent,
        on_progress=on_progress,
    )  # fmt: skip
    return write(
        told(), folder, table=table.name, key_schema=table.key_schema, source=EXPORTS, since_at=since_at,
        until_at=until_at, covered=covered,
    )  # fmt: skip
