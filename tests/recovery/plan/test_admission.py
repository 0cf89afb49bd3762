"""Admission: old images that the table of today would refuse or delete again are found while planning."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pitrkit.aws.items import KeyAttribute, KeySchema, canonical
from pitrkit.aws.tables import tables
from pitrkit.aws.tables.tables import Index
from pitrkit.errors import AccessDenied
from pitrkit.recovery.plan.admission import Admission
from pitrkit.recovery.plan.guard import Write
from pitrkit.recovery.plan.policy import Policy, SkippedChange

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = '{"pk":{"S":"a"}}'
INDEXES = (
    Index(
        "by-owner", "global", KeySchema((KeyAttribute("owner", "S", "HASH"), KeyAttribute("at", "N", "RANGE"))), "ALL"
    ),
    Index("by-mark", "local", KeySchema((KeyAttribute("pk", "S", "HASH"), KeyAttribute("mark", "B", "RANGE"))), "ALL"),
)


def image(**attrs):
    return canonical({"pk": {"S": "a"}} | attrs)


def seconds(moment):
    return str(int(moment.timestamp()))


@pytest.mark.parametrize(
    ("value", "expired"),
    [
        ({"N": seconds(NOW)}, True),
        ({"N": seconds(NOW - timedelta(days=300))}, True),
        ({"N": seconds(NOW) + ".5"}, False),
        ({"N": seconds(NOW + timedelta(seconds=1))}, False),
        ({"N": seconds(NOW) + "000"}, False),  # milliseconds: a time far ahead
        ({"N": seconds(NOW - timedelta(days=6 * 365))}, False),  # the service leaves items whose time is long past
        ({"N": "0"}, False),
        ({"N": "1" + "0" * 100}, False),
        ({"S": seconds(NOW - timedelta(days=1))}, False),
        ({"NULL": True}, False),
    ],
)
def test_an_item_is_expired_as_the_service_sees_it(value, expired):
    admission = Admission((), "expires", NOW)
    assert admission.expired(image(expires=value)) is expired
    assert not admission.expired(image())
    assert not admission.expired(None)
    assert not Admission((), "", NOW).expired(image(expires=value))


ADMITTED = {
    "all of the right type": {"owner": {"S": "x"}, "at": {"N": "0"}, "mark": {"B": b"x"}},
    "none of them": {},
    "text of the greatest length": {"owner": {"S": "é" * 1024}},
    "bytes of the greatest length": {"mark": {"B": b"x" * 1024}},
}
REFUSED = {
    "a number for text": {"owner": {"N": "1"}},
    "text for a number": {"at": {"S": "1"}},
    "a set": {"owner": {"SS": ["x"]}},
    "NULL": {"owner": {"NULL": True}},
    "empty text": {"owner": {"S": ""}},
    "empty bytes": {"mark": {"B": b""}},
    "text too long": {"owner": {"S": "é" * 1024 + "x"}},
    "bytes too long": {"mark": {"B": b"x" * 1025}},
}


@pytest.mark.parametrize("attrs", [*ADMITTED, *REFUSED])
def test_an_index_refuses_what_cannot_be_its_key(attrs):
    admission = Admission(INDEXES, "", NOW)
    wanted = "an index refuses it" if attrs in REFUSED else ""
    values = (ADMITTED | REFUSED)[attrs]
    assert admission.refusal(Write(1, KEY, None, image(**values))) == wanted
    assert admission.refusal(Write(1, KEY, image(x={"N": "1"}), image(**values))) == wanted
    # Neither what goes nor what stays as it is can be refused any more.
    assert admission.refusal(Write(1, KEY, image(**values), None)) == ""
    assert admission.refusal(Write(1, KEY, image(**values), image(x={"N": "1"}, **values))) == ""
    assert Admission((), "", NOW).refusal(Write(1, KEY, None, image(**values))) == ""


@pytest.fixture
def expiring(bench):
    expiry = {"Enabled": True, "AttributeName": "expires"}
    bench.aws.call("dynamodb", "update_time_to_live", TableName=bench.name, TimeToLiveSpecification=expiry)
    return bench


def past_and_future():
    now = datetime.now(UTC)
    return [{"N": seconds(now + timedelta(hours=hours))} for hours in (-1, 1)]


@pytest.mark.sandbox_alone("DynamoDB Local deletes what has expired at once, so it cannot be looked at")
def test_expired_items_are_counted_and_left_alone_unless_they_are_asked_for(expiring, make_order):
    past, future = past_and_future()
    changes = [
        expiring.change(make_order(1, expires=past), None),
        expiring.change(make_order(2, expires=future), None),
        expiring.change(make_order(3, expires=past), make_order(3, expires=future, status={"S": "x"})),
        expiring.change(make_order(4, expires=future), make_order(4, expires=past)),
        expiring.change(None, make_order(5, expires=past)),
    ]
    change_set = expiring.change_set(changes)
    policy = replace(Policy.UNDO, expired="keep")
    plan = expiring.plan(change_set, policy)
    assert {write.key for write in plan.writes()} == {changes[number].key for number in (1, 3, 4)}
    assert plan.left == {"expired": 2}
    assert set(plan.left_items()) == {
        SkippedChange(changes[0].key, "removed", "expired"),
        SkippedChange(changes[2].key, "modified", "expired"),
    }
    assert plan.undecided == 0
    everything = expiring.plan(change_set, replace(policy, expired="put"))
    assert (everything.total, everything.left) == (5, {})


def test_with_ttl_off_nothing_is_expired(bench, make_order):
    past, _ = past_and_future()
    assert bench.plan([bench.change(make_order(1, expires=past), None)], Policy()).puts == 1


def test_an_undo_puts_back_expired_items_too(expiring, make_order):
    past, _ = past_and_future()
    now = [make_order(1, expires=past), make_order(2, expires=past)]
    changes = [expiring.change(None, now[0]), expiring.change(make_order(2), now[1])]
    plan = expiring.plan(changes)
    expiring.apply(plan)
    assert expiring.state() == {changes[1].key: make_order(2)}
    expiring.undo(plan)
    assert sorted(expiring.state().values()) == sorted(now)


def test_nothing_is_taken_for_expired_where_ttl_may_not_be_read(bench):
    class Forbidden:
        def call(self, _service, operation, **_parameters):
            raise AccessDenied(f"the caller may not do {operation}", code="AccessDeniedException", operation=operation)

    assert Admission.of(Forbidden(), bench.table).ttl_attribute == ""


@pytest.mark.sandbox_alone("DynamoDB Local fails with InternalFailure where the service refuses the item")
def test_an_old_item_that_an_index_added_since_would_refuse_is_left_for_a_person(aws, tmp_path, make_bench, make_order):
    indexed = make_bench(aws, tmp_path)
    fitting = indexed.change(make_order(1), None)
    unfit = indexed.change(make_order(2, status={"N": "2"}), None)
    emptied = indexed.change(make_order(3, status={"S": ""}), make_order(3))
    aws.call(
        "dynamodb",
        "update_table",
        TableName=indexed.name,
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind} for name, kind in (("pk", "S"), ("sk", "N"), ("status", "S"))
        ],
        GlobalSecondaryIndexUpdates=[
            {
                "Create": {
                    "IndexName": "by-status",
                    "KeySchema": [{"AttributeName": "status", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            }
        ],
    )
    indexed.table = tables.describe(aws, indexed.name)
    plan = indexed.plan([fitting, unfit, emptied])
    assert [write.key for write in plan.writes()] == [fitting.key]
    assert set(plan.left_items()) == {
        SkippedChange(unfit.key, "removed", "an index refuses it"),
        SkippedChange(emptied.key, "modified", "an index refuses it"),
    }
    assert plan.undecided == 2
    assert indexed.apply(plan).applied == 1
