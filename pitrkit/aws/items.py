"""Items: canonical DynamoDB JSON from the moment they are read until they are written.

An *image* is the canonical JSON text of a whole item, a *key* that of its key attributes alone. Two items are equal
exactly when their images are equal strings. So a diff is a string comparison, a guard can be built from what was
read, and no attribute value passes through a Python or pandas type that could change it.

Canonical means: attributes and map keys sorted, set members sorted, numbers by value in plain notation (DynamoDB
keeps 38 digits and no trailing zeros), binary as base64.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, Literal

import orjson

from pitrkit.errors import BadInput

Role = Literal["HASH", "RANGE"]

KeyType = Literal["S", "N", "B"]


@dataclass(frozen=True, slots=True)
class KeyAttribute:
    """One attribute of a key."""

    name: str
    type: KeyType
    role: Role


@dataclass(frozen=True, slots=True)
class KeySchema:
    """A key: partition attributes first, then sort attributes (indexes may have several of each)."""

    attributes: tuple[KeyAttribute, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the key attributes, in the schema's order."""
        return tuple(attribute.name for attribute in self.attributes)

    @property
    def partition(self) -> str:
        """Name of the (first) partition key attribute."""
        return self.attributes[0].name

    def to_dict(self) -> list[dict[str, str]]:
        """Return the schema as plain JSON."""
        return [{"name": attr.name, "type": attr.type, "role": attr.role} for attr in self.attributes]

    @classmethod
    def from_dict(cls, rows: Iterable[dict[str, Any]]) -> KeySchema:
        """Return the schema that `to_dict` wrote."""
        return cls(tuple(KeyAttribute(**row) for row in rows))

    def __str__(self) -> str:
        """Return e.g. `customer_id (S), order_id (S)`."""
        return ", ".join(f"{attr.name} ({attr.type})" for attr in self.attributes)


Image = str
"""Canonical JSON text of a whole item, e.g. `{"pk":{"S":"a"},"sk":{"N":"1"}}`."""

Key = str
"""Canonical JSON text of an item's key attributes."""

REPLICATION_PREFIX = "aws:rep:"
"""Attributes of global tables' old version that the service owns: never compared, never written."""

_PLAIN_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d*[1-9])?")
_EXACT = Context(prec=38, Emax=999, Emin=-999, traps=[Inexact, InvalidOperation])
_TYPES = ("S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M")


def number(text: str) -> str:
    """Return the canonical spelling of a DynamoDB number: `1.0`, `1` and `10E-1` are all `1`.

    Raises:
        BadInput: *text* is not a number, or has more than 38 significant digits.
    """
    if _PLAIN_NUMBER.fullmatch(text) and text != "-0" and len(text) <= 38:  # noqa: PLR2004
        return text
    try:
        value = Decimal(text)
        if not value.is_finite():
            raise InvalidOperation
        value = _EXACT.normalize(value)
    except (InvalidOperation, Inexact):
        raise BadInput(
            "a number is not valid in DynamoDB", fix="Use at most 38 significant digits, no NaN, no Infinity."
        ) from None
    return format(value, "f") if value else "0"


def _binary(value: Any) -> str:
    return base64.b64encode(bytes(value)).decode() if not isinstance(value, str) else value


def _value(typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return one typed value in canonical form. Accepts boto3's shape and the wire's."""
    ((kind, value),) = typed.items()
    match kind:
        case "S" | "BOOL" | "NULL":
            return {kind: value}
        case "N":
            return {"N": number(value)}
        case "B":
            return {"B": _binary(value)}
        case "M":
            return {"M": {name: _value(inner) for name, inner in value.items()}}
        case "L":
            return {"L": [_value(inner) for inner in value]}
        case "SS":
            return {"SS": sorted(value)}
        case "NS":
            return {"NS": sorted(number(member) for member in value)}
        case "BS":
            return {"BS": sorted(_binary(member) for member in value)}
    raise BadInput(f"unknown attribute type {kind!r}", fix=f"DynamoDB's types are {', '.join(_TYPES)}.")


def canonical(item: Mapping[str, Any]) -> Image:
    """Return the image of *item*, given in boto3's low-level shape or as the service's JSON."""
    return _text({name: _value(typed) for name, typed in item.items()})


def _text(attrs: Mapping[str, Any]) -> str:
    return orjson.dumps(attrs, option=orjson.OPT_SORT_KEYS).decode()


def attributes(image: str) -> dict[str, Any]:
    """Return an image's attributes as the service's JSON: `{"pk": {"S": "a"}}`, binary as base64."""
    loaded: dict[str, Any] = orjson.loads(image)
    return loaded


def image_of(attrs: Mapping[str, Any]) -> Image:
    """Return the image of attributes whose values are already canonical, as `attributes` gave them."""
    return _text(attrs)


def without_replication(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return *attrs* without the attributes that global tables keep for themselves."""
    return {name: value for name, value in attrs.items() if not name.startswith(REPLICATION_PREFIX)}


def canonicalise_in_place(attrs: dict[str, Any]) -> int:
    """Bring attributes, as the service's JSON, to canonical values in place, and return their stored size.

    `image_of` of the result is `canonical` of what was given, and the size is the image's `stored_size`; but nothing is
    built anew, and most items have nothing to change. A snapshot spends most of its time here: what looks repeated
    saves a call for each value.

    Raises:
        BadInput: A number or a type is not DynamoDB's.
    """
    size = 0
    for name, typed in attrs.items():
        size += len(name) if name.isascii() else len(name.encode())
        if (value := typed.get("S")) is not None:
            size += len(value) if value.isascii() else len(value.encode())
        elif (value := typed.get("N")) is not None:
            if value.isdecimal() and value[0] != "0" and len(value) <= 38:  # noqa: PLR2004
                size += (len(value.rstrip("0")) + 3) >> 1
            else:
                typed["N"] = value = number(value)
                size += _number_size(value)
        elif (value := typed.get("M")) is not None:
            size += 3 + len(value) + canonicalise_in_place(value)
        elif (value := typed.get("L")) is not None:
            size += 3 + len(value) + sum(canonicalise_in_place({"": inner}) for inner in value)
        else:
            typed.update(_value(typed))
            size += _size(typed)
    return size


def key_of(item: Mapping[str, Any], names: Sequence[str]) -> Key:
    """Return the key of *item* (boto3's shape or the service's JSON) over the key attributes *names*."""
    return canonical({name: item[name] for name in names})


def _boto(typed: Mapping[str, Any]) -> dict[str, Any]:
    ((kind, value),) = typed.items()
    match kind:
        case "B":
            return {"B": base64.b64decode(value)}
        case "BS":
            return {"BS": [base64.b64decode(member) for member in value]}
        case "M":
            return {"M": {name: _boto(inner) for name, inner in value.items()}}
        case "L":
            return {"L": [_boto(inner) for inner in value]}
    return {kind: value}


def to_boto(image: str) -> dict[str, Any]:
    """Return an image or key in boto3's low-level shape: binary as bytes."""
    return {name: _boto(typed) for name, typed in attributes(image).items()}


def changed_attributes(before: str, after: str) -> tuple[str, ...]:
    """Return the names of the top-level attributes in which two images differ, sorted."""
    then, now = attributes(before), attributes(after)
    return tuple(sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name)))


def _plain(typed: Mapping[str, Any]) -> Any:
    ((kind, value),) = typed.items()
    match kind:
        case "N":
            return _plain_number(value)
        case "NS":
            return sorted(_plain_number(member) for member in value)
        case "NULL":
            return None
        case "M":
            return {name: _plain(inner) for name, inner in value.items()}
        case "L":
            return [_plain(inner) for inner in value]
    return value


def _plain_number(text: str) -> int | Decimal:
    return Decimal(text) if "." in text else int(text)


def plain(image: str) -> dict[str, Any]:
    """Return an image or key for people and for JMESPath.

    Numbers are `int` or `Decimal` (never `float`), sets are sorted lists, binary is base64 text, NULL is `None`.
    The types are gone: a plain value is never written back.
    """
    return {name: _plain(typed) for name, typed in attributes(image).items()}


def stored_size(image: str) -> int:
    """Return the bytes DynamoDB counts for an item, at most a few bytes off for numbers.

    Source: Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats".
    """
    return sum(len(name.encode()) + _size(typed) for name, typed in attributes(image).items())


def _size(typed: Mapping[str, Any]) -> int:
    ((kind, value),) = typed.items()
    match kind:
        case "S":
            return len(value.encode())
        case "N":
            return _number_size(value)
        case "B":
            return len(base64.b64decode(value))
        case "SS":
            return sum(len(member.encode()) for member in value)
        case "NS":
            return sum(map(_number_size, value))
        case "BS":
            return sum(_size({"B": member}) for member in value)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _size(inner) for name, inner in value.items())
        case "L":
            return 3 + sum(1 + _size(inner) for inner in value)
    return 1


def _number_size(text: str) -> int:
    digits = text.lstrip("-").replace(".", "").strip("0")
    return 1 + -(-len(digits) // 2) + text.startswith("-")


def key_from_plain(values: Mapping[str, Any], schema: KeySchema) -> Key:
    """Return the key that a person wrote as plain values (`{"pk": "a", "sk": 1}`) or as DynamoDB JSON.

    Raises:
        BadInput: The attributes are not exactly the table's key, or a value does not fit its type.
    """
    if set(values) != set(schema.names):
        raise BadInput(
            f"a key has the attributes {_listed(values)}, but the table's key is {_listed(schema.names)}",
            fix="Use exactly the key attributes of each item.",
        )
    return canonical({attr.name: _typed(values[attr.name], attr.type, attr.name) for attr in schema.attributes})


def _typed(value: Any, kind: str, name: str) -> dict[str, Any]:
    inner = value.get(kind) if isinstance(value, Mapping) and len(value) == 1 else value
    if kind == "S" and isinstance(inner, str):
        return {"S": inner}
    if kind == "N" and isinstance(inner, int | float | Decimal | str) and not isinstance(inner, bool):
        return {"N": number(str(inner))}
    if kind == "B" and isinstance(inner, str):
        try:
            base64.b64decode(inner, validate=True)
        except binascii.Error:
            pass
        else:
            return {"B": inner}
    type_text = {"S": "a string", "N": "a number", "B": "base64 text"}[kind]
    raise BadInput(f"key attribute {name!r} is not {type_text}", fix=f"Write {name} as {type_text}.")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def owned(image: Image | None) -> Image | None:
    """Return *image* without what the service keeps in it for replication."""
    if image is None or f'"{REPLICATION_PREFIX}' not in image:
        return image
    return image_of(without_replication(attributes(image)))


def with_attributes(base: Image, source: Image, names: Iterable[str]) -> Image:
    """Return *base* with the top-level attributes *names* as they are in *source*; absent there means removed."""
    merged, source_attributes = attributes(base), attributes(source)
    for name in names:
        if name in source_attributes:
            merged[name] = source_attributes[name]
        else:
            merged.pop(name, None)
    return image_of(merged)
