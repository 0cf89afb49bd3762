"""The three-way route headless: what happened between two moments is taken back, all that came later stays."""

import re
from datetime import timedelta

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.aws.items import canonical
from pitrkit.runbook.copy_back import copy_back, undo
from pitrkit.runbook.session.session import Session
from pitrkit.times import iso

pytestmark = [pytest.mark.xdist_group("threeway"), pytest.mark.takes(25)]


def ended(truth):
    """The first whole second at which the damage was done."""
    return truth.damage_ended_at.replace(microsecond=0) + timedelta(seconds=1)


@pytest.fixture(scope="module")
def damaged(shop):
    return shop.items()


@pytest.fixture(scope="module")
def stopped(shop, damaged):
    with shop.permitted("--route", "threeway", "--steps", "restore,diff,copy"):
        return shop.pitrkit(
            "recover", "Orders", "--at", iso(shop.truth.good_at), "--damage-until", iso(ended(shop.truth)),
            "--incident", "threeway", "--where", shop.truth.where, "--attributes", ",".join(shop.truth.attributes),
            "--guard", "attributes",
        )  # fmt: skip


@pytest.fixture(scope="module")
def recovered(shop, stopped):
    command = re.search(r"pitrkit (recover Orders .*--approve [0-9a-f]{64})", stopped[1])
    with shop.permitted("--route", "threeway", "--steps", "copy"):
        return shop.pitrkit(*command[1].split())


def test_the_table_is_right_although_the_damaged_were_written_again(shop, damaged, stopped, recovered):
    assert stopped[0] == 3, stopped[1]
    assert recovered[0] == 0, recovered[1]
    assert shop.items() == sorted(canonical(item) for item in shop.truth.expected)
    data = shop.incident("threeway")
    assert data["damage_until"] == iso(ended(shop.truth))
    assert {data["restored_table"], data["until_table"]} <= set(shop.tables())
    assert data["plan"]["policy"]["modified"] == "revert"
    assert data["diff"]["inserted"] < len(shop.truth.new), "what was ordered after the damage is not looked at"


def test_with_the_whole_item_as_guard_what_was_written_since_is_left_for_a_person(shop, damaged, recovered):
    aws = Aws.connect()
    back = undo.plan(Session.open("threeway", aws=aws))
    back.gate(back.plan.digest)
    back.apply()
    assert shop.items() == damaged
    strict = copy_back.plan(Session.open("threeway", aws=aws), attributes=",".join(shop.truth.attributes)).plan
    assert strict.policy.guard == "item"
    assert strict.left["changed since"] > 0
    assert strict.puts == len(shop.truth.deleted)
    assert strict.updates == len(shop.truth.mangled) - strict.left["changed since"]


def test_clean_up_deletes_both_copies_and_nothing_else(shop, recovered):
    before, data = set(shop.tables()), shop.incident("threeway")
    code, said = shop.pitrkit("run", "14", "-p", "incident", "threeway")
    assert code == 3
    code, said = shop.pitrkit(*re.search(r"pitrkit (run 14_clean_up .*)", said)[1].split())
    assert code == 0, said
    assert before - set(shop.tables()) == {data["restored_table"], data["until_table"]}


def test_two_copies_can_be_given_and_only_in_their_order(shop, recovered):
    client = shop.sandbox.client("dynamodb")
    for name, at in (("Before", shop.truth.good_at), ("After", ended(shop.truth))):
        client.restore_table_to_point_in_time(SourceTableName="Orders", TargetTableName=name, RestoreDateTime=at)
        client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    given = ("recover", "Orders", "--where", shop.truth.where, "--incident")
    code, said = shop.pitrkit(*given, "given", "--restored", "Before", "--restored-until", "After")
    assert code == 3, said
    assert shop.incident("given")["plan"]["puts"] == len(shop.truth.deleted)
    code, said = shop.pitrkit(*given, "swapped", "--restored", "After", "--restored-until", "Before")
    assert code == 2
    assert "not before" in said
    code, said = shop.pitrkit(*given, "lone", "--at", iso(shop.truth.good_at), "--restored-until", "After")
    assert code == 2
    assert "restored" in said


def test_an_end_of_the_damage_before_its_beginning_is_refused(shop):
    before = shop.tables()
    code, said = shop.pitrkit(
        "recover", "Orders", "--at", iso(shop.truth.good_at), "--damage-until", iso(shop.truth.good_at)
    )
    assert code == 2
    assert "damage" in said
    assert shop.tables() == before
