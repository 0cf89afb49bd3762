"""What moto 5.2 gets wrong about values in expressions, put right.

moto compares by Python equality of converted values: a number equals a boolean, text equals binary, an absent
attribute equals NULL, binary sorts as base64 text; and it adds with 28 digits. In the service a comparison is by type
and value, and one with an absent attribute is false (`<>`: true). `mend` replaces the evaluation in moto's own classes,
once for the process, and changes nothing else about them.

moto also reads an UpdateExpression recursively, several calls deep for each assignment, so that 160 of them are too
many for Python's usual limit; `mend` raises it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal, Inexact
from functools import cache
from typing import Any

from moto.dynamodb import comparisons
from moto.dynamodb.exceptions import IncorrectDataType, MockValidationException
from moto.dynamodb.models.dynamo_type import DynamoType, LimitedSizeDict

from pitrkit.sandbox.store.values import EXACT, Value, normalised, sortable, value_of

_ORDERED = ("S", "N", "B")
_DEEPEST = 10_000
"""Calls within calls: enough for an update of 1,500 attributes."""


def _of(operand: Any, item: Any) -> Value | None:
    """Return what an operand of a condition stands for, or None if the item lacks it."""
    if isinstance(operand, comparisons.AttributePath):
        attribute = operand._get_attr(item)  # noqa: SLF001 - moto has no public way to the typed value
        return None if attribute is None else normalised(value_of(attribute))
    if isinstance(operand, comparisons.AttributeValue):
        return normalised({operand.type: operand.value})
    size = operand.expr(item)
    return None if size is None else {"N": str(size)}


def _equal(self: Any, item: Any) -> bool:
    left = _of(self.lhs, item)
    return left is not None and left == _of(self.rhs, item)


def _not_equal(self: Any, item: Any) -> bool:
    return not _equal(self, item)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def expr(self: Any, item: Any) -> bool:
        _check_ordered(self.lhs, self.rhs)
        return _in_order(_of(self.lhs, item), _of(self.rhs, item), compare)

    return expr


def _check_ordered(*operands: Any) -> None:
    """Refuse a value in the request that nothing is smaller or larger than."""
    for operand in operands:
        if isinstance(operand, comparisons.AttributeValue) and operand.type not in _ORDERED:
            raise MockValidationException(
                "Invalid ConditionExpression: Incorrect operand type for operator or function; "
                f"operand type: {operand.type}"
            )


def _in_order(left: Value | None, right: Value | None, compare: Callable[[Any, Any], bool]) -> bool:
    if left is None or right is None or left.keys() != right.keys() or next(iter(left)) not in _ORDERED:
        return False
    return compare(sortable(left), sortable(right))


def _between(self: Any, item: Any) -> bool:
    _check_ordered(self.attr, self.start, self.end)
    value = _of(self.attr, item)
    return _in_order(_of(self.start, item), value, lambda a, b: bool(a <= b)) and _in_order(
        value, _of(self.end, item), lambda a, b: bool(a <= b)
    )


def _in(self: Any, item: Any) -> bool:
    value = _of(self.attr, item)
    return value is not None and any(value == _of(possible, item) for possible in self.possible_values)


def _begins_with(self: Any, item: Any) -> bool:
    value, start = _of(self.attr, item), _of(self.substr, item)
    if value is None or start is None or value.keys() != start.keys() or next(iter(value)) not in ("S", "B"):
        return False
    return bool(sortable(value).startswith(sortable(start)))  # type: ignore[union-attr, arg-type]


def _contains(self: Any, item: Any) -> bool:
    value, part = _of(self.attr, item), _of(self.operand, item)
    if value is None or part is None:
        return False
    ((kind, content),), ((part_kind, part_content),) = value.items(), part.items()
    if kind == "L":
        return part in content
    if kind in ("SS", "NS", "BS"):
        return bool(part_kind == kind[0] and part_content in content)
    return kind == part_kind and kind in ("S", "B") and sortable(part) in sortable(value)  # type: ignore[operator]


def _size(self: Any, item: Any) -> int | None:
    value = _of(self.attr, item)
    if value is None:
        return None
    ((kind, content),) = value.items()
    if kind in ("N", "BOOL", "NULL"):
        raise MockValidationException(
            "Invalid ConditionExpression: Incorrect operand type for operator or function; "
            f"operator or function: size, operand type: {kind}"
        )
    return len(sortable(value)) if kind == "B" else len(content)  # type: ignore[arg-type]


def _calculated(calculate: Callable[[Decimal, Decimal], Decimal]) -> Callable[[Any, Any], Any]:
    def operator(self: Any, other: Any) -> Any:
        if not (self.is_number() and other.is_number()):
            raise IncorrectDataType
        try:
            return DynamoType({"N": format(calculate(Decimal(self.value), Decimal(other.value)), "f")})
        except Inexact:
            raise MockValidationException("Number overflow. The result has more than 38 significant digits") from None

    return operator


@cache
def mend() -> None:
    """Put moto right; further calls do nothing."""
    for name, expr in {
        "OpEqual": _equal,
        "OpNotEqual": _not_equal,
        "OpLessThan": _ordered(lambda a, b: bool(a < b)),
        "OpLessThanOrEqual": _ordered(lambda a, b: bool(a <= b)),
        "OpGreaterThan": _ordered(lambda a, b: bool(a > b)),
        "OpGreaterThanOrEqual": _ordered(lambda a, b: bool(a >= b)),
        "FuncBetween": _between,
        "FuncIn": _in,
        "FuncBeginsWith": _begins_with,
        "FuncContains": _contains,
        "FuncSize": _size,
    }.items():
        getattr(comparisons, name).expr = expr
    DynamoType.__add__ = _calculated(EXACT.add)
    DynamoType.__sub__ = _calculated(EXACT.subtract)
    # Its limit on an item's size is an estimate; `PastTable.write` knows the size.
    LimitedSizeDict.__setitem__ = dict.__setitem__
    sys.setrecursionlimit(max(_DEEPEST, sys.getrecursionlimit()))
