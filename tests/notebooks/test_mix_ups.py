"""What an operator mixes up at three in the morning is noticed, and never written, deleted or recorded wrongly."""

import re

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.errors import BadInput, GateClosed, PitrkitError
from pitrkit.runbook.copy_back import copy_back, undo
from pitrkit.runbook.diff import diff
from pitrkit.runbook.finish import clean_up, report
from pitrkit.runbook.restore import restore
from pitrkit.runbook.session.session import Session
from pitrkit.runbook.start import select_table
from pitrkit.runbook.timeline import pick_timestamp
from pitrkit.times import iso


@pytest.fixture(scope="module")
def aws(shop):
    return Aws.connect()


def compared(shop, aws, name, target):
    session = select_table.select(aws, "Orders", incident=name)
    pick_timestamp.pick(session, iso(shop.truth.good_at))
    restore.start(session, target=target)
    restore.wait(session)
    return session, diff.diff(session)


def test_a_copy_that_a_colleague_made_is_adopted_but_never_offered_for_deletion(shop, aws):
    compared(shop, aws, "colleague", "Orders-forensics")
    session, _ = compared(shop, aws, "mine", "Orders-mine")
    restore.start(session, target="Orders-forensics")
    restore.wait(session)
    assert session.data["restored_by"] == "adopted"
    assert clean_up.prepare(session).intent is None


def test_another_copy_makes_the_comparison_of_the_first_void(shop, aws):
    session, _ = compared(shop, aws, "other-copy", "Orders-first")
    copy_back.plan(session)
    restore.start(session, target="Orders-second")
    assert session.data["plan"] is None
    with pytest.raises(PitrkitError, match="changes"):
        copy_back.plan(session)


def test_a_check_that_fails_closes_a_gate_that_was_open(shop, aws):
    before = shop.items()
    session, _ = compared(shop, aws, "gate", "Orders-gate")
    copy = copy_back.plan(session)
    copy.gate(copy.plan.digest)
    with pytest.raises(PitrkitError):
        copy.gate("0" * 12)
    with pytest.raises(PitrkitError, match="gate"):
        copy.apply()
    assert shop.items() == before


def test_a_plan_says_the_scope_that_its_changes_have(shop, aws):
    session, difference = compared(shop, aws, "scoped", "Orders-scoped")
    diff.scope(difference, where=shop.truth.where)
    scoped = copy_back.plan(session).plan
    again = diff.diff(session)
    whole = copy_back.plan(session).plan
    assert shop.truth.where in scoped.scope["words"]
    assert whole.scope["words"] == "everything"
    assert whole.puts + whole.left["expired"] == again.changes.counts.removed
    diff.scope(again, where=shop.truth.where)
    assert copy_back.plan(session).plan.puts == len(shop.truth.deleted)


def test_a_plan_says_what_its_scope_leaves_out_on_its_card_at_the_gate_and_in_the_report(shop, aws):
    session, difference = compared(shop, aws, "outside", "Orders-outside")
    assert "outside the scope" not in f"{copy_back.plan(session).view()} {copy_back.plan(session).words()}"
    scoped = diff.scope(difference, where=shop.truth.where)
    copy = copy_back.plan(session)
    found, kept = difference.changes.counts, scoped.changes.counts
    left = {kind: getattr(found, kind) - getattr(kept, kind) for kind in ("removed", "modified", "inserted")}
    words = ", ".join(f"{count:,} {kind}" for kind, count in left.items() if count)
    assert left["modified"] > 0
    assert left["inserted"] > 0
    assert re.search(rf"outside the scope:? +{words}", str(copy.view()))
    assert f"outside the scope: {words}" in copy.words()
    with pytest.raises(GateClosed, match=f"outside the scope: {words}"):
        copy.gate("")
    report.report(session)
    html = (shop.folder / "outside" / "report.html").read_text()
    assert f"Outside the scope of this plan: {words}." in html


def test_a_scope_that_matches_nothing_is_not_called_done(shop, aws):
    session, difference = compared(shop, aws, "typo", "Orders-typo")
    diff.scope(difference, where="kind == 'modified' && after.totl == `0`")
    copy = copy_back.plan(session, modified="revert")
    copy.gate("")
    copy.apply()
    copy.verify()
    assert copy_back.ending(session.data) == 1


def test_an_approval_goes_on_with_the_pace_that_was_asked_for(shop, aws):
    session, _ = compared(shop, aws, "pace", "Orders-pace")
    assert "write_units 20.0" in copy_back.plan(session, write_units=20.0).command


@pytest.mark.parametrize("other", ["--at 2020-01-01T00:00:00Z", "--where kind=='removed'", "--target zzz"])
def test_an_approval_with_parameters_of_something_else_is_refused(shop, aws, other):
    before = shop.items()
    session, _ = compared(shop, aws, "else", "Orders-else")
    digest = copy_back.plan(session).plan.digest
    code, said = shop.pitrkit("recover", "Orders", "--incident", "else", "--approve", digest, *other.split())
    assert code == 2
    assert "another --" in said
    assert shop.items() == before


def test_an_undo_is_of_the_copy_that_was_approved(shop, aws):
    session, difference = compared(shop, aws, "twice", "Orders-twice")
    copies = []
    for kind in ("removed", "modified"):
        diff.scope(difference, kinds=kind)
        copy = copy_back.plan(Session.open("twice", aws=aws), modified="revert")
        copy.gate(copy.plan.digest)
        copy.apply()
        copy.verify()
        copies.append(copy.plan.digest)
    first = undo.plan(session, copy=copies[0])
    assert undo.plan(session, approve=first.plan.digest).plan.digest == first.plan.digest
    with pytest.raises(BadInput, match="not of"):
        undo.plan(session, copy=copies[1], approve=first.plan.digest)
    assert copies[0][:12] in first.command
