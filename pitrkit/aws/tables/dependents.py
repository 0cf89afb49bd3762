"""What depends on a table and is triggered by writes to it: consumers, scaling, its key.

Each is asked for once, without retries: none of it is worth waiting for, and a source that does not answer is told as
one that cannot be known.
"""

from __future__ import annotations

from dataclasses import dataclass

from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables.tables import Table

_MOST_TARGETS = 50
_IDLE = {"Disabled", "Disabling", "Deleting"}
_SENDS = {"ACTIVE", "ENABLING", "UPDATING"}


@dataclass(frozen=True, slots=True)
class StreamConsumer:
    """A Lambda function that reads a stream.

    Attributes:
        function: Its name.
        active: Whether it is invoked at present.
    """

    function: str
    active: bool


@dataclass(frozen=True, slots=True)
class Scaling:
    """What Application Auto Scaling may set write units to.

    Attributes:
        index: Of which index; blank for the table.
    """

    index: str
    least: int
    most: int
    suspended: bool


def readers(aws: Aws, table: Table) -> list[StreamConsumer]:
    """Return the Lambda functions that read the table's stream, in this Region and account.

    Who reads it otherwise (the Kinesis adapter, programs of its own, other accounts) is not known to any API.
    """
    mappings = aws.paginate(
        "lambda",
        "list_event_source_mappings",
        "EventSourceMappings",
        table=table.name,
        retry=False,
        EventSourceArn=table.stream_arn,
    )
    return [
        StreamConsumer(_function(str(mapping.get("FunctionArn", ""))), mapping.get("State") not in _IDLE)
        for mapping in mappings
    ]


def _function(arn: str) -> str:
    return arn.partition(":function:")[2] or arn


def kinesis_streams(aws: Aws, table: Table) -> list[str]:
    """Return the names of the Kinesis streams that every change of the table is sent to."""
    answer = aws.call("dynamodb", "describe_kinesis_streaming_destination", retry=False, TableName=table.name)
    return [
        str(destination["StreamArn"]).rpartition("/")[2]
        for destination in answer.get("KinesisDataStreamDestinations") or ()
        if destination.get("DestinationStatus") in _SENDS
    ]


def write_scaling(aws: Aws, table: Table) -> list[Scaling]:
    """Return what may scale the write units of the table and its global indexes."""
    names = [f"table/{table.name}", *(f"table/{table.name}/index/{index.name}" for index in table.indexes)]
    answer = aws.call(
        "application-autoscaling",
        "describe_scalable_targets",
        table=table.name,
        retry=False,
        ServiceNamespace="dynamodb",
        ResourceIds=names[:_MOST_TARGETS],
    )
    return [
        Scaling(
            target["ResourceId"].partition("/index/")[2],
            int(target["MinCapacity"]),
            int(target["MaxCapacity"]),
            any((target.get("SuspendedState") or {}).values()),
        )
        for target in answer["ScalableTargets"]
        if target["ScalableDimension"].endswith(":WriteCapacityUnits")
    ]


def key_state(aws: Aws, table: Table) -> str:
    """Return the state of the KMS key that the table is encrypted with, e.g. `Enabled`."""
    answer = aws.call("kms", "describe_key", table=table.name, retry=False, KeyId=table.kms_key)
    return str(answer["KeyMetadata"]["KeyState"])
