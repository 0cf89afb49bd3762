"""CloudWatch: a table's writes minute by minute, and the alarms that a copy heeds.

`SuccessfulRequestLatency` has a sample for each successful call, so its SampleCount by operation is the number of
calls a minute (Amazon DynamoDB Developer Guide, "Metrics and dimensions"). A BatchWriteItem call may carry 25 items:
consumed write units tell that. GetMetricData takes 500 metrics a call and pages by 100,800 points, so everything a
table has to tell is asked for at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pitrkit.aws.client.client import Aws
from pitrkit.errors import BadInput
from pitrkit.times import utc

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

KEPT = ((timedelta(days=15), 60), (timedelta(days=63), 300))
"""Until which age points are kept, and at which seconds; older ones hourly, for 455 days."""

RECENTLY = timedelta(days=7)
"""How far back a table's last write is looked for: 168 hours of 500 tables fit one page of GetMetricData."""

_HOURLY = 3600
_MOST_QUERIES = 500
_MARGIN = timedelta(minutes=10)
_CALLS, _REFUSED = "c", "r"


@dataclass(frozen=True, slots=True)
class Minute:
    """Successful calls of one operation in the period (mostly a minute) that began at *at*."""

    at: datetime
    operation: str
    calls: int


@dataclass(frozen=True, slots=True)
class Activity:
    """What a table's writes were like, period by period; a period without an entry had none.

    Attributes:
        start_at: Beginning of the first period.
        end_at: End of the last period.
        period: Length of a period: a minute, five where they are older than 15 days, an hour past 63 days.
        calls: Successful calls by operation, in time order.
        write_units: Consumed write units.
        expired: Items that the table's TTL deleted.
        throttled: Writes refused for their rate.
        partial: CloudWatch did not give everything it has.
    """

    start_at: datetime
    end_at: datetime
    period: timedelta
    calls: tuple[Minute, ...] = ()
    write_units: tuple[tuple[datetime, float], ...] = ()
    expired: tuple[tuple[datetime, int], ...] = ()
    throttled: tuple[tuple[datetime, int], ...] = ()
    partial: bool = False


def period_for(start_at: datetime, now: datetime) -> timedelta:
    """Return the shortest period for which CloudWatch still keeps points from *start_at* on."""
    age = now - start_at + _MARGIN
    return timedelta(seconds=next((seconds for retention, seconds in KEPT if age <= retention), _HOURLY))


def read(aws: Aws, table: str, start_at: datetime, end_at: datetime) -> Activity:
    """Return the write activity of *table* from *start_at* to *end_at*, widened to whole periods.

    A minute is known a minute or two after it is over. One call for each 100,800 points that there are.

    Raises:
        AccessDenied: The caller may not read metrics (`cloudwatch:GetMetricData`).
        AwsError: CloudWatch cannot be asked.
    """
    period = period_for(start_at, datetime.now(UTC))
    start_at, end_at = _floored(start_at, period), _ceiled(end_at, period)
    points_by_id: dict[str, list[tuple[datetime, float]]] = {}
    states: dict[str, str] = {}
    for row in _data(aws, table, list(_queries(table, period)), start_at, end_at):
        points = zip(row.get("Timestamps", ()), row.get("Values", ()), strict=True)
        points_by_id.setdefault(row["Id"], []).extend((utc(at), value) for at, value in points if value)
        states[row["Id"]] = row.get("StatusCode", "Complete")  # PartialData is followed by another page
    calls = [
        Minute(at, operation, round(value))
        for number, operation in enumerate(WRITES)
        for at, value in points_by_id.get(f"{_CALLS}{number}", ())
    ]
    refused = Counter[datetime]()
    for number in range(len(WRITES)):
        for at, value in points_by_id.get(f"{_REFUSED}{number}", ()):
            refused[at] += round(value)
    # Both count the same refusals, one by table and one by operation; either may be absent.
    for at, value in points_by_id.get("events", ()):
        refused[at] = max(refused[at], round(value))
    return Activity(
        start_at=start_at,
        end_at=end_at,
        period=period,
        calls=tuple(sorted(calls, key=lambda minute: (minute.at, minute.operation))),
        write_units=tuple(sorted(points_by_id.get("units", ()))),
        expired=tuple(sorted((at, round(value)) for at, value in points_by_id.get("ttl", ()))),
        throttled=tuple(sorted(refused.items())),
        partial=any(state != "Complete" for state in states.values()),
    )


def consumed_write_units(aws: Aws, table: str, start_at: datetime, end_at: datetime) -> list[tuple[datetime, float]]:
    """Return the write units that *table* consumed in each minute that had any, in time order.

    A minute is known a minute or two after it is over.

    Raises:
        AccessDenied: The caller may not read metrics (`cloudwatch:GetMetricData`).
    """
    query = _query("units", table, "ConsumedWriteCapacityUnits", timedelta(minutes=1))
    rows = _data(aws, table, [query], start_at, end_at)
    return sorted(
        (utc(at), float(units)) for row in rows for at, units in zip(row["Timestamps"], row["Values"], strict=True)
    )


def last_writes(aws: Aws, names: Sequence[str], now: datetime) -> dict[str, datetime]:
    """Return the beginning of the last hour in which each of these tables was written to, of the last seven days.

    A table that is missing was not. One call for 500 tables.

    Raises:
        AccessDenied: The caller may not read metrics (`cloudwatch:GetMetricData`).
    """
    hour = timedelta(hours=1)
    end_at = _ceiled(now, hour)
    last_by_table: dict[str, datetime] = {}
    for first in range(0, len(names), _MOST_QUERIES):
        tables_by_label = {f"t{number}": name for number, name in enumerate(names[first : first + _MOST_QUERIES])}
        queries = [_query(label, name, "ConsumedWriteCapacityUnits", hour) for label, name in tables_by_label.items()]
        for row in _data(aws, "", queries, end_at - RECENTLY, end_at):
            written = [utc(at) for at, units in zip(row["Timestamps"], row["Values"], strict=True) if units]
            if written:
                name = tables_by_label[row["Id"]]
                last_by_table[name] = max([*written, *([last_by_table[name]] if name in last_by_table else [])])
    return last_by_table


def _data(
    aws: Aws, table: str, queries: list[dict[str, Any]], start_at: datetime, end_at: datetime
) -> Iterator[dict[str, Any]]:
    return aws.paginate(
        "cloudwatch",
        "get_metric_data",
        "MetricDataResults",
        table=table,
        MetricDataQueries=queries,
        StartTime=start_at,
        EndTime=end_at,
        ScanBy="TimestampAscending",
    )


def _queries(table: str, period: timedelta) -> Iterator[dict[str, Any]]:
    for number, operation in enumerate(WRITES):
        counted = {"statistic": "SampleCount", "operation": operation}
        yield _query(f"{_CALLS}{number}", table, "SuccessfulRequestLatency", period, **counted)
        yield _query(f"{_REFUSED}{number}", table, "ThrottledRequests", period, operation=operation)
    yield _query("units", table, "ConsumedWriteCapacityUnits", period)
    yield _query("ttl", table, "TimeToLiveDeletedItemCount", period)
    yield _query("events", table, "WriteThrottleEvents", period)


def _query(
    name: str, table: str, metric: str, period: timedelta, *, statistic: str = "Sum", operation: str = ""
) -> dict[str, Any]:
    dimensions = [{"Name": "TableName", "Value": table}]
    if operation:
        dimensions.append({"Name": "Operation", "Value": operation})
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {"Namespace": "AWS/DynamoDB", "MetricName": metric, "Dimensions": dimensions},
            "Period": int(period.total_seconds()),
            "Stat": statistic,
        },
    }


def _floored(at: datetime, period: timedelta) -> datetime:
    seconds = int(period.total_seconds())
    return datetime.fromtimestamp(int(at.timestamp()) // seconds * seconds, UTC)


def _ceiled(at: datetime, period: timedelta) -> datetime:
    floor = _floored(at, period)
    return floor if floor == at else floor + period


def in_alarm(aws: Aws, names: Sequence[str]) -> list[str]:
    """Return which of the alarms *names* (metric or composite, at most 100) are in ALARM now.

    Raises:
        BadInput: There is no alarm of such a name.
        AccessDenied: The caller may not read alarms (`cloudwatch:DescribeAlarms`).
    """
    answer = aws.call(
        "cloudwatch", "describe_alarms", AlarmNames=list(names), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    alarms = [*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ())]
    states = {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}
    if unknown := sorted(set(names) - states.keys()):
        raise BadInput(
            f"there is no CloudWatch alarm {', '.join(unknown)} in {aws.region}",
            fix="Check the name and the Region: a missing alarm cannot pause the copy.",
        )
    return sorted(name for name, state in states.items() if state == "ALARM")
