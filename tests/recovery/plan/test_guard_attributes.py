"""Guards of attributes from plan to undo: only what is put back must be as it was seen, and all else is kept."""

from dataclasses import replace
from itertools import product
from random import Random

import pytest

from pitrkit.aws.items import canonical
from pitrkit.recovery.apply.journal import conflicts, journal_changes
from pitrkit.recovery.apply.verify import verify
from pitrkit.recovery.changes.change import Change
from pitrkit.recovery.plan.policy import Policy, SkippedChange

GUARDED = replace(Policy.UNDO, guard="attributes")


def undo(bench, plan):
    changes = journal_changes(plan, bench.journal(plan), bench.path("undo"))
    back = bench.plan(changes, replace(Policy.UNDO, guard=plan.policy.guard))
    bench.apply(back)
    return back


def verified(bench, plan):
    return verify(bench.aws, bench.table, plan, bench.journal(plan))


def counting(bench, plan):
    """Apply, and return how many requests of any kind went out to the table's items."""
    sent = []

    def meddle(operation, _parameters, send):
        sent.append(operation)
        return send()

    bench.meddled(plan, meddle, reads=True)
    return len(sent)


def test_what_was_written_elsewhere_in_the_item_before_and_after_planning_is_kept(bench, make_order):
    mangled = bench.change(make_order(1), make_order(1, status={"S": "lost"}, total={"N": "0"}))
    bench.set(make_order(1), "parcel", {"S": "P-1"})
    assert bench.plan([mangled], Policy.UNDO).left == {"changed since": 1}
    plan = bench.plan([mangled], GUARDED)
    bench.set(make_order(1), "parcel", {"S": "P-2"})
    bench.set(make_order(1), "note", {"S": "call me"})
    assert bench.apply(plan).applied == 1
    kept = {"parcel": {"S": "P-2"}, "note": {"S": "call me"}}
    assert bench.get(make_order(1)) == make_order(1, **kept)
    bench.set(make_order(1), "parcel", {"S": "P-3"})
    assert verified(bench, plan).ok
    undo(bench, plan)
    kept["parcel"] = {"S": "P-3"}
    assert bench.get(make_order(1)) == make_order(1, status={"S": "lost"}, total={"N": "0"}, **kept)


@pytest.mark.parametrize("theirs", [{"S": "sent"}, {"N": "1"}])
def test_what_was_written_to_an_attribute_that_is_put_back_is_a_conflict(bench, make_order, theirs):
    plan = bench.plan([bench.change(make_order(1), make_order(1, status={"S": "lost"}))], GUARDED)
    bench.set(make_order(1), "status", theirs)
    assert bench.apply(plan).conflicts == 1
    (conflict,) = conflicts(plan, bench.journal(plan))
    assert conflict.found == bench.get(make_order(1)) == make_order(1, status=theirs)


def test_an_item_that_holds_already_what_was_to_be_written_needs_no_write_whatever_else_it_holds(bench, make_order):
    plan = bench.plan([bench.change(make_order(1), make_order(1, status={"S": "lost"}))], GUARDED)
    bench.put(make_order(1, parcel={"S": "P-1"}))
    done = bench.apply(plan)
    assert (done.applied, done.already, done.conflicts) == (0, 1, 0)
    assert verified(bench, plan).ok


def test_verify_names_an_item_whose_attributes_were_written_again(bench, make_order):
    plan = bench.plan([bench.change(make_order(1), make_order(1, status={"S": "lost"}))], GUARDED)
    bench.apply(plan)
    bench.set(make_order(1), "status", {"S": "sent"})
    assert verified(bench, plan).keys == (bench.key(make_order(1)),)


@pytest.mark.parametrize("guard", ["item", "attributes"])
def test_a_second_run_of_a_finished_plan_sends_nothing(bench, make_order, guard):
    wide = {f"a{number}": {"N": "1"} for number in range(200)}
    changes = [bench.change(make_order(n), None) for n in range(30)]
    changes += [bench.change(make_order(n), make_order(n, note={"S": "x"})) for n in range(30, 40)]
    changes += [bench.change(make_order(40, **wide), make_order(40, **wide, note={"S": "x"}))]
    changes += [bench.change(None, make_order(n)) for n in range(41, 45)]
    plan = bench.plan(changes, replace(Policy.UNDO, guard=guard))
    bench.set(make_order(31), "note", {"S": "theirs"})
    assert counting(bench, plan) >= plan.total == 45
    assert counting(bench, plan) == 0
    assert bench.apply(plan).conflicts == 1


@pytest.mark.parametrize("guard", ["item", "attributes"])
def test_a_write_that_would_change_nothing_is_not_planned(bench, make_order, guard):
    policy = replace(Policy.UNDO, guard=guard)
    changes = bench.change_set(
        [
            bench.change(make_order(1), None),
            bench.change(make_order(2), make_order(2, note={"S": "x"})),
            bench.change(None, make_order(3)),
        ]
    )
    bench.apply(bench.plan(changes, policy))
    again = bench.plan(changes, policy)
    assert (again.total, again.left, again.undecided) == (0, {"already so": 3}, 0)
    assert {left.kind for left in again.left_items()} == {"removed", "modified", "inserted"}
    respelt = Change(bench.key(make_order(2)), "modified", make_order(2), make_order(2))
    assert list(bench.plan([respelt], policy).left_items()) == [SkippedChange(respelt.key, "modified", "already so")]


PATHS = list(product([None, {"N": "1"}, {"S": "1"}], repeat=4))
"""All that can become of an attribute: at T, damaged, when it is planned for, and when it is written."""


def stories(seed):
    """Yield each item's key and what it is at each stage, as attributes or None: of each attribute all paths occur."""
    random = Random(seed)
    columns = [random.sample(PATHS, len(PATHS)) for _ in "abc"]
    for number, paths in enumerate(zip(*columns, strict=True)):
        key = {"pk": {"S": f"k{number % 7}"}, "sk": {"N": str(number)}}
        gone = random.choice([None, None, None, 0, 1, 2, 3])
        yield (
            canonical(key),
            [
                key | {name: value for name, value in zip("abc", values, strict=True) if value}
                if stage != gone
                else None
                for stage, values in enumerate(zip(*paths, strict=True))
            ],
        )


def bring(bench, items):
    """Bring the table to a state, given as key to attributes or None."""
    there = bench.state()
    for key, item in items.items():
        if item is None and key in there:
            bench.delete(there[key])
        elif item is not None and there.get(key) != canonical(item):
            bench.put(canonical(item))


def expected(before, after, planned, present):
    """What must become of an item: at T, damaged, as planned for, and as it is when the write comes. Item or None."""
    if before is None or after is None:
        goal_holds = planned == present == after
        return before if goal_holds else present
    if planned is None or present is None:
        return present
    names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    if any(planned.get(name) not in (before.get(name), after.get(name)) for name in names):
        return present
    ours = {name for name in names if planned.get(name) != before.get(name)}
    if any(present.get(name) != planned.get(name) for name in ours):
        return present
    result = present | {name: before[name] for name in ours if name in before}
    return {name: value for name, value in result.items() if name not in ours or name in before}


@pytest.mark.parametrize("seed", range(4))
def test_every_attribute_ends_as_its_last_good_writer_left_it(bench, seed):
    items = dict(stories(seed))
    bring(bench, {key: damaged for key, (_, damaged, _, _) in items.items()})
    kinds = {(True, False): "removed", (True, True): "modified", (False, True): "inserted"}
    changes = [
        Change(key, kinds[then is not None, now is not None], then and canonical(then), now and canonical(now))
        for key, (then, now, _, _) in sorted(items.items())
        if then != now
    ]
    bring(bench, {key: planned for key, (_, _, planned, _) in items.items()})
    plan = bench.plan(changes, GUARDED)
    bring(bench, {key: present for key, (_, _, _, present) in items.items()})
    theirs = bench.state()
    assert bench.apply(plan).complete
    wanted = {key: expected(*story) if story[0] != story[1] else story[3] for key, story in items.items()}
    assert bench.state() == {key: canonical(item) for key, item in wanted.items() if item is not None}
    assert verified(bench, plan).ok
    undo(bench, plan)
    assert bench.state() == theirs
