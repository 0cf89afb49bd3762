"""06: write the report, seal the record, audit it."""

from __future__ import annotations

import os
from pathlib import Path

from pitrkit.runbook import record, views, working_copy
from pitrkit.runbook import report as reporting
from pitrkit.runbook.blocks import Link
from pitrkit.runbook.book import Book
from pitrkit.runbook.sides import sides
from pitrkit.runbook.views import View


def report(book: Book) -> View:
    """Write the incident's report.html and say where it is."""
    book.done("report", "report_written", report="report.html")
    path = reporting.write(book.incident)
    data = book.data
    links = [Link("open the report", _seen_from_here(path), strong=True)] if _served(path) else []
    if data.get("copies"):
        links.append(Link("take a copy back", book.link("12_undo")))
    if any(data.get(side.by) == "incident" for side in sides(data)):
        links.append(Link("delete the restored copy", book.link("14_clean_up")))
    return views.report_card(path, data, links)


def _served(path: Path) -> bool:
    """Return whether JupyterLab serves *path* beside the notebooks."""
    shown = working_copy.folder()
    return shown is not None and path.resolve().is_relative_to(shown.parent)


def _seen_from_here(path: Path) -> str:
    return os.path.relpath(path.resolve(), Path.cwd())


def seal(book: Book) -> View:
    """Write the manifest over every file of the incident, and check the whole record against it."""
    record.seal(book.incident)
    return views.audit_card(record.audit(book.incident.folder))
