"""The trail: deploys and changes of the table are found in few lookups, at the allowed pace, and name people only."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.aws.services import cloudtrail
from pitrkit.errors import AccessDenied
from tests.aws.loopback import Stub, http

NOW = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
SECRETS = ("ASIAIOSFODNN7EXAMPLE", "hunter2", "FwoGZXIvYXdzEXAMPLETOKEN")
ROLE = {
    "type": "AssumedRole", "accessKeyId": SECRETS[0], "arn": "arn:aws:sts::123456789012:assumed-role/deployer/ci-4711",
    "principalId": "AROA:ci-4711", "sessionContext": {"sessionIssuer": {"userName": "deployer"}, "token": SECRETS[2]},
}  # fmt: skip


def event(name, source, asked=None, *, minute=0, identity=ROLE, error="", number=0):
    """Return an event as LookupEvents gives it."""
    at = NOW - timedelta(minutes=minute)
    detail = {
        "eventTime": f"{at:%Y-%m-%dT%H:%M:%SZ}", "eventName": name, "eventSource": source, "userIdentity": identity,
        "requestParameters": asked, "eventID": f"{name}-{minute}-{number}", **({"errorCode": error} if error else {}),
        "responseElements": {"credentials": {"sessionToken": SECRETS[2]}},
    }  # fmt: skip
    return {
        "EventId": detail["eventID"], "EventName": name, "EventSource": source, "EventTime": at.timestamp(),
        "ReadOnly": "false", "Username": "ci-4711", "AccessKeyId": SECRETS[0], "CloudTrailEvent": json.dumps(detail),
    }  # fmt: skip


class Account:
    """An account's event history on the wire: one attribute, newest first, 50 a page."""

    def __init__(self, events, *, throttle_after=10**6):
        self.events = sorted(events, key=lambda one: -one["EventTime"])
        self.asked, self.waited, self.throttle_after = [], [], throttle_after

    def answer(self, request):
        asked = json.loads(request.partition(b"\r\n\r\n")[2])
        self.asked.append(asked)
        if len(self.asked) > self.throttle_after:
            return http('{"__type": "ThrottlingException", "message": "Rate exceeded"}', status=400)
        (attribute,) = asked["LookupAttributes"]
        found = [
            one for one in self.events
            if one[attribute["AttributeKey"]] == attribute["AttributeValue"]
            and asked["StartTime"] <= one["EventTime"] <= asked["EndTime"]
        ]  # fmt: skip
        begins = int(asked.get("NextToken", 0))
        page = {"Events": found[begins : begins + 50]}
        if begins + 50 < len(found):
            page["NextToken"] = str(begins + 50)
        return http(json.dumps(page), headers=["Content-Type: application/x-amz-json-1.1"])


@pytest.fixture
def read(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")

    def reading(account, table="Orders", hours=12, **options):
        with Stub(account.answer) as stub:
            aws = Aws.connect(region="eu-west-1", endpoint_url=stub.url)
            return cloudtrail.read(
                aws, table, NOW - timedelta(hours=hours), NOW, sleep=account.waited.append, **options
            )

    return reading


def code(minute=1, **options):
    return event(
        "UpdateFunctionCode20150331v2", "lambda.amazonaws.com", {"functionName": "orders"}, minute=minute, **options
    )


def noise(count):
    return [event("CreateLogStream", "logs.amazonaws.com", minute=n % 600, number=n) for n in range(count)]


def test_a_quiet_account_takes_one_lookup(read):
    account = Account([code(), *noise(30)])
    found = read(account)
    assert [one.name for one in found.events] == ["UpdateFunctionCode"]
    assert (found.calls, found.cut, account.waited) == (1, "", [])


def test_a_busy_account_is_asked_name_by_name_at_two_a_second_and_nothing_is_lost(read):
    account = Account(
        [code(700), code(3), event("DeleteTable", "dynamodb.amazonaws.com", {"tableName": "Orders"}), *noise(900)]
    )
    found = read(account)
    assert [one.name for one in found.events] == ["UpdateFunctionCode", "UpdateFunctionCode", "DeleteTable"]
    assert found.cut == ""
    assert found.calls == len(account.asked) <= 20
    assert account.waited == [cloudtrail.SECONDS_BETWEEN] * (found.calls - 1)


def test_lookups_are_bounded_and_what_they_left_out_is_named(read):
    flood = [
        event("UpdateTable", "dynamodb.amazonaws.com", {"tableName": "Carts"}, minute=n % 700, number=n)
        for n in range(5000)
    ]
    account = Account([code(), *flood])
    found = read(account, most_calls=20)
    assert len(account.asked) == found.calls == 20
    assert "UpdateTable" in found.cut
    assert "UpdateFunctionCode" not in found.cut, "the telling ones are asked for first"
    assert [one.what for one in found.events] == ["orders"]


def test_when_others_use_up_the_rate_what_came_is_shown_and_the_rest_named(read, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _seconds: None)  # botocore's own waiting between its retries
    found = read(Account([code(), *noise(900)], throttle_after=1))
    assert [one.what for one in found.events] == ["orders"]
    assert "throttled the lookups" in found.cut


FUNCTION = "arn:aws:lambda:eu-west-1:1:function:orders:PROD"
STACK = "arn:aws:cloudformation:eu-west-1:1:stack/shop/1-2"
SERVICE = "arn:aws:ecs:eu-west-1:1:service/main/basket"
TABLE = "arn:aws:dynamodb:eu-west-1:1:table/Orders"
TTL_ON = {"enabled": True, "attributeName": "until"}
PITR_OFF = {"pointInTimeRecoveryEnabled": False}


@pytest.mark.parametrize(("name", "source", "asked", "what"), [
    ("UpdateFunctionConfiguration20150331v2", "lambda", {"functionName": FUNCTION}, "orders"),
    ("PublishVersion20150331", "lambda", {"functionName": "orders"}, "orders"),
    ("CreateDeployment", "codedeploy", {"applicationName": "shop", "deploymentGroupName": "prod"}, "shop/prod"),
    ("ExecuteChangeSet", "cloudformation", {"stackName": STACK, "changeSetName": "x"}, "shop"),
    ("CreateStack", "cloudformation", {"stackName": "shop", "parameters": [{"parameterValue": "hunter2"}]}, "shop"),
    ("UpdateService", "ecs", {"cluster": "main", "service": SERVICE}, "main/basket"),
    ("UpdateTable", "dynamodb", {"tableName": TABLE}, "Orders"),
    ("UpdateTimeToLive", "dynamodb", {"tableName": "Orders", "timeToLiveSpecification": TTL_ON},
     "Orders: TTL on, attribute until"),
    ("UpdateContinuousBackups", "dynamodb", {"tableName": "Orders", "pointInTimeRecoverySpecification": PITR_OFF},
     "Orders: PITR off"),
    ("RestoreTableToPointInTime", "dynamodb", {"sourceTableArn": TABLE, "targetTableName": "Copy"}, "into Copy"),
])  # fmt: skip
def test_it_says_what_was_done_to_what(read, name, source, asked, what):
    (found,) = read(Account([event(name, f"{source}.amazonaws.com", asked)])).events
    assert (found.what, found.source, found.name) == (what, source, cloudtrail.short_event_name(name))
    assert found.kind == ("table" if source == "dynamodb" else "deploy")
    assert found.at == NOW


@pytest.mark.parametrize(("identity", "who"), [
    (ROLE, "ci-4711 (deployer)"),
    ({"type": "IAMUser", "userName": "kim", "arn": "arn:aws:iam::1:user/kim"}, "kim"),
    ({"type": "Root", "arn": "arn:aws:iam::1:root"}, "root"),
    ({"type": "AWSService", "invokedBy": "autoscaling.amazonaws.com"}, "autoscaling.amazonaws.com"),
    ({**ROLE, "invokedBy": "cloudformation.amazonaws.com"}, "ci-4711 (deployer) by cloudformation.amazonaws.com"),
    ({}, "ci-4711"),
    ("nonsense", "ci-4711"),
])  # fmt: skip
def test_it_says_who_did_it(read, identity, who):
    (found,) = read(Account([code(identity=identity)])).events
    assert found.who == who


def test_no_key_and_no_token_gets_out_of_the_record(read):
    asked = {"functionName": "orders", "environment": {"variables": {"PASSWORD": "hunter2"}}}
    found = read(Account([event("UpdateFunctionConfiguration20150331v2", "lambda.amazonaws.com", asked)]))
    assert not [secret for secret in SECRETS if secret in repr(found)]


def test_what_failed_was_done_to_another_table_or_is_no_deploy_is_left_out(read):
    account = Account([
        code(error="AccessDenied"),
        event("UpdateTable", "dynamodb.amazonaws.com", {"tableName": "Carts"}),
        event("CreateDeployment", "apigateway.amazonaws.com", {"restApiId": "x"}),
        event("DeleteTable", "dynamodb.amazonaws.com", None),
        *noise(3),
    ])  # fmt: skip
    assert read(account).events == ()


def test_records_that_cannot_be_read_are_told_by_what_is_known_of_them(read):
    broken = {**code(), "CloudTrailEvent": "{not json"}
    (found,) = read(Account([broken])).events
    assert (found.name, found.who, found.what) == ("UpdateFunctionCode", "ci-4711", "")


def test_a_refusal_names_the_missing_action(read):
    class Closed(Account):
        def answer(self, _request):
            return http('{"__type": "AccessDeniedException", "message": "no"}', status=400)

    with pytest.raises(AccessDenied) as caught:
        read(Closed([]))
    assert "cloudtrail:LookupEvents" in caught.value.fix
