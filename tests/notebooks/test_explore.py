"""What is pressed in the explorer is what gets planned, in the classic route."""

import pytest

from pitrkit.recovery.changes.change_set import ChangeSet
from pitrkit.runbook.change_log import rollback_without_restore
from pitrkit.runbook.diff import diff
from pitrkit.runbook.session.session import Session
from pitrkit.times import iso

pytestmark = pytest.mark.takes(20)


def test_what_was_filtered_and_used_is_the_scope_of_the_plan_at_once(shop):
    run = shop.pitrkit
    assert run("run", "01_select_table", "-p", "table", "Orders", "-p", "incident", "look")[0] == 0
    assert run("run", "02_pick_timestamp", "-p", "incident", "look", "-p", "at", iso(shop.truth.good_at))[0] == 0
    assert run("run", "03_restore", "-p", "incident", "look", "-p", "target", "Orders-look")[0] == 0
    assert run("run", "04_diff", "-p", "incident", "look")[0] == 0
    session = Session.open("look")
    difference = diff.IncidentChanges(session, ChangeSet.open(session.path(session.data["changes"])))
    explorer = difference.explorer()
    for kind in ("modified", "inserted"):
        explorer.filters.kinds[kind].value = False
    explorer.use.click()
    removed = difference.changes.counts.removed
    assert f"{removed} changes of {len(difference.changes)} are in scope" in explorer.status_line.value
    kept = shop.incident("look")
    assert kept["scope"]["words"] == "removed items"
    assert (kept["scoped"]["removed"], kept["scoped"]["modified"]) == (removed, 0)
    scoped = diff.scope(difference, explorer=explorer)
    assert scoped.changes.folder == session.path(kept["scoped_changes"]), "the next cell takes what is there"
    assert run("run", "05_copy_back", "-p", "incident", "look")[0] == 3
    plan = shop.incident("look")["plan"]
    assert (plan["puts"] + sum(plan["left"].values()), plan["updates"], plan["deletes"]) == (removed, 0, 0)


def test_damage_that_was_narrowed_down_stays_so_when_the_notebook_is_run_again(shop):
    asked = ("run", "10", "-p", "incident", "narrow", "-p", "source", "stream", "-p", "since", iso(shop.truth.good_at))
    where = ("-p", "where", shop.truth.where)
    assert shop.pitrkit("run", "01", "-p", "table", "Orders", "-p", "incident", "narrow")[0] == 0
    assert shop.pitrkit(*asked, *where)[0] == 3
    session = Session.open("narrow", without_restore=True)
    damage = rollback_without_restore.read(session, source="stream", since=iso(shop.truth.good_at)).damage(
        where=shop.truth.where
    )
    removed = damage.changes.counts.removed
    assert 0 < removed < len(damage.changes)
    explorer = damage.explorer()
    for kind in ("modified", "inserted"):
        explorer.filters.kinds[kind].value = False
    explorer.use.click()
    for again in ((), where):
        assert shop.pitrkit(*asked, *again)[0] == 3
        kept = shop.incident("narrow")
        assert (kept["scoped"]["removed"], kept["scoped"]["modified"]) == (removed, 0)
        assert (kept["plan"]["puts"] + sum(kept["plan"]["left"].values()), kept["plan"]["updates"]) == (removed, 0)
        assert kept["diff"]["modified"] > 0, "the damage itself is what it was"
        assert kept["scope"]["words"].endswith("; of these, removed items")
    assert shop.pitrkit(*asked, "-p", "kinds", "modified")[0] == 3
    assert shop.incident("narrow")["scoped"]["modified"] > 0, "other damage is not narrowed down by that"
