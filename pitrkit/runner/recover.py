"""A whole route headless, as one incident, stopping at the gate and going on from there.

The classic route runs 01 to 06; the one without a restore 01, 10 and 06.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from pitrkit.aws.arns import is_arn, table_arn
from pitrkit.config import guardrails, masked_inputs, masking
from pitrkit.errors import BadInput, Exit
from pitrkit.incident.incident import Incident, root_folder
from pitrkit.incident.state import AFTER_DAMAGE, BEFORE_DAMAGE, CopyFields, nothing_in_scope
from pitrkit.recovery.plan.policy import LEFT_UNDECIDED
from pitrkit.runbook.copy_back import copy_back, freeze
from pitrkit.runbook.copy_back.options import whole_path
from pitrkit.runbook.session.session import ACCEPT_PLACE, COMMAND_VARIABLE, Session, connect, new_id
from pitrkit.runbook.session.verdict import verdict_of
from pitrkit.runner import dry_run, notebook_run
from pitrkit.runner.notebook_run import display_path
from pitrkit.runner.recover_request import TIMES, RecoverRequest, asked_text
from pitrkit.runner.run_log import RunWatch
from pitrkit.times import iso, now, parse_time

ROUTE = ("01_select_table", "02_pick_timestamp", "03_restore", "04_diff", "05_copy_back", "06_report")
WITHOUT_RESTORE = ("01_select_table", "10_rollback_without_restore", "06_report")
_GATES = ("05_copy_back", "10_rollback_without_restore")


def recover(
    request: RecoverRequest,
    *,
    root: Path | None = None,
    echo: TextIO,
    lasting: bool = True,
    watch: RunWatch | None = None,
    out: TextIO | None = None,
) -> tuple[Exit, Incident | None]:
    """Run the route and return how it ended, with the incident if it came to be.

    An incident that has a plan and gets its approval goes on at the gate; otherwise it starts with 01, which, like
    every step, goes on where an earlier run stopped.

    Args:
        request: What is asked for.
        root: Folder of all incidents.
        echo: Where a person reads along.
        lasting: Whether the tables outlive this process, so that undo and clean-up are worth naming.
        watch: What goes along with it; a dry one stops before anything is written.
        out: Where a dry run says what would be done.

    Raises:
        BadInput: A parameter cannot be used; nothing ran.
    """
    watch, out = watch or RunWatch(), out or echo
    incident = request.incident or new_id(request.table)
    resumed = _existing(incident, root)
    state = resumed.data if resumed else {}
    request.check(state)  # refused before an incident comes to be and anything is called
    guardrails.check_table(request.table)
    if resumed is not None:
        resumed.expect(table=request.table)
    at_gate = bool(request.approve and state.get("plan"))
    if at_gate and resumed is not None:
        _refuse_another(request, resumed)
    route: tuple[str, ...] = WITHOUT_RESTORE if request.without_restore(state) else ROUTE
    if request.backup or (state.get("restore_options") or {}).get("backup"):
        route = tuple(step for step in route if step != "02_pick_timestamp")  # the backup says which moment it shows
    steps = route[next(place for place, step in enumerate(route) if step in _GATES) :] if at_gate else route
    for step in steps:
        existing = _existing(incident, root)
        if watch.dry and existing is not None and (stop_reason := _dry_run_stop(step, request, existing, root)):
            print(stop_reason, file=out, flush=True)
            return Exit.DONE, existing
        parameters = _parameters(step, request, existing)
        os.environ[COMMAND_VARIABLE] = approve_command(request, incident, existing)
        try:
            result = notebook_run.run(step, parameters, incident=incident, root=root, echo=echo, watch=watch)
        finally:
            del os.environ[COMMAND_VARIABLE]
        picked = step == route[1] and result.exit_code in {Exit.DONE, Exit.GATE_CLOSED}
        if picked and existing is not None:
            # What a relative time named at first, it names for as long as the incident lasts.
            requested_times: dict[str, Any] = {
                f"{name}_asked": at.strip() for name in TIMES if (at := getattr(request, name))
            }
            if new := {name: at for name, at in requested_times.items() if name not in existing.data}:
                existing.update("time_asked_for", **new)
        if watch.dry and step in _GATES and result.exit_code in {Exit.DONE, Exit.GATE_CLOSED}:
            return Exit.DONE, _would(request, incident, root, out)
        if result.exit_code is not Exit.DONE:
            return result.exit_code, _existing(incident, root)
    ended = _existing(incident, root)
    assert ended is not None
    print(summary(ended, lasting=lasting), file=echo, flush=True)
    return copy_back.ending(ended.data), ended


def _dry_run_stop(step: str, request: RecoverRequest, existing: Incident, root: Path | None) -> str:
    """Return what a dry run stops before, in words; blank if it can go on."""
    if step not in {"03_restore", "10_rollback_without_restore"}:
        return ""
    settled_times = {
        name: _settled(existing.data, name) or _fixed(at) for name in TIMES if (at := getattr(request, name))
    }
    begin = shlex.join(request.words(existing.id, **settled_times))
    aws = connect()
    return dry_run.missing_copies(step, request, Session(aws, Incident.open(existing.id, root=root)), begin)


def _fixed(at: str) -> str:
    """Return a time that was asked for as what it names now, so that it names the same later."""
    return at if asked_text(at) == "latest" else iso(parse_time(at, now=now()))


def _would(request: RecoverRequest, incident: str, root: Path | None, out: TextIO) -> Incident | None:
    existing = _existing(incident, root)
    assert existing is not None
    digest = existing.data["plan"]["digest"]
    closed = [
        event.data for event in existing.events() if event.event == "gate_closed" and event.data["digest"] == digest
    ]
    accept = str(closed[-1]["accept"]) if closed else request.accept
    command = _accepting(approve_command(request, incident, existing), accept).replace("{digest}", digest)
    print(dry_run.planned(incident, existing.data, request, command, accept=accept), file=out, flush=True)
    return existing


def _accepting(command: str, accept: str) -> str:
    return command.replace(ACCEPT_PLACE, f" --accept {accept}" if accept else "")


def summary(incident: Incident, *, lasting: bool = True) -> str:
    """Return how a recovery stands and what can be done next, for a terminal."""
    data = incident.data
    verdict = verdict_of(data)
    lines = [f"{data['table']}: {verdict.title.lower()}. {verdict.words}"]
    if nothing_in_scope(data):
        count = sum(data["diff"][kind] for kind in ("removed", "modified", "inserted"))
        lines.append(f"-> Nothing is in scope, although {count:,} items differ: look at the samples of 04_diff.")
    if (data.get("plan") or {}).get("left", {}).get(LEFT_UNDECIDED):
        lines.append(
            "-> Modified items wait for you to decide: --modified revert or --modified keep, best with --where."
        )
    if freeze.is_in_force(data):
        lines.append(f"-> {freeze.to_text(data)}")
    lines.append(f"   report    {display_path(incident.folder / 'report.html')}")
    if lasting and data.get("copies"):
        lines.append(f"   undo      pitrkit run 12_undo -p incident {incident.id}")
    if lasting and data.get("restored_table"):
        lines.append(f"   clean up  pitrkit run 14_clean_up -p incident {incident.id}")
    return "\n".join(lines)


def _existing(incident: str, root: Path | None) -> Incident | None:
    if not (root_folder(root) / incident / "incident.json").is_file():
        return None
    return Incident.open(incident, root=root)


def _parameters(step: str, request: RecoverRequest, incident: Incident | None) -> dict[str, str]:
    """Return what a step's notebook is given: the options that it takes, with times as they have settled."""
    parameters = request.parameters_for(step[:2])
    match step:
        case "01_select_table":
            return parameters | {"table": request.table}
        case "02_pick_timestamp":
            return {name: at for name in TIMES if (at := _at(request, incident, name))}
        case "03_restore" if request.how != "export":
            return {name: value for name, value in parameters.items() if name not in {"bucket", "prefix"}}
        case "10_rollback_without_restore":
            window = {"since": _at(request, incident, "at"), "until": _at(request, incident, "damage_until")}
            return parameters | {name: at for name, at in {"source": request.route, **window}.items() if at}
    return parameters


def _at(request: RecoverRequest, incident: Incident | None, name: str = "at") -> str:
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


def _refuse_another(request: RecoverRequest, incident: Incident) -> None:
    """Let pass what asks for nothing else than the incident's plan is about.

    Raises:
        BadInput: A parameter says something else. Nothing was written.
    """
    state = incident.data
    scope = state.get("scope") or {}
    table = state.get("restored_table")
    recorded_options = {"target": table, "source_arn": state.get("source_arn")}
    recorded_options["restored"] = _as_given(state, BEFORE_DAMAGE, request.restored)
    recorded_options["restored_until"] = _as_given(state, AFTER_DAMAGE, request.restored_until)
    other = [
        name
        for name, value in recorded_options.items()
        if (requested_value := getattr(request, name)) and requested_value != value
    ]
    if request.where and masking.use(incident.id).where(request.where) != request.where:
        other += ["where"] if masked_inputs.recorded_scope(incident, scope).where != request.where else []
    elif request.where and request.where != scope.get("where", ""):
        other.append("where")
    other += [name for name in ("kinds", "keys") if getattr(request, name) and not scope.get(name)]
    made = state.get("restore_options") or {}
    other += [name for name, value in request.asked().to_dict().items() if value != made.get(name)]
    for name in TIMES:
        requested_value = getattr(request, name)
        again = requested_value and asked_text(requested_value) == asked_text(state.get(f"{name}_asked", ""))
        if requested_value and not again and iso(parse_time(requested_value, now=now())) != _settled(state, name):
            other.append(name)
    if other:
        option_names = ", --".join(other).replace("_", "-")
        raise BadInput(
            f"the plan of incident {state.get('incident')} was made with another --{option_names}",
            table=request.table,
            fix="To write that plan, leave these out. To make another one, leave out --approve.",
        )


def _as_given(state: Mapping[str, Any], side: CopyFields, asked: str) -> object:
    """Return the copy of a side as it was asked for, by name or by ARN; its name if it is not the one asked for."""
    if not is_arn(asked):
        return state.get(side.table)
    region = state.get(side.region) or state.get("region")
    arn = table_arn(asked)
    return asked if (arn.region, arn.table) == (region, state.get(side.table)) else state.get(side.table)


def approve_command(request: RecoverRequest, incident: str, existing: Incident | None) -> str:
    """Return the one command that goes on behind the gate, with places for the plan's digest and what to accept."""
    at = _settled(existing.data, "at") if existing else request.at
    arguments = ["pitrkit", "recover", request.table]
    if at and not request.restored:
        arguments += ["--at", at]
    arguments += ["--incident", incident]
    parameters = request.parameters("write_units", "alarms", "ceiling", "stop_file")
    if "stop_file" in parameters:
        parameters["stop_file"] = whole_path(parameters["stop_file"])
    for name, value in parameters.items():
        arguments += [f"--{name.replace('_', '-')}", value]
    arguments += ["--freeze"] if request.freeze else []
    arguments += ["--safety-copy"] if request.safety_copy else []
    return f"{shlex.join(arguments)}{ACCEPT_PLACE} --approve {{digest}}"
