"""Verify: what is true now, read again."""

import pytest

from pitrkit.errors import AccessDenied
from pitrkit.recovery.apply.verify import verify


def verified(bench, plan, **options):
    return verify(bench.aws, bench.table, plan, bench.journal(plan), **options)


@pytest.fixture
def plan(bench, make_order):
    changes = [bench.change(make_order(n), None) for n in range(100)]
    changes += [bench.change(make_order(n), make_order(n, note={"S": "x"})) for n in range(100, 110)]
    return bench.plan([*changes, *(bench.change(None, make_order(n)) for n in range(110, 115))])


def test_a_copy_that_holds_is_ok(bench, plan):
    bench.apply(plan)
    told = []
    found = verified(bench, plan, on_progress=lambda *told_: told.append(told_))
    assert found.ok
    assert (found.checked, found.mismatches, found.conflicts, found.unwritten, found.keys) == (115, 0, 0, 0, ())
    assert told[-1] == (115, 115, "all match")


def test_keys_that_do_not_hold_are_counted_and_named(bench, make_order, plan):
    bench.apply(plan)
    bench.delete(make_order(3))
    bench.set(make_order(104), "status", {"S": "sent"})
    bench.put(make_order(112))
    found = verified(bench, plan)
    assert not found.ok
    assert found.mismatches == 3
    assert set(found.keys) == {bench.key(make_order(number)) for number in (3, 104, 112)}


def test_only_the_first_hundred_keys_are_named_but_all_are_counted(bench, plan):
    bench.apply(plan)
    bench.clear()
    found = verified(bench, plan)
    assert (found.mismatches, len(found.keys)) == (110, 100)


def test_conflicts_are_counted_apart_and_are_no_mismatch(bench, make_order, plan):
    bench.set(make_order(104), "status", {"S": "sent"})
    bench.apply(plan)
    found = verified(bench, plan)
    assert found.ok
    assert (found.checked, found.conflicts) == (114, 1)


def test_an_attribute_that_somebody_added_before_our_update_is_no_mismatch(bench, make_order, plan):
    bench.set(make_order(104), "parcel", {"S": "P-77"})
    bench.apply(plan)
    assert verified(bench, plan).ok


def test_a_copy_that_was_stopped_is_not_ok(bench, plan):
    def meddle(_operation, _parameters, _send):
        raise AccessDenied("no", code="AccessDeniedException", operation="PutItem")

    bench.meddled(plan, meddle)
    found = verified(bench, plan)
    assert not found.ok
    assert (found.checked, found.unwritten) == (0, 115)
