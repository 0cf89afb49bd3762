"""Callers with policies: what these do not allow is refused by each service, in its words; all others may do all."""

import json
import re
from datetime import UTC, datetime, timedelta
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from pitrkit.sandbox import PastWrite, Sandbox
from pitrkit.sandbox.access.authority import Registered, verdict
from pitrkit.sandbox.access.required_actions import FOR_AN_EXPORT, ON_THE_TARGET, Demand

HOME = "arn:aws:dynamodb:us-east-1:123456789012:table/"
ROLE = "arn:aws:iam::123456789012:role/clerk"
SESSION = "arn:aws:sts::123456789012:assumed-role/clerk/pitrkit"


@pytest.fixture(scope="module")
def sandbox():
    now = datetime.now(UTC)
    with Sandbox() as sandbox:
        for name in ("Shop", "Other"):
            sandbox.seed(
                {
                    "TableName": name,
                    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                    "AttributeDefinitions": [
                        {"AttributeName": "pk", "AttributeType": "S"},
                        {"AttributeName": "city", "AttributeType": "S"},
                    ],
                    "GlobalSecondaryIndexes": [
                        {
                            "IndexName": "by_city",
                            "KeySchema": [{"AttributeName": "city", "KeyType": "HASH"}],
                            "Projection": {"ProjectionType": "ALL"},
                        }
                    ],
                    "BillingMode": "PAY_PER_REQUEST",
                    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
                },
                [PastWrite(now - timedelta(minutes=30), {"pk": {"S": "a"}}, {"pk": {"S": "a"}})],
                created_at=now - timedelta(hours=1),
            )
        sandbox.bucket("files")
        yield sandbox


def allow(*actions, on="*", effect="Allow"):
    return {"Effect": effect, "Action": list(actions), "Resource": on}


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


_clients = {}


class Clerk:
    """A registered caller, as boto3 is one."""

    def __init__(self, sandbox, *statements):
        self.sandbox = sandbox
        self.of = sandbox.authority.register("clerk", [policy(*statements)], "us-east-1")

    def client(self, service):
        if (self.sandbox.url, service) not in _clients:
            keys = self.of.credentials
            _clients[self.sandbox.url, service] = boto3.client(
                service,
                endpoint_url=self.sandbox.url,
                region_name="us-east-1",
                aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
                aws_session_token=keys["AWS_SESSION_TOKEN"],
                config=Config(retries={"total_max_attempts": 1}),
            )
        return _clients[self.sandbox.url, service]

    def refused(self, service, operation, **parameters):
        with pytest.raises(ClientError) as caught:
            getattr(self.client(service), operation)(**parameters)
        return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def words(action, resource=""):
    place = f" on resource: {resource}" if resource else ""
    why = f"because no identity-based policy allows the {action} action"
    return f"User: {SESSION} is not authorized to perform: {action}{place} {why}"


KEY, ITEM = {"pk": {"S": "z"}}, {"pk": {"S": "z"}}
DYNAMODB = [
    ("describe_table", {"TableName": "Shop"}, "DescribeTable", "Shop"),
    ("describe_table", {"TableName": HOME + "Shop"}, "DescribeTable", "Shop"),
    ("describe_continuous_backups", {"TableName": "Shop"}, "DescribeContinuousBackups", "Shop"),
    ("scan", {"TableName": "Shop"}, "Scan", "Shop"),
    ("scan", {"TableName": "Shop", "IndexName": "by_city"}, "Scan", "Shop/index/by_city"),
    ("get_item", {"TableName": "Shop", "Key": KEY}, "GetItem", "Shop"),
    ("put_item", {"TableName": "Shop", "Item": ITEM}, "PutItem", "Shop"),
    ("delete_item", {"TableName": "Shop", "Key": KEY}, "DeleteItem", "Shop"),
    ("batch_get_item", {"RequestItems": {"Shop": {"Keys": [KEY]}}}, "BatchGetItem", "Shop"),
    ("batch_write_item", {"RequestItems": {"Shop": [{"PutRequest": {"Item": ITEM}}]}}, "BatchWriteItem", "Shop"),
    (
        "transact_write_items",
        {"TransactItems": [{"Delete": {"TableName": "Shop", "Key": KEY}}]},
        "DeleteItem",
        "Shop",
    ),
    ("execute_statement", {"Statement": "INSERT INTO \"Shop\" VALUE {'pk': 'z'}"}, "PartiQLInsert", "Shop"),
    ("execute_statement", {"Statement": "SELECT * FROM \"Shop\" WHERE pk = 'z'"}, "PartiQLSelect", "Shop"),
    ("list_tags_of_resource", {"ResourceArn": HOME + "Shop"}, "ListTagsOfResource", "Shop"),
    ("delete_table", {"TableName": "Shop"}, "DeleteTable", "Shop"),
    ("describe_table", {"TableName": "None"}, "DescribeTable", "None"),
]


@pytest.mark.parametrize(("operation", "parameters", "action", "resource"), DYNAMODB)
def test_an_action_that_nothing_allows_is_refused_with_the_services_words_and_nothing_is_done(
    sandbox, operation, parameters, action, resource
):
    others = [f"dynamodb:{name}" for *_, name, _ in DYNAMODB if name != action]
    clerk = Clerk(sandbox, allow(f"dynamodb:{action}", on=HOME + "Other*"), allow(*others))
    before = sandbox.client("dynamodb").scan(TableName="Shop")["Items"]
    code, message = clerk.refused("dynamodb", operation, **parameters)
    assert code == "AccessDeniedException"
    assert message == words(f"dynamodb:{action}", HOME + resource)
    assert sandbox.client("dynamodb").scan(TableName="Shop")["Items"] == before
    assert clerk.of.asked == {Demand(f"dynamodb:{action}", HOME + resource): False}


ELSEWHERE = [
    ("dynamodb", "list_tables", {}, "dynamodb:ListTables", "*"),
    ("dynamodb", "list_backups", {}, "dynamodb:ListBackups", "*"),
    ("dynamodb", "list_exports", {}, "dynamodb:ListExports", "*"),
    ("dynamodbstreams", "list_streams", {}, "dynamodb:ListStreams", "*"),
    ("cloudtrail", "lookup_events", {}, "cloudtrail:LookupEvents", ""),
    (
        "cloudwatch",
        "get_metric_data",
        {"MetricDataQueries": [], "StartTime": 0, "EndTime": 60},
        "cloudwatch:GetMetricData",
        "",
    ),
    (
        "cloudwatch",
        "describe_alarms",
        {},
        "cloudwatch:DescribeAlarms",
        "arn:aws:cloudwatch:us-east-1:123456789012:alarm:*",
    ),
    ("s3", "list_objects_v2", {"Bucket": "files"}, "s3:ListBucket", '"arn:aws:s3:::files"'),
    ("s3", "get_object", {"Bucket": "files", "Key": "a/b"}, "s3:GetObject", '"arn:aws:s3:::files/a/b"'),
    ("s3", "put_object", {"Bucket": "files", "Key": "k"}, "s3:PutObject", '"arn:aws:s3:::files/k"'),
    ("sns", "list_topics", {}, "sns:ListTopics", ""),
    (
        "iam",
        "simulate_principal_policy",
        {"PolicySourceArn": ROLE, "ActionNames": ["a:B"]},
        "iam:SimulatePrincipalPolicy",
        ROLE,
    ),
]


@pytest.mark.parametrize("case", ELSEWHERE, ids=lambda case: case[1])
def test_every_service_refuses_in_its_own_way(sandbox, case):
    service, operation, parameters, action, resource = case
    clerk = Clerk(sandbox, allow("dynamodb:DescribeTable"))
    code, message = clerk.refused(service, operation, **parameters)
    assert message == words(action, resource)
    assert code == ("AccessDeniedException" if service.startswith(("dynamodb", "cloudtrail")) else "AccessDenied")


def test_a_denial_wins_and_says_that_it_is_one(sandbox):
    clerk = Clerk(sandbox, allow("*"), allow("dynamodb:Scan", on=HOME + "Shop", effect="Deny"))
    _, message = clerk.refused("dynamodb", "scan", TableName="Shop")
    assert message.endswith("with an explicit deny in an identity-based policy")
    assert clerk.client("dynamodb").scan(TableName="Other")["Count"] == 1


def test_who_one_is_needs_no_permission_and_is_told_as_it_is(sandbox):
    clerk = Clerk(sandbox, allow("*", effect="Deny"))
    assert clerk.client("sts").get_caller_identity()["Arn"] == SESSION
    assert sandbox.client("dynamodb").list_tables()["TableNames"], "others may do everything"


@pytest.mark.parametrize("missing", ON_THE_TARGET)
def test_a_restore_asks_for_reading_and_writing_the_table_that_it_makes(sandbox, missing):
    rest = [f"dynamodb:{action}" for action in ON_THE_TARGET if action != missing]
    clerk = Clerk(
        sandbox, allow("dynamodb:RestoreTableToPointInTime", on=HOME + "Shop"), allow(*rest, on=HOME + "Copy")
    )
    asked = {"SourceTableName": "Shop", "TargetTableName": "Copy", "UseLatestRestorableTime": True}
    _, message = clerk.refused("dynamodb", "restore_table_to_point_in_time", **asked)
    assert message == words(f"dynamodb:{missing}", HOME + "Copy")
    assert "Copy" not in sandbox.client("dynamodb").list_tables()["TableNames"]


@pytest.mark.parametrize("missing", FOR_AN_EXPORT)
def test_an_export_that_its_caller_may_not_write_fails_and_says_what_was_missing(sandbox, missing):
    rest = [action for action in FOR_AN_EXPORT if action != missing]
    clerk = Clerk(sandbox, allow("dynamodb:*"), allow(*rest, on="arn:aws:s3:::files/*"))
    client = clerk.client("dynamodb")
    arn = client.export_table_to_point_in_time(TableArn=HOME + "Shop", S3Bucket="files")["ExportDescription"][
        "ExportArn"
    ]
    told = client.describe_export(ExportArn=arn)["ExportDescription"]
    assert (told["ExportStatus"], told["FailureCode"]) == ("FAILED", "S3AccessDenied")
    assert f"is not authorized to perform: {missing} on resource" in told["FailureMessage"]


def test_an_object_that_is_not_there_is_denied_to_whoever_may_not_list_the_bucket(sandbox):
    clerk = Clerk(sandbox, allow("s3:GetObject", on="arn:aws:s3:::files/*"))
    code, message = clerk.refused("s3", "get_object", Bucket="files", Key="none")
    assert (code, message) == ("AccessDenied", words("s3:ListBucket", '"arn:aws:s3:::files"'))
    clerk = Clerk(sandbox, allow("s3:GetObject", on="arn:aws:s3:::files/*"), allow("s3:ListBucket"))
    assert clerk.refused("s3", "get_object", Bucket="files", Key="none")[0] == "NoSuchKey"


def test_statements_of_a_batch_are_refused_one_by_one_and_the_others_done(sandbox):
    clerk = Clerk(sandbox, allow("dynamodb:PartiQLInsert", on=HOME + "Other"))
    insert = "INSERT INTO \"{}\" VALUE {{'pk': '{}'}}"
    told = clerk.client("dynamodb").batch_execute_statement(
        Statements=[{"Statement": insert.format(name, "by-batch")} for name in ("Shop", "Other", "Shop")]
    )["Responses"]
    errors = [one.get("Error", {}) for one in told]
    assert [error.get("Code") for error in errors] == ["AccessDenied", None, "AccessDenied"]
    assert errors[0]["Message"] == words("dynamodb:PartiQLInsert", HOME + "Shop")
    found = sandbox.client("dynamodb").scan(TableName="Shop")["Items"]
    assert "by-batch" not in json.dumps(found)


def read_stream(clerk, stream):
    client = clerk.client("dynamodbstreams")
    shard = client.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"][0]["ShardId"]
    of = {"StreamArn": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
    return client.get_records(ShardIterator=client.get_shard_iterator(**of)["ShardIterator"])


def test_a_stream_is_read_with_the_rights_on_the_stream_alone(sandbox):
    stream = sandbox.client("dynamodb").describe_table(TableName="Shop")["Table"]["LatestStreamArn"]
    wanted = ["dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords"]
    for missing in wanted:
        clerk = Clerk(sandbox, allow(*(one for one in wanted if one != missing), on=HOME + "Shop/stream/*"))
        with pytest.raises(ClientError) as caught:
            read_stream(clerk, stream)
        assert caught.value.response["Error"]["Message"] == words(missing, stream)
    assert "Records" in read_stream(Clerk(sandbox, allow(*wanted, on=HOME + "Shop/stream/*")), stream)


ACTIONS = ("dynamodb:Scan", "dynamodb:PutItem", "s3:GetObject")
RESOURCES = (HOME + "Shop", HOME + "Other", "*")


def test_what_would_be_allowed_is_told_as_it_is_then(sandbox):
    clerk = Clerk(sandbox, allow("dynamodb:S*", on=HOME + "Sh?p"), allow("s3:*", effect="Deny"), allow("iam:*"))
    told = clerk.client("iam").simulate_principal_policy(
        PolicySourceArn=ROLE, ActionNames=list(ACTIONS), ResourceArns=[HOME + "Shop"]
    )["EvaluationResults"]
    assert {one["EvalActionName"]: one["EvalDecision"] for one in told} == {
        "dynamodb:Scan": "allowed",
        "dynamodb:PutItem": "implicitDeny",
        "s3:GetObject": "explicitDeny",
    }
    code, _ = clerk.refused(
        "iam", "simulate_principal_policy", PolicySourceArn=ROLE + "x", ActionNames=["s3:GetObject"]
    )
    assert code == "NoSuchEntity"


statements = st.builds(
    allow,
    st.sampled_from((*ACTIONS, "dynamodb:*", "*", "DYNAMODB:scan")),
    on=st.sampled_from((*RESOURCES, HOME + "*", "arn:aws:dynamodb:*:*:table/Sh*")),
    effect=st.sampled_from(("Allow", "Deny")),
)


@given(st.lists(statements, max_size=5), st.sampled_from(ACTIONS), st.sampled_from(RESOURCES))
def test_a_call_is_allowed_if_something_allows_it_and_nothing_denies_it(given, action, resource):
    """The rule, said again with regular expressions."""

    def about(statement):
        def like(pattern, text):
            return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text, re.DOTALL)

        named = like(statement["Action"][0].lower(), action.lower())
        return named and like(statement["Resource"], resource)

    effects = {statement["Effect"] for statement in given if about(statement)}
    expected = "deny" if "Deny" in effects else "allow" if effects else ""
    caller = Registered("clerk", ROLE, SESSION, (policy(*given),), {})
    assert verdict(caller, Demand(action, resource)) == expected


def ask(sandbox, body=None):
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(f"{sandbox.url}/_sandbox/callers", data=data)) as reply:
            return reply.status, json.load(reply)
    except HTTPError as error:
        return error.code, json.load(error)


def test_callers_are_registered_over_http_and_keep_their_credentials_when_their_policies_change(sandbox):
    status, made = ask(sandbox, {"name": "over-http", "policies": [policy(allow("dynamodb:ListTables"))]})
    assert (status, made["arn"]) == (200, "arn:aws:sts::123456789012:assumed-role/over-http/pitrkit")
    _, again = ask(sandbox, {"name": "over-http", "policies": []})
    assert again["credentials"] == made["credentials"]
    assert "over-http" in {one["name"] for one in ask(sandbox)[1]["callers"]}


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x"},
        {"name": "a b", "policies": []},
        {"name": "x", "policies": [{"Statement": [{"Effect": "Perhaps", "Action": "*"}]}]},
        {"name": "x", "policies": ["all"]},
        [],
    ],
)
def test_a_policy_that_cannot_be_evaluated_is_refused(sandbox, body):
    status, told = ask(sandbox, body)
    assert status == 400
    assert told["error"]
