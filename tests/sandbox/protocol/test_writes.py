"""Every way of writing to the sandbox's DynamoDB leaves its past behind, and says what it did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from botocore.exceptions import ClientError

from pitrkit.sandbox import Sandbox

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
BINARY = {"B": b"\x00\xff\xfe"}
NESTED = {"M": {"l": {"L": [BINARY, {"BS": [b"\x01", b"\xff"]}, {"N": "1"}]}}}


@pytest.fixture
def sandbox():
    with Sandbox(ticking=False) as sandbox:
        sandbox.clock.set(NOON)
        yield sandbox


@pytest.fixture
def dynamodb(sandbox):
    client = sandbox.client("dynamodb")
    client.create_table(
        TableName="Shop",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    client.update_continuous_backups(
        TableName="Shop", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    return client


def item(pk, **attributes):
    return {"pk": {"S": pk}, **attributes}


def put(dynamodb, pk, **attributes):
    dynamodb.put_item(TableName="Shop", Item=item(pk, **attributes))


def now(dynamodb, table="Shop"):
    return {found["pk"]["S"]: found for found in dynamodb.scan(TableName=table)["Items"]}


_copies = count()


def state_at(dynamodb, seconds):
    """Return the items as they were *seconds* after noon, by a restore."""
    name = f"Copy{next(_copies)}"
    dynamodb.restore_table_to_point_in_time(
        SourceTableName="Shop", TargetTableName=name, RestoreDateTime=NOON + timedelta(seconds=seconds)
    )
    return now(dynamodb, name)


def by_put(dynamodb):
    put(dynamodb, "new", b=BINARY, m=NESTED)
    put(dynamodb, "old", v={"N": "2"})


def by_update(dynamodb):
    for pk in ("old", "new"):
        dynamodb.update_item(
            TableName="Shop",
            Key=item(pk),
            UpdateExpression="SET b = :b, m = :m REMOVE v",
            ExpressionAttributeValues={":b": BINARY, ":m": NESTED},
        )


def by_delete(dynamodb):
    dynamodb.delete_item(TableName="Shop", Key=item("old"))


def by_batch(dynamodb):
    dynamodb.batch_write_item(
        RequestItems={
            "Shop": [{"PutRequest": {"Item": item("new", b=BINARY)}}, {"DeleteRequest": {"Key": item("old")}}]
        }
    )


def by_transaction(dynamodb):
    dynamodb.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": "Shop", "Item": item("new", m=NESTED)}},
            {"Delete": {"TableName": "Shop", "Key": item("old")}},
            {
                "Update": {
                    "TableName": "Shop",
                    "Key": item("other"),
                    "UpdateExpression": "SET v = :v",
                    "ExpressionAttributeValues": {":v": {"N": "7.0"}},
                }
            },
            {
                "ConditionCheck": {
                    "TableName": "Shop",
                    "Key": item("absent"),
                    "ConditionExpression": "attribute_not_exists(pk)",
                }
            },
        ]
    )


def by_partiql(dynamodb):
    dynamodb.execute_statement(Statement="""INSERT INTO "Shop" VALUE {'pk': 'literal', 'v': 1}""")
    dynamodb.execute_statement(
        Statement="""INSERT INTO "Shop" VALUE {'pk': ?, 'm': ?}""", Parameters=[{"S": "new"}, NESTED]
    )
    dynamodb.execute_statement(Statement="""UPDATE "Shop" SET v = 'two' WHERE pk = 'other'""")
    dynamodb.execute_statement(Statement="""DELETE FROM "Shop" WHERE pk = 'old'""")


def by_partiql_batch(dynamodb):
    answers = dynamodb.batch_execute_statement(
        Statements=[
            {"Statement": """INSERT INTO "Shop" VALUE {'pk': ?, 'b': ?}""", "Parameters": [{"S": "new"}, BINARY]},
            {"Statement": """DELETE FROM "Shop" WHERE pk = ? AND v = ?""", "Parameters": [{"S": "old"}, {"N": "1.0"}]},
        ]
    )["Responses"]
    assert not any("Error" in answer for answer in answers)


def by_partiql_transaction(dynamodb):
    dynamodb.execute_transaction(
        TransactStatements=[
            {"Statement": """INSERT INTO "Shop" VALUE {'pk': 'new', 'v': 1}"""},
            {"Statement": """DELETE FROM "Shop" WHERE pk = 'old'"""},
        ]
    )


@pytest.mark.parametrize(
    "write",
    [by_put, by_update, by_delete, by_batch, by_transaction, by_partiql, by_partiql_batch, by_partiql_transaction],
)
def test_every_write_path_leaves_its_past(sandbox, dynamodb, write):
    put(dynamodb, "old", v={"N": "1"})
    put(dynamodb, "other", v={"N": "1"})
    before = now(dynamodb)
    sandbox.clock.advance(10)
    write(dynamodb)
    after = now(dynamodb)
    sandbox.clock.advance(10)
    assert before != after
    assert state_at(dynamodb, 9) == before
    assert state_at(dynamodb, 10) == after


def test_a_failed_transaction_leaves_nothing(sandbox, dynamodb):
    put(dynamodb, "old", b=BINARY)
    before = now(dynamodb)
    sandbox.clock.advance(10)
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as failed:
        dynamodb.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "Shop", "Item": item("new")}},
                {
                    "Put": {
                        "TableName": "Shop",
                        "Item": item("old"),
                        "ConditionExpression": "attribute_not_exists(pk)",
                        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                    }
                },
            ]
        )
    reasons = failed.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed"]
    assert reasons[1]["Item"] == before["old"]
    with pytest.raises(ClientError):
        dynamodb.transact_write_items(
            TransactItems=[
                {"Delete": {"TableName": "Shop", "Key": item("old")}},
                {"Put": {"TableName": "Shop", "Item": item("old")}},
            ]
        )
    sandbox.clock.advance(10)
    assert now(dynamodb) == before
    assert state_at(dynamodb, 20) == before


def test_a_transaction_repeated_with_its_token_is_done_once(dynamodb):
    add = {
        "Update": {
            "TableName": "Shop",
            "Key": item("counter"),
            "UpdateExpression": "ADD v :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
    }
    for _ in range(2):
        dynamodb.transact_write_items(TransactItems=[add], ClientRequestToken="once")
    assert now(dynamodb)["counter"]["v"] == {"N": "1"}
    with pytest.raises(dynamodb.exceptions.IdempotentParameterMismatchException):
        dynamodb.transact_write_items(
            TransactItems=[add, {"Delete": {"TableName": "Shop", "Key": item("x")}}], ClientRequestToken="once"
        )


def test_an_update_that_fails_half_way_leaves_nothing(sandbox, dynamodb):
    put(dynamodb, "old", v={"N": "1"}, l={"L": [{"N": "1"}]})
    before = now(dynamodb)
    for pk in ("old", "new"):
        with pytest.raises(ClientError):
            dynamodb.update_item(
                TableName="Shop",
                Key=item(pk),
                UpdateExpression="SET v = :v, big = :big",
                ExpressionAttributeValues={":v": {"N": "2"}, ":big": {"S": "x" * 500_000}},
            )
    assert now(dynamodb) == before


def test_a_batch_with_a_bad_item_writes_nothing(dynamodb):
    batches = [
        [item("a"), {"v": {"S": "no key"}}],
        [item("a"), item("b", v={"NS": ["1", "1.0"]})],
        [item("a"), item("b"), item("a", v={"S": "twice"})],
        [item(str(number)) for number in range(26)],
    ]
    for batch in batches:
        with pytest.raises(ClientError) as failed:
            dynamodb.batch_write_item(RequestItems={"Shop": [{"PutRequest": {"Item": one}} for one in batch]})
        assert failed.value.response["Error"]["Code"] == "ValidationException"
    assert now(dynamodb) == {}


def test_replies_carry_the_exact_images(dynamodb):
    put(dynamodb, "a", b=BINARY, m=NESTED, bs={"BS": [b"\x01"]})
    before = now(dynamodb)["a"]
    returned = dynamodb.put_item(TableName="Shop", Item=item("a", v={"N": "1"}), ReturnValues="ALL_OLD")
    assert returned["Attributes"] == before
    update = {
        "TableName": "Shop",
        "Key": item("a"),
        "UpdateExpression": "SET m = :m",
        "ExpressionAttributeValues": {":m": NESTED},
    }
    old, new = item("a", v={"N": "1"}), item("a", v={"N": "1"}, m=NESTED)
    assert dynamodb.update_item(**update, ReturnValues="ALL_OLD")["Attributes"] == old
    assert dynamodb.update_item(**update, ReturnValues="ALL_NEW")["Attributes"] == new
    assert "Attributes" not in dynamodb.update_item(**update)
    values = {":b": BINARY, ":n": {"N": "2.0"}}
    update |= {"UpdateExpression": "SET b = :b, v = :n", "ExpressionAttributeValues": values}
    assert dynamodb.update_item(**update, ReturnValues="UPDATED_OLD")["Attributes"] == {"v": {"N": "1"}}
    update["ExpressionAttributeValues"] = {":b": {"B": b"new"}, ":n": {"N": "3"}}
    changed = {"b": {"B": b"new"}, "v": {"N": "3"}}
    assert dynamodb.update_item(**update, ReturnValues="UPDATED_NEW")["Attributes"] == changed
    new |= changed
    with pytest.raises(ClientError) as refused:
        dynamodb.put_item(TableName="Shop", Item=item("a"), ReturnValues="ALL_NEW")
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert dynamodb.delete_item(TableName="Shop", Key=item("a"), ReturnValues="ALL_OLD")["Attributes"] == new
    assert "Attributes" not in dynamodb.delete_item(TableName="Shop", Key=item("a"), ReturnValues="ALL_OLD")


def test_the_stream_holds_what_changed_and_nothing_else(sandbox, dynamodb):
    put(dynamodb, "a", b=BINARY)
    put(dynamodb, "a", b=BINARY)  # changes nothing
    sandbox.clock.advance(5)
    dynamodb.update_item(
        TableName="Shop",
        Key=item("a"),
        UpdateExpression="SET v = :v",
        ExpressionAttributeValues={":v": {"N": "1"}},
    )
    dynamodb.delete_item(TableName="Shop", Key=item("a"))
    dynamodb.delete_item(TableName="Shop", Key=item("a"))
    streams = sandbox.client("dynamodbstreams")
    arn = dynamodb.describe_table(TableName="Shop")["Table"]["LatestStreamArn"]
    records = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        of = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        records += streams.get_records(ShardIterator=streams.get_shard_iterator(**of)["ShardIterator"])["Records"]
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    assert [record["dynamodb"]["ApproximateCreationDateTime"] for record in records] == [
        NOON,
        NOON + timedelta(seconds=5),
        NOON + timedelta(seconds=5),
    ]


def test_partiql_fails_as_the_service_does(dynamodb):
    put(dynamodb, "a", v={"N": "1"})
    put(dynamodb, "d", v={"N": "1"})
    insert = """INSERT INTO "Shop" VALUE {'pk': ?, 'v': ?}"""
    parameters = [{"S": "a"}, {"N": "2"}]
    with pytest.raises(dynamodb.exceptions.DuplicateItemException):
        dynamodb.execute_statement(Statement=insert, Parameters=parameters)
    answers = dynamodb.batch_execute_statement(
        Statements=[
            {"Statement": insert, "Parameters": parameters},
            {"Statement": """DELETE FROM "Shop" WHERE pk = ? AND v = ?""", "Parameters": [{"S": "d"}, {"N": "9"}]},
            {"Statement": """UPDATE "Shop" SET v = 'three' WHERE pk = 'absent'"""},
            {"Statement": insert, "Parameters": [{"S": "b"}, {"N": "2"}]},
        ]
    )["Responses"]
    assert [answer.get("Error", {}).get("Code") for answer in answers] == [
        "DuplicateItem",
        "ConditionalCheckFailed",
        "ConditionalCheckFailed",
        None,
    ]
    assert now(dynamodb) == {pk: item(pk, v={"N": v}) for pk, v in (("a", "1"), ("d", "1"), ("b", "2"))}
    with pytest.raises(ClientError) as failed:
        dynamodb.execute_statement(Statement="""UPDATE "Shop" SET v = 3 WHERE pk = 'a'""")  # beyond moto's parser
    assert failed.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(dynamodb.exceptions.DuplicateItemException):
        dynamodb.execute_transaction(
            TransactStatements=[
                {"Statement": """INSERT INTO "Shop" VALUE {'pk': 'c'}"""},
                {"Statement": """INSERT INTO "Shop" VALUE {'pk': 'a'}"""},
            ]
        )
    assert "c" not in now(dynamodb)


def test_write_capacity_is_by_the_larger_image_and_every_index_it_touches(sandbox):
    dynamodb = sandbox.client("dynamodb")
    dynamodb.create_table(
        TableName="Indexed",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "who")],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-who",
                "KeySchema": [{"AttributeName": "who", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )

    def units(**attributes):
        reply = dynamodb.put_item(TableName="Indexed", Item=item("a", **attributes), ReturnConsumedCapacity="INDEXES")[
            "ConsumedCapacity"
        ]
        assert reply["CapacityUnits"] == reply["Table"]["CapacityUnits"] + sum(
            index["CapacityUnits"] for index in reply.get("GlobalSecondaryIndexes", {}).values()
        )
        return reply["CapacityUnits"]

    assert units(v={"S": "x" * 3000}) == 3
    assert units(v={"S": "small"}) == 3  # the old image was larger
    assert units(v={"S": "small"}, who={"S": "ann"}) == 2  # enters the index
    assert units(v={"S": "other"}, who={"S": "ann"}) == 1  # the index keeps keys only
    assert units(v={"S": "other"}, who={"S": "bob"}) == 3  # its key changes: out and in
    transaction = {"TransactItems": [{"Delete": {"TableName": "Indexed", "Key": item("a")}}]}
    spent = dynamodb.transact_write_items(**transaction, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]
    assert spent == [{"TableName": "Indexed", "CapacityUnits": 4.0}]
    batch = {"Indexed": [{"PutRequest": {"Item": item(pk, v={"S": "x" * 1500})}} for pk in "abc"]}
    spent = dynamodb.batch_write_item(RequestItems=batch, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]
    assert spent == [{"TableName": "Indexed", "CapacityUnits": 6.0}]
    assert "ConsumedCapacity" not in dynamodb.update_item(TableName="Indexed", Key=item("a"))
