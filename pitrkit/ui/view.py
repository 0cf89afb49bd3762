"""Views: results that show themselves, as HTML in a notebook and as plain text everywhere else.

A view is a title and a few blocks. Each block knows its template and its lines of text, so both renderings hold the
same information, and escaping is decided in one place: the templates escape, and whatever they print has passed
`visible` first. No scripts, nothing loaded from anywhere: what is seen while the notebook runs is what its saved copy
shows.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pitrkit.config import masking
from pitrkit.ui.text import visible

if TYPE_CHECKING:
    from pitrkit.ui.blocks import Block, Tag


_QUOTED = re.compile(r"(?<![\w`])`(?!(?:true|false|null)`)([A-Za-z][^`]*)`(?![\w`])")


@dataclass(frozen=True, slots=True, repr=False)
class View:
    """A result to look at.

    Attributes:
        kind: What it shows, one word; also in its HTML class, as `pk-<kind>`.
        title: Its heading; a view without one is a strip.
        tags: Short marks beside the title.
        blocks: What is in it, from top to bottom.
        data: The same for programs, as plain JSON.
    """

    kind: str
    title: str = ""
    tags: tuple[Tag, ...] = ()
    blocks: tuple[Block, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        return _environment().get_template("view.html.j2").render(view=self)

    def __html__(self) -> str:
        """Let another template include this view as it is."""
        return self._repr_html_()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        del include, exclude  # IPython filters what it asked for
        return {"text/plain": str(self), "text/html": self._repr_html_()}

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        tags = "  ".join(f"[{tag.text}]" for tag in self.tags)
        head = "  ".join(part for part in (self.title, tags) if part)
        body = [f"  {line}".rstrip() for block in self.blocks for line in block.lines()]
        return "\n".join(visible(line) for line in ([head] if head else []) + body)

    def to_dict(self) -> dict[str, Any]:
        """Return the data behind the view as plain JSON, keys masked where they are sensitive."""
        masked_data: dict[str, Any] = masking.current().told(dict(self.data))
        return masked_data


class Shows(ABC):
    """Something that shows itself by a view, in a notebook and as text alike."""

    @abstractmethod
    def view(self) -> View:
        """Return what it shows."""

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        # Else a saved notebook would hold the object's own repr as well, and in it what the view masks.
        return self.view()._repr_mimebundle_(include, exclude)

    def __str__(self) -> str:
        return str(self.view())


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pitrkit.ui", "templates"),
        autoescape=True,
        finalize=_printed,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["worded"] = worded
    return environment


def worded(text: str) -> Markup:
    """Return *text* with the names and commands that it quotes in backticks set as code.

    A JMESPath literal (`10.5`, `true`) keeps its backticks, since it is to be written with them.
    """
    quoted = Markup('<span class="pk-word">{}</span>')
    pieces = (visible(piece) for piece in _QUOTED.split(text))
    return Markup().join(quoted.format(piece) if place % 2 else piece for place, piece in enumerate(pieces))


def _printed(value: object) -> object:
    """Make what a template prints visible. Markup is what a template has made itself."""
    return value if isinstance(value, Markup) or hasattr(value, "__html__") else visible(str(value))
