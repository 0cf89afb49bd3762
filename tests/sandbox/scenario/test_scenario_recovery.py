"""What every scenario promises: its scope selects just the damage, and its truth is what a recovery gives."""

import json
import string
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitrkit.sandbox.scenario.load import load
from pitrkit.sandbox.scenario.shop import orders
from pitrkit.sandbox.scenario.truth import check, identity

NOW = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)


def state(scenario, at):
    """The table at *at*, by the writes alone."""
    items = {}
    for write in scenario.writes:
        if write.at > at:
            break
        items[identity(write.key)] = write.item
    return {key: item for key, item in items.items() if item is not None}


def plain(value):
    """A value as people (and JMESPath) see it."""
    ((kind, held),) = value.items()
    match kind:
        case "N":
            return Decimal(held)
        case "M":
            return {name: plain(member) for name, member in held.items()}
        case "L":
            return [plain(member) for member in held]
        case "NS":
            return sorted(Decimal(member) for member in held)
        case "NULL":
            return None
    return held


def plain_item(item):
    return item and {name: plain(value) for name, value in item.items()}


def selected(scenario, then, now):
    """Keys of the changes since the good second that the scenario's scope selects, by kind."""
    where = jmespath.compile(scenario.truth.where)
    chosen = {"removed": set(), "modified": set(), "inserted": set()}
    for key in then.keys() | now.keys():
        before, after = then.get(key), now.get(key)
        if before == after:
            continue
        kind = "removed" if after is None else "inserted" if before is None else "modified"
        change = {"kind": kind, "key": {}, "before": plain_item(before), "after": plain_item(after), "changed": []}
        if where.search(change):
            chosen[kind].add(key)
    return chosen


def recovered(scenario, then, now):
    """The table after the damage in scope is put back: removed items whole, mangled ones by their attributes."""
    chosen = selected(scenario, then, now)
    items = {**now, **{key: then[key] for key in chosen["removed"]}}
    for key in chosen["modified"]:
        kept = {name: value for name, value in now[key].items() if name not in scenario.truth.attributes}
        back = {name: value for name, value in then[key].items() if name in scenario.truth.attributes}
        items[key] = {**kept, **back}
    return items


def keys(found):
    return {identity(key) for key in found}


def assert_keeps_its_promises(scenario):
    truth = scenario.truth
    then, now = state(scenario, truth.good_at), state(scenario, NOW)
    chosen = selected(scenario, then, now)
    assert chosen["removed"] == keys(truth.deleted)
    assert chosen["modified"] == keys(truth.mangled)
    assert chosen["inserted"] == set()
    assert now.keys() - then.keys() == keys(truth.new)
    assert then.keys() - now.keys() == keys(truth.deleted) | keys(truth.cancelled) | keys(truth.expired)
    differing = {key for key in then.keys() & now.keys() if then[key] != now[key]}
    assert differing == keys(truth.mangled) | keys(truth.updated)
    found = check(recovered(scenario, then, now).values(), truth)
    assert found.none, str(found)
    damaged = check(now.values(), truth)
    assert keys(damaged.missing) == keys(truth.deleted)
    assert keys(damaged.wrong) == keys(truth.mangled)
    assert not damaged.extra


@pytest.mark.parametrize("seed", [1, 7, 23])
@pytest.mark.parametrize("count", [100, 3000])
def test_recovering_the_shops_damage_in_scope_gives_exactly_the_expected_table(seed, count):
    assert_keeps_its_promises(orders(seed, now=NOW, orders=count))


NAMES = st.sampled_from(["info", "title", "touched_at", "retired", "a-b", "it's", 'sa"y', "`tick`", "naïve", "0"])
LEAVES = st.one_of(
    st.text(string.printable, max_size=8).map(lambda text: {"S": text}),
    st.integers(-(10**9), 10**9).map(lambda number: {"N": str(number)}),
    st.booleans().map(lambda flag: {"BOOL": flag}),
    st.just({"NULL": True}),
    st.sampled_from([{"B": ""}, {"B": "AAEC"}]),
    st.sets(st.sampled_from("abc"), min_size=1).map(lambda members: {"SS": sorted(members)}),
    st.sets(st.sampled_from("123"), min_size=1).map(lambda members: {"NS": sorted(members)}),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda members: {"L": members}),
        st.dictionaries(st.sampled_from("xyz"), inner, max_size=2).map(lambda members: {"M": members}),
    ),
    max_leaves=4,
)
TABLES = st.dictionaries(st.integers(0, 999), st.dictionaries(NAMES, VALUES, max_size=4), min_size=1, max_size=60)


@given(table=TABLES, seed=st.integers(0, 99))
def test_recovering_the_damage_of_any_loaded_table_gives_exactly_the_expected_table(table, seed):
    lines = [json.dumps({"Item": {**item, "id": {"N": str(number)}}}) for number, item in table.items()]
    with TemporaryDirectory() as folder:
        file = Path(folder, "items.json")
        file.write_text("\n".join(lines), encoding="utf-8")
        scenario = load(file, table="Loaded", keys="id:N", seed=seed, now=NOW)
    assert len(scenario.truth.deleted) >= 1
    assert_keeps_its_promises(scenario)
