"""Makes the README's pictures from the real thing: `make images`. Also every stop of the guided path, for looking at.

Usage: python tests/browser/pictures.py FOLDER [STOPS_FOLDER [dark]]
"""

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import guided
from jupyter import browser_page, lab

from pitrkit.sandbox import Sandbox
from pitrkit.sandbox.shop import orders


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
    if name == "05_gate_closed":
        plan = notebook.panel.locator(".jp-Cell", has_text="copy_back.plan(")
        gate = notebook.panel.locator(".jp-Cell", has_text="copy.gate(approve)")
        top, bottom = plan.bounding_box(), gate.bounding_box()
        height = bottom["y"] + bottom["height"] - top["y"]
        clip = {"x": top["x"], "y": top["y"], "width": top["width"], "height": height}
        page.screenshot(path=images / "notebook.png", clip=clip)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]), *sys.argv[3:])
