"""The same requests to the sandbox and to DynamoDB Local: every outcome is the same, error codes included."""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pitrkit.aws.items import canonical

SETTINGS = settings(
    max_examples=500 if os.environ.get("PITRKIT_PROVE") else 60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

SAME_THING = {
    # DynamoDB Local uses a batch's word here; the service's model has an exception of this name.
    "DuplicateItem": "DuplicateItemException",
}

KEYS = st.builds(
    lambda pk, sk: {"pk": {"S": pk}, "sk": {"N": sk}}, st.sampled_from(["p", "é"]), st.sampled_from(["0", "-1.5", "10"])
)
BAD_KEYS = st.sampled_from(
    [
        {"pk": {"S": ""}, "sk": {"N": "0"}},
        {"pk": {"N": "1"}, "sk": {"N": "0"}},
        {"pk": {"S": "p"}, "sk": {"S": "0"}},
        {"pk": {"S": "p"}},
        {"sk": {"N": "0"}},
        {"pk": {"S": "p"}, "sk": {"N": "much"}},
        {"pk": {"NULL": True}, "sk": {"N": "0"}},
        {"pk": {"S": "p" * 2049}, "sk": {"N": "0"}},
    ]
)
SCALARS = st.one_of(
    st.sampled_from(["", "a", "ab", "é", "z"]).map(lambda value: {"S": value}),
    st.sampled_from(["0", "1", "1.0", "-1", "1e1", "10", "0.10", "1E-130", "9" * 38]).map(lambda value: {"N": value}),
    st.sampled_from([b"", b"a", b"\x00\xff"]).map(lambda value: {"B": value}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.just({"NULL": True}),
)
SETS = st.one_of(
    st.sets(st.sampled_from(["a", "b", "é", ""]), min_size=1, max_size=3).map(lambda value: {"SS": sorted(value)}),
    st.sets(st.sampled_from(["1", "2", "-1.5"]), min_size=1, max_size=3).map(lambda value: {"NS": sorted(value)}),
    st.sets(st.sampled_from([b"a", b"b", b"\xff"]), min_size=1, max_size=3).map(lambda value: {"BS": sorted(value)}),
)
VALUES = st.recursive(
    SCALARS | SETS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda value: {"L": value}),
        st.dictionaries(st.sampled_from(["a", "b", "x.y"]), inner, max_size=2).map(lambda value: {"M": value}),
    ),
    max_leaves=4,
)
BAD_VALUES = st.sampled_from(
    [
        {"N": "much"},
        {"N": ""},
        {"N": "9" * 39},
        {"N": "1e126"},
        {"N": "1e-131"},
        {"N": "NaN"},
        {"SS": []},
        {"SS": ["a", "a"]},
        {"NS": ["1", "1.0"]},
        {"BS": [b"a", b"a"]},
        {"L": [{"NS": []}]},
        {"M": {"a": {"N": "1e200"}}},
        {"NULL": False},
        {"M": {"": {"S": "x"}}},
        {"L": [{"M": {"": {"S": "x"}}}]},
        {},
        {"S": "x", "N": "1"},
        {"L": [{}]},
        {"M": {"a": {"S": "x", "N": "1"}}},
    ]
)
NAMES = st.sampled_from(["a", "b", "size", "x.y", "it's"])
ATTRIBUTES = st.dictionaries(NAMES, VALUES, max_size=3)


def rarely(usual, other, one_in=12):
    return st.integers(1, one_in).flatmap(lambda number: other if number == one_in else usual)


ITEMS = st.builds(
    lambda key, attributes, g, bad: attributes | key | ({"g": g} if g else {}) | bad,
    rarely(KEYS, BAD_KEYS),
    ATTRIBUTES,
    st.sampled_from([None, None, {"S": "indexed"}, {"S": "other"}])
    | rarely(st.none(), st.sampled_from([{"N": "1"}, {"S": ""}])),
    rarely(st.just({}), BAD_VALUES.map(lambda value: {"bad": value})),
)
CONDITIONS = [
    "attribute_not_exists(pk)",
    "attribute_exists(pk)",
    "attribute_not_exists(#a)",
    "attribute_exists(#a) AND #b = :v",
    "#a = :v",
    "#a = :v AND #b = :w AND attribute_not_exists(absent)",
    "#a <> :v",
    "NOT #a = :v",
    "#a = :v OR #b = :w",
    "#a < :v",
    "#a >= :v",
    "#a IN (:v, :w)",
    "begins_with(#a, :s)",
    "contains(#a, :v)",
    "attribute_type(#a, :t)",
    "(#a = :v OR #a = :w) AND NOT attribute_exists(#b)",
    "#a = #b",
    "#a.#b = :v",
    "#a[0] = :v",
]
UPDATES = [
    "SET #a = :v",
    "SET #a = :v, #b = :w",
    "SET #a = :v REMOVE #b",
    "REMOVE #a",
    "REMOVE #a, #b",
    "SET #a = if_not_exists(#b, :v)",
    "SET #a = #b",
    "SET #a = #b + :n",
    "ADD #a :n",
    "ADD #a :set",
    "DELETE #a :set",
    "SET #a = list_append(#b, :l)",
    "SET pk = :v",
    "SET g = :s",
]
PLACEHOLDERS = {
    ":v": rarely(VALUES, BAD_VALUES),
    ":w": VALUES,
    ":s": st.sampled_from(["", "a", "ab"]).map(lambda value: {"S": value}),
    ":t": st.sampled_from(["S", "N", "SS", "NULL", "M"]).map(lambda value: {"S": value}),
    ":n": st.sampled_from(["1", "-0.5", "1e30"]).map(lambda value: {"N": value}),
    ":set": SETS,
    ":l": st.lists(SCALARS, max_size=2).map(lambda value: {"L": value}),
}


@st.composite
def expressions(draw, **texts):
    """Expressions by parameter, with the names and values that they need."""
    parameters = {name: text for name, choices in texts.items() if (text := draw(st.sampled_from(choices)))}
    said = " ".join(parameters.values())
    names = {name: draw(NAMES) for name in ("#a", "#b") if name in said}
    if len(names) == 2 and names["#a"] == names["#b"]:
        names["#b"] = "b" if names["#a"] != "b" else "a"
    values = {name: draw(values) for name, values in PLACEHOLDERS.items() if name in said.replace(":set", ":s et")}
    if ":set" in said:
        values[":set"] = draw(PLACEHOLDERS[":set"])
        if ":s)" not in said and "= :s" not in said:
            values.pop(":s", None)
    if names:
        parameters["ExpressionAttributeNames"] = names
    if values:
        parameters["ExpressionAttributeValues"] = values
    return parameters


OPTIONAL = ["", *CONDITIONS]
ALL_OLD = st.sampled_from(["NONE", "ALL_OLD"])
ON_FAILURE = ALL_OLD.map(lambda value: {"ReturnValuesOnConditionCheckFailure": value})


def parameters(*parts):
    """One dict of what several strategies give."""
    return st.tuples(*parts).map(lambda drawn: {name: value for part in drawn for name, value in part.items()})


PUT = parameters(
    ITEMS.map(lambda item: {"Item": item}),
    expressions(ConditionExpression=OPTIONAL),
    ALL_OLD.map(lambda value: {"ReturnValues": value}),
    ON_FAILURE,
)
UPDATE = parameters(
    rarely(KEYS, BAD_KEYS).map(lambda key: {"Key": key}),
    expressions(UpdateExpression=UPDATES, ConditionExpression=OPTIONAL),
    st.sampled_from(["NONE", "ALL_OLD", "ALL_NEW"]).map(lambda value: {"ReturnValues": value}),
    ON_FAILURE,
)
DELETE = parameters(
    rarely(KEYS, BAD_KEYS).map(lambda key: {"Key": key}),
    expressions(ConditionExpression=OPTIONAL),
    ALL_OLD.map(lambda value: {"ReturnValues": value}),
    ON_FAILURE,
)
KEYS_OF_BATCH = st.lists(rarely(KEYS, BAD_KEYS, 30), min_size=1, max_size=5)
BATCH_WRITES = st.lists(
    ITEMS.map(lambda item: {"PutRequest": {"Item": item}}) | KEYS.map(lambda key: {"DeleteRequest": {"Key": key}}),
    min_size=1,
    max_size=4,
)
KEY_TEXT = "WHERE pk = ? AND sk = ?"


def quoted(name):
    return "'" + name.replace("'", "''") + "'"


def insert(item):
    fields = ", ".join(f"{quoted(name)}: ?" for name in item)
    return {"Statement": f'INSERT INTO "TABLE" VALUE {{{fields}}}', "Parameters": list(item.values())}


INSERT = rarely(ITEMS, ITEMS.map(lambda item: item | {"n" * 8190: {"S": ""}}), 40).map(insert)
OTHER_STATEMENTS = st.one_of(
    KEYS.map(lambda key: {"Statement": f'DELETE FROM "TABLE" {KEY_TEXT}', "Parameters": [*key.values()]}),
    st.tuples(KEYS, VALUES).map(
        lambda drawn: {
            "Statement": f'DELETE FROM "TABLE" {KEY_TEXT} AND a = ?',
            "Parameters": [*drawn[0].values(), drawn[1]],
        }
    ),
    KEYS.map(lambda key: {"Statement": 'DELETE FROM "TABLE" WHERE pk = ?', "Parameters": [key["pk"]]}),
)

SELECT = KEYS.map(lambda key: {"Statement": f'SELECT * FROM "TABLE" {KEY_TEXT}', "Parameters": [*key.values()]})

WRONG = st.sampled_from(
    [
        {"Statement": "INSERT INTO \"TABLE\" VALUE {'pk': 'p', 'sk': 1, 'a': {'b': [true, null, -1.50]}, 'c': <<1>>}"},
        {"Statement": "INSERT INTO \"TABLE\" VALUE {'pk': ?, 'sk': ?}", "Parameters": [{"S": "p"}]},
        {"Statement": "INSERT INTO \"TABLE\" VALUE {'pk': ?}", "Parameters": [{"S": "p"}]},
        {"Statement": "INSERT INTO \"None\" VALUE {'pk': ?}", "Parameters": [{"S": "p"}]},
        {"Statement": "INSERT INTO \"TABLE\" {'pk': 'p', 'sk': 1}"},
        {"Statement": "INSRT"},
    ]
)


def key_in(statement):
    """The key values that a statement names: two statements of one batch must not have them in common.

    Where they do, the whole batch is refused. DynamoDB Local may have done some of it by then: see the test below.
    """
    text, values = statement["Statement"], statement.get("Parameters", [])
    if not text.startswith("INSERT"):
        return str(values[:2])
    fields = dict(zip(re.findall(r"'((?:[^']|'')+)': \?", text), values, strict=False))
    return str([fields.get("pk", text), fields.get("sk")])


STATEMENTS = st.one_of(
    KEYS.map(lambda key: {"Statement": f'DELETE FROM "TABLE" {KEY_TEXT}', "Parameters": [*key.values()]}),
    st.tuples(KEYS, VALUES).map(
        lambda drawn: {
            "Statement": f'DELETE FROM "TABLE" {KEY_TEXT} AND a = ?',
            "Parameters": [*drawn[0].values(), drawn[1]],
        }
    ),
    KEYS.map(lambda key: {"Statement": 'DELETE FROM "TABLE" WHERE pk = ?', "Parameters": [key["pk"]]}),
)

SELECT = KEYS.map(lambda key: {"Statement": f'SELECT * FROM "TABLE" {KEY_TEXT}', "Parameters": [*key.values()]})

WRONG = st.sampled_from(
    [
        {"Statement": "INSERT INTO \"TABLE\" VALUE {'pk': 'p', 'sk': 1, 'a': {'b': [true, null, -1.50]}, 'c': <<1>>}"},
        {"Statement": "INSERT INTO \"TABLE\" VALUE {'pk': ?, 'sk': ?}", "Parameters": [{"S": "p"}]},
        {"Statement": "INSERT INTO \"TABLE\" VALUE {'pk': ?}", "Parameters": [{"S": "p"}]},
        {"Statement": "INSERT INTO \"None\" VALUE {'pk': ?}", "Parameters": [{"S": "p"}]},
        {"Statement": "INSERT INTO \"TABLE\" {'pk': 'p', 'sk': 1}"},
        {"Statement": "INSRT"},
    ]
)


def of_one_key(statement):
    """What statements of one batch must not have in common: their key, as far as there is one."""
    values = statement.get("Parameters", [])
    if statement["Statement"].startswith("INSERT"):
        values = [value for name in ("'pk': ?", "'sk': ?") if name in statement["Statement"] for value in values]
    return str(values)


STATEMENTS = st.one_of(
    st.lists(rarely(INSERT | OTHER_STATEMENTS, WRONG, 20), min_size=1, max_size=5, unique_by=key_in),
    st.lists(SELECT, min_size=1, max_size=3),
    st.tuples(INSERT, SELECT).map(list),
)
PARTIQL = st.one_of(
    (INSERT | OTHER_STATEMENTS | SELECT | WRONG).map(lambda one: ("execute_statement", one)),
    STATEMENTS.map(lambda some: ("batch_execute_statement", {"Statements": some})),
)
SINGLE = st.one_of(
    PUT.map(lambda drawn: ("put_item", drawn)),
    UPDATE.map(lambda drawn: ("update_item", drawn)),
    DELETE.map(lambda drawn: ("delete_item", drawn)),
    rarely(KEYS, BAD_KEYS).map(lambda key: ("get_item", {"Key": key, "ConsistentRead": True})),
)
BATCHES = st.one_of(
    BATCH_WRITES.map(lambda some: ("batch_write_item", {"RequestItems": {"TABLE": some}})),
    KEYS_OF_BATCH.map(lambda keys: ("batch_get_item", {"RequestItems": {"TABLE": {"Keys": keys}}})),
)
FILL = ITEMS.map(lambda item: ("put_item", {"Item": item}))

tables = count()


@pytest.fixture(scope="module")
def clients(own, local):
    """A client of each engine that sends whatever it is given, once."""
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
    return [
        boto3.client(
            "dynamodb",
            endpoint_url=engine.environment.get("AWS_ENDPOINT_URL_DYNAMODB") or engine.environment["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox",
            config=config,
        )
        for engine in (own, local)
    ]


def create(client, name):
    types = {"pk": "S", "sk": "N", "g": "S"}
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": kind} for n, kind in types.items()],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-g",
                "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )


def addressed(drawn: Any, table: str) -> Any:
    """What was drawn, about *table*."""
    match drawn:
        case dict():
            return {table if name == "TABLE" else name: addressed(value, table) for name, value in drawn.items()}
        case list():
            return [addressed(value, table) for value in drawn]
        case str():
            return drawn.replace("TABLE", table)
    return drawn


def image(item):
    return canonical(item) if item else None


def code(error):
    return SAME_THING.get(error.get("Code"), error.get("Code"))


def outcome(client, operation, drawn, table):
    """What a request comes to, but for words and ids."""
    about = addressed(drawn, table)
    if operation in {"put_item", "update_item", "delete_item", "get_item"}:
        about["TableName"] = table
    try:
        answer = getattr(client, operation)(**about)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return status, code(error.response["Error"]), image(error.response.get("Item"))
    match operation:
        case "batch_execute_statement":
            return [(code(one.get("Error", {})), image(one.get("Item"))) for one in answer["Responses"]]
        case "execute_statement":
            return [image(item) for item in answer["Items"]]
        case "batch_get_item":
            return sorted(image(item) for item in answer["Responses"][table]), answer["UnprocessedKeys"]
        case "batch_write_item":
            return answer["UnprocessedItems"]
    return image(answer.get("Attributes") or answer.get("Item"))


def state(client, table):
    """Everything in a table and in its index."""
    return [
        sorted(image(item) for item in client.scan(TableName=table, **of)["Items"])
        for of in ({}, {"IndexName": "by-g"})
    ]


def compare(clients, steps):
    """Send *steps* to each engine and compare what came of each of them, and of all of them."""
    table = f"Table{next(tables)}"
    for client in clients:
        create(client, table)
    try:
        for operation, drawn in steps:
            ours, theirs = (outcome(client, operation, drawn, table) for client in clients)
            assert ours == theirs, f"after {operation} {drawn!s:.1000}"
        ours, theirs = (state(client, table) for client in clients)
        assert ours == theirs
    finally:
        for client in clients:
            client.delete_table(TableName=table)


@given(steps=st.lists(SINGLE | FILL, min_size=1, max_size=10))
@SETTINGS
def test_single_writes_come_to_the_same(clients, steps):
    compare(clients, steps)


@given(steps=st.lists(PARTIQL | FILL, min_size=1, max_size=8))
@SETTINGS
def test_statements_come_to_the_same(clients, steps):
    compare(clients, steps)


@given(steps=st.lists(BATCHES | FILL, min_size=1, max_size=8))
@SETTINGS
def test_batches_come_to_the_same(clients, steps):
    compare(clients, steps)


def test_a_batch_with_one_key_twice_is_refused_whole(clients):
    """By the answer alone: DynamoDB Local refuses such a batch of statements after it has done the first of them."""
    key = {"pk": {"S": "p"}, "sk": {"N": "1"}}
    compare(clients, [("batch_get_item", {"RequestItems": {"TABLE": {"Keys": [key, key]}}})])
    compare(clients, [("batch_write_item", {"RequestItems": {"TABLE": [{"PutRequest": {"Item": key}}] * 2}})])
    for client in clients:
        table = f"Table{next(tables)}"
        create(client, table)
        twice = {"Statements": [insert(key)] * 2}
        assert outcome(client, "batch_execute_statement", twice, table) == (400, "ValidationException", None)


@pytest.mark.parametrize("size", [24, 25, 26])
def test_a_batch_has_its_largest_size(clients, size):
    items = [{"pk": {"S": "p"}, "sk": {"N": str(number)}} for number in range(size)]
    compare(clients, [("batch_execute_statement", {"Statements": [insert(item) for item in items]})])
    puts = [{"PutRequest": {"Item": item}} for item in items]
    compare(clients, [("batch_write_item", {"RequestItems": {"TABLE": puts}})])


@pytest.mark.parametrize("size", [99, 100, 101])
def test_a_batch_of_reads_has_its_largest_size(clients, size):
    keys = [{"pk": {"S": "p"}, "sk": {"N": str(number)}} for number in range(size)]
    compare(clients, [("batch_get_item", {"RequestItems": {"TABLE": {"Keys": keys}}})])


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_statement_has_its_largest_length(clients, more):
    text = "INSERT INTO \"TABLE\" VALUE {'pk': ?, 'sk': ?, '%s': ?}"
    name = "n" * (8192 - len(text.replace("TABLE", f"Table{next(tables) + 1}")) + 2 + more)
    values = [{"S": "p"}, {"N": "1"}, {"S": ""}]
    compare(clients, [("execute_statement", {"Statement": text % name, "Parameters": values})])
    compare(clients, [("batch_execute_statement", {"Statements": [{"Statement": text % name, "Parameters": values}]})])


@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize("way", ["put_item", "update_item", "execute_statement", "batch_write_item"])
def test_an_item_has_its_largest_size(clients, way, more):
    key = {"pk": {"S": "p"}, "sk": {"N": "1"}}
    value = {"S": "x" * (400 * 1024 - len("pk" + "p" + "sk" + "v") - 2 + more)}
    drawn = {
        "put_item": {"Item": key | {"v": value}},
        "update_item": {"Key": key, "UpdateExpression": "SET v = :v", "ExpressionAttributeValues": {":v": value}},
        "execute_statement": insert(key | {"v": value}),
        "batch_write_item": {"RequestItems": {"TABLE": [{"PutRequest": {"Item": key | {"v": value}}}]}},
    }
    compare(clients, [(way, drawn[way])])


@pytest.mark.parametrize("depth", [31, 32, 33])
def test_values_nest_as_deep(clients, depth):
    value = {"S": "x"}
    for _ in range(depth - 1):
        value = {"L": [value]}
    item = {"pk": {"S": "p"}, "sk": {"N": "1"}, "v": value}
    compare(clients, [("put_item", {"Item": item})])
    if depth <= 32:  # DynamoDB Local takes any depth in a statement, and then holds an item that it would refuse
        compare(clients, [("execute_statement", insert(item))])


@pytest.mark.parametrize("terms", [10, 151, 152, 301])
def test_conditions_have_their_largest_size(clients, terms):
    """Of the kind that guards are: one comparison and one AND for each attribute."""
    names = {f"#{n}": f"attribute-{n}" for n in range(terms)}
    values = {f":{n}": {"N": str(n)} for n in range(terms)}
    item = {names[f"#{n}"]: values[f":{n}"] for n in range(terms)} | {"pk": {"S": "p"}, "sk": {"N": "1"}}
    condition = {
        "Key": {"pk": {"S": "p"}, "sk": {"N": "1"}},
        "ConditionExpression": " AND ".join(f"#{n} = :{n}" for n in range(terms)),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }
    compare(clients, [("put_item", {"Item": item}), ("delete_item", condition)])


TEXT = {"S": "x"}
NO_VALUES = {
    "an empty key in a map": {"M": {"": TEXT}},
    "an empty key in a map in a list": {"L": [{"M": {"": TEXT}}]},
    "too long a key in a map": {"M": {"n" * 65_536: TEXT}},
    "no type": {},
    "no type, in a list": {"L": [{}]},
    "a type that there is not": {"X": "x"},
    "two types": {"S": "x", "N": "1"},
    "two types, in a map": {"M": {"a": {"S": "x", "N": "1"}}},
    "a null that is false": {"NULL": False},
}
NO_NAMES = {"empty": "", "too long": "n" * 65_536, "too long in bytes": "\u00e9" * 32_768}
LONGEST = "n" * 65_535


def raw(client, operation, body):
    """Status, code and message of a request whose body botocore has not had its way with."""
    address = f"{client.meta.endpoint_url}/"
    headers = {
        "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        "Content-Type": "application/x-amz-json-1.0",
        # DynamoDB Local tells by these words whose table it is, and checks nothing else about them.
        "Authorization": "AWS4-HMAC-SHA256 Credential=sandbox/20250101/us-east-1/dynamodb/aws4_request, "
        "SignedHeaders=host, Signature=0",
    }
    request = urllib.request.Request(address, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, "", ""
    except urllib.error.HTTPError as error:
        answer = json.loads(error.read())
        return error.code, answer["__type"].rpartition("#")[2], answer.get("message") or answer.get("Message")


def requests_with(value):
    """Requests of every kind with *value* in them."""
    key = {"pk": {"S": "p"}, "sk": {"N": "1"}}
    item, bad_key = key | {"a": value}, {"pk": value, "sk": {"N": "1"}}
    values = {"ExpressionAttributeValues": {":v": value}}
    statement = {
        "Statement": "INSERT INTO \"TABLE\" VALUE {'pk': ?, 'sk': ?, 'a': ?}",
        "Parameters": [*key.values(), value],
    }
    yield "PutItem", {"Item": item}
    yield "PutItem", {"Item": key, "ConditionExpression": "a = :v", **values}
    yield "UpdateItem", {"Key": key, "UpdateExpression": "SET a = :v", **values}
    yield "UpdateItem", {"Key": key, "AttributeUpdates": {"a": {"Value": value}}}
    yield "GetItem", {"Key": bad_key}
    yield "DeleteItem", {"Key": bad_key}
    yield "DeleteItem", {"Key": key, "Expected": {"a": {"Value": value}}}
    yield "Scan", {"FilterExpression": "a = :v", **values}
    yield "Query", {"KeyConditionExpression": "pk = :v", **values}
    yield "BatchWriteItem", {"RequestItems": {"TABLE": [{"PutRequest": {"Item": item}}]}}
    yield "BatchGetItem", {"RequestItems": {"TABLE": {"Keys": [bad_key]}}}
    yield "TransactWriteItems", {"TransactItems": [{"Put": {"TableName": "TABLE", "Item": item}}]}
    yield "ExecuteStatement", statement
    yield "BatchExecuteStatement", {"Statements": [statement]}


def requests_named(name):
    """Requests of every kind with an attribute of *name*."""
    key = {"pk": {"S": "p"}, "sk": {"N": "1"}}
    names = {"ExpressionAttributeNames": {"#a": name}}
    condition = {"ConditionExpression": "attribute_exists(#a) OR attribute_exists(pk)"} | names
    yield "PutItem", {"Item": key | {name: TEXT}}
    yield "PutItem", {"Item": key} | condition
    yield "DeleteItem", {"Key": key} | condition
    yield "UpdateItem", {"Key": key, "UpdateExpression": "REMOVE #a"} | names
    yield "DeleteItem", {"Key": key, "Expected": {name: {"Exists": False}}}
    yield "UpdateItem", {"Key": key, "AttributeUpdates": {name: {"Value": TEXT}}}
    yield "GetItem", {"Key": key, "ProjectionExpression": "#a"} | names
    yield "Scan", {"FilterExpression": "attribute_exists(#a)"} | names
    yield "BatchWriteItem", {"RequestItems": {"TABLE": [{"PutRequest": {"Item": key | {name: TEXT}}}]}}
    yield "TransactWriteItems", {"TransactItems": [{"Put": {"TableName": "TABLE", "Item": key | {name: TEXT}}}]}


def both(clients, requests):
    """Send *requests* to each engine, compare the answers word for word, and return their statuses."""
    table = f"Table{next(tables)}"
    for client in clients:
        create(client, table)
    statuses = set()
    for operation, drawn in requests:
        body = addressed(drawn, table)
        if not {"RequestItems", "TransactItems", "Statement", "Statements"} & body.keys():
            body["TableName"] = table
        ours, theirs = (raw(client, operation, body) for client in clients)
        assert ours == theirs, f"{operation} {drawn!s:.300}"
        statuses.add(ours[0])
    ours, theirs = (state(client, table) for client in clients)
    assert ours == theirs
    return statuses


@pytest.mark.parametrize("value", NO_VALUES.values(), ids=NO_VALUES)
def test_what_is_no_value_is_refused_in_the_same_words(clients, value):
    assert both(clients, requests_with(value)) == {400}


@pytest.mark.parametrize("name", NO_NAMES.values(), ids=NO_NAMES)
def test_what_is_no_name_is_refused_in_the_same_words(clients, name):
    assert both(clients, requests_named(name)) == {400}


def test_the_longest_name_is_taken(clients):
    assert both(clients, requests_named(LONGEST)) == {200}


@pytest.mark.parametrize("field", ["'': ?", "'a': {'': ?}"])
def test_a_statement_with_an_empty_name_is_refused(clients, field):
    text = f"INSERT INTO \"TABLE\" VALUE {{'pk': 'p', 'sk': 1, {field}}}"
    one = {"Statement": text, "Parameters": [TEXT]}
    compare(clients, [("execute_statement", one), ("batch_execute_statement", {"Statements": [one]})])


def test_an_item_that_an_index_could_not_hold_is_refused_before_its_key_is_found_taken(clients):
    insert = "INSERT INTO \"TABLE\" VALUE {'pk': ?, 'sk': ?"
    key = [{"S": "p"}, {"N": "0"}]
    compare(
        clients,
        [
            ("execute_statement", {"Statement": insert + "}", "Parameters": key}),
            ("execute_statement", {"Statement": insert + ", 'g': ?}", "Parameters": [*key, {"N": "1"}]}),
        ],
    )
