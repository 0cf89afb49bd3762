"""The settings that other services keep about a table: who follows its load, its changes and its metrics."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from pitrkit.dynamodb.setting import Place, Setting, renamed, short


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
        told = json.dumps([self.index, self.dimension, self.configuration], sort_keys=True)
        return self.kind, short(told)

    def words(self) -> str:
        """Return the type and the target."""
        target = self.configuration.get("TargetValue")
        return f"{self.type}, {target:g} %" if target is not None else self.type

    def holds(self, found: Setting | None) -> bool:
        """Return whether *found* does the same."""
        return found is not None and found.key == self.key

    def moved(self, _from: Place, _to: Place) -> Setting:
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


class Alarm(Setting, frozen=True, tag="alarm"):
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
        told = {name: value for name, value in self.definition.items() if name != "AlarmDescription"}
        return self.kind, short(json.dumps(told, sort_keys=True, default=str))

    def words(self) -> str:
        """Return what it watches."""
        watched, sign = self.definition.get("MetricName", "an expression"), self.definition.get("ComparisonOperator")
        return f"{watched} {sign} {self.definition.get('Threshold', '')}".strip()

    def moved(self, _from: Place, _to: Place) -> Setting:
        """Return the alarm about the other table."""
        return Alarm(self.alarm, renamed(self.definition, _from.table, _to.table, whole=True))

    def holds(self, found: Setting | None) -> bool:
        """Return whether *found* watches the same."""
        return found is not None and found.key == self.key
