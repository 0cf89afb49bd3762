"""Whatever is written, a restore to any second equals a replay of the writes up to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitrkit.sandbox import Sandbox

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEYS = st.sampled_from([("S", "N", f"p{p}", str(s)) for p in range(2) for s in (1, 2, 10)])
VALUES = st.recursive(
    st.one_of(
        st.text(max_size=5).map(lambda text: {"S": text}),
        st.integers(-(10**20), 10**20).map(lambda number: {"N": str(number)}),
        st.binary(max_size=4).map(lambda raw: {"B": raw}),
        st.booleans().map(lambda flag: {"BOOL": flag}),
        st.just({"NULL": True}),
        st.sets(st.integers(0, 9), min_size=1).map(lambda numbers: {"NS": sorted(map(str, numbers))}),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda members: {"L": members}),
        st.dictionaries(st.sampled_from("xy"), inner, max_size=2).map(lambda fields: {"M": fields}),
    ),
    max_leaves=4,
)
ACTIONS = st.one_of(
    st.tuples(st.just("put"), KEYS, st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)),
    st.tuples(st.just("set"), KEYS, st.sampled_from("abc"), VALUES),
    st.tuples(st.just("delete"), KEYS),
)
STEPS = st.lists(
    st.one_of(
        ACTIONS.map(lambda action: ("one", [action])),
        st.lists(ACTIONS, min_size=2, max_size=3, unique_by=lambda action: action[1]).map(
            lambda actions: ("all", actions)
        ),
        st.lists(ACTIONS, min_size=1, max_size=2, unique_by=lambda action: action[1]).map(
            lambda actions: ("failing", actions)
        ),
        st.integers(0, 2_500_000).map(lambda microseconds: ("wait", microseconds)),
    ),
    max_size=14,
)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(ticking=False) as sandbox:
        sandbox.clock.set(START)
        yield sandbox


@pytest.fixture(scope="module")
def dynamodb(sandbox):
    return sandbox.client("dynamodb")


tables = count()


def key_of(action):
    _, _, partition, sort = action[1]
    return {"pk": {"S": partition}, "sk": {"N": sort}}


def request(table, action):
    """Return an action as a member of TransactItems."""
    match action:
        case ("put", _, attributes):
            return {"Put": {"TableName": table, "Item": {**key_of(action), **attributes}}}
        case ("set", _, name, value):
            update = {"UpdateExpression": f"SET {name} = :v", "ExpressionAttributeValues": {":v": value}}
            return {"Update": {"TableName": table, "Key": key_of(action), **update}}
    return {"Delete": {"TableName": table, "Key": key_of(action)}}


def send(dynamodb, member):
    ((kind, parameters),) = member.items()
    {"Put": dynamodb.put_item, "Update": dynamodb.update_item, "Delete": dynamodb.delete_item}[kind](**parameters)


def replay(state, action):
    key = key_of(action)
    match action:
        case ("put", _, attributes):
            state[action[1]] = {**key, **attributes}
        case ("set", _, name, value):
            state[action[1]] = {**state.get(action[1], key), name: value}
        case _:
            state.pop(action[1], None)


def ordered(items):
    return sorted(items, key=lambda item: (item["pk"]["S"], int(item["sk"]["N"])))


@given(steps=STEPS, chosen=st.floats(0, 1))
def test_a_restore_equals_a_replay(sandbox, dynamodb, steps, chosen):
    table = f"Table{next(tables)}"
    begun_at = sandbox.clock.set(sandbox.clock.now().replace(microsecond=0) + timedelta(seconds=1))
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    done = []
    for kind, what in steps:
        now = sandbox.clock.now()
        if kind == "wait":
            sandbox.clock.advance(what / 1_000_000)
            continue
        members = [request(table, action) for action in what]
        if kind == "one":
            send(dynamodb, members[0])
        elif kind == "all":
            dynamodb.transact_write_items(TransactItems=members)
        else:
            absent = {"pk": {"S": "never"}, "sk": {"N": "0"}}
            check = {"TableName": table, "Key": absent, "ConditionExpression": "attribute_exists(pk)"}
            with pytest.raises(dynamodb.exceptions.TransactionCanceledException):
                dynamodb.transact_write_items(TransactItems=[*members, {"ConditionCheck": check}])
            continue
        done += [(now, action) for action in what]
    passed = sandbox.clock.now() - begun_at
    at = begun_at + timedelta(seconds=int(passed.total_seconds() * chosen))
    for moment, restored in ((at, f"{table}Copy"), (None, table)):
        state = {}
        for written_at, action in done:
            if moment is None or written_at <= moment:
                replay(state, action)
        if moment is not None:
            dynamodb.restore_table_to_point_in_time(
                SourceTableName=table, TargetTableName=restored, RestoreDateTime=moment
            )
        found = dynamodb.scan(TableName=restored, ConsistentRead=True)["Items"]
        assert ordered(found) == ordered(state.values())
