"""Freeze: other writers are held off, and what is undone is exactly what was done, whoever interferes."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pitrkit.aws.tables import resource_policy
from pitrkit.aws.tables.resource_policy import PolicyChanged, PolicyRevision
from pitrkit.errors import BadInput
from pitrkit.recovery.plan import freeze as freezes
from pitrkit.sandbox.access.policy_evaluation import AccessRequest, verdict

ACCOUNT = "123456789012"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(freezes, "SETTLES_SECONDS", 0.0)


def read(bench):
    return resource_policy.read(bench.aws, bench.name, bench.table.arn)


def put(bench, text):
    now = read(bench)
    return resource_policy.change(bench.aws, bench.name, bench.table.arn, text, expected=now.revision)


def frozen(bench, incident="night"):
    would = freezes.intend(read(bench), bench.table, incident=incident, caller=bench.aws.caller().arn)
    return freezes.apply_freeze(bench.aws, would)


def own(bench, name="shop"):
    """A policy of the shop's own, with white space of its own."""
    row = {"Sid": "Audit", "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "dynamodb:Scan"}
    return json.dumps({"Id": name, "Version": "2012-10-17", "Statement": {**row, "Resource": bench.table.arn}})


def test_without_a_policy_it_is_one_and_afterwards_there_is_none_again(bench):
    freeze = frozen(bench)
    assert freezes.frozen_by(read(bench)) == [freeze.sid]
    assert freeze.request_id
    assert freezes.lift(bench.aws, freeze).how == "deleted"
    assert read(bench) == PolicyRevision()


def test_a_policy_that_is_there_is_kept_in_force_and_is_word_for_word_the_same_afterwards(bench):
    text = own(bench)
    put(bench, text)
    freeze = frozen(bench)
    merged = json.loads(read(bench).text)
    assert merged["Statement"][0] == json.loads(text)["Statement"]
    assert merged["Id"] == "shop"
    assert len(merged["Statement"]) == 2
    assert freezes.lift(bench.aws, freeze).how == "restored"
    assert read(bench).text == text


def test_what_others_change_meanwhile_stays_and_only_the_statement_goes(bench):
    put(bench, own(bench))
    freeze = frozen(bench)
    document = json.loads(read(bench).text)
    added = {**document["Statement"][0], "Sid": "Added"}
    put(bench, json.dumps({**document, "Statement": [*document["Statement"], added]}))
    assert freezes.lift(bench.aws, freeze).how == "taken out"
    assert [one["Sid"] for one in json.loads(read(bench).text)["Statement"]] == ["Audit", "Added"]


def test_what_others_have_taken_away_is_not_brought_back(bench):
    freeze = frozen(bench)
    put(bench, own(bench))
    assert freezes.lift(bench.aws, freeze).how == "gone"
    assert read(bench).text == own(bench)
    bench.aws.call("dynamodb", "delete_table", TableName=bench.name)
    assert freezes.lift(bench.aws, freeze).how == "gone"


def test_it_is_not_put_over_a_policy_that_was_changed_since_it_was_read(bench):
    would = freezes.intend(read(bench), bench.table, incident="night", caller=bench.aws.caller().arn)
    put(bench, own(bench))
    with pytest.raises(PolicyChanged):
        freezes.apply_freeze(bench.aws, would)
    assert read(bench).text == own(bench)


def test_a_policy_that_is_changed_while_it_is_undone_is_read_again(bench, monkeypatch):
    freeze = frozen(bench)
    real, times = resource_policy.change, []

    def late(*arguments, **options):
        if not times:
            times.append(1)
            document = json.loads(read(bench).text)
            document["Statement"].append(json.loads(own(bench))["Statement"])
            real(bench.aws, bench.name, bench.table.arn, json.dumps(document), expected=read(bench).revision)
        return real(*arguments, **options)

    monkeypatch.setattr(resource_policy, "change", late)
    assert freezes.lift(bench.aws, freeze).how == "taken out"
    assert [one["Sid"] for one in json.loads(read(bench).text)["Statement"]] == ["Audit"]


def test_one_that_was_intended_and_perhaps_put_is_undone_as_well(bench):
    would = freezes.intend(read(bench), bench.table, incident="night", caller=bench.aws.caller().arn)
    assert freezes.lift(bench.aws, would).how == "gone"
    freezes.apply_freeze(bench.aws, would)
    assert freezes.lift(bench.aws, freezes.Freeze.from_dict(would.to_dict())).how == "deleted"


def test_two_recoveries_do_not_freeze_one_table_and_none_undoes_the_others(bench):
    freeze = frozen(bench)
    with pytest.raises(BadInput, match="blocked already") as refused:
        frozen(bench, "another")
    assert "pitrkit unfreeze" in refused.value.fix
    assert freezes.sid_of("another") != freeze.sid


def test_a_policy_without_room_for_it_is_refused_before_anything_is_changed(bench):
    long = own(bench, "x" * (resource_policy.LARGEST_BYTES - 300))
    assert len(long) < resource_policy.LARGEST_BYTES
    put(bench, long)
    with pytest.raises(BadInput, match="bytes"):
        frozen(bench)
    assert read(bench).text == long


CALLERS = {
    f"arn:aws:sts::{ACCOUNT}:assumed-role/Recovery/ann": f"arn:aws:iam::{ACCOUNT}:role/Recovery",
    f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_Ops_0123/ann@example.org": (
        f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Ops_0123"
    ),
    f"arn:aws-cn:iam::{ACCOUNT}:user/ops/ann": f"arn:aws-cn:iam::{ACCOUNT}:user/ops/ann",
    f"arn:aws:sts::{ACCOUNT}:federated-user/ann": f"arn:aws:sts::{ACCOUNT}:federated-user/ann",
    f"arn:aws:iam::{ACCOUNT}:root": f"arn:aws:iam::{ACCOUNT}:root",
}
OTHERS = (
    f"arn:aws:iam::{ACCOUNT}:role/Shop",
    f"arn:aws:iam::{ACCOUNT}:role/ops/Shop-Recovery",
    "arn:aws:iam::999999999999:role/Recovery",
    f"arn:aws:iam::{ACCOUNT}:user/Recovery",
)


@pytest.mark.parametrize("caller", CALLERS)
def test_the_caller_may_write_as_the_service_knows_it_and_others_may_not(bench, caller):
    statement = freezes.statement("X", bench.table.arn, freezes.principals_of(caller))
    document = json.loads(freezes.merged("", statement))
    for action in freezes.WRITES:
        assert verdict([document], AccessRequest(CALLERS[caller], action, bench.table.arn), of_a_resource=True) == ""
        for other in OTHERS:
            assert verdict([document], AccessRequest(other, action, bench.table.arn), of_a_resource=True) == "deny"
    for action in ("dynamodb:GetItem", "dynamodb:Scan", "dynamodb:PutResourcePolicy"):
        assert verdict([document], AccessRequest(OTHERS[0], action, bench.table.arn), of_a_resource=True) == ""


@pytest.mark.parametrize("caller", ["", "ann", "arn:aws:s3:::bucket", f"arn:aws:sts::{ACCOUNT}:assumed-role/x"])
def test_a_caller_whom_no_policy_would_know_is_refused(caller):
    with pytest.raises(BadInput, match="not known"):
        freezes.principals_of(caller)


ROWS = st.lists(
    st.builds(
        lambda sid, effect, action: {"Sid": sid, "Effect": effect, "Action": action, "Principal": "*", "Resource": "*"},
        st.sampled_from(["", "A", "Audit", "PitrkitFreezeY"]),
        st.sampled_from(["Allow", "Deny"]),
        st.sampled_from(["dynamodb:GetItem", "dynamodb:*", "dynamodb:Scan"]),
    ),
    max_size=4,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(ROWS, st.booleans(), st.sampled_from(["", "2008-10-17", "2012-10-17"]))
def test_taking_the_statement_out_of_any_policy_leaves_what_was_there(rows, alone, version):
    rows = rows[:1] if alone else rows
    document = {**({"Version": version} if version else {}), "Statement": rows[0] if alone and rows else rows}
    text = json.dumps(document) if rows else ""
    added = freezes.statement("PitrkitFreezeX", "arn", ["arn:aws:iam::1:root"])
    after = freezes.merged(text, added)
    assert json.loads(after)["Statement"][-1] == added
    left = freezes.without_statement(after, "PitrkitFreezeX")
    assert (json.loads(left)["Statement"] if left else []) == rows
