"""Drift says before the writes what the guards would find: what moved since a plan was made."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pitrkit.recovery.plan.drift import drift
from pitrkit.recovery.plan.policy import Policy


def kinds(bench, make_order):
    """Two changes of each kind."""
    changes = [bench.change(make_order(n), None) for n in range(2)]
    changes += [bench.change(make_order(n), make_order(n, status={"S": "mangled"})) for n in range(2, 4)]
    return [*changes, *(bench.change(None, make_order(n)) for n in range(4, 6))]


def test_nothing_moved_while_nobody_wrote(bench, make_order):
    plan = bench.plan(kinds(bench, make_order))
    found = drift(bench.aws, bench.table, plan)
    assert (found.checked, found.moved, found.already, found.items) == (6, 0, 0, ())


def test_an_item_of_each_kind_that_was_written_has_moved_and_is_named(bench, make_order):
    plan = bench.plan(kinds(bench, make_order))
    bench.put(make_order(0, status={"S": "new"}))
    bench.set(make_order(2), "status", {"S": "sent"})
    bench.delete(make_order(3))
    bench.set(make_order(4), "parcel", {"S": "P"})
    found = drift(bench.aws, bench.table, plan)
    moved = {bench.key(make_order(n)) for n in (0, 2, 3, 4)}
    assert (found.moved, {one.key for one in found.items}) == (4, moved)


def test_what_is_as_it_should_be_without_us_has_not_moved(bench, make_order):
    plan = bench.plan(kinds(bench, make_order))
    bench.put(make_order(1))
    bench.delete(make_order(5))
    found = drift(bench.aws, bench.table, plan)
    assert (found.moved, found.already) == (0, 2)


def test_what_the_guard_does_not_look_at_may_be_written(bench, make_order):
    changes = [bench.change(make_order(n), make_order(n, status={"S": "mangled"})) for n in range(2)]
    plan = bench.plan(changes, Policy(modified="revert", guard="attributes"))
    bench.set(make_order(0), "note", {"S": "called"})
    bench.set(make_order(1), "status", {"S": "sent"})
    assert drift(bench.aws, bench.table, plan).moved == 1


def test_settled_writes_do_not_matter_and_a_large_plan_is_sampled(bench, make_order):
    plan = bench.plan([bench.change(make_order(n), None) for n in range(30)])
    for n in range(30):
        bench.put(make_order(n, status={"S": "new"}))
    assert drift(bench.aws, bench.table, plan, settled=range(1, 11)).moved == 20
    found = drift(bench.aws, bench.table, plan, at_most=7)
    assert (found.checked, found.moved, found.total) == (7, 7, 30)


@settings(max_examples=12)
@given(meddled=st.lists(st.sampled_from(["put", "set", "delete", "extra", "back", ""]), min_size=6, max_size=6))
def test_what_has_moved_is_just_what_becomes_a_conflict(aws, tmp_path_factory, make_bench, make_order, meddled):
    bench = make_bench(aws, tmp_path_factory.mktemp("drift"))
    plan = bench.plan(kinds(bench, make_order))
    for number, how in enumerate(meddled):
        there = bench.get(make_order(number)) is not None
        if how == "put":
            bench.put(make_order(number, status={"S": "theirs"}))
        elif how == "back":
            bench.put(make_order(number))
        elif how == "delete" and there:
            bench.delete(make_order(number))
        elif how in {"set", "extra"} and there:
            bench.set(make_order(number), "status" if how == "set" else "parcel", {"S": "theirs"})
    found = drift(bench.aws, bench.table, plan)
    done = bench.apply(plan)
    assert (found.moved, found.already) == (done.conflicts, done.already)
