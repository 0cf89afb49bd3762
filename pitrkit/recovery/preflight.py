"""Preflight: what has to be known about the target before anything is written to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pitrkit.dynamodb import pitr, tables
from pitrkit.dynamodb.session import Aws
from pitrkit.dynamodb.tables import Table
from pitrkit.errors import AccessDenied, BadInput

Severity = Literal["blocking", "accepted", "warning", "information"]

ACCEPTABLE = ("no-pitr",)
"""Names of blocking findings that an operator may accept."""


@dataclass(frozen=True, slots=True)
class Finding:
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

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)


def parse_accept(text: str) -> tuple[str, ...]:
    """Return the finding names in a parameter such as `no-pitr`, separated by commas.

    Raises:
        BadInput: A name that cannot be accepted.
    """
    given = tuple(name.strip() for name in text.split(",") if name.strip())
    if unknown := [name for name in given if name not in ACCEPTABLE]:
        raise BadInput(
            f"{', '.join(map(repr, unknown))} cannot be accepted", fix=f"What can be: {', '.join(ACCEPTABLE)}."
        )
    return given


def check_target(aws: Aws, table: Table, *, accept: Sequence[str] = ()) -> list[Finding]:
    """Return what matters about writing into *table*, the gravest first.

    Args:
        aws: Where.
        table: The target, as described just now.
        accept: Names of blocking findings to go on in spite of.

    Raises:
        BadInput: *accept* names something else.
    """
    accepted = parse_accept(",".join(accept))
    found = [_accepted(finding, accepted) for finding in _findings(aws, table)]
    order: tuple[Severity, ...] = ("blocking", "accepted", "warning", "information")
    return sorted(found, key=lambda finding: order.index(finding.severity))


def require_clear(findings: Sequence[Finding], table: str) -> None:
    """Let pass only if nothing blocks.

    Raises:
        BadInput: Something does. Nothing was written.
    """
    blocking = [finding for finding in findings if finding.severity == "blocking"]
    if blocking:
        raise BadInput(
            "; ".join(finding.what for finding in blocking),
            table=table,
            fix=" ".join(finding.fix for finding in blocking),
        )


def _accepted(finding: Finding, accepted: Sequence[str]) -> Finding:
    if finding.severity == "blocking" and finding.name in accepted:
        return Finding(finding.name, "accepted", finding.what, "Accepted by the operator.")
    return finding


def _findings(aws: Aws, table: Table) -> Iterator[Finding]:
    if table.status not in {"ACTIVE", "UPDATING"}:
        yield Finding(
            "not-active", "blocking", f"the table is {table.status}", "Wait until it is ACTIVE and run this step again."
        )
    yield from _protection(aws, table)
    yield from _expiry(aws, table)
    if table.replicas:
        yield Finding(
            "replicas",
            "warning",
            f"a global table: what is written here replicates to {', '.join(table.replicas)}, and guards hold in "
            "this region only; a write made elsewhere at the same moment wins or loses by its time",
            "Write in the region where the shop writes, or stop writers elsewhere meanwhile.",
        )
    if table.stream_arn:
        yield Finding(
            "stream",
            "warning",
            "a stream is on: every write put back reaches its consumers like any other write",
            "Look at what the consumers do (mails, bookings, counters) and pause those that must not do it again.",
        )
    if table.indexes:
        names = ", ".join(index.name for index in table.indexes)
        yield Finding(
            "indexes",
            "information",
            f"indexes {names}: writes that change their keys cost extra units, and an old item whose attribute does "
            "not fit an index key made since cannot be put back as it was",
            "Nothing; the plan counts such items and leaves them for you.",
        )


def _protection(aws: Aws, table: Table) -> Iterator[Finding]:
    fix = "Turn PITR on (00_start_here does), or go on without by accepting 'no-pitr'."
    try:
        enabled = pitr.protection(aws, table.name).enabled
    except AccessDenied as error:
        yield Finding("no-pitr", "blocking", f"whether PITR is on cannot be read: {error.what}", fix)
        return
    if not enabled:
        yield Finding(
            "no-pitr", "blocking", "point-in-time recovery is off, so a mistake now could not be taken back", fix
        )


def _expiry(aws: Aws, table: Table) -> Iterator[Finding]:
    try:
        attribute = tables.ttl_attribute(aws, table.name)
    except AccessDenied as error:
        yield Finding(
            "ttl",
            "warning",
            f"whether items expire cannot be read, so expired ones are not told apart: {error.what}",
            error.fix,
        )
        return
    if attribute:
        yield Finding(
            "ttl",
            "warning",
            f"items expire by {attribute!r}: those whose time has passed would be deleted again after they are put "
            "back, so they are left as they are unless `expired` is put",
            "If they are to stay, turn TTL off and give `expired`: put. Turning it on again takes up to an hour.",
        )
