"""Whatever is written, an incremental export leads from the table at its beginning to the table at its end."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitrkit.sandbox import PastWrite, Sandbox
from tests.sandbox.exports.exporting import NOON, Read

PARTITIONS, SORTS = ("a", "b", "c"), (1, 2)
SPAN_SECONDS = 90 * 60
KEYS = st.tuples(st.sampled_from(PARTITIONS), st.sampled_from(SORTS))
IMAGES = st.one_of(
    st.none(),
    st.dictionaries(
        st.sampled_from("xy"),
        st.one_of(
            st.integers(0, 2).map(lambda number: {"N": str(number)}),
            st.sampled_from(({"SS": ["p", "q"]}, {"M": {"m": {"NULL": True}}}, {"B": "AA=="}, {"BOOL": True})),
        ),
        max_size=2,
    ),
)

# Half of the times are whole seconds, and few: so that writes meet the ends of windows, and each other.
MOMENTS = st.one_of(
    st.integers(0, 6).map(lambda quarter: quarter * SPAN_SECONDS * 1_000_000 // 6),
    st.integers(0, SPAN_SECONDS * 1_000_000),
)
WRITES = st.lists(st.tuples(MOMENTS, KEYS, IMAGES), max_size=25).map(lambda writes: sorted(writes, key=lambda w: w[0]))
WINDOWS = st.tuples(st.integers(0, 6), st.integers(1, 6)).map(
    lambda window: (min(window[0], 5), min(6, min(window[0], 5) + window[1]))
)


@pytest.fixture(scope="module")
def tables():
    return iter(f"Table{number}" for number in range(10_000))


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(ticking=False) as sandbox:
        sandbox.clock.set(NOON + timedelta(days=1))
        sandbox.bucket()
        yield sandbox


@pytest.fixture(scope="module")
def clients(sandbox):
    return sandbox.client("dynamodb"), sandbox.client("s3")


def moment(micros):
    return NOON + timedelta(microseconds=micros)


def image_of(key, attributes):
    return {"pk": {"S": key[0]}, "sk": {"N": str(key[1])}, **attributes}


def identity(image):
    return image["pk"]["S"], int(image["sk"]["N"])


def before(writes, at):
    """The table right before *at*, by replaying what was written."""
    state = {}
    for micros, key, attributes in writes:
        if moment(micros) >= at:
            break
        if attributes is None:
            state.pop(key, None)
        else:
            state[key] = image_of(key, attributes)
    return state


def last_writes(writes, from_at, to_at):
    """Of each key that something was done to in a window: when, for the last time."""
    state, last = before(writes, from_at), {}
    for micros, key, attributes in writes:
        if from_at <= moment(micros) < to_at:
            image = None if attributes is None else image_of(key, attributes)
            if state.get(key) != image:
                state[key], last[key] = image, moment(micros)
    return last


def seed(sandbox, table, writes):
    sandbox.seed(
        {
            "TableName": table,
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "N"},
            ],
            "BillingMode": "PAY_PER_REQUEST",
        },
        [
            PastWrite(moment(micros), image_of(key, {}), None if image is None else image_of(key, image))
            for micros, key, image in writes
        ],
        created_at=NOON,
    )
    return f"arn:aws:dynamodb:us-east-1:123456789012:table/{table}"


def export(clients, arn, **parameters):
    dynamodb, s3 = clients
    started = dynamodb.export_table_to_point_in_time(TableArn=arn, S3Bucket="pitrkit-sandbox-exports", **parameters)[
        "ExportDescription"
    ]
    described = dynamodb.describe_export(ExportArn=started["ExportArn"])["ExportDescription"]
    return Read(s3, described).lines


def window(clients, arn, from_at, to_at):
    times = {"ExportFromTime": from_at, "ExportToTime": to_at}
    lines = export(clients, arn, ExportType="INCREMENTAL_EXPORT", IncrementalExportSpecification=times)
    return {identity(line["Keys"]): line for line in lines}


@given(writes=WRITES, ends=WINDOWS)
def test_an_incremental_export_leads_from_one_state_to_the_other(sandbox, clients, tables, writes, ends):
    from_at, to_at = (moment(end * SPAN_SECONDS * 1_000_000 // 6) for end in ends)
    arn = seed(sandbox, next(tables), writes)
    first, last = before(writes, from_at), before(writes, to_at)

    records = window(clients, arn, from_at, to_at)

    state = dict(first)
    for key, record in records.items():
        assert record.get("OldImage") == first.get(key)
        state.pop(key, None)
        if "NewImage" in record:
            state[key] = record["NewImage"]
    assert state == last
    written = last_writes(writes, from_at, to_at)
    assert set(records) == {key for key in written if key in first or key in last}
    for key, record in records.items():
        micros = int(record["Metadata"]["WriteTimestampMicros"]["N"])
        assert NOON + timedelta(microseconds=micros - int(NOON.timestamp()) * 1_000_000) == written[key]


@given(writes=WRITES, ends=WINDOWS)
def test_chained_windows_say_the_same_as_one(sandbox, clients, tables, writes, ends):
    from_at, to_at = (moment(end * SPAN_SECONDS * 1_000_000 // 6) for end in ends)
    arn = seed(sandbox, next(tables), writes)
    merged = {}
    quarters = [moment(end * SPAN_SECONDS * 1_000_000 // 6) for end in range(ends[0], ends[1] + 1)]
    for begin, end in pairwise(quarters):
        for key, record in window(clients, arn, begin, end).items():
            old = merged[key][0] if key in merged else record.get("OldImage")
            merged[key] = old, record.get("NewImage"), record["Metadata"]
    merged = {key: record for key, record in merged.items() if record[:2] != (None, None)}

    whole = window(clients, arn, from_at, to_at)

    assert {key: record[:2] for key, record in merged.items()} == {
        key: (record.get("OldImage"), record.get("NewImage")) for key, record in whole.items()
    }
    assert {key: record[2] for key, record in merged.items()} == {
        key: record["Metadata"] for key, record in whole.items()
    }


@given(writes=WRITES, seconds=st.integers(0, SPAN_SECONDS))
def test_a_full_export_is_the_table_as_a_restore_has_it(sandbox, clients, tables, writes, seconds):
    table, at = next(tables), NOON + timedelta(seconds=seconds)
    arn = seed(sandbox, table, writes)

    lines = export(clients, arn, ExportTime=at)

    state = before(writes, at + timedelta(microseconds=1))
    assert {identity(line["Item"]): line["Item"] for line in lines} == state
    assert len(lines) == len(state)
