"""Faults on demand: what they do to a request, which requests they strike, and how they are asked for."""

from __future__ import annotations

import http.client
import json
import time
from binascii import crc32
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError

from pitrkit.sandbox import FaultRule, Sandbox

TARGET = "DynamoDB_20120810"
SIGNED = "Credential={}/20261120/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as sandbox:
        for name in ("Shop", "Other"):
            sandbox.client("dynamodb").create_table(
                TableName=name,
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        yield sandbox


@pytest.fixture(autouse=True)
def _without_faults_left(sandbox):
    yield
    sandbox.faults.clear()


@pytest.fixture
def dynamodb(sandbox):
    return sandbox.client("dynamodb")


def send(sandbox, operation, *, key="sandbox", **body):
    """One bare request: status, headers, body."""
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
    headers = {"X-Amz-Target": f"{TARGET}.{operation}", "Authorization": f"AWS4-HMAC-SHA256 {SIGNED.format(key)}"}
    try:
        connection.request("POST", "/", json.dumps(body), headers)
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


def put(sandbox, pk, **options):
    return send(sandbox, "PutItem", TableName="Shop", Item={"pk": {"S": pk}}, **options)


def exists(sandbox, pk):
    status, _, body = send(sandbox, "GetItem", TableName="Shop", Key={"pk": {"S": pk}})
    assert status == 200
    return "Item" in json.loads(body)


def control(sandbox, method, body=None):
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(f"{sandbox.url}/_sandbox/faults", data=data, method=method)) as reply:
            return reply.status, json.load(reply)
    except HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("PutItem", {"TableName": "Shop", "Item": {"pk": {"S": "a"}}}),
        ("GetItem", {"TableName": "Shop", "Key": {"pk": {"S": "a"}}}),
        ("Scan", {"TableName": "Shop", "FilterExpression": "attribute_exists(pk)"}),
        ("DescribeTable", {"TableName": "Shop"}),
        ("DescribeTable", {"TableName": "None"}),
        ("BatchExecuteStatement", {"Statements": [{"Statement": "INSERT INTO Shop VALUE {'pk': ?}"}]}),
        ("NoSuchOperation", {}),
    ],
)
def test_without_a_fault_every_reply_carries_its_checksum_and_an_id(sandbox, operation, body):
    _, headers, content = send(sandbox, operation, **body)
    assert int(headers["x-amz-crc32"]) == crc32(content)
    assert headers["x-amzn-RequestId"]


@pytest.mark.parametrize(
    ("code", "field"),
    [
        ("ProvisionedThroughputExceededException", "ThrottlingReasons"),
        ("RequestLimitExceeded", "ThrottlingReasons"),
        ("ThrottlingException", "throttlingReasons"),
    ],
)
def test_throttling_says_its_reasons_and_nothing_is_done(sandbox, code, field):
    reasons = ("TableWriteKeyRangeThroughputExceeded", "IndexWriteAccountLimitExceeded")
    sandbox.faults.add(FaultRule("throttle", operations=("PutItem",), code=code, reasons=reasons))
    status, headers, content = put(sandbox, f"throttled by {code}")
    body = json.loads(content)
    assert (status, body["__type"].rpartition("#")[2]) == (400, code)
    assert tuple(reason["reason"] for reason in body[field]) == reasons
    assert all(reason["resource"].endswith(":table/Shop") for reason in body[field])
    assert int(headers["x-amz-crc32"]) == crc32(content)
    assert not exists(sandbox, f"throttled by {code}")


def test_throttling_without_a_reason_given_has_the_one_of_its_direction(sandbox):
    sandbox.faults.add(FaultRule("throttle"))
    for operation, part, way in (("PutItem", "Item", "Write"), ("GetItem", "Key", "Read")):
        _, _, content = send(sandbox, operation, **{"TableName": "Shop", part: {"pk": {"S": "a"}}})
        assert json.loads(content)["ThrottlingReasons"][0]["reason"] == f"Table{way}ProvisionedThroughputExceeded"


@pytest.mark.parametrize(("kind", "status"), [("error500", 500), ("error503", 503)])
@pytest.mark.parametrize("done", [False, True])
def test_a_fault_of_the_service_leaves_open_whether_it_was_done(sandbox, kind, status, done):
    sandbox.faults.add(FaultRule(kind, operations=("PutItem",), done=done))
    assert put(sandbox, f"{kind} {done}")[0] == status
    assert exists(sandbox, f"{kind} {done}") == done


@pytest.mark.parametrize(("kind", "done"), [("drop_before", False), ("drop_after", True)])
def test_a_dropped_connection_gives_no_reply(sandbox, kind, done):
    sandbox.faults.add(FaultRule(kind, operations=("PutItem",)))
    with pytest.raises(http.client.RemoteDisconnected):
        put(sandbox, kind)
    assert exists(sandbox, kind) == done


def test_a_truncated_reply_ends_before_its_length(sandbox):
    sandbox.faults.add(FaultRule("truncate", operations=("PutItem",)))
    with pytest.raises(http.client.IncompleteRead):
        put(sandbox, "truncated")
    assert exists(sandbox, "truncated")


def test_a_reply_with_a_bad_checksum_is_another_than_was_sent(sandbox):
    put(sandbox, "read it", key="sandbox")
    asked = {"TableName": "Shop", "Key": {"pk": {"S": "read it"}}}
    _, _, right = send(sandbox, "GetItem", **asked)
    sandbox.faults.add(FaultRule("bad_checksum"))
    for operation, body in (("GetItem", asked), ("PutItem", {"TableName": "Shop", "Item": asked["Key"]})):
        status, headers, wrong = send(sandbox, operation, **body)
        assert status == 200
        assert int(headers["x-amz-crc32"]) != crc32(wrong)
        assert wrong != right


def test_a_slow_reply_keeps_nobody_else_waiting(sandbox):
    sandbox.faults.add(FaultRule("slow", seconds=0.4, count=1))
    began = time.monotonic()
    assert put(sandbox, "slow")[0] == 200
    assert time.monotonic() - began >= 0.4
    assert sandbox.faults.report()[0]["struck"] == 1


def test_expired_credentials_are_those_of_one_access_key(sandbox):
    sandbox.faults.add(FaultRule("expired_credentials", access_key="old"))
    status, _, content = put(sandbox, "by old", key="old")
    assert (status, json.loads(content)["__type"].rpartition("#")[2]) == (400, "ExpiredTokenException")
    assert put(sandbox, "by new", key="new")[0] == 200
    assert not exists(sandbox, "by old")


def test_what_is_denied_is_named_and_not_done(sandbox, dynamodb):
    sandbox.faults.add(FaultRule("denied", operations=("PutItem",), table="Shop"))
    status, _, body = put(sandbox, "not allowed")
    said = json.loads(body)
    assert (status, said["__type"].rpartition("#")[2]) == (400, "AccessDeniedException")
    assert (
        "perform: dynamodb:PutItem on resource: arn:aws:dynamodb:us-east-1:123456789012:table/Shop" in said["message"]
    )
    assert not exists(sandbox, "not allowed")
    dynamodb.put_item(TableName="Other", Item={"pk": {"S": "allowed"}})


def test_a_rule_for_one_service_leaves_the_others_alone(sandbox, dynamodb):
    sandbox.faults.add(FaultRule("error500", service="dynamodbstreams"))
    dynamodb.list_tables()
    with pytest.raises(ClientError):
        sandbox.client("dynamodbstreams").list_streams()


def test_of_a_batch_write_some_items_are_unprocessed_and_the_others_written(sandbox, dynamodb):
    sandbox.faults.add(FaultRule("unprocessed", operations=("BatchWriteItem",), seed=3))
    batch = {
        name: [{"PutRequest": {"Item": {"pk": {"S": f"batch-{n}"}}}} for n in range(5)] for name in ("Shop", "Other")
    }
    left = dynamodb.batch_write_item(RequestItems=batch)["UnprocessedItems"]
    assert 0 < sum(map(len, left.values())) < 10
    for name, requests in batch.items():
        for request in requests:
            found = dynamodb.get_item(TableName=name, Key=request["PutRequest"]["Item"])
            assert ("Item" in found) == (request not in left.get(name, []))


def test_of_a_batch_read_some_keys_are_unprocessed_and_the_others_read(sandbox, dynamodb):
    keys = [{"pk": {"S": f"key-{n}"}} for n in range(8)]
    for key in keys:
        dynamodb.put_item(TableName="Shop", Item=key)
    sandbox.faults.add(FaultRule("unprocessed"))
    answer = dynamodb.batch_get_item(RequestItems={"Shop": {"Keys": keys, "ConsistentRead": True}})
    left = answer["UnprocessedKeys"]["Shop"]
    assert left["ConsistentRead"] is True
    assert 0 < len(left["Keys"]) < 8
    assert sorted(key["pk"]["S"] for key in left["Keys"] + answer["Responses"]["Shop"]) == [k["pk"]["S"] for k in keys]


def test_a_batch_of_one_cannot_be_done_in_part(sandbox, dynamodb):
    sandbox.faults.add(FaultRule("unprocessed"))
    with pytest.raises(ClientError, match="ProvisionedThroughputExceeded"):
        dynamodb.batch_get_item(RequestItems={"Shop": {"Keys": [{"pk": {"S": "a"}}]}})


@pytest.mark.parametrize(("done", "code"), [(False, "ThrottlingError"), (True, "InternalServerError")])
def test_of_a_batch_of_statements_some_fail_on_their_own(sandbox, dynamodb, done, code):
    sandbox.faults.add(FaultRule("unprocessed", done=done, seed=5))
    keys = [f"{code}-{n}" for n in range(12)]
    dynamodb.put_item(TableName="Shop", Item={"pk": {"S": keys[0]}})
    answers = dynamodb.batch_execute_statement(
        Statements=[{"Statement": "INSERT INTO \"Shop\" VALUE {'pk': ?}", "Parameters": [{"S": key}]} for key in keys]
    )["Responses"]
    codes = [answer.get("Error", {}).get("Code", "") for answer in answers]
    assert set(codes) >= {"", code}
    assert codes[0] in {"DuplicateItem", code}
    for key, found in zip(keys[1:], codes[1:], strict=True):
        assert exists(sandbox, key) == (done or found == "")


def test_a_rule_strikes_its_share_from_where_it_begins_as_often_as_it_may(sandbox):
    sandbox.faults.add(FaultRule("throttle", share=0.5, operations=("PutItem",)))
    statuses = [put(sandbox, "share")[0] for _ in range(100)]
    assert 25 < statuses.count(400) < 75
    sandbox.faults.clear()
    sandbox.faults.add(FaultRule("error500", skip=2, count=3))
    assert [put(sandbox, "some")[0] for _ in range(7)] == [200, 200, 500, 500, 500, 200, 200]
    (report,) = sandbox.faults.report()
    assert (report["met"], report["struck"]) == (7, 3)


def test_a_rule_is_about_its_table_however_that_is_named(sandbox, dynamodb):
    sandbox.faults.add(FaultRule("error500", table="Other"))
    arn = dynamodb.describe_table(TableName="Shop")["Table"]["TableArn"].replace("Shop", "Other")
    key = {"pk": {"S": "a"}}
    for operation, body in (
        ("GetItem", {"TableName": "Other", "Key": key}),
        ("GetItem", {"TableName": arn, "Key": key}),
        ("BatchGetItem", {"RequestItems": {"Shop": {"Keys": [key]}, "Other": {"Keys": [key]}}}),
        ("TransactWriteItems", {"TransactItems": [{"Put": {"TableName": "Other", "Item": key}}]}),
        ("ExecuteStatement", {"Statement": 'SELECT * FROM "Other"'}),
        ("BatchExecuteStatement", {"Statements": [{"Statement": "SELECT * FROM Other WHERE pk = 'a'"}]}),
    ):
        assert send(sandbox, operation, **body)[0] == 500
    assert send(sandbox, "GetItem", TableName="Shop", Key=key)[0] == 200


def test_faults_are_asked_for_reported_and_lifted_over_http(sandbox):
    rules = [{"kind": "slow", "seconds": 0, "share": 1}, {"kind": "throttle", "operations": ["PutItem"], "count": 1}]
    status, answer = control(sandbox, "POST", rules)
    assert (status, [fault["kind"] for fault in answer["faults"]]) == (200, ["slow", "throttle"])
    assert put(sandbox, "over http")[0] == 400
    assert put(sandbox, "over http")[0] == 200
    _, answer = control(sandbox, "GET")
    assert [(fault["met"], fault["struck"]) for fault in answer["faults"]] == [(2, 2), (2, 1)]
    assert control(sandbox, "DELETE") == (200, {"faults": []})
    assert put(sandbox, "over http")[0] == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        "throttle",
        {"kind": "fire"},
        {"kind": "throttle", "share": 2},
        {"kind": "throttle", "share": "all"},
        {"kind": "throttle", "count": -1},
        {"kind": "throttle", "count": True},
        {"kind": "throttle", "operations": "PutItem"},
        {"kind": "throttle", "code": "Slow"},
        {"kind": "denied", "service": "s3"},
        {"kind": "throttle", "reasons": ["tired"]},
        {"kind": "throttle", "often": True},
        [{"kind": "slow"}, {"kind": "fire"}],
    ],
)
def test_a_wrong_rule_is_refused_whole_saying_why(sandbox, wrong):
    status, answer = control(sandbox, "POST", wrong)
    assert status == 400
    assert answer["error"]
    assert sandbox.faults.report() == []
