"""What CloudTrail records: who called which API when, in the form in which the service tells it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

_NAME = re.compile(r"[^:/]+")
_ID = "AIDA4SANDBOX7EXAMPLE"
_ROLE_ID = "AROA4SANDBOX7EXAMPLE"
_KEY = "ASIA4SANDBOX7EXAMPLE"


@dataclass(frozen=True, slots=True)
class ManagementEvent:
    """One management event.

    Attributes:
        at: When, aware.
        name: The service's EventName, e.g. `UpdateFunctionCode20150331v2`.
        source: Its EventSource, e.g. `lambda.amazonaws.com`.
        user: Name of the IAM user, or of the session under *role*.
        role: Name of the role that was assumed; empty for an IAM user.
        parameters: requestParameters, in lowerCamelCase as the service has them.
        resources: What it was about: type, e.g. `AWS::Lambda::Function`, and name or ARN.
        read_only: Whether it changes nothing.
        error: Code and message, where it was refused.
        address: sourceIPAddress.
        agent: userAgent.
        access_key: Access key that it was signed with.
    """

    at: datetime
    name: str
    source: str
    user: str
    role: str = ""
    parameters: Mapping[str, Any] | None = None
    resources: tuple[tuple[str, str], ...] = ()
    read_only: bool = False
    error: tuple[str, str] = ("", "")
    address: str = "203.0.113.17"
    agent: str = "aws-cli/2.31"
    access_key: str = _KEY


@dataclass(slots=True)
class EventTrail:
    """The events of one account and region, in the order in which they were told."""

    events: list[ManagementEvent] = field(default_factory=list)

    def add(self, *events: ManagementEvent) -> None:
        """Record events, of any time."""
        self.events += events

    def newest(self) -> list[tuple[int, ManagementEvent]]:
        """Return the events with their numbers, newest first."""
        numbered = enumerate(self.events)
        return sorted(numbered, key=lambda pair: (second(pair[1].at), pair[0]), reverse=True)


def second(at: datetime) -> datetime:
    """Return the time as an event tells it: in UTC, to the second."""
    return at.astimezone(UTC).replace(microsecond=0)


def event_id(number: int, event: ManagementEvent) -> str:
    """Return an event's EventID, the same in each telling of the same story."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{number} {event.at.isoformat()} {event.source} {event.name}"))


def summary(number: int, event: ManagementEvent) -> dict[str, Any]:
    """Return the service's Event, but for its CloudTrailEvent."""
    return {
        "EventId": event_id(number, event),
        "EventName": event.name,
        "ReadOnly": str(event.read_only).lower(),
        "AccessKeyId": event.access_key,
        "EventTime": int(event.at.timestamp()),
        "EventSource": event.source,
        "Username": event.user,
        "Resources": [
            {"ResourceType": kind, "ResourceName": _NAME.findall(name)[-1]} for kind, name in event.resources
        ],
    }


def record(number: int, event: ManagementEvent, *, account: str, region: str) -> dict[str, Any]:
    """Return the record of an event, the service's CloudTrailEvent, field by field."""
    code, message = event.error
    arns = [(kind, name) for kind, name in event.resources if name.startswith("arn:")]
    return {
        "eventVersion": "1.11",
        "userIdentity": _identity(event, account),
        "eventTime": f"{second(event.at):%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": event.source,
        "eventName": event.name,
        "awsRegion": region,
        "sourceIPAddress": event.address,
        "userAgent": event.agent,
        **({"errorCode": code, "errorMessage": message} if code else {}),
        "requestParameters": None if event.parameters is None else dict(event.parameters),
        "responseElements": None,
        "requestID": str(uuid.uuid5(uuid.NAMESPACE_OID, f"request {event_id(number, event)}")),
        "eventID": event_id(number, event),
        "readOnly": event.read_only,
        **({"resources": [{"accountId": account, "type": kind, "ARN": arn} for kind, arn in arns]} if arns else {}),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
    }


def _identity(event: ManagementEvent, account: str) -> dict[str, Any]:
    if not event.role:
        return {
            "type": "IAMUser",
            "principalId": _ID,
            "arn": f"arn:aws:iam::{account}:user/{event.user}",
            "accountId": account,
            "accessKeyId": event.access_key,
            "userName": event.user,
        }
    return {
        "type": "AssumedRole",
        "principalId": f"{_ROLE_ID}:{event.user}",
        "arn": f"arn:aws:sts::{account}:assumed-role/{event.role}/{event.user}",
        "accountId": account,
        "accessKeyId": event.access_key,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": _ROLE_ID,
                "arn": f"arn:aws:iam::{account}:role/{event.role}",
                "accountId": account,
                "userName": event.role,
            },
            "attributes": {"creationDate": f"{second(event.at):%Y-%m-%dT%H:%M:00Z}", "mfaAuthenticated": "false"},
        },
    }
