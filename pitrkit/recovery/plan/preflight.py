"""Preflight: what has to be known about the target before anything is written to it.

A finding says what will happen, how bad that is, and what to do. What could do harm blocks until somebody
acknowledges it by name. A source that may not be read, or does not answer, is a finding as well: it says what cannot be
known because of that, and blocks where what is not known could do harm.

Capacity: the service keeps up to five minutes of unused units for bursts; a plan that takes a minute's worth at most
passes in that without anybody noticing. Source: Developer Guide, "Burst and adaptive capacity".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeVar

from pitrkit.aws.backups import pitr
from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables import dependents, resource_policy, tables
from pitrkit.aws.tables.dependents import Scaling
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import AccessDenied, AwsError, BadInput
from pitrkit.recovery.plan import freeze

Told = tuple[Literal["blocking", "warning", "information"], str, str]
"""How bad it is, what is so, and what to do."""

UNNOTICED_SECONDS = 60


def capacity(table: Table, scaling: Sequence[Scaling], *, units: float, pace: float, unknown: str = "") -> Told | None:
    """Return what a copy of *units* at *pace* would do to the capacity of *table*, None where there is no limit.

    Args:
        table: The target.
        scaling: What may scale its write units.
        units: Write units of the copy.
        pace: Write units a second.
        unknown: Why the scaling is not known, blank where it is.
    """
    if not pace or not (table.write_units or table.most_write_units):
        return None
    where, limit = _least(table)
    scales = _scaled(where, scaling, unknown) if table.write_units else ""
    kind = "provisioned with" if table.write_units else "limited to"
    has = f"{where or 'the table'} is {kind} {limit:,} write units a second{scales}"
    slower = f"Give a pace of {max(1, limit // 2):,} write units or less"
    if pace > limit and units > limit * UNNOTICED_SECONDS:
        what = (
            f"{has}; the copy would take up to {pace:,.0f} for as long as it writes, and the shop's writes would fail"
        )
        return "blocking", what, f"{slower}, or accept 'capacity'."
    if pace > limit / 2 and units > limit:
        return "warning", f"{has}; the copy takes up to {min(pace, limit):,.0f} of them", f"{slower}."
    return "information", f"{has}, and the copy takes {units:,.0f} in all", "Nothing."


def _least(table: Table) -> tuple[str, int]:
    """Return what has the fewest units: an index by name, or blank for the table."""
    if not table.write_units:
        return "", table.most_write_units
    limits = [
        ("", table.write_units),
        *((index.name, index.write_units) for index in table.indexes if index.write_units),
    ]
    return min(limits, key=lambda limit_pair: limit_pair[1])


def _scaled(index: str, scaling: Sequence[Scaling], unknown: str) -> str:
    if unknown:
        return f" (whether auto scaling raises that cannot be known: {unknown})"
    its = [scaling_entry for scaling_entry in scaling if scaling_entry.index == index and not scaling_entry.suspended]
    if not its:
        return " and no auto scaling"
    return f" (auto scaling raises that, within minutes, to {its[0].most:,} at most, and the bill with it)"


T = TypeVar("T")

Severity = Literal["blocking", "accepted", "warning", "information"]

ACCEPTABLE = {
    "no-pitr": "point-in-time recovery is off, or cannot be seen to be on",
    "streams": "functions read the stream, or who reads it cannot be known",
    "kinesis": "changes go to Kinesis, or whether they do cannot be known",
    "replicas": "what is written replicates to other Regions, where guards do not hold",
    "ttl": "expired items would be put back, and deleted again",
    "capacity": "the copy would take more than the table is provisioned for",
    "kms": "the table's key is about to be lost",
}
"""Names of the findings that can block and be acknowledged, each with what that means."""


@dataclass(frozen=True, slots=True)
class TargetFinding:
    """Something about the target that matters to a copy.

    Attributes:
        name: Its short name, by which a blocking one may be accepted.
        severity: `blocking`; `accepted`: blocking, but the operator says to go on; `warning`; `information`.
        what: What is so, and what will happen because of it.
        fix: What to do about it.
    """

    name: str
    severity: Severity
    what: str
    fix: str

    @property
    def acceptable(self) -> bool:
        """Whether it blocks until somebody acknowledges it."""
        return self.severity == "blocking" and self.name in ACCEPTABLE

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Load:
    """What a copy would do to the target.

    Attributes:
        write_units: Write units in all, indexes included.
        pace: Write units a second.
        puts_expired: Whether it puts items back whose time to live has passed.
        undoes: Whether it takes an earlier copy back: then that is no choice, and does not wait for anybody.
    """

    write_units: float = 0.0
    pace: float = 0.0
    puts_expired: bool = False
    undoes: bool = False


def parse_accept(text: str) -> tuple[str, ...]:
    """Return the finding names in a parameter such as `no-pitr,streams`, separated by commas.

    Raises:
        BadInput: A name that cannot be accepted.
    """
    accepted_names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if unknown := [name for name in accepted_names if name not in ACCEPTABLE]:
        acceptable_text = "; ".join(f"{name} ({words})" for name, words in ACCEPTABLE.items())
        raise BadInput(f"{', '.join(map(repr, unknown))} cannot be accepted", fix=f"What can be: {acceptable_text}.")
    return accepted_names


def check_target(
    aws: Aws, table: Table, *, accept: Sequence[str] = (), load: Load | None = None
) -> list[TargetFinding]:
    """Return what matters about writing into *table*, the gravest first.

    Args:
        aws: Where.
        table: The target, as described just now.
        accept: Names of blocking findings to go on in spite of.
        load: What would be written.

    Raises:
        BadInput: *accept* names something else.
    """
    return accepted([*_findings(aws, table, load or Load())], parse_accept(",".join(accept)))


def accepted(findings: Sequence[TargetFinding], names: Sequence[str]) -> list[TargetFinding]:
    """Return the findings with those of *names* accepted, the gravest first."""
    order: tuple[Severity, ...] = ("blocking", "accepted", "warning", "information")
    judged_findings = [
        replace(open_finding, severity="accepted")
        if open_finding.acceptable and open_finding.name in names
        else open_finding
        for open_finding in findings
    ]
    return sorted(judged_findings, key=lambda finding: order.index(finding.severity))


def to_accept(findings: Sequence[TargetFinding]) -> list[TargetFinding]:
    """Return the findings that wait for somebody to acknowledge them."""
    return [finding for finding in findings if finding.acceptable]


def require_clear(findings: Sequence[TargetFinding], table: str) -> None:
    """Let pass only if nothing blocks that nobody may acknowledge.

    Raises:
        BadInput: Something does. Nothing was written.
    """
    blocking = [finding for finding in findings if finding.severity == "blocking" and not finding.acceptable]
    if blocking:
        raise BadInput(
            "; ".join(finding.what for finding in blocking),
            table=table,
            fix=" ".join(finding.fix for finding in blocking),
        )


def _findings(aws: Aws, table: Table, load: Load) -> Iterator[TargetFinding]:
    if table.status not in {"ACTIVE", "UPDATING"}:
        yield TargetFinding(
            "not-active", "blocking", f"the table is {table.status}", "Wait until it is ACTIVE and run this step again."
        )
    yield from _protection(aws, table)
    yield from _key(aws, table)
    yield from _policy(aws, table)
    yield from _stream(aws, table)
    yield from _kinesis(aws, table)
    yield from _replicas(table)
    yield from _expiry(aws, table, load)
    yield from _capacity(aws, table, load)
    yield from _indexes(table)
    if not table.deletion_protection:
        yield TargetFinding(
            "deletion-protection",
            "information",
            "deletion protection is off: whoever may delete this table can, and its PITR window goes with it",
            "Turn it on while people are working on the table in a hurry.",
        )
    if table.table_class != "STANDARD":
        yield TargetFinding(
            "table-class",
            "information",
            f"the table is of class {table.table_class}: writes and reads cost more, storage less",
            "Nothing; give its prices in [prices] of pitrkit.toml to have them in the estimates.",
        )


def _protection(aws: Aws, table: Table) -> Iterator[TargetFinding]:
    fix = "Turn PITR on (00_start_here does), or go on without by accepting 'no-pitr'."
    try:
        enabled = pitr.protection(aws, table.name).enabled
    except AccessDenied as error:
        yield TargetFinding("no-pitr", "blocking", f"whether PITR is on cannot be read: {error.what}", fix)
        return
    if not enabled:
        yield TargetFinding(
            "no-pitr", "blocking", "point-in-time recovery is off, so a mistake now could not be reverted", fix
        )


def _key(aws: Aws, table: Table) -> Iterator[TargetFinding]:
    if table.key_lost:
        what = "the service cannot use the table's KMS key any more: nothing can be read or written, and after seven "
        yield TargetFinding(
            "key-lost", "blocking", f"{what}days the table is archived", f"Enable {table.kms_key} again."
        )
        return
    if not table.kms_key:
        return
    state = _asked(lambda: dependents.key_state(aws, table))
    if isinstance(state, AwsError):
        what = f"the state of the table's KMS key cannot be known: {state.what}"
        yield TargetFinding("kms", "warning", what, "See that it is enabled: without it the table is lost.")
    elif state != "Enabled":
        what = (
            f"the table's KMS key is {state}: as soon as the service notices, nothing can be written or read any more"
        )
        yield TargetFinding("kms", "blocking", what, f"Enable {table.kms_key} again first.")


def _policy(aws: Aws, table: Table) -> Iterator[TargetFinding]:
    policy_answer = _asked(lambda: resource_policy.read(aws, table.name, table.arn))
    if isinstance(policy_answer, AwsError):
        what = f"whether a policy of the table denies writes cannot be known: {policy_answer.what}"
        yield TargetFinding(
            "resource-policy", "warning", what, "If it does, writes are refused, and the copy stops there."
        )
        return
    if by := freeze.frozen_by(policy_answer):
        yield TargetFinding(
            "frozen",
            "blocking",
            f"a recovery holds all other writers off this table ({', '.join(by)})",
            "Let it end. If its process is gone, undo it: pitrkit unfreeze INCIDENT.",
        )
    if denied := freeze.denied_by(policy_answer):
        yield TargetFinding(
            "resource-policy",
            "warning",
            f"the table's policy denies writes in {', '.join(denied)}: to whom, it says itself",
            "See that it does not deny the caller: refused writes end the copy as failed.",
        )


def _stream(aws: Aws, table: Table) -> Iterator[TargetFinding]:
    if not table.stream_arn:
        return
    pause = "Look at what they do (mails, bookings, counters) and disable what must not do it again (in Lambda: the "
    pause += "event source mapping), or accept 'streams'."
    stream_consumers = _asked(lambda: dependents.readers(aws, table))
    if isinstance(stream_consumers, AwsError):
        what = f"a stream is on, and who reads it cannot be known: {stream_consumers.what}"
        yield TargetFinding("streams", "blocking", f"{what}. They would see every write put back as a new one", pause)
        return
    active = ", ".join(consumer.function for consumer in stream_consumers if consumer.active)
    if active:
        what = f"Lambda functions read the table's stream: {active}. They will see every write put back as a new one"
        yield TargetFinding("streams", "blocking", what, pause)
        return
    idle = (
        f", and {', '.join(consumer.function for consumer in stream_consumers)} is disabled" if stream_consumers else ""
    )
    yield TargetFinding(
        "streams",
        "warning",
        f"a stream is on: no Lambda function reads it here{idle}, but other programs or accounts may, and they will "
        "see every write put back as a new one",
        "Ask who reads it, and pause what must not act on old items again.",
    )


def _kinesis(aws: Aws, table: Table) -> Iterator[TargetFinding]:
    kinesis_answer = _asked(lambda: dependents.kinesis_streams(aws, table))
    fix = "Pause what must not act on them again, or accept 'kinesis'."
    if isinstance(kinesis_answer, AwsError):
        what = f"whether changes go to Kinesis, and to whom, cannot be known: {kinesis_answer.what}"
        yield TargetFinding("kinesis", "blocking", what, fix)
    elif kinesis_answer:
        streams = ", ".join(kinesis_answer)
        what = f"every change goes to Kinesis ({streams}): its consumers will see every write put back as new"
        yield TargetFinding("kinesis", "blocking", what, fix)


def _replicas(table: Table) -> Iterator[TargetFinding]:
    if not table.replicas:
        return
    regions = ", ".join(table.replicas)
    if table.strong:
        what = f"a global table with strong consistency: writes are agreed on with {regions}, so guards hold there, too"
        fix = "Nothing; a write made elsewhere at the same moment is retried, or a conflict."
        yield TargetFinding("replicas", "warning", what, fix)
        return
    yield TargetFinding(
        "replicas",
        "blocking",
        f"a global table: what is written here replicates to {regions}, to what reads the streams there, too, and "
        "guards hold in this Region only; of two writes of one moment the later one wins, whatever it overwrites",
        "Recover in the Region where the shop writes and stop writers elsewhere meanwhile, or accept 'replicas'.",
    )


def _expiry(aws: Aws, table: Table, load: Load) -> Iterator[TargetFinding]:
    attribute = _asked(lambda: tables.ttl_attribute(aws, table.name))
    if isinstance(attribute, AwsError):
        what = f"whether items expire cannot be known, so expired ones are not told apart: {attribute.what}"
        yield TargetFinding("ttl", "warning", what, attribute.fix)
    elif attribute and load.puts_expired:
        yield TargetFinding(
            "ttl",
            "warning" if load.undoes else "blocking",
            f"items expire by {attribute!r}: those whose time has passed are put back, and the service deletes them "
            "again within days",
            "Turn TTL off first (on again takes up to an hour), or accept 'ttl'.",
        )
    elif attribute:
        yield TargetFinding(
            "ttl",
            "warning",
            f"items expire by {attribute!r}: those whose time has passed would be deleted again after they are put "
            "back, so they are left as they are unless `expired` is put",
            "If they are to stay, turn TTL off and give `expired`: put. Turning it on again takes up to an hour.",
        )


def _capacity(aws: Aws, table: Table, load: Load) -> Iterator[TargetFinding]:
    scaling: list[dependents.Scaling] | AwsError = []
    if table.write_units:
        scaling = _asked(lambda: dependents.write_scaling(aws, table))
    unknown = scaling.what if isinstance(scaling, AwsError) else ""
    scaling_settings = [] if isinstance(scaling, AwsError) else scaling
    capacity_finding = capacity(table, scaling_settings, units=load.write_units, pace=load.pace, unknown=unknown)
    if capacity_finding is not None:
        yield TargetFinding("capacity", *capacity_finding)


def _indexes(table: Table) -> Iterator[TargetFinding]:
    if not table.indexes:
        return
    names = ", ".join(f"{index.name}{' (being made)' if index.building else ''}" for index in table.indexes)
    most = sum(index.kind == "global" for index in table.indexes)
    cost = f"a write costs up to {2 * most} units more" if most else "a write costs units more"
    yield TargetFinding(
        "indexes",
        "warning" if any(index.building for index in table.indexes) else "information",
        f"indexes {names}: {cost}, and an old item whose attribute does not fit an index key made since cannot be put "
        "back as it was",
        "Nothing; the plan counts these units, and leaves such items for you.",
    )


def _asked(read: Callable[[], T]) -> T | AwsError:
    """Return what *read* returns, or why that cannot be known."""
    try:
        return read()
    except AwsError as error:
        return error
