"""Views of a drill: what it would do, what it found on its way, and how it went beside those before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pitrkit.runbook.finish import drill_history
from pitrkit.runbook.finish.drill_history import RECOVERY, DrillRecord, Limits, compared
from pitrkit.ui.blocks import Block, Cell, Facts, Grid, Note, Tag, Tile, Tiles, Tone
from pitrkit.ui.text import count_text, duration, moment
from pitrkit.ui.view import View

if TYPE_CHECKING:
    from pitrkit.aws.backups.pitr import ContinuousBackups
    from pitrkit.recovery.advice.cost import Estimate
    from pitrkit.runbook.session.gate import Intent


_STEPS = {
    "restore": "restore the past into a new table",
    "diff": "compare the copy with the live table",
    "plan": "make the scratch table, plan",
    "copy": "copy into the scratch table",
    "verify": "read again what was written",
    "undo": "undo the copy, scan the scratch table",
    "clean_up": "delete both tables",
}


def proposal(
    intent: Intent,
    estimate: Estimate,
    limits: Limits,
    *,
    protection: ContinuousBackups,
    at: datetime,
    others: Sequence[DrillRecord],
    strangers: Sequence[str],
) -> View:
    """Return a drill as something to approve: what it makes, what it costs, its limits, and those before it."""
    details: list[tuple[str, Cell]] = [(name, str(value)) for name, value in intent.details.items()]
    behind = (at - protection.window.latest_at).total_seconds() if protection.window else 0.0
    rows: list[tuple[str, Cell]] = [
        ("table", intent.table),
        *details,
        ("costs about", str(estimate)),
        ("recovery time", _limit(limits.to_dict()["recovery_time"])),
        ("recovery point", f"{duration(behind)} behind now; {_limit(limits.to_dict()['recovery_point'])}"),
        ("digest", intent.digest),
    ]
    text = (
        "Nothing is written to the real table: it is restored from, and read. What is written goes into a scratch "
        "table that the drill makes, and both tables are deleted again. The digest is the same for each drill that is "
        "asked for like this one, so it may stand in a schedule."
    )
    blocks: list[Block] = [Facts(tuple(rows)), Note(text)]
    blocks += _strange(strangers)
    if others:
        blocks.append(drill_history.draw(others))
    data = {"digest": intent.digest, "table": intent.table, "estimate": estimate.to_dict(), "limits": limits.to_dict()}
    return View("drill", f"A drill of {intent.table}", (Tag("not begun", "info"),), tuple(blocks), data)


def _limit(seconds: float | None) -> str:
    return "no limit" if seconds is None else f"limit {duration(seconds)}"


def _strange(strangers: Sequence[str]) -> list[Block]:
    if not strangers:
        return []
    text = f"{', '.join(strangers)}: made by drills, it seems, of which there is no record in this folder."
    return [Note(text, "warn", "Look at them; once you know that nobody needs them, delete them in the console.")]


def leftovers_result(drills: Mapping[str, Sequence[str]], strangers: Sequence[str]) -> View:
    """Return what earlier drills had left, and what became of it."""
    blocks: list[Block] = [
        Note(f"{name}: {', '.join(remaining)} cannot be deleted yet.", "warn", "The next drill tries again.")
        if remaining
        else Note(f"{name} had not ended: what it left is deleted, and its record is sealed.", "good")
        for name, remaining in drills.items()
    ]
    blocks += _strange(strangers) or []
    nothing = (Note("No earlier drill has left anything.", "muted"),)
    return View("note", blocks=tuple(blocks) or nothing, data={"swept": {k: list(v) for k, v in drills.items()}})


def undo_result(remaining: int, written: int, *, ok: bool) -> View:
    """Return whether the undo emptied the scratch table."""
    if not written:
        return View("note", blocks=(Note("The copy held no items, so there was nothing to undo.", "muted"),))
    text = f"{count_text(written, 'item')} undone; a scan finds {count_text(remaining, 'item')} in the scratch table."
    tone: Tone = "good" if ok else "bad"
    return View("note", blocks=(Note(text, tone),), data={"written": written, "left": remaining, "ok": ok})


def cleaned(remaining: Sequence[str]) -> View:
    """Return whether both tables are deleted."""
    if remaining:
        note = Note(
            f"{', '.join(remaining)} could not be deleted yet.", "bad", "The next drill, or 14_clean_up, does it."
        )
    else:
        note = Note("The restored copy and the scratch table are being deleted.", "good")
    return View("note", blocks=(note,), data={"left": list(remaining)})


def result(drill: DrillRecord, others: Sequence[DrillRecord], folder: Path | None = None) -> View:
    """Return how a drill went: its two times against their limits, its steps, and the drills before it."""
    time, point = drill.recovery_seconds, drill.recovery_point_seconds
    tiles = Tiles(
        (
            _tile(time, drill.limits.get("recovery_time"), "recovery time"),
            _tile(point, drill.limits.get("recovery_point"), "recovery point, behind now"),
            Tile(f"{drill.items:,}", "items copied and undone"),
        )
    )
    blocks: list[Block] = [tiles, *(Note(reason, "bad") for reason in ([] if drill.passed else drill.why))]
    blocks.append(steps(drill))
    if comparison := compared(drill, list(others)):
        blocks.append(Note(comparison, "muted"))
    blocks.append(drill_history.draw([*others, drill]))
    if folder is not None:
        blocks.append(Facts((("report", str(folder / "report.html")),)))
    tag = Tag("passed", "good") if drill.passed else Tag("failed", "bad")
    data = {
        "incident": drill.incident,
        "passed": drill.passed,
        "why": list(drill.why) if not drill.passed else [],
        "recovery_seconds": time,
        "recovery_point_seconds": point,
        "steps": dict(drill.steps),
    }
    return View("drill", f"Drill of {moment(drill.began_at)}", (tag,), tuple(blocks), data)


def _tile(value: float | None, limit: float | None, label: str) -> Tile:
    if value is None:
        return Tile("-", f"{label}: not reached", "bad")
    over = limit is not None and value > limit
    return Tile(duration(value), f"{label}, {_limit(limit)}", "bad" if over else "good" if limit is not None else "")


def steps(drill: DrillRecord) -> Grid:
    """Return the steps of a drill with the time that each took."""
    rows = tuple(
        (duration(drill.steps[name]), does, "yes" if name in RECOVERY else "no")
        for name, does in _STEPS.items()
        if name in drill.steps
    )
    return Grid((">took", "step", "part of the recovery time"), rows)
