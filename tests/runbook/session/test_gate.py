"""The gate opens for exactly the plan that the operator approved, and for no other, and not for long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from pitrkit.errors import BadInput, Exit, GateClosed, StalePlan
from pitrkit.runbook.session.gate import Approval, Approvals, Gate, Intent

NOW = datetime(2026, 11, 23, 2, 14, 5, tzinfo=UTC)
DIGEST = "0123456789abcdef" * 4
COMMAND = "pitrkit run 05_copy_back -p approve " + DIGEST


@dataclass(frozen=True)
class Planned:
    digest: str = DIGEST
    table: str = "Orders"
    created_at: datetime = NOW - timedelta(minutes=3)


def gate(approvals: Approvals | None = None) -> Gate:
    return Gate(approvals or Approvals(), clock=lambda: NOW)


def clicked(minutes_ago: float, digest: str = DIGEST) -> Approvals:
    approvals = Approvals()
    approvals.approve(digest, NOW - timedelta(minutes=minutes_ago))
    return approvals


def test_without_an_approval_the_gate_is_closed_and_says_the_one_command_that_opens_it():
    with pytest.raises(GateClosed) as closed:
        gate().check(Planned(), "  ", command=COMMAND)
    assert closed.value.digest == DIGEST
    assert closed.value.exit_code is Exit.GATE_CLOSED
    assert str(closed.value) == f"Orders: gate closed: plan 0123456789ab is not approved yet\n-> {COMMAND}"


def test_a_closed_gate_says_in_a_terminal_what_a_change_other_than_a_copy_would_do():
    details = {"things": ["copy A", "copy B"], "options": {"indexes": "all", "region": ""}, "role": ""}
    intent = Intent("delete", "Orders-pitr", details, created_at=NOW)
    with pytest.raises(GateClosed) as closed:
        gate().check(intent, "", command=COMMAND)
    assert closed.value.what.splitlines()[1:] == ["   delete", "   things: copy A, copy B", "   options: indexes all"]


@pytest.mark.parametrize("approve", [DIGEST, DIGEST[:12], f" {DIGEST[:20].upper()} "])
def test_the_digest_or_twelve_characters_of_it_open_the_gate(approve):
    approval = gate().check(Planned(), approve, command=COMMAND)
    assert approval == Approval(DIGEST, NOW, "parameter")
    assert approval.to_dict() == {"digest": DIGEST, "approved_at": "2026-11-23T02:14:05+00:00", "how": "parameter"}


@pytest.mark.parametrize("approve", ["yes", DIGEST[:11], DIGEST + "0", "g" * 12, "0123456789ab*", "'"])
def test_what_is_no_digest_is_bad_input(approve):
    with pytest.raises(BadInput, match="at least 12 of its characters"):
        gate().check(Planned(), approve, command=COMMAND)


def test_an_approval_of_another_plan_is_stale_even_if_this_one_was_clicked():
    with pytest.raises(StalePlan, match=r"is for plan ffffffffffff, but the plan is 0123456789ab now"):
        gate(clicked(1)).check(Planned(), "f" * 64, command=COMMAND)


def test_a_click_opens_the_gate_for_its_digest_only_and_for_fifteen_minutes():
    assert gate(clicked(15)).check(Planned(), "", command=COMMAND).how == "click"
    with pytest.raises(GateClosed, match="more than 15 minutes ago"):
        gate(clicked(15.1)).check(Planned(), "", command=COMMAND)
    with pytest.raises(GateClosed, match="is not approved yet"):
        gate(clicked(1, "f" * 64)).check(Planned(), "", command=COMMAND)


def test_a_plan_older_than_a_day_is_stale_whatever_approves_it():
    assert gate().check(Planned(created_at=NOW - timedelta(hours=24)), DIGEST, command=COMMAND)
    for approve in (DIGEST, ""):
        with pytest.raises(StalePlan, match="is 25 hours old"):
            gate(clicked(1)).check(Planned(created_at=NOW - timedelta(hours=25)), approve, command=COMMAND)


def test_an_intent_has_the_digest_of_what_it_would_do_and_nothing_else():
    first = Intent("delete table", "Orders-copy", {"arn": "a", "account": "1"}, NOW)
    same = Intent("delete table", "Orders-copy", {"account": "1", "arn": "a"}, NOW - timedelta(hours=1))
    assert first.digest == same.digest
    others = [
        Intent("delete table", "Orders", {"arn": "a", "account": "1"}, NOW),
        Intent("enable PITR", "Orders-copy", {"arn": "a", "account": "1"}, NOW),
        Intent("delete table", "Orders-copy", {"arn": "b", "account": "1"}, NOW),
    ]
    assert len({first.digest, *(other.digest for other in others)}) == 4
    assert gate().check(first, first.digest[:12], command="x").digest == first.digest
