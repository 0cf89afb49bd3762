"""Views of a search in a change set: the scope in words, the still picture of a saved notebook, one item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from pitrkit.aws.items import attributes
from pitrkit.config import masking
from pitrkit.recovery.changes.change import KINDS
from pitrkit.recovery.changes.query import SIDE_NAMES, Query, Side, Term
from pitrkit.runbook.diff.item_tree import tree
from pitrkit.ui.blocks import Bar, BarRow, Bars, Block, Cell, Code, Facts, Grid, Note, Segment, Tag
from pitrkit.ui.browser_widgets import BarSegment, Group, PressBar
from pitrkit.ui.text import count_text, folded, key_text, shortened, value_text, visible
from pitrkit.ui.view import View

if TYPE_CHECKING:
    from pitrkit.recovery.changes.change import Change
    from pitrkit.recovery.changes.change_set import ChangeSet
    from pitrkit.recovery.changes.fingerprints import Differing
    from pitrkit.recovery.changes.search import SearchResult, Shift


SHOWN = 8
"""Bars of one chart."""

STILL = 10
"""Changes in the still picture."""

NAMES = 4
"""Names of changed attributes in a cell."""


def found_card(result: SearchResult) -> View:
    """Return what passes the filters: the scope in words, as parameters, and the counts by kind."""
    whole = result.query.scope()
    scope = masking.current().scope(whole)
    rows = [("scope", masking.current().words(whole, result.query.describe()))]
    if scope.kinds:
        rows.append(("kinds", ",".join(scope.kinds)))
    if scope.keys:
        rows.append(("keys", count_text(len(scope.keys), "key")))
    blocks: list[Block] = [Facts(tuple(rows))]
    if scope.where:
        blocks.append(Code(scope.where, "where"))
    blocks.append(_bar(result))
    if not result.whole:
        text = f"Applied to the first {result.tried:,} of {result.total:,} changes here; as scope it applies to all."
        blocks.append(Note(text, "warn"))
    if not len(result) and result.total:
        blocks.append(Note("No change matches these filters.", "warn"))
    tag = Tag(f"{len(result):,} of {count_text(result.total, 'change')}")
    data = {"scope": scope.to_dict(), "counts": result.counts.to_dict()}
    return View("found", "Matching changes", (tag,), tuple(blocks), data)


def still_card(
    changes: ChangeSet, result: SearchResult, first: Sequence[Change], columns: Sequence[str], groups: Any
) -> View:
    """Return the still picture of a search, for whoever reads the saved notebook."""
    text = (
        f"{changes.counts.removed:,} removed, {changes.counts.modified:,} modified and {changes.counts.inserted:,} "
        "inserted items. In a headless run, select the damage by the parameters `kinds`, `keys` and `where`."
    )
    scope_text = masking.current().words(result.query.scope(), result.query.describe())
    blocks: list[Block] = [Note(text, "muted"), Facts((("scope", scope_text),)), _bar(result)]
    blocks += [Bars(tuple(_still(bar) for bar in group.bars), group.title) for group in groups if group.bars]
    if first:
        names = changes.key_schema.names
        heads = ("kind", *(f"={visible(name)}" for name in names), "changed")
        sides = [f"{visible(name)} {when}" for name in columns for when in SIDE_NAMES.values()]
        rows = tuple(_still_row(change, names, columns) for change in first)
        caption = (
            f"The first {len(first):,} of {len(result):,}, in key order" if len(result) > len(first) else "All of them"
        )
        blocks.append(Grid((*heads, *sides), rows, caption))
    tag = Tag(count_text(len(result), "change"))
    data = {"counts": result.counts.to_dict(), "keys": [masking.current().key(change.key) for change in first]}
    return View("explored", "Explore the changes", (tag,), tuple(blocks), data)


def _still_row(change: Change, keys: Sequence[str], columns: Sequence[str]) -> tuple[Cell, ...]:
    texts = [str(cell["text"]) for cell in cells(change, keys, columns)]
    return (Tag(change.kind, change.kind), *(shortened(text, 48) for text in texts))


def item_card(change: Change) -> View:
    """Return one item then and now, all of it."""
    label = {"removed": "missing now", "inserted": "new since", "modified": "before and now"}[change.kind]
    blocks: list[Block] = [tree(change)]
    if change.review:
        blocks.insert(0, Note(change.review, "warn"))
    tags = (Tag(change.kind, change.kind), Tag(label))
    return View(
        "item",
        key_text(change.key),
        tags,
        tuple(blocks),
        {"key": masking.current().key(change.key), "kind": change.kind},
    )


def cells(change: Change, keys: Sequence[str], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return the cells of one row, after its kind: the key, what changed, and each column then and now; masked."""
    change = masking.current().change(change)
    key = attributes(change.key)
    then, now = attributes(change.before or "{}"), attributes(change.after or "{}")
    cell_rows: list[dict[str, Any]] = [{"text": _cell(key[name]), "number": "N" in key[name]} for name in keys]
    if change.before is None or change.after is None:
        cell_rows.append({"text": "whole item", "quiet": True})
    else:
        differ = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
        more = f" +{len(differ) - NAMES}" if len(differ) > NAMES else ""
        cell_rows.append({"text": ", ".join(folded(visible(name), 30) for name in differ[:NAMES]) + more})
    for name in columns:
        differs = change.kind == "modified" and then.get(name) != now.get(name)
        for side, image in ((then, change.before), (now, change.after)):
            if name in side:
                cell_rows.append({"text": _cell(side[name]), "differs": differs, "number": "N" in side[name]})
            else:
                quiet = "absent" if image is not None else ("no item" if change.kind == "inserted" else "missing")
                cell_rows.append({"text": quiet, "quiet": True, "differs": differs})
    return cell_rows


def _cell(typed: Any) -> str:
    return shortened(value_text(typed), 120)


def charts(
    differing: Sequence[Differing],
    together: Sequence[tuple[tuple[str, ...], int]],
    shifts: Sequence[Shift],
    *,
    columns: Sequence[str],
    query: Query,
) -> list[Group]:
    """Return the charts of what was found: attributes, prints, and what the last column went from and to."""
    attribute = columns[-1] if columns else ""
    return [
        Group(
            "Changed attributes",
            "Number of modified items. Press to show or hide the attribute in the grid.",
            tuple(_attribute(difference, shown=difference.attribute in columns) for difference in differing[:SHOWN]),
        ),
        Group(
            "Changed together",
            "Attributes changed in the same items. Press to show only those items.",
            tuple(_print(place, names, count, query) for place, (names, count) in enumerate(together)),
        ),
        Group(
            f"{folded(attribute, 40)}: before and now",
            "Number of items. Press to show only those.",
            tuple(_shift(place, shift, attribute, query) for place, shift in enumerate(shifts)),
        ),
    ]


def _attribute(difference: Differing, *, shown: bool) -> PressBar:
    parts = (
        (difference.changed, "changed", "modified"),
        (difference.added, "added", "inserted"),
        (difference.removed, "removed", "removed"),
    )
    counted = ", ".join(f"{count:,} {word}" for count, word, _ in parts if count)
    does = "Hide it in the grid" if shown else "Show it in the grid"
    return PressBar(
        f"column:{difference.attribute}",
        difference.attribute,
        difference.total,
        f"{difference.attribute}: {counted}. {does}.",
        tuple(BarSegment(tone, count) for count, _, tone in parts),
        pressed=shown,
    )


def _print(place: int, names: tuple[str, ...], count: int, query: Query) -> PressBar:
    label = ", ".join(names)
    return PressBar(
        f"print:{place}",
        label,
        count,
        f"Exactly {label} changed in {count_text(count, 'item')}. Show only those.",
        (BarSegment("modified", count),),
        pressed=query.fingerprint == names,
    )


def _shift(place: int, shift: Shift, attribute: str, query: Query) -> PressBar:
    then, now = side_words(shift.then), side_words(shift.now)
    tone = "removed" if shift.now is None else "inserted" if shift.then is None else "modified"
    label = "long values" if shift.long else f"{shortened(then, 28)} → {shortened(now, 28)}"
    terms = shift_terms(shift, attribute)
    usable = bool(terms)
    does = "Show only those." if usable else "This value cannot be a filter; write a condition in Where."
    pressed = usable and set(terms) <= set(query.terms)
    tooltip = f"{attribute} from {then} to {now} in {count_text(shift.count, 'item')}. {does}"
    return PressBar(
        f"shift:{place}", label, shift.count, tooltip, (BarSegment(tone, shift.count),), pressed=pressed,
        disabled=not usable,
    )  # fmt: skip


def shift_terms(shift: Shift, attribute: str) -> tuple[Term, ...]:
    """Return the terms that hold the items of a shift; none where terms cannot tell them."""
    sides: tuple[tuple[Side, str | None], ...] = (("then", shift.then), ("now", shift.now))
    values = [shift_value(side_value) for _, side_value in sides]
    if shift.long or None in values:
        return ()
    return tuple(
        Term(attribute, "is absent" if side_value is None else "is", value or "", side)
        for (side, side_value), value in zip(sides, values, strict=True)
    )


def side_words(value: str | None) -> str:
    """Return one side of a shift as text."""
    return "absent" if value is None else value_text(orjson.loads(value))


def shift_value(value: str | None) -> str | None:
    """Return one side of a shift as a term compares with it: blank where absent, None where no term can."""
    if value is None:
        return ""
    ((kind, inner),) = orjson.loads(value).items()
    match kind:
        case "S" | "B":
            quoted: str = orjson.dumps(inner).decode()
            return quoted
        case "N":
            return str(inner)
        case "BOOL":
            return "true" if inner else "false"
        case "NULL":
            return "null"
    return None


def _bar(result: SearchResult) -> Bar:
    return Bar(tuple(Segment(kind, getattr(result.counts, kind), kind) for kind in KINDS))


def _still(bar: PressBar) -> BarRow:
    label = {"modified": "changed", "inserted": "added", "removed": "removed"}
    return BarRow(
        shortened(bar.label, 60), tuple(Segment(label[part.tone], part.count, part.tone) for part in bar.parts)
    )
