"""Exploring a large change set in a real browser: by keys and clicks, with hostile items in it, in both themes."""

import csv
import io
import json

import pytest

from pitrkit.aws.items import KeyAttribute, KeySchema, canonical
from pitrkit.recovery.changes.change import Change
from pitrkit.recovery.changes.change_set import ONE_COPY, from_changes

pytestmark = [pytest.mark.browser, pytest.mark.takes(25)]

KEY = KeySchema((KeyAttribute("customer_id", "S", "HASH"), KeyAttribute("order_no", "N", "RANGE")))
EVIL = "<img src=x onerror='window.pwned=1'><script>window.pwned=1</script>\u202e=cmd()"
MANY = 20_000
CELLS = """from pathlib import Path
from pitrkit.recovery.changes.change_set import ChangeSet
from pitrkit.runbook.diff.explorer import Explorer
explorer = Explorer(ChangeSet.open(Path(r"{folder}")))
explorer"""


def change(number):
    key = {"customer_id": {"S": f"c-{number:06}"}, "order_no": {"N": str(number)}}
    order = {
        **key,
        "status": {"S": "PAID"},
        "total": {"N": str((number * 7919) % 100_003)},
        "note": {"S": EVIL if number == 3 else "please ring twice"},
        "address": {"M": {"street": {"S": "Gartenweg 7"}, "geo": {"L": [{"N": "47.37"}, {"N": "8.5"}]}}},
        "label": {"B": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"},
    }
    mangled = {**order, "status": {"S": "CANCELLED"}, "address": {"M": {"street": {"S": EVIL}}}}
    if number % 5 == 4:
        return Change(canonical(key), "removed", canonical(order), None)
    if number % 5 == 2:
        mangled = {**order, "total": {"N": "0"}}
    return Change(canonical(key), "modified", canonical(order), canonical(mangled))


@pytest.fixture
def change_set(tmp_path):
    times = {"before_at": "2026-11-23T02:14:05Z", "after_at": "2026-11-23T05:20:00Z"}
    changes = (change(number) for number in range(MANY))
    return from_changes(changes, tmp_path / "changes", table="Orders", key_schema=KEY, source=ONE_COPY, **times)


def notebook(folder):
    cell = {
        "cell_type": "code", "id": "explore", "metadata": {}, "execution_count": None, "outputs": [],
        "source": CELLS.format(folder=folder),
    }  # fmt: skip
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": about, "cells": [cell]})


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_a_large_change_set_is_explored_by_keys_and_clicks(tmp_path, change_set, theme):
    from jupyter import Notebook, barriers, browser_page, lab

    with lab(tmp_path, {}) as address, browser_page(height=1500) as page:
        (tmp_path / "work" / "runbook" / "explore.ipynb").write_text(notebook(change_set.folder))
        opened = Notebook(page, address, "explore")
        page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
        opened.run_all()
        explore(opened, page)
        assert page.evaluate("() => window.pwned") is None
        assert opened.errors() == []
        assert page.complaints == []
        assert barriers(page) == []
        assert page.outside == []


def explore(opened, page):
    panel = opened.panel
    status = panel.get_by_role("status")
    rows = panel.locator("tr[data-row]")
    status.get_by_text(f"1 to 10 of {MANY:,} changes").wait_for()
    assert not panel.locator(".pk-view-explored").is_visible(), "the still picture makes room for the live one"

    # By keys alone: down into the next page, to the end, and open the last item.
    rows.first.focus()
    for _ in range(10):
        page.keyboard.press("ArrowDown")
    status.get_by_text(f"11 to 20 of {MANY:,} changes").wait_for()
    assert page.evaluate("() => document.activeElement.matches('tr[data-row]')"), "the focus came along"
    page.keyboard.press("End")
    status.get_by_text(f"to {MANY:,} of {MANY:,} changes").wait_for()
    page.keyboard.press("Enter")
    panel.locator(".pk-view-item").get_by_text(f'customer_id = "c-{MANY - 1:06}"').wait_for()
    page.keyboard.press("d")
    page.keyboard.press("d")
    assert panel.locator(".jp-Cell").count() == 1, "what is typed in the grid is no command on the cell"
    page.keyboard.press(" ")
    status.get_by_text("1 selected").wait_for()

    # Headings sort all of it.
    panel.get_by_role("button", name="order_no", exact=True).click()
    panel.get_by_role("button", name="order_no", exact=False).first.click()
    rows.first.get_by_text(f"c-{MANY - 1:06}").wait_for()
    assert panel.locator("th[aria-sort=descending]").count() == 1

    # Hostile items are text.
    opened.fill("Search", "onerror=")
    status.get_by_text(f"of {MANY * 3 // 5:,} changes").wait_for()
    rows.first.click()
    panel.locator(".pk-view-item").get_by_text("<script>window.pwned=1</script>").first.wait_for()
    assert panel.locator(".pk-live-view img, .pk-view-item img, .pk-view-item script").count() == 0
    opened.press("Clear filters")
    status.get_by_text(f"of {MANY:,} changes").wait_for()

    # What changed together, as one press; the item inside has its nested values open and the changed ones marked.
    panel.get_by_role("button", name="Exactly total changed").click()
    status.get_by_text(f"of {MANY // 5:,} changes").wait_for()
    rows.first.click()
    panel.locator(".pk-view-item mark").get_by_text("0", exact=True).wait_for()

    # An attribute by its value.
    opened.press("Clear filters")
    panel.get_by_label("Attribute", exact=True).select_option("status")
    panel.get_by_label("How", exact=True).select_option("is")
    opened.fill("Value", "CANCELLED")
    opened.press("Add filter")
    status.get_by_text(f"of {MANY * 3 // 5:,} changes").wait_for()
    panel.get_by_text("items where status now is CANCELLED").first.wait_for()

    # Copied, none of it is a formula.
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.press("Copy as CSV")
    status.get_by_text("copied as CSV, the first of").wait_for()
    copied = list(csv.reader(io.StringIO(page.evaluate("() => navigator.clipboard.readText()"))))
    assert len(copied) == 5_001
    assert not [cell for row in copied for cell in row if cell.startswith("=")]

    opened.press("Limit recovery to these")
    panel.get_by_text("Scope: items where status now is CANCELLED").wait_for()
