"""06: the report, one HTML file of what was damaged, restored and approved, and how to undo it; the seal.

It is made from the incident's own record and nothing else, holds no script and loads nothing, reads well on paper, and
is complete for as far as the incident got. What cannot be read is said in the report rather than left out of it.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from pitrkit import __version__
from pitrkit import files as logs
from pitrkit.aws.items import changed_attributes
from pitrkit.aws.services.cloudtrail import TrailEvent
from pitrkit.errors import PitrkitError
from pitrkit.incident import working_copy
from pitrkit.incident.event_log import LogEvent
from pitrkit.incident.incident import Incident
from pitrkit.incident.state import SHORTEST, outside_plan, outside_words, sides
from pitrkit.record import archive, audit
from pitrkit.recovery.apply import journal as journals
from pitrkit.recovery.apply.journal import Conflict
from pitrkit.recovery.changes.change import KINDS
from pitrkit.recovery.changes.change_set import ChangeSet
from pitrkit.recovery.plan.plan import Plan
from pitrkit.recovery.plan.policy import FOR_A_PERSON
from pitrkit.runbook.copy_back import freeze
from pitrkit.runbook.copy_back.plan_views import policy_words, scope_words
from pitrkit.runbook.diff.views import side_by_side
from pitrkit.runbook.finish import drill_history, milestones
from pitrkit.runbook.finish.drill_history import DrillChart, DrillRecord
from pitrkit.runbook.finish.milestones import Milestone, Timeline
from pitrkit.runbook.session import views as session_views
from pitrkit.runbook.session.session import Session
from pitrkit.runbook.session.verdict import Verdict, verdict_of
from pitrkit.runbook.timeline import chart as pictures
from pitrkit.runbook.timeline import table_history as lives
from pitrkit.runbook.timeline.chart import Picture
from pitrkit.runbook.timeline.table_history import TableHistory
from pitrkit.runbook.timeline.views import nearest
from pitrkit.ui.blocks import Link, Sample
from pitrkit.ui.text import duration, folded, key_text, moment, visible
from pitrkit.ui.view import View, worded

T = TypeVar("T")

NAME = "report.html"
SAMPLES = {"removed": 3, "modified": 5, "inserted": 3}
CONFLICTS = 50
KEYS = 20
ATTRIBUTES = 20
DETAIL = 180
_OWN = "06_report"

_LEFT_BECAUSE = {
    "kept by policy": "the policy keeps them as they are",
    "undecided": "modified, no decision was made",
    "changed since": "written again after they were compared",
    "already so": "already correct",
    "exists again": "an item had come into being under this key again",
    "expired": "expired, so the table would delete them again",
    "also written by others": "others had written them, too",
    "an index refuses it": "their earlier values did not fit the key of an index",
}


@dataclass(frozen=True)
class ReportData:
    """What the report shows; what an incident did not get to is empty.

    Attributes:
        incident: Its id.
        title: What was done, to which table.
        written_at: When the report was written.
        verdict: How it stands.
        facts: Label and value.
        timeline: The milestones, drawn.
        life: The table's life as it was known when T was picked, None if it was not looked at.
        picture: That life, drawn.
        done_nearby: Deploys and changes of the table nearest to T.
        state: What `incident.json` says.
        scope: What the changes were narrowed to, in words.
        samples: Changes side by side, by kind.
        attributes: In how many modified items an attribute was changed, added, removed: dicts, busiest first.
        outside: What the plan's scope leaves out, in words; empty when it is nothing.
        policy: What the plan does with each kind, in words.
        left: Count, reason, and first keys of those that wait for a person.
        conflicts: Key and what was found, for the first ones.
        notebooks: What was run: name, when, how it ended, how long it took.
        events: The event log.
        undo_command: How to take it back; empty when nothing was written.
        missing: What could not be read, and why.
        drill: What the drill found, if the incident is one, with
        drills: it and those of the table before it, drawn.
        last_hash: SHA-256 of the last event's line.
    """

    incident: str
    title: str
    written_at: datetime
    verdict: Verdict
    facts: Sequence[tuple[str, str]]
    timeline: Timeline
    state: dict[str, Any]
    life: TableHistory | None = None
    picture: Picture | None = None
    done_nearby: Sequence[TrailEvent] = ()
    scope: str = "everything"
    samples: dict[str, Sequence[Sample]] = field(default_factory=dict)
    attributes: Sequence[dict[str, Any]] = ()
    outside: str = ""
    policy: Sequence[str] = ()
    left: Sequence[tuple[int, str, Sequence[str]]] = ()
    conflicts: Sequence[tuple[str, str]] = ()
    notebooks: Sequence[dict[str, Any]] = ()
    events: Sequence[LogEvent] = ()
    undo_command: str = ""
    missing: Sequence[str] = ()
    drill: DrillRecord | None = None
    drills: DrillChart | None = None
    last_hash: str = ""
    version: str = __version__


def write(incident: Incident) -> Path:
    """Write the incident's `report.html` as things stand now, and return its path.

    Raises:
        RecordAltered: `incident.json` cannot be read.
        PitrkitError: The report cannot be written.
    """
    path = incident.path(NAME)
    logs.replace(path, render(gather(incident)).encode("utf-8", "backslashreplace"))
    return path


def gather(incident: Incident) -> ReportData:
    """Return what the report shows, read from the incident's folder."""
    state = incident.data
    happened = incident.events()
    missing: list[str] = []

    def attempt(title: str, read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except PitrkitError as error:
            missing.append(f"{title} cannot be shown: {error.what}")
            return otherwise

    life = attempt("Write activity and deployments", lambda: lives.load(incident), None)
    drill = DrillRecord.of(
        state
    )  # of its items the report says nothing: they are the real table's, and nobody asked for them
    changes_path = "" if drill else state.get("scoped_changes") or state.get("changes")
    digest = "" if drill else str((state.get("plan") or {}).get("digest") or "")
    report_fields: dict[str, Any] = {}
    if changes_path:
        report_fields |= attempt("What differed", lambda: _changes(incident.path(str(changes_path))), report_fields)
    if digest:
        plan = attempt("The plan", lambda: Plan.open(incident.path("plan", digest[:SHORTEST])), None)
        if plan is not None:
            report_fields |= {"policy": policy_words(plan.policy), "left": _left(plan)}
            if (state.get("apply") or {}).get("conflicts"):
                path = incident.path("journal", f"{digest[:SHORTEST]}.jsonl")
                conflicts = attempt("The conflicts", lambda: journals.conflicts(plan, path), None)
                report_fields["conflicts"] = _conflicts(conflicts or [])
    raw = incident.path("events.jsonl").read_bytes()
    table = str(state.get("table") or "No table yet")
    title = f"Drill of {table}" if drill else table
    return ReportData(
        incident=incident.id,
        title=title,
        written_at=incident.clock(),
        verdict=verdict_of(state),
        facts=_facts(state),
        timeline=milestones.draw(_milestones(state, happened)),
        state=state,
        **_drawn(life, _time(state.get("restore_at"))),
        scope=scope_words(state.get("scope") or {}),
        outside=outside_words(outside_plan(state, str((state.get("plan") or {}).get("changes") or ""))),
        notebooks=_notebooks(happened),
        events=happened,
        undo_command=_undo_command(incident.id, state, digest),
        missing=tuple(missing),
        drill=drill,
        drills=drill_history.draw([*drill_history.earlier(state), drill]) if drill else None,
        last_hash=logs.sha256(raw.rstrip(b"\n").rpartition(b"\n")[2]) if raw else "",
        **report_fields,
    )


def render(data: ReportData) -> str:
    """Return the report as HTML."""
    return _environment().get_template("report.html.j2").render(data=data)


def _drawn(life: TableHistory | None, restore_at: datetime | None) -> dict[str, Any]:
    if life is None or not (life.events or life.activity):
        return {}
    around_at = restore_at or (life.candidates[0].at if life.candidates else life.end_at)
    return {
        "life": life,
        "picture": pictures.draw(life, marked_at=restore_at),
        "done_nearby": nearest(life.events, around_at),
    }


def _changes(folder: Path) -> dict[str, Any]:
    changes = ChangeSet.open(folder)
    statistics = changes.attribute_statistics().head(ATTRIBUTES)
    rows = statistics[["attribute", "changed", "added", "removed"]].itertuples(index=False, name=None)
    names = ("attribute", "changed", "added", "removed")
    return {
        "samples": {kind: side_by_side(changes.samples(kind, SAMPLES[kind])).samples for kind in KINDS},
        "attributes": [dict(zip(names, (str(row[0]), *map(int, row[1:])), strict=True)) for row in rows],
    }


def _left(plan: Plan) -> list[tuple[int, str, list[str]]]:
    keys: dict[str, list[str]] = {reason: [] for reason in plan.left}
    remaining = sum(min(KEYS, count) for reason, count in plan.left.items() if reason in FOR_A_PERSON)
    for item in plan.left_items() if remaining else ():
        if item.reason in FOR_A_PERSON and len(keys[item.reason]) < KEYS:
            keys[item.reason].append(key_text(item.key))
            remaining -= 1
        if not remaining:
            break
    return [(count, _LEFT_BECAUSE.get(reason, reason), keys[reason]) for reason, count in plan.left.items()]


def _conflicts(conflicts: Iterable[Conflict]) -> list[tuple[str, str]]:
    return [(key_text(conflict.key), _found(conflict)) for conflict in islice(conflicts, CONFLICTS)]


def _found(conflict: Conflict) -> str:
    if conflict.found is None:
        return "the item was gone"
    if conflict.seen is None:
        return "an item was there again"
    names = changed_attributes(conflict.seen, conflict.found)
    return f"written since: {folded(', '.join(map(visible, names)))}"


def _facts(state: dict[str, Any]) -> list[tuple[str, str]]:
    origins = {
        "incident": "restored for this incident",
        "adopted": "found and adopted",
        "given": "given by the operator",
    }
    origins["deleted"] = "deleted since"
    copy = str(state.get("restored_table") or "")
    copy_words = f"{copy} ({origins[state['restored_by']]})" if copy and state.get("restored_by") in origins else copy
    approval = state.get("approval") or {}
    approval_text = f"{_utc(approval.get('approved_at'))}, by {approval.get('how')}" if approval else ""
    user = f" (user {approval['user']})" if approval.get("user") else ""
    facts = [
        ("Account", state.get("account")),
        ("Region", state.get("region")),
        ("Endpoint", state.get("endpoint")),
        ("Caller", state.get("caller")),
        ("Table", state.get("table_arn") or state.get("table")),
        ("Recovery point", _utc(state.get("restore_at"))),
        ("Damage", " to ".join(_utc(at) for at in (state.get("window") or {}).values())),
        ("Damage until", _utc(state.get("damage_until"))),
        ("Source", (state.get("log") or {}).get("source")),
        ("Restored from", state.get("restored_source")),
        ("Restored in", state.get("restored_region")),
        ("Restored copy", copy_words),
        ("Safety copy", ", ".join(safety_copy["arn"] for safety_copy in (state.get("safety_copies") or {}).values())),
        ("Approved", approval_text),
        ("Approved by", f"{approval['by']}{user}" if approval.get("by") else ""),
        *(("Acknowledged", _acknowledged(entry)) for entry in state.get("accepted") or ()),
        ("Other writers", _held_off(state)),
    ]
    return [(label, str(value)) for label, value in facts if value]


def _acknowledged(entry: dict[str, Any]) -> str:
    return f"{entry['name']}: {entry['what']} ({_utc(entry['at'])}, by {entry['how']}, {entry['by']})"


def _held_off(state: dict[str, Any]) -> str:
    """Return from when to when other writers were held off, and how that was undone; blank if they were not."""
    freeze_record = state.get("freeze") or {}
    since, until = (_utc(freeze_record.get(name)) for name in ("frozen_at", "lifted_at"))
    when = f"Blocked from {since}{f' to {until}' if until else ''}. " if since else ""
    return f"{when}{freeze.to_text(state)}"


def _milestones(state: dict[str, Any], happened: Sequence[LogEvent]) -> list[Milestone]:
    # Only the copy itself: an undo goes the same way under names of its own slot.
    copy = [event for event in happened if "undo" not in event.data]
    last = {event.event: event for event in copy}
    first = {event.event: event for event in reversed(copy)}
    done = state.get("apply") or {}
    verified = state.get("verify") or {}
    rows = [
        ("Recovery point", _time(state.get("restore_at")), "past"),
        ("Opened", _at(first.get("incident_opened")), "step"),
        ("Restore began", _at(first.get("restore_requested")), "step"),
        ("Copy ready", _at(last.get("restore_finished")), "step"),
        ("Damage begins", _time((state.get("window") or {}).get("since")), "past"),
        ("Log read", _at(last.get("log_read")), "step"),
        ("Compared", _at(last.get("tables_compared")), "step"),
        ("Planned", _at(last.get("plan_built")) if state.get("plan") else None, "decision"),
        ("Approved", _time((state.get("approval") or {}).get("approved_at")), "decision"),
        ("First write", _time(done.get("started_at")), "write"),
        ("Last write", _time(done.get("finished_at")), "write"),
        ("Verified", _at(last.get("verified")) if verified else None, "good" if verified.get("ok") else "bad"),
        ("Undone", _at(next((event for event in reversed(happened) if event.event == "undo_done"), None)), "write"),
    ]
    return [Milestone(at, label, tone) for label, at, tone in rows if at is not None]  # type: ignore[arg-type]


def _notebooks(happened: Sequence[LogEvent]) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = []
    for event in happened:
        if event.event == "notebook_started":
            runs.append({"name": event.data.get("notebook"), "at": event.at, "ended": "running", "seconds": None})
        elif event.event == "notebook_ended":
            name = Path(str(event.data.get("notebook"))).stem
            current_run = next(
                (run for run in reversed(runs) if run["ended"] == "running" and name.startswith(run["name"])), None
            )
            if current_run is None:
                # Its start came before the incident was opened, by this very notebook.
                began_at = _time(event.data.get("started_at"))
                took = (event.at - began_at).total_seconds() if began_at else None
                current_run = {"name": name, "at": began_at or event.at, "seconds": took}
                runs.append(current_run)
            else:
                current_run["seconds"] = (event.at - current_run["at"]).total_seconds()
            ended, error = event.data.get("ended"), event.data.get("error")
            if ended == "gate closed":
                ended, error = "stopped at the gate", ""
            if ended == "killed":
                current_run["seconds"] = None  # when it was killed nobody knows
            current_run |= {"name": name, "ended": ended, "error": error}
    if runs and runs[-1]["ended"] == "running" and str(runs[-1]["name"]).startswith(_OWN):
        runs[-1]["ended"] = "this one"
    return runs


def _undo_command(incident: str, state: dict[str, Any], digest: str) -> str:
    if not (state.get("apply") or {}).get("applied"):
        return ""
    return shlex.join(["pitrkit", "run", "12_undo", "-p", "incident", incident, "-p", "copy", digest[:SHORTEST]])


def _at(event: LogEvent | None) -> datetime | None:
    return event.at if event else None


def _time(text: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return at if at.tzinfo else None


def _utc(text: Any) -> str:
    at = _time(text)
    return moment(at) if at else str(text or "")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pitrkit.ui", "templates"),
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else visible(str(value)),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "moment": moment,
        "worded": worded,
        "utc": _utc,
        "duration": duration,
        "folded": folded,
        "json": lambda value: folded(json.dumps(value), DETAIL),
        "count": lambda number: f"{number or 0:,}",
        "seconds_between": lambda start, end: duration((end - start).total_seconds()),
        "time": _time,
    }
    return environment


def report(session: Session) -> View:
    """Write the incident's report.html and say where it is."""
    session.done("report", "report_written", report="report.html")
    path = write(session.incident)
    data = session.data
    links = [Link("open the report", _seen_from_here(path), strong=True)] if _served(path) else []
    if data.get("copies"):
        links.append(Link("Undo a copy", session.link("12_undo")))
    if any(data.get(side.by) == "incident" for side in sides(data)):
        links.append(Link("delete the restored copy", session.link("14_clean_up")))
    return session_views.report_card(path, data, links)


def _served(path: Path) -> bool:
    """Return whether JupyterLab serves *path* beside the notebooks."""
    served_folder = working_copy.folder()
    return served_folder is not None and path.resolve().is_relative_to(served_folder.parent)


def _seen_from_here(path: Path) -> str:
    return os.path.relpath(path.resolve(), Path.cwd())


def seal(session: Session) -> View:
    """Write the manifest over every file of the incident, upload it if that is set, and check the whole record."""
    problems = archive.save_record(session.incident, seal=True)
    return session_views.audit_card(audit.audit(session.incident.folder), problems)
