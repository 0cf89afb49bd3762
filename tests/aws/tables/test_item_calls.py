"""Items read again over the fast transport are those that boto3's BatchGetItem gives."""

from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.transport import Wire
from pitrkit.aws.items import KeyAttribute, KeySchema, canonical, key_of, to_boto
from pitrkit.aws.tables import item_calls
from pitrkit.errors import AwsError, TableNotFound
from pitrkit.sandbox import Sandbox
from tests.aws.loopback import Stub, http

SCHEMA = KeySchema((KeyAttribute("pk", "B", "HASH"), KeyAttribute("sk", "N", "RANGE")))

_numbers = count()

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)

_number = st.builds(lambda digits, places: f"{digits}E{places}", st.integers(-(10**37), 10**37), st.integers(-40, 40))

_binary = st.binary(max_size=6)

_some = {"min_size": 1, "max_size": 4, "unique": True}

_scalars = st.one_of(
    st.builds(lambda value: {"S": value}, _text),
    st.builds(lambda value: {"N": value}, _number),
    st.builds(lambda value: {"B": value}, _binary),
    st.builds(lambda value: {"BOOL": value}, st.booleans()),
    st.just({"NULL": True}),
    st.builds(lambda value: {"SS": value}, st.lists(_text, **_some)),
    st.builds(
        lambda value: {"NS": [str(member) for member in value]}, st.lists(st.integers(-(10**37), 10**37), **_some)
    ),
    st.builds(lambda value: {"BS": value}, st.lists(_binary, **_some)),
)

_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.builds(lambda value: {"L": value}, st.lists(inner, max_size=3)),
        st.builds(lambda value: {"M": value}, st.dictionaries(_text.filter(bool), inner, max_size=3)),
    ),
    max_leaves=8,
)

_names = st.one_of(_text.filter(bool), st.just("aws:rep:updatetime"))

_key = {
    "pk": st.builds(lambda raw: {"B": b"k" + raw}, _binary),
    "sk": st.builds(lambda n: {"N": str(n)}, st.integers(0, 9)),
}

_items = st.builds(
    lambda attributes, key: attributes | key, st.dictionaries(_names, _values, max_size=5), st.fixed_dictionaries(_key)
)


@pytest.fixture(scope="module")
def aws():
    with pytest.MonkeyPatch.context() as patch, Sandbox() as running:
        for name, value in running.environment().items():
            patch.setenv(name, value)
        yield Aws.connect()


@pytest.fixture(scope="module")
def wire(aws):
    return Wire.of(aws)


def made(aws):
    name = f"Any-{next(_numbers)}"
    aws.call(
        "dynamodb",
        "create_table",
        TableName=name,
        KeySchema=[{"AttributeName": one.name, "KeyType": one.role} for one in SCHEMA.attributes],
        AttributeDefinitions=[{"AttributeName": one.name, "AttributeType": one.type} for one in SCHEMA.attributes],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def without_replication(item):
    return {name: value for name, value in item.items() if not name.startswith("aws:rep:")}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_items, min_size=1, max_size=6), st.lists(st.fixed_dictionaries(_key), max_size=3))
def test_what_is_read_again_is_what_boto3_reads(aws, wire, present, absent):
    table = made(aws)
    for item in present:
        aws.call("dynamodb", "put_item", TableName=table, Item=item)
    keys = sorted({key_of(item, SCHEMA.names) for item in present} | {canonical(key) for key in absent})
    asked = {table: {"Keys": [to_boto(key) for key in keys], "ConsistentRead": True}}
    answer = aws.call("dynamodb", "batch_get_item", table=table, RequestItems=asked)
    theirs = {key_of(item, SCHEMA.names): canonical(without_replication(item)) for item in answer["Responses"][table]}
    ours = item_calls.read_keys(wire, table, [key.encode() for key in keys], SCHEMA)
    assert (ours.items, ours.left) == (theirs, [])
    assert {key_of(item, SCHEMA.names) for item in present} == set(ours.items)


def test_what_one_answer_does_not_hold_is_left_over_and_not_absent(aws, wire):
    table = made(aws)
    large = {"S": "x" * 390_000}
    items = [{"pk": {"B": b"k"}, "sk": {"N": str(number)}, "large": large} for number in range(60)]
    for item in items:
        aws.call("dynamodb", "put_item", TableName=table, Item=item)
    keys = [key_of(item, SCHEMA.names) for item in items]
    first = item_calls.read_keys(wire, table, [key.encode() for key in keys], SCHEMA)
    assert 0 < len(first.items) < len(keys), "16 MB are less than these items"
    assert len(first.left) == len(keys) - len(first.items)
    second = item_calls.read_keys(wire, table, first.left, SCHEMA)
    assert {**first.items, **second.items}.keys() == set(keys)


def test_a_missing_table_and_a_broken_answer_are_the_kits_errors(wire):
    with pytest.raises(TableNotFound):
        item_calls.read_keys(wire, "NoSuch", [b'{"pk":{"B":"aw=="},"sk":{"N":"1"}}'], SCHEMA)
    with Stub(http('{"Responses":{"T":7}}')) as stub:
        broken = Wire.of(Aws.connect(region="eu-west-1", endpoint_url=stub.url))
        with pytest.raises(AwsError, match="cannot be read") as failed:
            item_calls.read_keys(broken, "T", [b"{}"], SCHEMA)
    assert (failed.value.code, failed.value.operation) == ("BadPage", "BatchGetItem")


def test_a_re_read_is_strongly_consistent():
    with Stub(http('{"Responses":{"T":[]}}')) as stub:
        wire = Wire.of(Aws.connect(region="eu-west-1", endpoint_url=stub.url))
        item_calls.read_keys(wire, "T", [b'{"pk":{"S":"a"}}', b'{"pk":{"S":"b"}}'], SCHEMA)
    body = stub.requests[0].partition(b"\r\n\r\n")[2]
    assert body == b'{"RequestItems":{"T":{"Keys":[{"pk":{"S":"a"}},{"pk":{"S":"b"}}],"ConsistentRead":true}}}'
