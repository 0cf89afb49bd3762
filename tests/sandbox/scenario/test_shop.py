"""The shop's scenario: its traffic, its incident, and its determinism."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from pitrkit.sandbox.scenario.scenario import IncidentTimes, ScenarioEvent, replay
from pitrkit.sandbox.scenario.shop import MANGLED, orders
from pitrkit.sandbox.scenario.truth import identity

NOW = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)


def written(scenario):
    return orjson.dumps([scenario.create_table, [tuple(write) for write in scenario.writes], scenario.truth.to_dict()])


@pytest.fixture(scope="module")
def shop():
    return orders(now=NOW)


def kinds(value):
    ((kind, held),) = value.items()
    inner = held.values() if kind == "M" else held if kind == "L" else ()
    return {kind}.union(*map(kinds, inner))


def test_the_same_seed_tells_the_same_story_byte_for_byte(shop):
    assert written(orders(7, now=NOW)) == written(shop)


def test_another_seed_tells_another_story(shop):
    assert written(orders(8, now=NOW)) != written(shop)


def test_the_offset_of_now_does_not_change_the_story(shop):
    elsewhere = NOW.astimezone(datetime.strptime("+0530", "%z").tzinfo)
    assert written(orders(now=elsewhere)) == written(shop)


def test_six_hours_of_writes_are_in_time_order_and_end_before_now(shop):
    moments = [write.at for write in shop.writes]
    assert moments == sorted(moments)
    assert shop.created_at < moments[0]
    assert NOW - timedelta(hours=6) <= moments[0]
    assert moments[-1] < NOW
    assert all(moment.tzinfo is UTC for moment in moments)


def test_the_shop_is_as_large_as_it_says(shop):
    counts = shop.truth.counts
    assert counts["deleted"] == 240
    assert counts["mangled"] == 180
    assert counts["new"] == 250
    assert counts["cancelled"] == 8
    assert 250 <= counts["updated"] - counts["mangled_and_updated"] <= 350
    assert 50 <= counts["mangled_and_updated"] <= 70
    assert len({identity(write.key) for write in shop.writes}) == 3000
    assert counts["writes"] == len(shop.writes)


def test_the_damage_begins_within_the_second_after_the_good_one_and_lasts_ninety_seconds(shop):
    truth = shop.truth
    assert truth.good_at == NOW.replace(microsecond=0) - timedelta(minutes=43)
    assert truth.good_at < truth.damage_started_at < truth.good_at + timedelta(seconds=1)
    assert truth.damage_ended_at - truth.damage_started_at == timedelta(seconds=90)
    damaged = {identity(key) for key in truth.deleted}
    deletes = [write.at for write in shop.writes if identity(write.key) in damaged and write.item is None]
    blanked = [
        w.at for w in shop.writes if w.item and w.item["currency"] == {"S": ""} and w.item["total"] == {"N": "0"}
    ]
    first_blank = {}
    for write in shop.writes:
        if write.item and write.item["currency"] == {"S": ""}:
            first_blank.setdefault(identity(write.key), write.at)
    damage = sorted([*deletes, *first_blank.values()])
    assert damage[0] == truth.damage_started_at
    assert damage[-1] == truth.damage_ended_at
    assert len(damage) == 420
    assert len(blanked) > 180  # the good updates of mangled orders carry the damage on


def test_the_shop_sells_while_the_deploy_runs(shop):
    truth = shop.truth
    damaged = {identity(key) for key in (*truth.deleted, *truth.mangled)}
    during = [w for w in shop.writes if truth.damage_started_at < w.at < truth.damage_ended_at]
    assert any(identity(write.key) not in damaged for write in during)


def test_orders_hold_every_kind_of_value(shop):
    found = set().union(*(kinds(value) for write in shop.writes if write.item for value in write.item.values()))
    assert found == {"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS"}
    assert any(write.item and write.item["note"] == {"S": ""} for write in shop.writes)
    assert any("." in write.item["total"]["N"] for write in shop.writes if write.item)


def test_no_item_that_is_left_is_past_its_time_to_live(shop):
    last = {identity(write.key): write.item for write in shop.writes}
    expiries = [int(item["expires_at"]["N"]) for item in last.values() if item and "expires_at" in item]
    assert expiries
    assert min(expiries) > NOW.timestamp()
    assert shop.ttl_attribute == "expires_at"


def test_some_dozen_cancelled_orders_expired_over_the_hours_and_a_few_while_the_deploy_ran(shop):
    held, expired = {}, []
    for write in shop.writes:
        before = held.get(identity(write.key))
        if write.by == "ttl":
            assert write.item is None
            assert before["status"] == {"S": "cancelled"}
            late = write.at.timestamp() - int(before["expires_at"]["N"])
            assert 0 < late <= 301
            expired.append(write)
        held[identity(write.key)] = write.item
    truth = shop.truth
    assert 30 <= len(expired) <= 60
    assert sum(truth.damage_started_at < write.at < truth.damage_ended_at for write in expired) >= 3
    assert {identity(write.key) for write in expired if write.at > truth.good_at} == {*map(identity, truth.expired)}
    assert not {*map(identity, truth.expired)} & {identity(shop.truth.key(item)) for item in truth.expected}


def test_every_item_can_stand_in_the_index(shop):
    for write in shop.writes:
        if write.item is not None:
            assert write.item["status"]["S"]
            assert write.item["placed_at"]["S"]


def test_mangled_orders_lose_their_address_in_some_cases_only(shop):
    last = {identity(write.key): write.item for write in shop.writes}
    mangled = [last[identity(key)] for key in shop.truth.mangled]
    assert 0 < sum("shipping" not in item for item in mangled) < len(mangled)
    assert all(item["lines"] == {"L": []} for item in mangled)
    assert shop.truth.attributes == MANGLED


def test_cancelled_orders_that_were_purged_are_not_expected_back(shop):
    expected = {identity(shop.truth.key(item)) for item in shop.truth.expected}
    assert not expected & {identity(key) for key in shop.truth.cancelled}


def test_an_update_of_an_absent_item_and_a_second_delete_write_nothing():
    key = {"id": {"S": "a"}}
    events = [
        ScenarioEvent(NOW, "update", key, {"n": {"N": "1"}}),
        ScenarioEvent(NOW, "put", key, {"n": {"N": "2"}}),
        ScenarioEvent(NOW, "delete", key, damage=True),
        ScenarioEvent(NOW, "delete", key),
        ScenarioEvent(NOW, "update", key, {"n": {"N": "3"}}),
    ]
    writes, items = replay(events)
    assert [write.item for write in writes] == [{"id": {"S": "a"}, "n": {"N": "2"}}, None]
    assert items == []


def test_a_replay_without_the_damage_leaves_it_out():
    key = {"id": {"S": "a"}}
    events = [
        ScenarioEvent(NOW, "put", key, {"n": {"N": "2"}, "m": {"N": "4"}}),
        ScenarioEvent(NOW, "update", key, {"n": {"N": "0"}}, ("m",), damage=True),
        ScenarioEvent(NOW, "update", key, {"s": {"S": "on"}}),
    ]
    assert replay(events)[1] == [{**key, "n": {"N": "0"}, "s": {"S": "on"}}]
    assert replay(events, damage=False)[1] == [{**key, "n": {"N": "2"}, "m": {"N": "4"}, "s": {"S": "on"}}]


def test_a_naive_now_is_refused():
    with pytest.raises(ValueError, match="aware"):
        orders(now=datetime(2026, 11, 23, 12))  # noqa: DTZ001


def test_too_few_orders_are_refused():
    with pytest.raises(ValueError, match="at least 100"):
        orders(now=NOW, orders=99)


@pytest.mark.parametrize("wanted", [0, 1, 2, 50])
def test_an_incident_spreads_its_moments_from_its_start_to_its_end(wanted):
    incident = IncidentTimes.before(NOW)
    moments = incident.moments([number / 60 for number in range(wanted, 0, -1)])
    assert len(moments) == wanted
    assert moments == sorted(moments)
    assert moments[:1] == [incident.started_at][:wanted]
    assert moments[1:][-1:] == [incident.ended_at][: wanted // 2]
