"""The way of one plan or intent through the gate, in one kernel: the widget, the check, the approval that was given.

What writes asks `require` first, so that running a writing cell alone, out of order, writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pitrkit.errors import GateClosed
from pitrkit.incident import provenance
from pitrkit.incident.state import SHORTEST
from pitrkit.runbook.session import gate_views
from pitrkit.runbook.session.gate import Approvable, Approval, Approvals, Gate
from pitrkit.runbook.session.gate_views import ApproveBox
from pitrkit.runbook.session.session import Session
from pitrkit.times import now
from pitrkit.ui import cards
from pitrkit.ui.view import View

_GATE = Gate(Approvals())
"""One for the kernel: a click counts for its digest, however often the cells above it are run again."""


@dataclass
class ApprovalFlow:
    """What waits before the gate.

    Attributes:
        subject: What would be done; None when there is nothing to do, so nothing to approve.
        typed: What the operator types to approve it: the name of the table it is about.
    """

    subject: Approvable | None
    typed: str
    approval: Approval | None = None
    _approve: str = ""
    _command: str = ""

    def widget(self, summary: Mapping[str, Any], *, command: str = "") -> ApproveBox:
        """Return a widget that approves the subject when the operator types its table's name.

        Args:
            summary: Of the subject, see `ApproveBox`.
            command: The one command that approves it headless.
        """
        return ApproveBox(
            self.subject.digest if self.subject else "",
            self.typed,
            summary=summary,
            on_approve=self.approve,
            needed=self.subject is not None,
            command=command,
        )

    @staticmethod
    def approve(digest: str) -> None:
        """Take note of a click that approves what has this digest."""
        _GATE.approvals.approve(digest, now())

    def check(self, approve: str, *, command: str, by: str) -> View:
        """Open the gate, or raise with the one command that opens it.

        Raises:
            GateClosed: It is not approved.
            StalePlan: The approval is of something else, or what it is of is too old.
        """
        if self.subject is None:
            return cards.note("Nothing to do, so there is nothing to approve.")
        # First of all forgotten: a check that fails closes a gate that was open.
        self.approval = None
        self.approval = _GATE.check(self.subject, approve, command=command)
        self._approve, self._command = approve, command
        return gate_views.gate_card(self.subject, self.approval, by=by)

    def word(self, by: str) -> dict[str, str]:
        """Return the approval as the record has it: what, when, how, by which caller and which user of the machine."""
        assert self.approval is not None
        return {**self.approval.to_dict(), "by": by, "user": provenance.login()}

    def require(self) -> None:
        """Return if the gate was opened here, and still is: a click runs out, a plan grows old.

        Raises:
            GateClosed: It was not, or no longer is.
            StalePlan: What was approved is too old.
        """
        if self.subject is None:
            return
        if self.approval is not None and self.approval.digest == self.subject.digest:
            self.approval = _GATE.check(self.subject, self._approve, command=self._command)
        else:
            raise GateClosed(
                f"gate closed: {self.subject.digest[:SHORTEST]} has not been approved here",
                digest=self.subject.digest,
                table=self.subject.table,
                fix="Run the gate's cell first.",
            )


def pass_gate(session: Session, passage: ApprovalFlow, action: str, approve: str, command: str) -> View:
    """Take *passage* through the gate and record in the incident who opened it for what."""
    by = session.aws.caller().arn
    view = passage.check(approve, command=command, by=by)
    if passage.approval is not None:
        session.note("gate_opened", **passage.word(by), action=action)
    return view
