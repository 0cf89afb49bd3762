"""Values as people see them: nothing hidden, nothing too long, every type told apart.

Items are somebody else's data and may be hostile. A character that does not print (control characters, marks that turn
the direction of text, halves of surrogate pairs, blanks that are not a space) is written as its escape, so that two
values that differ also look different. Strings keep JSON's quotes and numbers have none, so `"12"` is not `12`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pitrkit.aws.items import attributes
from pitrkit.config import masking


def clean(text: str) -> str:
    """Return *text* without what a terminal would obey: control and format characters become `?`."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)


FOLD = 160
"""Characters of a value that are shown before it is folded."""

_SHORT = 40
"""Values up to this length are marked as a whole: half a marked word reads badly."""

_EDGE = 24
"""Characters kept on either side of a difference inside a folded value."""

_BASE64 = 24
"""Base64 characters of a binary value that are shown."""

_UNSEEN = re.compile("[\u034f\u115f\u1160\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Characters that Unicode counts as printable and that show nothing: fillers, joiners, variation selectors."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def visible(text: str) -> str:
    """Return *text* with every character that would not be seen as such written as its escape, as in Python.

    Text that has none is returned as it is, so this may be applied twice.
    """
    if text.isprintable() and not _UNSEEN.search(text):
        return text
    return "".join(char if char.isprintable() and not _UNSEEN.match(char) else _escape(char) for char in text)


_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape(char: str) -> str:
    code = ord(char)
    if char in _NAMED:
        return _NAMED[char]
    if code > 0xFFFF:  # noqa: PLR2004
        return f"\\U{code:08x}"
    return f"\\u{code:04x}" if code > 0xFF else f"\\x{code:02x}"  # noqa: PLR2004


def value_text(typed: Mapping[str, Any]) -> str:
    """Return one typed value (the service's JSON) as compact text: `"a"`, `12`, `{"k": [1, true]}`."""
    ((kind, value),) = typed.items()
    match kind:
        case "S":
            return _quoted(value)
        case "BOOL":
            return "true" if value else "false"
        case "NULL":
            return "null"
        case "B":
            return _binary(value)
        case "M":
            inner = ", ".join(f"{_quoted(name)}: {value_text(member)}" for name, member in value.items())
            return f"{{{inner}}}"
        case "L":
            return f"[{', '.join(map(value_text, value))}]"
        case "SS" | "NS" | "BS":
            return f"{{{', '.join(value_text({kind[0]: member}) for member in value)}}}"
    return visible(str(value))


def _quoted(text: str) -> str:
    return visible(json.dumps(text, ensure_ascii=False))


def _binary(value: str) -> str:
    try:
        raw = base64.b64decode(value, validate=True)
    except binascii.Error:
        return f"binary, not base64: {_quoted(value[:_BASE64])}"
    size = "1 byte" if len(raw) == 1 else f"{len(raw):,} bytes"
    if len(value) <= _BASE64:
        return f"base64 {value or 'empty'} ({size})"
    # The digest keeps two long values apart that begin alike.
    return f"base64 {value[:_BASE64]}… ({size}, sha256 {hashlib.sha256(raw).hexdigest()[:8]})"


def key_text(key: str) -> str:
    """Return a key as text: `customer_id = "c-1", order = 7`. What is sensitive in it is masked."""
    key_attributes = attributes(masking.current().key(key))
    return folded(", ".join(f"{visible(name)} = {value_text(typed)}" for name, typed in key_attributes.items()))


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a shown value; *marked* where it differs from the other side."""

    text: str
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A value ready to be shown.

    Attributes:
        pieces: Its text, in stretches.
        length: Characters of the whole value if some of them were folded away, else 0.
    """

    pieces: tuple[Piece, ...]
    length: int = 0

    def __str__(self) -> str:
        text = "".join(piece.text for piece in self.pieces)
        return f"{text} ({self.length:,} characters)" if self.length else text


def folded(text: str, limit: int = FOLD) -> str:
    """Return *text*, cut to *limit* characters with its length told if it is longer."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"


def shortened(text: str, limit: int) -> str:
    """Return *text* in at most *limit* characters, with an ellipsis where some are missing: for labels and cells."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def show(text: str, limit: int = FOLD) -> Shown:
    """Return a value's text, folded to *limit* characters."""
    if len(text) <= limit:
        return Shown((Piece(text),))
    return Shown((Piece(text[:limit] + "…"),), len(text))


def compare(then: str, now: str, limit: int = FOLD) -> tuple[Shown, Shown]:
    """Return two differing values with the difference marked, and in sight where they are folded."""
    if max(len(then), len(now)) <= _SHORT:
        return Shown((Piece(then, marked=True),)), Shown((Piece(now, marked=True),))
    shorter = min(len(then), len(now))
    head = next((place for place in range(shorter) if then[place] != now[place]), shorter)
    tail = next((place for place in range(shorter - head) if then[-1 - place] != now[-1 - place]), shorter - head)
    return _around(then, head, tail, limit), _around(now, head, tail, limit)


def _around(text: str, head: int, tail: int, limit: int) -> Shown:
    before, middle, after = text[:head], text[head : len(text) - tail], text[len(text) - tail :]
    cut = len(text) > limit
    if cut:
        before = f"…{before[-_EDGE:]}" if len(before) > _EDGE else before
        room = max(limit - 2 * _EDGE, _EDGE)
        middle = f"{middle[:room]}…" if len(middle) > room else middle
        after = f"{after[:_EDGE]}…" if len(after) > _EDGE else after
    parts = (Piece(before), Piece(middle, marked=True), Piece(after))
    return Shown(tuple(part for part in parts if part.text), len(text) if cut else 0)


def moment(at: datetime) -> str:
    """Return *at* in UTC to the second: `2026-11-23 02:14:05 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units: `48 s`, `2 min 05 s`, `3 h 10 min`, `34 d 2 h`."""
    whole = round(seconds)
    if whole <= 0:
        return "under 1 s"
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def duration_estimate(seconds: float) -> str:
    """Return an estimate of a length of time: `a moment`, `about 2 min 05 s`."""
    return f"about {duration(seconds)}" if seconds >= 1 else "a moment"


def size(count: float) -> str:
    """Return bytes in decimal units: `740 B`, `1.2 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:  # noqa: PLR2004
            return f"{count:,.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def count_text(count: int, singular: str, many: str = "") -> str:
    """Return a count with its noun: `1 item`, `2,000 items`."""
    return f"{count:,} {singular if count == 1 else many or singular + 's'}"
