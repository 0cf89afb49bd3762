"""Every error of AWS is told apart, keeps its code and request id, and says what to do."""

import http.server
import json
import threading

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.error_mapping import Ambiguous, ConditionFailed, Throttled
from pitrkit.aws.tables import tables
from pitrkit.errors import AccessDenied, AwsError, BadInput, NoCredentials, NoRegion, PitrkitError, TableNotFound

ITEM = {"pk": {"S": "a"}, "n": {"N": "1.0"}}


class Stub(http.server.BaseHTTPRequestHandler):
    """Answers every request as it is told to, and counts."""

    status, body, drop = 200, {}, False
    requests: int

    def do_POST(self):
        type(self).requests += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.drop:
            self.connection.close()
            return
        raw = json.dumps(self.body).encode()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("x-amzn-RequestId", "REQUEST-1")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *args):
        pass


@pytest.fixture
def stub(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    kind = type("OneStub", (Stub,), {"requests": 0})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kind.aws = Aws.connect(region="eu-west-1", endpoint_url=f"http://127.0.0.1:{server.server_port}")
    yield kind
    server.shutdown()
    server.server_close()


def answer(stub, code, status=400, **fields):
    stub.status = status
    stub.body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "because", **fields}


@pytest.mark.parametrize(
    ("code", "kind", "word"),
    [
        ("AccessDeniedException", AccessDenied, "dynamodb:DescribeTable"),
        ("ResourceNotFoundException", TableNotFound, "11_deleted_table"),
        ("ExpiredTokenException", NoCredentials, "expired"),
        ("UnrecognizedClientException", NoCredentials, "does not accept"),
        ("ValidationException", AwsError, "because"),
    ],
)
def test_a_refusal_says_what_it_was_and_what_to_do(stub, code, kind, word):
    answer(stub, code)
    with pytest.raises(kind) as caught:
        tables.describe(stub.aws, "Orders")
    assert word in str(caught.value)
    assert caught.value.fix
    if isinstance(caught.value, AwsError):
        assert (caught.value.code, caught.value.request_id) == (code, "REQUEST-1")
        assert "REQUEST-1" in str(caught.value)


def put(stub):
    stub.aws.call("dynamodb", "put_item", retry=False, TableName="Orders", Item=ITEM)


def test_a_failed_condition_brings_the_item_that_was_found(stub):
    answer(stub, "ConditionalCheckFailedException", Item=ITEM)
    with pytest.raises(ConditionFailed) as caught:
        put(stub)
    assert caught.value.found == '{"n":{"N":"1"},"pk":{"S":"a"}}'


def test_a_throttled_write_was_not_done_and_says_why(stub):
    reasons = [{"reason": "TableWriteKeyRangeThroughputExceeded", "resource": "arn"}]
    answer(stub, "ProvisionedThroughputExceededException", ThrottlingReasons=reasons)
    with pytest.raises(Throttled) as caught:
        put(stub)
    assert caught.value.reasons == ("TableWriteKeyRangeThroughputExceeded",)
    assert stub.requests == 1


@pytest.mark.parametrize("fault", ["500", "dropped"])
def test_a_write_without_a_clear_answer_is_ambiguous_and_sent_once(stub, fault):
    answer(stub, "InternalServerError", status=500)
    stub.drop = fault == "dropped"
    with pytest.raises(Ambiguous):
        put(stub)
    assert stub.requests == 1


def test_wrong_parameters_never_leave_the_machine(stub):
    with pytest.raises(BadInput):
        stub.aws.call("dynamodb", "put_item", TableName="Orders")
    assert stub.requests == 0


def test_no_region_and_no_credentials_are_told_before_anything_is_asked(monkeypatch):
    with pytest.raises(NoRegion) as caught:
        Aws.connect()
    assert "AWS_REGION" in caught.value.fix
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    with pytest.raises(NoCredentials):
        Aws.connect()


def test_either_of_the_two_region_variables_will_do_as_with_the_aws_cli(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert Aws.connect().region == "us-west-2"
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert Aws.connect().region == "eu-west-1"
    assert Aws.connect(region="ap-south-1").region == "ap-south-1"


def test_an_unknown_profile_is_named(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(PitrkitError, match="nobody"):
        Aws.connect(region="eu-west-1")
