"""The kinds of settings that a table has besides its items, and the order in which they are reapplied."""

from __future__ import annotations

import json
from typing import Any

from pitrkit.dynamodb.setting import Place, Setting, Units, renamed
from pitrkit.dynamodb.setting_services import (
    Alarm,
    ContributorInsights,
    EventSource,
    KinesisDestination,
    Replica,
    ScalingPolicy,
    ScalingTarget,
)


class Encryption(Setting, frozen=True, tag="encryption"):
    """A KMS key instead of the key that AWS owns."""

    key_arn: str

    def words(self) -> str:
        """Return the key."""
        return self.key_arn


class TableClass(Setting, frozen=True, tag="table-class"):
    """`STANDARD` or `STANDARD_INFREQUENT_ACCESS`."""

    name_of_class: str

    def words(self) -> str:
        """Return the class."""
        return self.name_of_class


class Capacity(Setting, frozen=True, tag="capacity"):
    """How a table is billed, with its provisioned units; those of an index are of the index."""

    mode: str
    units: Units | None = None

    def words(self) -> str:
        """Return the mode and the units."""
        return self.mode if self.units is None else f"{self.mode}, {self.units}"


class OnDemandLimits(Setting, frozen=True, tag="on-demand-limits"):
    """The most units a second that an on-demand table may use; 0 is no limit."""

    limits: Units

    def words(self) -> str:
        """Return the limits."""
        return str(self.limits)


class WarmThroughput(Setting, frozen=True, tag="warm-throughput"):
    """The units a second that a table is ready for at once. The service raises it by itself, too."""

    warm: Units

    def words(self) -> str:
        """Return the units."""
        return str(self.warm)

    def holds(self, found: Setting | None) -> bool:
        """Return whether *found* is as warm, or warmer."""
        return isinstance(found, WarmThroughput) and (
            found.warm.read >= self.warm.read and found.warm.write >= self.warm.write
        )


class IndexSetting(Setting, frozen=True):
    """What both kinds of index have."""

    index: str
    key_schema: list[dict[str, str]]
    projection: dict[str, Any]
    types: dict[str, str]

    @property
    def name(self) -> str:
        """The index's name."""
        return self.index

    def words(self) -> str:
        """Return its key and projection."""
        keys = ", ".join(f"{one['AttributeName']} ({one['KeyType']})" for one in self.key_schema)
        return f"{keys}; {self.projection.get('ProjectionType', 'ALL')}"


class GlobalIndex(IndexSetting, frozen=True, tag="global-index"):
    """A global secondary index, with its provisioned units."""

    units: Units | None = None

    def words(self) -> str:
        """Return its key, projection and units."""
        told = super().words()
        return told if self.units is None else f"{told}; {self.units}"

    def alike(self, other: GlobalIndex) -> bool:
        """Return whether both have the same key and projection."""
        return (self.key_schema, self.projection) == (other.key_schema, other.projection)

    def holds(self, found: Setting | None) -> bool:
        """Return whether *found* is that index; on-demand tables have no units."""
        if not isinstance(found, GlobalIndex) or not self.alike(found):
            return False
        return found.units == self.units or None in (found.units, self.units)


class LocalIndex(IndexSetting, frozen=True, tag="local-index"):
    """A local secondary index: only a restore can bring it, nothing adds one later."""


class Recovery(Setting, frozen=True, tag="pitr"):
    """Point-in-time recovery, and how many days it reaches back; 0 where that is not known."""

    period_days: int

    def words(self) -> str:
        """Return the period."""
        return f"on, {self.period_days} days" if self.period_days else "on"

    def holds(self, found: Setting | None) -> bool:
        """Return whether *found* reaches back as far: a period is never shortened."""
        return isinstance(found, Recovery) and found.period_days >= self.period_days


class DeletionProtection(Setting, frozen=True, tag="deletion-protection"):
    """The table cannot be deleted until this is off."""

    def words(self) -> str:
        """Return that it is on."""
        return "on"


class Tags(Setting, frozen=True, tag="tags"):
    """The table's tags, without those that AWS itself sets."""

    pairs: dict[str, str]

    def words(self) -> str:
        """Return the tags."""
        return ", ".join(f"{key}={value}" for key, value in sorted(self.pairs.items()))

    def holds(self, found: Setting | None) -> bool:
        """Return whether *found* has all of these tags."""
        return self._of(found) == self.pairs

    def untouched(self, before: Setting | None, found: Setting | None) -> bool:
        """Return whether these tags are as they were; what other tags there are does not matter."""
        return self._of(before) == self._of(found)

    def _of(self, other: Setting | None) -> dict[str, str]:
        has = other.pairs if isinstance(other, Tags) else {}
        return {key: value for key, value in has.items() if key in self.pairs}


class Ttl(Setting, frozen=True, tag="ttl"):
    """The attribute by which items expire."""

    attribute: str

    def words(self) -> str:
        """Return the attribute."""
        return f"attribute {self.attribute}"


class ResourcePolicy(Setting, frozen=True, tag="resource-policy"):
    """Who else may do what with the table, as canonical JSON."""

    document: str

    def words(self) -> str:
        """Return how many statements it has."""
        statements = json.loads(self.document).get("Statement", [])
        count = len(statements) if isinstance(statements, list) else 1
        return f"{count} statement{'' if count == 1 else 's'}"

    def moved(self, _from: Place, _to: Place) -> Setting:
        """Return the policy about the other table."""
        return ResourcePolicy(canonical_policy(renamed(json.loads(self.document), _from.arn, _to.arn)))


class Stream(Setting, frozen=True, tag="stream"):
    """DynamoDB Streams, and what a record shows. Switched on again it has another ARN."""

    view: str

    def words(self) -> str:
        """Return the view."""
        return self.view


Kind = (
    Encryption
    | TableClass
    | Capacity
    | OnDemandLimits
    | WarmThroughput
    | GlobalIndex
    | LocalIndex
    | Recovery
    | DeletionProtection
    | Tags
    | Ttl
    | ContributorInsights
    | ScalingTarget
    | ScalingPolicy
    | ResourcePolicy
    | Stream
    | KinesisDestination
    | EventSource
    | Replica
    | Alarm
)
"""Every kind, in the order in which they are shown and reapplied: what needs another one comes after it."""

ORDER: tuple[str, ...] = tuple(str(kind.__struct_config__.tag) for kind in Kind.__args__)
"""Names of the kinds, in that order."""


def canonical_policy(document: Any) -> str:
    """Return a policy document as JSON with its keys sorted."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))
