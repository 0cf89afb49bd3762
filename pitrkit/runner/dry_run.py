"""A dry run: what a recovery would do, in words, and nothing of it done.

It goes as far as it can without writing to AWS. A copy that is there already, a stream, or exports that were read
before are compared and planned, up to the gate. Where a copy or an export would have to be made first, it says which
and stops: what a plan holds cannot be known without it. It reads what a recovery reads (a scan costs read units), and
it opens the incident on this machine, so that the plan can be approved afterwards. No marker is set, nobody is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pitrkit.aws.backups import pitr
from pitrkit.aws.tables import tables
from pitrkit.incident.state import sides
from pitrkit.recovery.advice import cost
from pitrkit.recovery.advice.cost import Estimate
from pitrkit.runbook.change_log import read_log
from pitrkit.runbook.copy_back.copy import WRITE_UNITS
from pitrkit.runbook.copy_back.plan_views import scope_words
from pitrkit.runbook.session import costs
from pitrkit.runbook.session.session import Session
from pitrkit.runner.recover_request import RecoverRequest
from pitrkit.ui.text import count_text, duration, moment

_Rows = Sequence[tuple[str, str]]


def missing_copies(step: str, request: RecoverRequest, session: Session, command: str) -> str:
    """Return what *step* would have to make first, in words; blank if it can go on without writing.

    Args:
        step: The notebook that would be next.
        request: What is asked for.
        session: The incident's session.
        command: The command that begins in earnest.
    """
    rows: list[tuple[str, str]] = []
    estimate = cost.estimate()
    if step == "03_restore":
        rows, estimate = _copies(request, session)
    elif step == "10_rollback_without_restore" and not session.data.get("log"):
        rows, estimate = _exports(request, session)
    if not rows:
        return ""
    rows.append(("costs about", str(estimate)))
    rows.append(("then", "it would be compared and planned; what a plan would hold cannot be known before"))
    return _laid(session.incident.id, [*rows, ("to begin", command)])


def _copies(request: RecoverRequest, session: Session) -> tuple[list[tuple[str, str]], Estimate]:
    """Return the copies that would have to be made."""
    data, table = session.data, session.table()
    rows = []
    for side in sides(data):
        if data.get(side.by) in {"given", "exported"}:
            continue
        at = datetime.fromisoformat(str(data[side.at]))
        if request.how == "export":
            where = f"to s3://{request.bucket}" if request.bucket else "to the bucket of its earlier exports"
            rows.append(("would export", f"{table.name} in full, as it was at {moment(at)}, {where}"))
            continue
        name = (request.target if side is sides(data)[0] else "") or data.get(side.table) or ""
        name = str(name or pitr.copy_name(table.name, at))
        existing_table = tables.find(session.aws, name)
        if existing_table is None or existing_table.restored is None:
            rows.append(("would restore", f"{table.name} as it was at {moment(at)}, into {name}"))
    exported = table.size_bytes * len(rows) if request.how == "export" else 0
    restored = 0 if exported else table.size_bytes * len(rows)
    return rows, cost.estimate(
        export_bytes=exported, restore_bytes=restored, scan_bytes=restored * 2, prices=costs.prices()
    )


def _exports(request: RecoverRequest, session: Session) -> tuple[list[tuple[str, str]], Estimate]:
    """Return the exports that would have to be made to know what happened."""
    export_options = {"source": request.route if request.route != "restore" else ""}
    log_request = read_log.asked(
        session, **export_options, since=request.at, until=request.damage_until, width_minutes=0.0
    )
    if log_request.source != "export":
        return [], cost.estimate()
    windows = read_log.windows(session, log_request)
    first, last = min(begin for begin, _ in windows), max(end for _, end in windows)
    where = f"to s3://{request.bucket}" if request.bucket else "to the bucket of its earlier exports"
    changes = f"{count_text(len(windows), 'export')} of what changed from {moment(first)} to {moment(last)}, {where}"
    return [("would make", changes)], cost.estimate(export_logs=[0.0] * len(windows), prices=costs.prices())


def planned(incident: str, data: Mapping[str, Any], request: RecoverRequest, command: str, *, accept: str = "") -> str:
    """Return what the plan of an incident would write, in words.

    Args:
        incident: The incident.
        data: What its `incident.json` says.
        request: What is asked for.
        command: The command that writes exactly that plan.
        accept: Names of what would have to be acknowledged, or is.
    """
    plan, differs = data["plan"], data["diff"]
    kinds = ", ".join(f"{differs[kind]:,} {kind}" for kind in ("removed", "modified", "inserted"))
    same = f"; {differs['same']:,} unchanged" if differs.get("same") else ""
    skipped_text = ", ".join(f"{count:,} {reason}" for reason, count in plan["left"].items()) or "nothing"
    rows = [
        ("differs", f"{kinds}{same}"),
        ("scope", scope_words(data.get("scope") or {})),
        ("would write", f"put {plan['puts']:,} back, update {plan['updates']:,}, delete {plan['deletes']:,}"),
        ("would leave", skipped_text),
    ]
    if not sum(plan[name] for name in ("puts", "updates", "deletes")):
        return _laid(incident, [*rows, ("to do", "nothing")])
    pace = float(request.write_units or WRITE_UNITS)
    units = plan["write_units"]
    took = f"{duration(max(1.0, units / pace))} at {pace:,.0f} write units a second"
    rows += [
        ("takes", took),
        ("costs about", str(cost.estimate(write_units=units, prices=costs.prices()))),
        *([("acknowledge", accept)] if accept else []),
        ("plan", f"{plan['digest']}"),
        ("to write it", command),
    ]
    return _laid(incident, rows)


def _laid(incident: str, rows: _Rows) -> str:
    width = max(len(label) for label, _ in rows)
    lines = [f"{label:<{width}}  {words}" for label, words in rows]
    return "\n".join([f"dry run of incident {incident}: nothing was written to AWS", *lines])
