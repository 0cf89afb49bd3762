"""Views of a cut-over: what is at risk, both tables' settings side by side, the plan, what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pitrkit.ui.blocks import Block, Cell, Facts, Grid, Note, Tag, Tile, Tiles, Tone
from pitrkit.ui.text import count_text, folded, moment
from pitrkit.ui.view import View

if TYPE_CHECKING:
    from pitrkit.aws.backups.pitr import ContinuousBackups
    from pitrkit.aws.settings.kinds import Setting
    from pitrkit.aws.settings.settings import SettingDifference, TableSettings, Unread
    from pitrkit.aws.tables.tables import Table
    from pitrkit.runbook.adopt.settings_plan import SettingChange, SettingsPlan


_WIDE = 90
_STATES: dict[str, tuple[str, Tone]] = {
    "same": ("same", "good"),
    "missing": ("not on the copy", "warn"),
    "differs": ("differs", "warn"),
    "extra": ("only on the copy", "info"),
    "unread": ("not readable", "bad"),
}
_OUTCOMES: dict[str, tuple[str, Tone]] = {
    "done": ("done", "good"),
    "already": ("was so already", "muted"),
    "changed": ("left: changed since", "warn"),
    "failed": ("refused", "bad"),
}
_GOES = (
    "Deleting the original takes its point-in-time recovery history with it. All that is left then is one system "
    "backup of its last second, for 35 days. No earlier second of it can be restored any more."
)
_WHEN = (
    "Adopting the copy is the better way when most of the table is damage, when nothing good was written since (the "
    "writers were stopped, or the table is gone), or when clients can be moved faster than the damage can be copied "
    "back. Otherwise 05_copy_back is: it keeps good writes, and changes neither names nor settings."
)


def risks(
    name: str, copy: str, original: Table | None, protection: ContinuousBackups | None, data: Mapping[str, Any]
) -> View:
    """Return what giving the original up would lose. None is of an original that is gone, or may not be seen."""
    rows: list[tuple[str, Cell]] = [("original", name), ("copy", f"{copy}, as of {data.get('restore_at', 'unknown')}")]
    blocks: list[Block] = [Note(_GOES, "bad", "Keep the original until nobody can need its past any more.")]
    if original is None:
        blocks.append(Note(f"{name} itself is gone: what is adopted is all there is.", "warn"))
    else:
        protected = Tag("on", "good") if original.deletion_protection else Tag("off", "bad")
        rows.append(("original's deletion protection", protected))
        window = protection.window if protection else None
        window_text = (
            f"{moment(window.earliest_at)} to {moment(window.latest_at)}" if window else "none that can be seen"
        )
        rows.append(("history that would go with it", window_text))
    blocks += [Note(f"{_lost(data)}", "warn"), Facts(tuple(rows)), Note(_WHEN)]
    return View("risks", "Before anything: what adopting the copy costs", blocks=tuple(blocks), data={"table": name})


def _lost(data: Mapping[str, Any]) -> str:
    at = data.get("restore_at", "its second")
    diff = data.get("diff") or {}
    if not diff:
        return (
            f"The copy shows {at}. Everything written to the original since is not in it, good writes as well; "
            "04_diff counts them."
        )
    counts = ", ".join(f"{diff.get(kind, 0):,} {kind}" for kind in ("removed", "modified", "inserted"))
    return (
        f"The copy shows {at}. Since then, as compared by 04_diff: {counts}. Of these, the inserted items and "
        "the good ones of the modified are not in the copy."
    )


def compared(original: TableSettings, copy: TableSettings, differences: Sequence[SettingDifference]) -> View:
    """Return two tables' settings side by side."""
    rows = tuple(
        (
            difference.kind,
            _short(difference.name),
            _said(difference.wanted),
            _said(difference.found),
            _state(difference.state),
        )
        for difference in differences
    )
    counts = {state: sum(difference.state == state for difference in differences) for state in _STATES}
    tiles = tuple(Tile(str(counts[state]), text, tone) for state, (text, tone) in _STATES.items() if counts[state])
    blocks: list[Block] = [Tiles(tiles), Grid(("setting", "of", original.table, copy.table, ""), rows)]
    blocks += [
        unread_note(settings.table, unread_source) for settings in (original, copy) for unread_source in settings.unread
    ]
    data = {
        "original": original.table,
        "copy": copy.table,
        "settings": [difference.to_dict() for difference in differences],
        "unread": [unread_source.action for settings in (original, copy) for unread_source in settings.unread],
    }
    return View("settings", "Settings: the original's and the copy's", blocks=tuple(blocks), data=data)


def unread_note(table: str, unread: Unread) -> Note:
    """Return that some settings could not be read."""
    request = f", request {unread.request_id}" if unread.request_id else ""
    why = "the caller may not" if unread.denied else "no answer that can be used"
    text = f"{', '.join(unread.kinds)} of {table} could not be read: {why} [{unread.action}: {unread.code}{request}]"
    return Note(text, "warn", f"Allow {unread.action} and run this again, or look at it by hand.")


def plan(it: SettingsPlan) -> View:
    """Return a plan of settings."""
    back = it.action == "take settings back"
    rows = tuple(
        (
            change.setting.kind,
            _short(change.setting.name),
            _said(change.setting if back else change.before),
            _said(change.before if back else change.setting),
        )
        for change in it.changes
    )
    blocks: list[Block] = []
    if rows:
        blocks.append(Grid(("setting", "of", "now", "then"), rows, f"What would be done to {it.table}:"))
    blocks += [Note(text, tone) for text, tone in _warnings(it)]
    if it.left:
        skipped_rows = tuple((skipped.kind, _short(skipped.name), skipped.why) for skipped in it.left)
        blocks.append(Grid(("setting", "of", "why not"), skipped_rows, "What is not done:"))
    if rows:
        blocks.append(Facts((("changes", it.table), ("as", it.original.table), ("digest", it.digest))))
    else:
        blocks.append(Note("There is nothing to do.", "good"))
    data = {
        "action": it.action,
        "table": it.table,
        "digest": it.digest if rows else "",
        "changes": [change.to_dict() for change in it.changes],
        "left": [[skipped.kind, skipped.name, skipped.why] for skipped in it.left],
    }
    tag = Tag("not done yet", "info") if rows else Tag("nothing to do", "good")
    title = f"{it.action.capitalize()}: {count_text(len(it.changes), 'setting')} of {it.table}"
    return View("settings_plan", title, (tag,), tuple(blocks), data)


def _warnings(it: SettingsPlan) -> list[tuple[str, Tone]]:
    kinds = {change.setting.kind for change in it.changes}
    if it.action == "take settings back":
        return (
            [("TTL can be changed once an hour: earlier than that the service refuses.", "info")]
            if "ttl" in kinds
            else []
        )
    warnings: list[tuple[str, Tone]] = []
    if "ttl" in kinds:
        warnings.append(("With TTL on, the service deletes what has expired from the copy: look at it before.", "warn"))
    if "global-index" in kinds:
        warnings.append(("An index is filled from the whole copy: it takes its time and write units.", "info"))
    if "pitr" in kinds:
        warnings.append(
            ("The copy's recovery history begins when its recovery is turned on; it has none before.", "info")
        )
    if kinds & {"event-source", "kinesis"}:
        text = "What reads these changes sees both tables' until the original's is taken away: you accepted that."
        warnings.append((text, "bad"))
    return warnings


def outcomes(it: SettingsPlan, results: Sequence[tuple[SettingChange, str, str]]) -> View:
    """Return what came of each change."""
    rows = tuple(
        (change.setting.kind, _short(change.setting.name), Tag(*_OUTCOMES[outcome]), detail)
        for change, outcome, detail in results
    )
    counts = {name: sum(outcome == name for _, outcome, _ in results) for name in _OUTCOMES}
    tiles = tuple(Tile(str(counts[name]), text, tone) for name, (text, tone) in _OUTCOMES.items() if counts[name])
    grid = Grid(("setting", "of", "outcome", "request ids, or why"), rows)
    return View("settings_done", f"{it.action.capitalize()}: {it.table}", blocks=(Tiles(tiles), grid), data=counts)


def verified(
    it: SettingsPlan, wrong: Sequence[SettingChange], has: Mapping[tuple[str, str], Setting], unread: Sequence[Unread]
) -> View:
    """Return which settings of a plan are as planned, by reading them again."""
    blocks: list[Block] = [unread_note(it.table, unread_source) for unread_source in unread]
    if wrong:
        rows = tuple(
            (
                change.setting.kind,
                _short(change.setting.name),
                _said(has.get(change.setting.key)),
                _said(_wanted(it, change)),
            )
            for change in wrong
        )
        blocks.append(Grid(("setting", "of", "is", "should be"), rows))
    right = len(it.changes) - len(wrong)
    text = f"{right} of {count_text(len(it.changes), 'setting')} as planned, read again"
    blocks.insert(0, Note(text, "bad" if wrong else "good"))
    tag = Tag("differs", "bad") if wrong else Tag("verified", "good")
    return View("settings_verified", f"Verified: {it.table}", (tag,), tuple(blocks), {"ok": not wrong, "right": right})


def _wanted(it: SettingsPlan, change: SettingChange) -> Setting | None:
    return change.before if it.action == "take settings back" else change.setting


def _state(state: str) -> Tag:
    return Tag(*_STATES[state])


def _said(setting: Setting | None) -> str:
    return "-" if setting is None else folded(setting.words(), _WIDE)


def _short(name: str) -> str:
    return folded(name.rpartition(":")[2] if name.startswith("arn:") else name, _WIDE)
