"""Undo: the revert of the journal, by the same way as every other write."""

import pytest

from pitrkit.aws.items import attributes
from pitrkit.recovery.apply.journal import JournalWriter, journal_changes


@pytest.fixture
def plan(bench, make_order):
    changes = [bench.change(make_order(n), None) for n in range(4)]
    changes += [
        bench.change(make_order(n), make_order(n, note=None, paid={"N": "1"}, x={"S": "y"})) for n in range(4, 8)
    ]
    return bench.plan([*changes, *(bench.change(None, make_order(n)) for n in range(8, 12))])


def test_undo_gives_back_the_table_as_it_was_before_the_copy(bench, plan):
    damaged = bench.state()
    bench.apply(plan)
    assert bench.state() != damaged
    bench.undo(plan)
    assert bench.state() == damaged


def test_an_undo_can_be_undone(bench, plan):
    bench.apply(plan)
    copied = bench.state()
    bench.undo(bench.undo(plan))
    assert bench.state() == copied


def test_an_attribute_that_somebody_added_before_our_update_outlives_the_undo(bench, make_order, plan):
    bench.set(make_order(5), "parcel", {"S": "P-77"})
    damaged = bench.state()
    bench.apply(plan)
    bench.undo(plan)
    assert bench.state() == damaged


def test_what_somebody_changed_after_the_copy_is_left_alone_and_said(bench, make_order, plan):
    bench.apply(plan)
    bench.set(make_order(1), "status", {"S": "sent"})
    bench.set(make_order(5), "parcel", {"S": "P-77"})
    back = bench.undo(plan)
    assert back.left == {"changed since": 2}
    assert attributes(bench.get(make_order(1)))["status"] == {"S": "sent"}
    assert attributes(bench.get(make_order(5)))["parcel"] == {"S": "P-77"}


def test_what_was_already_so_or_a_conflict_was_not_ours_and_is_not_undone(bench, make_order, plan):
    bench.put(make_order(0))
    bench.set(make_order(6), "status", {"S": "sent"})
    bench.delete(make_order(9))
    before = bench.state()
    assert bench.apply(plan).applied == 9
    assert bench.undo(plan).total == 9
    assert bench.state() == before


@pytest.mark.parametrize("written", [True, False])
def test_writes_that_a_killed_run_left_unsure_are_undone_if_they_happened(bench, make_order, plan, written):
    damaged = bench.state()
    numbers = {write.key: write.number for write in plan.writes()}
    with JournalWriter(bench.journal(plan), plan) as log:
        log.intend([numbers[bench.key(make_order(n))] for n in (1, 5, 9)])
    if written:
        bench.put(make_order(1))
        bench.put(make_order(5))
        bench.delete(make_order(9))
    back = bench.undo(plan)
    assert back.total == (3 if written else 0)
    assert bench.state() == damaged


def test_the_change_set_of_a_copy_says_where_it_comes_from(bench, plan):
    bench.apply(plan)
    changes = journal_changes(plan, bench.journal(plan), bench.path("undo"))
    assert changes.source == f"journal of plan {plan.digest[:12]}"
    assert changes.counts.to_dict() == {"same": 0, "removed": 4, "modified": 4, "inserted": 4}
    assert changes.before_at < changes.after_at
