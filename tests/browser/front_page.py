"""The way in, by keys and clicks: the front page, an incident opened there, its notebooks, and the front page again."""

import re

from jupyter import Notebook


def way_in(page, address, good_at, *, dark=False, seen=lambda *_: None):
    """Open an incident on the front page and follow its links until the table is restored."""
    start = Notebook(page, address, "00_start_here")
    start.run_all()
    assert start.errors() == []
    assert "There are no incidents here yet" in start.text()
    seen(start, "00_first")
    start.panel.get_by_label("Items were deleted").check()
    start.panel.get_by_label("Table", exact=True).fill("Orders")
    start.panel.get_by_label("Table", exact=True).press("Tab")
    start.button("Open the incident").focus()
    page.keyboard.press("Enter")
    start.wait()
    opened = start.panel.locator(".pk-view-begun")
    opened.wait_for()
    seen(start, "00_opened")

    pick = _follow(page, opened.get_by_role("link", name="02_pick_timestamp"), "02_pick_timestamp")
    pick.run_all()
    assert "InputNeeded" in pick.text()
    pick.fill("UTC", good_at)
    pick.run_from("pick_timestamp.pick(")
    assert pick.errors() == []
    seen(pick, "02_picked")
    pick.command("docmanager:save")
    pick.wait()

    restore = _follow(page, pick.panel.locator(".pk-view-onward a.pk-strong"), "03_restore")
    restore.run_all()
    assert restore.errors() == []
    assert "ready" in restore.text()
    seen(restore, "03_restore")

    again = Notebook(page, address, restore.name.replace("03_restore", "02_pick_timestamp"))
    assert good_at.replace("T", " ").removesuffix("Z") in again.text(), "what was seen yesterday is still there"
    again.run_all()
    assert again.errors() == []
    assert again.panel.locator(".pk-view-onward a.pk-strong").inner_text() == "04_diff"
    select = _follow(page, again.panel.locator(".pk-steps a", has_text="01 select table"), "01_select_table")
    select.run_all()
    assert select.errors() == []
    assert "Chosen: Orders" in select.text()
    seen(select, "01_select")

    start = Notebook(page, address, "00_start_here")
    start.run_all()
    assert start.panel.locator(".pk-view-incidents").get_by_role("link", name="04_diff").count() == 1
    assert page.evaluate("() => document.body.dataset.jpThemeLight") == ("false" if dark else "true")
    seen(start, "00_again")


def _follow(page, link, name):
    """Press Enter on a link; return the notebook that it opens, which is the incident's own."""
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_function(
        "name => window.jupyterapp.shell.currentWidget?.context?.path.endsWith(name)", arg=f"/{name}.ipynb"
    )
    path = page.evaluate("() => window.jupyterapp.shell.currentWidget.context.path")
    assert re.fullmatch(rf"runbook/Orders-\d{{8}}-\d{{6}}/{name}\.ipynb", path), path
    return Notebook.current(page)
