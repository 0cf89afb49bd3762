"""Views of what differs: counts, items side by side, and which attributes changed how often."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pitrkit.aws.items import attributes
from pitrkit.config import masking
from pitrkit.recovery.changes.change import KINDS, Kind
from pitrkit.recovery.changes.query import SIDE_NAMES
from pitrkit.ui.blocks import Bar, BarRow, Bars, Block, Facts, Note, Sample, SampleRow, Samples, Segment, Tag
from pitrkit.ui.cards import note
from pitrkit.ui.text import compare, count_text, folded, key_text, show, value_text, visible
from pitrkit.ui.view import View

if TYPE_CHECKING:
    import pandas as pd

    from pitrkit.aws.items import Image, Key
    from pitrkit.recovery.changes.change import Change, Counts
    from pitrkit.recovery.changes.change_set import ChangeSet


ROWS_SHOWN = 12
"""Attributes of one item that are shown; the rest is named or counted."""

NAMES_SHOWN = 8
BARS_SHOWN = 20
_SIDES: dict[Kind, Literal["", "then", "now"]] = {"removed": "then", "modified": "", "inserted": "now"}
_WORDS = {
    "same": "unchanged",
    "removed": "removed (missing now)",
    "modified": "modified (different now)",
    "inserted": "inserted (new since)",
}


def counts_bar(counts: Counts) -> Bar:
    """Return the four counts as parts of a whole."""
    return Bar(tuple(Segment(label, getattr(counts, kind), kind) for kind, label in _WORDS.items()))


def counts_card(changes: ChangeSet) -> View:
    """Return how many items are the same, removed, modified and inserted."""
    counts = changes.counts
    scope = masking.current().words(changes.scope)
    rows = (
        (SIDE_NAMES["then"], _when(changes.before_at)),
        ("now", _when(changes.after_at)),
        ("source", changes.source),
        ("scope", scope),
    )
    blocks: list[Block] = [Facts(rows), counts_bar(counts)]
    if not counts.changes:
        whole = "No differences." if scope == "everything" else "No differences in this scope."
        blocks.append(Note(whole, "good"))
    text = count_text(counts.changes, "difference")
    tag = Tag(text, "warn" if counts.changes else "good")
    data = {
        "table": changes.table,
        "before_at": changes.before_at,
        "after_at": changes.after_at,
        "source": changes.source,
        "scope": masking.current().scope(changes.scope).to_dict(),
        "counts": counts.to_dict(),
    }
    return View("counts", f"Differences in {changes.table}", (tag,), tuple(blocks), data)


def _when(text: str) -> str:
    return text.replace("T", " ").replace("Z", " UTC") or "-"


def samples_view(changes: ChangeSet, n: int = 3) -> View:
    """Return up to *n* changes of each kind, then and now side by side, changed attributes marked."""
    sampled_changes = [change for kind in KINDS for change in changes.samples(kind, n)]
    if not sampled_changes:
        return note("There are no differences to show.", "good")
    sampled_counts = {kind: sum(change.kind == kind for change in sampled_changes) for kind in KINDS}
    counts = changes.counts
    text = ", ".join(
        f"{sampled_counts[kind]:,} of {getattr(counts, kind):,} {kind}" for kind in KINDS if sampled_counts[kind]
    )
    data = {
        "shown": sampled_counts,
        "of": counts.to_dict(),
        "keys": [masking.current().key(change.key) for change in sampled_changes],
    }
    return View("samples", "Samples", (Tag(text),), (side_by_side(sampled_changes),), data)


def side_by_side(changes: Iterable[Change]) -> Samples:
    """Return changes as items side by side."""
    samples = tuple(
        replace(
            sample(Tag(change.kind, change.kind), change.key, change.before, change.after), side=_SIDES[change.kind]
        )
        for change in changes
    )
    return Samples(samples)


def sample(kind: Tag, key: Key, then: Image | None, now: Image | None) -> Sample:
    """Return one item on both sides: where both exist, what differs; else what there is. It is masked here."""
    then, now = masking.current().pair(then, now)
    before = attributes(then) if then is not None else {}
    after = attributes(now) if now is not None else {}
    keys = attributes(key).keys()
    names = sorted((before.keys() | after.keys()) - keys)
    if then is None or now is None:
        rows = [_row(name, before, after, changed=False) for name in names]
        unchanged: list[str] = []
    else:
        rows = [_row(name, before, after, changed=True) for name in names if before.get(name) != after.get(name)]
        unchanged = [name for name in names if before.get(name) == after.get(name)]
    rest = []
    if len(rows) > ROWS_SHOWN:
        rest.append(f"{count_text(len(rows) - ROWS_SHOWN, 'more attribute')} not shown")
    if unchanged:
        more = f" and {len(unchanged) - NAMES_SHOWN:,} more" if len(unchanged) > NAMES_SHOWN else ""
        listed = ", ".join(_name(name) for name in unchanged[:NAMES_SHOWN])
        rest.append(f"unchanged: {listed}{more}")
    return Sample(kind, key_text(key), tuple(rows[:ROWS_SHOWN]), "; ".join(rest))


def _name(name: str) -> str:
    return folded(visible(name), 60)


def _row(name: str, before: Mapping[str, Any], after: Mapping[str, Any], *, changed: bool) -> SampleRow:
    then = value_text(before[name]) if name in before else None
    now = value_text(after[name]) if name in after else None
    if then is not None and now is not None:
        left, right = compare(then, now)
        return SampleRow(_name(name), left, right, changed)
    return SampleRow(
        _name(name), show(then) if then is not None else None, show(now) if now is not None else None, changed
    )


def attributes_view(statistics: pd.DataFrame) -> View:
    """Return in how many modified items each attribute was changed, added or removed.

    Args:
        statistics: Columns `attribute`, `changed`, `added`, `removed`, busiest first.
    """
    columns = ["attribute", "changed", "added", "removed"]
    statistics_rows = statistics[columns].itertuples(index=False, name=None)
    rows = [(str(name), int(changed), int(added), int(removed)) for name, changed, added, removed in statistics_rows]
    if not rows:
        return note("No item was modified, so no attribute changed.")
    bars = tuple(
        BarRow(
            _name(name),
            (
                Segment("changed", changed, "modified"),
                Segment("added since", added, "inserted"),
                Segment("removed since", removed, "removed"),
            ),
        )
        for name, changed, added, removed in rows[:BARS_SHOWN]
    )
    blocks: list[Block] = [Bars(bars, "Number of modified items")]
    if len(rows) > BARS_SHOWN:
        blocks.append(Note(f"{count_text(len(rows) - BARS_SHOWN, 'more attribute')} not shown.", "muted"))
    data = {"attributes": [dict(zip(columns, row, strict=True)) for row in rows]}
    return View("attributes", "Changed attributes", blocks=tuple(blocks), data=data)
