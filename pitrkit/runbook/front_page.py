"""00: the front page: the incidents in progress, and which tables are protected."""

from __future__ import annotations

from typing import Any

from pitrkit.dynamodb.session import Aws
from pitrkit.errors import RecordAltered
from pitrkit.runbook import select, views, working_copy
from pitrkit.runbook.incident import Incident, now
from pitrkit.runbook.progress import Progress
from pitrkit.runbook.standing import standing
from pitrkit.runbook.views import View


def incidents(aws: Aws) -> View:
    """Return the incidents in this folder: where each stands, and the way to go on."""
    found: list[dict[str, Any]] = []
    links: dict[str, str] = {}
    unreadable: list[str] = []
    for one in Incident.existing():
        try:
            data = one.data
        except RecordAltered:
            unreadable.append(one.id)
            continue
        working_copy.lay_out(one)
        found.append(data)
        links[one.id] = working_copy.link(standing(data).notebook, one.id)
    return views.incidents_list(found, links=links, account=aws.caller().account, unreadable=unreadable)


def tables(aws: Aws) -> View:
    """Return every table with its protection, the unprotected ones first."""
    with Progress("Reading the tables", unit="tables") as progress:
        found = select.overview(aws, on_some=lambda some: progress(sum(one.known for one in some), len(some)))
    return views.tables_overview(found, at=now())
