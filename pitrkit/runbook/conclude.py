"""06: write the report, seal the record, audit it."""

from __future__ import annotations

from pitrkit.runbook import keeping, record, views
from pitrkit.runbook import report as reporting
from pitrkit.runbook.book import Book
from pitrkit.runbook.views import View


def report(book: Book) -> View:
    """Write the incident's report.html and say where it is."""
    book.done("report", "report_written", report="report.html")
    path = reporting.write(book.incident)
    return views.report_card(path, book.data)


def seal(book: Book) -> View:
    """Write the manifest over every file of the incident, upload it if that is set, and check the whole record."""
    problems = keeping.keep(book.incident, seal=True)
    return views.audit_card(record.audit(book.incident.folder), problems)
