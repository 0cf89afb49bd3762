"""Views of the timeline: the restorable window, the chart of write activity, the candidates, and the recovery point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from pitrkit.aws.backups.pitr import ContinuousBackups
from pitrkit.aws.services.cloudtrail import TrailEvent
from pitrkit.runbook.start.table_views import NO_PITR, pitr_tag, window_dict
from pitrkit.runbook.timeline.chart import draw
from pitrkit.runbook.timeline.table_history import TableHistory
from pitrkit.runbook.timeline.time_picker import BEFORE_LATEST, IS_LATEST
from pitrkit.times import iso
from pitrkit.ui.blocks import Block, Cell, Facts, Grid, Note, Tag
from pitrkit.ui.text import count_text, duration, folded, moment
from pitrkit.ui.view import View

AROUND_T = timedelta(minutes=30)

EVIDENCE = "evidence"
"""How the reasons for a candidate are called."""

EVENTS_LISTED = 8


def window_view(protection: ContinuousBackups, life: TableHistory, *, at: str = "") -> View:
    """Return the restorable window and, as far as it is known, write activity in it with *at* marked."""
    window = protection.window
    blocks: list[Block] = []
    if window is None:
        blocks.append(Note(NO_PITR, "bad", "Set `restored` in 01_select_table to an existing copy."))
    else:
        reach = duration((window.latest_at - window.earliest_at).total_seconds())
        rows = (
            ("earliest", moment(window.earliest_at)),
            ("latest", moment(window.latest_at)),
            ("reach", f"{reach} (at most {count_text(protection.period_days, 'day')} back)"),
        )
        blocks.append(Facts(rows))
    chosen_at = datetime.fromisoformat(at).astimezone(UTC) if at else None
    blocks += life_blocks(life, chosen_at)
    data = {
        "table": protection.table,
        "pitr": protection.enabled,
        "window": window_dict(window),
        "minutes": len(life.activity.calls) if life.activity else 0,
        "events": len(life.events),
        "candidates": [candidate.to_dict() for candidate in life.candidates],
        "unknown": [gap.what for gap in life.gaps],
        "at": at,
    }
    tag = pitr_tag(protection)
    title = f"Restore window: {protection.table}"
    return View("window", title, (Tag(f"PITR {tag.text}", tag.tone),), tuple(blocks), data)


def life_blocks(life: TableHistory, chosen_at: datetime | None = None) -> Iterator[Block]:
    """Yield the chart with *chosen_at* marked, the candidates, the events nearest to either, and what is not known."""
    if (life.activity and life.activity.calls) or life.events:
        picture = draw(life, marked_at=chosen_at)
        yield picture
        if chosen_at and picture.marker is None:
            yield Note(f"The chosen {moment(chosen_at)} lies outside the chart.", "muted")
    if life.candidates:
        yield candidates_grid(life)
    elif life.activity and life.activity.calls:
        yield Note("No anomaly found: look at the chart, or look further back (parameter `hours`).", "muted")
    around_at = chosen_at or (life.candidates[0].at if life.candidates else life.end_at)
    if life.events:
        yield _events_grid(life.events, around_at)
    for gap in life.gaps:
        yield Note(gap.what, "muted", gap.fix)


def candidates_grid(life: TableHistory) -> Grid:
    """Return the candidates, with the evidence for each."""
    rows: list[tuple[Cell, ...]] = []
    for number, candidate in enumerate(life.candidates, 1):
        restorable = life.window is not None and life.window.holds(candidate.at)
        mark: Cell = "" if restorable else Tag("not restorable", "warn", "Outside the PITR window")
        rows.append((str(number), moment(candidate.at), mark, " ".join(candidate.evidence)))
    return Grid((">", "=recovery point", "", EVIDENCE), tuple(rows), caption="Candidates, most likely first")


def _events_grid(events: Sequence[TrailEvent], around_at: datetime) -> Grid:
    rows = tuple(
        (moment(event.at), event.name, folded(event.what, 44), event.source, folded(event.who, 60))
        for event in nearest(events, around_at)
    )
    listed = "" if len(rows) == len(events) else f": the {len(rows)} of {len(events):,} nearest to {moment(around_at)}"
    return Grid(("=at", "=event", "=what", "=service", "who"), rows, caption=f"Deployments and table changes{listed}")


def nearest(events: Sequence[TrailEvent], around_at: datetime) -> list[TrailEvent]:
    """Return the few events that are nearest to *around_at*, in time order."""
    near = sorted(events, key=lambda event: abs(event.at - around_at))[:EVENTS_LISTED]
    return sorted(near, key=lambda event: event.at)


def picked_time(
    at: datetime, protection: ContinuousBackups, life: TableHistory | None = None, *, until: datetime | None = None
) -> View:
    """Return the chosen second, in UTC and local time, how far it is from the window's ends, and what is around it.

    *until* is the end of the damage in a three-way recovery.
    """
    local = at.astimezone()
    rows: list[tuple[str, Cell]] = [("UTC", moment(at))]
    if local.utcoffset() != at.astimezone(UTC).utcoffset():
        rows.append(("local", f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()} (UTC{local:%z})"))
    if protection.window:
        after, remaining = protection.window.latest_at - at, at - protection.window.earliest_at
        rows.append((BEFORE_LATEST, duration(after.total_seconds()) if after else IS_LATEST))
        rows.append(
            ("expires from the PITR window in", f"about {duration(remaining.total_seconds() + _slack(protection))}")
        )
    meaning = "The restored table will contain every write up to and including this second."
    data = {"at": iso(at)}
    if until is not None:
        rows.append(("damage until", f"{moment(until)}, {duration((until - at).total_seconds())} later"))
        data["damage_until"] = iso(until)
        meaning += " Changes from then until the end of the damage are candidates to revert; later changes are kept."
    blocks: list[Block] = [Facts(tuple(rows))]
    if life and life.start_at <= at <= life.end_at and (life.events or (life.activity and life.activity.calls)):
        until_at = min(at + AROUND_T, life.end_at)
        blocks.append(draw(life, max(life.start_at, until_at - 2 * AROUND_T), until_at, marked_at=at))
    blocks.append(Note(meaning, "muted"))
    return View("picked", "Recovery point", (Tag("restorable", "good"),), tuple(blocks), data)


def _slack(protection: ContinuousBackups) -> float:
    """Seconds before the window's earliest end begins to move: it does when it is as long as its period."""
    assert protection.window is not None
    reach = (protection.window.latest_at - protection.window.earliest_at).total_seconds()
    return max(0.0, protection.period_days * 86400 - reach)
