"""A change log out of incremental exports: read, with what exports cannot tell named in its notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

from pitrkit.dynamodb.export import Export
from pitrkit.dynamodb.session import Aws
from pitrkit.dynamodb.tables import Table
from pitrkit.recovery import export_log
from pitrkit.recovery.export_short import Undecided
from pitrkit.recovery.log import EXPORTS, ChangeLog, write

KEYS_NAMED = 20
"""How many keys of items that cannot be told are named; all are counted."""


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
        keys = ", ".join(one.key for one in islice(self.undecided, KEYS_NAMED))
        more = f" and {len(self.undecided) - KEYS_NAMED:,} more" if len(self.undecided) > KEYS_NAMED else ""
        count = len(self.undecided)
        words = f"Of {count:,} item{'s' * (count != 1)} exports cannot tell what happened, so this log lacks them."
        return [f"{words} Look at them by a restored copy or the stream: {keys}{more}."]


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
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    steps = export_log.steps(
        aws, done, table.key_schema, since_at, until_at, undecided=covered.undecided, work=folder.parent,
        on_progress=on_progress,
    )  # fmt: skip
    return write(
        steps, folder, table=table.name, key_schema=table.key_schema, source=EXPORTS, since_at=since_at,
        until_at=until_at, covered=covered,
    )  # fmt: skip
