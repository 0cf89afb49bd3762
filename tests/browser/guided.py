"""The guided path by clicks and keys: from the front page to the report, stopping where an operator would look."""

import re

from jupyter import Notebook

from pitrkit.times import iso


def recover(page, address, truth, seen=lambda *_: None):
    """Recover the shop's table by hand; *seen* is called with each notebook at each stop."""
    start = Notebook(page, address, "00_start_here")
    start.run_all()
    seen(start, "00_start_here")

    select = Notebook(page, address, "01_select_table")
    select.run_all()
    assert "InputNeeded" in select.text()
    select.panel.get_by_role("radio", name="Orders", exact=True).check()
    select.wait()
    select.run_from("select_table.select(")
    assert "InputNeeded" not in select.text()
    seen(select, "01_select_table")

    pick = Notebook(page, address, "02_pick_timestamp")
    pick.run_all()
    assert "InputNeeded" in pick.text()
    _choose_a_candidate(pick)
    seen(pick, "02_candidate")
    pick.fill("UTC", iso(truth.good_at))
    pick.run_from("pick_timestamp.pick(")
    assert "InputNeeded" not in pick.text()
    seen(pick, "02_pick_timestamp")

    restore = Notebook(page, address, "03_restore")
    restore.run_all()
    assert "ready" in restore.text()
    seen(restore, "03_restore")

    diff = Notebook(page, address, "04_diff")
    diff.run_all()
    diff.fill("Where", truth.where)
    diff.press("Limit recovery to these")
    diff.run_from("diff.scope(")
    seen(diff, "04_diff")

    copy = Notebook(page, address, "05_copy_back")
    copy.set_parameter("attributes", ",".join(truth.attributes))
    copy.set_parameter("modified", "revert")
    copy.run_all()
    assert "gate closed" in copy.text()
    seen(copy, "05_gate_closed")
    copy.fill("Table's name", "orders")
    assert copy.button("Approve").is_disabled()
    copy.fill("Table's name", "Orders")
    copy.press("Approve")
    seen(copy, "05_approved")
    copy.run_from("copy.gate(")
    assert "gate closed" not in copy.text()
    seen(copy, "05_copy_back")

    report = Notebook(page, address, "06_report")
    report.run_all()
    assert "intact" in report.text()
    seen(report, "06_report")


def _choose_a_candidate(pick):
    pick.panel.locator("input[type=radio]").first.check()
    pick.wait()
    said = pick.panel.locator(".pk-view-time").inner_text()
    assert re.search(r"Chosen: [\dTZ:-]+\. Run the next cell", said), "a candidate fills the second"
    assert pick.panel.locator(".pk-live .pk-at").count() == 1, "and it is marked in the chart"
    pick.panel.locator(".pk-live .pk-col").nth(3).hover()
    assert pick.panel.locator(".pk-live .pk-read:visible").count() == 1, "what is pointed at is read out"
