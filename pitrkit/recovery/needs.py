"""What a step of a recovery takes: actions, and what they are done to. The catalogue is in `permissions`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Where = Literal[
    "anywhere", "table", "indexes", "copies", "copied-indexes", "drills", "streams", "exports",
    "backups", "bucket", "objects", "records", "alarms",
    "keys", "topics", "roles",
]  # fmt: skip
"""What an action is done to: `copies` are the restored tables, `drills` those of drills, `objects` the files of exports
in the bucket, `records` the files of records there; `keys`, `topics` and `roles` are not narrowed down further."""


@dataclass(frozen=True, slots=True)
class Need:
    """Actions that a step takes on the same things.

    Attributes:
        actions: IAM actions.
        on: What they are done to.
    """

    actions: tuple[str, ...]
    on: tuple[Where, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A step, with what it cannot do without.

    Attributes:
        name: What `--steps` calls it.
        words: What it is for.
        needs: Its actions.
        optional: Whether a route gets to its end without it.
    """

    name: str
    words: str
    needs: tuple[Need, ...]
    optional: bool = False

    @property
    def actions(self) -> tuple[str, ...]:
        """All its actions, each once."""
        return tuple(dict.fromkeys(action for need in self.needs for action in need.actions))


def dynamodb(*names: str) -> tuple[str, ...]:
    """Return the actions of these operations."""
    return tuple(f"dynamodb:{name}" for name in names)


ON_A_NEW_TABLE = dynamodb("BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem")
"""What the service asks for on the table that a restore makes."""
