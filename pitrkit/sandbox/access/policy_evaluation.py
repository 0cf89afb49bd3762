"""What policy documents say about a call: a pure evaluator of statements, principals, actions, resources, conditions.

It knows what the policies of tables and roles use. An operator or a condition key that it does not know is refused
when a policy is put, rather than silently taken to match. Source: IAM User Guide, "Policy evaluation logic" and "IAM
JSON policy elements".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

Verdict = Literal["deny", "allow", ""]
"""An explicit deny, an allow, or nothing that is about the call."""


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """What somebody wants to do.

    Attributes:
        principal: `aws:PrincipalArn`: the ARN of a user or, for a session, of its role.
        action: Such as `dynamodb:PutItem`.
        resource: ARN of what it is done to.
        session: ARN of an assumed role's session; blank for none.
        context: Further condition keys by lower-case name.
    """

    principal: str
    action: str
    resource: str
    session: str = ""
    context: Mapping[str, str] = field(default_factory=dict)

    @property
    def account(self) -> str:
        """The caller's account."""
        return (self.principal.split(":") + [""] * 5)[4]

    def value(self, key: str) -> str | None:
        """Return the value of a condition key, None where the call has none."""
        context_keys = {"aws:principalarn": self.principal, "aws:principalaccount": self.account}
        return context_keys.get(key.lower()) or self.context.get(key.lower())


def verdict(documents: Iterable[Mapping[str, Any]], call: AccessRequest, *, of_a_resource: bool = False) -> Verdict:
    """Return what *documents* together say about *call*: one deny is enough.

    Args:
        documents: Policy documents.
        call: The call.
        of_a_resource: Whether they are resource-based, so that a statement has to name the principal.
    """
    decision: Verdict = ""
    for statement in (policy_statement for document in documents for policy_statement in statements(document)):
        if not _about(statement, call, of_a_resource=of_a_resource):
            continue
        if statement["Effect"] == "Deny":
            return "deny"
        decision = "allow"
    return decision


def statements(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a document's statements; a single one may stand without a list."""
    return _listed(document.get("Statement", []))


def faults(document: Any) -> list[str]:
    """Return what is wrong with a policy document, or not known here; nothing where it can be evaluated."""
    if not isinstance(document, dict) or not statements(document):
        return ["a policy is an object with a Statement"]
    messages = []
    for statement in statements(document):
        if not isinstance(statement, dict) or statement.get("Effect") not in {"Allow", "Deny"}:
            messages.append("Effect is Allow or Deny")
            continue
        if not {"Action", "NotAction"} & statement.keys():
            messages.append("a statement names an Action")
        if not re.fullmatch("[A-Za-z0-9]*", statement.get("Sid", "")):
            messages.append("a Sid is letters and digits")
        unknown = [
            operator_name
            for operator_name in statement.get("Condition", {})
            if operator_name.removesuffix("IfExists") not in _OPERATORS
        ]
        messages += [f"the condition operator {operator} is not known" for operator in unknown]
    return messages


def _about(statement: Mapping[str, Any], call: AccessRequest, *, of_a_resource: bool) -> bool:
    if of_a_resource and not _principal(statement, call):
        return False
    return (
        _named(statement, "Action", lambda pattern: _like(pattern.lower(), call.action.lower()))
        and _named(statement, "Resource", lambda pattern: _like(pattern, call.resource))
        and all(_condition(operator, keys, call) for operator, keys in statement.get("Condition", {}).items())
    )


def _principal(statement: Mapping[str, Any], call: AccessRequest) -> bool:
    if "NotPrincipal" in statement:
        return not _is_among(statement["NotPrincipal"], call)
    return _is_among(statement.get("Principal", {}), call)


def _is_among(principals: Any, call: AccessRequest) -> bool:
    if principals == "*":
        return True
    names = _listed(principals.get("AWS", [])) if isinstance(principals, dict) else []
    whole = {"*", call.account, f"arn:aws:iam::{call.account}:root", call.principal, call.session}
    return bool(whole.intersection(names))


def _named(statement: Mapping[str, Any], element: str, matches: Callable[[str], bool]) -> bool:
    if f"Not{element}" in statement:
        return not any(map(matches, _listed(statement[f"Not{element}"])))
    # A role's policy always names resources; a table's may leave them out, and is about the table.
    return element not in statement or any(map(matches, _listed(statement[element])))


def _condition(operator: str, keys: Mapping[str, Any], call: AccessRequest) -> bool:
    name = operator.removesuffix("IfExists")
    test, negated = _OPERATORS[name]
    for key, wanted_values in keys.items():
        value, patterns = call.value(key), [_text(value_text) for value_text in _listed(wanted_values)]
        if name == "Null":
            if (value is None) != (patterns == ["true"]):
                return False
        elif value is None:
            # A key that is not there matches nothing, so a negated operator holds.
            if not (negated or operator.endswith("IfExists")):
                return False
        elif any(test(pattern, value) for pattern in patterns) == negated:
            return False
    return True


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _equal(pattern: str, value: str) -> bool:
    return pattern == value


def _like(pattern: str, value: str) -> bool:
    return bool(_compiled(pattern).fullmatch(value))


def _arn_like(pattern: str, value: str) -> bool:
    """Compare two ARNs part by part: a `*` does not reach over a colon."""
    patterns, values = pattern.split(":", 5), value.split(":", 5)
    return len(patterns) == len(values) and all(map(_like, patterns, values))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


_OPERATORS: dict[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (_equal, False),
    "StringNotEquals": (_equal, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_arn_like, False),
    "ArnNotEquals": (_arn_like, True),
    "ArnLike": (_arn_like, False),
    "ArnNotLike": (_arn_like, True),
    "Bool": (_equal, False),
    "Null": (_equal, False),
}
"""How a pattern is compared with a value, and whether a match is what must not be."""
