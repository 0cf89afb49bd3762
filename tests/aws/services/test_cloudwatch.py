"""Activity: what CloudWatch holds comes back minute by minute, in one call, as fine as it is still kept."""

from datetime import UTC, datetime, timedelta

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from pitrkit.aws.client.client import Aws
from pitrkit.aws.services import cloudwatch
from pitrkit.errors import AccessDenied

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
MINUTE = timedelta(minutes=1)


class Counting:
    """Counts the pages that boto3 asks for."""

    def __init__(self, aws):
        self._aws, self.asked = aws, []

    def paginate(self, *what, **params):
        self.asked.append(params)
        return self._aws.paginate(*what, **params)


def told(*points, table="Orders"):
    """Put *points* (metric, operation, minute, value) into CloudWatch as the service would."""
    cloudwatch = boto3.client("cloudwatch", region_name="eu-west-1")
    for metric, operation, minute, value in points:
        dimensions = [{"Name": "TableName", "Value": table}]
        if operation:
            dimensions.append({"Name": "Operation", "Value": operation})
        one = {"MetricName": metric, "Dimensions": dimensions, "Timestamp": NOW - timedelta(minutes=minute)}
        for _ in range(value if metric == "SuccessfulRequestLatency" else 1):
            counted = 3.5 if metric == "SuccessfulRequestLatency" else float(value)
            cloudwatch.put_metric_data(Namespace="AWS/DynamoDB", MetricData=[{**one, "Value": counted}])


@pytest.fixture
def aws():
    with mock_aws():
        yield Counting(Aws.connect(region="eu-west-1"))


def at(minute):
    return NOW - timedelta(minutes=minute)


def test_calls_units_ttl_deletions_and_throttles_come_back_in_one_call(aws):
    told(
        ("SuccessfulRequestLatency", "DeleteItem", 30, 4),
        ("SuccessfulRequestLatency", "PutItem", 30, 2),
        ("SuccessfulRequestLatency", "PutItem", 31, 1),
        ("SuccessfulRequestLatency", "GetItem", 30, 3),
        ("ConsumedWriteCapacityUnits", "", 30, 9),
        ("TimeToLiveDeletedItemCount", "", 29, 7),
        ("WriteThrottleEvents", "", 28, 5),
        ("ThrottledRequests", "PutItem", 28, 2),
        ("ThrottledRequests", "UpdateItem", 27, 3),
    )
    told(("SuccessfulRequestLatency", "PutItem", 30, 1), table="Others")
    found = cloudwatch.read(aws, "Orders", at(60) + timedelta(seconds=5), at(0))
    assert [(one.at, one.operation, one.calls) for one in found.calls] == [
        (at(31), "PutItem", 1), (at(30), "DeleteItem", 4), (at(30), "PutItem", 2),
    ]  # fmt: skip
    assert found.write_units == ((at(30), 9.0),)
    assert found.expired == ((at(29), 7),)
    assert found.throttled == ((at(28), 5), (at(27), 3)), "by table and by operation the same refusals are counted"
    assert (found.start_at, found.end_at, found.period, found.partial) == (at(60), at(0), MINUTE, False)
    (asked,) = aws.asked
    assert len(asked["MetricDataQueries"]) <= 500


def test_a_table_that_was_not_written_has_no_activity(aws):
    found = cloudwatch.read(aws, "Orders", at(60), at(0))
    assert (found.calls, found.write_units, found.expired, found.throttled) == ((), (), (), ())


@pytest.mark.parametrize(("days", "seconds"), [(0, 60), (14.9, 60), (15, 300), (62.9, 300), (64, 3600), (400, 3600)])
def test_the_period_is_the_finest_that_is_still_kept(days, seconds):
    assert cloudwatch.period_for(NOW - timedelta(days=days), NOW) == timedelta(seconds=seconds)


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_span_is_widened_to_whole_periods(before, length):
    start_at = NOW - timedelta(minutes=30, microseconds=before)
    end_at = start_at + timedelta(milliseconds=length)

    class Nothing:
        def paginate(self, *_what, **_params):
            return iter(())

    found = cloudwatch.read(Nothing(), "Orders", start_at, end_at)
    assert found.start_at <= start_at < end_at <= found.end_at
    assert found.start_at.second == found.end_at.second == 0
    assert found.end_at - found.start_at < end_at - start_at + 2 * MINUTE


def test_what_cloudwatch_holds_back_is_said():
    class Holding:
        def paginate(self, *_what, **_params):
            yield {"Id": "c0", "Timestamps": [at(2)], "Values": [3.0], "StatusCode": "PartialData"}
            yield {"Id": "c0", "Timestamps": [at(1)], "Values": [4.0], "StatusCode": "Complete"}
            yield {"Id": "units", "Timestamps": [], "Values": [], "StatusCode": "InternalError"}

    found = cloudwatch.read(Holding(), "Orders", at(5), at(0))
    assert [one.calls for one in found.calls] == [3, 4]
    assert found.partial


def test_a_refusal_names_the_missing_action(stubbed):
    with pytest.raises(AccessDenied) as caught:
        cloudwatch.read(stubbed, "Orders", at(5), at(0))
    assert "cloudwatch:GetMetricData" in caught.value.fix


@pytest.fixture
def stubbed(monkeypatch):
    from tests.aws.loopback import Stub, http

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    refused = http(
        '{"__type": "AccessDenied", "message": "no"}', status=403, headers=["x-amzn-query-error: AccessDenied;Sender"]
    )
    with Stub(refused) as stub:
        yield Aws.connect(region="eu-west-1", endpoint_url=stub.url)
