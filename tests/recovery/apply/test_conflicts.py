"""Conflicts that a person decides: theirs stays, ours is planned again and guarded by the very item that was found."""

import pytest

from pitrkit.aws.items import attributes
from pitrkit.recovery.apply import conflicts as resolving
from pitrkit.recovery.apply.journal import conflicts
from pitrkit.recovery.plan.policy import LEFT_ALSO_WRITTEN, LEFT_CHANGED_SINCE


@pytest.fixture
def met(bench, make_order):
    """A plan that met a conflict of each kind: there again, written again, gone, and too many but written again."""
    changes = [bench.change(make_order(0), None)]
    changes += [bench.change(make_order(n), make_order(n, status={"S": "mangled"})) for n in (1, 2)]
    changes.append(bench.change(None, make_order(3)))
    plan = bench.plan(changes)
    bench.put(make_order(0, status={"S": "new"}, own={"S": "theirs"}))
    bench.set(make_order(1), "status", {"S": "sent"})
    bench.set(make_order(1), "parcel", {"S": "P-7"})
    bench.delete(make_order(2))
    bench.set(make_order(3), "status", {"S": "sent"})
    assert bench.apply(plan).conflicts == 4
    return plan, conflicts(plan, bench.journal(plan))


def planned(bench, met, decisions):
    plan, found = met
    changes = resolving.changes(plan, found, decisions, bench.path("settled"), found_at="now")
    return bench.plan(changes, resolving.policy_of(plan))


def number(bench, make_order, met, which):
    return next(one.number for one in met[1] if one.key == bench.key(make_order(which)))


def test_taking_ours_writes_what_the_plan_would_have_and_keeps_what_else_was_written(bench, make_order, met):
    new = planned(bench, met, {one.number: "ours" for one in met[1]})
    assert (new.puts, new.updates, new.deletes, new.left) == (1, 2, 1, {})
    assert bench.apply(new).applied == 4
    assert bench.get(make_order(0)) == make_order(0), "an item that was to be put back takes the other's place"
    assert bench.get(make_order(1)) == make_order(1, parcel={"S": "P-7"}), "their own attribute stays"
    assert bench.get(make_order(2)) == make_order(2)
    assert bench.get(make_order(3)) is None


def test_keeping_theirs_plans_nothing_and_what_is_undecided_waits_for_a_person(bench, make_order, met):
    before = bench.state()
    new = planned(bench, met, {number(bench, make_order, met, 1): "theirs"})
    assert new.empty
    assert new.left == {LEFT_ALSO_WRITTEN: 3}
    assert new.undecided == 3
    assert bench.state() == before


def test_an_item_written_once_more_is_left_alone_again(bench, make_order, met):
    bench.set(make_order(1), "status", {"S": "returned"})
    new = planned(bench, met, {one.number: "ours" for one in met[1]})
    assert new.left == {LEFT_CHANGED_SINCE: 1}
    bench.set(make_order(3), "status", {"S": "returned"})
    assert bench.apply(new).conflicts == 1
    assert attributes(bench.get(make_order(1)))["status"] == {"S": "returned"}
    assert attributes(bench.get(make_order(3)))["status"] == {"S": "returned"}


def test_the_undo_of_ours_gives_back_theirs(bench, met):
    before = bench.state()
    new = planned(bench, met, {one.number: "ours" for one in met[1]})
    bench.apply(new)
    bench.undo(new)
    assert bench.state() == before
