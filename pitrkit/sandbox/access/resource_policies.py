"""Policies of tables that really deny, and the operations that put, tell and delete them.

A policy takes effect, and is told, some time after it was put, as in the service: `lag_seconds`. Only denials count:
what the sandbox's callers may do otherwise is no business of a table's policy.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from moto.sts.models import sts_backends
from moto.utilities.utils import get_partition

from pitrkit.sandbox.access import policy_evaluation
from pitrkit.sandbox.access.policy_evaluation import AccessRequest
from pitrkit.sandbox.access.required_actions import OF_A_TRANSACTION, action_of
from pitrkit.sandbox.protocol.protocol import Handler, Native, ServiceError, ServiceReply, ServiceRequest, invalid
from pitrkit.sandbox.store.partiql import table_of
from pitrkit.sandbox.store.tables import PastTable

LARGEST_BYTES = 20 * 1024
NO_POLICY = "NO_POLICY"


@dataclass(frozen=True, slots=True)
class Version:
    """A policy as it was put; blank where it was deleted."""

    text: str
    revision: str
    counts_from: float


@dataclass
class ResourcePolicies:
    """The policies of all tables of one sandbox.

    Attributes:
        lag_seconds: Real seconds until what was put takes effect.
    """

    lag_seconds: float = 0.0
    _versions: dict[str, list[Version]] = field(default_factory=dict)

    def operations(self) -> dict[str, Native]:
        """Return what is answered here, by the operation's name."""
        return {
            "PutResourcePolicy": self.put,
            "GetResourcePolicy": self.get,
            "DeleteResourcePolicy": self.delete,
        }

    def put(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """Put a policy in the place of the one that is there, if that is the one the caller expects."""
        table = _table(request)
        text = str(request.body.get("Policy", ""))
        if len(text.encode()) > LARGEST_BYTES:
            raise invalid("Resource-based policy document size exceeds the maximum size of 20 KB")
        try:
            wrong = policy_evaluation.faults(orjson.loads(text))
        except orjson.JSONDecodeError:
            wrong = ["it is not JSON"]
        if wrong:
            raise invalid(f"Invalid policy document: {'; '.join(wrong)}")
        now = self._expected(request, table)
        if now is not None and now.text == text:
            return {"RevisionId": now.revision}
        return {"RevisionId": self._put(table, text)}

    def get(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """Tell the policy that is in effect."""
        table = _table(request)
        policy_version = self._in_effect(table)
        if policy_version is None or not policy_version.text:
            raise _not_found(f"no policy on table {table.name}")
        return {"Policy": policy_version.text, "RevisionId": policy_version.revision}

    def delete(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """Delete the policy, if it is the one the caller expects."""
        table = _table(request)
        now = self._expected(request, table)
        if now is None:
            return {}
        self._put(table, "")
        return {"RevisionId": now.revision}

    def enforced(self, request: ServiceRequest, inner: Handler) -> ServiceReply:
        """Layer that refuses what the policy of a table denies."""
        for action, table in _asked(request) if self._versions else ():
            policy_version = self._in_effect(table)
            if policy_version is None or not policy_version.text:
                continue
            call = caller(request, f"dynamodb:{action}", table.table_arn)
            if policy_evaluation.verdict([orjson.loads(policy_version.text)], call, of_a_resource=True) == "deny":
                raise ServiceError(
                    "AccessDeniedException",
                    f"User: {call.session or call.principal} is not authorized to perform: {call.action} on resource: "
                    f"{call.resource} with an explicit deny in a resource-based policy",
                )
        return inner(request)

    def _expected(self, request: ServiceRequest, table: PastTable) -> Version | None:
        """Return the newest policy if it is what the caller expects, None where there is none."""
        versions = self._versions.get(table.id)
        now = versions[-1] if versions and versions[-1].text else None
        expected_revision = request.body.get("ExpectedRevisionId")
        if expected_revision is not None and expected_revision != (now.revision if now else NO_POLICY):
            raise _not_found(f"the policy of table {table.name} is not of revision {expected_revision}")
        return now

    def _put(self, table: PastTable, text: str) -> str:
        version = Version(text, str(uuid.uuid4()), time.monotonic() + self.lag_seconds)
        self._versions.setdefault(table.id, []).append(version)
        return version.revision

    def _in_effect(self, table: PastTable) -> Version | None:
        past = [version for version in self._versions.get(table.id, ()) if version.counts_from <= time.monotonic()]
        return past[-1] if past else None


def caller(request: ServiceRequest, action: str, resource: str) -> AccessRequest:
    """Return a request as a call: who asks is who its access key was made for."""
    sts = sts_backends[request.account][get_partition(request.region)]
    assumed = sts.get_assumed_role_from_access_key(request.access_key)
    if assumed is not None:
        return AccessRequest(assumed.role_arn, action, resource, session=assumed.arn)
    _, arn, _ = sts.get_caller_identity(request.access_key, request.region)
    return AccessRequest(arn, action, resource)


def _asked(request: ServiceRequest) -> Iterator[tuple[str, PastTable]]:
    """Yield the IAM actions that a request takes, each with the table it is done to."""
    for item in request.body.get("TransactItems", ()):
        for kind, action in item.items():
            yield from _at(request, OF_A_TRANSACTION[kind], action["TableName"])
    if request.operation in {"TransactWriteItems", "TransactGetItems"}:
        return
    spoken = (request.body, *request.body.get("Statements", ()), *request.body.get("TransactStatements", ()))
    statements = [str(statement_fields["Statement"]) for statement_fields in spoken if "Statement" in statement_fields]
    for statement in statements:
        action = action_of(statement)
        if action is not None:
            yield from _at(request, action, table_of(statement))
    for name in () if statements else request.tables():
        yield from _at(request, request.operation, name)


def _at(request: ServiceRequest, action: str, name: str) -> Iterator[tuple[str, PastTable]]:
    table = request.table(name)
    if table is not None:
        yield action, table


def _table(request: ServiceRequest) -> PastTable:
    arn = str(request.body.get("ResourceArn", ""))
    table = request.table(arn)
    if table is None or "/stream/" in arn:
        raise ServiceError("ResourceNotFoundException", f"Requested resource not found: {arn}")
    return table


def _not_found(why: str) -> ServiceError:
    message = f"Resource-based policy not found for the provided ResourceArn: {why}"
    return ServiceError("PolicyNotFoundException", message)
