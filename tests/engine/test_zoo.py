"""Items of every kind there is, all the way: snapshot, diff, plan, apply, verify, undo, on each engine."""

from __future__ import annotations

import os
from itertools import count

import pytest

from pitrkit.aws.items import canonical, key_of
from pitrkit.aws.tables import tables
from pitrkit.recovery.apply.apply import apply
from pitrkit.recovery.apply.journal import journal_changes, journal_path
from pitrkit.recovery.apply.verify import verify
from pitrkit.recovery.changes.change_set import diff
from pitrkit.recovery.plan.plan import build
from pitrkit.recovery.plan.policy import Policy
from pitrkit.recovery.snapshot import snapshot
from pitrkit.recovery.token_bucket import OneProcess, Pace

numbers = count()


def nested(value, levels):
    for level in range(levels):
        value = {"L": [value]} if level % 2 else {"M": {"in": value}}
    return value


BINARY = bytes(range(256))
ZOO = {
    "nothing but its key": {},
    "38 digits": {"n": {"N": "-" + "9" * 38}, "m": {"N": "0." + "1234567890" * 3 + "12345678"}},
    "very large": {"n": {"N": "9.9999999999999999999999999999999999999E+125"}, "m": {"N": "-9E125"}},
    "very small": {"n": {"N": "1E-130"}, "m": {"N": "-1E-130"}},
    "zeros": {"n": {"N": "0"}, "m": {"N": "-0"}, "o": {"N": "0.000"}, "p": {"N": "0E10"}},
    "numbers spelled": {"n": {"N": "1.0"}, "m": {"N": "+1"}, "o": {"N": "10E-1"}, "p": {"N": "0100"}, "q": {"N": ".5"}},
    "empty": {"s": {"S": ""}, "b": {"B": b""}, "l": {"L": []}, "m": {"M": {}}},
    "null and booleans": {"n": {"NULL": True}, "t": {"BOOL": True}, "f": {"BOOL": False}},
    "sets": {"s": {"SS": ["b", "", "é", "a"]}, "n": {"NS": ["10", "9", "-1.50", "1E2"]}, "b": {"BS": [b"", b"\xff"]}},
    "a large set": {"n": {"NS": [str(n) for n in range(500)]}, "b": {"BS": [bytes([n]) for n in range(256)]}},
    "binary": {"b": {"B": BINARY}, "deep": {"L": [{"B": b"\xfb\xff"}, {"M": {"b": {"BS": [b"\xfb", b"\xff"]}}}]}},
    "32 levels": {"deep": nested({"S": "down here"}, 31)},
    "reserved words": {name: {"S": name} for name in ("size", "name", "SELECT", "and", "BETWEEN", "NULL", "TTL")},
    "names": {
        name: {"N": "1"}
        for name in (
            "a.b", "a[0]", "#a", ":a", "a b", "it's", 'say "so"', "`", "\\", "?", "{", "💥", "é", "e\u0301", "\n",
            "a\u0000b",
        )
    },
    "text": {"s": {"S": "\u0000\u001f\u007f\u2028\ufeff💥\ud7ff\uffff"}, "quotes": {"S": "'\"\\`${}?"}},
    "many attributes": {f"attribute {n}": {"N": str(n)} for n in range(120)},
    "a long name": {"n" * 9000: {"S": "beyond a statement's length"}},
    "400 KB of text": {"s": {"S": "x" * 409_000}},
    "400 KB of binary": {"b": {"B": BINARY * 1590}},
    "400 KB of numbers": {"l": {"L": [{"N": str(10**9 + n)} for n in range(30_000)]}},
}  # fmt: skip
KEYS = {
    "S": list(ZOO),
    "N": [str(n) for n in range(len(ZOO) - 4)] + ["-1E-130", "9.99E+125", "1" * 38, "0.5"],
    "B": [name.encode() + BINARY for name in ZOO],
}
TABLES = {
    "text and number": (("pk", "S"), ("sk", "N")),
    "text alone": (("pk", "S"),),
    "binary and text": (("Größe #1", "B"), ("sort.key", "S")),
    "number and binary": (("size", "N"), ("it's", "B")),
    "number alone": (("n", "N"),),
}
SAMPLE = list(TABLES) if os.environ.get("PITRKIT_PROVE") else ["text alone", "number and binary"]


class Place:
    """A table on an engine, keyed in one of several ways, and a folder."""

    def __init__(self, aws, folder, keys):
        self.aws, self.folder, self.keys = aws, folder, keys
        self.name = f"Zoo-{next(numbers)}"
        aws.call(
            "dynamodb",
            "create_table",
            TableName=self.name,
            KeySchema=[
                {"AttributeName": name, "KeyType": role}
                for (name, _), role in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in keys],
            BillingMode="PAY_PER_REQUEST",
        )
        self.table = tables.describe(aws, self.name)

    def path(self, what):
        return self.folder / f"{what}-{next(numbers)}"

    def animal(self, name, **more):
        number = list(ZOO).index(name)
        key = {attribute: {kind: KEYS[kind][number]} for attribute, kind in self.keys}
        return ZOO[name] | more | key

    def put(self, item):
        self.aws.call("dynamodb", "put_item", TableName=self.name, Item=item)

    def delete(self, item):
        key = {name: item[name] for name, _ in self.keys}
        self.aws.call("dynamodb", "delete_item", TableName=self.name, Key=key)

    def state(self):
        items = self.aws.paginate("dynamodb", "scan", "Items", TableName=self.name, ConsistentRead=True)
        return {key_of(item, self.table.key_schema.names): canonical(item) for item in items}

    def taken(self):
        return snapshot.take(self.aws, self.table, self.path("snapshot"), segments=3)

    def reverted(self, changes):
        """Plan and apply the revert of *changes*, with all of it verified; return plan and journal."""
        plan = build(self.aws, self.table, changes, Policy.UNDO, self.path("plan"), scope={})
        journal = journal_path(self.folder / "journal", plan)
        done = apply(self.aws, self.table, plan, journal, pace=Pace(1e6), timeline=OneProcess())
        assert (done.applied, plan.left) == (len(changes), {})
        assert done.applied == plan.total
        checked = verify(self.aws, self.table, plan, journal)
        assert (checked.ok, checked.checked) == (True, plan.total)
        return plan, journal


@pytest.fixture(params=SAMPLE)
def place(engine, request, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in engine.environment.items():
            patch.setenv(name, value)
        yield Place(engine.aws, tmp_path, TABLES[request.param])


def test_every_item_goes_all_the_way_there_and_back(place):
    for name in ZOO:
        place.put(place.animal(name))
    then, before = place.state(), place.taken()
    assert len(then) == len(ZOO)
    for name in ZOO:
        place.delete(place.animal(name))
    gone = diff(before, place.taken(), place.path("gone"), before_at="then", after_at="now")
    assert gone.counts.to_dict() == {"same": 0, "removed": len(ZOO), "modified": 0, "inserted": 0}
    plan, journal = place.reverted(gone)
    assert (plan.puts, place.state()) == (len(ZOO), then)

    # And the other way: undoing it deletes each of them, under a guard that holds all of it.
    back, _ = place.reverted(journal_changes(plan, journal, place.path("undo")))
    assert (back.deletes, place.state()) == (len(ZOO), {})


def test_every_item_is_updated_under_a_guard_that_holds_all_of_it(place):
    for name in ZOO:
        place.put(place.animal(name))
    then, before = place.state(), place.taken()
    small = [name for name in ZOO if not name.startswith("400 KB")]
    for name in ZOO:
        # Each loses what it had, or gets more; the largest ones have no room for more.
        place.put(
            place.animal(name, added={"S": "since"}) if name in small else place.animal("empty") | key(place, name)
        )
    now = place.state()
    changed = diff(before, place.taken(), place.path("changed"), before_at="then", after_at="now")
    assert changed.counts.modified == len(ZOO)
    plan, journal = place.reverted(changed)
    assert (plan.updates, place.state()) == (len(ZOO), then)
    place.reverted(journal_changes(plan, journal, place.path("undo")))
    assert place.state() == now


def key(place, name):
    item = place.animal(name)
    return {attribute: item[attribute] for attribute, _ in place.keys}


@pytest.mark.parametrize("spelling", ["1", "1.0", "+1", "10E-1", "0.1e1", "001"])
def test_a_number_key_is_one_key_however_it_is_spelled(engine, tmp_path, spelling):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in engine.environment.items():
            patch.setenv(name, value)
        place = Place(engine.aws, tmp_path, TABLES["number alone"])
        place.put({"n": {"N": "1"}, "v": {"S": "then"}})
        then, before = place.state(), place.taken()
        place.put({"n": {"N": spelling}, "v": {"S": "now"}})
        changed = diff(before, place.taken(), place.path("changed"), before_at="then", after_at="now")
        assert [(change.kind, change.key) for change in changed] == [("modified", '{"n":{"N":"1"}}')]
        place.reverted(changed)
        assert place.state() == then
