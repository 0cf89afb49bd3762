"""The sandbox itself: its clock, its own HTTP interface, its seeds, its other services."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.exceptions import ClientError

from pitrkit.sandbox import Clock, PastWrite, Sandbox

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TABLE = {
    "TableName": "Shop",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


@pytest.fixture
def sandbox():
    with Sandbox(ticking=False) as sandbox:
        sandbox.clock.set(NOON)
        yield sandbox


def ask(sandbox, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(f"{sandbox.url}/_sandbox/{path}", data=data)) as reply:
            return reply.status, json.load(reply)
    except HTTPError as error:
        return error.code, json.load(error)


def write(seconds, pk, **attributes):
    key = {"pk": {"S": pk}}
    item = None if attributes.pop("deleted", False) else {**key, **attributes}
    return PastWrite(NOON + timedelta(seconds=seconds), key, item)


def test_the_service_deletes_what_expired_when_it_is_asked_to_over_http(sandbox):
    past, ahead = ({"N": str(int(NOON.timestamp()) + seconds)} for seconds in (-1, 60))
    writes = [write(-9, "a", ends=past), write(-8, "b", ends=ahead), write(-7, "c")]
    sandbox.seed(TABLE, writes, created_at=NOON - timedelta(minutes=1), ttl_attribute="ends")
    assert ask(sandbox, "expire", {}) == (200, {"deleted": {"Shop": 1}})
    assert ask(sandbox, "expire", {}) == (200, {"deleted": {}})
    left = sandbox.client("dynamodb").scan(TableName="Shop")["Items"]
    assert {item["pk"]["S"] for item in left} == {"b", "c"}


def test_the_clock_is_read_and_set_over_http(sandbox):
    assert ask(sandbox, "clock") == (200, {"now": "2026-11-20T12:00:00+00:00"})
    assert ask(sandbox, "clock", {"advance": 90}) == (200, {"now": "2026-11-20T12:01:30+00:00"})
    assert ask(sandbox, "clock", {"now": "2026-11-20T15:00:00+02:00"}) == (
        200,
        {"now": "2026-11-20T13:00:00+00:00"},
    )
    assert sandbox.clock.now() == NOON + timedelta(hours=1)
    for wrong in ({"advance": -1}, {"now": "2026-11-20T15:00:00"}, {"now": "soon"}, {"advance": 1e300}, {}, []):
        status, answer = ask(sandbox, "clock", wrong)
        assert status == 400
        assert answer["error"]
    assert sandbox.clock.now() == NOON + timedelta(hours=1)


def test_the_clock_does_not_go_back_behind_what_happened(sandbox):
    sandbox.client("dynamodb").create_table(**TABLE)
    sandbox.clock.advance(10)
    sandbox.clock.set(NOON + timedelta(seconds=5))
    with pytest.raises(ValueError, match="cannot go back"):
        sandbox.clock.set(NOON - timedelta(seconds=1))


def test_a_ticking_clock_goes_on_from_where_it_was_set():
    clock = Clock()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
    clock.set(NOON)
    time.sleep(0.01)
    assert NOON < clock.now() < NOON + timedelta(minutes=1)


def test_health_and_truth(sandbox):
    assert ask(sandbox, "health") == (200, {"status": "ok"})
    assert ask(sandbox, "truth")[0] == 404
    sandbox.truth = lambda: {"must_return": ["o1"]}
    assert ask(sandbox, "truth") == (200, {"must_return": ["o1"]})
    assert ask(sandbox, "elsewhere")[0] == 404


def test_its_environment_points_any_client_here(sandbox, monkeypatch):
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    session = boto3.session.Session()
    session.client("dynamodb").create_table(**TABLE)
    assert sandbox.client("dynamodb").list_tables()["TableNames"] == ["Shop"]
    assert session.client("sts").get_caller_identity()["Account"] == "123456789012"


def test_other_services_are_motos_own(sandbox):
    bucket = sandbox.client("s3")
    bucket.create_bucket(Bucket="exports")
    bucket.put_object(Bucket="exports", Key="a/b", Body=b"x" * 100_000)
    assert bucket.get_object(Bucket="exports", Key="a/b")["Body"].read() == b"x" * 100_000
    assert bucket.head_object(Bucket="exports", Key="a/b")["ContentLength"] == 100_000
    metrics = sandbox.client("cloudwatch")
    metrics.put_metric_data(Namespace="Test", MetricData=[{"MetricName": "m", "Value": 1.0}])
    assert metrics.list_metrics(Namespace="Test")["Metrics"][0]["MetricName"] == "m"
    assert sandbox.client("cloudtrail").describe_trails()["trailList"] == []


def test_each_sandbox_begins_empty_and_only_one_is_open():
    with Sandbox() as first:
        first.client("dynamodb").create_table(**TABLE)
        first.client("s3").create_bucket(Bucket="exports")
        with pytest.raises(RuntimeError, match="already open"), Sandbox():
            pass
        url = first.url
    with pytest.raises(OSError):
        urlopen(f"{url}/_sandbox/health")
    with Sandbox() as second:
        assert second.client("dynamodb").list_tables()["TableNames"] == []
        assert second.client("s3").list_buckets()["Buckets"] == []


def test_requests_without_a_signature_or_json_are_refused(sandbox):
    target = {"X-Amz-Target": "DynamoDB_20120810.ListTables"}
    signed = {**target, "Authorization": "AWS4-HMAC-SHA256 Credential=k/20261120/us-east-1/dynamodb/aws4_request, x"}
    for headers, body in ((target, b"{}"), (signed, b"{")):
        with pytest.raises(HTTPError) as refused:
            urlopen(Request(sandbox.url, data=body, headers=headers))
        assert refused.value.code == 400
        refused.value.close()


def test_a_seeded_table_has_its_past(sandbox):
    sandbox.clock.set(NOON + timedelta(hours=1))
    sandbox.seed(
        TABLE,
        [
            write(0, "a", v={"N": "1.0"}),
            write(10, "b"),
            write(10, "a", v={"N": "2"}),
            write(20, "b", deleted=True),
            write(30, "c", s={"SS": ["y", "x"]}, bin={"B": "AP8="}),
        ],
        created_at=NOON - timedelta(hours=1),
        ttl_attribute="expires",
        tags={"team": "shop"},
    )
    dynamodb = sandbox.client("dynamodb")
    table = dynamodb.describe_table(TableName="Shop")["Table"]
    assert table["CreationDateTime"] == NOON - timedelta(hours=1)
    assert table["ItemCount"] == 2
    assert dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"] == [{"Key": "team", "Value": "shop"}]
    ttl = dynamodb.describe_time_to_live(TableName="Shop")["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    expected = {
        -1: {},
        0: {"a": {"N": "1"}},
        10: {"a": {"N": "2"}, "b": None},
        20: {"a": {"N": "2"}},
        30: {"a": {"N": "2"}, "c": None},
    }
    for seconds, values in expected.items():
        dynamodb.restore_table_to_point_in_time(
            SourceTableName="Shop",
            TargetTableName=f"At{seconds}",
            RestoreDateTime=NOON + timedelta(seconds=seconds),
        )
        found = {item["pk"]["S"]: item.get("v") for item in dynamodb.scan(TableName=f"At{seconds}")["Items"]}
        assert found == values
    item = dynamodb.get_item(TableName="Shop", Key={"pk": {"S": "c"}})["Item"]
    assert item["bin"] == {"B": b"\x00\xff"}
    dynamodb.put_item(TableName="Shop", Item={"pk": {"S": "d"}})  # and it goes on over HTTP
    assert dynamodb.describe_table(TableName="Shop")["Table"]["ItemCount"] == 3


@pytest.mark.parametrize(
    "writes",
    [
        [write(10, "a"), write(9, "a", v={"N": "1"})],
        [write(-3601, "a")],
        [write(1, "a")],
        [PastWrite(NOON.replace(tzinfo=None), {}, {"pk": {"S": "a"}})],
    ],
)
def test_a_past_out_of_order_is_refused_and_leaves_no_table(sandbox, writes):
    with pytest.raises(ValueError, match="past of Shop"):
        sandbox.seed(TABLE, writes, created_at=NOON - timedelta(hours=1))
    assert sandbox.client("dynamodb").list_tables()["TableNames"] == []


def test_a_seed_without_recovery_cannot_be_restored(sandbox):
    sandbox.seed(TABLE, [write(0, "a")], created_at=NOON - timedelta(hours=1), pitr=False)
    with pytest.raises(ClientError) as refused:
        sandbox.client("dynamodb").restore_table_to_point_in_time(
            SourceTableName="Shop", TargetTableName="Copy", UseLatestRestorableTime=True
        )
    assert refused.value.response["Error"]["Code"] == "PointInTimeRecoveryUnavailableException"


def test_ttl_is_switched_once_at_a_time(sandbox):
    dynamodb = sandbox.client("dynamodb")
    dynamodb.create_table(**TABLE)
    on = {"TableName": "Shop", "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "expires"}}
    off = {"TableName": "Shop", "TimeToLiveSpecification": {"Enabled": False, "AttributeName": "expires"}}
    for change, status in ((on, "ENABLED"), (off, "DISABLED")):
        dynamodb.update_time_to_live(**change)
        sandbox.clock.advance(3601)  # another change is refused for an hour
        described = dynamodb.describe_time_to_live(TableName="Shop")["TimeToLiveDescription"]
        assert described["TimeToLiveStatus"] == status
        with pytest.raises(ClientError) as refused:
            dynamodb.update_time_to_live(**change)
        assert refused.value.response["Error"]["Code"] == "ValidationException"
