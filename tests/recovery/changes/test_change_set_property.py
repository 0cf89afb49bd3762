"""For any two states of a table, the diff on disk is the one that a few lines of Python find."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pitrkit.aws.items import KeyAttribute, KeySchema, canonical, key_of
from pitrkit.recovery.changes.change import KINDS, Change, Counts
from pitrkit.recovery.changes.change_set import ChangeSet, diff, from_changes
from pitrkit.recovery.changes.scope import Scope
from tests.snapshots import from_items

NUMBERS = st.sampled_from(
    ["0", "-0", "0.0", "1", "1.0", "1E0", "10E-1", "-2.50", "-2.5", "1e20", "100000000000000000000"]
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
SCALARS = st.one_of(
    TEXT.map(lambda text: {"S": text}),
    NUMBERS.map(lambda text: {"N": text}),
    st.binary(max_size=3).map(lambda value: {"B": value}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.just({"NULL": True}),
    st.permutations(["a", "b", "\x00"]).map(lambda members: {"SS": members}),
    st.permutations(["1.0", "2", "-3e1"]).map(lambda members: {"NS": members}),
    st.permutations([b"", b"\x00", b"a"]).map(lambda members: {"BS": members}),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda members: {"L": members}),
        st.dictionaries(TEXT, inner, max_size=2).map(lambda members: {"M": members}),
    ),
    max_leaves=4,
)
KEYS = {
    "S": st.sampled_from(["a", "b", "é", "\x00", '"']).map(lambda text: {"S": text}),
    "N": NUMBERS.map(lambda text: {"N": text}),
    "B": st.sampled_from([b"\x00", b"\xff", b"ab"]).map(lambda value: {"B": value}),
}


@st.composite
def two_states(draw):
    """A key schema and two lists of items, each with no key twice, in any order."""
    partition = draw(st.sampled_from("SNB"))
    sort = draw(st.sampled_from(["", "S", "N", "B"]))
    schema = KeySchema((KeyAttribute("pk", partition, "HASH"), *([KeyAttribute("sk", sort, "RANGE")] if sort else [])))
    keys = st.fixed_dictionaries({attr.name: KEYS[attr.type] for attr in schema.attributes})
    items = st.builds(
        lambda key, rest: {**rest, **key},
        keys,
        st.dictionaries(st.sampled_from(["x", "y", "aws:rep:z"]), VALUES, max_size=3),
    )
    pool = draw(st.lists(items, max_size=8, unique_by=lambda item: key_of(item, schema.names)))
    before = draw(st.lists(st.sampled_from(pool), unique_by=id)) if pool else []
    kept = draw(st.lists(st.sampled_from(pool), unique_by=id)) if pool else []
    after = [item if draw(st.booleans()) else {**item, "x": draw(VALUES)} for item in kept]
    return schema, before, after


def model(schema, before, after):
    """The diff, naively: two dicts in memory."""

    def state(items):
        ours = ({name: value for name, value in item.items() if not name.startswith("aws:rep:")} for item in items)
        return {key_of(item, schema.names): canonical(item) for item in ours}

    then, now = state(before), state(after)
    kinds = {(True, True): "modified", (True, False): "removed", (False, True): "inserted"}
    changes = [
        Change(key, kinds[key in then, key in now], then.get(key), now.get(key))
        for key in sorted(then.keys() | now.keys())
        if then.get(key) != now.get(key)
    ]
    same = sum(then[key] == now.get(key) for key in then)
    return changes, same


def compared(schema, before, after, folder):
    then, now = (
        from_items(map(canonical, items), folder / name, table="t", table_arn="", key_schema=schema)
        for name, items in (("then", before), ("now", after))
    )
    return diff(then, now, folder / "changes", before_at="a", after_at="b")


@given(two_states())
def test_the_diff_on_disk_is_the_naive_one(states):
    schema, before, after = states
    with tempfile.TemporaryDirectory() as name:
        found = compared(schema, before, after, Path(name))
        changes, same = model(schema, before, after)
        assert list(found) == changes
        counted = {kind: sum(change.kind == kind for change in changes) for kind in KINDS}
        assert found.counts == Counts(same=same, **counted)
        assert ChangeSet.open(found.folder) == found


@given(two_states(), st.randoms(use_true_random=False))
def test_a_change_set_written_in_any_order_reads_back_in_key_order(states, random):
    changes, _ = model(*states)
    shuffled = random.sample(changes, len(changes))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "c"
        from_changes(shuffled, folder, table="t", key_schema=states[0], source="s", before_at="a", after_at="b")
        assert list(ChangeSet.open(folder)) == changes


@given(two_states(), st.sets(st.sampled_from(KINDS)), st.data())
def test_scoping_on_disk_is_filtering_in_python(states, kinds, data):
    schema, before, after = states
    changes, _ = model(schema, before, after)
    keys = data.draw(st.lists(st.sampled_from([change.key for change in changes]), unique=True)) if changes else []
    where, holds = data.draw(
        st.sampled_from(
            [
                ("", lambda _: True),
                ("contains(changed, 'x')", lambda change: change.kind == "modified"),
                ("!before", lambda change: change.kind == "inserted"),
                ("before && !after", lambda change: change.kind == "removed"),
            ]
        )
    )
    scope = Scope(tuple(kind for kind in KINDS if kind in kinds), tuple(keys), where)
    wanted = [
        change
        for change in changes
        if (not kinds or change.kind in kinds) and (not keys or change.key in keys) and holds(change)
    ]
    with tempfile.TemporaryDirectory() as name:
        whole = from_changes(
            changes, Path(name) / "a", table="t", key_schema=schema, source="s", before_at="a", after_at="b"
        )
        scoped = whole.scoped(scope, Path(name) / "b")
        assert list(scoped) == wanted
        assert len(scoped) == len(wanted)
        assert ChangeSet.open(scoped.folder) == scoped
