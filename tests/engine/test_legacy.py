"""Conditions and updates as they were said before expressions, and the limits of expressions, on each engine."""

import boto3
import pytest
from botocore.exceptions import ClientError

from pitrkit.aws.items import attributes, canonical

KEY = {"pk": {"S": "a"}}
ITEM = KEY | {
    "s": {"S": "x"},
    "n": {"N": "1.5"},
    "b": {"B": b"\x00"},
    "ss": {"SS": ["b", "a"]},
    "ns": {"NS": ["2", "1"]},
    "bs": {"BS": [b"a", b"b"]},
    "bool": {"BOOL": True},
    "null": {"NULL": True},
    "l": {"L": [{"M": {"x": {"N": "1"}}}, {"NULL": True}]},
    "m": {"M": {"k": {"SS": ["z", "y"]}}},
}
ASKED = {"TableName": "Legacy", "Key": KEY}
TOO_MANY = {f"a{number}": {"N": str(number)} for number in range(400)}


def is_(operator, *operands):
    return {"ComparisonOperator": operator, "AttributeValueList": list(operands)}


@pytest.fixture(scope="module")
def server(engine):
    environment = engine.environment
    client = boto3.session.Session().client(
        "dynamodb",
        endpoint_url=environment.get("AWS_ENDPOINT_URL_DYNAMODB", environment["AWS_ENDPOINT_URL"]),
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_table(
        TableName="Legacy",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


@pytest.fixture
def client(server):
    server.put_item(TableName="Legacy", Item=ITEM)
    return server


def stored(client):
    return client.get_item(**ASKED, ConsistentRead=True).get("Item")


HOLD = {
    **{f"{name} equal": {name: is_("EQ", value)} for name, value in ITEM.items()},
    "absent": {"nope": is_("NULL")},
    "present": {"s": is_("NOT_NULL"), "null": is_("NOT_NULL")},
    "unequal": {"s": is_("NE", {"S": "y"})},
    "less": {"n": is_("LT", {"N": "2"})},
    "at most": {"n": is_("LE", {"N": "1.5"})},
    "more": {"n": is_("GT", {"N": "1"})},
    "at least": {"n": is_("GE", {"N": "1.50"})},
    "between": {"n": is_("BETWEEN", {"N": "1"}, {"N": "2"})},
    "one of": {"s": is_("IN", {"S": "w"}, {"S": "x"})},
    "holds": {"ss": is_("CONTAINS", {"S": "a"})},
    "holds not": {"ss": is_("NOT_CONTAINS", {"S": "c"})},
    "begins": {"s": is_("BEGINS_WITH", {"S": "x"})},
    "the oldest form": {"s": {"Value": {"S": "x"}}, "nope": {"Exists": False}},
    "none": {},
}
FAIL = {
    "another value": {"s": is_("EQ", {"S": "y"})},
    "another type": {"n": is_("EQ", {"S": "1.5"})},
    "a member less": {"ss": is_("EQ", {"SS": ["a"]})},
    "another list": {"l": is_("EQ", {"L": []})},
    "not NULL": {"null": is_("EQ", {"BOOL": True})},
    "an absent attribute": {"nope": is_("EQ", {"NULL": True})},
    "a present one": {"null": is_("NULL")},
    "one of two": {"s": is_("EQ", {"S": "x"}), "n": is_("EQ", {"N": "9"})},
    "the oldest form": {"s": {"Exists": False}},
}


@pytest.mark.parametrize("expected", HOLD)
def test_a_write_is_done_where_its_expectation_holds(client, expected):
    client.update_item(**ASKED, Expected=HOLD[expected], AttributeUpdates={"t": {"Value": {"S": "new"}}})
    assert stored(client)["t"] == {"S": "new"}
    client.put_item(TableName="Legacy", Item=ITEM, Expected=HOLD[expected])
    assert canonical(stored(client)) == canonical(ITEM)
    client.delete_item(**ASKED, Expected=HOLD[expected])
    assert stored(client) is None


@pytest.mark.parametrize("expected", FAIL)
def test_a_write_is_refused_with_the_item_where_its_expectation_fails(client, expected):
    returned = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD", "Expected": FAIL[expected]}
    for write in (
        lambda: client.delete_item(**ASKED, **returned),
        lambda: client.update_item(**ASKED, **returned, AttributeUpdates={"s": {"Value": {"S": "new"}}}),
        lambda: client.put_item(TableName="Legacy", Item=KEY, **returned),
    ):
        with pytest.raises(ClientError) as refused:
            write()
        assert refused.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
        assert canonical(refused.value.response["Item"]) == canonical(ITEM)
    assert canonical(stored(client)) == canonical(ITEM)


def test_expectations_may_be_joined_by_or(client):
    expected = {"s": is_("EQ", {"S": "x"}), "n": is_("EQ", {"N": "9"})}
    client.delete_item(**ASKED, Expected=expected, ConditionalOperator="OR")
    assert stored(client) is None


def test_updates_put_values_of_every_type_add_and_take_away(client):
    client.delete_item(**ASKED)
    put = {name: {"Action": "PUT", "Value": value} for name, value in ITEM.items() if name != "pk"}
    client.update_item(**ASKED, AttributeUpdates=put)
    assert canonical(stored(client)) == canonical(ITEM)
    client.update_item(
        **ASKED,
        AttributeUpdates={
            "n": {"Action": "ADD", "Value": {"N": "2"}},
            "ss": {"Action": "ADD", "Value": {"SS": ["c"]}},
            "ns": {"Action": "DELETE", "Value": {"NS": ["2"]}},
            "m": {"Action": "DELETE"},
            "nope": {"Action": "DELETE"},
        },
    )
    after = attributes(canonical(stored(client)))
    assert (after["n"], after["ss"], after["ns"]) == ({"N": "3.5"}, {"SS": ["a", "b", "c"]}, {"NS": ["1"]})
    assert after.keys() == ITEM.keys() - {"m"}


def test_very_many_attributes_are_compared_and_updated_in_one_write(client):
    client.put_item(TableName="Legacy", Item=KEY | TOO_MANY)
    expected = {name: is_("EQ", value) for name, value in TOO_MANY.items()}
    updates = {name: {"Action": "PUT", "Value": {"S": "x"}} for name in TOO_MANY}
    client.update_item(**ASKED, Expected=expected, AttributeUpdates=updates)
    assert stored(client) == KEY | {name: {"S": "x"} for name in TOO_MANY}
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        client.delete_item(**ASKED, Expected=expected)


@pytest.mark.parametrize(("count", "fits"), [(150, True), (151, False)])
def test_a_condition_has_at_most_300_operators(client, count, fits):
    client.put_item(TableName="Legacy", Item=KEY | TOO_MANY)
    asked = {
        "ConditionExpression": " AND ".join(f"#{number} = :{number}" for number in range(count)),
        "ExpressionAttributeNames": {f"#{number}": f"a{number}" for number in range(count)},
        "ExpressionAttributeValues": {f":{number}": {"N": str(number)} for number in range(count)},
    }
    if fits:
        client.delete_item(**ASKED, **asked)
        return
    with pytest.raises(ClientError, match="too many operators; operator count: 301"):
        client.delete_item(**ASKED, **asked)


def test_an_expression_has_at_most_4096_bytes(client):
    with pytest.raises(ClientError, match="maximum allowed size; expression size: 4120"):
        client.delete_item(**ASKED, ConditionExpression=f"attribute_not_exists({'a' * 4098})")


REFUSED = [
    ({"Expected": {"s": is_("ALIKE", {"S": "x"})}}, "Comparison type does not exist"),
    ({"Expected": {"s": is_("EQ")}}, "Invalid number of argument"),
    ({"Expected": {"s": is_("NULL", {"S": "x"})}}, "Invalid number of argument"),
    ({"Expected": {"s": {"Exists": False, "Value": {"S": "x"}}}}, "Value cannot be used when Exists is false"),
    (
        {"Expected": {"s": is_("NULL")}, "ConditionExpression": "attribute_exists(s)"},
        "Can not use both expression and non-expression parameters in the same request",
    ),
]


@pytest.mark.parametrize(("asked", "words"), REFUSED)
def test_what_cannot_be_read_is_refused_as_the_service_does(client, asked, words):
    with pytest.raises(ClientError, match=words) as refused:
        client.delete_item(**ASKED, **asked)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
