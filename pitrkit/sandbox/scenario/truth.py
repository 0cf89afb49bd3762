"""What is known to be true about a scenario: its damage, and the table as it must be after a recovery.

Items are wire JSON here: DynamoDB JSON as it travels over HTTP, binary as base64 text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pitrkit.sandbox.store.values import Image, normalised, normalised_image


def identity(key: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    """A hashable identity of a key: `(name, type, value)` per attribute, by value and in name order."""
    return tuple((name, *next(iter(normalised(key[name]).items()))) for name in sorted(key))


@dataclass(frozen=True, slots=True)
class Truth:
    """What happened to the table, and what the table must hold once the damage is taken back.

    Attributes:
        table: The table's name.
        key_names: Names of its key attributes, partition key first.
        damage_started_at: Moment of the first damaging write.
        damage_ended_at: Moment of the last damaging write.
        good_at: The whole second to restore: the last one before the damage.
        where: JMESPath over `{"kind", "key", "before", "after", "changed"}` that selects the damage among the
            changes since `good_at`, and none of the good writes.
        attributes: Top-level attributes the damage mangled; no good write since has touched them, so on a
            mangled item just these are put back.
        deleted: Keys the damage deleted.
        mangled: Keys of items the damage left behind mangled.
        new: Keys of items created by good writes since `good_at`.
        updated: Keys of older items updated by good writes since; some of them are mangled, too.
        cancelled: Keys of items deleted by good writes since; they must stay deleted.
        expired: Keys of items that the service has deleted since, because they had expired; they stay deleted, too.
        expected: The items the table must hold after the recovery, exactly these.
        writes: Number of writes in the table's history.
    """

    table: str
    key_names: tuple[str, ...]
    damage_started_at: datetime
    damage_ended_at: datetime
    good_at: datetime
    where: str
    attributes: tuple[str, ...]
    deleted: tuple[Image, ...]
    mangled: tuple[Image, ...]
    new: tuple[Image, ...]
    updated: tuple[Image, ...]
    cancelled: tuple[Image, ...]
    expired: tuple[Image, ...]
    expected: tuple[Image, ...]
    writes: int

    @property
    def counts(self) -> dict[str, int]:
        """How many keys of each sort, for a summary; `mangled_and_updated` is contained in both of its parts."""
        mangled = {identity(key) for key in self.mangled}
        return {
            "writes": self.writes,
            "deleted": len(self.deleted),
            "mangled": len(self.mangled),
            "new": len(self.new),
            "updated": len(self.updated),
            "mangled_and_updated": sum(identity(key) in mangled for key in self.updated),
            "cancelled": len(self.cancelled),
            "expired": len(self.expired),
            "expected": len(self.expected),
        }

    def key(self, item: Mapping[str, Any]) -> Image:
        """The key attributes of *item*."""
        return {name: item[name] for name in self.key_names}

    def to_dict(self) -> dict[str, Any]:
        """The truth as JSON, as `GET /_sandbox/truth` serves it; times are ISO 8601 in UTC."""
        return {
            "table": self.table,
            "key_names": list(self.key_names),
            "damage_started_at": self.damage_started_at.isoformat(),
            "damage_ended_at": self.damage_ended_at.isoformat(),
            "good_at": self.good_at.isoformat(),
            "where": self.where,
            "attributes": list(self.attributes),
            "counts": self.counts,
            "deleted": list(self.deleted),
            "mangled": list(self.mangled),
            "good_since": {
                "new": list(self.new),
                "updated": list(self.updated),
                "cancelled": list(self.cancelled),
                "expired": list(self.expired),
            },
            "expected": list(self.expected),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Truth:
        """The truth from its JSON; the inverse of `to_dict`."""
        since = data["good_since"]
        return cls(
            table=data["table"],
            key_names=tuple(data["key_names"]),
            damage_started_at=datetime.fromisoformat(data["damage_started_at"]),
            damage_ended_at=datetime.fromisoformat(data["damage_ended_at"]),
            good_at=datetime.fromisoformat(data["good_at"]),
            where=data["where"],
            attributes=tuple(data["attributes"]),
            deleted=tuple(data["deleted"]),
            mangled=tuple(data["mangled"]),
            new=tuple(since["new"]),
            updated=tuple(since["updated"]),
            cancelled=tuple(since["cancelled"]),
            expired=tuple(since["expired"]),
            expected=tuple(data["expected"]),
            writes=data["counts"]["writes"],
        )


@dataclass(frozen=True, slots=True)
class Differences:
    """Where a table is not as it must be.

    Attributes:
        missing: Keys the table lacks.
        wrong: Keys whose item differs from the expected one.
        extra: Keys the table has and must not have.
    """

    missing: tuple[Image, ...] = field(default=())
    wrong: tuple[Image, ...] = field(default=())
    extra: tuple[Image, ...] = field(default=())

    @property
    def none(self) -> bool:
        """True when the table is exactly as it must be."""
        return not (self.missing or self.wrong or self.extra)

    def __str__(self) -> str:
        if self.none:
            return "the table is exactly as it must be"
        return f"{len(self.missing)} missing, {len(self.wrong)} wrong, {len(self.extra)} extra"


def check(items: Iterable[Mapping[str, Any]], truth: Truth | Mapping[str, Any]) -> Differences:
    """Compare a table's items with what they must be, by value.

    Args:
        items: All items of the table, in wire JSON or as boto3's low-level client returns them.
        truth: The scenario's truth, or its JSON.
    """
    known = truth if isinstance(truth, Truth) else Truth.from_dict(truth)
    expected = _by_identity(known, known.expected)
    found_items = _by_identity(known, items)

    def keys(chosen: Sequence[tuple[tuple[str, str, str], ...]], source: dict[Any, Image]) -> tuple[Image, ...]:
        return tuple(known.key(source[key]) for key in chosen)

    return Differences(
        missing=keys([key for key in expected if key not in found_items], expected),
        wrong=keys([key for key in expected if key in found_items and found_items[key] != expected[key]], expected),
        extra=keys([key for key in found_items if key not in expected], found_items),
    )


def _by_identity(truth: Truth, items: Iterable[Mapping[str, Any]]) -> dict[Any, Image]:
    return {identity(truth.key(item)): normalised_image(dict(item)) for item in items}
