"""A stream is read whole: every shard in its order, whatever gets in the way, and what cannot be known is said."""

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitrkit.aws.change_data import streams
from pitrkit.aws.change_data.streams import Stream
from pitrkit.aws.client.client import Aws
from pitrkit.aws.items import KeyAttribute, KeySchema, canonical
from pitrkit.aws.tables import tables
from pitrkit.errors import AwsError, BadInput
from pitrkit.sandbox import Sandbox

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY = KeySchema((KeyAttribute("pk", "S", "HASH"),))
HOUR = timedelta(hours=1)
STREAM = Stream("arn:s", "Orders", "NEW_AND_OLD_IMAGES", enabled=True, created_at=NOON - 30 * HOUR)


def row(number, pk, second, before, after, **more):
    """A record as boto3 returns it."""
    images = {"OldImage": before, "NewImage": after}
    return {
        "eventName": "INSERT" if before is None else "REMOVE" if after is None else "MODIFY",
        "dynamodb": {
            "ApproximateCreationDateTime": NOON + timedelta(seconds=second),
            "Keys": {"pk": {"S": pk}},
            "SequenceNumber": f"{number:021d}",
            **{name: {"pk": {"S": pk}, **image} for name, image in images.items() if image is not None},
        },
        **more,
    }


def n(value):
    return {"v": {"N": str(value)}}


class Service:
    """DynamoDB Streams by its documented behaviour: a tree of shards, short pages, and troubles in a given order.

    `shards` is a list of (id, parent, rows, closed); `troubles` are error codes or `empty`, one for each GetRecords
    call until they are used up.
    """

    def __init__(self, shards, *, troubles=(), at_timestamp=True, now=NOON + HOUR, page=2, listed=3):
        self.shards = {name: (parent, rows, closed) for name, parent, rows, closed in shards}
        self.trimmed = dict.fromkeys(self.shards, 0)
        self.troubles = list(troubles)
        self.at_timestamp = at_timestamp
        self.now = now
        self.page = page
        self.listed = listed
        self.on_read = lambda _: None
        self.lock = threading.Lock()

    def call(self, service, operation, *, table="", **params):
        assert (service, table) == ("dynamodbstreams", "Orders")
        with self.lock:
            date = self.now.strftime("%a, %d %b %Y %H:%M:%S GMT")
            return getattr(self, operation)(params) | {"ResponseMetadata": {"HTTPHeaders": {"date": date}}}

    def describe_stream(self, params):
        names = list(self.shards)
        start = 1 + names.index(params["ExclusiveStartShardId"]) if "ExclusiveStartShardId" in params else 0
        page = names[start : start + self.listed]
        rows = []
        for name in page:
            parent, _, closed = self.shards[name]
            ends = {"EndingSequenceNumber": "9"} if closed else {}
            rows.append({"ShardId": name, "SequenceNumberRange": {"StartingSequenceNumber": "0", **ends}})
            if parent:
                rows[-1]["ParentShardId"] = parent
        more = {"LastEvaluatedShardId": page[-1]} if start + self.listed < len(names) else {}
        return {"StreamDescription": {"Shards": rows, **more}}

    def get_shard_iterator(self, params):
        name = params["ShardId"]
        if name not in self.shards:
            raise self.error("ResourceNotFoundException")
        rows = self.shards[name][1]
        match params["ShardIteratorType"]:
            case "TRIM_HORIZON":
                place = self.trimmed[name]
            case "AT_TIMESTAMP":
                if not self.at_timestamp:
                    raise self.error("ValidationException")
                at = [row["dynamodb"]["ApproximateCreationDateTime"] for row in rows]
                place = max(sum(moment < params["Timestamp"] for moment in at), self.trimmed[name])
            case "AFTER_SEQUENCE_NUMBER":
                place = 1 + [row["dynamodb"]["SequenceNumber"] for row in rows].index(params["SequenceNumber"])
                if place < self.trimmed[name]:
                    raise self.error("TrimmedDataAccessException")
        return {"ShardIterator": f"{name}|{place}"}

    def get_records(self, params):
        name, place = params["ShardIterator"].split("|")
        place = int(place)
        self.on_read(name)
        trouble = self.troubles.pop(0) if self.troubles else ""
        if trouble not in {"", "empty"}:
            raise self.error(trouble)
        if name not in self.shards:
            raise self.error("ResourceNotFoundException")
        if place < self.trimmed[name]:
            raise self.error("TrimmedDataAccessException")
        _, rows, closed = self.shards[name]
        page = [] if trouble == "empty" else rows[place : place + self.page]
        place += len(page)
        more = not closed or place < len(rows) or trouble == "empty"
        return {"Records": page, **({"NextShardIterator": f"{name}|{place}"} if more else {})}

    @staticmethod
    def error(code):
        return AwsError(code, code=code, operation="GetRecords")


def reading(service, since=NOON, until=NOON + HOUR, stream=STREAM):
    return streams.read(service, stream, KEY, since, until, pause=0)


def versions(records, pk):
    """The values that one item went through."""
    return [canonical_value(record.after) for record in records if record.key == canonical({"pk": {"S": pk}})]


def canonical_value(image):
    return None if image is None else int(image.split('"N":"')[1].split('"')[0])


@st.composite
def histories(draw):
    """A tree of shards whose items each go 0, 1, 2 ... along one line of it, and how often each was written."""
    numbers = iter(range(1_000_000))
    shards, counts, clock = [], Counter(), 0

    def grow(parent, items, depth):
        nonlocal clock
        name = f"shard-{len(shards)}"
        rows = []
        here = (name, parent, rows)
        shards.append(here)
        for _ in range(draw(st.integers(0, 5)) if items else 0):
            pk = draw(st.sampled_from(items))
            clock += draw(st.integers(0, 2))
            before = n(counts[pk] - 1) if counts[pk] else None
            rows.append(row(next(numbers), pk, clock, before, n(counts[pk])))
            counts[pk] += 1
        halves = draw(st.sampled_from([[], [items], [items[::2], items[1::2]]])) if depth else []
        for half in halves:
            grow(name, half, depth - 1)
        return here

    grow(draw(st.sampled_from(["", "shard-gone"])), [f"k{number}" for number in range(4)], 3)
    grow("", ["other"], 2)
    parents = {parent for _, parent, _ in shards}
    rows = [(name, parent, rows, name in parents or draw(st.booleans())) for name, parent, rows in shards]
    return draw(st.permutations(rows)), counts


TROUBLES = ["", "empty", "ExpiredIteratorException"]


@settings(deadline=None)
@given(histories(), st.lists(st.sampled_from(TROUBLES), max_size=9), st.booleans(), st.integers(1, 4))
def test_every_record_comes_once_and_each_items_in_order(history, troubles, at_timestamp, page):
    shards, counts = history
    service = Service(shards, troubles=troubles, at_timestamp=at_timestamp, page=page)
    found = reading(service)
    records = list(found)
    for pk, count in counts.items():
        assert versions(records, pk) == list(range(count))
    assert len(records) == counts.total() == found.records
    assert (found.since_at, found.until_at) == (NOON, NOON + HOUR)


def test_only_the_window_is_read_and_no_shard_behind_it():
    rows = [row(number, "a", 60 * number, n(number - 1), n(number)) for number in range(1, 30)]
    later = [row(40, "a", 60 * 40, n(29), n(30))]
    service = Service([("p", "", rows, True), ("c", "p", later, False)])
    read = []
    service.on_read = read.append
    records = list(reading(service, NOON + timedelta(minutes=5, milliseconds=5), NOON + timedelta(minutes=10)))
    assert versions(records, "a") == [5, 6, 7, 8, 9]
    assert set(read) == {"p"}


def test_a_shard_that_closes_while_it_is_read_has_its_children_read_too():
    rows = [row(1, "a", 1, None, n(0))]
    service = Service([("p", "", rows, False)])

    def close(_):
        service.shards |= {"p": ("", rows, True), "c": ("p", [row(2, "a", 2, n(0), n(1))], False)}
        service.trimmed["c"] = 0

    service.on_read = close
    assert versions(list(reading(service)), "a") == [0, 1]


def test_an_open_shard_ends_where_nothing_more_comes_and_that_is_said():
    found = reading(Service([("p", "", [row(1, "a", 1, None, n(0))], False)]))
    assert versions(list(found), "a") == [0]
    assert "1 open shard returned no new records" in found.notes[0]


def test_what_is_trimmed_while_it_is_read_makes_the_log_begin_later():
    rows = [row(number, "a", 60 * number, n(number - 1), n(number)) for number in range(1, 9)]
    service = Service([("p", "gone", rows, True)], now=NOON + 25 * HOUR)
    reads = []

    def trim(name):
        reads.append(name)
        if len(reads) == 2:
            service.trimmed[name] = 5

    service.on_read = trim
    found = reading(service)
    assert versions(list(found), "a") == [1, 2, 6, 7, 8]
    assert found.since_at == NOON + timedelta(minutes=6, seconds=1)
    assert "begins at 2026-11-20 12:06:01 UTC: older records may be trimmed" in found.notes[0]


def test_a_shard_that_is_gone_before_it_is_read_is_said_too():
    service = Service([("p", "", [row(1, "a", 1, None, n(0))], True), ("c", "p", [row(2, "a", 60, n(0), n(1))], True)])
    service.now = NOON + 24 * HOUR + timedelta(seconds=30)
    service.on_read = lambda _: service.shards.pop("p", None)
    found = reading(service)
    assert versions(list(found), "a") == [1]
    assert NOON + timedelta(seconds=30) <= found.since_at <= NOON + timedelta(seconds=40)


def test_a_stream_begins_when_it_was_made_and_ends_when_it_was_read():
    young = Stream("arn:s", "Orders", "NEW_AND_OLD_IMAGES", enabled=False, created_at=NOON + timedelta(seconds=90.5))
    found = reading(Service([("p", "", [], True)], now=NOON + HOUR / 2), stream=young)
    assert list(found) == []
    assert (found.since_at, found.until_at) == (NOON + timedelta(seconds=91), NOON + HOUR / 2)
    assert "the stream was created then" in found.notes[0]
    assert "disabled" in found.notes[1]


def test_a_deletion_by_ttl_is_told_from_others():
    who = {"userIdentity": {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}}
    rows = [row(1, "a", 1, n(0), None, **who), row(2, "b", 1, n(0), None), row(3, "c", 1, n(0), n(1), **who)]
    assert [record.ttl for record in reading(Service([("p", "", rows, True)]))] == [True, False, False]


def test_replication_attributes_are_no_part_of_an_image():
    images = ({"aws:rep:x": {"S": "1"}, **n(1)}, {"aws:rep:x": {"S": "2"}, **n(1)})
    (record,) = reading(Service([("p", "", [row(1, "a", 1, *images)], True)]))
    assert record.before == record.after == canonical({"pk": {"S": "a"}, **n(1)})


def test_a_busy_service_is_asked_again():
    rows = [row(number, "a", 1, n(number - 1), n(number)) for number in range(1, 5)]
    troubles = ["LimitExceededException", "LimitExceededException", "", "LimitExceededException"]
    assert versions(list(reading(Service([("p", "", rows, True)], troubles=troubles))), "a") == [1, 2, 3, 4]


def test_an_error_of_the_service_reaches_the_reader():
    service = Service([(f"p{number}", "", [row(number, "a", 1, None, n(0))], True) for number in range(20)])
    service.troubles = ["", "", "AccessDeniedException"]
    with pytest.raises(AwsError, match="AccessDenied"):
        list(reading(service))


def test_who_stops_iterating_stops_the_readers():
    rows = [row(number, "a", 1, None, n(0)) for number in range(500)]
    records = iter(reading(Service([(f"p{number}", "", rows, True) for number in range(9)])))
    next(records)
    records.close()
    for thread in threading.enumerate():
        if thread.daemon and "_work" in thread.name:
            thread.join(10)
            assert not thread.is_alive()


def test_a_stream_without_both_images_names_the_other_route():
    keys_only = Stream("arn:s", "Orders", "KEYS_ONLY", enabled=True, created_at=NOON)
    with pytest.raises(BadInput, match=r"KEYS_ONLY only(.|\n)*incremental exports"):
        reading(Service([]), stream=keys_only)


def test_a_tables_own_stream_is_read_through_boto3(sandbox):
    aws = Aws.connect()
    create(aws, "Orders", {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    create(aws, "Plain", None)
    table = tables.describe(aws, "Orders")
    since = sandbox.clock.now() - timedelta(seconds=5)
    for value in range(3):
        aws.call("dynamodb", "put_item", TableName="Orders", Item={"pk": {"S": "a"}, **n(value)})
    aws.call("dynamodb", "delete_item", TableName="Orders", Key={"pk": {"S": "a"}})
    stream = streams.describe(aws, table)
    assert stream is not None
    assert (stream.view, stream.enabled, stream.table) == ("NEW_AND_OLD_IMAGES", True, "Orders")
    until = sandbox.clock.now() + timedelta(seconds=5)
    records = list(streams.read(aws, stream, table.key_schema, since, until, pause=0))
    assert versions(records, "a") == [0, 1, 2, None]
    assert [record.event for record in records] == ["INSERT", "MODIFY", "MODIFY", "REMOVE"]
    assert streams.describe(aws, tables.describe(aws, "Plain")) is None


def create(aws, name, stream):
    aws.call(
        "dynamodb",
        "create_table",
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        **({"StreamSpecification": stream} if stream else {}),
    )


def test_shards_that_turned_over_are_read_and_what_a_day_has_trimmed_is_said(monkeypatch):
    with Sandbox(ticking=False, busy_records=20) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        sandbox.clock.set(NOON)
        aws = Aws.connect()
        create(aws, "Orders", {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
        for hour in range(30):
            sandbox.clock.set(NOON + HOUR * hour)
            for pk in "abcdef":
                item = {"pk": {"S": pk}, **n(hour)}
                aws.call("dynamodb", "put_item", TableName="Orders", Item=item)
        sandbox.clock.set(NOON + HOUR * 30)
        table = tables.describe(aws, "Orders")
        stream = streams.describe(aws, table)
        assert stream is not None
        asked = streams.read(aws, stream, table.key_schema, NOON + HOUR * 10, NOON + HOUR * 20, pause=0)
        inside = list(asked)
        for pk in "abcdef":
            assert versions(inside, pk) == list(range(10, 20))
        assert (asked.since_at, asked.until_at) == (NOON + HOUR * 10, NOON + HOUR * 20)
        whole = streams.read(aws, stream, table.key_schema, NOON, NOON + HOUR * 40, pause=0)
        found = list(whole)
        for pk in "abcdef":
            assert versions(found, pk) == list(range(7, 30))
        assert NOON + HOUR * 6 <= whole.since_at <= NOON + HOUR * 7 + timedelta(seconds=1)
        assert NOON + HOUR * 30 <= whole.until_at < NOON + HOUR * 31
        assert "may be trimmed" in whole.notes[0]
