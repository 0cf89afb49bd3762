"""The shop that goes on selling: its writes are good ones, and the truth keeps up with them."""

from datetime import UTC, datetime

import pytest

from pitrkit.sandbox import Sandbox
from pitrkit.sandbox.scenario.live_shop import LiveShop
from pitrkit.sandbox.scenario.shop import orders
from pitrkit.sandbox.scenario.truth import check, identity


@pytest.fixture
def sandbox():
    with Sandbox() as running:
        yield running


@pytest.fixture
def scenario(sandbox):
    told = orders(now=datetime.now(UTC), orders=200)
    told.lay_into(sandbox)
    return told


@pytest.fixture
def client(sandbox):
    return sandbox.client("dynamodb")


def items(client):
    pages = client.get_paginator("scan").paginate(TableName="Orders", ConsistentRead=True)
    return [item for page in pages for item in page["Items"]]


def keys(found):
    return {identity(key) for key in found}


def test_the_seeded_table_lacks_what_was_deleted_and_holds_what_was_mangled(scenario, client):
    found = check(items(client), scenario.truth)
    assert keys(found.missing) == keys(scenario.truth.deleted)
    assert keys(found.wrong) == keys(scenario.truth.mangled)
    assert not found.extra


def test_its_writes_are_good_ones_and_the_truth_knows_them_all(sandbox, scenario, client):
    shop = LiveShop(scenario, client, sandbox.clock.now)
    assert all(shop.trade() for _ in range(40))
    truth = shop.truth
    found = check(items(client), truth)
    assert keys(found.missing) == keys(scenario.truth.deleted)
    assert keys(found.wrong) == keys(scenario.truth.mangled)
    assert not found.extra
    assert truth.counts["new"] > scenario.truth.counts["new"]
    assert truth.counts["updated"] > scenario.truth.counts["updated"]
    assert truth.writes == scenario.truth.writes + 40
    assert len(truth.expected) == len(scenario.truth.expected) + len(truth.new) - len(scenario.truth.new)
    assert not keys(truth.new) & keys(truth.updated)
    assert shop.truth_json() == truth.to_dict()


def test_an_order_that_was_taken_away_is_not_recreated(sandbox, scenario, client):
    for item in items(client):
        client.delete_item(TableName="Orders", Key=scenario.truth.key(item))
    shop = LiveShop(scenario, client, sandbox.clock.now)
    outcomes = [shop.trade() for _ in range(30)]
    assert False in outcomes
    assert keys(map(scenario.truth.key, items(client))) <= keys(shop.truth.new)


def test_it_sells_in_a_thread_until_it_is_stopped(sandbox, scenario, client):
    with LiveShop(scenario, client, sandbox.clock.now, every_seconds=0.001) as shop:
        while shop.truth.counts["new"] < scenario.truth.counts["new"] + 3:
            pass
    truth = shop.truth
    assert keys(check(items(client), truth).missing) == keys(scenario.truth.deleted)
    assert shop.truth == truth
