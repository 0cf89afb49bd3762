"""Views of where one is: the caller, the incident and its steps, the record, a word in between, an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitrkit.errors import AwsError, GateClosed, PitrkitError
from pitrkit.runbook.blocks import Block, Code, Facts, Fold, Grid, Note, Step, Steps, Tag, Tone
from pitrkit.runbook.values import things
from pitrkit.runbook.view import View

if TYPE_CHECKING:
    from pitrkit.dynamodb.session import Caller
    from pitrkit.runbook.record import Audit

_NAMES = {
    "select": ("01", "select table"),
    "pick": ("02", "pick timestamp"),
    "restore": ("03", "restore"),
    "diff": ("04", "diff"),
    "copy": ("05", "copy back"),
    "report": ("06", "report"),
}
_NAMES_WITHOUT_RESTORE = _NAMES | {
    "log": ("10", "what happened"),
    "diff": ("10", "the damage"),
    "copy": ("10", "copy back"),
}


def note(text: str, tone: Tone = "info", fix: str = "") -> View:
    """Return a sentence as a view."""
    return View("note", blocks=(Note(text, tone, fix),), data={"note": text})


def caller_strip(caller: Caller, endpoint_url: str = "") -> View:
    """Return who is asking and where; calls that do not go to AWS carry a badge."""
    data = {"account": caller.account, "region": caller.region, "caller": caller.arn, "endpoint": endpoint_url}
    return View("caller", tags=_where(caller, endpoint_url), data=data)


def _where(caller: Caller, endpoint_url: str) -> tuple[Tag, ...]:
    place = Tag("sandbox", "info", f"Calls go to {endpoint_url}, not to AWS") if endpoint_url else Tag("AWS", "warn")
    words = (f"account {caller.account or 'unknown'}", f"region {caller.region or 'unknown'}", caller.arn or "unknown")
    end = (Tag(endpoint_url, "muted"),) if endpoint_url else ()
    return (place, *map(Tag, words), *end)


def incident_strip(caller: Caller, endpoint_url: str, data: Mapping[str, Any], steps: Sequence[str]) -> View:
    """Return an incident's name, table and chosen second, who is at work on it, and which *steps* are done."""
    done = data.get("steps") or {}
    following = next((step for step in steps if step not in done), "")
    names = _names(steps)
    drawn = tuple(
        Step(*names.get(step, ("", step)), "done" if step in done else "current" if step == following else "to come")
        for step in steps
    )
    rows: list[tuple[str, str | Tag]] = [("table", str(data.get("table") or "not selected yet"))]
    window = data.get("window") or {}
    if "log" not in steps:
        rows.append(("back to", _utc_text(data.get("restore_at")) or "not picked yet"))
    elif window:
        rows.append(("damage", f"{_utc_text(window.get('since'))} to {_utc_text(window.get('until'))}"))
    if data.get("damage_until"):
        rows.append(("damage until", _utc_text(data["damage_until"])))
    if data.get("restored_table"):
        rows.append(("copy", str(data["restored_table"])))
    return View(
        "incident",
        f"Incident {data.get('incident') or 'without a name'}",
        tags=_where(caller, endpoint_url),
        blocks=(Facts(tuple(rows)), Steps(drawn)),
        data=dict(data),
    )


def _names(steps: Iterable[str]) -> dict[str, tuple[str, str]]:
    return _NAMES_WITHOUT_RESTORE if "log" in steps else _NAMES


def _utc_text(text: object) -> str:
    """Return the kit's own `2026-11-23T02:14:05Z` as people read it."""
    return str(text or "").replace("T", " ").replace("Z", " UTC")


def incidents_list(incidents: Iterable[Mapping[str, Any]]) -> View:
    """Return all incidents with where each stands."""
    known = list(incidents)
    if not known:
        return note("There are no incidents here yet: 01_select_table opens one.")
    rows = tuple(
        (
            str(one.get("incident", "")),
            str(one.get("table") or "-"),
            _utc_text(one.get("restore_at") or (one.get("window") or {}).get("since")) or "-",
            ", ".join(_names(one.get("steps") or {}).get(step, ("", step))[1] for step in one.get("steps") or {})
            or "-",
            _utc_text(str(one.get("created_at") or "-").partition(".")[0]),
        )
        for one in known
    )
    grid = Grid(("incident", "table", "back to (UTC)", "steps done", "opened (UTC)"), rows)
    return View("incidents", f"Incidents ({len(known):,})", blocks=(grid,), data={"incidents": [*map(dict, known)]})


def report_card(path: Path, data: Mapping[str, Any]) -> View:
    """Return where the report lies and how the incident ended."""
    applied, verified = data.get("apply") or {}, data.get("verify") or {}
    rows: list[tuple[str, str | Tag]] = [("file", str(path))]
    if applied:
        rows.append(("written", ", ".join(f"{applied.get(name, 0):,} {name}" for name in _OUTCOMES)))
    if verified:
        right, wrong = (
            Tag("as planned", "good"),
            Tag(things(verified.get("mismatches", 0), "mismatch", "mismatches"), "bad"),
        )
        rows.append(("verified", right if verified.get("ok") else wrong))
    return View(
        "report",
        "Report written",
        blocks=(Facts(tuple(rows)), Note("One file, nothing loaded from anywhere: open it, print it, attach it.")),
        data={"path": str(path)},
    )


_OUTCOMES = ("applied", "already", "conflicts", "failed")


def audit_card(audit: Audit) -> View:
    """Return whether an incident's record is what was sealed, and what is not."""
    counted = f"{things(audit.files, 'file')}, {things(audit.events, 'event')}, {things(audit.seals, 'seal')}"
    rows = [("checked", counted), ("folder", str(audit.folder)), ("manifest SHA-256", audit.manifest or "none")]
    blocks: list[Block] = [Facts(tuple(rows))]
    if audit.findings:
        found = tuple((Tag(one.what, "info" if one.note else "bad"), one.name, one.detail) for one in audit.findings)
        blocks.append(Grid(("finding", "file", "what is the matter"), found))
    if not audit.ok:
        fix = "Keep the folder as it is, and compare it with your copy of the manifest."
        blocks.append(Note("Something was changed after the record was sealed.", "bad", fix))
    tag = Tag("intact", "good") if audit.ok else Tag("not what was sealed", "bad")
    return View("audit", "The record", (tag,), tuple(blocks), audit.to_dict())


_CALM = {"GateClosed": "Waiting at the gate", "InputNeeded": "Your choice is needed", "StalePlan": "The plan is stale"}
"""Titles of what is no fault: the notebook waits for a person."""

_ELSEWHERE = (
    "Items are written by the cells under Write alone, and each of their writes is in the journal. "
    "If it was another cell, no item was written or changed."
)


def error_card(error: Exception, *, trace: str = "") -> View:
    """Return an error: what happened, what it means for the data, what to do.

    Args:
        error: The error.
        trace: Its traceback as text; shown only when unfolded.
    """
    fold: tuple[Block, ...] = (Fold("traceback, for whoever mends the kit", trace),) if trace else ()
    if not isinstance(error, PitrkitError):
        return _unexpected(error, fold)
    kind = type(error).__name__
    rows: list[tuple[str, str | Tag]] = [
        ("what happened" if not place else "", line) for place, line in enumerate(error.what.splitlines() or [""])
    ]
    if error.table:
        rows.append(("table", error.table))
    rows.append(("your data", error.meaning))
    if isinstance(error, AwsError):
        rows.append(("AWS said", f"{error.operation}: {error.code}"))
        rows.append(("request id", error.request_id or "none: there was no answer"))
    blocks: list[Block] = [Facts(tuple(rows))]
    if isinstance(error, GateClosed):
        blocks.append(Note("What to do: approve it above, then run this cell and those below it."))
        blocks += [Code(error.fix, "Headless, this command approves it:")] if error.fix else []
    elif error.fix:
        blocks.append(Note(f"What to do: {error.fix}"))
    data = {"error": kind, "what": error.what, "table": error.table, "fix": error.fix, "meaning": error.meaning}
    tone: Tone = "info" if kind in _CALM else "bad"
    return View("error", _CALM.get(kind, "That did not work"), (Tag(kind, tone),), (*blocks, *fold), data)


def _unexpected(error: Exception, fold: tuple[Block, ...]) -> View:
    text = f"{type(error).__name__}: {error}"
    meaning = str(getattr(error, "meaning", _ELSEWHERE))
    blocks: tuple[Block, ...] = (
        Code(text),
        Facts((("your data", meaning),)),
        Note("What to do: run the cell again. If it stays so, keep the traceback and the incident's folder."),
        *fold,
    )
    return View("error", "Unexpected error", (Tag("error", "bad"),), blocks, {"error": text, "meaning": meaning})


def interrupted_card() -> View:
    """Return that a cell was interrupted which has nothing to say about that itself."""
    text = "The cell was stopped. What was done is recorded, and running it again goes on from there."
    return View("interrupted", "Interrupted", (Tag("stopped by you", "warn"),), (Note(text),), {"note": text})
