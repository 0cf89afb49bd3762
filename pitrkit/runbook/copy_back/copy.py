"""A copy: one plan on its way into the table, through the gate, the writes, the verification and its conflicts.

It holds the gate's approval itself, so that running the writing cell alone, out of order, writes nothing. Planned
again, it is another plan on the same way: the card, the gate and the writing cell are then of that plan, and an
approval of the one before opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from threading import RLock
from typing import Any

from IPython.display import display

from pitrkit.aws.tables.tables import Table
from pitrkit.errors import BadInput, GateClosed, PitrkitError, StalePlan
from pitrkit.incident.state import SHORTEST, outside_plan
from pitrkit.options import choose
from pitrkit.recovery.advice.cost import Estimate
from pitrkit.recovery.apply import apply as applying
from pitrkit.recovery.apply import conflicts as settling
from pitrkit.recovery.apply import journal
from pitrkit.recovery.apply import verify as verifying
from pitrkit.recovery.apply.apply import Applied
from pitrkit.recovery.apply.conflicts import Decision
from pitrkit.recovery.apply.journal import Conflict
from pitrkit.recovery.plan import drift as drifting
from pitrkit.recovery.plan import preflight
from pitrkit.recovery.plan.drift import Drift
from pitrkit.recovery.plan.plan import Plan
from pitrkit.recovery.token_bucket import Pace
from pitrkit.runbook.copy_back import acknowledgements, plan_views, plans, result_views, safety_backup
from pitrkit.runbook.copy_back import freeze as freezing
from pitrkit.runbook.copy_back.acknowledgements import Acknowledgements, PreflightCheck
from pitrkit.runbook.copy_back.conflicts_widget import ConflictBox
from pitrkit.runbook.copy_back.gate_widget import CopyGate
from pitrkit.runbook.copy_back.options import Braking
from pitrkit.runbook.copy_back.plan_views import CopyProgress
from pitrkit.runbook.copy_back.plans import Slot
from pitrkit.runbook.session import costs, gate_views
from pitrkit.runbook.session.approval import ApprovalFlow
from pitrkit.runbook.session.session import Session
from pitrkit.times import now
from pitrkit.ui import cards, error_display
from pitrkit.ui.blocks import Link
from pitrkit.ui.error_display import Interrupted
from pitrkit.ui.progress import ProgressBar, Show
from pitrkit.ui.text import count_text
from pitrkit.ui.view import Shows, View

WRITE_UNITS = 500.0
"""Default pace in write units a second: half of what one partition takes, so a live shop keeps the other half."""

LOOKS_AGAIN_AFTER = timedelta(minutes=2)
"""How old a plan, or the last look at what it is about, may be before the gate looks at what moved since."""

WRITTEN_SO_FAR = "What was written before this stands, each write of it is in the journal, and 12_undo undoes it."

NOT_VERIFIED = "The copy is written, and stands. Only reading it again did not work; it can be run again."


@dataclass
class Copy(Shows):
    """One plan on its way into the table. Planned again, it is another plan on the same way.

    Attributes:
        known: What is known about the target, and acknowledged.
        ahead: What is looked at before it writes.
        safety_copy: Whether a backup of the table is made before the first write.
        drift: What moved since the plan was made, as far as anybody has looked.
        settled: Writes of it that have come to their outcome already, as far as anybody has looked.
    """

    session: Session
    table: Table
    plan: Plan
    slot: Slot
    known: Acknowledgements
    preflight_check: PreflightCheck
    write_units: float
    braking: Braking
    passage: ApprovalFlow
    safety_copy: bool = False
    drift: Drift | None = None
    settled: int = 0
    _looked_at: datetime | None = None
    _alone: RLock = field(default_factory=RLock, repr=False, compare=False)
    _shown: Any = field(default=None, repr=False)
    _box: CopyGate | None = field(default=None, repr=False)

    def view(self) -> View:
        """Return the plan in words and numbers."""
        return plan_views.plan_card(
            self.plan,
            findings=self.known.findings,
            estimate=self._costs(),
            safety=costs.backing_up(self.table) if self.safety_copy else None,
            pace=self.write_units,
            drift=self.drift,
            settled=self.settled,
            outside=self._outside(),
        )

    def _outside(self) -> dict[str, int]:
        """Return how many differences of each kind are not looked at by this plan."""
        return outside_plan(self.session.data, str(self.plan.scope.get("changes", "")))

    def _ipython_display_(self) -> None:
        # Under an id: when it is planned again, the card above the gate is that of the plan which is approved there.
        self._shown = display(self.view(), display_id=True)

    def words(self) -> str:
        """Return what would be done in a few lines, for a terminal."""
        return acknowledgements.to_text(
            self.plan, self.known, self._costs(), pace=self.write_units, outside=self._outside()
        )

    def _costs(self) -> Estimate:
        return costs.writing(self.table, self.plan.write_units)

    @property
    def journal(self) -> Path:
        """Path of this plan's journal."""
        return journal.journal_path(self.session.incident.path("journal"), self.plan)

    @property
    def command(self) -> str:
        """The one command that approves this plan."""
        return self.session.command(plans.notebook_of(self.session.data, self.slot), self.plan.digest, **self._given())

    def _given(self) -> dict[str, Any]:
        """Return the parameters that the approved run needs besides the digest."""
        pace = self.write_units if self.write_units != WRITE_UNITS else ""
        copy = {"copy": self.plan.scope["undo_of"][:SHORTEST]} if self.slot == "undo" else {}
        gate_parameters = {"accept": self.known.parameter(), "freeze": self.preflight_check.freeze, "write_units": pace}
        return {**copy, **gate_parameters, **self.braking.to_parameters(), "safety_copy": self.safety_copy}

    def approve(self) -> CopyGate:
        """Return a widget that approves this plan when the operator types the table's name, or plans it again."""
        self._box = CopyGate(self)
        return self._box

    def acknowledge(self, name: str, on: bool) -> None:
        """Acknowledge a finding by hand, or take that back. It counts for this plan and this kernel."""
        self.known.tick(name, on)
        if not on:
            self.passage.approval = None
        if self._shown is not None:
            self._shown.update(self.view())

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Keep other work off this copy: JupyterLab lets a button work while a cell runs, in a thread of its own.

        Raises:
            BadInput: The copy is being worked on.
        """
        if not self._alone.acquire(blocking=False):
            raise BadInput(
                "a cell is at work on this copy",
                table=self.table.name,
                fix="Wait until it has ended, or interrupt it; then do this again.",
            )
        try:
            yield
        finally:
            self._alone.release()

    def look_again(self, *, show: Show | None = None) -> Drift:
        """Read what the plan is about again and return what moved since it was made. Reads only."""
        with (
            self._at_work(),
            ProgressBar("Checking for changes since the plan", total=self.plan.total, show=show) as progress,
        ):
            done = plans.settled_writes(self.session, self.plan)
            self.drift = drifting.drift(self.session.aws, self.table, self.plan, settled=done, on_progress=progress)
        self.settled, self._looked_at = len(done), now()
        self._show_again()
        return self.drift

    def plan_again(self, *, show: Show | None = None) -> None:
        """Read every candidate again and plan the same revert anew; what was approved before is void. Reads only."""
        with self._at_work():
            before = plans.changes_of(self.session, self.plan)
            new_plan = plans.build(self.session, self.table, before, self.plan.policy, self.plan.scope, show=show)
            self._take(new_plan)

    def _take(self, plan: Plan) -> None:
        """Go on with another plan. It has to be approved for itself."""
        plans.record_plan(self.session, self.slot, plan)
        self.known = self.preflight_check.look(self.session, self.table, plan, self.write_units)
        self.plan, self.drift, self._looked_at, self.settled = plan, None, None, 0
        self.passage = ApprovalFlow(None if plan.empty else plan, self.table.name)
        self._show_again()

    def _show_again(self) -> None:
        if self._shown is not None:
            self._shown.update(self.view())
        if self._box is not None:
            self._box.renew()

    def gate(self, approve: str) -> View:
        """Open the gate for this plan, or raise with the one command that opens it.

        Raises:
            GateClosed: The plan is not approved.
            StalePlan: The approval is of another plan, or the plan is too old.
            BadInput: The target must not be written to as it is, e.g. because its PITR is off.
        """
        with self._at_work():
            return self._gate(approve)

    def _gate(self, approve: str) -> View:
        if not self.plan.empty and now() - self.known.looked_at > LOOKS_AGAIN_AFTER:
            preflight_result = self.preflight_check.look(
                self.session, self.session.target(), self.plan, self.write_units
            )
            self.known = preflight_result.since(self.known)
            self._show_again()
        if not self.plan.empty:
            preflight.require_clear(self.known.findings, self.plan.table)
        by = self.session.aws.caller().arn
        try:
            if not self.plan.empty:
                self.passage.approval = None  # an approval that was given before something was known is void
                self.known.require(self.plan, self.command)
            view = self.passage.check(approve, command=self.command, by=by)
        except GateClosed as closed:
            self.session.note("gate_closed", digest=self.plan.digest, accept=self.known.parameter())
            raise self._closed(closed) from None
        except StalePlan as stale:
            self.session.note("plan_stale", digest=self.plan.digest, why=stale.what)
            with suppress(PitrkitError):  # what moved is told where it can be
                stale.card = self._stale(stale.what, approve)
            raise
        if self.passage.approval is None:
            return view
        approval = {**self.passage.word(by), "freeze": self.preflight_check.freeze}
        self._keep("gate_opened", approval=approval, accepted=self.known.to_record(by))
        if now() - (self._looked_at or self.plan.created_at) > LOOKS_AGAIN_AFTER:
            self.look_again()
        return gate_views.gate_card(self.plan, self.passage.approval, by=by, drift=self.drift)

    def _closed(self, closed: GateClosed) -> GateClosed:
        return acknowledgements.closed(closed, self.plan, self.known, self.words())

    def _stale(self, reason: str, approve: str) -> View:
        self.look_again()
        assert self.drift is not None
        approved = plans.approved(self.session, self.slot, approve)
        if approved is not None and approved.digest != self.plan.digest:
            return plan_views.stale_card(reason, self.plan, self.drift, self.command, approved=approved)
        again = self.session.command(plans.notebook_of(self.session.data, self.slot), "", **self._given())
        return plan_views.stale_card(reason, self.plan, self.drift, again)

    def apply(self) -> View:
        """Write the plan under its guards. Interrupted, it goes on where it stopped when it is run again.

        Raises:
            GateClosed: The gate was not passed in this kernel.
            BadInput: A brake cannot be used; nothing is written by this run.
            Interrupted: The kernel was interrupted: what was under way is settled, and the record says so.
        """
        with self._at_work():
            return self._apply()

    def _apply(self) -> View:
        self.passage.require()
        if self.plan.empty:
            return cards.note("Nothing to write.")
        brakes = self.braking.brakes(self.session.aws, self.table.name)
        if self.safety_copy:
            safety_backup.make_backup(self.session, self.table, self.plan.digest, begun=self.journal.exists())
        self._keep("apply_started", apply={}, verify=None)
        label = f"Writing to {self.plan.table}"
        try:
            with (
                error_display.failure_meaning(WRITTEN_SO_FAR),
                self.preflight_check.holding(self.session, self.table),
                CopyProgress(label, self.plan.total) as progress,
            ):
                done = applying.apply(
                    self.session.aws,
                    self.table,
                    self.plan,
                    self.journal,
                    pace=Pace(self.write_units),
                    brakes=brakes,
                    on_tally=progress.stands,
                )
        except KeyboardInterrupt:
            raise Interrupted(self._interrupted()) from None
        self._count(done)
        self._keep("apply_finished", apply=done.to_dict())
        freeze = freezing.to_text(self.session.data) if self.preflight_check.freeze else ""
        return result_views.applied_card(done, links=self._onward(done), freeze=freeze)

    def _interrupted(self) -> View:
        done = applying.summary(self.plan, self.journal) if self.journal.exists() else None
        if done is not None:
            self._count(done)
        self._keep("apply_interrupted", apply=done.to_dict() if done else {})
        return result_views.stopped_card(done, self._onward(done))

    def _count(self, done: Applied) -> None:
        copied = {self.plan.digest[:SHORTEST]: {"slot": self.slot, "applied": done.applied}}
        self.session.incident.update("copy_counted", into={"copies": copied})

    def _onward(self, done: Applied | None) -> tuple[Link, ...]:
        return (Link("Undo this copy", self.session.link("12_undo")),) if done is not None and done.applied else ()

    def verify(self) -> View:
        """Read every written item again and say what is true now."""
        with self._at_work():
            return self._verify()

    def _verify(self) -> View:
        if self.plan.empty:
            return self._done(cards.note("Nothing was written, so there is nothing to verify."))
        with (
            error_display.failure_meaning(NOT_VERIFIED),
            ProgressBar("Verifying", total=self.plan.total, unit="items") as progress,
        ):
            verification = verifying.verify(self.session.aws, self.table, self.plan, self.journal, on_progress=progress)
        # The keys that do not hold stay in the view: a record names no item that nobody asked for.
        self._keep("verified", verify={name: value for name, value in verification.to_dict().items() if name != "keys"})
        links = [Link("Undo this copy", self.session.link("12_undo"))] if verification.checked else []
        return self._done(
            result_views.verified_card(verification, [*links, Link("write the report", self.session.link("06_report"))])
        )

    def _done(self, view: View) -> View:
        step = self.slot or "copy"
        self.session.done(step, f"{step}_done")
        return view

    def conflicts(self, decide: str = "") -> ConflictBox:
        """Return the conflicts of this copy, or of the last one, with a widget to decide them.

        Args:
            decide: `theirs`: keep what was found; `ours`: plan again, against the items as found; blank asks.

        Raises:
            GateClosed: Ours is to be taken, which is a plan of its own that waits for its approval.
            BadInput: *decide* is not known.
        """
        choose("conflicts", decide)
        copy_plan = self._last()
        met = plans.conflicts(self.session, copy_plan) if copy_plan is not None else []
        box = ConflictBox(
            met, lambda decisions: self.settle(copy_plan, met, decisions), digest=copy_plan.digest if copy_plan else ""
        )
        if decide and met:
            box.decide(range(len(met)), decide)  # type: ignore[arg-type]
            box.settle()
            if decide == "ours" and not self.plan.empty:
                closed = GateClosed(
                    f"gate closed: plan {self.plan.digest[:SHORTEST]} waits for your approval",
                    digest=self.plan.digest,
                    table=self.plan.table,
                    fix=self.command,
                )
                raise self._closed(closed)
        return box

    def _last(self) -> Plan | None:
        if not self.plan.empty and self.journal.exists():
            return self.plan
        return next((plan for plan in plans.written_plans(self.session) if plans.of_slot(plan, self.slot)), None)

    def settle(
        self,
        copy_plan: Plan | None,
        met: Sequence[Conflict],
        decisions: Mapping[int, Decision],
        *,
        show: Show | None = None,
    ) -> Plan | None:
        """Record what was decided about the conflicts *met* by *copy_plan*, and return the new plan, if any."""
        with self._at_work():
            return None if copy_plan is None else self._settle(copy_plan, met, decisions, show)

    def _settle(
        self, copy_plan: Plan, met: Sequence[Conflict], decisions: Mapping[int, Decision], show: Show | None
    ) -> Plan | None:
        counts = result_views.counted(met, decisions)
        decided = {"plan": copy_plan.digest, **counts}
        if plans.is_current(self.session, self.slot, copy_plan):
            plans.save_results(self.session, self.slot, "conflicts_decided", decided=decided)
        else:
            self.session.note("conflicts_decided", **decided)
        if not counts["ours"]:
            return None
        short = copy_plan.digest[:SHORTEST]
        number = 1 + len(list(self.session.incident.path("changes").glob(f"conflicts-{short}-*")))
        folder = self.session.incident.path("changes", f"conflicts-{short}-{number:02}")
        found_at = now().isoformat(timespec="seconds")
        changes = settling.changes(copy_plan, met, decisions, folder, found_at=found_at)
        text = f"{count_text(counts['ours'], 'conflict')} of copy {short}, decided to take ours"
        scope = {"conflicts_of": copy_plan.digest, "words": text, "changes": folder.name}
        scope |= {"undo_of": copy_plan.scope["undo_of"]} if "undo_of" in copy_plan.scope else {}
        new_plan = plans.build(self.session, self.table, changes, settling.policy_of(copy_plan), scope, show=show)
        self._take(new_plan)
        return new_plan

    def _keep(self, event: str, **results: Any) -> None:
        # An empty plan that came after a copy was finished has nothing to say that the copy's own results do not.
        if plans.is_current(self.session, self.slot, self.plan):
            plans.save_results(self.session, self.slot, event, **results)
        else:
            self.session.note(event, plan=self.plan.digest, **results)
