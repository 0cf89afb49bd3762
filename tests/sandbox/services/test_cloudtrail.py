"""CloudTrail: what the account's people did, what the sandbox's callers did, and how LookupEvents tells it."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from pitrkit.sandbox import FaultRule, ManagementEvent, Sandbox
from pitrkit.sandbox.scenario.shop import orders
from tests.proving import examples

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def sandbox():
    with Sandbox(ticking=False) as sandbox:
        sandbox.clock.set(NOON)
        yield sandbox


@pytest.fixture
def cloudtrail(sandbox):
    return sandbox.client("cloudtrail")


def lookup(cloudtrail, key="", value="", **more):
    attributes = {"LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}]} if key else {}
    pages = cloudtrail.get_paginator("lookup_events").paginate(**attributes, **more)
    return [event for page in pages for event in page["Events"]]


def names(events):
    return [event["EventName"] for event in events]


def code(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"]


def told(event):
    return json.loads(event["CloudTrailEvent"])


def create(dynamodb, name="Shop"):
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def test_management_calls_are_recorded_and_item_calls_are_not(sandbox, cloudtrail):
    dynamodb = sandbox.client("dynamodb")
    create(dynamodb)
    dynamodb.put_item(TableName="Shop", Item={"pk": {"S": "a"}})
    dynamodb.update_continuous_backups(
        TableName="Shop", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    dynamodb.update_time_to_live(TableName="Shop", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ends"})
    sandbox.clock.advance(5)
    dynamodb.restore_table_to_point_in_time(
        SourceTableName="Shop", TargetTableName="Copy", UseLatestRestorableTime=True
    )
    dynamodb.describe_table(TableName="Copy")
    dynamodb.scan(TableName="Copy")
    dynamodb.delete_table(TableName="Copy")
    assert names(lookup(cloudtrail)) == [
        "DeleteTable",
        "DescribeTable",
        "RestoreTableToPointInTime",
        "UpdateTimeToLive",
        "UpdateContinuousBackups",
        "CreateTable",
    ]
    assert names(lookup(cloudtrail, "ReadOnly", "true")) == ["DescribeTable"]
    assert names(lookup(cloudtrail, "ResourceName", "Copy")) == [
        "DeleteTable",
        "DescribeTable",
        "RestoreTableToPointInTime",
    ]


def test_an_event_is_told_in_the_services_form(sandbox, cloudtrail):
    sandbox.clock.advance(0.75)
    create(sandbox.client("dynamodb"))
    (event,) = lookup(cloudtrail)
    assert event["EventTime"] == NOON
    assert (event["EventSource"], event["ReadOnly"]) == ("dynamodb.amazonaws.com", "false")
    assert event["Resources"] == [{"ResourceType": "AWS::DynamoDB::Table", "ResourceName": "Shop"}]
    record = told(event)
    assert record["eventID"] == event["EventId"]
    assert record["eventTime"] == "2026-11-20T12:00:00Z"
    assert (record["eventName"], record["awsRegion"]) == ("CreateTable", "us-east-1")
    assert record["requestParameters"]["tableName"] == "Shop"
    assert record["requestParameters"]["keySchema"] == [{"attributeName": "pk", "keyType": "HASH"}]
    assert record["resources"][0]["ARN"] == "arn:aws:dynamodb:us-east-1:123456789012:table/Shop"
    assert record["userIdentity"]["type"] == "IAMUser"
    assert record["userIdentity"]["userName"] == event["Username"]
    assert record["sourceIPAddress"] == "127.0.0.1"
    assert record["managementEvent"] is True
    assert "errorCode" not in record


def test_a_refused_call_is_recorded_with_its_error(sandbox, cloudtrail):
    dynamodb = sandbox.client("dynamodb")
    code(dynamodb.delete_table, TableName="Nosuch")
    record = told(lookup(cloudtrail)[0])
    assert record["eventName"] == "DeleteTable"
    assert record["errorCode"] == "ResourceNotFoundException"
    assert record["errorMessage"]


def test_the_shops_scenario_has_its_bad_deploy_seconds_before_the_damage_and_a_good_one_hours_before():
    scenario = orders(now=NOON, orders=200)
    with Sandbox(ticking=False) as sandbox:
        sandbox.clock.set(NOON)
        scenario.lay_into(sandbox)
        cloudtrail = sandbox.client("cloudtrail")
        events = lookup(cloudtrail)
        deploys = lookup(cloudtrail, "EventName", "UpdateFunctionCode20150331v2")
        by = lookup(cloudtrail, "Username", deploys[0]["Username"])
    assert [event["EventTime"] for event in events] == sorted((e["EventTime"] for e in events), reverse=True)
    assert {*names(events)} == {
        "UpdateFunctionCode20150331v2",
        "CreateDeployment",
        "UpdateService",
        "UpdateStack",
        "UpdateTimeToLive",
    }
    started_at = scenario.truth.damage_started_at
    assert names(events)[:2] == ["CreateDeployment", "UpdateFunctionCode20150331v2"]
    assert timedelta(0) < started_at - events[0]["EventTime"] < timedelta(seconds=10)
    bad, good = deploys
    assert started_at - bad["EventTime"] < timedelta(seconds=10)
    assert timedelta(hours=2) < started_at - good["EventTime"] < timedelta(hours=6)
    assert all(event["EventTime"] < started_at for event in events)
    identity = told(bad)["userIdentity"]
    assert identity["type"] == "AssumedRole"
    assert identity["arn"].endswith(f"assumed-role/ShopDeployer/{bad['Username']}")
    assert names(by) == ["CreateDeployment", "UpdateFunctionCode20150331v2"]
    (ttl,) = [event for event in events if event["EventName"] == "UpdateTimeToLive"]
    assert told(ttl)["requestParameters"]["tableName"] != "Orders"


@settings(max_examples=examples(20))
@given(
    moments=st.lists(st.floats(0, 600), max_size=130),
    most=st.integers(1, 50),
    window=st.tuples(st.integers(0, 600), st.integers(0, 600)).map(sorted),
)
def test_pages_of_any_size_tell_each_event_of_the_window_once_newest_first(moments, most, window):
    with Sandbox(ticking=False) as sandbox:
        sandbox.clock.set(NOON)
        begun_at = NOON - timedelta(seconds=600)
        ats = [begun_at + timedelta(seconds=seconds) for seconds in moments]
        sandbox.trail.add(*(ManagementEvent(at, "UpdateStack", "cloudformation.amazonaws.com", "ana") for at in ats))
        start, end = (begun_at + timedelta(seconds=seconds) for seconds in window)
        asked, found = {"StartTime": start, "EndTime": end, "MaxResults": most}, []
        cloudtrail = sandbox.client("cloudtrail")
        while True:
            page = cloudtrail.lookup_events(**asked)
            assert len(page["Events"]) <= most
            found += page["Events"]
            # What happens meanwhile does not shift the pages.
            sandbox.trail.add(ManagementEvent(end, "UpdateStack", "cloudformation.amazonaws.com", "late"))
            if "NextToken" not in page:
                break
            asked["NextToken"] = page["NextToken"]
    told_at = [event["EventTime"] for event in found if event["Username"] == "ana"]
    expected = sorted((at.replace(microsecond=0) for at in ats), reverse=True)
    assert told_at == [at for at in expected if start <= at <= end]
    assert len({event["EventId"] for event in found}) == len(found)


def test_events_are_kept_for_ninety_days_and_for_their_region(sandbox, cloudtrail):
    for days in (91, 89):
        at = NOON - timedelta(days=days)
        sandbox.trail.add(ManagementEvent(at, f"Days{days}", "ecs.amazonaws.com", "ana"))
    assert names(lookup(cloudtrail)) == ["Days89"]
    assert lookup(sandbox.client("cloudtrail", region_name="eu-west-1")) == []
    assert lookup(cloudtrail, EventCategory="insight") == []


def test_what_makes_no_sense_is_refused(cloudtrail):
    two = [{"AttributeKey": key, "AttributeValue": "x"} for key in ("EventName", "Username")]
    ask = cloudtrail.lookup_events
    assert code(ask, LookupAttributes=two) == "InvalidLookupAttributesException"
    assert code(ask, StartTime=NOON, EndTime=NOON - timedelta(1)) == "InvalidTimeRangeException"
    assert code(ask, NextToken="nonsense") == "InvalidNextTokenException"


def test_cloudtrail_may_be_denied_and_throttled(sandbox, cloudtrail):
    sandbox.faults.add(FaultRule("denied", service="cloudtrail"))
    with pytest.raises(ClientError) as caught:
        cloudtrail.lookup_events()
    error = caught.value.response["Error"]
    assert error["Code"] == "AccessDeniedException"
    assert "not authorized to perform: cloudtrail:LookupEvents " in error["Message"]
    sandbox.client("dynamodb").list_tables()
    sandbox.faults.clear()
    sandbox.faults.add(FaultRule("throttle", operations=("LookupEvents",), count=1))
    assert code(cloudtrail.lookup_events) == "ThrottlingException"
    cloudtrail.lookup_events()
