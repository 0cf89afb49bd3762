"""The layer for conditions and updates as they were said before expressions: `Expected` and `AttributeUpdates`.

moto ignores the first in a DeleteItem and stores wrong types by the second, so both become expressions here, which
moto, mended, evaluates rightly. Before that, expressions are held to the service's limits, which the old parameters
do not know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pitrkit.sandbox.protocol.protocol import Handler, ServiceReply, ServiceRequest, invalid
from pitrkit.sandbox.store.values import Value

MAX_OPERATORS = 300
MAX_EXPRESSION_BYTES = 4096
_WRITES = ("PutItem", "UpdateItem", "DeleteItem")
_EXPRESSIONS = ("UpdateExpression", "ConditionExpression")
_LEGACY = ("Expected", "AttributeUpdates", "ConditionalOperator")
_OPERATOR = re.compile(r"<>|<=|>=|[=<>(]|\b(?:AND|OR|NOT|BETWEEN|IN)\b", re.IGNORECASE)
_CONDITIONS = {
    "EQ": "{0} = {1}",
    "NE": "{0} <> {1}",
    "LT": "{0} < {1}",
    "LE": "{0} <= {1}",
    "GT": "{0} > {1}",
    "GE": "{0} >= {1}",
    "BETWEEN": "{0} BETWEEN {1} AND {2}",
    "NULL": "attribute_not_exists({0})",
    "NOT_NULL": "attribute_exists({0})",
    "CONTAINS": "contains({0}, {1})",
    "NOT_CONTAINS": "NOT contains({0}, {1})",
    "BEGINS_WITH": "begins_with({0}, {1})",
}
_UPDATES = {"PUT": ("SET", "{0} = {1}"), "ADD": ("ADD", "{0} {1}"), "DELETE": ("DELETE", "{0} {1}")}


def expressions(request: ServiceRequest, inner: Handler) -> ServiceReply:
    """Layer that turns old parameters of writes into expressions, and holds expressions to their limits."""
    body = request.body
    if request.operation not in _WRITES:
        return inner(request)
    old, new = ([name for name in names if name in body] for names in (_LEGACY, _EXPRESSIONS))
    if old and new:
        raise invalid(
            "Can not use both expression and non-expression parameters in the same request: Non-expression "
            f"parameters: {{{', '.join(old)}}} Expression parameters: {{{', '.join(new)}}}"
        )
    _check_size(body)
    if not old:
        return inner(request)
    names: dict[str, str] = {}
    values: dict[str, Value] = {}
    condition = _condition(body, names, values)
    update = _update(body.get("AttributeUpdates", {}), names, values)
    expression_fields = {
        "ConditionExpression": condition,
        "UpdateExpression": update,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }
    rest = {name: value for name, value in body.items() if name not in _LEGACY}
    return inner(
        request.changed(request.operation, rest | {name: value for name, value in expression_fields.items() if value})
    )


def _check_size(body: Mapping[str, Any]) -> None:
    for name in _EXPRESSIONS:
        text = body.get(name, "")
        if len(text) > MAX_EXPRESSION_BYTES:
            raise invalid(
                f"Invalid {name}: Expression size has exceeded the maximum allowed size; expression size: {len(text)}"
            )
    # An opening parenthesis stands for the function before it.
    if len(_OPERATOR.findall(body.get("ConditionExpression", ""))) > MAX_OPERATORS:
        raise invalid(
            "Invalid ConditionExpression: The expression contains too many operators; "
            f"operator count: {MAX_OPERATORS + 1}"
        )


def _condition(body: Mapping[str, Any], names: dict[str, str], values: dict[str, Value]) -> str:
    terms = []
    for attribute, term in body.get("Expected", {}).items():
        operator, operands = _operation(attribute, term)
        placeholders = [_placed(values, operand) for operand in operands]
        name = _named(names, attribute)
        if operator == "IN":
            terms.append(f"{name} IN ({', '.join(placeholders)})")
            continue
        template = _CONDITIONS.get(operator)
        if template is None:
            raise invalid("Comparison type does not exist in DynamoDB")
        if len(placeholders) != template.count("{") - 1:
            raise invalid(
                "One or more parameter values were invalid: Invalid number of argument(s) for the "
                f"{operator} ComparisonOperator"
            )
        terms.append(template.format(name, *placeholders))
    return f" {body.get('ConditionalOperator', 'AND')} ".join(terms)


def _operation(attribute: str, term: Mapping[str, Any]) -> tuple[str, list[Value]]:
    """Return operator and operands of a condition, of either of the two forms there are."""
    if "ComparisonOperator" in term:
        return term["ComparisonOperator"], term.get("AttributeValueList", [])
    if term.get("Exists", True):
        return "EQ", [term["Value"]] if "Value" in term else []
    if "Value" in term:
        raise invalid(
            "One or more parameter values were invalid: Value cannot be used when Exists is false for Attribute: "
            f"{attribute}"
        )
    return "NULL", []


def _update(updates: Mapping[str, Any], names: dict[str, str], values: dict[str, Value]) -> str:
    clauses: dict[str, list[str]] = {}
    for attribute, update in updates.items():
        name = _named(names, attribute)
        verb, template = _UPDATES[update.get("Action", "PUT")]
        if "Value" in update:
            clauses.setdefault(verb, []).append(template.format(name, _placed(values, update["Value"])))
        else:
            clauses.setdefault("REMOVE", []).append(name)
    return " ".join(f"{verb} {', '.join(terms)}" for verb, terms in clauses.items())


def _named(names: dict[str, str], attribute: str) -> str:
    for placeholder, name in names.items():
        if name == attribute:
            return placeholder
    placeholder = f"#{len(names)}"
    names[placeholder] = attribute
    return placeholder


def _placed(values: dict[str, Value], value: Value) -> str:
    placeholder = f":{len(values)}"
    values[placeholder] = value
    return placeholder
