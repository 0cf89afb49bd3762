"""Permissions of requests that moto answers by itself: S3, and the services of the query and the JSON protocol.

Told from a request are its action and what that is done to. Requests of REST services other than S3 are let pass: their
actions are not in them. Answered here is IAM's SimulatePrincipalPolicy, by the policies of registered callers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import orjson
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.exceptions import MissingBucket
from moto.s3.models import s3_backends

from pitrkit.sandbox.access.authority import Authority, verdict
from pitrkit.sandbox.access.required_actions import Demand
from pitrkit.sandbox.exports.buckets import FORBIDDEN, S3Request
from pitrkit.sandbox.protocol.protocol import OK, ServiceError, ServiceReply

_SIGNED = re.compile(r"Credential=([^/,]+)/[^/]+/[^/]+/([^/]+)/")
_NOT_FOUND = 404
_XML = (("Content-Type", "text/xml"), ("x-amzn-RequestId", "00000000-0000-0000-0000-000000000000"))
_IAM = "https://iam.amazonaws.com/doc/2010-05-08/"
_DECISIONS = {"allow": "allowed", "deny": "explicitDeny", "": "implicitDeny"}


def reply(authority: Authority, environ: Mapping[str, Any], content: bytes) -> ServiceReply | None:
    """Return the refusal of a request that its caller's policies do not allow, or its answer; None to let it pass."""
    signed = _SIGNED.search(environ.get("HTTP_AUTHORIZATION", ""))
    if signed is None:
        return None
    key, service = signed.groups()
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        demand = Demand(f"{service}:{target.rpartition('.')[2]}", _named(_json(content)))
        why = authority.refusal(key, demand)
        return ServiceReply.error(ServiceError("AccessDeniedException", why)) if why else None
    if not environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return None
    form = dict(parse_qsl(content.decode(errors="replace")))
    simulated = form.get("Action") == "SimulatePrincipalPolicy"
    resource = form.get("PolicySourceArn", "") if simulated else _named(form)
    if why := authority.refusal(key, Demand(f"{service}:{form.get('Action', '')}", resource)):
        return _query_error("AccessDenied", why, FORBIDDEN)
    return _simulated(authority, form) if simulated else None


def s3_reply(authority: Authority, request: S3Request) -> ServiceReply | None:
    """Return the refusal of a request to S3 that its caller's policies do not allow; None to let it pass.

    An object that is not there is denied to whoever may not list the bucket, so that nobody learns that it is missing.
    """
    bucket = f"arn:aws:s3:::{request.bucket}" if request.bucket else "*"
    why = authority.refusal(
        request.access_key, Demand(f"s3:{request.action}", f"{bucket}/{request.key}" if request.key else bucket)
    )
    if not why and request.action == "GetObject" and not _exists(request):
        why = authority.refusal(request.access_key, Demand("s3:ListBucket", bucket))
    if not why:
        return None
    text = f"<Error><Code>AccessDenied</Code><Message>{escape(why)}</Message></Error>"
    return ServiceReply(FORBIDDEN, (("Content-Type", "application/xml"),), text.encode())


def _exists(request: S3Request) -> bool:
    try:
        return s3_backends[DEFAULT_ACCOUNT_ID]["aws"].head_object(request.bucket, request.key) is not None
    except MissingBucket:
        return True


def _json(content: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(content or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _named(parameters: Mapping[str, Any]) -> str:
    arns = (value for value in parameters.values() if isinstance(value, str) and value.startswith("arn:"))
    return next(arns, "*")


def _simulated(authority: Authority, form: Mapping[str, str]) -> ServiceReply:
    source = form.get("PolicySourceArn", "")
    caller = authority.named(source)
    if caller is None or source != caller.role:
        return _query_error("NoSuchEntity", f"The user or role with ARN {source} cannot be found.", _NOT_FOUND)
    actions, resources = _members(form, "ActionNames"), _members(form, "ResourceArns") or ["*"]
    rows = [
        f"<member><EvalActionName>{escape(action)}</EvalActionName>"
        f"<EvalResourceName>{escape(resource)}</EvalResourceName>"
        f"<EvalDecision>{_DECISIONS[verdict(caller, Demand(action, resource))]}</EvalDecision></member>"
        for action in actions
        for resource in resources
    ]
    body = (
        f'<SimulatePrincipalPolicyResponse xmlns="{_IAM}"><SimulatePrincipalPolicyResult><IsTruncated>false'
        f"</IsTruncated><EvaluationResults>{''.join(rows)}</EvaluationResults></SimulatePrincipalPolicyResult>"
        "</SimulatePrincipalPolicyResponse>"
    )
    return ServiceReply(OK, _XML, body.encode())


def _members(form: Mapping[str, str], name: str) -> list[str]:
    return [value for key, value in form.items() if key.startswith(f"{name}.member.")]


def _query_error(code: str, message: str, status: int) -> ServiceReply:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    body = f"<ErrorResponse>{error}<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
    return ServiceReply(status, _XML, body.encode())
