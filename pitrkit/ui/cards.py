"""Cards that every notebook may show: a note, an error with what to do, an interruption."""

from __future__ import annotations

from pitrkit.errors import AwsError, GateClosed, PitrkitError
from pitrkit.ui.blocks import Block, Code, Facts, Fold, Note, Tag, Tone
from pitrkit.ui.view import View


def note(text: str, tone: Tone = "info", fix: str = "") -> View:
    """Return a sentence as a view."""
    return View("note", blocks=(Note(text, tone, fix),), data={"note": text})


_CALM = {"GateClosed": "Waiting for approval", "InputNeeded": "Input needed", "StalePlan": "The plan is stale"}
"""Titles of what is no fault: the notebook waits for a person."""

_ELSEWHERE = (
    "Only the cells under Write change items, and the journal records each write. "
    "If this was another cell, no item was changed."
)


def error_card(error: Exception, *, trace: str = "") -> View:
    """Return an error: what happened, what it means for the data, what to do.

    Args:
        error: The error.
        trace: Its traceback as text; shown only when unfolded.
    """
    fold: tuple[Block, ...] = (Fold("Technical details (traceback)", trace),) if trace else ()
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
        rows.append(("AWS error", f"{error.operation}: {error.code}"))
        rows.append(("request id", error.request_id or "none: there was no response"))
    blocks: list[Block] = [Facts(tuple(rows))]
    if isinstance(error, GateClosed):
        blocks.append(Note("What to do: approve it above, then run this cell and those below it."))
        blocks += [Code(error.fix, "Or run this command to approve it:")] if error.fix else []
    elif error.fix:
        blocks.append(Note(f"What to do: {error.fix}"))
    data = {"error": kind, "what": error.what, "table": error.table, "fix": error.fix, "meaning": error.meaning}
    tone: Tone = "info" if kind in _CALM else "bad"
    return View("error", _CALM.get(kind, "This step failed"), (Tag(kind, tone),), (*blocks, *fold), data)


def _unexpected(error: Exception, fold: tuple[Block, ...]) -> View:
    text = f"{type(error).__name__}: {error}"
    meaning = str(getattr(error, "meaning", _ELSEWHERE))
    blocks: tuple[Block, ...] = (
        Code(text),
        Facts((("your data", meaning),)),
        Note("What to do: run the cell again. If it fails again, keep the traceback and the incident's folder."),
        *fold,
    )
    return View("error", "Unexpected error", (Tag("error", "bad"),), blocks, {"error": text, "meaning": meaning})


def interrupted_card() -> View:
    """Return that a cell was interrupted which has nothing to say about that itself."""
    text = "The cell was stopped. Completed work is recorded; run the cell again to resume."
    return View("interrupted", "Interrupted", (Tag("stopped by you", "warn"),), (Note(text),), {"note": text})
