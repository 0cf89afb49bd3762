"""CloudWatch's metrics of tables, answered from what the sandbox's tables have been through.

Everything else of CloudWatch is moto's: alarms, dashboards, metrics of other namespaces. A minute is known at once,
while the service needs one or two, and kept for as long as the sandbox lives. Percentiles and metric math are not known
here, nor what is read in transactions and by projections in batches.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from pitrkit.sandbox.protocol.protocol import OK, Handler, ServiceError, ServiceReply, ServiceRequest, moment
from pitrkit.sandbox.store.metric_data import MINUTE, Datum, Meter, Series

NAMESPACE = "AWS/DynamoDB"
MOST_POINTS = 100_800
MOST_STATISTICS_POINTS = 1440
MOST_QUERIES = 500
PAGE_METRICS = 500
_STATISTICS = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")


def metrics(request: ServiceRequest, inner: Handler) -> ServiceReply:
    """Layer around CloudWatch that answers what is asked about tables."""
    match request.operation:
        case "GetMetricData":
            return _data(request, inner)
        case "GetMetricStatistics" if request.body.get("Namespace") == NAMESPACE:
            return ServiceReply.json(_statistics(request))
        case "ListMetrics" if request.body.get("Namespace") == NAMESPACE:
            return ServiceReply.json(_listing(request))
    return inner(request)


def _data(request: ServiceRequest, inner: Handler) -> ServiceReply:
    body = request.body
    queries = body.get("MetricDataQueries", [])
    if len(queries) > MOST_QUERIES:
        raise _bad(f"The collection MetricDataQueries must not have a size greater than {MOST_QUERIES}.")
    ours = [query for query in queries if query.get("MetricStat", {}).get("Metric", {}).get("Namespace") == NAMESPACE]
    others = [query for query in queries if query not in ours]
    answer: dict[str, Any] = {"MetricDataResults": []}
    if (others or not queries) and "NextToken" not in body:
        reply = inner(request.changed("GetMetricData", {**body, "MetricDataQueries": others}))
        if reply.status != OK or not ours:
            return reply
        answer = reply.body
    page = _page(request, ours)
    order = [query.get("Id") for query in queries]
    results = sorted(
        [*answer["MetricDataResults"], *page.pop("MetricDataResults")], key=lambda result: order.index(result["Id"])
    )
    return ServiceReply.json({**answer, **page, "MetricDataResults": results})


def _page(request: ServiceRequest, queries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a page of results: as many points as fit, query by query."""
    body = request.body
    start, end = _window(body)
    room = body.get("MaxDatapoints", MOST_POINTS)
    if not 1 <= room <= MOST_POINTS:
        raise _bad(f"The parameter MaxDatapoints must be between 1 and {MOST_POINTS}.")
    query_json = orjson.dumps([body["StartTime"], body["EndTime"], [query["Id"] for query in queries]]).decode()
    first, skip = _resumed(body, query_json)
    ascending = body.get("ScanBy", "TimestampDescending") == "TimestampAscending"
    results = []
    for number in range(first, len(queries)):
        query = queries[number]
        if not query.get("ReturnData", True):
            continue
        stat = query["MetricStat"]
        points = list(_points(request.backend.meter, stat["Metric"], start, end, stat["Period"]))
        points = (points if ascending else points[::-1])[skip:]
        shown_points = points[:room]
        results.append(
            {
                "Id": query["Id"],
                "Label": query.get("Label") or stat["Metric"]["MetricName"],
                "Timestamps": [at for at, _ in shown_points],
                "Values": [_value(datum, stat["Stat"]) for _, datum in shown_points],
                "StatusCode": "Complete" if len(shown_points) == len(points) else "PartialData",
            }
        )
        room -= len(shown_points)
        if len(shown_points) < len(points):
            return {"MetricDataResults": results, "NextToken": _token(query_json, number, skip + len(shown_points))}
        skip = 0
        if not room and number + 1 < len(queries):
            return {"MetricDataResults": results, "NextToken": _token(query_json, number + 1, 0)}
    return {"MetricDataResults": results}


def _statistics(request: ServiceRequest) -> dict[str, Any]:
    body = request.body
    start, end = _window(body)
    points = list(_points(request.backend.meter, body, start, end, body["Period"]))
    if len(points) > MOST_STATISTICS_POINTS:
        raise ServiceError(
            "InvalidParameterCombination",
            f"You have requested up to {len(points)} datapoints, which exceeds the limit of "
            f"{MOST_STATISTICS_POINTS}. You may reduce the datapoints requested by increasing Period",
        )
    named = body.get("Statistics", [])
    unit = _unit(body["MetricName"])
    return {
        "Label": body["MetricName"],
        "Datapoints": [
            {"Timestamp": at, "Unit": unit, **{name: _value(datum, name) for name in named}} for at, datum in points
        ],
    }


def _listing(request: ServiceRequest) -> dict[str, Any]:
    body = request.body
    dimension_filters = body.get("Dimensions", [])
    matching_metrics = [
        series
        for series in request.backend.meter.series()
        if body.get("MetricName", series.metric) == series.metric
        and all(
            filtered["Name"] in dict(series.dimensions)
            and filtered.get("Value", dict(series.dimensions)[filtered["Name"]])
            == dict(series.dimensions)[filtered["Name"]]
            for filtered in dimension_filters
        )
    ]
    query_json = orjson.dumps([body.get("MetricName"), dimension_filters]).decode()
    start, _ = _resumed(body, query_json)
    answer: dict[str, Any] = {
        "Metrics": [
            {
                "Namespace": NAMESPACE,
                "MetricName": series.metric,
                "Dimensions": [{"Name": name, "Value": value} for name, value in series.dimensions],
            }
            for series in matching_metrics[start : start + PAGE_METRICS]
        ]
    }
    if len(matching_metrics) > start + PAGE_METRICS:
        answer["NextToken"] = _token(query_json, start + PAGE_METRICS, 0)
    return answer


def _window(body: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """Return the asked window, its beginning at a whole minute as the service rounds it."""
    start, end = moment(body["StartTime"]), moment(body["EndTime"])
    if start >= end:
        raise _bad("The parameter StartTime must be less than the parameter EndTime.")
    return start.replace(second=0, microsecond=0), end


def _points(
    meter: Meter, metric: Mapping[str, Any], start: datetime, end: datetime, period: int
) -> Iterator[tuple[int, Datum]]:
    """Yield the periods that have data, in time order, each with its beginning."""
    if period < MINUTE or period % MINUTE:
        raise _bad("The parameter Period must be a multiple of 60: these metrics have a datum a minute.")
    series = Series.of(
        metric["MetricName"], {dimension["Name"]: dimension["Value"] for dimension in metric.get("Dimensions", [])}
    )
    begin, until = int(start.timestamp()), end.timestamp()
    periods: dict[int, Datum] = {}
    for minute, datum in sorted(meter.minutes(series).items()):
        if begin <= minute < until:
            at = minute - (minute - begin) % period
            periods[at] = periods[at].plus(datum) if at in periods else datum
    yield from periods.items()


def _value(datum: Datum, statistic: str) -> float:
    match statistic:
        case "SampleCount":
            return datum.samples
        case "Sum":
            return datum.total
        case "Average":
            return datum.total / datum.samples
        case "Minimum":
            return datum.low
        case "Maximum":
            return datum.high
    raise _bad(f"The statistic {statistic} is not known here; there are {', '.join(_STATISTICS)}.")


def _unit(metric: str) -> str:
    return "Milliseconds" if metric == "SuccessfulRequestLatency" else "Count"


def _token(asked: str, number: int, skip: int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([asked, number, skip])).decode()


def _resumed(body: Mapping[str, Any], asked: str) -> tuple[int, int]:
    """Return where the page begins: by the token, which is good for the same question only."""
    if "NextToken" not in body:
        return 0, 0
    try:
        token_query, number, skip = orjson.loads(base64.urlsafe_b64decode(body["NextToken"]))
    except (binascii.Error, ValueError):
        token_query = number = skip = None
    if token_query != asked:
        raise ServiceError("InvalidNextToken", "The NextToken is not one of this request.")
    return number, skip


def _bad(message: str) -> ServiceError:
    return ServiceError("ValidationError", message)
