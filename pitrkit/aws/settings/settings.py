"""The settings of one table, read each from its own source, and how two tables' settings differ.

DescribeTable has to answer, or there is no table; every other source is optional. One that the caller may not read, or
that does not answer, is named instead (`Unread`), with what it would have told, its IAM action and AWS's request id:
nothing is taken for absent that was not seen to be.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from pitrkit import documents
from pitrkit.aws.client.client import Aws
from pitrkit.aws.settings import kinds
from pitrkit.aws.settings import kinds as services
from pitrkit.aws.settings.kinds import ORDER, Kind, Setting, TableRef, Units
from pitrkit.aws.tables import resource_policy
from pitrkit.errors import AwsError, TableNotFound

State = Literal["same", "missing", "differs", "extra", "unread"]
"""Of a setting: on both tables alike; not on the copy; otherwise on the copy; on the copy only; not readable."""


class Unread(msgspec.Struct, frozen=True):
    """Kinds of settings that could not be read.

    Attributes:
        kinds: Which.
        action: The IAM action that reads them.
        code: The service's error code.
        request_id: AWS's id of the failed request, blank if there was no answer.
    """

    kinds: tuple[str, ...]
    action: str
    code: str
    request_id: str = ""

    @property
    def denied(self) -> bool:
        """Whether the caller was not allowed to."""
        return "Denied" in self.code or self.code in ("UnauthorizedOperation", "AuthorizationError")


class TableSettings(msgspec.Struct, frozen=True):
    """What was read of a table.

    Attributes:
        table: Its name.
        arn: Its ARN; blank if only a backup knows of it.
        captured_at: When.
        found: Its settings, in the order of `ORDER`.
        unread: What could not be read.
    """

    table: str
    arn: str
    captured_at: datetime
    found: tuple[Kind, ...]
    unread: tuple[Unread, ...] = ()

    @property
    def place(self) -> TableRef:
        """The table."""
        return TableRef(self.table, self.arn)

    def of(self, kind: str) -> tuple[Setting, ...]:
        """Return the settings of a kind."""
        return tuple(setting for setting in self.found if setting.kind == kind)

    def cannot_tell(self, kind: str) -> bool:
        """Return whether that kind could not be read."""
        return any(kind in unread_source.kinds for unread_source in self.unread)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON; `from_dict` reads it."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document

    @classmethod
    def from_dict(cls, document: Any) -> TableSettings:
        """Return the settings that `to_dict` wrote."""
        return msgspec.convert(document, cls)

    @classmethod
    def read(cls, path: Path) -> TableSettings:
        """Return the settings in a file that holds `to_dict`'s JSON.

        Raises:
            RecordAltered: It is not readable.
        """
        return documents.read(path, cls, fix="Capture the settings again.")


@dataclass(frozen=True, slots=True)
class SettingDifference:
    """One setting on both tables.

    Attributes:
        kind: Its kind.
        name: Which one of its kind.
        wanted: As the original has it, told for the copy; None where the original has none.
        found: As the copy has it; None where it has none.
    """

    kind: str
    name: str
    wanted: Setting | None
    found: Setting | None
    state: State

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "kind": self.kind,
            "name": self.name,
            "wanted": setting_to_json(self.wanted),
            "found": setting_to_json(self.found),
            "state": self.state,
        }


def to_json(table_settings: TableSettings) -> bytes:
    """Return settings as a file holds them; `TableSettings.read` reads it."""
    return msgspec.json.format(msgspec.json.encode(table_settings), indent=1) + b"\n"


def setting_to_json(setting: Setting | None) -> Any:
    """Return a setting as plain JSON, None for none."""
    return None if setting is None else msgspec.to_builtins(setting)


def setting_from_json(document: Any) -> Setting | None:
    """Return the setting that `setting_to_json` told."""
    if document is None:
        return None
    setting: Setting = msgspec.convert(document, Kind)
    return setting


def in_order(settings: Iterable[Setting]) -> tuple[Setting, ...]:
    """Return settings in the order of their kinds, by name within a kind."""
    return tuple(sorted(settings, key=lambda setting: (ORDER.index(setting.kind), setting.name)))


def compare(original: TableSettings, copy: TableSettings) -> tuple[SettingDifference, ...]:
    """Return every setting of both tables, in the order of the kinds.

    The original's are told as the copy would have them. What could not be read of the copy is `unread`; what could not
    be read of the original is not here, `TableSettings.unread` names it.
    """
    has = {copy_setting.key: copy_setting for copy_setting in copy.found}
    differences = []
    for setting in original.found:
        expected = setting.moved(original.place, copy.place)
        differences.append(_difference(expected, has.pop(expected.key, None), unread=copy.cannot_tell(expected.kind)))
    extra = [
        _difference(None, extra_setting, unread=original.cannot_tell(extra_setting.kind))
        for extra_setting in has.values()
    ]
    return tuple(sorted([*differences, *extra], key=lambda difference: (ORDER.index(difference.kind), difference.name)))


def _difference(expected: Setting | None, current: Setting | None, *, unread: bool) -> SettingDifference:
    setting = expected or current
    assert setting is not None
    state: State = "extra"
    if unread:
        state = "unread"
    elif expected is not None:
        state = "same" if expected.holds(current) else "missing" if current is None else "differs"
    return SettingDifference(setting.kind, setting.name, expected, current, state)


def of_backup(
    table: str, description: Mapping[str, Any], *, arn: str = "", at: datetime | None = None
) -> TableSettings:
    """Return the settings that DescribeBackup's *description* still knows: all there is of a deleted table.

    It knows no tags, policy, protection or scaling. That a deletion left it tells that recovery was on, for any period.
    """
    source = description.get("SourceTableDetails") or {}
    features = description.get("SourceTableFeatureDetails") or {}
    mode = source.get("BillingMode", "PROVISIONED")
    backup_settings: list[Setting] = [capacity(source, mode)]
    backup_settings += [global_index(index, {}, mode) for index in features.get("GlobalSecondaryIndexes") or ()]
    if most := source.get("OnDemandThroughput"):
        backup_settings.append(kinds.OnDemandLimits(limits(most)))
    if key := (features.get("SSEDescription") or {}).get("KMSMasterKeyArn"):
        backup_settings.append(kinds.Encryption(key))
    stream = features.get("StreamDescription") or {}
    if stream.get("StreamViewType") and stream.get("StreamEnabled", True):
        backup_settings.append(kinds.StreamSetting(stream["StreamViewType"]))
    if (description.get("BackupDetails") or {}).get("BackupType") == "SYSTEM":
        backup_settings.append(kinds.Recovery(0))
    ttl = features.get("TimeToLiveDescription") or {}
    if ttl.get("AttributeName") and ttl.get("TimeToLiveStatus") in (None, "ENABLED", "ENABLING"):
        backup_settings.append(kinds.Ttl(ttl["AttributeName"]))
    return TableSettings(
        table,
        arn or source.get("TableArn", ""),
        at or datetime.now(UTC),
        in_order(backup_settings),  # type: ignore[arg-type]
    )


def capacity(described: dict[str, Any], mode: str) -> kinds.Capacity:
    """Return the capacity that a description tells."""
    return kinds.Capacity(
        mode, Units.of(described.get("ProvisionedThroughput") or {}) if mode == "PROVISIONED" else None
    )


def global_index(description: dict[str, Any], types: dict[str, str], mode: str) -> kinds.GlobalIndex:
    """Return the index that a description tells; *types* may not know its key's."""
    used = {key["AttributeName"]: types[key["AttributeName"]] for key in description["KeySchema"] if types}
    units = Units.of(description.get("ProvisionedThroughput") or {}) if mode == "PROVISIONED" else None
    return kinds.GlobalIndex(description["IndexName"], description["KeySchema"], description["Projection"], used, units)


def limits(told_units: dict[str, Any]) -> Units:
    """Return the limits of an on-demand table, 0 for none."""
    read, write = (int(told_units.get(name, 0)) for name in ("MaxReadRequestUnits", "MaxWriteRequestUnits"))
    return Units(max(read, 0), max(write, 0))  # the service says -1 for none


ON = frozenset({"ENABLED", "ENABLING", "ACTIVE", "UPDATING"})
_OF_ALARMS = (
    *("AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions", "InsufficientDataActions", "MetricName"),
    *("Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit", "EvaluationPeriods"),
    *("DatapointsToAlarm", "Threshold", "ComparisonOperator", "TreatMissingData", "Metrics", "ThresholdMetricId"),
    "EvaluateLowSampleCountPercentile",
)
"""What PutMetricAlarm takes of what DescribeAlarms tells."""
_OF_EVENT_SOURCES = (
    *("BatchSize", "MaximumBatchingWindowInSeconds", "ParallelizationFactor", "MaximumRecordAgeInSeconds"),
    *("BisectBatchOnFunctionError", "MaximumRetryAttempts", "TumblingWindowInSeconds", "FunctionResponseTypes"),
    *("FilterCriteria", "DestinationConfig"),
)
"""What CreateEventSourceMapping takes of what ListEventSourceMappings tells, for a stream of DynamoDB."""
MADE_BY_SCALING = "TargetTracking-table/"
"""How the names of the alarms begin that Application Auto Scaling makes for its policies, and removes with them."""
NOT_OURS = ("aws:", "pitrkit")
"""How the keys of tags, and the Sids of statements, begin that no table is given: those that AWS sets, and the kit's
own marks and freezes."""

Source = tuple[tuple[str, ...], str, Callable[[], Iterable[Setting]]]


def capture(aws: Aws, table: str) -> TableSettings:
    """Return the settings of *table*, and which of them could not be read.

    Raises:
        TableNotFound: There is no such table.
        AwsError: The table itself may not be described.
    """
    described = aws.call("dynamodb", "describe_table", TableName=table)["Table"]
    captured = list(_of_table(described, aws.region))
    unread = []
    for of_kinds, action, source in _sources(aws, described):
        try:
            captured += source()
        except TableNotFound:
            raise
        except AwsError as error:
            unread.append(Unread(of_kinds, action, error.code, error.request_id))
    name, arn = described["TableName"], described["TableArn"]
    return TableSettings(name, arn, datetime.now(UTC), in_order(captured), tuple(unread))  # type: ignore[arg-type]


def read(aws: Aws, table: str, wanted_kinds: Collection[str]) -> dict[str, Setting]:
    """Return the settings that *table* has of the *wanted_kinds*, by kind; only kinds that a table has one of.

    Raises:
        AwsError: One of them may not be read.
    """
    described = aws.call("dynamodb", "describe_table", TableName=table)["Table"]
    settings = list(_of_table(described, aws.region))
    for of_kinds, _, source in _sources(aws, described):
        if not set(of_kinds).isdisjoint(wanted_kinds):
            settings += source()
    return {setting.kind: setting for setting in settings if setting.kind in wanted_kinds}


def _sources(aws: Aws, described: dict[str, Any]) -> tuple[Source, ...]:
    name, arn = described["TableName"], described["TableArn"]
    stream_on = (described.get("StreamSpecification") or {}).get("StreamEnabled")
    stream_arn = described.get("LatestStreamArn", "") if stream_on else ""
    indexes = [index["IndexName"] for index in described.get("GlobalSecondaryIndexes") or ()]
    return (
        (("ttl",), "dynamodb:DescribeTimeToLive", lambda: _ttl(aws, name)),
        (("pitr",), "dynamodb:DescribeContinuousBackups", lambda: _recovery(aws, name)),
        (("tags",), "dynamodb:ListTagsOfResource", lambda: _tags(aws, name, arn)),
        (("resource-policy",), "dynamodb:GetResourcePolicy", lambda: _policy(aws, name, arn)),
        (("kinesis",), "dynamodb:DescribeKinesisStreamingDestination", lambda: _kinesis(aws, name)),
        (("contributor-insights",), "dynamodb:DescribeContributorInsights", lambda: _insights(aws, name, indexes)),
        (("scaling-target",), "application-autoscaling:DescribeScalableTargets", lambda: _targets(aws, name, indexes)),
        (("scaling-policy",), "application-autoscaling:DescribeScalingPolicies", lambda: _policies(aws, name, indexes)),
        (("alarm",), "cloudwatch:DescribeAlarms", lambda: _alarms(aws, name)),
        (("event-source",), "lambda:ListEventSourceMappings", lambda: _event_sources(aws, stream_arn)),
    )


def _of_table(described: dict[str, Any], region: str) -> Iterator[Setting]:
    mode = (described.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED")
    yield capacity(described, mode)
    yield kinds.TableClass((described.get("TableClassSummary") or {}).get("TableClass", "STANDARD"))
    if on_demand := described.get("OnDemandThroughput"):
        units = limits(on_demand)
        if units != Units(0, 0):
            yield kinds.OnDemandLimits(units)
    if warm := described.get("WarmThroughput"):
        yield kinds.WarmThroughput(Units(warm.get("ReadUnitsPerSecond", 0), warm.get("WriteUnitsPerSecond", 0)))
    if key := (described.get("SSEDescription") or {}).get("KMSMasterKeyArn"):
        yield kinds.Encryption(key)
    if described.get("DeletionProtectionEnabled"):
        yield kinds.DeletionProtection()
    stream = described.get("StreamSpecification") or {}
    if stream.get("StreamEnabled"):
        yield kinds.StreamSetting(stream["StreamViewType"])
    yield from _indexes(described, mode)
    for replica in described.get("Replicas") or ():
        if replica["RegionName"] != region:
            yield services.Replica(replica["RegionName"])


def _indexes(described: dict[str, Any], mode: str) -> Iterator[Setting]:
    types = {
        definition["AttributeName"]: definition["AttributeType"] for definition in described["AttributeDefinitions"]
    }
    for index in described.get("GlobalSecondaryIndexes") or ():
        yield global_index(index, types, mode)
    for index in described.get("LocalSecondaryIndexes") or ():
        used = {key["AttributeName"]: types[key["AttributeName"]] for key in index["KeySchema"]}
        yield kinds.LocalIndex(index["IndexName"], index["KeySchema"], index["Projection"], used)


def _ttl(aws: Aws, name: str) -> Iterator[Setting]:
    ttl_description = aws.call("dynamodb", "describe_time_to_live", TableName=name)["TimeToLiveDescription"]
    if ttl_description.get("TimeToLiveStatus") in ON:
        yield kinds.Ttl(ttl_description["AttributeName"])


def _recovery(aws: Aws, name: str) -> Iterator[Setting]:
    answer = aws.call("dynamodb", "describe_continuous_backups", TableName=name)["ContinuousBackupsDescription"]
    pitr_description = answer.get("PointInTimeRecoveryDescription", {})
    if pitr_description.get("PointInTimeRecoveryStatus") in ON:
        yield kinds.Recovery(int(pitr_description.get("RecoveryPeriodInDays", 35)))


def _tags(aws: Aws, name: str, arn: str) -> Iterator[Setting]:
    pairs = aws.paginate("dynamodb", "list_tags_of_resource", "Tags", table=name, ResourceArn=arn)
    ours = {pair["Key"]: pair["Value"] for pair in pairs if not pair["Key"].startswith(NOT_OURS)}
    if ours:
        yield kinds.Tags(ours)


def _policy(aws: Aws, name: str, arn: str) -> Iterator[Setting]:
    policy = resource_policy.read(aws, name, arn)
    if not policy.text:
        return
    document = json.loads(policy.text)
    raw_statements = document.get("Statement") or []
    statements = raw_statements if isinstance(raw_statements, list) else [raw_statements]
    kept_statements = [
        statement for statement in statements if not str(statement.get("Sid", "")).lower().startswith(NOT_OURS)
    ]
    if kept_statements or not statements:
        its_own = document if len(kept_statements) == len(statements) else {**document, "Statement": kept_statements}
        yield kinds.ResourcePolicy(kinds.canonical_policy(its_own))


def _kinesis(aws: Aws, name: str) -> Iterator[Setting]:
    answer = aws.call("dynamodb", "describe_kinesis_streaming_destination", TableName=name)
    for destination in answer.get("KinesisDataStreamDestinations", ()):
        if destination.get("DestinationStatus") in ON:
            yield services.KinesisDestination(
                destination["StreamArn"], destination.get("ApproximateCreationDateTimePrecision", "")
            )


def _insights(aws: Aws, name: str, indexes: list[str]) -> Iterator[Setting]:
    for index in ("", *indexes):
        which: dict[str, Any] = {"IndexName": index} if index else {}
        response = aws.call("dynamodb", "describe_contributor_insights", TableName=name, **which)
        if response.get("ContributorInsightsStatus") in ON:
            yield services.ContributorInsights(index, response.get("ContributorInsightsMode", ""))


def _resources(name: str, indexes: list[str]) -> list[str]:
    return [f"table/{name}", *(f"table/{name}/index/{index}" for index in indexes)]


def _targets(aws: Aws, name: str, indexes: list[str]) -> Iterator[Setting]:
    resources = _resources(name, indexes)
    scalable_targets = aws.paginate(
        "application-autoscaling",
        "describe_scalable_targets",
        "ScalableTargets",
        table=name,
        ServiceNamespace="dynamodb",
        ResourceIds=resources,
    )
    for target in scalable_targets:
        yield services.ScalingTarget(
            target["ResourceId"].partition("/index/")[2],
            target["ScalableDimension"],
            target["MinCapacity"],
            target["MaxCapacity"],
            {key: value for key, value in (target.get("SuspendedState") or {}).items() if value},
        )


def _policies(aws: Aws, name: str, indexes: list[str]) -> Iterator[Setting]:
    for resource in _resources(name, indexes):
        scaling_policies = aws.paginate(
            "application-autoscaling",
            "describe_scaling_policies",
            "ScalingPolicies",
            table=name,
            ServiceNamespace="dynamodb",
            ResourceId=resource,
        )
        for policy in scaling_policies:
            if policy["ResourceId"] != resource:
                continue
            configuration = policy.get("TargetTrackingScalingPolicyConfiguration") or policy.get(
                "StepScalingPolicyConfiguration", {}
            )
            yield services.ScalingPolicy(
                policy["ResourceId"].partition("/index/")[2],
                policy["ScalableDimension"],
                policy["PolicyName"],
                policy["PolicyType"],
                configuration,
            )


def _alarms(aws: Aws, name: str) -> Iterator[Setting]:
    for alarm in aws.paginate("cloudwatch", "describe_alarms", "MetricAlarms", table=name):
        stats = [part.get("MetricStat", {}).get("Metric", {}) for part in alarm.get("Metrics") or ()]
        about = [alarm, *stats]
        if alarm["AlarmName"].startswith(MADE_BY_SCALING):
            continue
        if any({"Name": "TableName", "Value": name} in (part.get("Dimensions") or ()) for part in about):
            yield services.MetricAlarm(
                alarm["AlarmName"], {key: alarm[key] for key in _OF_ALARMS if alarm.get(key) not in (None, [])}
            )


def _event_sources(aws: Aws, stream_arn: str) -> Iterator[Setting]:
    if not stream_arn:
        return
    mappings = aws.paginate("lambda", "list_event_source_mappings", "EventSourceMappings", EventSourceArn=stream_arn)
    for mapping in mappings:
        options = {key: mapping[key] for key in _OF_EVENT_SOURCES if mapping.get(key) not in (None, [])}
        on = mapping.get("State") in ("Enabled", "Enabling", "Creating", "Updating")
        yield services.EventSource(mapping["FunctionArn"], on, options)
