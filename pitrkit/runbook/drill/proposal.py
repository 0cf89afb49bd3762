"""A drill as something to approve: what it was asked for, what it costs, and its way through the gate.

A schedule has nobody to approve a plan, so what is approved is the drill: which table of which account, how many items,
and what it may cost. That digest is the same each time, so it stands in the schedule. It opens no other gate, and what
it opens cannot reach the real table: writes go to `Book.target`, which for a drill is the table that it made, see
`scratch_table`.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pitrkit.aws.backups.pitr import ContinuousBackups
from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import BadInput, GateClosed
from pitrkit.incident.incident import Incident
from pitrkit.incident.state import BEFORE_DAMAGE, SCRATCH, SHORTEST
from pitrkit.recovery.advice.cost import Estimate
from pitrkit.runbook.copy_back.copy import WRITE_UNITS
from pitrkit.runbook.drill import leftovers
from pitrkit.runbook.drill import views as drill_views
from pitrkit.runbook.drill.scratch_table import DrillSession
from pitrkit.runbook.finish.drill_history import DrillRecord, Limits
from pitrkit.runbook.session import table_claims
from pitrkit.runbook.session.approval import ApprovalFlow
from pitrkit.runbook.session.gate import Intent
from pitrkit.runbook.session.gate_views import ApproveBox
from pitrkit.runbook.session.session import COMMAND_VARIABLE
from pitrkit.runbook.start import select_table
from pitrkit.times import now
from pitrkit.ui.view import Shows, View

ITEMS = 10_000
"""How many items are copied unless told otherwise: enough to time, and cents on the largest table."""

COST_LIMIT = 5.0
"""What a drill may cost unless told otherwise, in US dollars."""


@dataclass(frozen=True, slots=True)
class DrillRequest:
    """What a drill was asked for, see `drill.prepare`; *given_limits* are those that are not of the settings."""

    at: str
    items: int
    limits: Limits
    given_limits: Mapping[str, str]
    cost_limit: float
    write_units: float
    read_units: float


@dataclass
class Proposal(Shows):
    """A drill of one table before its gate, and its session behind it.

    Attributes:
        estimate: What it costs.
        others: The drills of this table before it, the oldest first.
        strangers: Tables that look like a drill's, of which there is no record here.
    """

    aws: Aws
    table: Table
    incident: str
    asked: DrillRequest
    protection: ContinuousBackups
    estimate: Estimate
    others: Sequence[DrillRecord]
    strangers: Sequence[str]
    intent: Intent
    passage: ApprovalFlow
    _book: DrillSession | None = None

    def view(self) -> View:
        """Return what the drill would do, what it costs, and how those before it went."""
        return drill_views.proposal(
            self.intent,
            self.estimate,
            self.asked.limits,
            protection=self.protection,
            at=now(),
            others=self.others,
            strangers=self.strangers,
        )

    @property
    def session(self) -> DrillSession:
        """The drill's session. Approved once, a drill goes on for as long as its restore takes.

        Raises:
            GateClosed: The gate was not passed here.
        """
        if self._book is None or self.passage.approval is None:
            raise GateClosed(
                f"gate closed: drill {self.intent.digest[:SHORTEST]} has not passed the gate here",
                digest=self.intent.digest,
                table=self.table.name,
                fix="Run the gate's cell first.",
            )
        return self._book

    @property
    def command(self) -> str:
        """The one command that approves this drill, now and in a schedule."""
        if command_template := os.environ.get(COMMAND_VARIABLE):
            return command_template.replace("{digest}", self.intent.digest)
        arguments = ["pitrkit", "drill", self.table.name]
        request = self.asked
        for name, value, usual in (
            ("at", request.at, "latest"),
            ("items", request.items, ITEMS),
            ("cost-limit", request.cost_limit, COST_LIMIT),
            ("write-units", request.write_units, WRITE_UNITS),
            ("read-units", request.read_units, 0.0),
        ):
            if value != usual:
                arguments += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
        for name, limit in request.given_limits.items():
            arguments += [f"--{name.replace('_', '-')}", limit]
        return shlex.join([*arguments, "--approve", self.intent.digest])

    def approve(self) -> ApproveBox:
        """Return a widget that approves the drill when the table's name is typed."""
        return self.passage.widget({"action": self.intent.action}, command=self.command)

    def gate(self, approve: str) -> View:
        """Open the gate for this drill, and its incident; or raise with the one command that opens it.

        Raises:
            GateClosed: The drill is not approved.
            StalePlan: The approval is of another drill.
            BadInput: It would cost more than was approved, or a drill of this table is running.
        """
        if self.estimate.usd > self.asked.cost_limit:
            raise BadInput(
                f"the drill would cost about {self.estimate}, and may cost USD {self.asked.cost_limit:.2f}",
                table=self.table.name,
                fix="Copy fewer `items`, or raise `cost_limit`, which takes another approval.",
            )
        by = self.aws.caller().arn
        try:
            view = self.passage.check(approve, command=self.command, by=by)
        except GateClosed as closed:
            text = f"{closed.what}\n   costs about: {self.estimate}"
            raise GateClosed(text, digest=closed.digest, table=closed.table, fix=closed.fix) from None
        assert self.passage.approval is not None
        if self._book is None:
            self._book = self._open()
        self._book.note("gate_opened", **self.passage.approval.to_dict(), by=by, action=self.intent.action)
        return view

    def _open(self) -> DrillSession:
        data = {"account": self.aws.caller().account, "region": self.aws.region, "incident": self.incident}
        for incident, other in leftovers.drills(data):
            if other.get("table") == self.table.name and leftovers.running(incident):
                raise BadInput(
                    f"a drill of this table is running: {incident.id}",
                    table=self.table.name,
                    fix="Wait until it has ended.",
                )
        account, region, table = data["account"], data["region"], self.table.name
        opened = Incident.open(self.incident, create=True, account=account, region=region, table=table)
        leftovers.mark_running(opened)
        if not opened.data.get("drill"):
            names = table_claims.drill_names(self.table.name, now())
            drill = {
                "intent": self.intent.digest,
                "items": self.asked.items,
                "limits": self.asked.limits.to_dict(),
                "estimate": self.estimate.to_dict(),
                "copy": names[BEFORE_DAMAGE],
                "scratch": names[SCRATCH],
            }
            opened.update("drill_opened", drill=drill)
        return DrillSession(self.aws, select_table.select(self.aws, self.table.name, incident=self.incident).incident)
