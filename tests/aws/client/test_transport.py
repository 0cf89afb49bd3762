"""The wire answers as `Aws.call` does, whatever the network does to the replies, and is signed as botocore signs."""

import gzip
import json
import zlib
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.error_mapping import Ambiguous, ConditionFailed, Throttled
from pitrkit.aws.client.transport import ATTEMPTS, Wire
from pitrkit.aws.items import canonical
from pitrkit.errors import AccessDenied, AwsError, NoCredentials, TableNotFound
from tests.aws.loopback import Stub, http

BODY = b'{"TableName":"Orders"}'
BIG = b'{"Items":[' + b",".join([b'{"pk":{"S":"%d"}}' % number for number in range(100_000)]) + b"]}"


def refusal(code, status=400, **more):
    return http(
        json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "because", **more}), status=status
    )


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def wire_to(stub, **options):
    return Wire.of(Aws.connect(region="eu-west-1", endpoint_url=stub.url), **options)


def test_an_answer_is_the_services_bytes_with_its_request_id():
    with Stub(http('{"Count":1}')) as stub:
        answer = wire_to(stub).send("Scan", BODY)
    assert (answer.body, answer.request_id, answer.attempts) == (b'{"Count":1}', "REQUEST-1", 1)
    head, _, body = stub.requests[0].partition(b"\r\n\r\n")
    assert body == BODY
    assert b"\r\nx-amz-target:DynamoDB_20120810.Scan\r\n" in head
    assert b"pitrkit/" in head
    assert f"host:127.0.0.1:{stub.port}".encode() in head


def test_a_large_answer_arrives_whole_and_the_connection_is_used_again():
    with Stub(http(BIG)) as stub:
        wire = wire_to(stub)
        assert [wire.send("Scan", BODY).body for _ in range(3)] == [BIG] * 3
    assert stub.connections == 1


def chunked(body):
    size = 1000
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    text = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\nTrailer: x\r\n\r\n"
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nx-amz-crc32: %d\r\n\r\n" % zlib.crc32(body) + text


@pytest.mark.parametrize(
    "reply",
    [
        chunked(BIG[:5000]),
        http(gzip.compress(BIG[:5000]), headers=["Content-Encoding: gzip"]),
        b"HTTP/1.1 100 Continue\r\n\r\n" + http(BIG[:5000]),
        (b"HTTP/1.0 200 OK\r\n\r\n" + BIG[:5000],),
        (http(BIG[:5000], headers=["Connection: close"]),),
        http(BIG[:5000], crc=False),
    ],
    ids=["chunked", "gzip", "continue", "until it ends", "close", "no checksum"],
)
def test_every_way_in_which_http_may_carry_an_answer_is_understood(reply):
    with Stub(reply) as stub:
        wire = wire_to(stub)
        assert [wire.send("Scan", BODY).body for _ in range(2)] == [BIG[:5000]] * 2


WHOLE = http(BIG[:5000])


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        (WHOLE[:-1],),
        (WHOLE[:40],),
        (chunked(BIG[:5000])[:-10],),
        WHOLE.replace(b'"1"', b'"7"'),
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnothex\r\n",),
        refusal("InternalServerError", 500),
        http("<html>busy</html>", status=503, crc=False),
    ],
    ids=["dropped", "cut", "cut in the head", "cut chunks", "altered", "no http", "bad chunks", "500", "a proxy's 503"],
)
def test_a_write_without_a_whole_and_clear_answer_is_ambiguous_and_sent_once(reply):
    with Stub(reply) as stub:
        with pytest.raises(Ambiguous) as caught:
            wire_to(stub).send("PutItem", BODY, table="Orders")
        assert len(stub.requests) == 1
    assert caught.value.operation == "PutItem"
    assert caught.value.table == "Orders"
    assert caught.value.fix


def test_after_a_broken_reply_the_next_one_is_not_mixed_up_with_its_rest():
    with Stub(WHOLE.replace(b'"1"', b'"7"'), http("{}")) as stub:
        wire = wire_to(stub)
        with pytest.raises(Ambiguous):
            wire.send("Scan", BODY)
        assert wire.send("Scan", BODY).body == b"{}"
        assert stub.connections == 2


def test_a_connection_that_the_server_closed_meanwhile_makes_no_doubt():
    with Stub((http("{}"),)) as stub:  # closes after each reply without having said so
        wire = wire_to(stub)
        for _ in range(20):
            assert wire.send("PutItem", BODY).body == b"{}"
            stub.wait_until_closed()
    assert len(stub.requests) == 20


def test_nobody_listening_is_no_answer():
    with Stub() as stub:
        wire = wire_to(stub)
    with pytest.raises(Ambiguous):
        wire.send("Scan", BODY)


@pytest.mark.parametrize(
    ("code", "kind", "word"),
    [
        ("AccessDeniedException", AccessDenied, "dynamodb:Scan"),
        ("ResourceNotFoundException", TableNotFound, "11_deleted_table"),
        ("ExpiredTokenException", NoCredentials, "expired"),
        ("UnrecognizedClientException", NoCredentials, "does not accept"),
        ("ValidationException", AwsError, "because"),
    ],
)
def test_a_refusal_is_the_error_that_aws_call_raises(code, kind, word):
    with Stub(refusal(code)) as stub:
        with pytest.raises(kind) as ours:
            wire_to(stub).call("Scan", BODY, table="Orders")
        with pytest.raises(kind) as theirs:
            Aws.connect(region="eu-west-1", endpoint_url=stub.url).call("dynamodb", "scan", TableName="Orders")
    assert str(ours.value) == str(theirs.value)
    assert word in str(ours.value)
    assert ours.value.__cause__.response["Error"] == theirs.value.__cause__.response["Error"]


def test_what_a_proxy_says_instead_of_the_service_is_told():
    with (
        Stub(http("who are you?", status=407, crc=False)) as stub,
        pytest.raises(AwsError, match="who are you") as caught,
    ):
        wire_to(stub).send("Scan", BODY)
    assert caught.value.code == "407"


def test_a_failed_condition_brings_the_item_that_was_found():
    failed = refusal("ConditionalCheckFailedException", Item={"pk": {"S": "a"}, "n": {"N": "1.0"}})
    with Stub(failed) as stub, pytest.raises(ConditionFailed) as caught:
        wire_to(stub).send("PutItem", BODY)
    assert caught.value.found == '{"n":{"N":"1"},"pk":{"S":"a"}}'


REASONS = [{"reason": "TableWriteKeyRangeThroughputExceeded", "resource": "arn"}]


@pytest.mark.parametrize("field", ["ThrottlingReasons", "throttlingReasons"])
def test_throttling_keeps_its_reasons(field):
    with Stub(refusal("ThrottlingException", **{field: REASONS})) as stub, pytest.raises(Throttled) as caught:
        wire_to(stub).send("PutItem", BODY)
    assert caught.value.reasons == ("TableWriteKeyRangeThroughputExceeded",)


def test_call_goes_on_through_throttling_and_lost_answers_with_pauses_that_grow():
    pauses, told = [], []
    faults = [refusal("ThrottlingException", ThrottlingReasons=REASONS), b"", refusal("InternalServerError", 500)]
    with Stub(*faults, http('{"Count":0}')) as stub:
        answer = wire_to(stub, pause=pauses.append).call("Scan", BODY, on_failure=told.append)
    assert answer.attempts == 4
    assert [type(error) for error in told] == [Throttled, Ambiguous, Ambiguous]
    assert all(0 <= pause <= limit for pause, limit in zip(pauses, (0.2, 0.1, 0.2), strict=True))


def test_call_gives_up_in_the_end_with_the_last_error():
    pauses = []
    with Stub(refusal("ProvisionedThroughputExceededException")) as stub, pytest.raises(Throttled):
        wire_to(stub, pause=pauses.append).call("Scan", BODY)
    assert len(stub.requests) == ATTEMPTS == len(pauses) + 1
    assert max(pauses) <= 20


def test_many_requests_at_once_have_each_its_own_outcome_in_order():
    def reply(request):
        number = orjson.loads(request.partition(b"\r\n\r\n")[2])["n"]
        if number % 5 == 3:
            return b""
        return refusal("ValidationException") if number % 5 == 4 else http(b'{"n":%d}' % number)

    with Stub(reply) as stub:
        answers = wire_to(stub, max_connections=8).send_all([("PutItem", b'{"n":%d}' % n) for n in range(50)])
    for number, answer in enumerate(answers):
        if number % 5 == 3:
            assert isinstance(answer, Ambiguous)
        elif number % 5 == 4:
            assert isinstance(answer, AwsError)
            assert answer.code == "ValidationException"
        else:
            assert answer.body == b'{"n":%d}' % number
    assert len(stub.requests) == 50


class Refreshing:
    """Credentials that are others at each asking."""

    def __init__(self, aws):
        self._frozen = aws.credentials.get_frozen_credentials()
        self.number = 0

    def get_frozen_credentials(self):
        self.number += 1
        return self._frozen._replace(access_key=f"key-{self.number}", token=f"token-{self.number}")


def test_refreshed_credentials_sign_the_next_request(monkeypatch):
    from botocore.credentials import RefreshableCredentials

    def fetch():
        fetch.number += 1
        soon = datetime.now(UTC) + timedelta(seconds=1)  # to be refreshed before each use
        return {"access_key": f"key-{fetch.number}", "secret_key": "s", "token": "t", "expiry_time": soon.isoformat()}

    fetch.number = 0
    aws_credentials = RefreshableCredentials.create_from_metadata(fetch(), refresh_using=fetch, method="test")
    monkeypatch.setattr(Aws, "credentials", property(lambda _: aws_credentials))
    with Stub() as stub:
        wire = wire_to(stub)
        wire.send("Scan", BODY)
        wire.send("Scan", BODY)
    signers = [request.partition(b"Credential=")[2].partition(b"/")[0] for request in stub.requests]
    assert len(set(signers)) == 2
    assert all(b"\r\nx-amz-security-token:t\r\n" in request for request in stub.requests)


def test_credentials_that_expire_in_the_middle_are_tried_anew_once_there_are_fresh_ones(monkeypatch):
    aws_credentials = Refreshing(Aws.connect(region="eu-west-1"))
    monkeypatch.setattr(Aws, "credentials", property(lambda _: aws_credentials))
    with Stub(refusal("ExpiredTokenException"), http("{}")) as stub:
        assert wire_to(stub).call("Scan", BODY).body == b"{}"
    with Stub(refusal("ExpiredTokenException")) as stub, pytest.raises(NoCredentials):
        wire_to(stub).call("Scan", BODY)
    assert len(stub.requests) == 2


def test_credentials_that_cannot_be_refreshed_are_told_before_anything_is_sent(monkeypatch):
    from botocore.exceptions import CredentialRetrievalError

    class Broken:
        def get_frozen_credentials(self):
            raise CredentialRetrievalError(provider="sso", error_msg="expired")

    monkeypatch.setattr(Aws, "credentials", property(lambda _: Broken()))
    with Stub() as stub, pytest.raises(NoCredentials, match="sso"):
        wire_to(stub).send("Scan", BODY)
    assert not stub.requests


def test_it_reads_and_writes_a_table_as_boto3_does(sandbox):
    client = sandbox.client("dynamodb")
    client.create_table(
        TableName="Orders",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    wire = Wire.of(Aws.connect())
    items = [{"pk": {"S": f"{number} \u00fc\U0001f600 \n"}, "n": {"N": str(number)}} for number in range(30)]
    for answer in wire.send_all([("PutItem", orjson.dumps({"TableName": "Orders", "Item": item})) for item in items]):
        assert answer.request_id
    scanned = orjson.loads(wire.call("Scan", BODY).body)["Items"]
    assert sorted(map(canonical, scanned)) == sorted(map(canonical, items))
    assert sorted(map(canonical, client.scan(TableName="Orders")["Items"])) == sorted(map(canonical, items))
    again = {"TableName": "Orders", "Item": items[0], "ConditionExpression": "attribute_not_exists(pk)"}
    with pytest.raises(ConditionFailed) as caught:
        wire.send("PutItem", orjson.dumps({**again, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}))
    assert caught.value.found == canonical(items[0])
