"""Blocks: the few things a view is made of, each with its lines of plain text.

The HTML of each is the macro of the same name in `templates/blocks.html.j2`. Text given to a block is shown as it is,
escaped; it need not be clean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol
from urllib.parse import quote

from pitrkit.ui.text import visible

if TYPE_CHECKING:
    from pitrkit.ui.text import Shown


Tone = Literal["", "good", "warn", "bad", "info", "muted", "removed", "modified", "inserted"]

_MARKS: dict[Tone, str] = {"good": "ok", "warn": "!", "bad": "!!", "info": "i"}
_BAR = 40
_TALL = 12
_RELATIVE = re.compile(r"(?:\.\./)*[\w][\w .~/-]*\.(?:ipynb|html)\Z", re.ASCII)
"""Links lead to notebooks and reports nearby: no scheme, no host, no absolute path."""


class Block(Protocol):
    """What a view is made of."""

    block: ClassVar[str]
    """Name of its macro."""

    def lines(self) -> list[str]:
        """Return the block as plain text."""
        ...


@dataclass(frozen=True, slots=True)
class Tag:
    """A short mark. Its tone is a colour besides the words, never instead of them."""

    text: str
    tone: Tone = ""
    title: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Link:
    """A way to a notebook, or to a file of the incident.

    Attributes:
        text: What is read.
        href: Relative path; anything else is not followed, and shown as text.
        strong: Whether it is the way on.
    """

    text: str
    href: str
    strong: bool = False

    @property
    def target(self) -> str:
        """The path as a URL, blank where it is none of ours."""
        return quote(self.href, safe="/.-_~") if _RELATIVE.match(self.href) else ""

    def __str__(self) -> str:
        return self.text


Cell = str | Tag | Link


@dataclass(frozen=True, slots=True)
class Facts:
    """Labels and what stands behind each; *flow* puts them side by side."""

    block: ClassVar[str] = "facts"
    rows: tuple[tuple[str, Cell], ...]
    flow: bool = False

    def lines(self) -> list[str]:
        """Return one line for each fact."""
        width = max((len(label) for label, _ in self.rows), default=0)
        return [f"{label:<{width}}  {value}" for label, value in self.rows]


@dataclass(frozen=True, slots=True)
class Tile:
    """A number with what it counts."""

    number: str
    label: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Tiles:
    """The numbers that matter, large."""

    block: ClassVar[str] = "tiles"
    tiles: tuple[Tile, ...]

    def lines(self) -> list[str]:
        """Return the numbers in one line."""
        return ["   ".join(f"{tile.number} {tile.label}" for tile in self.tiles)]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table.

    Attributes:
        columns: Headings; one that begins with `>` is of a column of numbers, with `=` of one that is not wrapped.
        rows: Cells, as many in each row as there are columns.
        caption: What it lists.
    """

    block: ClassVar[str] = "grid"
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""

    @property
    def tall(self) -> bool:
        """Whether it scrolls by itself on a screen; printed, it is whole."""
        return len(self.rows) > _TALL

    def lines(self) -> list[str]:
        """Return the caption, the headings and the rows, in columns."""
        heads = [column.lstrip(">=") for column in self.columns]
        table = [heads, *([visible(str(cell)) for cell in row] for row in self.rows)]
        widths = [max(len(row[place]) for row in table) for place in range(len(heads))]
        right = [column.startswith(">") for column in self.columns]
        laid = [
            "  ".join(
                text.rjust(width) if numbers else text.ljust(width)
                for text, width, numbers in zip(row, widths, right, strict=True)
            )
            for row in table
        ]
        return [self.caption, *laid] if self.caption else laid


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar."""

    label: str
    count: int
    tone: str


@dataclass(frozen=True, slots=True)
class Bar:
    """Parts of a whole, to scale."""

    block: ClassVar[str] = "bar"
    segments: tuple[Segment, ...]

    @property
    def total(self) -> int:
        """All parts together."""
        return sum(segment.count for segment in self.segments)

    def share(self, segment: Segment) -> str:
        """Return a part's share in words: `12.5 %`."""
        share = 100 * segment.count / self.total if self.total else 0.0
        smallest, nearly = 0.1, 99.9
        if 0 < share < smallest:
            return "under 0.1 %"
        return "over 99.9 %" if nearly < share < 100 else f"{share:.1f} %"  # noqa: PLR2004

    def lines(self) -> list[str]:
        """Return one line for each part."""
        width = max((len(segment.label) for segment in self.segments), default=0)
        return [f"{seg.label:<{width}}  {seg.count:>12,}  {self.share(seg)}" for seg in self.segments]


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know: what is so, and what to do about it."""

    block: ClassVar[str] = "note"
    text: str
    tone: Tone = "info"
    fix: str = ""

    def lines(self) -> list[str]:
        """Return the note and, below it, what to do."""
        mark = f"{_MARKS[self.tone]} " if self.tone in _MARKS else ""
        return [f"{mark}{self.text}", *([f"  -> {self.fix}"] if self.fix else [])]


@dataclass(frozen=True, slots=True)
class Code:
    """Text to copy, as it is."""

    block: ClassVar[str] = "code"
    text: str
    label: str = ""

    @property
    def rows(self) -> list[str]:
        """Its lines."""
        return self.text.split("\n")

    def lines(self) -> list[str]:
        """Return the label and the text's own lines."""
        return [*([self.label] if self.label else []), *(f"  {row}" for row in self.rows)]


@dataclass(frozen=True, slots=True)
class Fold:
    """Text that is seen only when it is unfolded."""

    block: ClassVar[str] = "fold"
    summary: str
    text: str

    @property
    def rows(self) -> list[str]:
        """Its lines."""
        return self.text.split("\n")

    def lines(self) -> list[str]:
        """Return how much there is: whoever reads text alone has no way to fold it."""
        return [f"({self.summary}: {len(self.rows)} lines, folded)"]


@dataclass(frozen=True, slots=True)
class Heading:
    """The heading of a part of a view."""

    block: ClassVar[str] = "heading"
    text: str

    def lines(self) -> list[str]:
        """Return it."""
        return [self.text]


@dataclass(frozen=True, slots=True)
class StepBlock:
    """A step of the runbook; *href* leads to its notebook."""

    number: str
    name: str
    state: Literal["done", "current", "to come"]
    href: str = ""

    @property
    def link(self) -> Link:
        """The way to its notebook."""
        return Link(f"{self.number} {self.name}", self.href)


@dataclass(frozen=True, slots=True)
class Steps:
    """Where an incident stands."""

    block: ClassVar[str] = "steps"
    steps: tuple[StepBlock, ...]

    def lines(self) -> list[str]:
        """Return the steps in one line."""
        marks = {"done": "x", "current": ">", "to come": " "}
        return ["  ".join(f"[{marks[step.state]}] {step.number} {step.name}" for step in self.steps)]


@dataclass(frozen=True, slots=True)
class Links:
    """Ways on, the strong ones like buttons."""

    block: ClassVar[str] = "links"
    links: tuple[Link, ...]
    label: str = ""

    def lines(self) -> list[str]:
        """Return the ways in one line."""
        return [" ".join(part for part in (self.label, "  ".join(f"-> {link}" for link in self.links)) if part)]


@dataclass(frozen=True, slots=True)
class SampleRow:
    """An attribute of a sample on both sides; None where the item, or the attribute, was absent."""

    name: str
    then: Shown | None
    now: Shown | None
    changed: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """One item on both sides.

    Attributes:
        kind: What happened to it.
        key: Its key, as text.
        rows: Attributes, the changed ones first.
        rest: Said of the attributes that are not in *rows*.
        side: The only side that is shown; both, if blank.
    """

    kind: Tag
    key: str
    rows: tuple[SampleRow, ...]
    rest: str = ""
    side: Literal["", "then", "now"] = ""


@dataclass(frozen=True, slots=True)
class Samples:
    """Items side by side, under two headings."""

    block: ClassVar[str] = "samples"
    samples: tuple[Sample, ...]
    then: str = "before"
    now: str = "now"
    caption: str = ""

    def lines(self) -> list[str]:
        """Return each item's key, then each attribute on both sides, changed ones with a star."""
        heads = max(len(self.then), len(self.now))
        text_lines = [self.caption] if self.caption else []
        for sample in self.samples:
            text_lines.append(f"{sample.kind.text}  {sample.key}")
            width = max((len(visible(row.name)) for row in sample.rows), default=0)
            for row in sample.rows:
                mark, name = "*" if row.changed else " ", visible(row.name)
                if sample.side != "now":
                    text_lines.append(f"  {mark} {name:<{width}}  {self.then:<{heads}}  {_side(row.then)}")
                    name = ""
                if sample.side != "then":
                    text_lines.append(f"  {mark} {name:<{width}}  {self.now:<{heads}}  {_side(row.now)}")
            if sample.rest:
                text_lines.append(f"    {sample.rest}")
        return text_lines


def _side(value: Shown | None) -> str:
    return "(absent)" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Folded:
    """Items side by side that are seen when they are unfolded; as text they are all there."""

    block: ClassVar[str] = "folded"
    summary: str
    samples: Samples

    def lines(self) -> list[str]:
        """Return the items."""
        return self.samples.lines()


@dataclass(frozen=True, slots=True)
class BarRow:
    """A line of a bar list: one total, in parts."""

    label: str
    parts: tuple[Segment, ...]

    @property
    def total(self) -> int:
        """All parts together."""
        return sum(part.count for part in self.parts)


@dataclass(frozen=True, slots=True)
class Bars:
    """Totals by name, as bars to one scale."""

    block: ClassVar[str] = "bars"
    rows: tuple[BarRow, ...]
    caption: str = ""

    @property
    def largest(self) -> int:
        """The longest bar's total, at least 1."""
        return max((row.total for row in self.rows), default=1) or 1

    def lines(self) -> list[str]:
        """Return each total with its parts and a bar of `#`."""
        width = max((len(visible(row.label)) for row in self.rows), default=0)
        text_lines = [self.caption] if self.caption else []
        for row in self.rows:
            parts = ", ".join(f"{part.count:,} {part.label}" for part in row.parts if part.count)
            length = max(1, _BAR * row.total // self.largest) if row.total else 0
            text_lines.append(f"{visible(row.label):<{width}}  {'#' * length} {row.total:,} ({parts or 'none'})")
        return text_lines
