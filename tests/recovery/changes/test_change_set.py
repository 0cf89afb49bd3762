"""A change set holds what differs between two times, on disk, and shows it."""

import pandas as pd
import pytest

from pitrkit.aws.items import KeyAttribute, KeySchema, attributes, canonical, key_of
from pitrkit.errors import BadInput
from pitrkit.recovery.changes.change import Change, Counts
from pitrkit.recovery.changes.change_set import ChangeSet, diff, from_changes
from pitrkit.recovery.changes.scope import EVERYTHING, Scope
from tests.snapshots import from_items

SCHEMA = KeySchema((KeyAttribute("pk", "S", "HASH"),))


def image(name, **attrs):
    return canonical({"pk": {"S": name}, **{attr: {"N": str(value)} for attr, value in attrs.items()}})


def key(name):
    return canonical({"pk": {"S": name}})


@pytest.fixture
def snap(tmp_path):
    def snap(name, items, schema=SCHEMA):
        return from_items(items, tmp_path / name, table=name, table_arn=f"arn:{name}", key_schema=schema)

    return snap


@pytest.fixture
def compared(snap, tmp_path):
    def compared(before, after, **options):
        return diff(
            snap("copy", before),
            snap("Orders", after),
            tmp_path / "changes",
            before_at="then",
            after_at="now",
            **options,
        )

    return compared


@pytest.fixture
def written(tmp_path):
    def written(changes, name="written"):
        return from_changes(
            changes,
            tmp_path / name,
            table="Orders",
            key_schema=SCHEMA,
            source="journal",
            before_at="then",
            after_at="now",
        )

    return written


def test_a_diff_tells_what_was_removed_modified_and_inserted(compared):
    changes = compared(
        [image("same", n=1), image("gone", n=1), image("other", n=1)],
        [image("other", n=2), image("new"), image("same", n=1)],
    )
    assert changes.counts == Counts(same=1, removed=1, modified=1, inserted=1)
    assert len(changes) == 3
    assert list(changes) == [
        Change(key("gone"), "removed", image("gone", n=1), None),
        Change(key("new"), "inserted", None, image("new")),
        Change(key("other"), "modified", image("other", n=1), image("other", n=2)),
    ]
    assert (changes.table, changes.source, changes.scope) == ("Orders", "restored copy", EVERYTHING)


def test_a_change_set_opens_as_it_was_written(compared):
    changes = compared([image("a")], [image("b")])
    again = ChangeSet.open(changes.folder)
    assert again == changes
    assert list(again) == list(changes)
    assert sorted(path.name for path in changes.folder.iterdir()) == ["changes.json", "changes.parquet"]


def test_equal_items_are_the_same_however_the_service_spelled_them(compared):
    then = {"pk": {"S": "a"}, "n": {"N": "1.50"}, "s": {"SS": ["y", "x"]}, "b": {"BS": [b"\x01", b"\x00"]}}
    now = {"b": {"BS": ["AA==", "AQ=="]}, "s": {"SS": ["x", "y"]}, "n": {"N": "15e-1"}, "pk": {"S": "a"}}
    assert compared([canonical(then)], [canonical(now)]).counts == Counts(same=1)


def test_values_of_different_types_differ(compared):
    changes = compared(
        [canonical({"pk": {"S": "a"}, "v": {"S": "1"}})], [canonical({"pk": {"S": "a"}, "v": {"N": "1"}})]
    )
    assert changes.counts == Counts(modified=1)


def test_attributes_of_global_tables_are_not_compared(compared):
    old = canonical({"pk": {"S": "a"}, "aws:rep:updatetime": {"N": "1"}})
    assert compared([old], [image("a")]).counts == Counts(same=1)


def test_text_with_nulls_quotes_and_other_scripts_comes_through(compared):
    odd = ["\x00", '"; DROP TABLE before_items; --', "ключ", "\U0001f600", "\\", "a\nb"]
    before = [canonical({"pk": {"S": name}, "v": {"S": name}}) for name in odd]
    after = [canonical({"pk": {"S": name}, "v": {"S": name + name}}) for name in odd]
    changes = list(compared(before, after))
    assert sorted(change.before for change in changes) == sorted(before)
    assert sorted(change.after for change in changes) == sorted(after)
    assert [change.key for change in changes] == sorted(key(name) for name in odd)


def test_two_empty_tables_do_not_differ_and_the_empty_set_is_still_a_result(compared):
    changes = compared([], [])
    assert list(changes) == []
    assert changes.counts == Counts()
    assert bool(changes)
    assert changes.samples("removed") == []
    assert list(changes.explore().columns) == ["kind", "pk"]
    assert changes.attribute_statistics().empty


def test_tables_with_different_keys_are_not_compared(snap, tmp_path):
    number = KeySchema((KeyAttribute("pk", "N", "HASH"),))
    with pytest.raises(BadInput, match="different keys") as raised:
        diff(snap("a", []), snap("b", [], number), tmp_path / "c", before_at="", after_at="")
    assert "pk (S)" in raised.value.what
    assert "pk (N)" in raised.value.what
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([image("a", n=1), image("a", n=1)], [image("a", n=1)]),
        ([image("a", n=1)], [image("a", n=1), image("a", n=1)]),
        ([image("a", n=1), image("a", n=2)], []),
        ([image("a", n=1), image("a", n=2)], [image("a", n=1)]),
        ([image("a", n=1)], [image("a", n=1), image("a", n=2)]),
        ([image("a", n=1), image("a", n=2)], [image("a", n=1), image("a", n=2)]),
        ([image("a", n=1)], [image("a", n=2), image("a", n=3), image("b")]),
    ],
)
def test_a_snapshot_with_a_key_twice_is_refused(compared, before, after, tmp_path):
    with pytest.raises(BadInput, match="more than once"):
        compared(before, after)
    with pytest.raises(BadInput, match="no complete change set"):
        ChangeSet.open(tmp_path / "changes")


def test_a_diff_replaces_an_earlier_one_and_leaves_no_work_behind(snap, tmp_path):
    folder = tmp_path / "changes"
    before, after = snap("a", [image("x")]), snap("b", [])
    diff(before, after, folder, before_at="1", after_at="2")
    changes = diff(before, before, folder, before_at="3", after_at="4")
    assert ChangeSet.open(folder) == changes
    assert changes.counts == Counts(same=1)
    assert sorted(path.name for path in folder.iterdir()) == ["changes.json", "changes.parquet"]


@pytest.mark.parametrize("name", ["a*b", "k=1", "key=x", "q'u\"o", "sp ace", "[ab]", "{x}", "é?", "$1"])
def test_a_folder_may_have_any_name(tmp_path, name):
    decoy = tmp_path / "axxb"
    from_items([image("decoy")], decoy, table="t", table_arn="", key_schema=SCHEMA)
    before = from_items([image("a", n=1)], tmp_path / name, table="t", table_arn="", key_schema=SCHEMA)
    after = from_items([image("a", n=2)], tmp_path / name / "now", table="t", table_arn="", key_schema=SCHEMA)
    changes = diff(before, after, tmp_path / name / "changes", before_at="", after_at="")
    assert list(changes) == [Change(key("a"), "modified", image("a", n=1), image("a", n=2))]


def test_a_memory_limit_that_is_no_size_is_bad_input(compared):
    with pytest.raises(BadInput, match="memory"):
        compared([], [], memory_limit="plenty")


def test_large_items_are_compared_in_little_memory_and_come_out_in_key_order(snap, tmp_path):
    def items(last):
        for number in range(400):
            pad = f"{number:03}" * 60_000
            yield canonical({"pk": {"S": f"{number * 7919 % 400:03}"}, "pad": {"S": pad + last}})

    changes = diff(
        snap("a", items("x")), snap("b", items("y")), tmp_path / "c", before_at="", after_at="", memory_limit="64MB"
    )
    assert changes.counts == Counts(modified=400)
    keys = []
    for change in changes:
        keys.append(change.key)
        assert key_of(attributes(change.before), SCHEMA.names) == change.key
        assert change.after == change.before.replace('x"}', 'y"}')
    assert keys == sorted(keys)


def test_given_changes_are_sorted_by_key_and_counted(written):
    changes = [
        Change(key("b"), "removed", image("b"), None),
        Change(key("c"), "inserted", None, image("c")),
        Change(key("a"), "modified", image("a", n=1), image("a", n=2)),
    ]
    found = written(iter(changes))
    assert [change.key for change in found] == [key("a"), key("b"), key("c")]
    assert set(found) == set(changes)
    assert found.counts == Counts(removed=1, modified=1, inserted=1)
    assert ChangeSet.open(found.folder) == found


def test_a_key_with_two_changes_is_refused(written):
    with pytest.raises(BadInput, match="more than once"):
        written([Change(key("a"), "removed", image("a"), None), Change(key("a"), "inserted", None, image("a"))])


def test_a_change_set_cut_short_does_not_open(written, tmp_path):
    changes = written([Change(key("a"), "removed", image("a"), None)])
    other = written([], "other")
    (other.folder / "changes.parquet").replace(changes.folder / "changes.parquet")
    with pytest.raises(BadInput, match="0 of its 1 changes"):
        ChangeSet.open(changes.folder)
    (changes.folder / "changes.json").unlink()
    with pytest.raises(BadInput, match="no complete change set"):
        ChangeSet.open(changes.folder)
    with pytest.raises(BadInput, match="no complete change set"):
        ChangeSet.open(tmp_path / "nowhere")


@pytest.fixture
def many(written):
    """200 removed, 100 modified, 3 inserted items, mixed in key order."""
    changes = [Change(key(f"{n:03}r"), "removed", image(f"{n:03}r", n=n), None) for n in range(200)]
    changes += [
        Change(
            key(f"{2 * n:03}m"), "modified", image(f"{2 * n:03}m", n=n, m=1), image(f"{2 * n:03}m", n=n + n % 2, k=1)
        )
        for n in range(100)
    ]
    changes += [Change(key(f"{50 * n:03}i"), "inserted", None, image(f"{50 * n:03}i")) for n in range(3)]
    return written(changes, "many")


def test_samples_are_of_one_kind_spread_over_the_set_and_always_the_same(many):
    samples = many.samples("removed", 4)
    assert [change.key for change in samples] == [key("000r"), key("050r"), key("100r"), key("150r")]
    assert many.samples("removed", 4) == samples
    assert {change.kind for change in many.samples("modified", 50)} == {"modified"}
    assert len(many.samples("modified", 50)) == 50
    assert len(many.samples("inserted")) == 3
    assert many.samples("inserted", 0) == []


def test_a_scoped_set_holds_what_is_in_scope_and_says_so(many, tmp_path):
    scope = Scope(kinds=("removed",), where="before.n < `10`")
    scoped = many.scoped(scope, tmp_path / "scoped")
    assert [change.key for change in scoped] == [key(f"{n:03}r") for n in range(10)]
    assert scoped.counts == Counts(same=many.counts.same, removed=10)
    assert scoped.scope == scope
    assert ChangeSet.open(tmp_path / "scoped") == scoped
    assert len(many) == 303


def test_a_scope_that_lets_nothing_through_gives_an_empty_set(many, tmp_path):
    scoped = many.scoped(Scope(where="kind == 'nothing'"), tmp_path / "scoped")
    assert list(ChangeSet.open(tmp_path / "scoped")) == list(scoped) == []


def test_a_scoped_set_is_not_scoped_again_nor_written_over_the_whole(many, tmp_path):
    with pytest.raises(BadInput, match="contains the whole change set"):
        many.scoped(Scope(kinds=("removed",)), many.folder)
    scoped = many.scoped(Scope(kinds=("removed",)), tmp_path / "scoped")
    with pytest.raises(BadInput, match="already has a scope"):
        scoped.scoped(Scope(where="before.n < `10`"), tmp_path / "again")
    assert list(ChangeSet.open(many.folder)) == list(many)


def test_a_condition_that_fails_on_an_item_leaves_no_scoped_set(many, tmp_path):
    with pytest.raises(BadInput, match="where fails on a"):
        many.scoped(Scope(where="starts_with(before.n, 'x')"), tmp_path / "scoped")
    with pytest.raises(BadInput, match="no complete change set"):
        ChangeSet.open(tmp_path / "scoped")


def test_statistics_say_which_attributes_of_modified_items_differ_and_how(many):
    assert many.attribute_statistics().to_dict("records") == [
        {"attribute": "k", "changed": 0, "added": 100, "removed": 0},
        {"attribute": "m", "changed": 0, "added": 0, "removed": 100},
        {"attribute": "n", "changed": 50, "added": 0, "removed": 0},
    ]


def test_exploring_shows_then_and_now_side_by_side_in_plain_values(written):
    before = {"pk": {"S": "a"}, "total": {"N": "10.10"}, "big": {"N": "9" * 38}, "note": {"NULL": True}}
    after = {"pk": {"S": "a"}, "total": {"N": "0"}, "tags": {"SS": ["y", "x"]}}
    frame = written([Change(key("a"), "modified", canonical(before), canonical(after))]).explore()
    shown = [f"{name} ({when})" for name in ("big", "note", "tags", "total") for when in ("before", "now")]
    assert list(frame.columns) == ["kind", "pk", *shown]
    row = frame.iloc[0]
    assert str(row["total (before)"]) == "10.1"
    assert row["big (before)"] == int("9" * 38)
    assert row["tags (now)"] == ["x", "y"]
    assert row["note (before)"] is None
    assert row["note (now)"] is pd.NA
    assert len(frame[frame["total (now)"] < 5]) == 1
    assert len(frame[frame["big (now)"] > 5]) == 0


def test_exploring_stops_at_its_limit_and_shows_the_attributes_that_differ_most(written):
    wide = {f"a{n:03}": {"N": "1"} for n in range(300)}
    items = [{"pk": {"S": f"{n}"}, **wide} for n in range(9)]
    changes = [
        Change(key(item["pk"]["S"]), "modified", canonical(item), canonical({**item, "a299": {"N": "2"}}))
        for item in items
    ]
    frame = written(changes).explore(limit=5)
    assert list(frame["pk"]) == ["0", "1", "2", "3", "4"]
    assert "a299 (now)" in frame.columns
    assert len(frame.columns) == 2 + 2 * 100


def test_a_key_attribute_called_kind_is_shown_beside_the_kind_of_change(tmp_path):
    schema = KeySchema((KeyAttribute("kind", "S", "HASH"),))
    cat = canonical({"kind": {"S": "cat"}})
    changes = from_changes(
        [Change(cat, "removed", cat, None)],
        tmp_path,
        table="t",
        key_schema=schema,
        source="",
        before_at="",
        after_at="",
    )
    assert changes.explore().to_numpy().tolist() == [["removed", "cat"]]
