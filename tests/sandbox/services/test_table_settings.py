"""The sandbox keeps a table's settings as the service does, and refuses what it refuses."""

import json

import pytest
from botocore.exceptions import ClientError

from pitrkit.sandbox import FaultRule, Sandbox
from tests.furnish import EMPTY_ZIP, create, furnish, policy

KINESIS = "arn:aws:kinesis:us-east-1:123456789012:stream/"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as running:
        furnish(running, "Orders")
        yield running


def refusal(call, **parameters):
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    return refused.value.response["Error"]


def test_ttl_is_changed_once_an_hour(sandbox):
    client = sandbox.client("dynamodb")
    off = {"TableName": "Orders", "TimeToLiveSpecification": {"Enabled": False, "AttributeName": "ends"}}
    error = refusal(client.update_time_to_live, **off)
    assert (error["Code"], "fixed interval" in error["Message"]) == ("ValidationException", True)
    sandbox.clock.advance(3601)
    client.update_time_to_live(**off)
    assert client.describe_time_to_live(TableName="Orders")["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED"


def test_one_update_changes_one_thing(sandbox):
    create(sandbox, "One")
    client = sandbox.client("dynamodb")
    stream = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}}
    error = refusal(client.update_table, TableName="One", TableClass="STANDARD_INFREQUENT_ACCESS", **stream)
    assert error["Code"] == "ValidationException"
    described = client.describe_table(TableName="One")["Table"]
    assert ("TableClassSummary" in described, "StreamSpecification" in described) == (False, False)
    client.update_table(TableName="One", BillingMode="PAY_PER_REQUEST")
    client.update_table(TableName="One", OnDemandThroughput={"MaxReadRequestUnits": 500})
    assert client.describe_table(TableName="One")["Table"]["OnDemandThroughput"] == {"MaxReadRequestUnits": 500}


def test_a_table_sends_to_two_kinesis_streams_at_most_and_to_none_twice(sandbox):
    client = sandbox.client("dynamodb")
    enable = client.enable_kinesis_streaming_destination
    assert refusal(enable, TableName="Orders", StreamArn=f"{KINESIS}changes")["Code"] == "ValidationException"
    enable(TableName="Orders", StreamArn=f"{KINESIS}second")
    assert refusal(enable, TableName="Orders", StreamArn=f"{KINESIS}third")["Code"] == "LimitExceededException"
    client.disable_kinesis_streaming_destination(TableName="Orders", StreamArn=f"{KINESIS}second")
    told = client.describe_kinesis_streaming_destination(TableName="Orders")["KinesisDataStreamDestinations"]
    assert {one["StreamArn"].rpartition("/")[2]: one["DestinationStatus"] for one in told} == {
        "changes": "ACTIVE",
        "second": "DISABLED",
    }


def test_a_restore_leaves_behind_what_the_service_leaves_behind(sandbox):
    client = sandbox.client("dynamodb")
    client.restore_table_to_point_in_time(
        SourceTableName="Orders", TargetTableName="Copy", UseLatestRestorableTime=True
    )
    described = client.describe_table(TableName="Copy")["Table"]
    assert not described.keys() & {"TableClassSummary", "LatestStreamArn", "OnDemandThroughput"}
    assert described["SSEDescription"]["SSEType"] == "KMS"
    assert client.describe_contributor_insights(TableName="Copy")["ContributorInsightsStatus"] == "DISABLED"
    error = refusal(client.get_resource_policy, ResourceArn=described["TableArn"])
    assert error["Code"] == "PolicyNotFoundException"


def test_a_table_of_a_deleted_ones_name_has_no_policy(sandbox):
    client = sandbox.client("dynamodb")
    arn = create(sandbox, "Again")["TableArn"]
    client.put_resource_policy(ResourceArn=arn, Policy=json.dumps(policy(arn)))
    client.delete_table(TableName="Again")
    create(sandbox, "Again")
    assert refusal(client.get_resource_policy, ResourceArn=arn)["Code"] == "PolicyNotFoundException"


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("lambda", lambda client: client.list_event_source_mappings()),
        ("application-autoscaling", lambda client: client.describe_scalable_targets(ServiceNamespace="dynamodb")),
    ],
)
def test_the_services_around_a_table_can_be_denied(sandbox, service, call):
    client = sandbox.client(service)
    assert call(client)
    sandbox.faults.add(FaultRule("denied", service=service))
    error = refusal(lambda: call(client))
    sandbox.faults.clear()
    assert (error["Code"], service in error["Message"]) == ("AccessDeniedException", True)


def test_other_requests_to_lambda_are_not_taken_for_event_source_mappings(sandbox):
    sandbox.faults.add(FaultRule("denied", service="lambda"))
    functions = sandbox.client("lambda").list_functions()["Functions"]
    sandbox.faults.clear()
    assert [one["FunctionName"] for one in functions] == ["on-order"]
    assert functions[0]["CodeSize"] == len(EMPTY_ZIP)
