"""The guard: what a write relies on, said to the service so that nothing else is overwritten."""

import pytest

from pitrkit.aws.client.error_mapping import ConditionFailed
from pitrkit.aws.client.transport import Wire
from pitrkit.aws.items import KeyAttribute, KeySchema, canonical, owned
from pitrkit.aws.tables.tables import Index
from pitrkit.recovery.apply import requests
from pitrkit.recovery.plan.guard import Write, as_wanted, carries, request, write_units

SCHEMA = KeySchema((KeyAttribute("pk", "S", "HASH"),))
KEY = '{"pk":{"S":"a"}}'


def image(**attrs):
    return canonical({"pk": {"S": "a"}} | {name: value for name, value in attrs.items() if value is not None})


def send(bench, write):
    operation = {"put": "PutItem", "update": "UpdateItem", "delete": "DeleteItem"}[write.action]
    Wire.of(bench.aws).send(operation, requests.single(bench.name, write, bench.table.key_schema))


def spelt(parameters):
    """The update and the condition with names and values in their places."""
    said = []
    for text in (parameters["UpdateExpression"], parameters["ConditionExpression"]):
        for placeholder, name in sorted(parameters["ExpressionAttributeNames"].items(), reverse=True):
            text = text.replace(placeholder, name)  # noqa: PLW2901
        for placeholder, value in sorted(parameters["ExpressionAttributeValues"].items(), reverse=True):
            text = text.replace(placeholder, next(iter(value.values())))  # noqa: PLW2901
        said.append(text)
    return tuple(said)


def test_the_action_follows_from_what_was_seen_and_what_is_wanted():
    assert Write(1, KEY, None, image()).action == "put"
    assert Write(1, KEY, image(), None).action == "delete"
    assert Write(1, KEY, image(a={"N": "1"}), image()).action == "update"


def test_an_update_writes_only_what_differs_and_guards_all_that_was_seen():
    seen, goal = image(a={"N": "1"}, b={"N": "2"}, c={"N": "3"}), image(a={"N": "9"}, b={"N": "2"}, d={"N": "4"})
    assert spelt(request(Write(1, KEY, seen, goal), SCHEMA)) == (
        "SET a = 9, d = 4 REMOVE c",
        "a = 1 AND b = 2 AND c = 3 AND pk = a AND attribute_not_exists(d)",
    )


def test_a_guard_of_attributes_relies_on_the_key_and_on_what_is_written_alone():
    seen, goal = image(a={"N": "1"}, b={"N": "2"}, c={"N": "3"}), image(a={"N": "9"}, b={"N": "2"}, d={"N": "4"})
    assert spelt(request(Write(1, KEY, seen, goal, "attributes"), SCHEMA)) == (
        "SET a = 9, d = 4 REMOVE c",
        "pk = a AND a = 1 AND c = 3 AND attribute_not_exists(d)",
    )
    deleted = (request(Write(1, KEY, seen, None, guard), SCHEMA) for guard in ("item", "attributes"))
    assert next(deleted) == next(deleted)


@pytest.mark.parametrize("action", ["update", "delete"])
def test_a_guard_holds_for_values_of_every_type(bench, make_order, action):
    bench.put(make_order(1))
    goal = None if action == "delete" else make_order(1, status={"S": "new"})
    send(bench, Write(1, bench.key(make_order(1)), make_order(1), goal))
    assert bench.get(make_order(1)) == goal


CHANGES = {
    "another value": {"status": {"S": "sent"}},
    "another type of the same text": {"sk_text": {"N": "1"}},
    "an attribute gone": {"total": None},
    "a number elsewhere in a list": {
        "lines": {"L": [{"M": {"sku": {"S": "A-1"}, "count": {"N": "3"}}}, {"NULL": True}]}
    },
    "one member more in a set": {"tags": {"SS": ["gift", "express", "new"]}},
    "other bytes": {"proof": {"B": b"\x00\xff\xff"}},
    "something where nothing was": {"note": {"S": " "}},
    "false where true was": {"paid": {"BOOL": False}},
    "a value where null was": {"coupon": {"S": "X"}},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("action", ["update", "delete"])
def test_a_guard_fails_on(bench, make_order, change, action):
    seen = make_order(1, sk_text={"S": "1"})
    present = make_order(1, **({"sk_text": {"S": "1"}} | CHANGES[change]))
    bench.put(present)
    goal = None if action == "delete" else make_order(1, sk_text={"S": "1"}, paid={"S": "yes"})
    with pytest.raises(ConditionFailed) as blocked:
        send(bench, Write(1, bench.key(seen), seen, goal))
    assert blocked.value.found == present
    assert bench.get(seen) == present


def test_a_guard_fails_where_somebody_made_the_attribute_that_is_to_come_back(bench, make_order):
    seen, goal = make_order(1, note=None), make_order(1)
    bench.put(make_order(1, note={"S": "call me"}))
    with pytest.raises(ConditionFailed):
        send(bench, Write(1, bench.key(seen), seen, goal))


def test_numbers_are_guarded_by_value(bench, make_order):
    bench.put(make_order(1))
    bench.set(make_order(1), "total", {"N": "129.950"})
    send(bench, Write(1, bench.key(make_order(1)), make_order(1), None))
    assert bench.state() == {}


def wide(count, **attrs):
    """An order's image with *count* attributes more."""
    return {f"a{number}": {"N": "1"} for number in range(count)} | attrs


@pytest.mark.parametrize(("count", "old"), [(149, False), (150, True)])
def test_what_expressions_cannot_hold_is_said_in_the_older_parameters(count, old):
    parameters = request(Write(1, KEY, image(**wide(count)), None), SCHEMA)
    assert ("Expected" in parameters, "ConditionExpression" in parameters) == (old, not old)


@pytest.mark.parametrize("guard", ["item", "attributes"])
def test_so_is_an_update_of_more_attributes_than_an_expression_holds(guard):
    parameters = request(Write(1, KEY, image(b={"N": "1"}), image(**wide(400)), guard), SCHEMA)
    assert len(parameters["AttributeUpdates"]) == 401
    assert parameters["AttributeUpdates"]["b"] == {"Action": "DELETE"}
    assert parameters["Expected"].keys() == parameters["AttributeUpdates"].keys() | {"pk"}


def test_an_expression_longer_than_the_service_takes_is_not_made():
    for count in range(100, 150):
        parameters = request(Write(1, KEY, image(**wide(count)), image(b={"S": "x"})), SCHEMA)
        assert all(len(parameters.get(name, "")) <= 4096 for name in ("ConditionExpression", "UpdateExpression"))


@pytest.mark.parametrize("guard", ["item", "attributes"])
@pytest.mark.parametrize("action", ["update", "delete"])
def test_a_guard_over_very_many_attributes_holds(bench, make_order, action, guard):
    seen = make_order(1, **wide(400))
    goal = None if action == "delete" else make_order(1, **wide(390, a0=None, a1={"BOOL": True}, b={"B": b"x"}))
    bench.put(seen)
    send(bench, Write(1, bench.key(seen), seen, goal, guard))
    assert bench.get(seen) == goal


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("action", ["update", "delete"])
def test_a_guard_over_very_many_attributes_fails_on(bench, make_order, change, action):
    seen = make_order(1, **wide(400, sk_text={"S": "1"}))
    present = make_order(1, **wide(400, **({"sk_text": {"S": "1"}} | CHANGES[change])))
    bench.put(present)
    goal = None if action == "delete" else make_order(1, **wide(400, sk_text={"S": "1"}, paid={"S": "yes"}))
    with pytest.raises(ConditionFailed) as blocked:
        send(bench, Write(1, bench.key(seen), seen, goal))
    assert blocked.value.found == present
    assert bench.get(seen) == present


@pytest.mark.parametrize("count", [0, 400])
def test_a_guard_of_attributes_keeps_what_else_was_written_and_fails_on_what_it_would_write(bench, make_order, count):
    ours = {"status": {"S": "new"}, "note": None, "back": {"S": "again"}}
    ours |= {f"a{number}": {"N": "2"} for number in range(count)}
    seen, goal = make_order(1, **wide(count)), make_order(1, **wide(count, **ours))
    write = Write(1, bench.key(seen), seen, goal, "attributes")
    bench.put(seen)
    bench.set(seen, "total", {"N": "1"})
    bench.set(seen, "theirs", {"BOOL": True})
    send(bench, write)
    kept = {"total": {"N": "1"}, "theirs": {"BOOL": True}}
    assert bench.get(seen) == make_order(1, **wide(count, **ours, **kept))
    for name in ("status", "note", "back"):
        present = make_order(1, **wide(count, **{name: {"S": "theirs"}}))
        bench.put(present)
        with pytest.raises(ConditionFailed):
            send(bench, write)
        assert bench.get(seen) == present


def test_a_guard_of_attributes_never_makes_an_item_that_is_gone(bench, make_order):
    seen, goal = make_order(1, note=None), make_order(1)
    with pytest.raises(ConditionFailed):
        send(bench, Write(1, bench.key(seen), seen, goal, "attributes"))
    assert bench.state() == {}


def test_replication_attributes_are_not_part_of_an_item():
    assert owned(image(**{"aws:rep:deleting": {"BOOL": False}, "a": {"N": "1"}})) == image(a={"N": "1"})
    assert owned(None) is None


def test_whether_an_item_carries_a_write_looks_at_what_was_written_alone():
    write = Write(1, KEY, image(a={"N": "1"}, b={"N": "1"}), image(b={"N": "1"}, c={"N": "2"}))
    assert carries(write, image(b={"N": "9"}, c={"N": "2"}, z={"N": "7"}))
    assert not carries(write, image(a={"N": "1"}, b={"N": "1"}, c={"N": "2"}))
    assert not carries(write, None)


def test_whether_nothing_is_left_to_do_depends_on_what_the_guard_looks_at():
    seen, goal, found = image(a={"N": "1"}), image(a={"N": "2"}), image(a={"N": "2"}, b={"N": "7"})
    assert [as_wanted(Write(1, KEY, seen, goal, guard), found) for guard in ("item", "attributes")] == [False, True]
    assert as_wanted(Write(1, KEY, seen, goal), goal)
    assert not as_wanted(Write(1, KEY, seen, goal, "attributes"), image(b={"N": "7"}))


def test_write_units_count_the_larger_image_and_the_indexes_it_touches():
    def index(name, projection="ALL", kind="global"):
        return Index(name, kind, KeySchema((KeyAttribute(name, "S", "HASH"),)), projection)

    indexes = (index("city"), index("status"), index("state", "KEYS_ONLY"), index("pk", kind="local"))
    small, large = image(city={"S": "Rome"}), image(city={"S": "Oslo"}, text={"S": "x" * 1500})
    same_city = image(city={"S": "Rome"}, text={"S": "y"})
    by_state = [image(state={"S": "on"}, n={"N": number}) for number in "12"]
    assert write_units(Write(1, KEY, None, small), indexes) == 1 + 1
    assert write_units(Write(1, KEY, large, small), indexes) == 2 + 2
    assert write_units(Write(1, KEY, small, same_city), indexes) == 1 + 1
    assert write_units(Write(1, KEY, *by_state), indexes) == 1
    assert write_units(Write(1, KEY, large, None), ()) == 2
