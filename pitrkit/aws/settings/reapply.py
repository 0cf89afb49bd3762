"""Giving a table a setting that another one has, and taking it back: one setting at a time, each call with its id.

UpdateTable does one thing at a time and only to an ACTIVE table, so it is waited for before and after. Nothing here
looks whether a setting is there already: whoever calls compares first, and again afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.polling import poll
from pitrkit.aws.settings import kinds, links
from pitrkit.aws.settings import kinds as services
from pitrkit.aws.settings.kinds import Setting, TableRef, Units
from pitrkit.aws.settings.links import SettingCall
from pitrkit.errors import AwsError, BadInput

WHEN_ACCEPTED: dict[str, str] = {
    "kinesis": "its consumers would receive the changes of both tables",
    "event-source": "the function would be called for both tables",
    "warm-throughput": "it is charged once",
}
"""Kinds that are reapplied only if they are accepted by name besides, each with why."""

BY_HAND: dict[str, str] = {
    "alarm": "an alarm names its table: recreate it for the copy, or change its dimension",
    "replica": "create replicas of the copy after the cut-over; a restored table cannot get "
    "multi-Region strong consistency",
    "local-index": "only a restore can create it: restore again with indexes",
}
"""Kinds that nobody but the operator brings to the copy, each with how."""

STAYS = frozenset({"pitr", "global-index", "encryption", "capacity", "table-class", "warm-throughput"})
"""Kinds that are not taken back: recovery is never turned off, and the others are as well kept."""

POLL_SECONDS = 2.0
TOO_NEW_SECONDS = 600.0
"""How long a table may be too new for recovery to be turned on."""


def obstacle(setting: Setting, current: Setting | None) -> str:
    """Return why a table that has *current* cannot simply be given *setting*, blank where it can."""
    match setting:
        case kinds.Ttl() if current is not None:
            return "it is on for another attribute: turn it off by hand; an hour later it can be turned on again"
        case kinds.StreamSetting() if current is not None:
            return "there is a stream with another view type: if nothing reads it, turn it off by hand first"
        case kinds.GlobalIndex() if isinstance(current, kinds.GlobalIndex) and not setting.alike(current):
            return "an index of this name has another key or projection"
        case kinds.GlobalIndex() if current is None and not setting.types:
            return "the types of its key are unknown"
        case services.ScalingPolicy(type=kind) if kind not in links.CONFIGURATIONS:
            return f"a policy of type {kind} has to be created by hand"
        case services.KinesisDestination() if current is not None:
            return "its timestamp precision differs: disable it first"
        case services.EventSource() if current is not None:
            return "there is a mapping with other options"
    return BY_HAND.get(setting.kind, "")


@dataclass
class SettingsWriter:
    """Changes the settings of one table.

    Attributes:
        place: The table.
        calls: What was called so far.
        on_wait: Called with the seconds waited while the table is not ACTIVE, or too new.
        sleep: How to pause.
    """

    aws: Aws
    place: TableRef
    calls: list[SettingCall] = field(default_factory=list)
    on_wait: Callable[[float], None] | None = None
    sleep: Callable[[float], None] = time.sleep

    def give(self, setting: Setting, current: Setting | None = None) -> None:
        """Give the table *setting*; *current* is what it has of that kind and name.

        Raises:
            BadInput: That cannot be done in one step, or is not for the kit to do.
            AwsError: The service refuses.
        """
        if why := obstacle(setting, current):
            raise BadInput(f"{setting.kind} {setting.name}: {why}", table=self.place.table, fix="Change it by hand.")
        match setting:
            case kinds.Ttl():
                self._expire({"Enabled": True, "AttributeName": setting.attribute})
            case kinds.StreamSetting():
                self._stream(setting)
            case kinds.Recovery():
                self._recovery(setting)
            case kinds.Tags(pairs=pairs):
                self._tag(pairs)
            case services.EventSource():
                self._done(links.call_function(self.aws, self.place, self._stream_arn(), setting))
            case _ if isinstance(setting, links.TIED):
                self._done(links.apply_link(self.aws, self.place, setting))
            case _:
                self._update_table(setting, current)

    def take(self, setting: Setting, before: Setting | None) -> None:
        """Take a setting back that `give` gave: the table has *before* again, or none of it.

        Raises:
            BadInput: It stays.
        """
        if setting.kind in STAYS:
            raise BadInput(f"{setting.kind} is not undone", table=self.place.table, fix="Change it by hand.")
        if isinstance(setting, kinds.Tags):
            self._untag(setting.pairs, before)
            return
        if before is not None:
            self.give(before, setting)
            return
        match setting:
            case kinds.Ttl(attribute=attribute):
                self._expire({"Enabled": False, "AttributeName": attribute})
            case kinds.StreamSetting():
                self._table("StreamSpecification", {"StreamEnabled": False})
            case kinds.DeletionProtection():
                self._table("DeletionProtectionEnabled", value=False)
            case kinds.OnDemandLimits():
                self._table("OnDemandThroughput", {"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": -1})
            case services.EventSource():
                self._done(*links.drop_function(self.aws, self.place, self._stream_arn(), setting))
            case _ if isinstance(setting, links.TIED):
                self._done(links.remove_link(self.aws, self.place, setting))

    # -- the table itself

    def _update_table(self, setting: Setting, current: Setting | None) -> None:
        match setting:
            case kinds.DeletionProtection():
                self._table("DeletionProtectionEnabled", value=True)
            case kinds.TableClass(name_of_class=name):
                self._table("TableClass", name)
            case kinds.Encryption(key_arn=key):
                self._table("SSESpecification", {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key})
            case kinds.OnDemandLimits(limits=most):
                limits = {"MaxReadRequestUnits": most.read or -1, "MaxWriteRequestUnits": most.write or -1}
                self._table("OnDemandThroughput", limits)
            case kinds.WarmThroughput(warm=warm):
                self._table("WarmThroughput", {"ReadUnitsPerSecond": warm.read, "WriteUnitsPerSecond": warm.write})
            case kinds.Capacity():
                self._capacity(setting, current)
            case kinds.GlobalIndex():
                self._index(setting, current)

    def _capacity(self, capacity: kinds.Capacity, current: Setting | None) -> None:
        if capacity.units is None:
            self._table("BillingMode", capacity.mode)
            return
        has = current if isinstance(current, kinds.Capacity) else None
        units = capacity.units.throughput()
        more: dict[str, Any] = {}
        if has is None or has.mode != capacity.mode:
            # All indexes need units in the same call; their own come with them, later.
            names = [index["IndexName"] for index in self._described().get("GlobalSecondaryIndexes") or ()]
            updates = [{"Update": {"IndexName": name, "ProvisionedThroughput": units}} for name in names]
            more = {"BillingMode": capacity.mode, **({"GlobalSecondaryIndexUpdates": updates} if updates else {})}
        self._table("ProvisionedThroughput", units, **more)

    def _index(self, index: kinds.GlobalIndex, current: Setting | None) -> None:
        described = self._described()
        types = {
            definition["AttributeName"]: definition["AttributeType"] for definition in described["AttributeDefinitions"]
        }
        types |= index.types
        keys = [key["AttributeName"] for key in index.key_schema]
        provisioned = (described.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED") == "PROVISIONED"
        units = (index.units or Units.of(described["ProvisionedThroughput"])).throughput()
        throughput = {"ProvisionedThroughput": units} if provisioned else {}
        if current is not None:
            self._table("GlobalSecondaryIndexUpdates", [{"Update": {"IndexName": index.index, **throughput}}])
            return
        create = {
            "IndexName": index.index,
            "KeySchema": index.key_schema,
            "Projection": index.projection,
            **throughput,
        }
        used = {*keys, *_used(described)}
        attributes = [{"AttributeName": name, "AttributeType": types[name]} for name in sorted(used)]
        self._table("GlobalSecondaryIndexUpdates", [{"Create": create}], AttributeDefinitions=attributes)

    def _stream(self, stream: kinds.StreamSetting) -> None:
        self._table("StreamSpecification", {"StreamEnabled": True, "StreamViewType": stream.view})

    def _table(self, parameter: str, value: Any, **more: Any) -> None:
        self.settle()
        answer = self.aws.call("dynamodb", "update_table", TableName=self.place.table, **{parameter: value}, **more)
        self._done(SettingCall.of("UpdateTable", answer))
        self.settle()

    def settle(self) -> None:
        """Wait until the table and its indexes are ACTIVE."""

        def ended(described: dict[str, Any], seconds: float) -> bool:
            states = [described["TableStatus"], *(index.get("IndexStatus", "ACTIVE") for index in _indexes(described))]
            active = all(state == "ACTIVE" for state in states)
            if not active and self.on_wait is not None:
                self.on_wait(seconds)
            return active

        poll(self._described, ended, every=POLL_SECONDS, sleep=self.sleep)

    def _described(self) -> dict[str, Any]:
        described: dict[str, Any] = self.aws.call("dynamodb", "describe_table", TableName=self.place.table)["Table"]
        return described

    def _stream_arn(self) -> str:
        described = self._described()
        on = (described.get("StreamSpecification") or {}).get("StreamEnabled")
        if not on:
            raise BadInput("the copy has no stream", table=self.place.table, fix="Reapply its stream first.")
        return str(described["LatestStreamArn"])

    def _done(self, *calls: SettingCall) -> None:
        self.calls.extend(calls)

    # -- what has an operation of its own

    def _expire(self, specification: dict[str, Any]) -> None:
        answer = self.aws.call(
            "dynamodb", "update_time_to_live", TableName=self.place.table, TimeToLiveSpecification=specification
        )
        self._done(SettingCall.of("UpdateTimeToLive", answer))

    def _recovery(self, recovery: kinds.Recovery) -> None:
        on: dict[str, Any] = {"PointInTimeRecoveryEnabled": True}
        if recovery.period_days:
            on["RecoveryPeriodInDays"] = recovery.period_days
        waited = -POLL_SECONDS

        def attempt() -> Any:
            nonlocal waited
            waited += POLL_SECONDS
            try:
                return self.aws.call(
                    "dynamodb",
                    "update_continuous_backups",
                    TableName=self.place.table,
                    PointInTimeRecoverySpecification=on,
                )
            except AwsError as error:
                if error.code != "ContinuousBackupsUnavailableException" or waited >= TOO_NEW_SECONDS:
                    raise
            return None

        def ended(answer: Any, _: float) -> bool:
            if answer is None and self.on_wait is not None:
                self.on_wait(waited)
            return answer is not None

        self._done(
            SettingCall.of("UpdateContinuousBackups", poll(attempt, ended, every=POLL_SECONDS, sleep=self.sleep))
        )

    def _tag(self, pairs: dict[str, str]) -> None:
        tags = [{"Key": key, "Value": value} for key, value in sorted(pairs.items())]
        answer = self.aws.call(
            "dynamodb", "tag_resource", table=self.place.table, ResourceArn=self.place.arn, Tags=tags
        )
        self._done(SettingCall.of("TagResource", answer))

    def _untag(self, pairs: dict[str, str], before: Setting | None) -> None:
        had = before.pairs if isinstance(before, kinds.Tags) else {}
        if gone := sorted(pairs.keys() - had.keys()):
            answer = self.aws.call(
                "dynamodb", "untag_resource", table=self.place.table, ResourceArn=self.place.arn, TagKeys=gone
            )
            self._done(SettingCall.of("UntagResource", answer))
        if back := {key: value for key, value in had.items() if key in pairs and pairs[key] != value}:
            self._tag(back)


def _indexes(described: dict[str, Any]) -> list[dict[str, Any]]:
    return described.get("GlobalSecondaryIndexes") or []


def _used(described: dict[str, Any]) -> set[str]:
    """Return the attributes that a table's keys and those of its indexes are made of."""
    schemas = [described["KeySchema"], *(index["KeySchema"] for index in _indexes(described))]
    schemas += [index["KeySchema"] for index in described.get("LocalSecondaryIndexes") or ()]
    return {key["AttributeName"] for schema in schemas for key in schema}
