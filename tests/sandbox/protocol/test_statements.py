"""PartiQL as the service answers it: items in statements, what a batch refuses whole, and what each statement does."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from pitrkit.sandbox import Sandbox

INSERT = """INSERT INTO "Shop" VALUE {'pk': ?, 'v': ?}"""


@pytest.fixture
def dynamodb():
    with Sandbox() as sandbox:
        client = sandbox.client("dynamodb")
        client.create_table(
            TableName="Shop",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "who")],
            BillingMode="PAY_PER_REQUEST",
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by-who",
                    "KeySchema": [{"AttributeName": "who", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )
        yield client


def code(call, **parameters):
    with pytest.raises(ClientError) as failed:
        call(**parameters)
    return failed.value.response["Error"]["Code"]


def insert(pk, value=None):
    return {"Statement": INSERT, "Parameters": [{"S": pk}, value or {"S": "x"}]}


def test_values_and_parameters_stand_at_any_depth(dynamodb):
    dynamodb.execute_statement(
        Statement="""INSERT INTO Shop VALUE {'pk': 'a', 'it''s': [?, {'a.b': -1.50, 'c': null}, true], 's': <<'x'>>}""",
        Parameters=[{"B": b"\x00"}],
    )
    assert dynamodb.get_item(TableName="Shop", Key={"pk": {"S": "a"}})["Item"] == {
        "pk": {"S": "a"},
        "it's": {"L": [{"B": b"\x00"}, {"M": {"a.b": {"N": "-1.5"}, "c": {"NULL": True}}}, {"BOOL": True}]},
        "s": {"SS": ["x"]},
    }


@pytest.mark.parametrize(
    "text",
    ["", "{", "{'pk': 'a'", "{'pk' 'a'}", "{'pk': 'a',}", "{pk: 'a'}", "{'pk': <<'a', 1>>}", "{'pk': 'a'} b", "?"],
)
def test_an_item_that_is_none_is_refused(dynamodb, text):
    parameters = {"Parameters": [{"M": {"pk": {"S": "a"}}}]} if "?" in text else {}
    statement = f"INSERT INTO Shop VALUE {text}"
    assert code(dynamodb.execute_statement, Statement=statement, **parameters) == "ValidationException"


@pytest.mark.parametrize(
    "statements",
    [
        [insert("a"), insert("a")],
        [insert("a"), {"Statement": """SELECT * FROM "Shop" WHERE pk = 'b'"""}],
        [insert("a"), insert("b", {"N": "9" * 39})],
        [insert("a"), {"Statement": INSERT.replace("'v'", "'" + "v" * 8192 + "'"), "Parameters": [{"S": "b"}] * 2}],
        [insert(str(n)) for n in range(26)],
    ],
    ids=["one key twice", "reads and writes", "a value that is none", "a long statement", "too many"],
)
def test_a_batch_is_refused_whole(dynamodb, statements):
    assert code(dynamodb.batch_execute_statement, Statements=statements) == "ValidationException"
    assert dynamodb.scan(TableName="Shop")["Count"] == 0


def test_statements_of_a_batch_fail_each_for_itself(dynamodb):
    answers = dynamodb.batch_execute_statement(
        Statements=[
            insert("a"),
            insert(""),
            {"Statement": "INSERT INTO Nowhere VALUE {'pk': 'a'}"},
            {"Statement": "INSERT INTO Shop VALUE {'pk': 'b', 'who': 1}"},
            {"Statement": "INSERT INTO Shop VALUE {'pk': 'c', 'who': ''}"},
            {"Statement": INSERT, "Parameters": [{"S": "d"}]},
        ],
        ReturnConsumedCapacity="TOTAL",
    )
    assert [answer.get("Error", {}).get("Code") for answer in answers["Responses"]] == [
        None,
        "ValidationError",
        "ResourceNotFound",
        "ValidationError",
        "ValidationError",
        "ValidationError",
    ]
    assert answers["Responses"][0]["TableName"] == "Shop"
    assert answers["ConsumedCapacity"][0]["CapacityUnits"] >= 1
    assert [item["pk"]["S"] for item in dynamodb.scan(TableName="Shop")["Items"]] == ["a"]


def test_a_batch_of_reads_finds_what_is_there(dynamodb):
    dynamodb.put_item(TableName="Shop", Item={"pk": {"S": "a"}, "v": {"N": "1"}})
    answers = dynamodb.batch_execute_statement(
        Statements=[{"Statement": """SELECT * FROM "Shop" WHERE pk = ?""", "Parameters": [{"S": pk}]} for pk in "ab"]
    )["Responses"]
    assert [answer.get("Item") for answer in answers] == [{"pk": {"S": "a"}, "v": {"N": "1"}}, None]


def test_a_statement_consumes_what_the_same_write_does(dynamodb):
    item = {"pk": {"S": "a"}, "v": {"S": "x" * 3000}, "who": {"S": "b"}}
    answer = dynamodb.execute_statement(
        Statement="INSERT INTO Shop VALUE {'pk': ?, 'v': ?, 'who': ?}",
        Parameters=list(item.values()),
        ReturnConsumedCapacity="TOTAL",
    )
    item["pk"] = {"S": "b"}
    same = dynamodb.put_item(TableName="Shop", Item=item, ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"] == same["ConsumedCapacity"]


@pytest.mark.parametrize("wrong", [{"S": ""}, {"S": "x" * 2049}])
def test_a_key_is_neither_empty_nor_too_long(dynamodb, wrong):
    for call, about in (
        (dynamodb.put_item, {"Item": {"pk": wrong}}),
        (dynamodb.get_item, {"Key": {"pk": wrong}}),
        (dynamodb.delete_item, {"Key": {"pk": wrong}}),
    ):
        assert code(call, TableName="Shop", **about) == "ValidationException"


def test_the_same_item_in_two_tables_is_no_duplicate(dynamodb):
    dynamodb.create_table(
        TableName="Other",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    put = [{"PutRequest": {"Item": {"pk": {"S": "a"}}}}]
    assert dynamodb.batch_write_item(RequestItems={"Shop": put, "Other": put})["UnprocessedItems"] == {}
    assert [dynamodb.scan(TableName=name)["Count"] for name in ("Shop", "Other")] == [1, 1]
