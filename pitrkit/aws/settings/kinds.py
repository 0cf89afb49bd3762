"""The kinds of settings that a table has besides its items, its own and those other services keep about it.

A restore leaves most settings behind. Each is one value with a kind (`ttl`, `tags`, `scaling-policy` ...) and,
where a table has several of a kind, a name. What names the table inside of a setting (a policy's ARNs, an alarm's
dimension) is told for that table; `Setting.moved` tells it for another one, so that two tables can be compared.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec


class TableRef(msgspec.Struct, frozen=True):
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

    def moved(self, _from: TableRef, _to: TableRef) -> Setting:
        """Return the same setting as another table would have it."""
        return self

    def holds(self, current: Setting | None) -> bool:
        """Return whether a table that has *current* has what this one says."""
        return self == current

    def untouched(self, before: Setting | None, current: Setting | None) -> bool:
        """Return whether what this one would change on a table is in *current* as it was *before*."""
        return before == current


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


def short_digest(text: str) -> str:
    """Return a digest of a text that tells settings apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class ContributorInsights(Setting, frozen=True, tag="contributor-insights"):
    """CloudWatch Contributor Insights of the table, or of an index."""

    index: str = ""
    mode: str = ""

    @property
    def name(self) -> str:
        """The index, blank for the table."""
        return self.index

    def words(self) -> str:
        """Return what is counted."""
        return self.mode or "on"


class ScalingTarget(Setting, frozen=True, tag="scaling-target"):
    """What Application Auto Scaling may set a capacity to; blank *index* is the table."""

    index: str
    dimension: str
    least: int
    most: int
    suspended: dict[str, bool] = msgspec.field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of what, e.g. `WriteCapacityUnits` or `by_status WriteCapacityUnits`."""
        return f"{self.index} {self.dimension.rpartition(':')[2]}".strip()

    def words(self) -> str:
        """Return the range."""
        paused = any(self.suspended.values())
        return f"{self.least} to {self.most} units{', suspended' if paused else ''}"


class ScalingPolicy(Setting, frozen=True, tag="scaling-policy"):
    """How Application Auto Scaling follows the load."""

    index: str
    dimension: str
    policy: str
    type: str
    configuration: dict[str, Any]

    @property
    def name(self) -> str:
        """Of what, with the policy's name."""
        return f"{self.index} {self.dimension.rpartition(':')[2]} {self.policy}".strip()

    @property
    def key(self) -> tuple[str, str]:
        """Compared by what it does: its name may name the table."""
        policy_json = json.dumps([self.index, self.dimension, self.configuration], sort_keys=True)
        return self.kind, short_digest(policy_json)

    def words(self) -> str:
        """Return the type and the target."""
        target = self.configuration.get("TargetValue")
        return f"{self.type}, {target:g} %" if target is not None else self.type

    def holds(self, current: Setting | None) -> bool:
        """Return whether *current* does the same."""
        return current is not None and current.key == self.key

    def moved(self, _from: TableRef, _to: TableRef) -> Setting:
        """Return it with the other table's name in its own."""
        return msgspec.structs.replace(self, policy=self.policy.replace(_from.table, _to.table))


class KinesisDestination(Setting, frozen=True, tag="kinesis"):
    """A Kinesis stream that every change is sent to."""

    stream_arn: str
    precision: str = ""

    @property
    def name(self) -> str:
        """The stream."""
        return self.stream_arn

    def words(self) -> str:
        """Return the stream's name."""
        return self.stream_arn.rpartition("/")[2]


class EventSource(Setting, frozen=True, tag="event-source"):
    """A Lambda function that reads the table's stream."""

    function_arn: str
    enabled: bool
    options: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def name(self) -> str:
        """The function."""
        return self.function_arn

    def words(self) -> str:
        """Return whether it runs, and its batch."""
        batch = self.options.get("BatchSize")
        return ("on" if self.enabled else "off") + (f", batches of {batch}" if batch else "")


class Replica(Setting, frozen=True, tag="replica"):
    """A copy of a global table in another Region."""

    region: str

    @property
    def name(self) -> str:
        """The Region."""
        return self.region

    def words(self) -> str:
        """Return the Region."""
        return self.region


class MetricAlarm(Setting, frozen=True, tag="alarm"):
    """A CloudWatch alarm about the table's metrics."""

    alarm: str
    definition: dict[str, Any]

    @property
    def name(self) -> str:
        """The alarm's name."""
        return self.alarm

    @property
    def key(self) -> tuple[str, str]:
        """Compared by what it watches: the name of an account's alarm is its own."""
        definition = {name: value for name, value in self.definition.items() if name != "AlarmDescription"}
        return self.kind, short_digest(json.dumps(definition, sort_keys=True, default=str))

    def words(self) -> str:
        """Return what it watches."""
        watched, sign = self.definition.get("MetricName", "an expression"), self.definition.get("ComparisonOperator")
        return f"{watched} {sign} {self.definition.get('Threshold', '')}".strip()

    def moved(self, _from: TableRef, _to: TableRef) -> Setting:
        """Return the alarm about the other table."""
        return MetricAlarm(self.alarm, renamed(self.definition, _from.table, _to.table, whole=True))

    def holds(self, current: Setting | None) -> bool:
        """Return whether *current* watches the same."""
        return current is not None and current.key == self.key


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

    def holds(self, current: Setting | None) -> bool:
        """Return whether *current* is as warm, or warmer."""
        return isinstance(current, WarmThroughput) and (
            current.warm.read >= self.warm.read and current.warm.write >= self.warm.write
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
        keys = ", ".join(
            f"{key_element['AttributeName']} ({key_element['KeyType']})" for key_element in self.key_schema
        )
        return f"{keys}; {self.projection.get('ProjectionType', 'ALL')}"


class GlobalIndex(IndexSetting, frozen=True, tag="global-index"):
    """A global secondary index, with its provisioned units."""

    units: Units | None = None

    def words(self) -> str:
        """Return its key, projection and units."""
        text = super().words()
        return text if self.units is None else f"{text}; {self.units}"

    def alike(self, other: GlobalIndex) -> bool:
        """Return whether both have the same key and projection."""
        return (self.key_schema, self.projection) == (other.key_schema, other.projection)

    def holds(self, current: Setting | None) -> bool:
        """Return whether *current* is that index; on-demand tables have no units."""
        if not isinstance(current, GlobalIndex) or not self.alike(current):
            return False
        return current.units == self.units or None in (current.units, self.units)


class LocalIndex(IndexSetting, frozen=True, tag="local-index"):
    """A local secondary index: only a restore can bring it, nothing adds one later."""


class Recovery(Setting, frozen=True, tag="pitr"):
    """Point-in-time recovery, and how many days it reaches back; 0 where that is not known."""

    period_days: int

    def words(self) -> str:
        """Return the period."""
        return f"on, {self.period_days} days" if self.period_days else "on"

    def holds(self, current: Setting | None) -> bool:
        """Return whether *current* reaches back as far: a period is never shortened."""
        return isinstance(current, Recovery) and current.period_days >= self.period_days


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

    def holds(self, current: Setting | None) -> bool:
        """Return whether *current* has all of these tags."""
        return self._of(current) == self.pairs

    def untouched(self, before: Setting | None, current: Setting | None) -> bool:
        """Return whether these tags are as they were; what other tags there are does not matter."""
        return self._of(before) == self._of(current)

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

    def moved(self, _from: TableRef, _to: TableRef) -> Setting:
        """Return the policy about the other table."""
        return ResourcePolicy(canonical_policy(renamed(json.loads(self.document), _from.arn, _to.arn)))


class StreamSetting(Setting, frozen=True, tag="stream"):
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
    | StreamSetting
    | KinesisDestination
    | EventSource
    | Replica
    | MetricAlarm
)
"""Every kind, in the order in which they are shown and reapplied: what needs another one comes after it."""

ORDER: tuple[str, ...] = tuple(str(kind.__struct_config__.tag) for kind in Kind.__args__)
"""Names of the kinds, in that order."""


def canonical_policy(document: Any) -> str:
    """Return a policy document as JSON with its keys sorted."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))
