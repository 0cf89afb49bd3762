"""Changes as CSV, for a spreadsheet: none of it can be taken for a formula, whatever an item holds.

A spreadsheet computes a cell that begins with `=`, `+`, `-`, `@`, a tab or a line break, even from a CSV in quotes.
Such text gets an apostrophe in front, except a plain number. Characters that would not be seen are written as their
escapes.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Sequence
from typing import IO, Any

from pitrkit.aws.items import attributes, plain
from pitrkit.config import masking
from pitrkit.recovery.changes.change import Change
from pitrkit.recovery.changes.query import SIDE_NAMES
from pitrkit.ui.text import visible

FORMULA = tuple("=+-@|%\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What a formula, or a command inside one, may begin with; the last four are the wide forms of the first."""

_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def write(file: IO[str], changes: Iterable[Change], keys: Sequence[str], names: Sequence[str]) -> int:
    """Write *changes* to *file* as CSV and return how many there were.

    Columns: `kind`, the key attributes, then `name (before)` and `name (now)` of each of *names*. Nested values are
    JSON; an attribute or item that is not there leaves its cells empty. What is sensitive is masked.
    """
    sheet = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    sides = [f"{name} ({when})" for name in names for when in SIDE_NAMES.values()]
    sheet.writerow([cell(name) for name in ("kind", *keys, *sides)])
    count = 0
    for whole in changes:
        change = masking.current().change(whole, text=True)
        key = plain(change.key)
        then, now = plain(change.before or "{}"), plain(change.after or "{}")
        values = (side.get(name, "") for name in names for side in (then, now))
        sheet.writerow([change.kind, *(cell(key[name]) for name in keys), *map(cell, values)])
        count += 1
    return count


def names_of(changes: Iterable[Change], keys: Sequence[str], most: int) -> list[str]:
    """Return the names of the attributes in *changes* that are not of the key, *most* of them, in order."""
    counts: dict[str, int] = {}
    for change in changes:
        for name in {**attributes(change.before or "{}"), **attributes(change.after or "{}")}:
            counts[name] = counts.get(name, 0) + 1
    ranked = sorted((name for name in counts if name not in keys), key=lambda name: (-counts[name], name))
    return sorted(ranked[:most])


def cell(value: Any) -> str:
    """Return a plain value as the text of a cell that no spreadsheet computes."""
    match value:
        case str():
            text = value
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case list() | dict():
            text = json.dumps(value, ensure_ascii=False, default=lambda number: f"{number:f}")
        case _:
            return f"{value:f}" if hasattr(value, "as_tuple") else str(value)
    text = text if not text.startswith(FORMULA) or _NUMBER.fullmatch(text) else f"'{text}"
    return visible(text)
