"""Holding other writers off a table during a copy: a statement in its policy that denies writes to all but the caller.

The statement is told by its Sid, which is made of the incident's id, so that no other one is ever touched. It is added
to the policy that is there, and what is undone is exactly what was done: the policy is put back as it was, word for
word, or deleted where there was none. Where somebody else has changed the policy meanwhile, theirs stays, and only the
statement goes. Every change names the revision it was made of, so a change by others is never overwritten.

An explicit deny in a resource-based policy holds whatever a role allows. It does not hold in other Regions of a global
table, whose replicas have policies of their own, and not against callers of the same role.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from typing import Any, Literal

from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.polling import poll
from pitrkit.aws.tables import resource_policy
from pitrkit.aws.tables.resource_policy import PolicyChanged, PolicyRevision
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import BadInput, TableNotFound

WRITES = (
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:PartiQLDelete",
    "dynamodb:PartiQLInsert",
    "dynamodb:PartiQLUpdate",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
)
"""The actions by which items are written; transactions are made of these."""

OWN = "PitrkitFreeze"
"""How the Sid of every such statement begins."""

ATTEMPTS = 5
SETTLES_SECONDS = 10.0
"""How long a policy that was put may stay untold before it is believed not to be there."""

_LOOKS_EVERY = 0.5
_REPLICATION = "role/aws-service-role/replication.dynamodb.amazonaws.com/AWSServiceRoleForDynamoDBReplication"

How = Literal["restored", "deleted", "taken out", "gone"]


@dataclass(frozen=True, slots=True)
class Freeze:
    """A freeze that is to come, or in force.

    Attributes:
        table: The table.
        arn: Its ARN.
        sid: Sid of the statement.
        principals: Whom it lets write: patterns of `aws:PrincipalArn`.
        before: The policy as it was, word for word; blank where there was none.
        revision_before: Its revision.
        after: The policy with the statement.
        revision: The revision of that, blank until it is put.
        request_id: AWS's id of the request that put it.
    """

    table: str
    arn: str
    sid: str
    principals: tuple[str, ...]
    before: str
    revision_before: str
    after: str
    revision: str = ""
    request_id: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {**asdict(self), "principals": list(self.principals)}

    @classmethod
    def from_dict(cls, fields_by_name: dict[str, Any]) -> Freeze:
        """Return the freeze that `to_dict` wrote, whatever else is said with it."""
        its = {name: fields_by_name[name] for name in cls.__dataclass_fields__ if name in fields_by_name}
        return cls(**{**its, "principals": tuple(fields_by_name["principals"])})


@dataclass(frozen=True, slots=True)
class Lifted:
    """How a freeze was undone.

    Attributes:
        how: `restored`: the policy is word for word what it was; `deleted`: there is none again; `taken out`: others
            had changed the policy, so only the statement was taken out; `gone`: it was not there any more.
        request_id: AWS's id of the request that undid it, blank where there was nothing to do.
        told: Whether the service tells so already.
    """

    how: How
    request_id: str = ""
    told: bool = field(default=True, compare=False)

    @property
    def words(self) -> str:
        """What was done, in a sentence."""
        text = {
            "restored": "Other writers may write again: the table's policy is word for word what it was.",
            "deleted": "Other writers may write again: the table has no policy, as before.",
            "taken out": "Other writers may write again: somebody had changed the table's policy meanwhile, so theirs "
            "stays, and only the statement that blocked them was taken out.",
            "gone": "Other writers may write: nothing of the freeze was found in the table's policy.",
        }[self.how]
        return text if self.told else f"{text} The service does not tell so yet; it may take another minute."


def sid_of(incident: str) -> str:
    """Return the Sid of an incident's statement; a Sid is letters and digits."""
    return f"{OWN}{hashlib.sha256(incident.encode()).hexdigest()[:12]}"


def frozen_by(policy: PolicyRevision) -> list[str]:
    """Return the Sids of the freezes in a policy."""
    return [
        sid
        for policy_statement in _statements(policy.text)
        if (sid := str(policy_statement.get("Sid", ""))).startswith(OWN)
    ]


def denied_by(policy: PolicyRevision) -> list[str]:
    """Return the Sids, or numbers, of other statements in a policy that deny a write to somebody."""
    denied = []
    for number, policy_statement in enumerate(_statements(policy.text), 1):
        actions = policy_statement.get("Action", [])
        patterns = [actions] if isinstance(actions, str) else actions
        touches = "NotAction" in policy_statement or any(
            fnmatch(name, pattern) for pattern in patterns for name in WRITES
        )
        if (
            policy_statement.get("Effect") == "Deny"
            and touches
            and not str(policy_statement.get("Sid", "")).startswith(OWN)
        ):
            denied.append(str(policy_statement.get("Sid") or f"statement {number}"))
    return denied


def principals_of(caller: str) -> tuple[str, ...]:
    """Return the patterns of `aws:PrincipalArn` that are the caller's.

    For a session of a role it is the role's ARN, with its path, which the session's ARN does not tell. Source: IAM
    User Guide, "AWS global condition context keys".

    Raises:
        BadInput: It cannot be told from *caller*.
    """
    if session := re.fullmatch(r"arn:([a-z-]+):sts::(\d{12}):assumed-role/([^/]+)/.+", caller):
        partition, account, role = session.groups()
        return (f"arn:{partition}:iam::{account}:role/{role}", f"arn:{partition}:iam::{account}:role/*/{role}")
    if re.fullmatch(r"arn:[a-z-]+:(iam|sts)::\d{12}:((user|role|federated-user)/.+|root)", caller):
        return (caller,)
    raise BadInput(f"who {caller!r} is to a policy is not known", fix="Use a role or a user, or go on without freeze.")


def intend(policy: PolicyRevision, table: Table, *, incident: str, caller: str) -> Freeze:
    """Return the freeze of *table* as it would be; nothing is changed.

    Raises:
        BadInput: The policy cannot be read as one, is frozen already, or would become too long.
    """
    if others := frozen_by(policy):
        raise BadInput(
            f"other writers are blocked already, by {', '.join(others)}",
            table=table.name,
            fix="Let that recovery end, or undo its freeze: pitrkit unfreeze INCIDENT.",
        )
    sid = sid_of(incident)
    principals = principals_of(caller)
    partition, account = table.arn.split(":")[1], table.arn.split(":")[4]
    service = (f"arn:{partition}:iam::{account}:{_REPLICATION}",) if table.replicas else ()
    after = merged(policy.text, statement(sid, table.arn, (*principals, *service)))
    if len(after.encode()) > resource_policy.LARGEST_BYTES:
        raise BadInput(
            f"with the statement that blocks writers, the table's policy would have {len(after.encode()):,} bytes; "
            f"the service takes {resource_policy.LARGEST_BYTES:,}",
            table=table.name,
            fix="Shorten the table's policy, or go on without freeze.",
        )
    return Freeze(table.name, table.arn, sid, principals, policy.text, policy.revision, after)


def statement(sid: str, arn: str, principals: Sequence[str]) -> dict[str, Any]:
    """Return the statement that denies writes to everybody but *principals*."""
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": list(WRITES),
        "Resource": arn,
        "Condition": {"ArnNotLike": {"aws:PrincipalArn": list(principals)}},
    }


def merged(text: str, added: dict[str, Any]) -> str:
    """Return a policy's text with a statement added; a blank one is a new policy.

    Raises:
        BadInput: It is no policy.
    """
    document = _document(text) if text else {"Version": "2012-10-17"}
    return json.dumps({**document, "Statement": [*_statements(text), added]}, separators=(",", ":"))


def without_statement(text: str, sid: str) -> str:
    """Return a policy's text without the statement of that Sid; blank where none is left."""
    other_statements = [
        policy_statement for policy_statement in _statements(text) if policy_statement.get("Sid") != sid
    ]
    return (
        json.dumps({**_document(text), "Statement": other_statements}, separators=(",", ":"))
        if other_statements
        else ""
    )


def apply_freeze(aws: Aws, freeze: Freeze) -> Freeze:
    """Put the freeze into force and wait until the service tells it.

    Raises:
        PolicyChanged: Somebody has changed the policy since it was read; nothing was done.
        BadInput: The service does not tell it.
    """
    try:
        done = resource_policy.change(aws, freeze.table, freeze.arn, freeze.after, expected=freeze.revision_before)
        revision, request_id = done.revision, done.request_id
    except PolicyChanged as error:
        # A request whose answer was lost was sent again, and found its own work.
        now = resource_policy.read(aws, freeze.table, freeze.arn)
        if not _same(now.text, freeze.after):
            raise
        revision, request_id = now.revision, error.request_id
    in_force = Freeze(**{**asdict(freeze), "revision": revision, "request_id": request_id})
    if not resource_policy.wait_for_policy(aws, freeze.table, freeze.arn, lambda now: freeze.sid in frozen_by(now)):
        raise BadInput(
            "the service does not tell the policy that holds other writers off",
            table=freeze.table,
            fix="Run this again in a minute, or go on without freeze.",
        )
    return in_force


def lift(aws: Aws, freeze: Freeze) -> Lifted:
    """Undo a freeze exactly, however far it got.

    Raises:
        PolicyChanged: Others change the policy again and again. The freeze may be in force.
        AwsError: It could not be undone. The freeze may be in force.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            now = _settled(aws, freeze)
        except TableNotFound:
            return Lifted("gone")
        if freeze.sid not in frozen_by(now):
            return Lifted("gone")
        ours = now.revision == freeze.revision or _same(now.text, freeze.after)
        goal = freeze.before if ours else without_statement(now.text, freeze.sid)
        how: How = ("restored" if goal else "deleted") if ours else "taken out"
        try:
            done = resource_policy.change(aws, freeze.table, freeze.arn, goal, expected=now.revision)
        except PolicyChanged:
            if attempt == ATTEMPTS:
                raise
            time.sleep(_LOOKS_EVERY)  # what was told was old, or somebody was quicker
            continue
        return Lifted(how, done.request_id)
    raise AssertionError


def await_lifted(aws: Aws, freeze: Freeze) -> bool:
    """Wait until the service tells a policy without the freeze, and return whether it does."""
    try:
        return resource_policy.wait_for_policy(
            aws, freeze.table, freeze.arn, lambda now: freeze.sid not in frozen_by(now)
        )
    except TableNotFound:
        return True


def _settled(aws: Aws, freeze: Freeze) -> PolicyRevision:
    """Return the policy, once one that was put a moment ago would be told."""
    return poll(
        lambda: resource_policy.read(aws, freeze.table, freeze.arn),
        # Not there, and nothing else has changed: it may have been put, and not be told yet.
        lambda now, _: freeze.sid in frozen_by(now) or now.revision != freeze.revision_before,
        every=_LOOKS_EVERY,
        at_most=SETTLES_SECONDS,
    )


def _statements(text: str) -> list[dict[str, Any]]:
    statement_list = _document(text).get("Statement", []) if text else []
    return list(statement_list) if isinstance(statement_list, list) else [statement_list]


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise BadInput("the table's policy is not readable as JSON", fix="Go on without freeze.")
    return document


def _same(first_text: str, other: str) -> bool:
    return bool(first_text) and bool(other) and bool(json.loads(first_text) == json.loads(other))
