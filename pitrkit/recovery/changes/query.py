"""Queries: what somebody looks for in a change set, as filters to click together.

A query is a `Scope` in the making: `scope` is what is applied to the recovery, and what is shown meanwhile is the very
same changes. `recovery.search` finds them without reading every item; a property test holds the two together.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pitrkit.aws.items import Key, number
from pitrkit.errors import BadInput
from pitrkit.recovery.changes.change import KINDS, Kind
from pitrkit.recovery.changes.scope import Scope

Side = Literal["then", "now", "key"]
How = Literal["changed", "is", "is not", "contains", "exists", "is absent"]
HOWS: tuple[How, ...] = ("changed", "is", "is not", "contains", "exists", "is absent")
VALUED: tuple[How, ...] = ("is", "is not", "contains")

SIDE_NAMES: dict[Side, str] = {"then": "before", "now": "now"}
"""How the two images of a change are called where people read of them."""

COLUMNS: dict[Side, str] = {"then": "before", "now": "after", "key": "key"}

_WORDS_KEEP = 60


@dataclass(frozen=True, slots=True)
class Term:
    """One attribute's condition.

    Attributes:
        attribute: Name of a top-level attribute.
        how: `changed` is true of modified items in which it differs; the others look at one side. `is` compares with
            text, a number, `true`, `false` or `null`, whichever the attribute is; `contains` looks into text only.
        value: What it is compared with. In JSON's double quotes it is text and nothing else: `"12"` is not the number.
        side: Which image is looked at; the key is that of either. It does not matter to `changed`.
    """

    attribute: str
    how: How
    value: str = ""
    side: Side = "now"

    def where(self) -> str:
        """Return the term as JMESPath."""
        name, place = literal(self.attribute), COLUMNS[self.side]
        path = f"{place}.{json.dumps(self.attribute)}"
        contains_sql = f"{place} && contains(keys({place}), {name})"
        if self.how == "changed":
            return f"contains(changed, {name})"
        if self.how == "exists":
            return contains_sql
        if self.how == "is absent":
            return f"!({contains_sql})"
        if self.how == "contains":
            return f"type({path}) == 'string' && contains({path}, {literal(self.text)})"
        same = [f"{path} == {given}" for given in self._literals()]
        if not self.quoted and self.value == "null":
            same.append(f"({contains_sql} && {path} == `null`)")
        any_of = " || ".join(same)
        return f"!({any_of})" if self.how == "is not" else any_of

    def describe(self) -> str:
        """Return the term in words: `status now is CANCELLED`."""
        name = _shortened(self.attribute)
        if self.how == "changed":
            return f"{name} changed"
        place = "" if self.side == "key" else f" {SIDE_NAMES[self.side]}"
        value = f" {_shortened(self.value) or 'nothing'}" if self.how in VALUED else ""
        return f"{name}{place} {self.how}{value}"

    @property
    def quoted(self) -> bool:
        """Whether the value was written as text in quotes."""
        return _unquoted(self.value) is not None

    @property
    def text(self) -> str:
        """The value as text, without the quotes it may have been written in."""
        inner = _unquoted(self.value)
        return self.value if inner is None else inner

    @property
    def number(self) -> str | None:
        """The value as a number in DynamoDB's spelling, None if it is none."""
        if self.quoted or not self.value.isascii() or self.value.strip() != self.value or "_" in self.value:
            return None
        try:
            return number(self.value)
        except BadInput:
            return None

    def _literals(self) -> list[str]:
        literals = [literal(self.text)]
        if self.number is not None:
            literals.append(f"`{self.number}`")
        if not self.quoted and self.value in {"true", "false"}:
            literals.append(f"`{self.value}`")
        return literals


@dataclass(frozen=True, slots=True)
class Query:
    """Filters over a change set. Each part narrows; an empty part lets everything through.

    Attributes:
        kinds: Kinds of change.
        text: Text that a name or value of the item contains on either side, A to Z as a to z.
        terms: Conditions on attributes.
        fingerprint: Names of exactly those attributes that differ in a modified item, sorted.
        keys: Keys of the items.
        where: A JMESPath expression, as in `Scope`.
    """

    kinds: tuple[Kind, ...] = ()
    text: str = ""
    terms: tuple[Term, ...] = ()
    fingerprint: tuple[str, ...] = ()
    keys: tuple[Key, ...] = ()
    where: str = ""

    def scope(self) -> Scope:
        """Return the scope that holds the same changes.

        Raises:
            BadInput: `where` cannot be read.
        """
        terms = [f"mentions([key, before, after], {literal(self.text)})"] if self.text else []
        terms += [term.where() for term in self.terms]
        if self.fingerprint:
            terms.append(f"changed == {literal(list(self.fingerprint))}")
        if self.where.strip():
            terms.append(self.where.strip())
        where = terms[0] if len(terms) == 1 else " && ".join(f"({term})" for term in terms)
        return Scope(self.kinds if set(self.kinds) != set(KINDS) else (), self.keys, where)

    def describe(self) -> str:
        """Return the query in words, `everything` where nothing is filtered."""
        kinds = [kind for kind in KINDS if kind in self.kinds] if set(self.kinds) != set(KINDS) else []
        parts = [term.describe() for term in self.terms]
        if self.fingerprint:
            parts.append(f"exactly {_listed(map(_shortened, self.fingerprint))} changed")
        if self.text:
            parts.append(f"{_shortened(json.dumps(self.text, ensure_ascii=False))} is in the item")
        if self.where.strip():
            parts.append(self.where.strip())
        if not (kinds or parts or self.keys):
            return "everything"
        description = f"{_listed(kinds)} items" if kinds else "items"
        if self.keys:
            description += f" among {len(self.keys):,} listed key{'s' * (len(self.keys) != 1)}"
        return f"{description} where {' and '.join(parts)}" if parts else description


def literal(value: str | list[str]) -> str:
    """Return text, or a list of it, as a JMESPath literal, whatever is in it."""
    escaped = json.dumps(value).replace("`", "\\`")
    return f"`{escaped}`"


def _unquoted(text: str) -> str | None:
    """Return the text inside JSON's quotes, None if *text* is not exactly one JSON string."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':  # noqa: PLR2004
        return None
    try:
        inner = json.loads(text)
    except ValueError:
        return None
    return inner if isinstance(inner, str) else None


def _shortened(text: str) -> str:
    return text if len(text) <= _WORDS_KEEP else f"{text[:_WORDS_KEEP]}…"


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
