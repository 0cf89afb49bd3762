"""Attribute values as they travel, `{"N": "1"}`, in the one form in which the sandbox stores and compares them.

Normalised means what the service does to a value when it stores it: numbers by value in plain notation, up to 38
digits; sets without order (here: sorted); binary as canonical base64. Two normalised values are equal in the
service's sense exactly when they are equal Python objects, nested ones included.
"""

from __future__ import annotations

import base64
import binascii
import re
from decimal import Context, Decimal, Inexact
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType, Item

Value = dict[str, Any]
"""One typed value: `{"S": "a"}`, `{"L": [{"N": "1"}]}`. Binary is base64 text."""

Image = dict[str, Value]
"""A whole item: attribute name to value. Never changed in place once it is stored."""

Sortable = str | Decimal | bytes

MAX_DIGITS = 38
MAX_NAME_BYTES = 65_535
MAX_ITEM_BYTES = 400 * 1024
MAX_NESTING = 31
"""Lists and maps within each other, in one attribute: with the item itself these are the service's 32 levels."""
_PLAIN = re.compile(r"0|-?[1-9][0-9]{0,37}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_ORDER: dict[str, Any] = {"SS": str, "NS": Decimal, "BS": base64.b64decode}
_CONTENTS: dict[str, type] = {"S": str, "N": str, "L": list, "M": dict}
_ONE_TYPE = "must contain exactly one of the supported datatypes"
_NO_TYPE = f"Supplied AttributeValue is empty, {_ONE_TYPE}"
_LARGEST_EXPONENT = 125
_SMALLEST_EXPONENT = -130

EXACT = Context(prec=MAX_DIGITS, Emax=999_999, Emin=-999_999, traps=[Inexact])


class BadValue(ValueError):
    """A value that the service refuses to store; the message is the service's."""


class BadType(BadValue):
    """A value whose content is of another JSON type than its own says."""


def check_name(name: str) -> None:
    """Refuse an attribute name, or a key within a map, that is empty or too long; raises `BadValue`."""
    if not name:
        raise BadValue("Empty attribute name")
    # A character takes four bytes at most.
    if len(name) * 4 > MAX_NAME_BYTES and len(name.encode()) > MAX_NAME_BYTES:
        raise BadValue(f"Attribute name is too large, must be less than {MAX_NAME_BYTES + 1} bytes")


def number(text: str) -> str:
    """Return the number *text* in plain notation without superfluous zeros.

    Raises:
        BadValue: Not a number, more than 38 digits, or outside the range.
    """
    if _PLAIN.fullmatch(text):
        return text
    if not _NUMBER.fullmatch(text) or len(text) > 1024:  # noqa: PLR2004 - bounds the work on hostile input
        raise BadValue(f"The parameter cannot be converted to a numeric value: {text[:50]}")
    try:
        value = Decimal(text).normalize(EXACT)
    except Inexact:
        raise BadValue("Attempting to store more than 38 significant digits in a Number") from None
    if not value:
        return "0"
    if value.adjusted() > _LARGEST_EXPONENT:
        raise BadValue("Number overflow. Attempting to store a number with magnitude larger than supported range")
    if value.adjusted() < _SMALLEST_EXPONENT:
        raise BadValue("Number underflow. Attempting to store a number with magnitude smaller than supported range")
    return format(value, "f")


def _binary(value: Any) -> str:
    if isinstance(value, str):
        try:
            value = base64.b64decode(value, validate=True)
        except binascii.Error:
            raise BadValue("Invalid Base64 value") from None
    return base64.b64encode(value).decode()


def _members(kind: str, members: list[Any]) -> list[str]:
    values = [str(m) if kind == "SS" else number(m) if kind == "NS" else _binary(m) for m in members]
    if not values:
        name = {"SS": "string", "NS": "number", "BS": "binary"}[kind]
        raise BadValue(f"One or more parameter values were invalid: An {name} set  may not be empty")
    if len(set(values)) != len(values):
        raise BadValue("One or more parameter values were invalid: Input collection contains duplicates.")
    return sorted(values, key=_ORDER[kind])


def normalised(value: Value, within: int = 0) -> Value:
    """Return *value*, so deep within others, as the service would store it.

    Raises:
        BadValue: The service would refuse it.
    """
    kind, content = _only(value)
    if within > MAX_NESTING or (within == MAX_NESTING and kind in ("L", "M")):
        raise BadValue(
            "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported "
            "limit"
        )
    match kind:
        case "S" | "BOOL":
            return value
        case "NULL":
            if content is False:
                raise BadValue(
                    "One or more parameter values were invalid: Null attribute value types must have the value of true"
                )
            return value
        case "N":
            return {"N": number(content)}
        case "B":
            return {"B": _binary(content)}
        case "M":
            return {"M": _named(content, within + 1)}
        case "L":
            return {"L": [normalised(inner, within + 1) for inner in content]}
        case "SS" | "NS" | "BS":
            return {kind: _members(kind, content)}
    raise BadValue(_NO_TYPE)


def normalised_image(image: Image) -> Image:
    """Return a whole item as the service would store it; raises `BadValue` like `normalised`."""
    return _named(image, 0)


def _named(values: Image, within: int) -> Image:
    named_values = {}
    for name, value in values.items():
        check_name(name)
        named_values[name] = normalised(value, within)
    return named_values


def _only(value: Value) -> tuple[str, Any]:
    """Return type and content of *value*, which must have exactly one of each."""
    if not isinstance(value, dict) or not value or (len(value) == 1 and None in value.values()):
        raise BadValue(_NO_TYPE)
    if len(value) > 1:
        raise BadValue(f"Supplied AttributeValue has more than one datatypes set, {_ONE_TYPE}")
    ((kind, content),) = value.items()
    if not isinstance(content, _CONTENTS.get(kind, object)):
        raise BadType(f"{type(content).__name__} cannot be the content of type {kind}")
    return kind, content


def sortable(value: Value) -> Sortable:
    """Return what a key value sorts by: text and binary by their bytes, numbers by value."""
    ((kind, content),) = value.items()
    if kind == "N":
        return Decimal(content)
    return base64.b64decode(content) if kind == "B" else str(content)


def _bytes(value: Value) -> int:
    kind, content = next(iter(value.items()))
    match kind:
        case "S":
            return len(str(content).encode())
        case "N":
            return 1 + (len(str(content).lstrip("-").replace(".", "").strip("0")) + 1) // 2 + int(content[0] == "-")
        case "B":
            return len(base64.b64decode(content))
        case "M":
            return 3 + sum(1 + len(name.encode()) + _bytes(inner) for name, inner in content.items())
        case "L":
            return 3 + sum(1 + _bytes(inner) for inner in content)
        case "SS" | "NS" | "BS":
            return sum(_bytes({kind[0]: member}) for member in content)
    return 1


def stored_size(image: Image) -> int:
    """Return the bytes an item counts for, in limits and capacity.

    Source: Amazon DynamoDB Developer Guide, "Item sizes and formats".
    """
    return sum(len(name.encode()) + _bytes(value) for name, value in image.items())


def value_of(typed: Any) -> Value:
    """Return a value out of moto's objects in wire form (not yet normalised)."""
    if not isinstance(typed, DynamoType):
        ((kind, content),) = typed.items()
    else:
        kind, content = typed.type, typed.value
    if kind == "M":
        return {"M": {name: value_of(inner) for name, inner in content.items()}}
    if kind == "L":
        return {"L": [value_of(inner) for inner in content]}
    return {kind: content}


def image_of(item: Item) -> Image:
    """Return moto's item as an image (not yet normalised)."""
    return {name: value_of(value) for name, value in item.attrs.items()}
