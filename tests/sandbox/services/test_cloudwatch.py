"""CloudWatch's minutes: counted from what happened, seeded or live, and asked for as boto3 asks."""

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from pitrkit.sandbox import FaultRule, PastWrite, Sandbox
from pitrkit.sandbox.scenario.shop import orders
from tests.proving import examples

pytestmark = pytest.mark.takes(20)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATENCY = "SuccessfulRequestLatency"


@pytest.fixture
def sandbox():
    with Sandbox(ticking=False) as sandbox:
        sandbox.clock.set(NOON)
        sandbox.client("dynamodb").create_table(**SHOP)
        yield sandbox


@pytest.fixture
def dynamodb(sandbox):
    return sandbox.client("dynamodb")


SHOP = {
    "TableName": "Shop",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def query(name, operation="", *, stat="SampleCount", period=60, table="Shop", number=0, **more):
    dimensions = {"TableName": table, **({"Operation": operation} if operation else {}), **more}
    return {
        "Id": f"q{number}",
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/DynamoDB",
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            },
            "Period": period,
            "Stat": stat,
        },
    }


def ask(sandbox, *queries, start=NOON - timedelta(hours=12), end=NOON + timedelta(hours=12), **more):
    """Points by the query's Id: time and value, as the paginator gives them."""
    pages = sandbox.client("cloudwatch").get_paginator("get_metric_data")
    found = {}
    for page in pages.paginate(
        MetricDataQueries=list(queries), StartTime=start, EndTime=end, ScanBy="TimestampAscending", **more
    ):
        for result in page["MetricDataResults"]:
            found.setdefault(result["Id"], []).extend(zip(result["Timestamps"], result["Values"], strict=True))
    return found


def total(sandbox, name, operation="", **more):
    return sum(value for _, value in ask(sandbox, query(name, operation, **more))["q0"])


def code(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"]


def item(pk, size=0):
    return {"pk": {"S": pk}, "v": {"S": "x" * size}}


def test_each_successful_call_is_counted_once_by_its_operation(sandbox, dynamodb):
    for pk in "abc":
        dynamodb.put_item(TableName="Shop", Item=item(pk))
    dynamodb.delete_item(TableName="Shop", Key={"pk": {"S": "a"}})
    dynamodb.batch_write_item(RequestItems={"Shop": [{"PutRequest": {"Item": item(f"b{n}")}} for n in range(25)]})
    dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": "Shop", "Item": item(pk)}} for pk in "xy"])
    dynamodb.execute_statement(Statement="""SELECT * FROM "Shop" WHERE pk = 'x'""")
    dynamodb.scan(TableName="Shop")
    dynamodb.get_item(TableName="Shop", Key={"pk": {"S": "a"}})
    dynamodb.describe_table(TableName="Shop")
    found = {
        series["Dimensions"][0]["Value"]: total(sandbox, LATENCY, series["Dimensions"][0]["Value"])
        for series in sandbox.client("cloudwatch").list_metrics(Namespace="AWS/DynamoDB", MetricName=LATENCY)["Metrics"]
    }
    assert found == {
        "PutItem": 3,
        "DeleteItem": 1,
        "BatchWriteItem": 1,
        "TransactWriteItems": 1,
        "ExecuteStatement": 1,
        "Scan": 1,
        "GetItem": 1,
    }


def test_a_call_counts_in_its_own_minute_by_the_sandboxs_clock(sandbox, dynamodb):
    for seconds in (0, 59.5, 1, 3600):
        sandbox.clock.advance(seconds)
        dynamodb.put_item(TableName="Shop", Item=item("a"))
    found = ask(sandbox, query(LATENCY, "PutItem"))["q0"]
    assert found == [(NOON, 2), (NOON + timedelta(minutes=1), 1), (NOON + timedelta(minutes=61), 1)]
    assert ask(sandbox, query(LATENCY, "PutItem"), end=NOON + timedelta(minutes=1))["q0"] == found[:1]
    assert ask(sandbox, query(LATENCY, "PutItem", period=300), start=NOON)["q0"] == [
        (NOON, 3),
        (NOON + timedelta(minutes=60), 1),
    ]


@settings(max_examples=examples(20))
@given(
    minutes=st.lists(st.integers(0, 1439), max_size=40),
    period=st.sampled_from([60, 120, 300, 3600, 86400]),
    page=st.one_of(st.none(), st.integers(1, 7)),
    ascending=st.booleans(),
)
def test_periods_add_up_their_minutes_and_pages_make_one_answer(minutes, period, page, ascending):
    with Sandbox(ticking=False) as sandbox:
        sandbox.clock.set(NOON)
        begun_at = NOON - timedelta(days=1)
        sandbox.seed(
            SHOP,
            [
                PastWrite(begun_at + timedelta(minutes=minute, seconds=number / 100), {}, item(f"{number}"))
                for number, minute in enumerate(sorted(minutes))
            ],
            created_at=begun_at,
        )
        expected = Counter(
            begun_at + timedelta(minutes=minute // (period // 60) * (period // 60)) for minute in minutes
        )
        cloudwatch = sandbox.client("cloudwatch")
        asked = {
            "MetricDataQueries": [
                query(LATENCY, "PutItem", period=period),
                query(LATENCY, "UpdateItem", number=1),
                query("ConsumedWriteCapacityUnits", stat="Sum", period=period, number=2),
            ],
            "StartTime": begun_at + timedelta(seconds=20),
            "EndTime": NOON,
            "ScanBy": "TimestampAscending" if ascending else "TimestampDescending",
            **({} if page is None else {"MaxDatapoints": page}),
        }
        found = {"q0": [], "q1": [], "q2": []}
        token = {}
        while True:
            answer = cloudwatch.get_metric_data(**asked, **token)
            assert page is None or sum(len(one["Values"]) for one in answer["MetricDataResults"]) <= page
            for one in answer["MetricDataResults"]:
                found[one["Id"]] += zip(one["Timestamps"], one["Values"], strict=True)
            if "NextToken" not in answer:
                break
            token = {"NextToken": answer["NextToken"]}
        points = sorted(expected.items(), reverse=not ascending)
        assert found == {"q0": points, "q1": [], "q2": points}


def test_a_seeded_past_is_counted_by_what_happened():
    scenario = orders(now=NOON)
    with Sandbox(ticking=False) as sandbox:
        sandbox.clock.set(NOON)
        scenario.lay_into(sandbox)
        end = NOON + timedelta(minutes=1)
        units = {"name": "ConsumedWriteCapacityUnits", "table": "Orders", "stat": "Sum"}
        queries = [
            query(LATENCY, "PutItem", table="Orders"),
            query(LATENCY, "UpdateItem", table="Orders", number=1),
            query(LATENCY, "DeleteItem", table="Orders", number=2),
            query("TimeToLiveDeletedItemCount", table="Orders", stat="Sum", number=3),
            query(**units, number=4),
            query(**units, number=5, GlobalSecondaryIndexName="by_status"),
        ]
        found = ask(sandbox, *queries, start=NOON - timedelta(days=1), end=end)
    sums = {name: sum(value for _, value in points) for name, points in found.items()}
    expired = sum(write.by == "ttl" for write in scenario.writes)
    assert sums["q0"] + sums["q1"] + sums["q2"] + sums["q3"] == len(scenario.writes)
    assert (sums["q0"], sums["q3"]) == (3000, expired)
    assert len(found["q0"]) > 300
    assert sums["q4"] >= len(scenario.writes) - expired
    assert sums["q5"] > 0
    minute = scenario.truth.damage_started_at.replace(second=0, microsecond=0)
    during = sum(value for at, value in found["q2"] if minute <= at <= minute + timedelta(minutes=2))
    assert during >= len(scenario.truth.deleted)


def test_seeded_writes_of_one_moment_came_in_batches():
    with Sandbox(ticking=False) as sandbox:
        sandbox.clock.set(NOON)
        sandbox.seed(
            SHOP, [PastWrite(NOON, {}, item(f"{n}")) for n in range(26)], created_at=NOON - timedelta(minutes=1)
        )
        assert total(sandbox, LATENCY, "BatchWriteItem") == 2
        assert total(sandbox, LATENCY, "PutItem") == 0


def test_consumed_units_are_those_the_replies_told(sandbox, dynamodb):
    told = Counter()

    def call(operation, way, **parameters):
        consumed = getattr(dynamodb, operation)(ReturnConsumedCapacity="TOTAL", **parameters)["ConsumedCapacity"]
        for one in consumed if isinstance(consumed, list) else [consumed]:
            told[way] += one["CapacityUnits"]

    call("put_item", "Write", TableName="Shop", Item=item("a", 3000))
    call("put_item", "Write", TableName="Shop", Item=item("a", 3000))
    call("delete_item", "Write", TableName="Shop", Key={"pk": {"S": "absent"}})
    call("batch_write_item", "Write", RequestItems={"Shop": [{"PutRequest": {"Item": item(c, 1500)}} for c in "bcd"]})
    call("transact_write_items", "Write", TransactItems=[{"Put": {"TableName": "Shop", "Item": item("e", 2500)}}])
    call("execute_statement", "Write", Statement="""INSERT INTO "Shop" VALUE {'pk': 'f'}""")
    call("scan", "Read", TableName="Shop", ConsistentRead=True)
    call("query", "Read", TableName="Shop", KeyConditionExpression="pk = :a", ExpressionAttributeValues={":a": {"S": "a"}})  # fmt: skip  # noqa: E501
    call("get_item", "Read", TableName="Shop", Key={"pk": {"S": "a"}})
    call("batch_get_item", "Read", RequestItems={"Shop": {"Keys": [{"pk": {"S": c}} for c in "abc"]}})
    assert total(sandbox, "ConsumedWriteCapacityUnits", stat="Sum") == told["Write"]
    assert total(sandbox, "ConsumedReadCapacityUnits", stat="Sum") == told["Read"]
    assert total(sandbox, "ConsumedWriteCapacityUnits", stat="SampleCount") == 6


def test_failed_conditions_are_counted_and_cost_units(sandbox, dynamodb):
    dynamodb.put_item(TableName="Shop", Item=item("a", 2000))
    new = {"ConditionExpression": "attribute_not_exists(pk)"}
    assert code(dynamodb.put_item, TableName="Shop", Item=item("a"), **new) == "ConditionalCheckFailedException"
    put = {"Put": {"TableName": "Shop", "Item": item("a"), **new}}
    assert code(dynamodb.transact_write_items, TransactItems=[put]) == "TransactionCanceledException"
    dynamodb.batch_execute_statement(
        Statements=[{"Statement": """DELETE FROM "Shop" WHERE pk = 'a' AND v = 'other'"""}]
    )
    assert total(sandbox, "ConditionalCheckFailedRequests", stat="Sum") == 3
    assert total(sandbox, LATENCY, "PutItem") == 1
    assert total(sandbox, "ConsumedWriteCapacityUnits", stat="Sum") >= 4


def test_throttled_requests_are_counted_and_are_no_successful_ones(sandbox, dynamodb):
    sandbox.faults.add(FaultRule("throttle", count=2, service="dynamodb"))
    for _ in range(2):
        code(dynamodb.put_item, TableName="Shop", Item=item("a"))
    batch = {"Shop": [{"PutRequest": {"Item": item(str(n))}} for n in range(20)]}
    sandbox.faults.add(FaultRule("unprocessed", count=1))
    left = len(dynamodb.batch_write_item(RequestItems=batch)["UnprocessedItems"]["Shop"])
    assert total(sandbox, "ThrottledRequests", "PutItem", stat="Sum") == 2
    assert total(sandbox, "ThrottledRequests", "BatchWriteItem", stat="Sum") == 0
    assert total(sandbox, "WriteThrottleEvents", stat="Sum") == 2 + left
    assert total(sandbox, LATENCY, "PutItem") == 0
    assert total(sandbox, LATENCY, "BatchWriteItem") == 1


def test_a_write_whose_answer_was_lost_is_counted(sandbox, dynamodb):
    sandbox.faults.add(FaultRule("drop_after"))
    with pytest.raises(Exception, match="closed"):
        dynamodb.put_item(TableName="Shop", Item=item("a"))
    sandbox.faults.clear()
    assert total(sandbox, LATENCY, "PutItem") == 1


def test_expired_items_are_counted_when_the_service_deletes_them(sandbox, dynamodb):
    dynamodb.update_time_to_live(TableName="Shop", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ends"})
    for pk in "abc":
        dynamodb.put_item(TableName="Shop", Item={"pk": {"S": pk}, "ends": {"N": str(int(NOON.timestamp()) - 60)}})
    sandbox.expire()
    assert total(sandbox, "TimeToLiveDeletedItemCount", stat="Sum") == 3
    assert total(sandbox, LATENCY, "DeleteItem") == 0


def test_a_deleted_tables_metrics_remain(sandbox, dynamodb):
    dynamodb.put_item(TableName="Shop", Item=item("a"))
    dynamodb.delete_table(TableName="Shop")
    assert total(sandbox, LATENCY, "PutItem") == 1


def test_calls_of_many_threads_are_all_counted(sandbox):
    def work(name):
        client = sandbox.client("dynamodb")
        for number in range(20):
            client.put_item(TableName="Shop", Item=item(f"{name}{number}"))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total(sandbox, LATENCY, "PutItem") == 80


def test_statistics_of_one_metric_and_the_list_of_metrics(sandbox, dynamodb):
    for pk in "ab":
        dynamodb.put_item(TableName="Shop", Item=item(pk, 1500))
    cloudwatch = sandbox.client("cloudwatch")
    dimensions = [{"Name": "TableName", "Value": "Shop"}]
    asked = {
        "Namespace": "AWS/DynamoDB",
        "MetricName": "ConsumedWriteCapacityUnits",
        "Dimensions": dimensions,
        "StartTime": NOON,
        "EndTime": NOON + timedelta(hours=1),
        "Period": 60,
    }
    statistics = ["SampleCount", "Sum", "Average", "Minimum", "Maximum"]
    (point,) = cloudwatch.get_metric_statistics(**asked, Statistics=statistics)["Datapoints"]
    assert point["Timestamp"] == NOON
    assert [point[name] for name in statistics] == [2, 4, 2, 2, 2]
    listed = cloudwatch.list_metrics(Namespace="AWS/DynamoDB", Dimensions=[{"Name": "Operation"}])["Metrics"]
    assert [(one["MetricName"], {d["Name"]: d["Value"] for d in one["Dimensions"]}) for one in listed] == [
        (LATENCY, {"Operation": "PutItem", "TableName": "Shop"})
    ]


def test_metrics_of_others_and_alarms_are_still_there(sandbox, dynamodb):
    cloudwatch = sandbox.client("cloudwatch")
    dynamodb.put_item(TableName="Shop", Item=item("a"))
    cloudwatch.put_metric_data(Namespace="Shop", MetricData=[{"MetricName": "Errors", "Value": 3, "Timestamp": NOON}])
    theirs = query("Errors", stat="Sum", number=1)
    theirs["MetricStat"]["Metric"] = {"Namespace": "Shop", "MetricName": "Errors"}
    found = ask(sandbox, theirs, query(LATENCY, "PutItem"), start=NOON, end=NOON + timedelta(minutes=5))
    assert {name: [value for _, value in points] for name, points in found.items()} == {"q0": [1], "q1": [3]}
    cloudwatch.put_metric_alarm(
        AlarmName="errors",
        Namespace="Shop",
        MetricName="Errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    assert [alarm["AlarmName"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]] == ["errors"]


def test_what_makes_no_sense_is_refused(sandbox):
    cloudwatch = sandbox.client("cloudwatch")
    one = {"MetricDataQueries": [query(LATENCY, "PutItem")], "StartTime": NOON, "EndTime": NOON + timedelta(hours=1)}
    ask_once = cloudwatch.get_metric_data
    assert code(ask_once, **{**one, "EndTime": NOON}) == "ValidationError"
    assert code(ask_once, **{**one, "MetricDataQueries": [query(LATENCY, "PutItem", period=90)]}) == "ValidationError"
    assert code(ask_once, **one, NextToken="nonsense") == "InvalidNextToken"
    assert code(ask_once, **one, MaxDatapoints=100_801) == "ValidationError"


@pytest.mark.parametrize("operation", ["GetMetricData", "DescribeAlarms"])
def test_cloudwatch_may_be_denied_and_throttled(sandbox, operation):
    cloudwatch = sandbox.client("cloudwatch")
    calls = {
        "GetMetricData": lambda: ask(sandbox, query(LATENCY, "PutItem")),
        "DescribeAlarms": cloudwatch.describe_alarms,
    }
    sandbox.faults.add(FaultRule("denied", service="cloudwatch", operations=(operation,)))
    with pytest.raises(ClientError) as caught:
        calls[operation]()
    error = caught.value.response["Error"]
    assert error["Code"] == "AccessDenied"
    assert f"not authorized to perform: cloudwatch:{operation} " in error["Message"]
    sandbox.client("dynamodb").describe_table(TableName="Shop")
    sandbox.faults.clear()
    sandbox.faults.add(FaultRule("throttle", service="cloudwatch", count=1))
    assert code(calls[operation]) == "Throttling"
    calls[operation]()
