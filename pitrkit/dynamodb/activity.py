"""Write activity: how many writes a minute a table took, as CloudWatch knows it.

`SuccessfulRequestLatency` has a sample for each successful call, so its SampleCount by operation is the number of
calls a minute (Amazon DynamoDB Developer Guide, "Metrics and dimensions"). A BatchWriteItem call may carry 25 items.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pitrkit.dynamodb.session import Aws
from pitrkit.dynamodb.tables import utc

WRITES = (
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "TransactWriteItems",
    "ExecuteStatement",
    "BatchExecuteStatement",
    "ExecuteTransaction",
)
"""Operations that write, or may: CloudWatch does not tell a PartiQL SELECT from an INSERT."""


@dataclass(frozen=True, slots=True)
class Minute:
    """Successful calls of one operation in the minute that began at *at*."""

    at: datetime
    operation: str
    calls: int


def writes_per_minute(aws: Aws, table: str, start_at: datetime, end_at: datetime) -> list[Minute]:
    """Return the write calls of each minute that had any, in time order; empty where CloudWatch knows nothing.

    Minutes are kept for 15 days.

    Raises:
        AccessDenied: The caller may not read metrics (`cloudwatch:GetMetricData`).
    """
    queries = [
        {
            "Id": f"m{number}",
            "Label": operation,
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/DynamoDB",
                    "MetricName": "SuccessfulRequestLatency",
                    "Dimensions": [
                        {"Name": "TableName", "Value": table},
                        {"Name": "Operation", "Value": operation},
                    ],
                },
                "Period": 60,
                "Stat": "SampleCount",
            },
        }
        for number, operation in enumerate(WRITES)
    ]
    rows = aws.paginate(
        "cloudwatch",
        "get_metric_data",
        "MetricDataResults",
        table=table,
        MetricDataQueries=queries,
        StartTime=start_at,
        EndTime=end_at,
        ScanBy="TimestampAscending",
    )
    minutes = [
        Minute(utc(at), WRITES[int(row["Id"][1:])], int(calls))
        for row in rows
        for at, calls in zip(row["Timestamps"], row["Values"], strict=True)
        if calls
    ]
    return sorted(minutes, key=lambda minute: (minute.at, minute.operation))


def consumed_write_units(aws: Aws, table: str, start_at: datetime, end_at: datetime) -> list[tuple[datetime, float]]:
    """Return the write units that *table* consumed in each minute that had any, in time order.

    A minute is known a minute or two after it is over.

    Raises:
        AccessDenied: The caller may not read metrics (`cloudwatch:GetMetricData`).
    """
    metric = {
        "Namespace": "AWS/DynamoDB",
        "MetricName": "ConsumedWriteCapacityUnits",
        "Dimensions": [{"Name": "TableName", "Value": table}],
    }
    rows = aws.paginate(
        "cloudwatch",
        "get_metric_data",
        "MetricDataResults",
        table=table,
        MetricDataQueries=[{"Id": "units", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}],
        StartTime=start_at,
        EndTime=end_at,
        ScanBy="TimestampAscending",
    )
    return sorted(
        (utc(at), float(units)) for row in rows for at, units in zip(row["Timestamps"], row["Values"], strict=True)
    )
