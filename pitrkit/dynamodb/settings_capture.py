"""Reading a table's settings, each source for itself.

DescribeTable has to answer, or there is no table; every other source is optional. A source that refuses is named with
what it would have told, its IAM action and AWS's request id.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from pitrkit.dynamodb import resource_policy
from pitrkit.dynamodb import setting_kinds as kinds
from pitrkit.dynamodb import setting_services as services
from pitrkit.dynamodb import settings as its
from pitrkit.dynamodb.session import Aws
from pitrkit.dynamodb.setting import Setting, Units
from pitrkit.dynamodb.settings import Settings, Unread, in_order
from pitrkit.errors import AwsError, TableNotFound

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


def capture(aws: Aws, table: str) -> Settings:
    """Return the settings of *table*, and which of them could not be read.

    Raises:
        TableNotFound: There is no such table.
        AwsError: The table itself may not be described.
    """
    described = aws.call("dynamodb", "describe_table", TableName=table)["Table"]
    found = list(_of_table(described, aws.region))
    unread = []
    for of_kinds, action, source in _sources(aws, described):
        try:
            found += source()
        except TableNotFound:
            raise
        except AwsError as error:
            unread.append(Unread(of_kinds, action, error.code, error.request_id))
    name, arn = described["TableName"], described["TableArn"]
    return Settings(name, arn, datetime.now(UTC), in_order(found), tuple(unread))  # type: ignore[arg-type]


def read(aws: Aws, table: str, wanted: Collection[str]) -> dict[str, Setting]:
    """Return the settings that *table* has of the *wanted* kinds, by kind; only kinds that a table has one of.

    Raises:
        AwsError: One of them may not be read.
    """
    described = aws.call("dynamodb", "describe_table", TableName=table)["Table"]
    found = list(_of_table(described, aws.region))
    for of_kinds, _, source in _sources(aws, described):
        if not set(of_kinds).isdisjoint(wanted):
            found += source()
    return {one.kind: one for one in found if one.kind in wanted}


def _sources(aws: Aws, described: dict[str, Any]) -> tuple[Source, ...]:
    name, arn = described["TableName"], described["TableArn"]
    stream_on = (described.get("StreamSpecification") or {}).get("StreamEnabled")
    stream_arn = described.get("LatestStreamArn", "") if stream_on else ""
    indexes = [one["IndexName"] for one in described.get("GlobalSecondaryIndexes") or ()]
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
    yield its.capacity(described, mode)
    yield kinds.TableClass((described.get("TableClassSummary") or {}).get("TableClass", "STANDARD"))
    if on_demand := described.get("OnDemandThroughput"):
        units = its.limits(on_demand)
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
        yield kinds.Stream(stream["StreamViewType"])
    yield from _indexes(described, mode)
    for replica in described.get("Replicas") or ():
        if replica["RegionName"] != region:
            yield services.Replica(replica["RegionName"])


def _indexes(described: dict[str, Any], mode: str) -> Iterator[Setting]:
    types = {one["AttributeName"]: one["AttributeType"] for one in described["AttributeDefinitions"]}
    for one in described.get("GlobalSecondaryIndexes") or ():
        yield its.global_index(one, types, mode)
    for one in described.get("LocalSecondaryIndexes") or ():
        used = {key["AttributeName"]: types[key["AttributeName"]] for key in one["KeySchema"]}
        yield kinds.LocalIndex(one["IndexName"], one["KeySchema"], one["Projection"], used)


def _ttl(aws: Aws, name: str) -> Iterator[Setting]:
    told = aws.call("dynamodb", "describe_time_to_live", TableName=name)["TimeToLiveDescription"]
    if told.get("TimeToLiveStatus") in ON:
        yield kinds.Ttl(told["AttributeName"])


def _recovery(aws: Aws, name: str) -> Iterator[Setting]:
    answer = aws.call("dynamodb", "describe_continuous_backups", TableName=name)["ContinuousBackupsDescription"]
    told = answer.get("PointInTimeRecoveryDescription", {})
    if told.get("PointInTimeRecoveryStatus") in ON:
        yield kinds.Recovery(int(told.get("RecoveryPeriodInDays", 35)))


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
    told = document.get("Statement") or []
    statements = told if isinstance(told, list) else [told]
    kept = [one for one in statements if not str(one.get("Sid", "")).lower().startswith(NOT_OURS)]
    if kept or not statements:
        its_own = document if len(kept) == len(statements) else {**document, "Statement": kept}
        yield kinds.ResourcePolicy(kinds.canonical_policy(its_own))


def _kinesis(aws: Aws, name: str) -> Iterator[Setting]:
    answer = aws.call("dynamodb", "describe_kinesis_streaming_destination", TableName=name)
    for one in answer.get("KinesisDataStreamDestinations", ()):
        if one.get("DestinationStatus") in ON:
            yield services.KinesisDestination(one["StreamArn"], one.get("ApproximateCreationDateTimePrecision", ""))


def _insights(aws: Aws, name: str, indexes: list[str]) -> Iterator[Setting]:
    for index in ("", *indexes):
        which: dict[str, Any] = {"IndexName": index} if index else {}
        told = aws.call("dynamodb", "describe_contributor_insights", TableName=name, **which)
        if told.get("ContributorInsightsStatus") in ON:
            yield services.ContributorInsights(index, told.get("ContributorInsightsMode", ""))


def _resources(name: str, indexes: list[str]) -> list[str]:
    return [f"table/{name}", *(f"table/{name}/index/{index}" for index in indexes)]


def _targets(aws: Aws, name: str, indexes: list[str]) -> Iterator[Setting]:
    resources = _resources(name, indexes)
    found = aws.paginate(
        "application-autoscaling",
        "describe_scalable_targets",
        "ScalableTargets",
        table=name,
        ServiceNamespace="dynamodb",
        ResourceIds=resources,
    )
    for one in found:
        yield services.ScalingTarget(
            one["ResourceId"].partition("/index/")[2],
            one["ScalableDimension"],
            one["MinCapacity"],
            one["MaxCapacity"],
            {key: value for key, value in (one.get("SuspendedState") or {}).items() if value},
        )


def _policies(aws: Aws, name: str, indexes: list[str]) -> Iterator[Setting]:
    for resource in _resources(name, indexes):
        found = aws.paginate(
            "application-autoscaling",
            "describe_scaling_policies",
            "ScalingPolicies",
            table=name,
            ServiceNamespace="dynamodb",
            ResourceId=resource,
        )
        for one in found:
            if one["ResourceId"] != resource:
                continue
            configuration = one.get("TargetTrackingScalingPolicyConfiguration") or one.get(
                "StepScalingPolicyConfiguration", {}
            )
            yield services.ScalingPolicy(
                one["ResourceId"].partition("/index/")[2],
                one["ScalableDimension"],
                one["PolicyName"],
                one["PolicyType"],
                configuration,
            )


def _alarms(aws: Aws, name: str) -> Iterator[Setting]:
    for one in aws.paginate("cloudwatch", "describe_alarms", "MetricAlarms", table=name):
        stats = [part.get("MetricStat", {}).get("Metric", {}) for part in one.get("Metrics") or ()]
        about = [one, *stats]
        if one["AlarmName"].startswith(MADE_BY_SCALING):
            continue
        if any({"Name": "TableName", "Value": name} in (part.get("Dimensions") or ()) for part in about):
            yield services.Alarm(
                one["AlarmName"], {key: one[key] for key in _OF_ALARMS if one.get(key) not in (None, [])}
            )


def _event_sources(aws: Aws, stream_arn: str) -> Iterator[Setting]:
    if not stream_arn:
        return
    found = aws.paginate("lambda", "list_event_source_mappings", "EventSourceMappings", EventSourceArn=stream_arn)
    for one in found:
        options = {key: one[key] for key in _OF_EVENT_SOURCES if one.get(key) not in (None, [])}
        on = one.get("State") in ("Enabled", "Enabling", "Creating", "Updating")
        yield services.EventSource(one["FunctionArn"], on, options)
