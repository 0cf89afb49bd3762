"""Views of where one is: the caller, the incident and its steps, the record, a word in between, an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitrkit.errors import AwsError, GateClosed, PitrkitError
from pitrkit.runbook.blocks import (
    Block,
    Cell,
    Code,
    Facts,
    Fold,
    Grid,
    Link,
    Links,
    Note,
    Step,
    Steps,
    Tag,
    Tone,
)
from pitrkit.runbook.place import Place
from pitrkit.runbook.standing import Standing, standing
from pitrkit.runbook.values import things
from pitrkit.runbook.verdict import reach
from pitrkit.runbook.view import View

if TYPE_CHECKING:
    from pitrkit.runbook.record import Audit

_HAPPENED = {"deleted": "items deleted", "mangled": "items mangled", "gone": "table gone", "unsure": "not sure"}


def note(text: str, tone: Tone = "info", fix: str = "") -> View:
    """Return a sentence as a view."""
    return View("note", blocks=(Note(text, tone, fix),), data={"note": text})


def caller_strip(sign: Place) -> View:
    """Return who is asking and where, in the account's colour."""
    data = {"account": sign.account, "region": sign.region, "caller": sign.arn, "endpoint": sign.endpoint}
    blocks: list[Block] = [sign]
    if sign.kind == "production":
        blocks.append(Note("Production: what is written here is seen by customers.", "bad"))
    elif sign.kind == "unnamed":
        words = f"No name in pitrkit.toml: [accounts.{sign.account}] gives it one, and says whether it is production."
        blocks.append(Note(words, "muted"))
    return View("caller", blocks=tuple(blocks), data=data)


def incident_strip(sign: Place, data: Mapping[str, Any], stands: Standing, links: Mapping[str, str]) -> View:
    """Return an incident's name, table and chosen second, who is at work on it, and which steps are done.

    Args:
        sign: Where one is.
        data: What `incident.json` says.
        stands: Where the incident stands.
        links: Paths of its notebooks by name.
    """
    done = data.get("steps") or {}
    drawn = tuple(
        Step(
            stage.number,
            stage.name,
            "done" if stage.step in done else "current" if stage is stands.next else "to come",
            links.get(stage.notebook, ""),
        )
        for stage in stands.stages
    )
    rows: list[tuple[str, Cell]] = [
        ("incident", str(data.get("incident") or "without a name")),
        ("table", str(data.get("table") or "not selected yet")),
    ]
    window = data.get("window") or {}
    names = {stage.step for stage in stands.stages}
    if "pick" in names:
        rows.append(("T, back to", _utc_text(data.get("restore_at")) or "not picked yet"))
    elif window:
        rows.append(("damage", f"{_utc_text(window.get('since'))} to {_utc_text(window.get('until'))}"))
    if data.get("damage_until"):
        rows.append(("damage until", _utc_text(data["damage_until"])))
    if data.get("restored_table"):
        rows.append(("copy", str(data["restored_table"])))
    if data.get("happened"):
        rows.insert(2, ("what happened", _HAPPENED.get(str(data["happened"]), str(data["happened"]))))
    rows.append(("stands", Tag(stands.words, stands.tone)))
    return View("incident", blocks=(sign, Facts(tuple(rows), flow=True), Steps(drawn)), data=dict(data))


def onward(incident: str, stands: Standing, links: Sequence[Link]) -> View:
    """Return the way to where an incident goes on."""
    facts = Facts((("incident", incident), ("stands", Tag(stands.words, stands.tone))), flow=True)
    return View("onward", blocks=(facts, Links(tuple(links), "Go on:")), data={"next": stands.notebook})


def _utc_text(text: object) -> str:
    """Return the kit's own `2026-11-23T02:14:05Z` as people read it."""
    return str(text or "").replace("T", " ").replace("Z", " UTC")


def incidents_list(
    incidents: Iterable[Mapping[str, Any]],
    *,
    links: Mapping[str, str] | None = None,
    account: str = "",
    unreadable: Sequence[str] = (),
) -> View:
    """Return all incidents with where each stands, those in progress first.

    Args:
        incidents: What the `incident.json` of each says.
        links: Path of the notebook to go on in, by incident.
        account: The account one is in; an incident of another one cannot go on here.
        unreadable: Incidents whose state cannot be read.
    """
    broken = tuple(
        Note(f"incident.json of {name} cannot be read.", "bad", f"`pitrkit audit {name}` says what changed.")
        for name in unreadable
    )
    found = [(one, standing(one)) for one in incidents]
    if not found and not broken:
        return note("There are no incidents here yet: say below what happened, or 01_select_table opens one.")
    found.sort(key=lambda one: one[1].finished)
    rows = tuple(_incident_row(one, stands, links or {}, account) for one, stands in found)
    going = sum(not stands.finished for _, stands in found)
    grid = Grid(("=go on", "incident", "=table", "stands", "=back to (UTC)", "=steps"), rows)
    mark = Tag(f"{going:,} in progress", "info" if going else "muted")
    data = {"incidents": [dict(one) for one, _ in found]}
    return View("incidents", f"Incidents ({len(found):,})", (mark,), (grid, *broken), data)


def _incident_row(one: Mapping[str, Any], stands: Standing, links: Mapping[str, str], account: str) -> tuple[Cell, ...]:
    name = str(one.get("incident", ""))
    elsewhere = bool(account and one.get("account") and one["account"] != account)
    to = stands.notebook
    way: Cell = Link(to, links[name], strong=not stands.finished) if name in links else to
    since = one.get("restore_at") or (one.get("window") or {}).get("since")
    return (
        Tag(f"account {one['account']}", "warn", "Of another account: change the credentials") if elsewhere else way,
        name,
        str(one.get("table") or "-"),
        Tag(stands.words, stands.tone),
        _utc_text(since).removesuffix(" UTC") or "-",
        f"{stands.done} of {len(stands.stages)}",
    )


def report_card(path: Path, data: Mapping[str, Any], links: Sequence[Link] = ()) -> View:
    """Return where the report lies and how the incident ended.

    Args:
        path: The report.
        data: What `incident.json` says.
        links: Ways on, such as to the report itself.
    """
    applied, verified = data.get("apply") or {}, data.get("verify") or {}
    verdict = reach(data)
    rows: list[tuple[str, Cell]] = [("file", str(path))]
    if applied:
        rows.append(("written", ", ".join(f"{applied.get(name, 0):,} {name}" for name in _OUTCOMES)))
    if verified:
        right, wrong = (
            Tag("as planned", "good"),
            Tag(things(verified.get("mismatches", 0), "mismatch", "mismatches"), "bad"),
        )
        rows.append(("verified", right if verified.get("ok") else wrong))
    tone: Tone = "info" if verdict.tone == "open" else verdict.tone
    blocks: list[Block] = [
        Note(verdict.words, tone),
        Facts(tuple(rows)),
        Note("One file, nothing loaded from anywhere: open it, print it, attach it.", "muted"),
    ]
    if links:
        blocks.append(Links(tuple(links)))
    data = {"path": str(path), "verdict": verdict.title}
    return View("report", "Report written", (Tag(verdict.title, tone),), tuple(blocks), data)


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
