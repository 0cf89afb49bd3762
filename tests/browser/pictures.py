"""Makes the README's pictures from the real thing: `make images`. Also every stop of the guided path, for looking at.

Usage: python tests/browser/pictures.py FOLDER [STOPS_FOLDER [dark]]
"""

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import guided
from jupyter import browser_page, lab

from pitrkit.sandbox import Sandbox
from pitrkit.sandbox.scenario.shop import orders

sys.path.insert(0, str(Path(__file__).parent))

CUTS = {
    "00_start_here": ("session.here(aws)", "begun = start_here.begin("),
    "01_select_table": ("tables = select_table.choose(", "tables = select_table.choose("),
    "02_candidate": ("picker = window.picker(at)", "picker = window.picker(at)"),
    "03_restore": ("restore.wait(", "incident_book.onward("),
    "04_diff": ("explorer = difference.explorer()", "explorer = difference.explorer()"),
    "05_gate_closed": ("copy = copy_back.plan(", "copy.gate(approve)"),
    "05_copy_back": ("copy.apply()", "copy.conflicts("),
}
"""What the README shows of each stop: from the cell with the first text to that with the second."""


def main(images, stops=None, theme="light"):
    scenario = orders(7, now=datetime.now(UTC))
    with tempfile.TemporaryDirectory() as temporary, Sandbox(restore_seconds=2) as sandbox:
        folder = Path(temporary)
        scenario.lay_into(sandbox)
        dark = theme == "dark"
        with (
            lab(folder, sandbox.environment(), dark=dark) as address,
            browser_page(height=3400, dark=dark) as page,
        ):
            guided.recover(
                page, address, scenario.truth, lambda notebook, name: _seen(page, notebook, name, images, stops)
            )
        (report,) = (folder / "work" / "incidents").glob("*/report.html")
        with browser_page(width=1000, height=1400) as page:
            page.goto(report.as_uri())
            page.screenshot(path=images / "report.png")
            if stops:
                page.screenshot(path=stops / "report.png", full_page=True)


def _seen(page, notebook, name, images, stops):
    if stops:
        page.wait_for_timeout(500)
        page.screenshot(path=stops / f"{name}.png")
    if name in CUTS:
        first, last = (notebook.panel.locator(".jp-Cell", has_text=text).first for text in CUTS[name])
        first.evaluate("cell => cell.scrollIntoView({block: 'start'})")
        page.wait_for_timeout(300)
        top, bottom = first.bounding_box(), last.bounding_box()
        clip = {**top, "height": bottom["y"] + bottom["height"] - top["y"]}
        page.screenshot(path=images / f"{name}.png", clip=clip)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]), *sys.argv[3:])
