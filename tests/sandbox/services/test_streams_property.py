"""Whatever is written: reading all shards, parents first, gives each item's images in order, none missing or twice."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitrkit.sandbox import Sandbox
from tests.proving import examples
from tests.sandbox.exports.reading import iterator, lineage, read, shards_of, stream_of

pytestmark = pytest.mark.takes(20)

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEPT = timedelta(hours=24)
KEYS = st.sampled_from("abcdefgh")
IMAGES = st.one_of(st.none(), st.integers(0, 3))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.dictionaries(KEYS, IMAGES, min_size=1, max_size=4)),
        st.tuples(st.just("wait"), st.one_of(st.floats(0, 3), st.floats(0, 5 * 3600))),
    ),
    max_size=20,
)
tables = count()


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(ticking=False, busy_records=3) as sandbox:
        sandbox.clock.set(START)
        yield sandbox


def create(dynamodb):
    table = f"Table{next(tables)}"
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    return table


def write(dynamodb, table, wanted):
    """Write several items in one transaction; None deletes."""
    actions = [
        {"Delete": {"TableName": table, "Key": {"pk": {"S": key}}}}
        if value is None
        else {"Put": {"TableName": table, "Item": {"pk": {"S": key}, "v": {"N": str(value)}}}}
        for key, value in wanted.items()
    ]
    dynamodb.transact_write_items(TransactItems=actions)


def value_in(record, name):
    image = record["dynamodb"].get(name)
    return None if image is None else int(image["v"]["N"])


@settings(max_examples=examples(30))
@given(steps=STEPS)
def test_reading_parents_first_replays_each_items_images(sandbox, steps):
    dynamodb, streams = sandbox.client("dynamodb"), sandbox.client("dynamodbstreams")
    table = create(dynamodb)
    held, happened = {}, []
    for kind, what in steps:
        if kind == "wait":
            sandbox.clock.advance(what)
            continue
        write(dynamodb, table, what)
        for key, value in what.items():
            if held.get(key) != value:
                happened.append((sandbox.clock.now(), key, held.get(key), value))
                held[key] = value
    arn = stream_of(dynamodb, table)
    expected = defaultdict(list)
    for at, key, before, after in happened:
        if at > sandbox.clock.now() - KEPT:
            expected[key].append((at.replace(microsecond=0), before, after))
    found = defaultdict(list)
    records = read(streams, arn)
    for record in records:
        about = record["dynamodb"]
        found[about["Keys"]["pk"]["S"]].append(
            (about["ApproximateCreationDateTime"], value_in(record, "OldImage"), value_in(record, "NewImage"))
        )
        kind = {(True, False): "INSERT", (False, False): "MODIFY", (False, True): "REMOVE"}
        assert record["eventName"] == kind["OldImage" not in about, "NewImage" not in about]
    assert found == expected
    assert len({record["eventID"] for record in records}) == len(records)


@settings(max_examples=examples(30))
@given(steps=STEPS)
def test_shards_have_one_parent_at_most_two_children_and_numbers_that_follow_their_parents(sandbox, steps):
    dynamodb, streams = sandbox.client("dynamodb"), sandbox.client("dynamodbstreams")
    table = create(dynamodb)
    for kind, what in steps:
        if kind == "wait":
            sandbox.clock.advance(what)
        else:
            write(dynamodb, table, what)
    arn = stream_of(dynamodb, table)
    shards = shards_of(streams, arn)
    assert shards_of(streams, arn, Limit=1) == shards
    by_id = {shard["ShardId"]: shard for shard in shards}
    children = Counter(shard.get("ParentShardId") for shard in shards)
    for shard in lineage(shards):
        numbers = shard["SequenceNumberRange"]
        parent = by_id.get(shard.get("ParentShardId"))
        if parent is not None:
            assert int(parent["SequenceNumberRange"]["EndingSequenceNumber"]) < int(numbers["StartingSequenceNumber"])
        if "EndingSequenceNumber" in numbers:
            assert children[shard["ShardId"]] in (1, 2)
        else:
            assert children[shard["ShardId"]] == 0
        last = int(numbers["StartingSequenceNumber"])
        at = iterator(streams, arn, shard)
        for record in streams.get_records(ShardIterator=at)["Records"]:
            sequence = int(record["dynamodb"]["SequenceNumber"])
            assert last < sequence < int(numbers.get("EndingSequenceNumber", sequence + 1))
            last = sequence
