"""The trail: who changed what in the account, as CloudTrail's event history tells it.

LookupEvents takes one attribute, gives 50 events a page, newest first, and allows two requests a second in the whole
account. So there are two ways, and the cheaper one is found by trying: first everything that is not read-only, which
in a quiet account is a page or two; where that goes on, one lookup for each name that matters, the telling ones first.
Calls are bounded, and what was not seen because of that is said.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.error_mapping import Throttled
from pitrkit.times import utc

Kind = Literal["deploy", "table"]

DEPLOYS = {
    "lambda.amazonaws.com": (
        "UpdateFunctionCode20150331v2",
        "UpdateFunctionConfiguration20150331v2",
        "UpdateAlias20150331",
        "PublishVersion20150331",
    ),
    "codedeploy.amazonaws.com": ("CreateDeployment",),
    "cloudformation.amazonaws.com": ("ExecuteChangeSet", "UpdateStack", "CreateStack"),
    "ecs.amazonaws.com": ("UpdateService",),
}
"""Names of events that bring code or settings into the world, by the service that they are asked of."""

TABLE_CHANGES = (
    "DeleteTable",
    "UpdateTimeToLive",
    "UpdateTable",
    "UpdateContinuousBackups",
    "RestoreTableToPointInTime",
    "CreateTable",
)
"""Names of events that change a table itself."""

SWEPT_PAGES = 3
MOST_CALLS = 40
SECONDS_BETWEEN = 0.5

_DYNAMODB = "dynamodb.amazonaws.com"
_VERSION = re.compile(r"\d{8}(v\d+)?$")
_LONGEST = 120
_CODES = ("UpdateFunctionCode", "CreateDeployment", "ExecuteChangeSet", "UpdateStack", "UpdateService")


@dataclass(frozen=True, slots=True)
class TrailEvent:
    """Something that was done in the account. Texts are whatever the account holds: not to be trusted.

    Attributes:
        at: When, to the second.
        name: What was asked for, without the API's version: `UpdateFunctionCode`.
        source: The service that was asked: `lambda`.
        who: The session or user name of the one who asked, with the role: `kim (deployer)`.
        what: To what it was done: a function, a stack, a service, the table with what was set.
        id: CloudTrail's id of the event.
        kind: A deploy, or a change of the table itself.
    """

    at: datetime
    name: str
    source: str
    who: str
    what: str
    id: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class TrailLookup:
    """What CloudTrail told.

    Attributes:
        events: In time order.
        cut: What is missing because looking it up would have taken too many calls; blank where nothing is.
        calls: How many lookups it took.
    """

    events: tuple[TrailEvent, ...]
    cut: str
    calls: int


def read(
    aws: Aws,
    table: str,
    start_at: datetime,
    end_at: datetime,
    *,
    most_calls: int = MOST_CALLS,
    sleep: Callable[[float], None] = time.sleep,
) -> TrailLookup:
    """Return the deploys of the account, and what was done to *table*, from *start_at* to *end_at*.

    What was refused or failed has changed nothing and is left out. An event shows up some minutes after it happened,
    and is kept for 90 days.

    Args:
        aws: Where.
        table: Name of the table.
        start_at: From when.
        end_at: Until when.
        most_calls: Lookups at most, at two a second.
        sleep: How to wait between two lookups.

    Raises:
        AccessDenied: The caller may not look events up (`cloudtrail:LookupEvents`).
        AwsError: CloudTrail cannot be asked.
    """
    lookup = _Lookup(aws, table, start_at, end_at, most_calls, sleep)
    raw_events = list(lookup.pages("ReadOnly", "false", most=SWEPT_PAGES))
    if not lookup.more:
        return TrailLookup(_told(raw_events, table), "", lookup.calls)
    # Many write in this account. What was swept is the latest; names find the rest.
    unseen: list[str] = []
    names = sorted((name for _, name in _names()), key=lambda name: not name.startswith(_CODES))
    for name in names:
        raw_events += lookup.pages("EventName", name)
        if lookup.more:
            unseen.append(short_event_name(name))
    cut = ""
    if unseen:
        more = f"has more events than {lookup.calls} lookups return"
        why = "throttled the lookups" if lookup.throttled else more
        cut = f"CloudTrail {why}: {', '.join(unseen)} may be missing."
    return TrailLookup(_told(raw_events, table), cut, lookup.calls)


@dataclass
class _Lookup:
    """Lookups at the pace that the service allows, as many as are left."""

    aws: Aws
    table: str
    start_at: datetime
    end_at: datetime
    most: int
    sleep: Callable[[float], None]
    calls: int = 0
    throttled: bool = False
    more: bool = field(default=False)
    """Whether the last lookup had more to tell than was asked of it."""

    def pages(self, attribute: str, value: str, *, most: int = MOST_CALLS) -> Iterator[Mapping[str, Any]]:
        """Yield the events of one lookup, newest first, page by page while calls are left."""
        token: dict[str, Any] = {}
        self.more = True
        for _ in range(most):
            if self.calls >= self.most:
                return
            if self.calls:
                self.sleep(SECONDS_BETWEEN)
            self.calls += 1
            try:
                page = self.aws.call(
                    "cloudtrail",
                    "lookup_events",
                    table=self.table,
                    LookupAttributes=[{"AttributeKey": attribute, "AttributeValue": value}],
                    StartTime=self.start_at,
                    EndTime=self.end_at,
                    MaxResults=50,
                    **token,
                )
            except Throttled:
                # Others of the account use up the two a second: no good comes of asking on.
                self.most, self.throttled = self.calls, True
                return
            yield from page.get("Events", ())
            if not page.get("NextToken"):
                self.more = False
                return
            token = {"NextToken": page["NextToken"]}


def short_event_name(name: str) -> str:
    """Return an event's name without the version that Lambda's API puts behind it."""
    return _VERSION.sub("", name)


def _names() -> Iterator[tuple[str, str]]:
    for name in TABLE_CHANGES:
        yield _DYNAMODB, name
    for source, names in DEPLOYS.items():
        for name in names:
            yield source, name


_KNOWN = {(source, short_event_name(name)) for source, name in _names()}


def _told(raw_events: list[Mapping[str, Any]], table: str) -> tuple[TrailEvent, ...]:
    events = {event.id: event for raw in raw_events if (event := _event(raw, table)) is not None}
    return tuple(sorted(events.values(), key=lambda event: (event.at, event.id)))


def _event(raw: Mapping[str, Any], table: str) -> TrailEvent | None:
    name, source = short_event_name(str(raw.get("EventName", ""))), str(raw.get("EventSource", ""))
    if (source, name) not in _KNOWN:
        return None
    try:
        detail = json.loads(raw.get("CloudTrailEvent") or "{}")
    except ValueError:
        detail = {}
    if not isinstance(detail, dict) or detail.get("errorCode"):
        return None
    request_parameters = _object(detail.get("requestParameters"))
    if source == _DYNAMODB and table not in _tables(request_parameters):
        return None
    return TrailEvent(
        at=utc(raw["EventTime"]) if isinstance(raw.get("EventTime"), datetime) else _time(detail),
        name=name,
        source=source.partition(".")[0],
        who=_who(_object(detail.get("userIdentity"))) or str(raw.get("Username") or "unknown")[:_LONGEST],
        what=_what(name, request_parameters)[:_LONGEST],
        id=str(raw.get("EventId") or detail.get("eventID") or ""),
        kind="table" if source == _DYNAMODB else "deploy",
    )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _time(detail: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(detail["eventTime"])).astimezone(UTC)


def _tables(request: Mapping[str, Any]) -> set[str]:
    names = ("tableName", "sourceTableName", "sourceTableArn", "targetTableName")
    return {_tail(str(request[name])) for name in names if request.get(name)}


def _tail(name: str) -> str:
    """Return the name in an ARN; a name stays as it is."""
    if not name.startswith("arn:"):
        return name
    parts = re.split("[:/]", name.split(":", 5)[-1])
    # A function may carry a version behind its name, a stack its id; a service has its cluster before it.
    return parts[1] if parts[0] in {"function", "stack", "table"} and len(parts) > 1 else parts[-1]


def _who(identity: Mapping[str, Any]) -> str:
    """Return who it was. Keys and tokens that stand in the same record are never looked at."""
    kind = str(identity.get("type", ""))
    arn = str(identity.get("arn") or "")
    if kind == "Root":
        name = "root"
    elif kind == "AssumedRole":
        role = _object(_object(identity.get("sessionContext")).get("sessionIssuer")).get("userName")
        role = role or (arn.split("/")[1] if arn.count("/") > 1 else "")
        session = arn.rpartition("/")[2] or str(identity.get("principalId", "")).partition(":")[2]
        name = f"{session} ({role})" if role else session
    else:
        name = str(identity.get("userName") or arn.rpartition("/")[2])
    via = str(identity.get("invokedBy") or "")
    name = f"{name} by {via}" if name and via else name or via
    return name[:_LONGEST]


def _what(name: str, request: Mapping[str, Any]) -> str:
    """Return what it was done to, from fields that hold names and switches only."""
    match name:
        case "UpdateTimeToLive":
            setting = _object(request.get("timeToLiveSpecification"))
            state = "on" if setting.get("enabled") else "off"
            return f"{_tail(str(request.get('tableName', '')))}: TTL {state}, attribute {setting.get('attributeName')}"
        case "UpdateContinuousBackups":
            setting = _object(request.get("pointInTimeRecoverySpecification"))
            state = "on" if setting.get("pointInTimeRecoveryEnabled") else "off"
            return f"{_tail(str(request.get('tableName', '')))}: PITR {state}"
        case "RestoreTableToPointInTime":
            return f"into {_tail(str(request.get('targetTableName', '')))}"
        case "UpdateService":
            return "/".join(_tail(str(request[part])) for part in ("cluster", "service") if request.get(part))
        case "CreateDeployment":
            return "/".join(
                str(request[part]) for part in ("applicationName", "deploymentGroupName") if request.get(part)
            )
    parts = ("functionName", "stackName", "tableName")
    return next((_tail(str(request[part])) for part in parts if request.get(part)), "")
