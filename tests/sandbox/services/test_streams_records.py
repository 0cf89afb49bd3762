"""What a stream tells of each change, and how its pages and iterators behave."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from pitrkit.sandbox import FaultRule, Sandbox
from tests.sandbox.exports.reading import follow, iterator, read, shards_of, stream_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
BIG = "x" * 300_000


@pytest.fixture
def sandbox():
    with Sandbox(ticking=False) as sandbox:
        sandbox.clock.set(NOON + timedelta(milliseconds=250))
        yield sandbox


@pytest.fixture
def dynamodb(sandbox):
    return sandbox.client("dynamodb")


@pytest.fixture
def streams(sandbox):
    return sandbox.client("dynamodbstreams")


def create(dynamodb, *, name="Shop", view="NEW_AND_OLD_IMAGES"):
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": view} if view else {"StreamEnabled": False},
    )


def put(dynamodb, pk, value, *, table="Shop"):
    dynamodb.put_item(TableName=table, Item={"pk": {"S": pk}, "v": {"S": value}})


def switch(dynamodb, *, on):
    specification = {"StreamEnabled": on, **({"StreamViewType": "KEYS_ONLY"} if on else {})}
    dynamodb.update_table(TableName="Shop", StreamSpecification=specification)


def code(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"]


def shard_with_records(streams, arn):
    """The shard that holds all records of a test that writes one item."""
    return next(s for s in shards_of(streams, arn) if follow(streams, iterator(streams, arn, s))[0])


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        ("KEYS_ONLY", set()),
        ("NEW_IMAGE", {"NewImage"}),
        ("OLD_IMAGE", {"OldImage"}),
        ("NEW_AND_OLD_IMAGES", {"NewImage", "OldImage"}),
    ],
)
def test_a_record_shows_what_the_streams_view_type_says(dynamodb, streams, view, shown):
    create(dynamodb, view=view)
    put(dynamodb, "a", "one")
    put(dynamodb, "a", "two")
    _, record = read(streams, stream_of(dynamodb, "Shop"))
    about = record["dynamodb"]
    assert about.keys() & {"NewImage", "OldImage"} == shown
    assert about["Keys"] == {"pk": {"S": "a"}}
    assert about["StreamViewType"] == view
    assert about["SizeBytes"] == 3 + 7 * len(shown)  # `pk` and `a`; with `v` and three letters in each image
    assert record["eventName"] == "MODIFY"
    assert (record["eventSource"], record["awsRegion"]) == ("aws:dynamodb", "us-east-1")
    assert about["ApproximateCreationDateTime"] == NOON
    assert "userIdentity" not in record


def test_the_description_and_the_list_agree_with_the_table(dynamodb, streams):
    create(dynamodb)
    create(dynamodb, name="Other")
    table = dynamodb.describe_table(TableName="Shop")["Table"]
    described = streams.describe_stream(StreamArn=table["LatestStreamArn"])["StreamDescription"]
    assert described["StreamLabel"] == table["LatestStreamLabel"] == "2026-11-20T12:00:00.250"
    assert (described["StreamStatus"], described["TableName"]) == ("ENABLED", "Shop")
    assert described["KeySchema"] == table["KeySchema"]
    listed = streams.list_streams(TableName="Shop")["Streams"]
    assert [stream["StreamArn"] for stream in listed] == [table["LatestStreamArn"]]
    first = streams.list_streams(Limit=1)
    second = streams.list_streams(Limit=1, ExclusiveStartStreamArn=first["LastEvaluatedStreamArn"])
    assert {page["Streams"][0]["TableName"] for page in (first, second)} == {"Shop", "Other"}
    assert "LastEvaluatedStreamArn" not in second


def test_a_stream_begins_when_it_is_switched_on_and_stays_readable_for_a_day_after_it_was_switched_off(
    sandbox, dynamodb, streams
):
    create(dynamodb, view="")
    put(dynamodb, "before", "-")
    switch(dynamodb, on=True)
    put(dynamodb, "in", "-")
    arn = stream_of(dynamodb, "Shop")
    switch(dynamodb, on=False)
    put(dynamodb, "after", "-")
    assert [record["dynamodb"]["Keys"]["pk"]["S"] for record in read(streams, arn)] == ["in"]
    assert streams.describe_stream(StreamArn=arn)["StreamDescription"]["StreamStatus"] == "DISABLED"
    assert all("EndingSequenceNumber" in shard["SequenceNumberRange"] for shard in shards_of(streams, arn))
    switch(dynamodb, on=True)
    assert stream_of(dynamodb, "Shop") != arn
    assert code(dynamodb.update_table, TableName="Shop", StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})  # fmt: skip  # noqa: E501
    sandbox.clock.advance(24 * 3600)
    assert code(streams.describe_stream, StreamArn=arn) == "ResourceNotFoundException"
    assert arn not in {stream["StreamArn"] for stream in streams.list_streams()["Streams"]}


def test_a_deleted_tables_stream_stays_readable(dynamodb, streams):
    create(dynamodb)
    put(dynamodb, "a", "one")
    arn = stream_of(dynamodb, "Shop")
    dynamodb.delete_table(TableName="Shop")
    assert len(read(streams, arn)) == 1
    create(dynamodb)
    assert stream_of(dynamodb, "Shop") != arn
    assert len(read(streams, arn)) == 1


def test_a_page_holds_as_many_records_as_asked_for_and_no_more_than_a_mebibyte(dynamodb, streams):
    create(dynamodb)
    for number in range(6):
        put(dynamodb, "a", BIG + str(number))
    arn = stream_of(dynamodb, "Shop")
    shard = shard_with_records(streams, arn)
    page = streams.get_records(ShardIterator=iterator(streams, arn, shard))
    assert len(page["Records"]) == 2  # the first with one image, the others with two
    page = streams.get_records(ShardIterator=iterator(streams, arn, shard), Limit=1)
    assert len(page["Records"]) == 1
    assert len(follow(streams, iterator(streams, arn, shard))[0]) == 6
    assert code(streams.get_records, ShardIterator=iterator(streams, arn, shard), Limit=1001) == "ValidationException"


def test_an_empty_page_is_not_the_end(dynamodb, streams):
    create(dynamodb)
    for number in range(8):
        put(dynamodb, "a", str(number))
    arn = stream_of(dynamodb, "Shop")
    at = iterator(streams, arn, shard_with_records(streams, arn))
    sizes = []
    for _ in range(12):
        page = streams.get_records(ShardIterator=at, Limit=1)
        sizes.append(len(page["Records"]))
        at = page["NextShardIterator"]
    assert sum(sizes) == 8
    assert 0 in sizes[:8]


def test_a_closed_shard_ends_and_its_children_go_on(sandbox, dynamodb, streams):
    create(dynamodb)
    put(dynamodb, "a", "one")
    arn = stream_of(dynamodb, "Shop")
    parent = shard_with_records(streams, arn)
    at = iterator(streams, arn, parent, "LATEST")
    sandbox.clock.advance(5 * 3600)
    put(dynamodb, "a", "two")
    at = iterator(streams, arn, parent)
    records, left = follow(streams, at)
    assert (len(records), left) == (1, None)
    (child,) = shards_of(streams, arn, ShardFilter={"Type": "CHILD_SHARDS", "ShardId": parent["ShardId"]})
    assert child["ParentShardId"] == parent["ShardId"]
    records, left = follow(streams, iterator(streams, arn, child))
    assert [record["eventName"] for record in records] == ["MODIFY"]
    assert left is not None


def test_iterators_begin_where_they_are_told_to(sandbox, dynamodb, streams):
    create(dynamodb)
    for number in range(4):
        put(dynamodb, "a", str(number))
        sandbox.clock.advance(10)
    arn = stream_of(dynamodb, "Shop")
    shard = shard_with_records(streams, arn)

    def seen(kind, **more):
        records, _ = follow(streams, iterator(streams, arn, shard, kind, **more))
        return [record["dynamodb"]["NewImage"]["v"]["S"] for record in records]

    records, _ = follow(streams, iterator(streams, arn, shard))
    sequence = records[1]["dynamodb"]["SequenceNumber"]
    assert seen("TRIM_HORIZON") == ["0", "1", "2", "3"]
    assert seen("AT_SEQUENCE_NUMBER", SequenceNumber=sequence) == ["1", "2", "3"]
    assert seen("AFTER_SEQUENCE_NUMBER", SequenceNumber=sequence) == ["2", "3"]
    assert seen("AT_SEQUENCE_NUMBER", SequenceNumber=shard["SequenceNumberRange"]["StartingSequenceNumber"])[0] == "0"
    assert seen("AT_TIMESTAMP", Timestamp=NOON + timedelta(seconds=11)) == ["2", "3"]
    assert seen("AT_TIMESTAMP", Timestamp=NOON - timedelta(days=3)) == ["0", "1", "2", "3"]
    assert seen("LATEST") == []
    at = iterator(streams, arn, shard, "LATEST")
    put(dynamodb, "a", "late")
    assert len(follow(streams, at)[0]) == 1
    of = {"StreamArn": arn, "ShardId": shard["ShardId"]}
    get = streams.get_shard_iterator
    number = "1" * 30
    assert code(get, **of, ShardIteratorType="AT_SEQUENCE_NUMBER", SequenceNumber=number) == "ValidationException"
    assert code(get, **of, ShardIteratorType="AT_TIMESTAMP") == "ValidationException"
    of["ShardId"] = "shardId-00000000000000000000-00000000"
    assert code(get, **of, ShardIteratorType="LATEST") == "ResourceNotFoundException"
    assert code(streams.get_records, ShardIterator=f"{arn}|1|nonsense") == "ValidationException"


def test_an_iterator_expires_after_fifteen_minutes(sandbox, dynamodb, streams):
    create(dynamodb)
    arn = stream_of(dynamodb, "Shop")
    at = iterator(streams, arn, shards_of(streams, arn)[0])
    sandbox.clock.advance(15 * 60)
    streams.get_records(ShardIterator=at)
    sandbox.clock.advance(1)
    assert code(streams.get_records, ShardIterator=at) == "ExpiredIteratorException"


def test_records_are_trimmed_after_a_day(sandbox, dynamodb, streams):
    create(dynamodb)
    arn = stream_of(dynamodb, "Shop")
    sandbox.clock.advance(3 * 3600)
    put(dynamodb, "a", "old")
    sandbox.clock.advance(1800)
    put(dynamodb, "a", "young")
    shard = shard_with_records(streams, arn)
    old, young = (record["dynamodb"]["SequenceNumber"] for record in read(streams, arn))
    sandbox.clock.advance(23.4 * 3600)
    at = iterator(streams, arn, shard)
    sandbox.clock.advance(600)
    assert code(streams.get_records, ShardIterator=at) == "TrimmedDataAccessException"
    assert [record["dynamodb"]["OldImage"]["v"]["S"] for record in read(streams, arn)] == ["old"]
    of = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "AT_SEQUENCE_NUMBER"}
    assert code(streams.get_shard_iterator, **of, SequenceNumber=old) == "TrimmedDataAccessException"
    assert len(follow(streams, iterator(streams, arn, shard, "AT_SEQUENCE_NUMBER", SequenceNumber=young))[0]) == 1
    sandbox.clock.advance(3 * 3600)
    assert shard["ShardId"] not in {one["ShardId"] for one in shards_of(streams, arn)}
    assert read(streams, arn) == []


def test_what_expired_is_deleted_by_the_service_and_the_stream_says_so(sandbox, dynamodb, streams):
    create(dynamodb)
    dynamodb.update_time_to_live(TableName="Shop", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ends"})
    ends = {
        "past": {"N": str(int(NOON.timestamp()) - 5)},
        "ahead": {"N": str(int(NOON.timestamp()) + 600)},
        "ages ago": {"N": "1"},
        "text": {"S": "1"},
        "endless": {"N": "1e100"},
    }
    for pk, value in ends.items():
        dynamodb.put_item(TableName="Shop", Item={"pk": {"S": pk}, "ends": value})
    dynamodb.put_item(TableName="Shop", Item={"pk": {"S": "none"}})
    assert sandbox.expire() == {"Shop": 1}
    sandbox.clock.advance(601)
    dynamodb.delete_item(TableName="Shop", Key={"pk": {"S": "none"}})
    assert sandbox.expire() == {"Shop": 1}
    assert sandbox.expire() == {}
    left = {item["pk"]["S"] for item in dynamodb.scan(TableName="Shop")["Items"]}
    assert left == {"ages ago", "text", "endless"}
    removed = {
        record["dynamodb"]["Keys"]["pk"]["S"]: record.get("userIdentity")
        for record in read(streams, stream_of(dynamodb, "Shop"))
        if record["eventName"] == "REMOVE"
    }
    by_ttl = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
    assert removed == {"past": by_ttl, "ahead": by_ttl, "none": None}


@pytest.mark.parametrize("operation", ["DescribeStream", "GetShardIterator", "GetRecords"])
def test_a_stream_may_be_denied(sandbox, dynamodb, streams, operation):
    create(dynamodb)
    put(dynamodb, "a", "one")
    arn = stream_of(dynamodb, "Shop")
    sandbox.faults.add(FaultRule("denied", service="dynamodbstreams", operations=(operation,), table="Shop"))
    with pytest.raises(ClientError) as caught:
        read(streams, arn)
    error = caught.value.response["Error"]
    assert error["Code"] == "AccessDeniedException"
    assert f"not authorized to perform: dynamodb:{operation} on resource: arn:aws:dynamodb" in error["Message"]
