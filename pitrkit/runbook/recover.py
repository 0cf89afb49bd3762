"""A whole route headless, as one incident, stopping at the gate and going on from there.

The classic route runs 01 to 06; the one without a restore 01, 10 and 06.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from pitrkit.dynamodb.pitr import iso, parse_time
from pitrkit.errors import BadInput, Exit
from pitrkit.recovery.policy import LEFT_UNDECIDED
from pitrkit.runbook import copy_back, freezing, front
from pitrkit.runbook.book import ACCEPT_PLACE, COMMAND_VARIABLE, new_id
from pitrkit.runbook.braking import whole_path
from pitrkit.runbook.front import shown
from pitrkit.runbook.incident import Incident, now, root_folder
from pitrkit.runbook.request import TIMES, Request, asked_text
from pitrkit.runbook.scoping import nothing_in_scope
from pitrkit.runbook.verdict import reach

ROUTE = ("01_select_table", "02_pick_timestamp", "03_restore", "04_diff", "05_copy_back", "06_report")
WITHOUT_RESTORE = ("01_select_table", "10_rollback_without_restore", "06_report")
_GATES = ("05_copy_back", "10_rollback_without_restore")


_OF_A_PLAN = (
    "modified", "inserted", "attributes", "guard", "expired", "mixed", "accept", "write_units",
    "alarms", "ceiling", "stop_file", "freeze", "safety_copy", "approve",
)  # fmt: skip


def recover(
    request: Request, *, root: Path | None = None, echo: TextIO, lasting: bool = True
) -> tuple[Exit, Incident | None]:
    """Run the route and return how it ended, with the incident if it came to be.

    An incident that has a plan and gets its approval goes on at the gate; otherwise it starts with 01, which, like
    every step, goes on where an earlier run stopped: a     Args:
        request: What is asked for.
        root: Folder of all incidents.
        echo: Where a person reads along.
        lasting: Whether the tables outlive this process, so that undo and clean-up are worth naming.

    Raises:
        BadInput: A parameter cannot be used; nothing ran.

    Raises:
        BadInput: A parameter cannot be used; nothing ran.
    """
    incident = request.incident or new_id(request.table)
    resumed = _existing(incident, root)
    state = resumed.data if resumed else {}
    request.check(state)  # refused before an incident comes to be and anything is called
    if resumed is not None:
        resumed.expect(table=request.table)
    at_gate = bool(request.approve and state.get("plan"))
    if at_gate:
        _refuse_another(request, state)
    route = WITHOUT_RESTORE if request.without_restore(state) else ROUTE
    steps = route[next(place for place, step in enumerate(route) if step in _GATES) :] if at_gate else route
    for step in steps:
        found = _existing(incident, root)
        given = _parameters(step, request, found)
        os.environ[COMMAND_VARIABLE] = approve_command(request, incident, found)
        try:
            result = front.run(step, given, incident=incident, root=root, echo=echo)
        finally:
            del os.environ[COMMAND_VARIABLE]
        picked = step == route[1] and result.exit_code in {Exit.DONE, Exit.GATE_CLOSED}
        if picked and found is not None:
            # What a relative time named at first, it names for as long as the incident lasts.
            asked: dict[str, Any] = {f"{name}_asked": at.strip() for name in TIMES if (at := getattr(request, name))}
            if new := {name: at for name, at in asked.items() if name not in found.data}:
                found.update("time_asked_for", **new)
        if result.exit_code is not Exit.DONE:
            return result.exit_code, _existing(incident, root)
    ended = _existing(incident, root)
    assert ended is not None
    print(summary(ended, lasting=lasting), file=echo, flush=True)
    return copy_back.ending(ended.data), ended


def summary(incident: Incident, *, lasting: bool = True) -> str:
    """Return how a recovery stands and what can be done next, for a terminal."""
    data = incident.data
    verdict = reach(data)
    lines = [f"{data['table']}: {verdict.title.lower()}. {verdict.words}"]
    if nothing_in_scope(data):
        count = sum(data["diff"][kind] for kind in ("removed", "modified", "inserted"))
        lines.append(f"-> Nothing is in scope, although {count:,} items differ: look at the samples of 04_diff.")
    if (data.get("plan") or {}).get("left", {}).get(LEFT_UNDECIDED):
        lines.append(
            "-> Modified items wait for you to decide: --modified revert or --modified keep, best with --where."
        )
    if freezing.is_in_force(data):
        lines.append(f"-> {freezing.words(data)}")
    lines.append(f"   report    {shown(incident.folder / 'report.html')}")
    if lasting and data.get("copies"):
        lines.append(f"   undo      pitrkit run 12_undo -p incident {incident.id}")
    if lasting and data.get("restored_table"):
        lines.append(f"   clean up  pitrkit run 14_clean_up -p incident {incident.id}")
    return "\n".join(lines)


def _existing(incident: str, root: Path | None) -> Incident | None:
    if not (root_folder(root) / incident / "incident.json").is_file():
        return None
    return Incident.open(incident, root=root)


def _parameters(step: str, request: Request, incident: Incident | None) -> dict[str, str]:
    match step:
        case "01_select_table":
            return request.parameters("table", "restored", "restored_until")
        case "02_pick_timestamp":
            return {name: at for name in TIMES if (at := _at(request, incident, name))}
        case "10_rollback_without_restore":
            window = {"since": _at(request, incident, "at"), "until": _at(request, incident, "damage_until")}
            return {
                **({"source": request.route} if request.route else {}),
                **{name: at for name, at in window.items() if at},
                **request.parameters("bucket", "prefix", "kinds", "keys", "where", *_OF_A_PLAN),
            }
        case "03_restore":
            return request.parameters("target", "how", *(("bucket", "prefix") if request.how == "export" else ()))
        case "04_diff":
            return request.parameters("kinds", "keys", "where", "read_units")
        case "05_copy_back":
            return request.parameters(*_OF_A_PLAN)
    return {}


def _at(request: Request, incident: Incident | None, name: str = "at") -> str:
    """Return the time asked for; a relative one names, in an incident that goes on, what it named at first."""
    data = incident.data if incident else {}
    settled, asked = _settled(data, name), str(getattr(request, name))
    same = not asked or asked_text(asked) == asked_text(data.get(f"{name}_asked", ""))
    return settled if settled and same else asked


def _settled(data: Mapping[str, Any], name: str) -> str:
    """Return what a time that was asked for has come to be in an incident."""
    window = data.get("window") or {}
    if name == "at":
        return str(window.get("since") or data.get("restore_at") or "")
    return str(window.get("until") or data.get("damage_until") or "")


def _refuse_another(request: Request, state: Mapping[str, Any]) -> None:
    """Let pass what asks for nothing else than the incident's plan is about.

    Raises:
        BadInput: A parameter says something else. Nothing was written.
    """
    scope = state.get("scope") or {}
    table = state.get("restored_table")
    settled = {"where": scope.get("where", ""), "target": table, "restored": table}
    settled["restored_until"] = state.get("until_table")
    other = [name for name, value in settled.items() if (asked := getattr(request, name)) and asked != value]
    other += [name for name in ("kinds", "keys") if getattr(request, name) and not scope.get(name)]
    for name in TIMES:
        asked = getattr(request, name)
        again = asked and asked_text(asked) == asked_text(state.get(f"{name}_asked", ""))
        if asked and not again and iso(parse_time(asked, now=now())) != _settled(state, name):
            other.append(name)
    if other:
        words = ", --".join(other).replace("_", "-")
        raise BadInput(
            f"the plan of incident {state.get('incident')} was made with another --{words}",
            table=request.table,
            fix="To write that plan, leave these out. To make another one, leave out --approve.",
        )


def approve_command(request: Request, incident: str, found: Incident | None) -> str:
    """Return the one command that goes on behind the gate, with places for the plan's digest and what to accept."""
    at = _settled(found.data, "at") if found else request.at
    words = ["pitrkit", "recover", request.table]
    if at and not request.restored:
        words += ["--at", at]
    words += ["--incident", incident]
    given = request.parameters("write_units", "alarms", "ceiling", "stop_file")
    if "stop_file" in given:
        given["stop_file"] = whole_path(given["stop_file"])
    for name, value in given.items():
        words += [f"--{name.replace('_', '-')}", value]
    words += ["--safety-copy"] if request.safety_copy else []
    words += ["--freeze"] if request.freeze else []
    return f"{shlex.join(words)}{ACCEPT_PLACE} --approve {{digest}}"
