"""Plans: what would be written, what is left alone, and a digest that nothing escapes."""

from dataclasses import replace

import orjson
import pyarrow.parquet as pq
import pytest

from pitrkit.aws.client.error_mapping import Throttled
from pitrkit.aws.client.transport import Answer, Wire
from pitrkit.aws.items import KeyAttribute, KeySchema
from pitrkit.errors import BadInput, RecordAltered
from pitrkit.recovery.changes.change import Change
from pitrkit.recovery.plan.current_items import current_items
from pitrkit.recovery.plan.plan import Plan, build
from pitrkit.recovery.plan.policy import Policy, SkippedChange, decide

A, B, C = ('{"pk":{"S":"k"},"v":{"N":"%d"},"w":{"N":"%d"}}' % (n, n) for n in (1, 2, 3))  # noqa: UP031
REVERT = Policy(modified="revert", inserted="delete")


@pytest.mark.parametrize(
    ("kind", "before", "after", "current", "expected"),
    [
        ("removed", A, None, None, ("", A)),
        ("removed", A, None, A, ("already so", None)),
        ("removed", A, None, C, ("exists again", None)),
        ("modified", A, B, B, ("", A)),
        ("modified", A, B, A, ("already so", None)),
        ("modified", A, B, C, ("changed since", None)),
        ("modified", A, B, None, ("changed since", None)),
        ("inserted", None, B, B, ("", None)),
        ("inserted", None, B, None, ("already so", None)),
        ("inserted", None, B, C, ("changed since", None)),
    ],
)
def test_what_becomes_of_a_change_depends_on_what_the_item_is_now(kind, before, after, current, expected):
    assert decide(Change("k", kind, before, after), current, REVERT) == expected


def test_a_policy_of_attributes_puts_back_only_those():
    policy = Policy(modified="revert", attributes=("v", "x"))
    before, after = (
        '{"pk":{"S":"k"},"v":{"N":"1"},"w":{"N":"1"}}',
        '{"pk":{"S":"k"},"v":{"N":"2"},"w":{"N":"2"},"x":{"N":"2"}}',
    )
    change = Change("k", "modified", before, after)
    assert decide(change, after, policy) == ("", '{"pk":{"S":"k"},"v":{"N":"1"},"w":{"N":"2"}}')
    assert decide(change, after, Policy(modified="revert", attributes=("y",))) == ("already so", None)


ATTRIBUTES = Policy(modified="revert", inserted="delete", guard="attributes")


def three(v, w, x):
    return '{"pk":{"S":"k"},"v":{"N":"%d"},"w":{"N":"%d"},"x":{"N":"%d"}}' % (v, w, x)  # noqa: UP031


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        (three(2, 2, 0), ("", three(1, 1, 0))),  # as it was compared
        (three(2, 2, 9), ("", three(1, 1, 9))),  # something else was written since: kept
        (three(1, 2, 9), ("", three(1, 1, 9))),  # half of it is back already
        (three(1, 1, 9), ("already so", None)),
        (three(2, 9, 0), ("changed since", None)),  # what would be written was written
        ('{"pk":{"S":"k"},"v":{"N":"2"},"x":{"N":"0"}}', ("changed since", None)),  # or removed
        (None, ("changed since", None)),
    ],
)
def test_with_a_guard_of_attributes_each_attribute_stands_for_itself(current, expected):
    change = Change("k", "modified", three(1, 1, 0), three(2, 2, 0))
    assert decide(change, current, ATTRIBUTES) == expected


def test_a_guard_of_attributes_is_about_modified_items_alone():
    for change, current in [
        (Change("k", "removed", A, None), C),
        (Change("k", "inserted", None, B), C),
    ]:
        assert decide(change, current, ATTRIBUTES) == decide(change, current, REVERT)


def test_a_guard_of_attributes_looks_only_at_those_that_are_put_back():
    policy = Policy(modified="revert", guard="attributes", attributes=("v",))
    change = Change("k", "modified", three(1, 1, 0), three(2, 2, 0))
    assert decide(change, three(2, 9, 9), policy) == ("", three(1, 9, 9))
    assert decide(change, three(9, 2, 0), policy) == ("changed since", None)


def test_a_plan_and_its_writes_carry_the_guard_that_was_asked_for(bench, make_order):
    changes = bench.change_set([bench.change(make_order(1), make_order(1, note={"S": "x"}))])
    plan = bench.plan(changes, ATTRIBUTES)
    again = Plan.open(plan.folder)
    assert again.policy == ATTRIBUTES
    assert [[write.guard for write in again.writes(shuffled=how)] for how in (False, True)] == [["attributes"]] * 2


@pytest.mark.parametrize(
    ("wrong", "choices"),
    [({"inserted": "drop"}, "keep or delete"), ({"guard": "none"}, "item or attributes"), ({"expired": "x"}, "put")],
)
def test_a_policy_that_does_not_exist_is_refused_with_the_choices(wrong, choices):
    with pytest.raises(BadInput, match=choices):
        Policy(**wrong)


def test_by_default_only_removed_items_come_back_and_modified_ones_are_asked_about(bench, make_order):
    changes = [
        bench.change(make_order(1), None),
        bench.change(make_order(2), make_order(2, note={"S": "x"})),
        bench.change(None, make_order(3)),
    ]
    plan = bench.plan(changes, Policy())
    assert (plan.puts, plan.updates, plan.deletes) == (1, 0, 0)
    assert plan.left == {"undecided": 1, "kept by policy": 1}
    assert plan.undecided == 1
    assert set(plan.left_items()) == {
        SkippedChange(changes[1].key, "modified", "undecided"),
        SkippedChange(changes[2].key, "inserted", "kept by policy"),
    }


def test_a_plan_counts_what_it_would_do_and_relies_on_what_is_there_now(bench, make_order):
    changes = [bench.change(make_order(n), make_order(n, note={"S": "x"})) for n in range(5)]
    changes += [bench.change(make_order(n), None) for n in range(5, 9)]
    changes += [bench.change(None, make_order(n)) for n in range(9, 12)]
    bench.set(make_order(0), "status", {"S": "sent"})
    bench.put(make_order(5))
    bench.put(make_order(6, status={"S": "new"}))
    bench.delete(make_order(9))
    plan = bench.plan(changes)
    assert (plan.puts, plan.updates, plan.deletes) == (2, 4, 2)
    assert plan.left == {"changed since": 1, "already so": 2, "exists again": 1}
    assert plan.write_units == 8
    now = bench.state()
    assert {write.key: write.seen for write in plan.writes()} == {
        write.key: now.get(write.key) for write in plan.writes()
    }
    assert [write.number for write in plan.writes()] == list(range(1, 9))


def test_planning_writes_nothing(bench, make_order):
    changes = [bench.change(make_order(1), None), bench.change(None, make_order(2))]
    before = bench.state()
    bench.plan(changes)
    assert bench.state() == before


def test_an_item_with_more_attributes_than_an_expression_can_guard_is_planned_like_any_other(bench, make_order):
    wide = {f"a{number}": {"N": "1"} for number in range(400)}
    plan = bench.plan([bench.change(make_order(1, **wide), make_order(1, **wide, note={"S": "x"}))])
    assert (plan.updates, plan.left) == (1, {})


def test_a_plan_opened_again_is_the_same(bench, make_order):
    plan = bench.plan([bench.change(make_order(n), None) for n in range(3)])
    assert Plan.open(plan.folder) == plan
    assert orjson.loads(orjson.dumps(plan.to_dict())) == plan.to_dict()
    assert len(plan.digest) == 64


def altered_rows(file, column, value):
    rows = pq.read_table(file)
    columns = rows.to_pydict()
    columns[column][0] = value
    pq.write_table(rows.from_pydict(columns, schema=rows.schema), file)


@pytest.mark.parametrize(
    "alter",
    [
        lambda folder: altered_rows(folder / "plan.parquet", "goal", '{"pk":{"S":"evil"}}'),
        lambda folder: altered_rows(folder / "plan.parquet", "seen", None),
        lambda folder: altered_rows(folder / "left.parquet", "reason", "already so"),
        lambda folder: (folder / "plan.parquet").write_bytes(b"no parquet"),
        lambda folder: (folder / "left.parquet").unlink(),
        *(
            lambda folder, name=name, value=value: (folder / "plan.json").write_bytes(
                orjson.dumps(orjson.loads((folder / "plan.json").read_bytes()) | {name: value})
            )
            for name, value in [
                ("updates", 0),
                ("table_id", "x"),
                ("region", "eu-west-1"),
                ("write_units", 0),
                ("policy", {}),
                ("scope", {"where": "x"}),
                ("source", "x"),
                ("created_at", "2026-01-01T00:00:00+00:00"),
            ]
        ),
    ],
)
def test_a_plan_altered_anywhere_is_refused(bench, make_order, alter):
    changed = bench.change(make_order(1), make_order(1, note={"S": "x"}))
    again = bench.change(make_order(2), None)
    bench.put(make_order(2, note={"S": "new"}))
    plan = bench.plan([changed, again])
    assert plan.left
    alter(plan.folder)
    with pytest.raises(RecordAltered):
        Plan.open(plan.folder)


def test_a_plan_that_was_not_finished_is_none(bench, make_order):
    plan = bench.plan([bench.change(make_order(1), None)])
    (plan.folder / "plan.json").unlink()
    with pytest.raises(BadInput, match="no complete plan"):
        Plan.open(plan.folder)


def test_two_plans_of_the_same_writes_are_two_plans(bench, make_order):
    changes = bench.change_set([bench.change(make_order(1), None)])
    assert bench.plan(changes).digest != bench.plan(changes).digest


def test_writes_are_shuffled_the_same_way_each_time(bench, make_order):
    plan = bench.plan([bench.change(make_order(n), None) for n in range(120)])
    straight, shuffled = list(plan.writes()), list(plan.writes(shuffled=True))
    assert shuffled == list(plan.writes(shuffled=True))
    assert shuffled != straight
    assert sorted(shuffled, key=lambda write: write.number) == straight


def test_a_change_set_of_another_key_schema_is_refused(bench, make_order):
    changes = bench.change_set([bench.change(make_order(1), None)])
    other = replace(changes, key_schema=KeySchema((KeyAttribute("pk", "S", "HASH"),)))
    with pytest.raises(BadInput, match="keyed by"):
        bench.plan(other)


def test_more_keys_than_one_call_takes_are_all_read(bench, make_order):
    changes = [bench.change(None, make_order(n)) for n in range(230)]
    told = []
    plan = build(
        bench.aws,
        bench.table,
        bench.change_set(changes),
        Policy.UNDO,
        bench.path("plan"),
        scope={},
        on_progress=lambda *told_: told.append(told_),
    )
    assert plan.deletes == 230
    assert told[-1] == (230, 230, "230 to write, 0 left alone")


class Grudging:
    """A wire that leaves all but *served* keys of each call unprocessed."""

    def __init__(self, aws, served):
        self.wire, self.served = Wire.of(aws), served

    def call(self, operation, body, *, table):
        request = orjson.loads(body)["RequestItems"][table]
        asked, left = request["Keys"][: self.served], request["Keys"][self.served :]
        said = {}
        if asked:
            body = orjson.dumps({"RequestItems": {table: request | {"Keys": asked}}})
            said = orjson.loads(self.wire.call(operation, body, table=table).body)
        unprocessed = {table: request | {"Keys": left}} if left else {}
        return Answer(orjson.dumps(said | {"UnprocessedKeys": unprocessed}), "")


def test_keys_left_unprocessed_are_asked_for_again_and_never_taken_for_absent(bench, make_order):
    for number in range(10):
        bench.put(make_order(number))
    keys = [bench.key(make_order(number)) for number in range(12)]
    found = current_items(Grudging(bench.aws, 3), bench.name, keys, bench.table.key_schema, sleep=lambda _: None)
    assert found == bench.state()


def test_keys_that_stay_unprocessed_are_an_error(bench, make_order):
    keys = [bench.key(make_order(1))]
    with pytest.raises(Throttled, match="stay unread"):
        current_items(Grudging(bench.aws, 0), bench.name, keys, bench.table.key_schema, sleep=lambda _: None)


def test_replication_attributes_are_kept_out_of_guards_and_goals(bench, make_order):
    rep = {"aws:rep:updatetime": {"N": "17"}}
    plan = bench.plan([bench.change(make_order(1, **rep), make_order(1, note={"S": "x"}, **rep))])
    (write,) = plan.writes()
    assert (write.seen, write.goal) == (make_order(1, note={"S": "x"}), make_order(1))
