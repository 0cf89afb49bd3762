"""One item then and now, value by value: what is nested is opened, what differs is marked, what is large is folded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pitrkit.aws.items import attributes
from pitrkit.config import masking
from pitrkit.ui.text import Shown, compare, count_text, folded, show, value_text, visible

if TYPE_CHECKING:
    from pitrkit.recovery.changes.change import Change


State = Literal["", "changed", "added", "removed"]

WHOLE = 20_000
"""Characters of a large value that can be unfolded."""

ROWS = 400
"""Rows of one item that are shown."""

CONTEXT = 8
"""Unchanged members of a changed map or list that are shown; more are counted."""

_BASE64 = 24
_SETS = ("SS", "NS", "BS")
_TYPES = {
    "S": "text", "N": "number", "B": "binary", "BOOL": "boolean", "NULL": "null", "M": "map", "L": "list",
    "SS": "set of text", "NS": "set of numbers", "BS": "set of binary",
}  # fmt: skip

Typed = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TreeValue:
    """A value on one side.

    Attributes:
        shown: What is seen at once.
        whole: The value in full, to be unfolded; blank where all of it is shown.
        cut: Whether even that does not hold all of it.
    """

    shown: Shown
    whole: str = ""
    cut: bool = False


@dataclass(frozen=True, slots=True)
class TreeRow:
    """An attribute, a member of one, or (without sides) the beginning of a map or list.

    Attributes:
        depth: How deep it is nested.
        name: Its name, or place in a list.
        then: Its value then; None where it was absent.
        now: Its value now.
        state: What happened to it.
        note: Said instead of values: what a map or list holds, or what is not shown.
    """

    depth: int
    name: str
    then: TreeValue | None = None
    now: TreeValue | None = None
    state: State = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tree:
    """An item on both sides, value by value.

    Attributes:
        rows: What differs, or all there is where the item is there on one side only.
        same: What does not differ, to be unfolded.
        side: The only side that is shown; both, if blank.
    """

    block: ClassVar[str] = "tree"
    rows: tuple[TreeRow, ...]
    same: tuple[TreeRow, ...] = ()
    side: Literal["", "then", "now"] = ""
    same_words: str = ""

    def lines(self) -> list[str]:
        """Return each value on both sides, those that differ with a star."""
        text_lines = []
        for row in self.rows:
            mark = "*" if row.state else " "
            head = f"{mark} {'  ' * row.depth}{visible(row.name)}"
            if row.note:
                text_lines.append(f"{head}  {row.note}")
            elif self.side:
                text_lines.append(f"{head}  {_text(row.then or row.now)}")
            else:
                text_lines.append(f"{head}  {_text(row.then)}  ->  {_text(row.now)}")
        return [*text_lines, *([f"  {self.same_words}"] if self.same_words else [])]


def _text(side: TreeValue | None) -> str:
    return "(absent)" if side is None else str(side.shown)


def tree(change: Change) -> Tree:
    """Return the item of a change, value by value. It is masked here."""
    change = masking.current().change(change)
    then = attributes(change.before) if change.before is not None else {}
    now = attributes(change.after) if change.after is not None else {}
    names = sorted((then.keys() | now.keys()) - attributes(change.key).keys())
    if change.before is None or change.after is None:
        rows = [row for name in names for row in _rows(name, then.get(name), now.get(name), 0)]
        plain = [replace(row, state="") for row in rows]
        return Tree(_limited(plain), side="now" if change.before is None else "then")
    differ = [name for name in names if then.get(name) != now.get(name)]
    alike = [name for name in names if name not in set(differ)]
    rows = [row for name in differ for row in _rows(name, then.get(name), now.get(name), 0)]
    same = [row for name in alike for row in _rows(name, then[name], now[name], 0)]
    same_text = f"{count_text(len(alike), 'unchanged attribute')}: {_listed(alike)}" if alike else ""
    return Tree(_limited(rows), _limited(same), same_words=same_text)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - CONTEXT:,} more" if len(names) > CONTEXT else ""
    return ", ".join(_name(name) for name in names[:CONTEXT]) + more


def _name(name: str) -> str:
    return folded(visible(name), 60)


def _limited(rows: list[TreeRow]) -> tuple[TreeRow, ...]:
    if len(rows) <= ROWS:
        return tuple(rows)
    return (*rows[:ROWS], TreeRow(0, "", note=f"{count_text(len(rows) - ROWS, 'more value')} not shown"))


def _rows(name: str, then: Typed | None, now: Typed | None, depth: int) -> Iterator[TreeRow]:
    """Yield the rows of one value and of all that is nested in it."""
    kinds = {kind for side in (then, now) if side is not None for kind in side}
    if len(kinds) > 1 or not kinds & {"M", "L", *_SETS}:
        yield _leaf(name, then, now, depth, with_types=len(kinds) > 1)
        return
    (kind,) = kinds
    members = _members(kind, (then or {}).get(kind), (now or {}).get(kind))
    state = _state(then, now)
    if not members:
        yield TreeRow(depth, _name(name), state=state, note=f"empty {_TYPES[kind]}")
        return
    noun = "attribute" if kind == "M" else "member"
    yield TreeRow(depth, _name(name), state=state, note=f"{_TYPES[kind]} of {count_text(len(members), noun)}"
              if kind in {"M", "L"} else f"{_TYPES[kind]}, {count_text(len(members), noun)}")  # fmt: skip
    alike = [member for member in members if member[1] == member[2]]
    hidden = {member[0] for member in alike[CONTEXT:]} if state == "changed" else set()
    for inner, before, after in members:
        if inner not in hidden:
            yield from _rows(inner, before, after, depth + 1)
    if hidden:
        yield TreeRow(depth + 1, "", note=f"{count_text(len(hidden), f'unchanged {noun}')} not shown")


def _members(kind: str, then: Any, now: Any) -> list[tuple[str, Typed | None, Typed | None]]:
    if kind == "M":
        earlier, later = then or {}, now or {}
        return [(name, earlier.get(name), later.get(name)) for name in sorted(earlier.keys() | later.keys())]
    if kind == "L":
        return list(_aligned(then or [], now or []))
    inner = kind[0]
    earlier, later = set(then or []), set(now or [])
    return [
        (str(place), {inner: member} if member in earlier else None, {inner: member} if member in later else None)
        for place, member in enumerate(sorted(earlier | later), start=1)
    ]


def _aligned(then: list[Typed], now: list[Typed]) -> Iterator[tuple[str, Typed | None, Typed | None]]:
    """Yield the members of two lists side by side: what they begin and end with alike stays together."""
    shorter = min(len(then), len(now))
    head = next((place for place in range(shorter) if then[place] != now[place]), shorter)
    tail = next((place for place in range(shorter - head) if then[-1 - place] != now[-1 - place]), shorter - head)
    middle = max(len(then), len(now)) - head - tail
    for place in range(head):
        yield f"[{place}]", then[place], now[place]
    for place in range(head, head + middle):
        before = then[place] if place < len(then) - tail else None
        after = now[place] if place < len(now) - tail else None
        yield f"[{place}]", before, after
    for place in range(tail):
        was, is_now = len(then) - tail + place, len(now) - tail + place
        yield (f"[{was}]" if was == is_now else f"[{was}→{is_now}]"), then[was], now[is_now]


def _state(then: Typed | None, now: Typed | None) -> State:
    if then is None:
        return "added"
    if now is None:
        return "removed"
    return "changed" if then != now else ""


def _leaf(name: str, then: Typed | None, now: Typed | None, depth: int, *, with_types: bool) -> TreeRow:
    texts = [None if side is None else value_text(side) for side in (then, now)]
    if texts[0] is not None and texts[1] is not None and texts[0] != texts[1]:
        shown_texts: list[Shown | None] = list(compare(texts[0], texts[1]))
    else:
        shown_texts = [None if text is None else show(text) for text in texts]
    sides = [
        None if typed is None or text is None or shown_text is None else _side(typed, text, shown_text)
        for typed, text, shown_text in zip((then, now), texts, shown_texts, strict=True)
    ]
    kinds = [next(iter(typed)) if typed is not None else "" for typed in (then, now)]
    kind = (
        f" ({' → '.join(_TYPES[type_name] for type_name in kinds if type_name)})" if with_types and all(kinds) else ""
    )
    return TreeRow(depth, _name(name) + kind, sides[0], sides[1], _state(then, now))


def _side(typed: Typed, text: str, shown_text: Shown) -> TreeValue:
    whole = text if shown_text.length else ""
    if "B" in typed and len(typed["B"]) > _BASE64:
        return TreeValue(shown_text, typed["B"][:WHOLE], cut=len(typed["B"]) > WHOLE)
    return TreeValue(shown_text, whole[:WHOLE], cut=len(whole) > WHOLE)
