"""Faults on demand: what a service does that is busy, broken, or at the far end of a bad line.

A `FaultRule` is a rule: which requests it is about, how many of them it strikes, and what becomes of those. Rules are
added and removed while the sandbox serves, from Python (`Sandbox.faults`) or over HTTP (`/_sandbox/faults`). They stand
around everything else and outside its lock, as a network stands around a service: a slow reply holds up nobody else,
and a write whose answer is lost has been done. What goes wrong with exports are rules of their own: `export_faults`.

A request that several rules strike is as slow as all of them together, and otherwise suffers what the first one says.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from threading import Lock
from typing import Any, ClassVar, Self, TypeVar

from pitrkit.sandbox.protocol.protocol import BAD_REQUEST, OK, Handler, ServiceReply, ServiceRequest


@dataclass(frozen=True, slots=True)
class Rule:
    """What every rule says.

    Attributes:
        kind: What happens; each family of rules has its own kinds.
        share: Of the chances that it has, the share that it takes.
        count: How many it takes at most; None for any number.
        skip: How many chances pass before it begins.
        seed: Chooses the chances that it takes.
    """

    KINDS: ClassVar[tuple[str, ...]] = ()

    kind: str
    share: float = 1.0
    count: int | None = None
    skip: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        if self.kind not in self.KINDS:
            raise ValueError(f"no such kind of fault: {self.kind!r}; there are {', '.join(self.KINDS)}")
        if not 0 <= self.share <= 1:
            raise ValueError(f"share is {self.share}, which is not from 0 to 1")
        if self.skip < 0 or (self.count is not None and self.count < 0):
            raise ValueError("skip and count cannot be negative")

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the rule of a JSON object.

        Raises:
            ValueError: Saying what is wrong with it.
        """
        return cls(**checked(cls, data, what="a fault"))


def read(data: Any, families: Sequence[type[Rule]]) -> Rule:
    """Return the rule of a JSON object, of the family whose kind it names.

    Raises:
        ValueError: Saying what is wrong with it.
    """
    if not isinstance(data, dict) or "kind" not in data:
        raise ValueError('send {"kind": "throttle", "share": 0.1}, or a list of such')
    for family in families:
        if data["kind"] in family.KINDS:
            return family.from_dict(data)
    kinds = ", ".join(kind for family in families for kind in family.KINDS)
    raise ValueError(f"no such kind of fault: {data['kind']!r}; there are {kinds}")


def checked(cls: type, data: dict[str, Any], *, what: str) -> dict[str, Any]:
    """Return the fields of dataclass *cls* that a JSON object gives.

    Raises:
        ValueError: *cls*, which is called *what*, has no such field, or a value has the wrong type.
    """
    types = {dataclass_field.name: _JSON[str(dataclass_field.type)] for dataclass_field in fields(cls)}
    for name, value in data.items():
        if name not in types:
            raise ValueError(f"{what} has no {name!r}; it has {', '.join(types)}")
        if not types[name](value):
            raise ValueError(f"{name} cannot be {value!r}")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}


def _texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(member, str) for member in value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_JSON: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "int": _whole,
    "int | None": lambda value: value is None or _whole(value),
    "tuple[str, ...]": _texts,
    "bool": lambda value: isinstance(value, bool),
}


@dataclass(slots=True)
class InForce:
    """A rule in force, and how it went so far.

    Attributes:
        rule: The rule.
        chance: Its dice.
        met: How many chances it had.
        struck: How many of them it took.
    """

    rule: Rule
    chance: random.Random
    met: int = 0
    struck: int = 0

    @classmethod
    def of(cls, rule: Rule) -> Self:
        """Put *rule* in force."""
        return cls(rule, random.Random(rule.seed))  # noqa: S311 - no secret

    def strikes(self) -> bool:
        """Take the next chance, or let it pass."""
        self.met += 1
        if self.met <= self.rule.skip or self.struck == self.rule.count or self.chance.random() >= self.rule.share:
            return False
        self.struck += 1
        return True


INTERNAL = 500
UNAVAILABLE = 503
NOTHING_SENT = -1
_THROTTLES = ("ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException")
_REASON = re.compile(
    r"(Table|Index)(Read|Write)"
    r"(ProvisionedThroughput|AccountLimit|KeyRangeThroughput|MaxOnDemandThroughput)Exceeded"
)
_SERVICES = (
    "dynamodb", "dynamodbstreams", "cloudwatch", "cloudtrail", "backup", "application-autoscaling", "lambda"
)  # fmt: skip
_ACTIONS = {"dynamodbstreams": "dynamodb"}
_BATCHES = ("BatchWriteItem", "BatchGetItem", "BatchExecuteStatement")
_READS = ("GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems")
_CHARACTER = re.compile(rb"[0-8a-ln-yA-Y]")
_SERVICE = "com.amazonaws.dynamodb.v20120810"
_FRONT = "com.amazon.coral.service"

R = TypeVar("R", bound=Rule)


@dataclass(frozen=True, slots=True)
class FaultRule(Rule):
    """A rule about requests.

    Attributes:
        kind: What happens:
            `throttle`: refused for its rate, with reasons;
            `unprocessed`: a batch is done in part. Of a BatchExecuteStatement some statements are throttled;
            `error500`, `error503`: a fault of the service, before anything was done, or after all was (see *done*);
            `slow`: the reply takes *seconds* longer;
            `drop_before`, `drop_after`: the connection is closed without a reply, before or after the request was done;
            `truncate`: the request is done, the reply breaks off in its body;
            `bad_checksum`: the request is done, one character of the reply is another by the time it arrives;
            `expired_credentials`: refused, because the credentials have expired;
            `denied`: refused, because the caller is not allowed to;
            `refused`: refused as invalid, in words that quote all of the request.
        service: Service that it is about, by boto's name: `dynamodb`, `dynamodbstreams`, `cloudwatch`, `cloudtrail`,
            `backup`, `application-autoscaling` or `lambda` (its event source mappings); empty for all of them.
        operations: The API's names of the operations that it is about; none for all.
        table: Name of the table that it is about; empty for all.
        access_key: Access key whose requests it is about; empty for all.
        seconds: Of `slow`.
        code: Of `throttle`: which of the service's codes.
        reasons: Of `throttle`: the service's reasons; none for one that fits the operation.
        done: Of `error500` and `error503`: whether the request was done all the same. Of `unprocessed` for
            BatchExecuteStatement: whether the statements struck were done, and fail by an InternalServerError.
    """

    KINDS: ClassVar[tuple[str, ...]] = (
        "throttle",
        "unprocessed",
        "error500",
        "error503",
        "slow",
        "drop_before",
        "drop_after",
        "truncate",
        "bad_checksum",
        "expired_credentials",
        "denied",
        "refused",
    )

    service: str = ""
    operations: tuple[str, ...] = ()
    table: str = ""
    access_key: str = ""
    seconds: float = 0.2
    code: str = _THROTTLES[0]
    reasons: tuple[str, ...] = ()
    done: bool = False

    def __post_init__(self) -> None:
        Rule.__post_init__(self)
        if self.service not in ("", *_SERVICES):
            raise ValueError(f"no faults for a service {self.service!r}; there are {', '.join(_SERVICES)}")
        if self.code not in _THROTTLES:
            raise ValueError(f"no code of throttling: {self.code!r}; there are {', '.join(_THROTTLES)}")
        for reason in self.reasons:
            if not _REASON.fullmatch(reason):
                raise ValueError(f"no reason for throttling: {reason!r}; one is TableWriteKeyRangeThroughputExceeded")
        if self.seconds < 0:
            raise ValueError("seconds cannot be negative")

    def is_about(self, request: ServiceRequest) -> bool:
        """Return whether it can strike *request*."""
        return (
            self.service in ("", request.service)
            and (not self.operations or request.operation in self.operations)
            and (not self.table or self.table in {name.rpartition(":table/")[2] for name in request.tables()})
            and (not self.access_key or self.access_key == request.access_key)
            and (self.kind != "unprocessed" or request.operation in _BATCHES)
        )


@dataclass(slots=True)
class Faults:
    """The rules in force. Safe to share between threads."""

    _rules: list[InForce] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def add(self, *rules: Rule) -> None:
        """Put further rules in force."""
        with self._lock:
            self._rules += map(InForce.of, rules)

    def clear(self) -> None:
        """Lift all rules."""
        with self._lock:
            self._rules.clear()

    def report(self) -> list[dict[str, Any]]:
        """Return each rule, with how many requests it met and how many of them it struck."""
        with self._lock:
            return [{**asdict(rule.rule), "met": rule.met, "struck": rule.struck} for rule in self._rules]

    def strike(self, family: type[R], is_about: Callable[[R], bool]) -> list[R]:
        """Return the rules of a *family* that strike something, among those that are about it."""
        return self._met(family, is_about)[1]

    def _met(self, family: type[R], is_about: Callable[[R], bool]) -> tuple[list[InForce], list[R]]:
        with self._lock:
            about = [
                (active_rule, active_rule.rule)
                for active_rule in self._rules
                if isinstance(active_rule.rule, family) and is_about(active_rule.rule)
            ]
            return [active_rule for active_rule, _ in about], [
                rule for active_rule, rule in about if active_rule.strikes()
            ]

    def layer(self, request: ServiceRequest, inner: Handler) -> ServiceReply:
        """Layer that does to requests what the rules in force say."""
        about, struck = self._met(FaultRule, lambda fault: fault.is_about(request))
        dice = random.Random(about[0].chance.random()) if struck else None  # noqa: S311 - no secret
        time.sleep(sum(fault.seconds for fault in struck if fault.kind == "slow"))
        fault = next((fault for fault in struck if fault.kind != "slow"), None)
        if fault is None or dice is None:
            return inner(request)
        return _KINDS[fault.kind](fault, request, inner, dice)


def _throttled(fault: FaultRule, request: ServiceRequest, _inner: Handler, _dice: random.Random) -> ServiceReply:
    if request.service == "cloudtrail":
        return _refusal("ThrottlingException", "Rate exceeded", service=_FRONT)
    if request.service == "cloudwatch":
        return _refusal("Throttling", "Rate exceeded", service=_FRONT)
    way = "Read" if request.operation in _READS else "Write"
    tables = [table for name in request.tables() if (table := request.table(name)) is not None]
    resource = tables[0].table_arn if tables else ""
    reasons: Any = [
        {"reason": reason, "resource": resource}
        for reason in fault.reasons or (f"Table{way}ProvisionedThroughputExceeded",)
    ]
    reasons_key = "throttlingReasons" if fault.code == "ThrottlingException" else "ThrottlingReasons"
    return _refusal(fault.code, "The level of configured throughput was exceeded.", **{reasons_key: reasons})


def _expired(_fault: FaultRule, _request: ServiceRequest, _inner: Handler, _dice: random.Random) -> ServiceReply:
    message = "The security token included in the request is expired"
    return _refusal("ExpiredTokenException", message, service=_FRONT)


def _denied(_fault: FaultRule, request: ServiceRequest, _inner: Handler, _dice: random.Random) -> ServiceReply:
    action = f"{_ACTIONS.get(request.service, request.service)}:{request.operation}"
    tables = [table.table_arn for name in request.tables() if (table := request.table(name)) is not None]
    resource = f" on resource: {tables[0]}" if tables else ""
    message = (
        f"User: arn:aws:sts::{request.account}:user/moto is not authorized to perform: {action}{resource} "
        f"because no identity-based policy allows the {action} action"
    )
    # CloudWatch still has the codes of its first protocol.
    code = "AccessDenied" if request.service == "cloudwatch" else "AccessDeniedException"
    return _refusal(code, message, service=_FRONT)


def _refused(_fault: FaultRule, request: ServiceRequest, _inner: Handler, _dice: random.Random) -> ServiceReply:
    message = f"One or more parameter values were invalid: {json.dumps(request.body)}"
    return _refusal("ValidationException", message, service=_FRONT)


def _failed(fault: FaultRule, request: ServiceRequest, inner: Handler, _dice: random.Random) -> ServiceReply:
    if fault.done:
        inner(request)
    if fault.kind == "error500":
        return _refusal("InternalServerError", "Internal server error", status=INTERNAL)
    return _refusal("ServiceUnavailableException", "Service unavailable", service=_FRONT, status=UNAVAILABLE)


def _refusal(
    code: str, message: str, *, service: str = _SERVICE, status: int = BAD_REQUEST, **details: Any
) -> ServiceReply:
    return ServiceReply.json({"__type": f"{service}#{code}", "message": message, **details}, status=status)


def _passed(_fault: FaultRule, request: ServiceRequest, inner: Handler, _dice: random.Random) -> ServiceReply:
    return inner(request)


def _dropped(fault: FaultRule, request: ServiceRequest, inner: Handler, _dice: random.Random) -> ServiceReply:
    if fault.kind == "drop_after":
        inner(request)
    return replace(ServiceReply.json({}), sent=NOTHING_SENT)


def _truncated(_fault: FaultRule, request: ServiceRequest, inner: Handler, dice: random.Random) -> ServiceReply:
    reply = inner(request)
    return replace(reply, sent=dice.randrange(len(reply.content)) if reply.content else NOTHING_SENT)


def _changed(_fault: FaultRule, request: ServiceRequest, inner: Handler, dice: random.Random) -> ServiceReply:
    reply = inner(request)
    places = [match.start() for match in _CHARACTER.finditer(reply.content)]
    if not places:  # An empty answer: it becomes one that is none.
        return replace(reply, content=b"[]")
    at = dice.choice(places)
    content = reply.content[:at] + bytes([reply.content[at] + 1]) + reply.content[at + 1 :]
    return replace(reply, content=content)


def _partly(fault: FaultRule, request: ServiceRequest, inner: Handler, dice: random.Random) -> ServiceReply:
    if request.operation == "BatchExecuteStatement":
        return _statements_partly(fault, request, inner, dice)
    request_items: Mapping[str, Any] = request.body["RequestItems"]
    reading = request.operation == "BatchGetItem"
    parts = [(name, part) for name, parts in request_items.items() for part in (parts["Keys"] if reading else parts)]
    failing = _some(range(len(parts)), dice, at_most=len(parts) - 1)
    if not failing:
        # The service does not answer with nothing done.
        return _throttled(fault, request, inner, dice)
    some, rest = (
        _of_tables(
            request_items, [part for number, part in enumerate(parts) if (number in failing) == wanted], reading=reading
        )
        for wanted in (True, False)
    )
    reply = inner(request.changed(request.operation, {**request.body, "RequestItems": rest}))
    if reply.status != OK:
        return reply
    answer, unprocessed = reply.body, "UnprocessedKeys" if reading else "UnprocessedItems"
    for name, more in answer.get(unprocessed, {}).items():
        if name not in some:
            some[name] = more
        elif reading:
            some[name]["Keys"] += more["Keys"]
        else:
            some[name] += more
    return ServiceReply.json({**answer, unprocessed: some})


def _of_tables(asked: Mapping[str, Any], parts: Sequence[tuple[str, Any]], *, reading: bool) -> dict[str, Any]:
    """Return the parameter RequestItems with only *parts* of what was *asked*."""
    some: dict[str, Any] = {}
    for name, part in parts:
        if reading:
            some.setdefault(name, {**asked[name], "Keys": []})["Keys"].append(part)
        else:
            some.setdefault(name, []).append(part)
    return some


def _statements_partly(fault: FaultRule, request: ServiceRequest, inner: Handler, dice: random.Random) -> ServiceReply:
    statements = request.body["Statements"]
    failing = _some(range(len(statements)), dice, at_most=len(statements))
    rest = [statement for number, statement in enumerate(statements) if fault.done or number not in failing]
    answer: dict[str, Any] = {"Responses": []}
    if rest:
        reply = inner(request.changed(request.operation, {**request.body, "Statements": rest}))
        if reply.status != OK:
            return reply
        answer = reply.body
    given = iter(answer["Responses"])
    code, message = ("InternalServerError", "Internal server error") if fault.done else ("ThrottlingError", "Rate")
    responses = []
    for number in range(len(statements)):
        response = next(given) if fault.done or number not in failing else {}
        failed = number in failing and "Error" not in response
        responses.append({"Error": {"Code": code, "Message": message}} if failed else response)
    return ServiceReply.json({**answer, "Responses": responses})


def _some(numbers: range, dice: random.Random, *, at_most: int) -> set[int]:
    return set(dice.sample(numbers, dice.randint(1, at_most))) if at_most > 0 else set()


_KINDS: dict[str, Callable[[FaultRule, ServiceRequest, Handler, random.Random], ServiceReply]] = {
    "throttle": _throttled,
    "unprocessed": _partly,
    "error500": _failed,
    "error503": _failed,
    "slow": _passed,
    "drop_before": _dropped,
    "drop_after": _dropped,
    "truncate": _truncated,
    "bad_checksum": _changed,
    "expired_credentials": _expired,
    "denied": _denied,
    "refused": _refused,
}
