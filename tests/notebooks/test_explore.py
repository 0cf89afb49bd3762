"""What is pressed in the explorer is what gets planned, in the classic route."""

from pitrkit.dynamodb.pitr import iso
from pitrkit.recovery.changes import ChangeSet
from pitrkit.runbook import compare
from pitrkit.runbook.book import Book


def test_what_was_filtered_and_used_is_the_scope_of_the_plan_at_once(shop):
    run = shop.pitrkit
    assert run("run", "01_select_table", "-p", "table", "Orders", "-p", "incident", "look")[0] == 0
    assert run("run", "02_pick_timestamp", "-p", "incident", "look", "-p", "at", iso(shop.truth.good_at))[0] == 0
    assert run("run", "03_restore", "-p", "incident", "look", "-p", "target", "Orders-look")[0] == 0
    assert run("run", "04_diff", "-p", "incident", "look")[0] == 0
    book = Book.open("look")
    difference = compare.Difference(book, ChangeSet.open(book.path(book.data["changes"])))
    explorer = difference.explorer()
    for kind in ("modified", "inserted"):
        explorer.filters.kinds[kind].value = False
    explorer.use.click()
    removed = difference.changes.counts.removed
    assert f"{removed} changes of {len(difference.changes)} are in scope" in explorer.said.value
    kept = shop.incident("look")
    assert kept["scope"]["words"] == "removed items"
    assert (kept["scoped"]["removed"], kept["scoped"]["modified"]) == (removed, 0)
    scoped = compare.scope(difference, explorer=explorer)
    assert scoped.changes.folder == book.path(kept["scoped_changes"]), "the next cell takes what is there"
    assert run("run", "05_copy_back", "-p", "incident", "look")[0] == 3
    plan = shop.incident("look")["plan"]
    assert (plan["puts"] + plan["left"], plan["updates"], plan["deletes"]) == (removed, 0, 0)
