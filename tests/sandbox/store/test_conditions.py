"""Conditions of the sandbox's DynamoDB: by type and value, atomic between clients."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from pitrkit.sandbox import Sandbox

KEY = {"pk": {"S": "a"}}
STORED = {
    "number": {"N": "1.50"},
    "big": {"N": "12345678901234567890123456789012345678"},
    "text": {"S": "1.5"},
    "true": {"BOOL": True},
    "nothing": {"NULL": True},
    "binary": {"B": b"\x00\x01\xff"},
    "empty": {"S": ""},
    "numbers": {"NS": ["1.0", "20", "-3e1"]},
    "texts": {"SS": ["b", "a"]},
    "binaries": {"BS": [b"\x02", b"\x01"]},
    "list": {"L": [{"N": "1.0"}, {"M": {"deep": {"NS": ["2.0", "1"]}}}, {"B": b"x"}, {"BOOL": True}]},
    "map": {"M": {"a": {"L": [{"M": {"n": {"N": "100"}}}]}, "b": {"NULL": True}}},
}
EQUAL = {
    "number": {"N": "1.5"},
    "big": {"N": "1.2345678901234567890123456789012345678E37"},
    "text": {"S": "1.5"},
    "true": {"BOOL": True},
    "nothing": {"NULL": True},
    "binary": {"B": b"\x00\x01\xff"},
    "empty": {"S": ""},
    "numbers": {"NS": ["-30", "1", "2E1"]},
    "texts": {"SS": ["a", "b"]},
    "binaries": {"BS": [b"\x01", b"\x02"]},
    "list": {"L": [{"N": "1"}, {"M": {"deep": {"NS": ["1", "2"]}}}, {"B": b"x"}, {"BOOL": True}]},
    "map": {"M": {"b": {"NULL": True}, "a": {"L": [{"M": {"n": {"N": "1e2"}}}]}}},
}
UNEQUAL = {
    "number": [{"N": "1.51"}, {"S": "1.5"}],
    "big": [{"N": "12345678901234567890123456789012345679"}],
    "text": [{"N": "1.5"}, {"B": b"1.5"}],
    "true": [{"N": "1"}, {"BOOL": False}, {"S": "true"}],
    "nothing": [{"BOOL": False}, {"S": ""}],
    "binary": [{"S": "AAH/"}, {"B": b"\x00\x01"}],
    "empty": [{"NULL": True}],
    "numbers": [{"NS": ["1", "20"]}, {"SS": ["1", "20", "-30"]}],
    "texts": [{"SS": ["a"]}, {"L": [{"S": "a"}, {"S": "b"}]}],
    "binaries": [{"BS": [b"\x01"]}],
    "list": [
        {"L": [{"N": "1"}, {"M": {"deep": {"NS": ["1", "3"]}}}, {"B": b"x"}, {"BOOL": True}]},
        {"L": [{"N": "1"}, {"M": {"deep": {"NS": ["1", "2"]}}}, {"B": b"x"}, {"N": "1"}]},
    ],
    "map": [{"M": {"a": {"L": [{"M": {"n": {"N": "100"}}}]}}}],
}


@pytest.fixture(scope="module")
def dynamodb():
    with Sandbox() as sandbox:
        client = sandbox.client("dynamodb", config=Config(max_pool_connections=16))
        client.create_table(
            TableName="T",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


@pytest.fixture
def stored(dynamodb):
    dynamodb.put_item(TableName="T", Item={**KEY, **STORED})
    return dynamodb


def holds(dynamodb, condition, **values):
    """Return whether the item satisfies *condition*, asked by a write that changes nothing."""
    names = {
        word: word[1:]
        for word in condition.replace("(", " ").replace(",", " ").replace(")", " ").split()
        if word.startswith("#")
    }
    parameters = {"ExpressionAttributeValues": {f":{name}": value for name, value in values.items()}} if values else {}
    try:
        dynamodb.update_item(
            TableName="T",
            Key=KEY,
            UpdateExpression="REMOVE zz",
            ConditionExpression=condition,
            ExpressionAttributeNames=names,
            **parameters,
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


@pytest.mark.parametrize("name", STORED)
def test_equality_is_by_type_and_value(stored, name):
    assert holds(stored, f"#{name} = :v", v=EQUAL[name])
    assert not holds(stored, f"#{name} <> :v", v=EQUAL[name])
    assert holds(stored, f"#{name} IN (:v, :w)", v={"S": "other"}, w=EQUAL[name])
    for other in UNEQUAL[name]:
        assert not holds(stored, f"#{name} = :v", v=other)
        assert holds(stored, f"#{name} <> :v", v=other)


def test_an_absent_attribute_equals_nothing(stored):
    for value in ({"NULL": True}, {"S": ""}, {"BOOL": False}):
        assert not holds(stored, "#absent = :v", v=value)
        assert holds(stored, "#absent <> :v", v=value)
    assert not holds(stored, "#absent < :v", v={"N": "1"})
    assert not holds(stored, "size(#absent) = :v", v={"N": "0"})
    assert holds(stored, "attribute_not_exists(#absent) AND attribute_exists(#nothing)")


def test_order_is_by_value_within_a_type(stored):
    assert holds(stored, "#number > :v", v={"N": "1.4999"})
    assert holds(stored, "#number < :v", v={"N": "10"})
    assert not holds(stored, "#number < :v", v={"S": "9"})
    assert holds(stored, "#number BETWEEN :a AND :b", a={"N": "1.5"}, b={"N": "1.50"})
    # 0x00 0x01 0xff is below 0x01, though its base64 text is above some
    assert holds(stored, "#binary < :v", v={"B": b"\x01"})
    assert holds(stored, "begins_with(#binary, :v)", v={"B": b"\x00\x01"})


def test_contains_and_size_see_values(stored):
    assert holds(stored, "contains(#numbers, :v)", v={"N": "1.000"})
    assert not holds(stored, "contains(#numbers, :v)", v={"S": "1"})
    assert holds(stored, "contains(#list, :v)", v={"M": {"deep": {"NS": ["1", "2"]}}})
    assert holds(stored, "contains(#binary, :v)", v={"B": b"\x01\xff"})
    assert holds(stored, "size(#binary) = :v", v={"N": "3"})
    assert holds(stored, "size(#map) = :v", v={"N": "2"})


def test_numbers_are_stored_normalised_and_exact(stored):
    found = stored.get_item(TableName="T", Key=KEY)["Item"]
    assert found["number"] == {"N": "1.5"}
    assert found["big"] == {"N": "12345678901234567890123456789012345678"}
    assert sorted(found["numbers"]["NS"]) == ["-30", "1", "20"]
    assert found["list"]["L"][0] == {"N": "1"}
    updated = stored.update_item(
        TableName="T",
        Key=KEY,
        UpdateExpression="SET big = big - :one, #n = #n + :half ADD numbers :two",
        ExpressionAttributeNames={"#n": "number"},
        ExpressionAttributeValues={":one": {"N": "1"}, ":half": {"N": ".50"}, ":two": {"NS": ["20.0", "1e-3"]}},
        ReturnValues="ALL_NEW",
    )["Attributes"]
    assert updated["big"] == {"N": "12345678901234567890123456789012345677"}
    assert updated["number"] == {"N": "2"}
    assert sorted(updated["numbers"]["NS"]) == ["-30", "0.001", "1", "20"]


@pytest.mark.parametrize(
    "value",
    [
        {"N": "123456789012345678901234567890123456789"},
        {"N": "1E126"},
        {"N": "1E-131"},
        {"N": "NaN"},
        {"N": "1_0"},
        {"SS": ["a", "a"]},
        {"NS": ["1", "1.0"]},
        {"M": {"deep": {"L": [{"N": "x"}]}}},
    ],
)
def test_what_the_service_refuses_to_store_is_refused(stored, value):
    for write in (
        lambda: stored.put_item(TableName="T", Item={**KEY, "v": value}),
        lambda: stored.update_item(
            TableName="T", Key=KEY, UpdateExpression="SET v = :v", ExpressionAttributeValues={":v": value}
        ),
    ):
        with pytest.raises(ClientError) as refused:
            write()
        assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert "v" not in stored.get_item(TableName="T", Key=KEY)["Item"]


def test_a_guard_over_a_hundred_attributes_is_evaluated(dynamodb):
    wide = {f"a{number}": {"N": str(number)} for number in range(100)}
    dynamodb.put_item(TableName="T", Item={"pk": {"S": "wide"}, **wide})
    guard = " AND ".join(f"#{name} = :{name}" for name in wide) + " AND attribute_not_exists(#other)"
    parameters = {
        "TableName": "T",
        "Key": {"pk": {"S": "wide"}},
        "ConditionExpression": guard,
        "ExpressionAttributeNames": {"#other": "other", **{f"#{name}": name for name in wide}},
    }
    values = {f":{name}": value for name, value in wide.items()}
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.delete_item(**parameters, ExpressionAttributeValues={**values, ":a99": {"N": "0"}})
    dynamodb.delete_item(**parameters, ExpressionAttributeValues=values)


def write_put(dynamodb, **condition):
    return dynamodb.put_item(TableName="T", Item={**KEY, "new": {"S": "x"}}, **condition)


def write_update(dynamodb, **condition):
    condition["ExpressionAttributeValues"] = {":new": {"S": "x"}, **condition.get("ExpressionAttributeValues", {})}
    return dynamodb.update_item(
        TableName="T",
        Key=KEY,
        UpdateExpression="SET #new = :new",
        **{**condition, "ExpressionAttributeNames": {"#new": "new", **condition["ExpressionAttributeNames"]}},
    )


def write_delete(dynamodb, **condition):
    return dynamodb.delete_item(TableName="T", Key=KEY, **condition)


@pytest.mark.parametrize("write", [write_put, write_update, write_delete])
def test_a_failed_condition_returns_the_blocking_item(stored, write):
    condition = {
        "ConditionExpression": "attribute_not_exists(#pk)",
        "ExpressionAttributeNames": {"#pk": "pk"},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    before = stored.get_item(TableName="T", Key=KEY)["Item"]
    with pytest.raises(stored.exceptions.ConditionalCheckFailedException) as failed:
        write(stored, **condition)
    assert failed.value.response["Item"] == before
    assert stored.get_item(TableName="T", Key=KEY)["Item"] == before
    del condition["ReturnValuesOnConditionCheckFailure"]
    with pytest.raises(stored.exceptions.ConditionalCheckFailedException) as failed:
        write(stored, **condition)
    assert "Item" not in failed.value.response


@pytest.mark.parametrize("write", [write_put, write_update, write_delete])
def test_a_condition_that_fails_on_nothing_returns_no_item(dynamodb, write):
    dynamodb.delete_item(TableName="T", Key=KEY)
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException) as failed:
        write(
            dynamodb,
            ConditionExpression="attribute_exists(#pk)",
            ExpressionAttributeNames={"#pk": "pk"},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert "Item" not in failed.value.response
    assert "Item" not in dynamodb.get_item(TableName="T", Key=KEY)


def test_concurrent_increments_are_all_counted(dynamodb):
    def increment(_):
        dynamodb.update_item(
            TableName="T",
            Key={"pk": {"S": "counter"}},
            UpdateExpression="ADD hits :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(increment, range(240)))
    assert dynamodb.get_item(TableName="T", Key={"pk": {"S": "counter"}})["Item"]["hits"] == {"N": "240"}


def test_of_concurrent_guarded_increments_none_overwrites_another(dynamodb):
    key = {"pk": {"S": "guarded"}}
    dynamodb.put_item(TableName="T", Item={**key, "hits": {"N": "0"}})

    def increment(_):
        seen = int(dynamodb.get_item(TableName="T", Key=key, ConsistentRead=True)["Item"]["hits"]["N"])
        try:
            dynamodb.update_item(
                TableName="T",
                Key=key,
                UpdateExpression="SET hits = :next",
                ConditionExpression="hits = :seen",
                ExpressionAttributeValues={":next": {"N": str(seen + 1)}, ":seen": {"N": str(seen)}},
            )
        except dynamodb.exceptions.ConditionalCheckFailedException:
            return 0
        return 1

    with ThreadPoolExecutor(12) as pool:
        won = sum(pool.map(increment, range(240)))
    assert dynamodb.get_item(TableName="T", Key=key)["Item"]["hits"] == {"N": str(won)}


def test_of_racing_puts_exactly_one_wins_each_key(dynamodb):
    def claim(attempt):
        try:
            dynamodb.put_item(
                TableName="T",
                Item={"pk": {"S": f"race{attempt % 20}"}, "by": {"N": str(attempt)}},
                ConditionExpression="attribute_not_exists(pk)",
            )
        except dynamodb.exceptions.ConditionalCheckFailedException:
            return None
        return attempt

    with ThreadPoolExecutor(12) as pool:
        winners = {w % 20: w for w in pool.map(claim, range(200)) if w is not None}
        assert len(winners) == 20
    for number, winner in winners.items():
        found = dynamodb.get_item(TableName="T", Key={"pk": {"S": f"race{number}"}})["Item"]
        assert found["by"] == {"N": str(winner)}
