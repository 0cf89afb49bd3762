"""A copy on its way: looked at again, planned again, interrupted and gone on with, its conflicts decided."""

import json
import os
import re
import signal
import threading

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.errors import AwsError, GateClosed, StalePlan
from pitrkit.recovery.apply.journal import Journal
from pitrkit.runbook.copy_back import copy_back, plans, undo
from pitrkit.runbook.diff import diff
from pitrkit.runbook.session.verdict import verdict_of
from pitrkit.runbook.start import select_table
from pitrkit.sandbox import FaultRule
from pitrkit.ui.error_display import Interrupted, card_of

pytestmark = pytest.mark.takes(20)

KEYED = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}],
    "BillingMode": "PAY_PER_REQUEST",
}
ITEMS = 40


class Shop:
    """Two tables: what was, and what is now. Half of the items are gone, the others mangled."""

    def __init__(self, place):
        self.place = place
        self.client = place.sandbox.client("dynamodb")
        for table in ("Live", "Past"):
            self.client.create_table(TableName=table, **KEYED)
        for number in range(ITEMS):
            self.put("Past", number, "good")
            if number % 2:
                self.put("Live", number, "mangled")

    def put(self, table, number, status, **more):
        item = {"id": {"N": str(number)}, "status": {"S": status}, **{name: {"S": text} for name, text in more.items()}}
        self.client.put_item(TableName=table, Item=item)

    def get(self, number):
        item = self.client.get_item(TableName="Live", Key={"id": {"N": str(number)}}, ConsistentRead=True).get("Item")
        return {name: next(iter(value.values())) for name, value in item.items() if name != "id"} if item else None

    def items(self):
        return self.place.items("Live")

    def planned(self, **more):
        return copy_back.plan(self.session, **({"modified": "revert", "accept": "no-pitr"} | more))


@pytest.fixture
def live(empty):
    shop = Shop(empty)
    shop.session = select_table.select(Aws.connect(), "Live", incident="night", restored="Past")
    diff.diff(shop.session)
    return shop


def through(copy):
    """Take a copy through its gate and write it."""
    copy.gate(copy.plan.digest)
    return copy.apply()


# The gate


def test_a_closed_gate_is_a_card_that_says_what_would_happen_and_how_to_open_it(live):
    copy = live.planned()
    with pytest.raises(GateClosed) as closed:
        copy.gate("")
    card = str(closed.value.card)
    assert "restore 20, update 20" in card
    assert "Nothing is written before approval" in card
    assert f"approve {copy.plan.digest}" in card
    assert "<details" not in card


def test_what_moved_is_told_by_the_control_and_by_the_card_without_a_new_plan(live):
    copy = live.planned()
    box = copy.approve()
    live.put("Live", 1, "sent")
    live.put("Live", 3, "good")
    box.look.click()
    assert "1 of 40 items were written since this plan was made" in box.status_line.value
    assert "1 of 40 items are already correct" in str(copy)
    assert copy.plan.digest in str(copy)


def test_planning_again_makes_another_plan_for_which_the_first_approval_opens_nothing(live):
    copy = live.planned()
    box = copy.approve()
    first = copy.plan.digest
    box.typed.value = "Live"
    box.button.click()
    live.put("Live", 1, "sent")
    box.again.click()
    assert copy.plan.digest != first
    assert (copy.plan.updates, copy.plan.left) == (19, {"changed since": 1})
    assert live.session.data["plan"]["digest"] == copy.plan.digest
    assert box.typed.value == ""
    assert copy.plan.digest[:12] in str(box)
    with pytest.raises(GateClosed):
        copy.gate("")
    with pytest.raises(GateClosed):
        copy.apply()
    assert live.get(0) is None


def test_an_approval_of_the_plan_before_is_stale_and_its_card_says_what_moved(live):
    copy = live.planned()
    first = copy.plan
    copy.plan_again()
    live.put("Live", 1, "sent")
    with pytest.raises(StalePlan) as stale:
        copy.gate(first.digest)
    card = str(stale.value.card)
    assert first.digest[:12] in card
    assert copy.plan.digest[:12] in card
    assert "1 of 40 items were written since" in card
    assert '"mangled"' in card
    assert '"sent"' in card
    assert "Plan again" in card
    assert live.get(0) is None


# Interrupts


def stop_after(copy, writes):
    """Interrupt this process's main thread as JupyterLab would, once some writes are in the journal."""
    over = threading.Event()

    def watch():
        while not over.wait(0.02):
            if copy.journal.exists() and sum(1 for _ in Journal(copy.journal).outcomes()) >= writes:
                os.kill(os.getpid(), signal.SIGINT)
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return over


@pytest.fixture
def interrupted(live):
    copy = live.planned(write_units=10.0)
    copy.gate(copy.plan.digest)
    over = stop_after(copy, 3)
    with pytest.raises(Interrupted) as stopped:
        copy.apply()
    over.set()
    return live, copy, str(card_of(stopped.value))


def test_an_interrupted_copy_says_that_it_is_safe_what_is_done_and_how_to_go_on(interrupted):
    live, _, card = interrupted
    done = live.session.data["apply"]
    assert 0 < done["applied"] < ITEMS
    assert done["applied"] + done["unsent"] == ITEMS
    assert "Interrupted, and safe" in card
    assert re.search(rf"applied +{done['applied']}", card)
    assert f"run this cell again to go on with the {done['unsent']} to go" in card
    assert "Undo this copy" in card
    assert "applied" in json.dumps(live.session.data["copies"])


def test_it_goes_on_in_the_same_kernel_without_another_approval(interrupted):
    live, copy, _ = interrupted
    copy.write_units = 1e6
    copy.apply()
    copy.verify()
    assert live.session.data["verify"]["ok"] is True
    assert live.session.data["apply"]["applied"] == ITEMS


def test_tomorrow_the_same_plan_is_opened_again_says_how_far_it_is_and_waits_for_its_approval(interrupted):
    live, copy, _ = interrupted
    before = live.session.data["apply"]["applied"]
    again = live.planned()
    assert again.plan.digest == copy.plan.digest
    assert f"{before} of 40 writes have come to an outcome" in str(again)
    with pytest.raises(GateClosed):
        again.apply()
    through(again)
    assert all(live.get(number) == {"status": "good"} for number in range(ITEMS))
    copies = [event for event in live.session.incident.events() if event.event == "apply_finished"]
    assert len(copies) == 1


def test_an_interrupted_copy_can_be_taken_back_as_far_as_it_went(interrupted):
    live, _, _ = interrupted
    back = undo.plan(live.session, accept="no-pitr")
    through(back)
    assert sum(live.get(number) is None for number in range(0, ITEMS, 2)) == ITEMS / 2
    assert all(live.get(number) == {"status": "mangled"} for number in range(1, ITEMS, 2))


def test_while_it_writes_nothing_else_is_done_with_it_whatever_is_pressed(live):
    copy = live.planned(write_units=40.0)
    box = copy.approve()
    copy.gate(copy.plan.digest)
    first = copy.plan.digest
    said = []

    def press():
        while not copy.journal.exists():
            over.wait(0.02)
        for button in (box.again, box.look):
            button.click()
            said.append(box.status_line.value)

    over = threading.Event()
    presser = threading.Thread(target=press)
    presser.start()
    copy.apply()
    presser.join()
    assert all("a cell is at work on this copy" in one for one in said)
    assert copy.plan.digest == first
    assert live.session.data["apply"]["applied"] == ITEMS


# Conflicts


@pytest.fixture
def met(live):
    """A copy that met three conflicts."""
    copy = live.planned()
    live.put("Live", 0, "new order")
    live.put("Live", 1, "sent", parcel="P-1")
    live.put("Live", 3, "sent")
    through(copy)
    copy.verify()
    return live, copy


def at(box, number):
    return next(place for place, one in enumerate(box._conflicts) if json.loads(one.key)["id"]["N"] == str(number))


def test_conflicts_are_listed_with_the_item_found_and_what_ours_would_do(met):
    _, copy = met
    text = str(copy.conflicts())
    assert re.search(r"id = 0 +there again +put ours back whole", text)
    assert re.search(r"id = 1 +written again: parcel, status +put back status, and keep the rest", text)
    assert '"new order"' in text


def test_ours_is_a_new_plan_behind_the_same_gate_and_keeps_what_else_they_wrote(met):
    live, copy = met
    before, first = live.items(), copy.plan.digest
    gate, box = copy.approve(), copy.conflicts()
    box.decide([at(box, 1)], "ours")
    box.decide([at(box, 0)], "theirs")
    box.make.click()
    assert live.items() == before, "deciding writes nothing"
    assert copy.plan.digest != first
    assert (copy.plan.updates, copy.plan.undecided) == (1, 1)
    assert copy.plan.digest[:12] in str(gate)
    with pytest.raises(GateClosed):
        copy.apply()
    gate.typed.value = "Live"
    gate.button.click()
    copy.gate("")
    copy.apply()
    copy.verify()
    assert live.get(1) == {"status": "good", "parcel": "P-1"}
    assert live.get(0) == {"status": "new order"}
    assert live.get(3) == {"status": "sent"}
    assert copy_back.ending(live.session.data) == 1, "one is undecided still"
    assert [one.digest for one in plans.written_plans(live.session)] == [copy.plan.digest, first]


def test_keeping_theirs_settles_a_conflict_and_the_verdict_says_so(met):
    live, copy = met
    assert copy_back.ending(live.session.data) == 1
    box = copy.conflicts()
    assert box.make.disabled
    box.theirs.click()
    box.make.click()
    assert "3 items stay as they were found" in box.status_line.value
    assert copy_back.ending(live.session.data) == 0
    verdict = verdict_of(live.session.data)
    assert verdict.title == "Recovered"
    assert "3 of them by your decision" in verdict.words


def test_groups_and_keys_narrow_what_is_decided_together(met):
    _, copy = met
    box = copy.conflicts()
    box.group.value = "there again"
    box.theirs.click()
    assert list(box.decisions.values()) == ["theirs"]
    box.group.value, box.find.value = "", "id = 3"
    box.ours.click()
    assert sorted(box.decisions.values()) == ["ours", "theirs"]
    box.find.value = ""
    box._rows[at(box, 1)].choice.value = "ours"
    box._rows[at(box, 3)].choice.value = ""
    assert sorted(box.decisions.values()) == ["ours", "theirs"]


def test_headless_a_parameter_decides_all_and_ours_waits_at_its_gate(met):
    live, _ = met
    later = live.planned()
    assert later.plan.empty, "what was written meanwhile is nothing that may be planned over"
    with pytest.raises(GateClosed) as closed:
        later.conflicts("ours")
    code, said = live.place.pitrkit(*closed.value.fix.split()[1:])
    assert code == 0, said
    assert live.get(1) == {"status": "good", "parcel": "P-1"}
    assert live.get(0) == live.get(3) == {"status": "good"}


def test_without_a_conflict_there_is_nothing_to_decide(live):
    copy = live.planned()
    through(copy)
    assert "No conflicts" in str(copy.conflicts("ours"))
    assert copy.conflicts().box.children == ()


# Failures


def test_a_failure_while_writing_says_that_what_was_written_stands(live):
    copy = live.planned()
    copy.gate(copy.plan.digest)
    live.place.sandbox.faults.add(FaultRule("denied", operations=("DescribeTable",)))
    with pytest.raises(AwsError) as caught:
        copy.apply()
    live.place.sandbox.faults.clear()
    card = str(card_of(caught.value))
    assert "What was written before this stands" in card
    assert caught.value.request_id in card
