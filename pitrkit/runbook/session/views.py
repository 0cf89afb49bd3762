"""Views of where one is: the caller, the incident and its steps, the record, a word in between, an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitrkit.runbook.session.status import Status, status_of
from pitrkit.runbook.session.verdict import verdict_of
from pitrkit.ui.account_badge import AccountBadge
from pitrkit.ui.blocks import Block, Cell, Facts, Grid, Link, Links, Note, StepBlock, Steps, Tag, Tone
from pitrkit.ui.cards import note
from pitrkit.ui.text import count_text
from pitrkit.ui.view import View

if TYPE_CHECKING:
    from pitrkit.record.audit import Audit


NEXT_STEP = "Next step:"

_HAPPENED = {"deleted": "items deleted", "mangled": "items corrupted", "gone": "table deleted", "unsure": "not sure"}


def caller_strip(sign: AccountBadge, guardrail_text: str = "") -> View:
    """Return who is asking and where, in the account's colour, and what the settings hold the kit to."""
    data = {"account": sign.account, "region": sign.region, "caller": sign.arn, "endpoint": sign.endpoint}
    blocks: list[Block] = [sign]
    if sign.kind == "production":
        blocks.append(Note("Production: writes here affect customers.", "bad"))
    elif sign.kind == "unnamed":
        text = f"No name for this account: set `name` and `production` in [accounts.{sign.account}] of pitrkit.toml."
        blocks.append(Note(text, "muted"))
    if guardrail_text:
        blocks.append(Note(guardrail_text, "muted"))
    return View("caller", blocks=tuple(blocks), data=data)


def incident_strip(sign: AccountBadge, data: Mapping[str, Any], stands: Status, links: Mapping[str, str]) -> View:
    """Return an incident's name, table and chosen second, who is at work on it, and which steps are done.

    Args:
        sign: Where one is.
        data: What `incident.json` says.
        stands: Where the incident stands.
        links: Paths of its notebooks by name.
    """
    done = data.get("steps") or {}
    drawn = tuple(
        StepBlock(
            stage.number,
            stage.name,
            "done" if stage.step in done else "current" if stage is stands.next else "to come",
            links.get(stage.notebook, ""),
        )
        for stage in stands.stages
    )
    rows: list[tuple[str, Cell]] = [
        ("incident", str(data.get("incident") or "no name yet")),
        ("table", str(data.get("table") or "not selected yet")),
    ]
    window = data.get("window") or {}
    names = {stage.step for stage in stands.stages}
    if "pick" in names:
        rows.append(("recovery point", _utc_text(data.get("restore_at")) or "not chosen yet"))
    elif window:
        rows.append(("damage", f"{_utc_text(window.get('since'))} to {_utc_text(window.get('until'))}"))
    if data.get("damage_until"):
        rows.append(("damage until", _utc_text(data["damage_until"])))
    if data.get("restored_table"):
        where = f" in {data['restored_region']}" if data.get("restored_region") else ""
        rows.append(("copy", f"{data['restored_table']}{where}"))
    if data.get("happened"):
        rows.insert(2, ("what happened", _HAPPENED.get(str(data["happened"]), str(data["happened"]))))
    rows.append(("status", Tag(stands.words, stands.tone)))
    return View("incident", blocks=(sign, Facts(tuple(rows), flow=True), Steps(drawn)), data=dict(data))


def onward(incident: str, stands: Status, links: Sequence[Link]) -> View:
    """Return the way to where an incident goes on."""
    facts = Facts((("incident", incident), ("status", Tag(stands.words, stands.tone))), flow=True)
    return View("onward", blocks=(facts, Links(tuple(links), NEXT_STEP)), data={"next": stands.notebook})


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
        Note(f"incident.json of {name} cannot be read.", "bad", f"`pitrkit audit {name}` shows what changed.")
        for name in unreadable
    )
    incident_statuses = [(incident, status_of(incident)) for incident in incidents]
    if not incident_statuses and not broken:
        return note("There are no incidents here yet. Report one below, or open one with 01_select_table.")
    incident_statuses.sort(key=lambda row: row[1].finished)
    rows = tuple(_incident_row(incident, stands, links or {}, account) for incident, stands in incident_statuses)
    going = sum(not stands.finished for _, stands in incident_statuses)
    grid = Grid(("=next step", "incident", "=table", "status", "=recovery point (UTC)", "=steps"), rows)
    mark = Tag(f"{going:,} in progress", "info" if going else "muted")
    data = {"incidents": [dict(incident) for incident, _ in incident_statuses]}
    return View("incidents", f"Incidents ({len(incident_statuses):,})", (mark,), (grid, *broken), data)


def _incident_row(
    incident: Mapping[str, Any], stands: Status, links: Mapping[str, str], account: str
) -> tuple[Cell, ...]:
    name = str(incident.get("incident", ""))
    elsewhere = bool(account and incident.get("account") and incident["account"] != account)
    to = stands.notebook
    next_cell: Cell = Link(to, links[name], strong=not stands.finished) if name in links else to
    since = incident.get("restore_at") or (incident.get("window") or {}).get("since")
    return (
        Tag(f"account {incident['account']}", "warn", "Another account: change the credentials")
        if elsewhere
        else next_cell,
        name,
        str(incident.get("table") or "-"),
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
    verdict = verdict_of(data)
    rows: list[tuple[str, Cell]] = [("file", str(path))]
    if applied:
        rows.append(("written", ", ".join(f"{applied.get(name, 0):,} {name}" for name in _OUTCOMES)))
    if verified:
        right, wrong = (
            Tag("as planned", "good"),
            Tag(count_text(verified.get("mismatches", 0), "mismatch", "mismatches"), "bad"),
        )
        rows.append(("verified", right if verified.get("ok") else wrong))
    tone: Tone = "info" if verdict.tone == "open" else verdict.tone
    blocks: list[Block] = [
        Note(verdict.words, tone),
        Facts(tuple(rows)),
        Note("One self-contained file: open it, print it, attach it.", "muted"),
    ]
    if links:
        blocks.append(Links(tuple(links)))
    data = {"path": str(path), "verdict": verdict.title}
    return View("report", "Report written", (Tag(verdict.title, tone),), tuple(blocks), data)


_OUTCOMES = ("applied", "already", "conflicts", "failed")


def audit_card(audit: Audit, problems: Sequence[str] = ()) -> View:
    """Return whether an incident's record is what was sealed, and what is not.

    Args:
        audit: What the audit found.
        problems: What of the seal, its signature or the upload did not work.
    """
    counted = (
        f"{count_text(audit.files, 'file')}, {count_text(audit.events, 'event')}, {count_text(audit.seals, 'seal')}"
    )
    rows = [("checked", counted), ("folder", audit.place), ("manifest SHA-256", audit.manifest or "none")]
    if audit.signed:
        rows.append(("signed", audit.signature_words))
    blocks: list[Block] = [Facts(tuple(rows))]
    if audit.findings:
        finding_rows = tuple(
            (Tag(finding.what, "info" if finding.note else "bad"), finding.name, finding.detail)
            for finding in audit.findings
        )
        blocks.append(Grid(("finding", "file", "details"), finding_rows))
    unsigned = [finding for finding in audit.findings if not finding.note] and all(
        finding.note or finding.what in ("unsigned", "signature") for finding in audit.findings
    )
    if not audit.ok and not unsigned:
        fix = "Do not change the folder, and compare it with your copy of the manifest."
        blocks.append(Note("Files were changed after the record was sealed.", "bad", fix))
    for problem in problems:
        text, _, fix = problem.partition("\n-> ")
        blocks.append(Note(text, "warn", fix))
    tag = Tag("intact", "good") if audit.ok else Tag("not signed" if unsigned else "changed since sealing", "bad")
    return View("audit", "The record", (tag,), tuple(blocks), audit.to_dict())
