"""The calls that tie a table to what follows it: policies, insights, scaling, Kinesis, functions; and untie it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pitrkit.aws.client import client
from pitrkit.aws.client.client import Aws
from pitrkit.aws.settings.kinds import (
    ContributorInsights,
    EventSource,
    KinesisDestination,
    ResourcePolicy,
    ScalingPolicy,
    ScalingTarget,
    TableRef,
)
from pitrkit.errors import AwsError

CONFIGURATIONS = {
    "TargetTrackingScaling": "TargetTrackingScalingPolicyConfiguration",
    "StepScaling": "StepScalingPolicyConfiguration",
}


@dataclass(frozen=True, slots=True)
class SettingCall:
    """A call that changed something.

    Attributes:
        operation: The API operation.
        request_id: AWS's id of it.
    """

    operation: str
    request_id: str

    @classmethod
    def of(cls, operation: str, answer: dict[str, Any]) -> SettingCall:
        """Return the call that *answer* is the answer of."""
        return cls(operation, client.request_id(answer))

    def to_dict(self) -> dict[str, str]:
        """Return it as plain JSON."""
        return asdict(self)


Tied = ResourcePolicy | ContributorInsights | ScalingTarget | ScalingPolicy | KinesisDestination
TIED = (ResourcePolicy, ContributorInsights, ScalingTarget, ScalingPolicy, KinesisDestination)


def apply_link(aws: Aws, place: TableRef, setting: Tied) -> SettingCall:
    """Give the table a setting that is one call."""
    match setting:
        case ResourcePolicy():
            return permit(aws, place, setting)
        case ContributorInsights():
            return count(aws, place, setting, on=True)
        case ScalingTarget():
            return scale(aws, place, setting)
        case ScalingPolicy():
            return follow(aws, place, setting)
        case KinesisDestination():
            return send(aws, place, setting)


def remove_link(aws: Aws, place: TableRef, setting: Tied) -> SettingCall:
    """Take it away."""
    match setting:
        case ResourcePolicy():
            return unpermit(aws, place)
        case ContributorInsights():
            return count(aws, place, setting, on=False)
        case ScalingTarget():
            return unscale(aws, place, setting)
        case ScalingPolicy():
            return unfollow(aws, place, setting)
        case KinesisDestination():
            return unsend(aws, place, setting)


def permit(aws: Aws, place: TableRef, policy: ResourcePolicy) -> SettingCall:
    """Give the table this resource policy."""
    answer = aws.call(
        "dynamodb", "put_resource_policy", table=place.table, ResourceArn=place.arn, Policy=policy.document
    )
    return SettingCall.of("PutResourcePolicy", answer)


def unpermit(aws: Aws, place: TableRef) -> SettingCall:
    """Take the table's resource policy away."""
    answer = aws.call("dynamodb", "delete_resource_policy", table=place.table, ResourceArn=place.arn)
    return SettingCall.of("DeleteResourcePolicy", answer)


def count(aws: Aws, place: TableRef, insights: ContributorInsights, *, on: bool) -> SettingCall:
    """Switch Contributor Insights on or off."""
    which: dict[str, Any] = {"IndexName": insights.index} if insights.index else {}
    if on and insights.mode and aws.offers("dynamodb", "UpdateContributorInsights", "ContributorInsightsMode"):
        which["ContributorInsightsMode"] = insights.mode
    answer = aws.call(
        "dynamodb",
        "update_contributor_insights",
        TableName=place.table,
        ContributorInsightsAction="ENABLE" if on else "DISABLE",
        **which,
    )
    return SettingCall.of("UpdateContributorInsights", answer)


def scale(aws: Aws, place: TableRef, target: ScalingTarget) -> SettingCall:
    """Let Application Auto Scaling set a capacity."""
    suspended: dict[str, Any] = {"SuspendedState": target.suspended} if target.suspended else {}
    answer = aws.call(
        "application-autoscaling",
        "register_scalable_target",
        table=place.table,
        MinCapacity=target.least,
        MaxCapacity=target.most,
        **_scaled(place, target),
        **suspended,
    )
    return SettingCall.of("RegisterScalableTarget", answer)


def unscale(aws: Aws, place: TableRef, target: ScalingTarget) -> SettingCall:
    """Keep Application Auto Scaling from a capacity."""
    answer = aws.call(
        "application-autoscaling", "deregister_scalable_target", table=place.table, **_scaled(place, target)
    )
    return SettingCall.of("DeregisterScalableTarget", answer)


def follow(aws: Aws, place: TableRef, policy: ScalingPolicy) -> SettingCall:
    """Have a capacity follow the load. Application Auto Scaling makes the alarms that it needs."""
    configuration: dict[str, Any] = {CONFIGURATIONS[policy.type]: policy.configuration}
    answer = aws.call(
        "application-autoscaling",
        "put_scaling_policy",
        table=place.table,
        PolicyName=policy.policy,
        PolicyType=policy.type,
        **_scaled(place, policy),
        **configuration,
    )
    return SettingCall.of("PutScalingPolicy", answer)


def unfollow(aws: Aws, place: TableRef, policy: ScalingPolicy) -> SettingCall:
    """Have a capacity follow the load no more."""
    answer = aws.call(
        "application-autoscaling",
        "delete_scaling_policy",
        table=place.table,
        PolicyName=policy.policy,
        **_scaled(place, policy),
    )
    return SettingCall.of("DeleteScalingPolicy", answer)


def send(aws: Aws, place: TableRef, destination: KinesisDestination) -> SettingCall:
    """Send every change to a Kinesis stream."""
    precision = {"ApproximateCreationDateTimePrecision": destination.precision} if destination.precision else {}
    more: dict[str, Any] = {"EnableKinesisStreamingConfiguration": precision} if precision else {}
    answer = aws.call(
        "dynamodb",
        "enable_kinesis_streaming_destination",
        TableName=place.table,
        StreamArn=destination.stream_arn,
        **more,
    )
    return SettingCall.of("EnableKinesisStreamingDestination", answer)


def unsend(aws: Aws, place: TableRef, destination: KinesisDestination) -> SettingCall:
    """Send changes to a Kinesis stream no more."""
    answer = aws.call(
        "dynamodb",
        "disable_kinesis_streaming_destination",
        TableName=place.table,
        StreamArn=destination.stream_arn,
    )
    return SettingCall.of("DisableKinesisStreamingDestination", answer)


def call_function(aws: Aws, place: TableRef, stream_arn: str, source: EventSource) -> SettingCall:
    """Have a function read the table's stream, from now on: what it saw of the original is not sent again."""
    answer = aws.call(
        "lambda",
        "create_event_source_mapping",
        table=place.table,
        FunctionName=source.function_arn,
        EventSourceArn=stream_arn,
        StartingPosition="LATEST",
        Enabled=source.enabled,
        **source.options,
    )
    return SettingCall.of("CreateEventSourceMapping", answer)


def drop_function(aws: Aws, place: TableRef, stream_arn: str, source: EventSource) -> list[SettingCall]:
    """Have a function read the table's stream no more."""
    mappings = aws.paginate(
        "lambda", "list_event_source_mappings", "EventSourceMappings", table=place.table, EventSourceArn=stream_arn
    )
    calls = []
    for mapping in mappings:
        if mapping["FunctionArn"] == source.function_arn and mapping.get("State") != "Deleting":
            try:
                answer = aws.call("lambda", "delete_event_source_mapping", table=place.table, UUID=mapping["UUID"])
            except AwsError as error:
                if error.code != "ResourceNotFoundException":
                    raise
                continue
            calls.append(SettingCall.of("DeleteEventSourceMapping", answer))
    return calls


def _scaled(place: TableRef, scaling: ScalingTarget | ScalingPolicy) -> dict[str, Any]:
    resource = f"table/{place.table}" + (f"/index/{scaling.index}" if scaling.index else "")
    return {"ServiceNamespace": "dynamodb", "ResourceId": resource, "ScalableDimension": scaling.dimension}
