"""Copying back by hand when nothing goes smoothly: a closed gate, a stale plan, an interrupt, conflicts, the undo.

Usage, for looking at every stop: python tests/browser/copying.py FOLDER [dark]
"""

import sys
import tempfile
from pathlib import Path

from jupyter import Notebook, browser_page, lab

from pitrkit.aws.client.client import Aws
from pitrkit.cli.demo import variables
from pitrkit.incident.incident import ROOT_VARIABLE
from pitrkit.runbook.diff import diff
from pitrkit.runbook.start import select_table
from pitrkit.sandbox import Sandbox

sys.path.insert(0, str(Path(__file__).parent))

KEYED = {
    "KeySchema": [{"AttributeName": "customer", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "customer", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}
ITEMS = 64
HOSTILE = "<img src=x onerror=alert(1)>\u202egnp.exe\u200b"


class Shop:
    """A table and a copy of its past, and an incident about them that stands before 05."""

    def __init__(self, sandbox, folder):
        self.client = sandbox.client("dynamodb")
        self.environment = {**sandbox.environment(), ROOT_VARIABLE: str(folder / "incidents")}
        for table in ("Orders", "Orders-then"):
            self.client.create_table(TableName=table, **KEYED)
        for number in range(ITEMS):
            self.put("Orders-then", number, "PAID")
            if number % 2:
                self.put("Orders", number, "CANCELLED")
        with variables(self.environment):
            diff.diff(select_table.select(Aws.connect(), "Orders", incident="night", restored="Orders-then"))

    def put(self, table, number, status, **more):
        item = {"customer": {"S": f"c-{number:03}"}, "status": {"S": status}, "note": {"S": HOSTILE}}
        item["lines"] = {"L": [{"M": {"sku": {"S": "A-1"}, "count": {"N": "2"}}}]}
        item |= {name: {"S": text} for name, text in more.items()}
        self.client.put_item(TableName=table, Item=item)

    def statuses(self):
        pages = self.client.get_paginator("scan").paginate(TableName="Orders", ConsistentRead=True)
        items = [item for page in pages for item in page["Items"]]
        return {int(item["customer"]["S"][2:]): item["status"]["S"] for item in items}

    def unwritten(self):
        """Numbers of items that the copy has not come to yet, in turn gone and mangled."""
        found = self.statuses()
        return [number for number in range(ITEMS) if found.get(number) != "PAID"]


def story(page, address, shop, seen=lambda *_: None):
    """Copy back through everything that can come in between; *seen* is called at each stop.

    Returns the numbers of two items that somebody else wrote while the copy stood still.
    """
    copy = Notebook(page, address, "05_copy_back")
    for name, value in (("modified", "revert"), ("accept", "no-pitr"), ("write_units", 12)):
        copy.set_parameter(name, value)
    closed_gate(copy, shop, seen)
    stale_plan(copy, shop, seen)
    left = interrupted(copy, shop, seen)
    theirs = [next(number for number in left if number % 2 == odd and number != 1) for odd in (0, 1)]
    gone_on_with(copy, shop, theirs, seen)
    decided(copy, seen)
    undone(copy, seen)
    return theirs


def closed_gate(copy, shop, seen):
    """Nothing is written, and what it waits for is said."""
    damaged = shop.statuses()
    copy.run_all()
    assert len(copy.errors()) == 1
    assert "gate closed" in copy.errors()[0]
    said = copy.panel.locator(".pk-view-gate").inner_text()
    assert "Nothing is written before approval" in said
    assert "pitrkit run 05_copy_back" in said
    assert shop.statuses() == damaged
    seen("1_closed_gate")


def stale_plan(copy, shop, seen):
    """Somebody writes meanwhile: what moved is said, and the plan is made again; the old approval opens nothing."""
    before, first = shop.statuses(), digest(copy)
    shop.put("Orders", 1, "SHIPPED")
    copy.press("Check for changes since the plan")
    copy.panel.locator(".pk-view-drift").wait_for()
    assert "1 of 64 items were written since this plan was made" in copy.panel.locator(".pk-view-drift").inner_text()
    seen("2_moved")
    copy.press("Plan again")
    copy.panel.locator(".pk-view-note", has_text="New plan").wait_for()
    assert digest(copy) != first, "the plan's card is that of the plan which would be approved"
    copy.set_parameter("approve", first)
    copy.run_from("copy.gate(")
    said = copy.panel.locator(".pk-view-stale").inner_text()
    assert "The plan is stale" in said
    assert first[:12] in said
    assert shop.statuses() == {**before, 1: "SHIPPED"}
    seen("3_stale")


def interrupted(copy, shop, seen):
    """Approved by keys alone, and interrupted while it writes; return what is still to be written."""
    copy.set_parameter("approve", "")
    approve(copy)
    seen("4_approved")
    copy.start_from("copy.gate(")
    copy.panel.locator(".pk-view-tally .pk-tile").first.wait_for()
    copy.page.wait_for_timeout(1500)
    seen("5_writing")
    copy.command("notebook:interrupt-kernel")
    copy.wait()
    assert "Interrupted, and safe" in copy.panel.locator(".pk-view-interrupted").inner_text()
    left = shop.unwritten()
    assert 3 < len(left) < ITEMS
    seen("6_interrupted")
    return left


def gone_on_with(copy, shop, theirs, seen):
    """It goes on where it stopped. What was written by somebody else meanwhile is left alone."""
    for number in theirs:
        shop.put("Orders", number, "SHIPPED", parcel=f"P-{number}")
    copy.run_from("copy.apply(")
    assert copy.errors() == []
    assert all(shop.statuses()[number] == "SHIPPED" for number in theirs)
    seen("7_conflicts")


def decided(copy, seen):
    """The first conflict is taken, the last one kept: a new plan at the same gate."""
    before = digest(copy)
    rows = copy.panel.locator(".widget-toggle-buttons")
    rows.first.get_by_role("button", name="take ours").focus()
    copy.page.keyboard.press("Enter")
    rows.last.get_by_role("button", name="keep theirs").click()
    copy.press("Make a new plan of ours")
    copy.panel.locator(".pk-view-note", has_text="waits at the gate").wait_for()
    assert digest(copy) != before
    seen("8_decided")
    approve(copy)
    copy.run_from("copy.gate(")
    assert copy.errors() == []
    seen("9_settled")


def undone(copy, seen):
    """The undo is one link away from the copy."""
    copy.panel.locator(".pk-view-applied a", has_text="Undo this copy").focus()
    copy.page.keyboard.press("Enter")
    copy.page.wait_for_function("() => window.jupyterapp.shell.currentWidget?.context?.path.endsWith('/12_undo.ipynb')")
    undo = Notebook.current(copy.page)
    undo.run_all()
    assert "Choose one" in undo.text() or "gate closed" in undo.text()
    seen("10_undo")


def approve(copy):
    """Type the table's name and press Approve, with the keyboard."""
    field = copy.panel.get_by_label("Table's name", exact=True)
    field.fill("Orders")
    field.press("Enter")
    copy.page.wait_for_timeout(300)
    copy.button("Approve").focus()
    copy.page.keyboard.press("Enter")
    copy.panel.locator(".pk-view-note", has_text="Approved ").wait_for()


def digest(copy):
    """Return the digest on the plan's card."""
    card = copy.panel.locator(".pk-view-plan").first
    return card.locator("tr", has_text="digest").locator("td").inner_text()


def main(folder, theme="light"):
    with tempfile.TemporaryDirectory() as temporary, Sandbox() as sandbox:
        shop = Shop(sandbox, Path(temporary))
        dark = theme == "dark"
        with (
            lab(Path(temporary), shop.environment, dark=dark) as address,
            browser_page(height=4200, dark=dark) as page,
        ):

            def seen(name):
                page.wait_for_timeout(400)
                page.screenshot(path=folder / f"{name}.png")

            story(page, address, shop, seen)


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    main(Path(sys.argv[1]), *sys.argv[2:])
