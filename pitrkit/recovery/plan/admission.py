"""Admission: what the table, as it is set up today, does to an old image: an index refuses it, or its time is over."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Self

from pitrkit.aws.client.client import Aws
from pitrkit.aws.items import Image, KeyAttribute, attributes, changed_attributes
from pitrkit.aws.tables import tables
from pitrkit.aws.tables.tables import Index, Table
from pitrkit.errors import AccessDenied
from pitrkit.recovery.plan.guard import Write
from pitrkit.recovery.plan.policy import LEFT_EXPIRED, LEFT_INDEX_REFUSES

NEVER_EXPIRES_AFTER = timedelta(days=5 * 365)
"""Items whose time passed longer ago stay. Source: Developer Guide, "Using time to live (TTL)"."""

LARGEST_KEY = {"HASH": 2048, "RANGE": 1024}
"""Bytes in a key attribute of that role. Source: Developer Guide, "Service, account, and table quotas"."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What decides whether an old image can be in the table, and stay there.

    Attributes:
        indexes: The table's indexes: one added since may refuse an image of before.
        ttl_attribute: Attribute that holds an item's expiry in epoch seconds; empty when nothing expires.
        at: The moment as of which an item is expired or not.
    """

    indexes: tuple[Index, ...]
    ttl_attribute: str
    at: datetime

    @classmethod
    def of(cls, aws: Aws, table: Table, *, expiring: bool = True) -> Self:
        """Return what holds for *table* now.

        Unless *expiring*, or where its TTL may not be read, nothing is taken for expired.
        """
        expiry = ""
        if expiring:
            with suppress(AccessDenied):  # the preflight says so
                expiry = tables.ttl_attribute(aws, table.name)
        return cls(table.indexes, expiry, datetime.now(UTC))

    def refusal(self, write: Write) -> str:
        """Return why *write* would be pointless or refused, as one of the `LEFT_` reasons; empty if it is neither."""
        if self.expired(write.goal):
            return LEFT_EXPIRED
        return LEFT_INDEX_REFUSES if self._refused(write) else ""

    def expired(self, image: Image | None) -> bool:
        """Return whether the service would delete an item of this *image* again, for its time has passed."""
        if image is None or not self.ttl_attribute:
            return False
        value = attributes(image).get(self.ttl_attribute, {})
        if "N" not in value:
            return False
        now = Decimal(int(self.at.timestamp()))
        return now - int(NEVER_EXPIRES_AFTER.total_seconds()) < Decimal(value["N"]) <= now

    def _refused(self, write: Write) -> bool:
        """Return whether an index would refuse what *write* puts there.

        Of an update only the attributes it writes are looked at: an item that is there already may hold others that
        an index leaves out.
        """
        if write.goal is None or not self.indexes:
            return False
        goal = attributes(write.goal)
        written = goal.keys() if write.seen is None else set(changed_attributes(write.seen, write.goal))
        return any(
            not _fits(goal[key.name], key)
            for index in self.indexes
            for key in index.key_schema.attributes
            if key.name in written and key.name in goal
        )


def _fits(value: dict[str, Any], key: KeyAttribute) -> bool:
    """Return whether *value* can be a key: of the key's type, and if text or binary, neither empty nor too long."""
    if key.type not in value:
        return False
    return key.type == "N" or 0 < _bytes(value, key.type) <= LARGEST_KEY[key.role]


def _bytes(value: dict[str, Any], kind: str) -> int:
    text: str = value[kind]
    return len(text.encode()) if kind == "S" else len(text) // 4 * 3 - text.count("=")
