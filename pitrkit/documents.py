"""JSON documents of the kit's own: their text, and typed values out of them; a damaged file is named with what to do.

Items are no such documents: they stay the service's JSON, as bytes (`aws/items`).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pitrkit.errors import RecordAltered

Kind = TypeVar("Kind")


def to_json(value: Any) -> str:
    """Return *value* as one line of JSON, all ASCII; times become ISO 8601, objects their `to_dict()`.

    Raises:
        TypeError: *value* holds something that has no JSON form.
    """
    return json.dumps(value, separators=(",", ":"), default=_plain, allow_nan=False)


def pretty(value: Any, *, indent: int = 1) -> str:
    """Return *value* as `to_json` does, on lines of its own for people to read, the last one ended.

    Raises:
        TypeError: *value* holds something that has no JSON form.
    """
    return json.dumps(value, indent=indent, default=_plain, allow_nan=False) + "\n"


def from_json(raw: bytes | str, kind: type[Kind]) -> Kind:
    """Return the *kind* (a dataclass, a struct, `dict`) that *raw* is the JSON of.

    Raises:
        ValueError: It is no JSON, or not that of a *kind*.
    """
    return msgspec.convert(json.loads(raw), kind)


def read(path: Path, kind: type[Kind], *, fix: str) -> Kind:
    """Return the *kind* that the file at *path* is the JSON of.

    Args:
        path: The file.
        kind: As for `from_json`.
        fix: What to do when it is damaged.

    Raises:
        RecordAltered: It cannot be read, or is not what it should be.
    """
    try:
        return from_json(path.read_bytes(), kind)
    except (OSError, ValueError) as error:
        raise RecordAltered(f"{path} cannot be read: {error}", fix=fix) from error


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else str(value)
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
