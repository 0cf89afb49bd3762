"""JupyterLab on the runbook in a real browser, driven as an operator would: keys, clicks, running cells."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.request import urlopen

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--disable-quic",
]  # fmt: skip
SETTINGS = {
    # Every cell is in the page, not only those in view.
    "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
}

DARK = {"@jupyterlab/apputils-extension/themes.jupyterlab-settings": {"theme": "JupyterLab Dark"}}


@contextmanager
def lab(folder, environment, *, dark=False):
    """Serve `pitrkit lab` in *folder*; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = folder / "settings"
    for name, value in {**SETTINGS, **(DARK if dark else {})}.items():
        (settings / name).parent.mkdir(parents=True, exist_ok=True)
        (settings / name).write_text(json.dumps(value))
    options = [
        "--no-browser", "--ip=127.0.0.1", f"--ServerApp.port={port}", "--IdentityProvider.token=", "--allow-root",
        "--LabApp.expose_app_in_browser=True", "--ServerApp.port_retries=0",
    ]  # fmt: skip
    place = folder / "work"
    place.mkdir()
    log = (folder / "lab.log").open("wb")
    running = subprocess.Popen(
        [sys.executable, "-m", "pitrkit", "lab", "--", *options],
        cwd=place,
        env={
            **os.environ,
            **environment,
            "JUPYTERLAB_SETTINGS_DIR": str(settings),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "IPYTHONDIR": str(folder / "ipython"),
        },
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/api/status", running, folder / "lab.log")
        yield address
    finally:
        os.killpg(running.pid, 15)
        running.wait(timeout=30)
        log.close()


def _wait_for(url, running, log):
    for _ in range(240):
        assert running.poll() is None, log.read_text()
        try:
            with urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.25)
    raise AssertionError(log.read_text())


@contextmanager
def browser_page(*, width=1280, height=900, dark=False):
    """Yield a page that records what it asks of other machines, `outside`, and what it complains about."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        page = context.new_page()
        page.outside = []
        page.on("request", lambda request: _note(page, request.url))
        page.complaints = []
        page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("dialog", lambda dialog: _answered(page, dialog))
        yield page
        browser.close()


def _note(page, url):
    if not re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:|about:", url):
        page.outside.append(url)


def barriers(page):
    """Return what stands in the way of people with a screen reader, or weak eyes, in the outputs of the notebook seen.

    By WCAG 2.1 A and AA, as far as axe can tell: names of controls, contrast, structure.
    """
    outputs = {"include": [[".jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea"]]}
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    found = Axe().run(page, context=outputs, options=options).response["violations"]
    return [(one["id"], node["html"][:200]) for one in found for node in one["nodes"]]


def _answered(page, dialog):
    if dialog.type != "beforeunload":  # leaving a notebook unsaved is what the tests do on purpose
        page.complaints.append(dialog.message)
    dialog.accept()


class Notebook:
    """One notebook, open in JupyterLab."""

    def __init__(self, page, address, name):
        self._adopt(page, name)
        page.goto(f"{address}/lab/tree/runbook/{name}.ipynb?reset")
        # The page's load event comes before JupyterLab's own modules have made the app, and the notebook after both.
        page.wait_for_function("() => window.jupyterapp", timeout=120_000)
        page.evaluate("() => window.jupyterapp.restored")
        page.wait_for_function(
            "name => window.jupyterapp.shell.currentWidget?.context?.path.endsWith(name)",
            arg=f"{name}.ipynb",
            timeout=120_000,
        )
        self._ready()

    @classmethod
    def current(cls, page):
        """Return the notebook that a link has opened."""
        notebook = cls.__new__(cls)
        path = page.evaluate("() => window.jupyterapp.shell.currentWidget.context.path")
        notebook._adopt(page, path.removeprefix("runbook/").removesuffix(".ipynb"))
        notebook._ready()
        return notebook

    def _adopt(self, page, name):
        self.page, self.name = page, name
        self.panel = page.locator(".jp-NotebookPanel:visible").last

    def _ready(self):
        self.page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell")
        self.page.evaluate(
            """async () => {
              const panel = window.jupyterapp.shell.currentWidget;
              await panel.context.ready; await panel.sessionContext.ready;
              await panel.sessionContext.session.kernel.info;
            }"""
        )

    def command(self, name):
        """Start one of JupyterLab's commands without waiting for it."""
        self.page.evaluate("name => { window.jupyterapp.commands.execute(name); }", name)

    def run_all(self):
        self.command("notebook:run-all-cells")
        self.wait()

    def run_from(self, text):
        """Run the cell that holds *text* and all below, as after a click above it."""
        self.start_from(text)
        self.wait()

    def start_from(self, text):
        """Start what `run_from` runs, and do not wait for it."""
        self.page.evaluate(
            """text => {
              const notebook = window.jupyterapp.shell.currentWidget.content;
              notebook.activeCellIndex = notebook.widgets.findIndex(
                cell => cell.model.type === 'code' && cell.model.sharedModel.source.includes(text));
            }""",
            text,
        )
        self.command("notebook:run-all-below")

    def wait(self, seconds=120):
        """Wait until no cell is running or queued."""
        self.page.wait_for_timeout(400)
        self.page.wait_for_function(
            """() => ![...document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-InputPrompt')]
                     .some(prompt => prompt.textContent.includes('*'))""",
            timeout=seconds * 1000,
        )

    def errors(self):
        """Return the text of each cell's error, and of whatever else went to stderr."""
        return self.panel.locator("[data-mime-type='application/vnd.jupyter.stderr']").all_inner_texts()

    def text(self):
        return self.panel.inner_text()

    def set_parameter(self, name, value):
        """Edit the parameters cell as an operator would, and run it."""
        self.page.evaluate(
            """([name, value]) => {
              const notebook = window.jupyterapp.shell.currentWidget.content;
              notebook.activeCellIndex = 1;
              const shared = notebook.widgets[1].model.sharedModel;
              const line = new RegExp(`^(${name}: \\\\w+ = )("[^"]*"|[\\\\w.]+)`, 'm');
              shared.setSource(shared.source.replace(line, (_, head) => head + JSON.stringify(value)));
            }""",
            [name, value],
        )
        self.command("notebook:run-cell")
        self.wait()

    def fill(self, label, value):
        """Type into the field of that label and leave it."""
        field = self.panel.get_by_label(label, exact=True)
        field.fill(value)
        field.press("Enter")
        self.wait()

    def press(self, name):
        self.button(name).click()
        self.page.wait_for_timeout(400)

    def button(self, name):
        # Not by its exact accessible name: the icon's glyph is part of that.
        return self.panel.locator("button.jupyter-button", has_text=name)
