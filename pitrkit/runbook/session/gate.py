"""The gate before every write: it opens for exactly what the operator has seen and approved.

An approval names a digest. It comes from the operator as a parameter (the digest, or at least 12 characters of it),
or from a click, which is held in memory only and runs out: a file that travels with a notebook would approve
whatever anybody runs. Nothing here waits; a closed gate raises, with the one command that opens it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from pitrkit.documents import to_json
from pitrkit.errors import BadInput, GateClosed, StalePlan
from pitrkit.files import sha256
from pitrkit.incident.state import SHORTEST
from pitrkit.times import Clock, now

if TYPE_CHECKING:
    from collections.abc import Mapping


CLICK_LASTS = timedelta(minutes=15)
"""How long a click counts: long enough to read the plan again, too short to be found by the next shift."""

PLAN_LASTS = timedelta(hours=24)
"""How old a plan may be: its guards keep it safe, but nobody remembers what an older one was about."""


@runtime_checkable
class ApprovalNotice(Protocol):
    """Something to approve that says in a few lines what would be done, for a terminal."""

    def lines(self) -> list[str]:
        """Return what would be done."""


class Approvable(Protocol):
    """Something that can be approved: a recovery plan, or an `Intent`."""

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of everything that would be done."""

    @property
    def table(self) -> str:
        """Table it would be done to."""

    @property
    def created_at(self) -> datetime:
        """When it was made; aware."""


@dataclass(frozen=True, slots=True)
class Intent:
    """One change to AWS other than a plan's writes, e.g. deleting a restored table, as something to approve.

    Attributes:
        action: What would be done, e.g. `delete table`.
        table: To which table.
        details: What else decides about it: account, region, ARN. Part of the digest.
        created_at: When it was made; not part of the digest.
    """

    action: str
    table: str
    details: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime = field(default_factory=now)

    @property
    def digest(self) -> str:
        """SHA-256 of action, table and details."""
        details = {name: self.details[name] for name in sorted(self.details)}
        return sha256(to_json([self.action, self.table, details]).encode())

    def lines(self) -> list[str]:
        """Return the action, and what decides about it, a line each; what is blank is left out."""
        detail_texts = {name: _told(value) for name, value in self.details.items()}
        return [self.action, *(f"{name}: {value}" for name, value in detail_texts.items() if value)]


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {text}" for name, member in value.items() if (text := _told(member)))
    if isinstance(value, (list, tuple)):
        return ", ".join(_told(member) for member in value)
    return "" if value is None or value is False else str(value)


@dataclass(frozen=True, slots=True)
class Approval:
    """The operator's word for one digest.

    Attributes:
        digest: The whole digest.
        approved_at: When it was given (clicked) or used (parameter).
        how: `click` or `parameter`.
    """

    digest: str
    approved_at: datetime
    how: Literal["click", "parameter"]

    def to_dict(self) -> dict[str, str]:
        """Return it as plain JSON, for the event that the caller records."""
        return {"digest": self.digest, "approved_at": self.approved_at.isoformat(timespec="seconds"), "how": self.how}


class Approvals:
    """Clicks on approve, in this kernel's memory."""

    def __init__(self) -> None:
        self._clicks: dict[str, datetime] = {}

    def approve(self, digest: str, at: datetime) -> None:
        """Approve what has this digest."""
        self._clicks[digest] = at

    def clicked_at(self, digest: str) -> datetime | None:
        """Return when it was approved, None if it was not."""
        return self._clicks.get(digest)


@dataclass(frozen=True)
class Gate:
    """Decides whether what is planned may be done.

    Attributes:
        approvals: Where clicks are held.
        clock: The time.
    """

    approvals: Approvals = field(default_factory=Approvals)
    clock: Clock = now

    def check(self, plan: Approvable, approve: str, *, command: str) -> Approval:
        """Return the approval of this very plan.

        Args:
            plan: What would be done.
            approve: The operator's parameter: blank, the digest, or the first 12 or more characters of it.
            command: The one command that opens the gate, for the error message.

        Raises:
            GateClosed: It is not approved (any more).
            StalePlan: It is too old, or the approval is for another one.
            BadInput: The approval is not a digest.
        """
        age = self.clock() - plan.created_at.astimezone(UTC)
        if age > PLAN_LASTS:
            raise StalePlan(
                f"plan {plan.digest[:SHORTEST]} is {age.days * 24 + age.seconds // 3600} hours old",
                table=plan.table,
                fix="Plan again: the items are read again. Then approve the new digest.",
            )
        approval = approve.strip().lower()
        if approval:
            return self._by_parameter(plan, approval, command)
        clicked_at = self.approvals.clicked_at(plan.digest)
        if clicked_at is None:
            raise self._closed(plan, "is not approved yet", command)
        if self.clock() - clicked_at > CLICK_LASTS:
            minutes = int(CLICK_LASTS.total_seconds() // 60)
            raise self._closed(plan, f"was approved more than {minutes} minutes ago; the approval has expired", command)
        return Approval(plan.digest, clicked_at, "click")

    def _by_parameter(self, plan: Approvable, given_digest: str, command: str) -> Approval:
        if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST},64}}", given_digest):
            raise BadInput(
                f"approve is not a plan's digest: it needs at least {SHORTEST} of its characters (0-9, a-f)",
                table=plan.table,
                fix=f"To approve the current plan: {command}",
            )
        if not plan.digest.startswith(given_digest):
            raise StalePlan(
                f"the approval is for plan {given_digest[:SHORTEST]}, but the plan is {plan.digest[:SHORTEST]} now",
                table=plan.table,
                fix=f"Read the current plan. To approve it: {command}",
            )
        return Approval(plan.digest, self.clock(), "parameter")

    def _closed(self, plan: Approvable, why: str, command: str) -> GateClosed:
        lines = [f"gate closed: plan {plan.digest[:SHORTEST]} {why}"]
        lines += [f"   {line}" for line in plan.lines()] if isinstance(plan, ApprovalNotice) else []
        return GateClosed("\n".join(lines), digest=plan.digest, table=plan.table, fix=command)
