"""Callers whose policies count, and the refusals of what these do not allow, in the services' words.

A caller is a role's session with credentials of its own: registered over HTTP (`/_sandbox/callers`) or from Python
(`Sandbox.authority`), by name, with the policy documents of its role. Whoever uses other credentials may do everything,
as the owner of an account may. What policies of tables deny is denied besides (`resource_policies`).

What was asked for is kept by caller, so that a test can tell which permissions something took.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.sts.models import sts_backends

from pitrkit.sandbox.access import policy_evaluation
from pitrkit.sandbox.access.policy_evaluation import AccessRequest
from pitrkit.sandbox.access.required_actions import Demand, demands, of_statement
from pitrkit.sandbox.protocol.protocol import OK, Handler, ServiceError, ServiceReply, ServiceRequest

SESSION = "pitrkit"
"""Name of the sessions of registered roles."""

_CODES = {"cloudwatch": "AccessDenied"}
_FREE = frozenset(("sts:GetCallerIdentity",))
"""What needs no permission, and cannot be denied."""


@dataclass(slots=True)
class Registered:
    """A caller whose policies count.

    Attributes:
        name: The role's name.
        role: The role's ARN.
        arn: The session's ARN.
        policies: Documents of the role's policies.
        credentials: What requests of it are signed with, as environment variables.
        asked: What it asked for so far, and whether that was allowed.
    """

    name: str
    role: str
    arn: str
    policies: tuple[dict[str, Any], ...]
    credentials: dict[str, str]
    asked: dict[Demand, bool] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        asked_demands = [
            {"action": demand.action, "resource": demand.resource, "allowed": allowed}
            for demand, allowed in self.asked.items()
        ]
        return {
            "name": self.name,
            "role": self.role,
            "arn": self.arn,
            "credentials": self.credentials,
            "policies": list(self.policies),
            "asked": asked_demands,
        }


class Authority:
    """The callers whose policies count. Safe to share between threads."""

    def __init__(self) -> None:
        self._by_key: dict[str, Registered] = {}
        self._lock = Lock()

    def register(self, name: str, policies: Iterable[Mapping[str, Any]], region: str) -> Registered:
        """Return the caller of that name, new or with other policies, its credentials kept and its questions forgotten.

        Raises:
            ValueError: A policy cannot be evaluated.
        """
        policy_documents = tuple(dict(policy) for policy in policies)
        if wrong := [fault for policy in policy_documents for fault in policy_evaluation.faults(policy)]:
            raise ValueError("; ".join(wrong))
        with self._lock:
            registered = next((registered for registered in self._by_key.values() if registered.name == name), None)
            if registered is not None:
                registered.policies, registered.asked = policy_documents, {}
                return registered
            role = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/{name}"
            session = sts_backends[DEFAULT_ACCOUNT_ID]["aws"].assume_role(region, SESSION, role, "", 36000, "")
            credentials = {
                "AWS_ACCESS_KEY_ID": session.access_key_id,
                "AWS_SECRET_ACCESS_KEY": session.secret_access_key,
                "AWS_SESSION_TOKEN": session.session_token,
            }
            made = Registered(name, role, session.arn, policy_documents, credentials)
            self._by_key[session.access_key_id] = made
            return made

    def known(self) -> list[Registered]:
        """Return the registered callers."""
        with self._lock:
            return list(self._by_key.values())

    def named(self, arn: str) -> Registered | None:
        """Return the registered caller of a role's or a session's ARN."""
        return next((registered for registered in self.known() if arn in (registered.role, registered.arn)), None)

    def enforced(self, request: ServiceRequest, inner: Handler) -> ServiceReply:
        """Layer that refuses what its caller's policies do not allow."""
        caller = self._by_key.get(request.access_key)
        if caller is None:
            return inner(request)
        if request.operation == "BatchExecuteStatement":
            return self._each_statement(caller, request, inner)
        for demand in demands(request):
            if why := self._refused(caller, demand):
                raise ServiceError(_CODES.get(request.service, "AccessDeniedException"), why)
        return inner(request)

    def refusal(self, access_key: str, demand: Demand) -> str:
        """Return why the caller of *access_key* may not do something, in the services' words; blank if it may."""
        caller = self._by_key.get(access_key)
        return self._refused(caller, demand) if caller else ""

    def _refused(self, caller: Registered, demand: Demand) -> str:
        decision = verdict(caller, demand)
        with self._lock:
            caller.asked[demand] = caller.asked.get(demand, True) and decision == "allow"
        return "" if decision == "allow" else _words(caller.arn, demand, denied=decision == "deny")

    def _each_statement(self, caller: Registered, request: ServiceRequest, inner: Handler) -> ServiceReply:
        """Refuse the statements of a batch one by one, as the service does, and have the others done."""
        statement_bodies: Sequence[dict[str, Any]] = request.body.get("Statements", [])
        why = {
            number: text
            for number, statement in enumerate(statement_bodies)
            if (demand := of_statement(request, statement)) and (text := self._refused(caller, demand))
        }
        rest = [statement for number, statement in enumerate(statement_bodies) if number not in why]
        answer: dict[str, Any] = {"Responses": []}
        if rest or not statement_bodies:
            reply = inner(request.changed(request.operation, {**request.body, "Statements": rest}))
            if reply.status != OK or not why:
                return reply
            answer = reply.body
        done = iter(answer["Responses"])
        responses = [
            {"Error": {"Code": "AccessDenied", "Message": why[number]}} if number in why else next(done)
            for number in range(len(statement_bodies))
        ]
        return ServiceReply.json({**answer, "Responses": responses})


def verdict(caller: Registered, demand: Demand) -> policy_evaluation.Verdict:
    """Return what a caller's policies say."""
    if demand.action in _FREE:
        return "allow"
    return policy_evaluation.verdict(
        caller.policies, AccessRequest(caller.role, demand.action, demand.resource, session=caller.arn)
    )


def _words(arn: str, demand: Demand, *, denied: bool) -> str:
    place = f'"{demand.resource}"' if demand.action.startswith("s3:") else demand.resource
    place = "" if demand.resource == "*" and not demand.action.startswith("dynamodb:") else f" on resource: {place}"
    why = (
        "with an explicit deny in an identity-based policy"
        if denied
        else f"because no identity-based policy allows the {demand.action} action"
    )
    return f"User: {arn} is not authorized to perform: {demand.action}{place} {why}"
