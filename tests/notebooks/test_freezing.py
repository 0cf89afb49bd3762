"""Other writers are held off while a copy writes, and may write again however the copy ends."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from itertools import count

import pytest
from botocore.exceptions import ClientError

from pitrkit.aws.client.client import Aws
from pitrkit.errors import AccessDenied, BadInput, GateClosed, PitrkitError
from pitrkit.runbook.copy_back import copy_back, freeze, undo
from pitrkit.runbook.diff import diff
from pitrkit.runbook.finish import report
from pitrkit.runbook.start import select_table
from pitrkit.sandbox import FaultRule, Sandbox
from pitrkit.ui.error_display import Interrupted
from tests.notebooks.conftest import place_of
from tests.notebooks.freezing import copying
from tests.prove.killing import killed

pytestmark = pytest.mark.takes(20)

KEYED = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}],
    "BillingMode": "PAY_PER_REQUEST",
}
ITEMS = 40
_numbers = count()
OWN = """{"Version": "2012-10-17",   "Statement": {"Sid": "Audit", "Effect": "Allow", "Principal":
 {"AWS": "123456789012"}, "Action": "dynamodb:Scan", "Resource": "*"}}"""


class Shop:
    """Two tables, what was and what is; and a shop, whose role is another than the operator's."""

    def __init__(self, place, others, kept=""):
        number = next(_numbers)
        self.place, self.others, self.kept = place, others, kept
        self.client, self.live, self.incident = place.client, f"Live{number}", f"night{number}"
        past = f"Past{number}"
        for table in (self.live, past):
            self.client.create_table(TableName=table, **KEYED)
        for first in range(0, ITEMS, 20):
            items = [{"id": {"N": str(one)}, "status": {"S": "good"}} for one in range(first, first + 20)]
            self.client.batch_write_item(RequestItems={past: [{"PutRequest": {"Item": item}} for item in items]})
        self.arn = self.client.describe_table(TableName=self.live)["Table"]["TableArn"]
        if kept:
            self.client.put_resource_policy(ResourceArn=self.arn, Policy=kept)
        self.session = select_table.select(Aws.connect(), self.live, incident=self.incident, restored=past)
        diff.diff(self.session, segments=1)

    def items(self):
        return self.place.items(self.live)

    def data(self):
        return self.place.incident(self.incident)

    def planned(self, **more):
        return copy_back.plan(self.session, **({"modified": "revert", "accept": "no-pitr", "freeze": True} | more))

    def sells(self):
        """Whether the shop may write."""
        try:
            self.others.put_item(TableName=self.live, Item={"id": {"N": "1000"}})
        except self.client.exceptions.ClientError as error:
            return error.response["Error"]["Code"] != "AccessDeniedException"
        return True

    def policy(self):
        try:
            return self.client.get_resource_policy(ResourceArn=self.arn)["Policy"]
        except ClientError:
            return ""

    def free(self):
        """Whether the shop may write, and the policy is word for word what it was."""
        return self.sells() and self.policy() == self.kept

    @property
    def state(self):
        return (self.session.data.get("freeze") or {}).get("state")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with Sandbox() as sandbox, place_of(sandbox, tmp_path_factory.mktemp("incidents")) as place:
        place.client = sandbox.client("dynamodb")
        yield place


@pytest.fixture(scope="module")
def others(place):
    """A client of the shop's role."""
    sandbox = place.sandbox
    role = sandbox.client("iam").create_role(RoleName="shop", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    keys = sandbox.client("sts").assume_role(RoleArn=role, RoleSessionName="web")["Credentials"]
    return sandbox.client(
        "dynamodb",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


@pytest.fixture(params=["", OWN], ids=["no policy", "a policy"])
def shop(place, others, request):
    return Shop(place, others, request.param)


@pytest.fixture
def plain(place, others):
    yield Shop(place, others)
    place.sandbox.faults.clear()


def when_frozen(shop, then):
    """Do *then* in another thread as soon as others are held off."""

    def watch():
        until = time.monotonic() + 100
        while time.monotonic() < until:
            if shop.state == "frozen":
                then()
                return
            time.sleep(0.005)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def through(copy):
    copy.gate(copy.plan.digest)
    return copy.apply()


def test_others_may_not_write_while_it_writes_and_may_afterwards(shop):
    copy = shop.planned(write_units=100.0)
    assert "the shop stops writing" in str(copy), "it is said before it is approved"
    assert "freeze" in copy.command
    assert shop.free(), "nothing is held off by a plan"
    sold = []
    watching = when_frozen(shop, lambda: sold.append(shop.sells()))
    card = str(through(copy))
    watching.join()
    assert sold == [False]
    assert "Other writers may write again" in card
    assert shop.free()
    assert shop.session.data["apply"]["applied"] == ITEMS
    kept = shop.session.data["freeze"]
    assert kept["state"] == "lifted"
    assert kept["how"] == ("restored" if shop.kept else "deleted")
    assert kept["request_id"]
    assert kept["lift_request_id"]
    facts = dict(report.gather(shop.session.incident).facts)
    assert facts["Other writers"].startswith("Blocked from 2")


def test_an_interrupted_copy_lets_others_write_again(plain):
    copy = plain.planned(write_units=5.0)
    copy.gate(copy.plan.digest)
    when_frozen(plain, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Interrupted):
        copy.apply()
    assert plain.state == "lifted"
    assert plain.free()
    copy.write_units = 1e6
    copy.apply()
    assert plain.free()
    assert [event.event for event in plain.session.incident.events()].count("freeze_put") == 2


def test_a_copy_that_fails_lets_others_write_again(plain):
    copy = plain.planned()
    copy.gate(copy.plan.digest)
    plain.place.sandbox.faults.add(
        FaultRule("denied", operations=("BatchExecuteStatement", "PutItem"), table=plain.live)
    )
    assert "Other writers may write again" in str(copy.apply())
    plain.place.sandbox.faults.clear()
    assert plain.data()["apply"]["applied"] == 0
    assert plain.free()


def test_what_cannot_be_undone_is_said_with_the_command_that_does_it(plain):
    copy = plain.planned(write_units=100.0)
    copy.gate(copy.plan.digest)
    denied = FaultRule("denied", operations=("DeleteResourcePolicy",))
    when_frozen(plain, lambda: plain.place.sandbox.faults.add(denied))
    with pytest.raises(PitrkitError, match="still blocked") as said:
        copy.apply()
    assert said.value.fix == f"pitrkit unfreeze {plain.incident}"
    assert not plain.sells()
    assert "may still be blocked" in freeze.to_text(plain.session.data)
    facts = dict(report.gather(plain.session.incident).facts)
    assert f"pitrkit unfreeze {plain.incident}" in facts["Other writers"]
    plain.place.sandbox.faults.clear()
    code, words = plain.place.pitrkit("unfreeze", plain.incident)
    assert (code, words) == (0, "Other writers may write again: the table has no policy, as before.\n")
    assert plain.free()


def test_without_permission_nobody_is_held_off_and_nothing_is_written(plain):
    copy = plain.planned()
    copy.gate(copy.plan.digest)
    plain.place.sandbox.faults.add(FaultRule("denied", operations=("PutResourcePolicy",)))
    with pytest.raises(AccessDenied):
        copy.apply()
    plain.place.sandbox.faults.clear()
    assert plain.state == "refused"
    assert not plain.items()
    assert plain.free()


def test_what_others_changed_in_the_policy_meanwhile_stays(shop):
    copy = shop.planned(write_units=100.0)

    def meddle():
        document = json.loads(shop.policy())
        document["Statement"].append({**document["Statement"][-1], "Sid": "Meddled", "Action": ["dynamodb:Query"]})
        shop.client.put_resource_policy(ResourceArn=shop.arn, Policy=json.dumps(document))

    watching = when_frozen(shop, meddle)
    card = str(through(copy))
    watching.join()
    assert "theirs stays" in card.replace("\n", " ")
    assert shop.sells()
    left = [one["Sid"] for one in json.loads(shop.policy())["Statement"]]
    assert left == [*(["Audit"] if shop.kept else []), "Meddled"]


def test_an_undo_holds_others_off_as_well_and_each_asks_for_it_anew(plain):
    through(plain.planned(freeze=False))
    assert plain.state is None
    through(undo.plan(plain.session, accept="no-pitr", freeze=True))
    assert plain.state == "lifted"
    assert plain.free()


def test_one_recovery_does_not_write_while_another_holds_others_off(plain):
    plain.client.put_resource_policy(
        ResourceArn=plain.arn,
        Policy=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Sid": "PitrkitFreeze000000000000",
                    "Effect": "Deny",
                    "Principal": {"AWS": "arn:aws:iam::123456789012:role/shop"},
                    "Action": "dynamodb:PutItem",
                    "Resource": plain.arn,
                },
            }
        ),
    )
    copy = plain.planned()
    with pytest.raises(BadInput, match="holds all other writers off") as refused:
        copy.gate(copy.plan.digest)
    assert "pitrkit unfreeze" in refused.value.fix


# Killed


def environment(shop):
    return {**shop.place.sandbox.environment(), "PITRKIT_INCIDENTS": str(shop.place.folder)}


def test_after_a_kill_the_command_lets_others_write_again_but_not_before(plain):
    said = []

    def at_work():
        if plain.state != "frozen":
            return False
        said.append(plain.place.pitrkit("unfreeze", plain.incident))
        return True

    assert killed(environment(plain), copying, plain.incident, 5.0, after=0.1, begun=at_work) == -signal.SIGKILL
    assert said[0][0] == 2
    assert "is writing and holds other writers off" in said[0][1]
    assert not plain.sells()
    code, words = plain.place.pitrkit("unfreeze", plain.incident)
    assert code == 0, words
    assert plain.free()
    assert plain.place.pitrkit("unfreeze", plain.incident)[0] == 0, "twice is as good as once"


@pytest.mark.parametrize("seed", range(max(2, round(20 * float(os.environ.get("PITRKIT_PROVE") or 0)))))
def test_killed_at_any_moment_the_next_plan_undoes_it_and_goes_on(place, others, seed, monkeypatch):
    monkeypatch.setattr("pitrkit.recovery.plan.freeze.SETTLES_SECONDS", 0.5)
    shop = Shop(place, others, OWN)

    def begun():
        return any(event.event in {"apply_started", "freeze_intended"} for event in shop.session.incident.events())

    moment = random.Random(seed).uniform(0, 0.3)
    assert killed(environment(shop), copying, shop.incident, 5.0, after=moment, begun=begun) == -signal.SIGKILL
    copy = shop.planned(write_units=1e6)
    assert shop.free()
    if shop.state == "lifted":
        assert "an earlier run had left other writers blocked" in str(copy)
    through(copy)
    assert shop.free()
    assert len(shop.items()) == ITEMS + 1


def test_a_headless_run_that_is_told_to_stop_lets_others_write_again(plain):
    digest = plain.planned(freeze=False).plan.digest
    run = [
        "run",
        "05",
        *("-p", "incident", plain.incident),
        *("-p", "modified", "revert"),
        *("-p", "accept", "no-pitr"),
    ]
    run += ["-p", "freeze", "true", "-p", "write_units", "5", "-p", "approve", digest]
    process = subprocess.Popen(
        [sys.executable, "-m", "pitrkit", *run],
        env={**os.environ, **environment(plain)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watching = when_frozen(plain, lambda: process.send_signal(signal.SIGTERM))
    said, _ = process.communicate(timeout=120)
    watching.join()
    assert process.returncode == 130, said
    assert plain.state == "lifted"
    assert plain.free()


# Wrong inputs


def test_recover_refuses_a_freeze_that_is_no_yes(plain):
    code, said = plain.place.pitrkit("run", "05", "-p", "incident", plain.incident, "-p", "freeze", "perhaps")
    assert code == 2
    assert "true or false" in said


def test_unfreeze_of_what_is_no_incident_is_refused_and_of_one_that_held_nobody_off_says_so(plain):
    assert plain.place.pitrkit("unfreeze", "nothing")[0] == 2
    code, said = plain.place.pitrkit("unfreeze", plain.incident)
    assert code == 0
    assert "has not blocked writes" in said


def test_a_policy_without_room_is_refused_before_the_gate(plain):
    plain.client.put_resource_policy(ResourceArn=plain.arn, Policy=OWN.replace("Audit", "A" * 20300))
    with pytest.raises(BadInput, match="bytes"):
        plain.planned()


# At the gate


@pytest.fixture
def harmful(place, others):
    """A table that sends its changes to Kinesis."""
    shop = Shop(place, others)
    shop.client.enable_kinesis_streaming_destination(
        TableName=shop.live, StreamArn="arn:aws:kinesis:us-east-1:123456789012:stream/ledger"
    )
    return shop


def test_what_could_do_harm_is_acknowledged_by_a_tick_before_it_can_be_approved(harmful):
    copy = harmful.planned(freeze=False, accept="")
    box = copy.approve()
    assert [one.description.split(":")[1].strip() for one in box.ticks.children] == ["no-pitr", "kinesis"]
    assert "ledger" in box.ticks.children[1].description
    box.typed.value = harmful.live
    assert box.button.disabled
    with pytest.raises(GateClosed, match="no-pitr, kinesis") as closed:
        copy.gate(copy.plan.digest)
    assert "--accept" not in closed.value.fix
    assert "accept no-pitr,kinesis" in closed.value.fix
    assert "ledger" in str(closed.value.card)
    for one in box.ticks.children:
        one.value = True
    assert not box.button.disabled
    box.button.click()
    copy.gate("")
    copy.apply()
    by = harmful.session.aws.caller().arn
    accepted = harmful.session.data["accepted"]
    assert [(one["name"], one["how"], one["by"]) for one in accepted] == [
        ("no-pitr", "click", by),
        ("kinesis", "click", by),
    ]
    assert all(re.match(r"\d{4}-", one["at"]) for one in accepted)
    facts = [value for label, value in report.gather(harmful.session.incident).facts if label == "Acknowledged"]
    assert any("ledger" in fact and "by click" in fact for fact in facts)


def test_what_is_taken_back_closes_an_open_gate(harmful):
    copy = harmful.planned(freeze=False, accept="no-pitr")
    box = copy.approve()
    box.ticks.children[0].value = True
    copy.gate(copy.plan.digest)
    box.ticks.children[0].value = False
    with pytest.raises(GateClosed):
        copy.apply()
    assert not harmful.items()


def test_headless_it_is_acknowledged_by_name_in_the_one_command_that_the_gate_prints(harmful):
    harmful.planned(freeze=False)
    asked = ("run", "05", "-p", "incident", harmful.incident, "-p", "accept", "no-pitr")
    code, said = harmful.place.pitrkit(*asked)
    assert code == 3, said
    assert "kinesis: every change goes to Kinesis (ledger)" in said
    command = re.search(r"pitrkit (run 05_copy_back .*)", said)[1]
    assert "-p accept no-pitr,kinesis" in command
    code, said = harmful.place.pitrkit(*command.split())
    assert code == 0, said
    assert [(one["name"], one["how"]) for one in harmful.data()["accepted"]] == [
        ("no-pitr", "parameter"),
        ("kinesis", "parameter"),
    ]


def test_a_name_that_is_not_known_is_refused_with_those_that_are(harmful):
    with pytest.raises(BadInput, match="'kinesys'") as refused:
        harmful.planned(freeze=False, accept="no-pitr,kinesys")
    assert "kinesis (changes go to Kinesis" in refused.value.fix


def test_what_comes_up_after_the_plan_was_made_closes_the_gate_and_what_was_ticked_stays(plain, monkeypatch):
    monkeypatch.setattr("pitrkit.runbook.copy_back.copy.LOOKS_AGAIN_AFTER", timedelta(0))
    copy = plain.planned(freeze=False, accept="", safety_copy=True)
    assert "safety copy" in str(copy)
    box = copy.approve()
    box.ticks.children[0].value = True
    copy.gate(copy.plan.digest)
    plain.client.enable_kinesis_streaming_destination(
        TableName=plain.live, StreamArn="arn:aws:kinesis:us-east-1:123456789012:stream/ledger"
    )
    with pytest.raises(GateClosed, match="acknowledged first: kinesis"):
        copy.gate(copy.plan.digest)
    assert [one.value for one in box.ticks.children] == [True, False]
    with pytest.raises(GateClosed):
        copy.apply()
    assert not plain.items()
