"""Predicates: a query's parts as conditions on the rows of a change set's file, for DuckDB.

Images there are the service's JSON, so an attribute's text is at `/name/S`. Values travel as parameters.
"""

from __future__ import annotations

import re
from string import ascii_letters
from typing import Any

import orjson

from pitrkit.recovery.query import COLUMNS, Term

LONGEST_TEXT = 500
_TAGS = ("bool", "null", "ss", "ns", "bs", "s", "n", "b", "m", "l", "true", "false")
"""What the service's JSON of an item holds besides names and values."""

_RARE = re.compile(r'["\\{}\[\]:,\x00-\x1f\x7f]')


def pointer_to(attribute: str) -> str:
    """Return the JSON pointer to a top-level attribute, whatever is in its name."""
    return f"/{attribute.replace('~', '~0').replace('/', '~1')}"


def condition(term: Term) -> tuple[str, list[Any]]:
    """Return a term as a condition on the rows of the Parquet file, and its parameters."""
    pointer, column = pointer_to(term.attribute), COLUMNS[term.side]
    if term.how == "changed":
        return "kind = 'modified' AND json_extract(before, $1) IS DISTINCT FROM json_extract(after, $1)", [pointer]
    if term.how in {"exists", "is absent"}:
        held = f"coalesce(json_exists({column}, $1), false)"
        return (held if term.how == "exists" else f"NOT {held}"), [pointer]
    text = f"coalesce(json_extract_string({column}, $1), json_extract_string({column}, $2))"
    values = [f"{pointer}/S", f"{pointer}/B", term.text]
    if term.how == "contains":
        return f"coalesce(contains({text}, $3), false)", values
    same = [f"{text} = $3"]
    if term.number is not None:
        values += [f"{pointer}/N", term.number]
        same.append(f"json_extract_string({column}, $4) = $5")
    if not term.quoted and term.value in {"true", "false", "null"}:
        values += [f"{pointer}/{'NULL' if term.value == 'null' else 'BOOL'}", term.value.replace("null", "true")]
        same.append(f"json_extract_string({column}, $4) = $5")
    held = " OR ".join(f"coalesce({one}, false)" for one in same)
    return (f"NOT ({held})" if term.how == "is not" else held), values


def pattern(text: str) -> str:
    """Return a regular expression for *text* as an image's JSON writes it, A to Z as a to z and nothing else so."""
    written = orjson.dumps(text).decode()[1:-1]
    # Not the engine's own way to ignore case: to that, other letters have two cases as well, and K has three.
    return "".join(f"[{one.lower()}{one.upper()}]" if one in ascii_letters else re.escape(one) for one in written)


def unambiguous(text: str) -> bool:
    """Return whether *text*, found in an image's JSON, can only be in a name or in a value."""
    small = text.lower()
    return len(text) <= LONGEST_TEXT and not _RARE.search(text) and not any(small in tag for tag in _TAGS)
