"""The promise itself: whatever happened, reverting it gives back the state at T, and nobody's later write is lost."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitrkit.aws.backups import pitr
from pitrkit.aws.items import attributes, canonical
from pitrkit.aws.tables import tables
from pitrkit.recovery.apply.verify import verify
from pitrkit.recovery.changes.change_set import diff
from pitrkit.recovery.plan.policy import Policy
from pitrkit.recovery.snapshot import snapshot
from pitrkit.sandbox import PastWrite
from tests.proving import examples
from tests.snapshots import from_items

NUMBERS = st.one_of(st.integers(-50, 50).map(str), st.decimals(-9, 9, places=3, allow_nan=False).map(str))
SCALARS = st.one_of(
    st.text(max_size=4).map(lambda value: {"S": value}),
    NUMBERS.map(lambda value: {"N": value}),
    st.binary(max_size=4).map(lambda value: {"B": value}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.just({"NULL": True}),
    st.sets(st.text(max_size=3), min_size=1, max_size=3).map(lambda value: {"SS": list(value)}),
    st.sets(st.integers(-9, 9).map(str), min_size=1, max_size=3).map(lambda value: {"NS": list(value)}),
    st.sets(st.binary(max_size=3), min_size=1, max_size=3).map(lambda value: {"BS": list(value)}),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda value: {"L": value}),
        st.dictionaries(st.text(min_size=1, max_size=3), inner, max_size=2).map(lambda value: {"M": value}),
    ),
    max_leaves=4,
)
NAMES = st.sampled_from(["a", "b", "size", "#0", ":0", "x.y[1]"])
KEYS = st.tuples(st.sampled_from(["p", "q", "é"]), st.sampled_from(["0", "-1.5"]))
ITEMS = st.builds(
    lambda key, attrs: canonical(attrs | {"pk": {"S": key[0]}, "sk": {"N": key[1]}}),
    KEYS,
    st.dictionaries(NAMES, VALUES, max_size=4),
)
WRITES = st.lists(st.tuples(ITEMS, st.booleans()), max_size=8)
"""Writes in the order of time: the image put, or, when the flag is set, the deletion of its key."""


@pytest.fixture(scope="module")
def shared(aws, tmp_path_factory, make_bench):
    """One table for all examples of a property, emptied before each."""
    return make_bench(aws, tmp_path_factory.mktemp("property"))


def written(bench, state, writes):
    """The state after *writes* on *state*."""
    state = dict(state)
    for image, gone in writes:
        state[bench.key(image)] = image
        if gone:
            del state[bench.key(image)]
    return state


def bring(bench, state):
    bench.clear()
    for image in state.values():
        bench.put(image)


def reverted(bench, then, now):
    """The plan that reverts everything between two states, by way of snapshots and a diff."""
    sides = [
        from_items(
            state.values(),
            bench.path("snapshot"),
            table=bench.name,
            table_arn=bench.table.arn,
            key_schema=bench.table.key_schema,
        )
        for state in (then, now)
    ]
    return bench.plan(diff(*sides, bench.path("diff"), before_at="then", after_at="now"), Policy.UNDO)


@given(history=WRITES, damage=WRITES)
@settings(max_examples=examples(30))
def test_with_no_later_writers_the_revert_gives_back_the_state_at_t_and_the_undo_the_damage(shared, history, damage):
    then = written(shared, {}, history)
    now = written(shared, then, damage)
    bring(shared, now)
    plan = reverted(shared, then, now)
    done = shared.apply(plan)
    assert (done.applied, done.complete) == (plan.total, True)
    assert shared.state() == then
    assert verify(shared.aws, shared.table, plan, shared.journal(plan)).ok
    shared.undo(plan)
    assert shared.state() == now


LATER = st.lists(st.tuples(ITEMS, st.sampled_from(["put", "delete", "set"])), min_size=1, max_size=6)


@given(history=WRITES, damage=WRITES, later=LATER)
@settings(max_examples=examples(40))
def test_with_later_writers_nothing_that_they_wrote_is_overwritten(shared, history, damage, later):
    then = written(shared, {}, history)
    now = written(shared, then, damage)
    bring(shared, now)
    plan = reverted(shared, then, now)
    seen = shared.state()
    for image, how in later:
        if how == "put":
            shared.put(image)
        elif how == "delete":
            shared.delete(image)
        elif shared.get(image) is not None:
            shared.set(image, "theirs", {"S": "kept"})
    theirs = shared.state()
    shared.apply(plan)
    final = shared.state()
    for key in seen.keys() | theirs.keys():
        was, left, became = (attributes(state[key]) if key in state else {} for state in (seen, theirs, final))
        changed = {name for name in was.keys() | left.keys() if was.get(name) != left.get(name)}
        assert {name: became.get(name) for name in changed} == {name: left.get(name) for name in changed}
        if changed and not left:
            assert key not in final


SCHEMA = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "N"},
    ],
    "BillingMode": "PAY_PER_REQUEST",
}


@pytest.mark.sandbox_alone("only the sandbox has a past, and restores")
@given(history=WRITES, damage=WRITES)
@settings(max_examples=examples(12))
def test_restore_diff_and_revert_give_back_the_state_at_t(sandbox, shared, history, damage):
    name = shared.path("Past").name
    at = sandbox.clock.now().replace(microsecond=0) - timedelta(minutes=10)
    times = [at - timedelta(seconds=len(history) - 1 - number) for number in range(len(history))]
    times += [at + timedelta(seconds=number, microseconds=1) for number in range(len(damage))]
    past = [
        PastWrite(time, attributes(shared.key(image)), None if gone else attributes(image))
        for time, (image, gone) in zip(times, history + damage, strict=True)
    ]
    sandbox.seed(SCHEMA | {"TableName": name}, past, created_at=at - timedelta(hours=1))
    table = tables.describe(shared.aws, name)
    pitr.restore(shared.aws, table, f"{name}-copy", at)
    copy = pitr.wait(shared.aws, f"{name}-copy", poll_seconds=0.01)

    sides = [snapshot.take(shared.aws, side, shared.path("snapshot"), segments=2) for side in (copy, table)]
    changes = diff(*sides, shared.path("diff"), before_at="then", after_at="now")
    damaged = type(shared)(shared.aws, shared.folder, existing=name)
    plan = damaged.plan(changes)
    damaged.apply(plan)
    assert damaged.state() == written(shared, {}, history)
    damaged.undo(plan)
    assert damaged.state() == written(shared, {}, history + damage)
