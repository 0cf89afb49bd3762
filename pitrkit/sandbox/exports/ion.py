"""Items as Amazon Ion text, as exports in that format have them: one value a line, `$ion_1_0 {Item:{...}}`.

Source: Amazon DynamoDB Developer Guide, "DynamoDB table export output format". Sets are lists with an annotation,
numbers are decimals.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from pitrkit.sandbox.store.values import EXACT, Image, Value

_SYMBOL = re.compile(r"(?!\$[0-9])[A-Za-z_$][A-Za-z0-9_$]*")
_KEYWORDS = ("null", "true", "false", "nan")


def item(image: Image) -> bytes:
    """Return the line of one item of a full export."""
    return f"$ion_1_0 {{Item:{_struct(image)}}}\n".encode()


def record(key: Image, written_micros: int, images: dict[str, Image]) -> bytes:
    """Return the line of one record of an incremental export; *images* are its NewImage and OldImage."""
    members = {"Metadata": f"{{WriteTimestampMicros:{written_micros}.}}", "Keys": _struct(key)}
    members |= {name: _struct(image) for name, image in images.items()}
    return ("$ion_1_0 {Record:{" + ",".join(f"{name}:{text}" for name, text in members.items()) + "}}\n").encode()


def _struct(image: Image) -> str:
    return "{" + ",".join(f"{_symbol(name)}:{_value(value)}" for name, value in image.items()) + "}"


def _symbol(name: str) -> str:
    if _SYMBOL.fullmatch(name) and name not in _KEYWORDS:
        return name
    return "'" + json.dumps(name, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"


def _decimal(text: str) -> str:
    _, digits, exponent = (number := Decimal(text).normalize(EXACT)).as_tuple()
    if not isinstance(exponent, int) or exponent < 0:
        return format(number, "f")
    sign = "-" if number < 0 else ""
    whole = "".join(map(str, digits))
    return f"{sign}{whole}." if not exponent else f"{sign}{whole}d{exponent}"


def _value(value: Value) -> str:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return json.dumps(content, ensure_ascii=False)
        case "N":
            return _decimal(content)
        case "B":
            return f"{{{{{content}}}}}"
        case "BOOL":
            return "true" if content else "false"
        case "NULL":
            return "null"
        case "M":
            return _struct(content)
        case "L":
            return _list(map(_value, content))
    return f"$dynamodb_{kind}::" + _list(_value({kind[0]: member}) for member in content)


def _list(values: Any) -> str:
    return "[" + ",".join(values) + "]"
