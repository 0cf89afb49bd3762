"""A setting of a table: what every kind of it can say of itself.

A restore leaves most settings behind. Each is one value with a kind (`ttl`, `tags`, `scaling-policy` ...) and,
where a table has several of a kind, a name. What names the table inside of a setting (a policy's ARNs, an alarm's
dimension) is told for that table; `Setting.moved` tells it for another one, so that two tables can be compared.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec


class Place(msgspec.Struct, frozen=True):
    """The table that settings are of."""

    table: str
    arn: str


class Setting(msgspec.Struct, frozen=True, tag_field="kind"):
    """One setting. A default that a fresh table has as well is not told."""

    @property
    def kind(self) -> str:
        """Its kind, one word."""
        return str(self.__struct_config__.tag)

    @property
    def name(self) -> str:
        """Which one of its kind it is, blank where a table has only one."""
        return ""

    @property
    def key(self) -> tuple[str, str]:
        """What it is compared with: the other table's setting of the same key."""
        return self.kind, self.name

    def words(self) -> str:
        """Return what it says, in a line."""
        raise NotImplementedError

    def moved(self, _from: Place, _to: Place) -> Setting:
        """Return the same setting as another table would have it."""
        return self

    def holds(self, found: Setting | None) -> bool:
        """Return whether a table that has *found* has what this one says."""
        return self == found

    def untouched(self, before: Setting | None, found: Setting | None) -> bool:
        """Return whether what this one would change on a table is *found* as it was *before*."""
        return before == found


class Units(msgspec.Struct, frozen=True):
    """Read and write units a second."""

    read: int
    write: int

    def __str__(self) -> str:
        return f"{self.read} read, {self.write} write"

    @classmethod
    def of(cls, throughput: dict[str, Any]) -> Units:
        """Return the units of a ProvisionedThroughput."""
        return cls(int(throughput.get("ReadCapacityUnits", 0)), int(throughput.get("WriteCapacityUnits", 0)))

    def throughput(self) -> dict[str, int]:
        """Return a ProvisionedThroughput of these units."""
        return {"ReadCapacityUnits": self.read, "WriteCapacityUnits": self.write}


def renamed(value: Any, old: str, new: str, *, whole: bool = False) -> Any:
    """Return JSON with *old* replaced in its texts; *whole* replaces only texts that are nothing else."""
    if isinstance(value, dict):
        return {name: renamed(inner, old, new, whole=whole) for name, inner in value.items()}
    if isinstance(value, list):
        return [renamed(inner, old, new, whole=whole) for inner in value]
    if not isinstance(value, str):
        return value
    if whole:
        return new if value == old else value
    # An ARN ends at a slash or at its end: table/Orders is no part of table/Orders-archive.
    return new + value[len(old) :] if value == old or value.startswith(f"{old}/") else value


def short(told: str) -> str:
    """Return a digest of a text that tells settings apart."""
    return hashlib.sha256(told.encode()).hexdigest()[:12]
