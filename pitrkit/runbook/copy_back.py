"""05: plan the copy, pass the gate, write under guards, verify. Undo goes the same way with other changes.

A `Copy` is one plan on its way into the table. It holds the gate's approval itself, so that running the writing cell
alone, out of order, writes nothing.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pitrkit.dynamodb.pitr import iso
from pitrkit.dynamodb.tables import Table
from pitrkit.errors import BadInput, Exit, GateClosed, RecordAltered
from pitrkit.recovery import apply as applying
from pitrkit.recovery import cost, journal, preflight
from pitrkit.recovery import plan as planning
from pitrkit.recovery import verify as verifying
from pitrkit.recovery.changes import ChangeSet
from pitrkit.recovery.pace import Pace
from pitrkit.recovery.plan import Plan, Policy
from pitrkit.recovery.preflight import Finding
from pitrkit.runbook import compare, views
from pitrkit.runbook.book import Book
from pitrkit.runbook.braking import Braking
from pitrkit.runbook.gate import SHORTEST
from pitrkit.runbook.incident import now
from pitrkit.runbook.passage import Passage
from pitrkit.runbook.policies import policy
from pitrkit.runbook.progress import Progress
from pitrkit.runbook.scoping import nothing_in_scope, outside_plan, outside_words
from pitrkit.runbook.standing import has_log
from pitrkit.runbook.view import Shows
from pitrkit.runbook.views import View
from pitrkit.runbook.widgets import ApproveBox, Choice

Slot = Literal["", "undo"]
"""Where in `incident.json` a copy keeps its state: at the top, or under `undo`."""

WRITE_UNITS = 500.0
"""Default pace in write units a second: half of what one partition takes, so a live shop keeps the other half."""

REUSED_FOR = timedelta(minutes=15)
"""How long an unapplied plan of the same inputs is shown again, so that "run all" does not void an approval."""

NOTEBOOKS: dict[str, Slot] = {"05_copy_back": "", "10_rollback_without_restore": "", "12_undo": "undo"}
"""The notebooks that copy, each with where its copy keeps its state."""


@dataclass
class Copy(Shows):
    """One plan on its way into the table."""

    book: Book
    table: Table
    plan: Plan
    slot: Slot
    findings: Sequence[Finding]
    accept: str
    write_units: float
    braking: Braking
    passage: Passage

    def view(self) -> View:
        """Return the plan in words and numbers."""
        estimate = cost.estimate(write_units=self.plan.write_units)
        return views.plan_card(
            self.plan, findings=self.findings, estimate=estimate, pace=self.write_units, outside=self._outside()
        )

    def words(self) -> str:
        """Return what would be done in two lines, for a terminal."""
        plan = self.plan
        left = ", ".join(f"{count:,} {reason}" for reason, count in plan.left.items()) or "nothing"
        return (
            f"   it puts {plan.puts:,} items back, updates {plan.updates:,}, deletes {plan.deletes:,}; leaves {left}\n"
            f"   scope: {views.scope_words(plan.scope)}"
            + (f"; outside the scope: {outside_words(outside)}" if (outside := self._outside()) else "")
        )

    def _outside(self) -> dict[str, int]:
        """Return how many differences of each kind are not looked at by this plan."""
        return outside_plan(self.book.data, str(self.plan.scope.get("changes", "")))

    @property
    def journal(self) -> Path:
        """Path of this plan's journal."""
        return journal.journal_path(self.book.incident.path("journal"), self.plan)

    @property
    def command(self) -> str:
        """The one command that approves this plan."""
        return self.book.command(notebook_of(self.book.data, self.slot), self.plan.digest, **self._given())

    def _given(self) -> dict[str, Any]:
        """Return the parameters that the approved run needs besides the digest."""
        pace = self.write_units if self.write_units != WRITE_UNITS else ""
        copy = {"copy": self.plan.scope["undo_of"][:SHORTEST]} if self.slot == "undo" else {}
        return {**copy, "accept": self.accept, "write_units": pace, **self.braking.to_parameters()}

    def approve(self) -> ApproveBox:
        """Return a widget that approves this plan when the operator types the table's name."""
        return self.passage.widget(self.plan.to_dict())

    def gate(self, approve: str) -> View:
        """Open the gate for this plan, or raise with the one command that opens it.

        Raises:
            GateClosed: The plan is not approved.
            StalePlan: The approval is of another plan, or the plan is too old.
            BadInput: The target must not be written to as it is, e.g. because its PITR is off.
        """
        if not self.plan.empty:
            preflight.require_clear(self.findings, self.plan.table)
        by = self.book.aws.caller().arn
        try:
            view = self.passage.check(approve, command=self.command, by=by)
        except GateClosed as closed:
            self.book.note("gate_closed", digest=self.plan.digest)
            raise GateClosed(
                f"{closed.what}\n{self.words()}", digest=closed.digest, table=closed.table, fix=closed.fix
            ) from None
        if self.passage.approval is not None:
            self._keep("gate_opened", approval=self.passage.word(by))
        return view

    def apply(self) -> View:
        """Write the plan under its guards. Interrupted, it goes on where it stopped when it is run again.

        Raises:
            GateClosed: The gate was not passed in this session.
            BadInput: A brake cannot be used; nothing is written by this run.
        """
        self.passage.require()
        if self.plan.empty:
            return views.note("Nothing to write.")
        brakes = self.braking.brakes(self.book.aws, self.table.name)
        self._keep("apply_started", apply={}, verify=None)
        with Progress(f"Writing to {self.plan.table}", total=self.plan.total, unit="writes") as progress:
            done = applying.apply(
                self.book.aws,
                self.table,
                self.plan,
                self.journal,
                pace=Pace(self.write_units),
                brakes=brakes,
                on_progress=progress,
            )
        copied = {self.plan.digest[:SHORTEST]: {"slot": self.slot, "applied": done.applied}}
        self.book.incident.update("copy_counted", into={"copies": copied})
        self._keep("apply_finished", apply=done.to_dict())
        return views.applied_card(done, journal.conflicts(self.plan, self.journal))

    def verify(self) -> View:
        """Read every written item again and say what is true now."""
        if self.plan.empty:
            return self._done(views.note("Nothing was written, so there is nothing to verify."))
        with Progress("Verifying", total=self.plan.total, unit="items") as progress:
            found = verifying.verify(self.book.aws, self.table, self.plan, self.journal, on_progress=progress)
        # The keys that do not hold stay in the view: a record names no item that nobody asked for.
        self._keep("verified", verify={name: value for name, value in found.to_dict().items() if name != "keys"})
        return self._done(views.verified_card(found))

    def _done(self, view: View) -> View:
        step = self.slot or "copy"
        self.book.done(step, f"{step}_done")
        return view

    def _keep(self, event: str, **results: Any) -> None:
        # An empty plan that came after a copy was finished has nothing to say that the copy's own results do not.
        if is_current(self.book, self.slot, self.plan):
            keep(self.book, self.slot, event, **results)
        else:
            self.book.note(event, plan=self.plan.digest, **results)


def notebook_of(data: Mapping[str, Any], slot: Slot) -> str:
    """Return the notebook in which a copy of this incident goes on."""
    if slot:
        return "12_undo"
    return "10_rollback_without_restore" if has_log(data) else "05_copy_back"


def keep(book: Book, slot: Slot, event: str, **results: Any) -> None:
    """Leave a copy's results in the incident, at the top or under its slot."""
    if slot:
        book.keep(event, into={slot: results})
    else:
        book.keep(event, **results)


def state_of(book: Book, slot: Slot) -> dict[str, Any]:
    """Return what the incident knows of a copy."""
    return (book.data.get(slot) or {}) if slot else book.data


def is_current(book: Book, slot: Slot, plan: Plan) -> bool:
    """Return whether *plan* is the one that the incident is about to write, or has written."""
    return bool((state_of(book, slot).get("plan") or {}).get("digest") == plan.digest)


def choose_modified(difference: compare.Difference, modified: str = "") -> Choice:
    """Return a widget that asks what to do with modified items, if there are any in scope."""
    counts = difference.changes.counts
    unless_told = (
        "leave them for now: they may be good writes"
        if difference.changes.open_ended
        else "put their earlier values back, as they were damaged"
    )
    return Choice(
        f"{counts.modified:,} modified items",
        [
            (unless_told, ""),
            ("keep them as they are now", "keep"),
            ("put their earlier values back", "revert"),
        ],
        value=modified,
        required=False,
    )


def plan(
    book: Book,
    *,
    modified: str = "",
    inserted: str = "",
    attributes: str = "",
    guard: str = "",
    expired: str = "",
    mixed: str = "",
    accept: str = "",
    write_units: float = WRITE_UNITS,
    alarms: str = "",
    ceiling: float = 0.0,
    stop_file: str = "",
    approve: str = "",
) -> Copy:
    """Plan the revert of the changes in scope. Reads only.

    Where *approve* names a plan that this incident holds, that plan is opened instead of building another one, so
    that what was approved is what gets written.

    Raises:
        InputNeeded: There is no comparison yet.
        BadInput: A policy word is not known, a brake cannot be used, or *approve* names a plan of another policy.
    """
    changes = compare.open_scoped(book).changes
    # What differs from now may be a good write; what differs from right after the damage is not.
    unless_told = "ask" if changes.open_ended else "revert"
    wanted = policy(modified or unless_told, inserted, attributes, guard=guard, expired=expired, mixed=mixed)
    explicit = bool(modified or inserted or attributes or guard or expired or mixed)
    scope = book.data.get("scope") or {**changes.scope.to_dict(), "words": changes.scope.describe()}
    return prepare(
        book,
        changes,
        wanted,
        slot="",
        scope=scope,
        accept=accept,
        write_units=write_units,
        braking=Braking(alarms, ceiling, stop_file),
        approve=approve,
        explicit=explicit,
    )


def prepare(
    book: Book,
    changes: ChangeSet,
    wanted: Policy,
    *,
    slot: Slot,
    scope: dict[str, Any],
    accept: str,
    write_units: float,
    braking: Braking,
    approve: str,
    explicit: bool = True,
) -> Copy:
    """Return a `Copy` of the plan that reverts *changes*, built anew or found by its approval."""
    table = book.table()
    scope = {**scope, "changes": changes.folder.name}
    accepted = preflight.parse_accept(accept)
    pace = Pace(write_units)
    braking.brakes(book.aws, table.name)  # a brake that does not work is told before anything is approved
    found = approved(book, slot, approve) or _recent(book, slot, wanted, scope)
    if found is not None and explicit and found.policy != wanted:
        raise BadInput(
            f"plan {found.digest[:SHORTEST]} was made with another policy than is asked for now",
            table=table.name,
            fix="Leave the policy's parameters blank to write that plan, or leave `approve` blank to make a new one.",
        )
    if found is None:
        found = _build(book, table, changes, wanted, scope)
    _remember(book, slot, found)
    findings = preflight.check_target(book.aws, table, accept=accepted)
    passage = Passage(None if found.empty else found, table.name)
    return Copy(book, table, found, slot, findings, accept, pace.units, braking, passage)


def approved(book: Book, slot: Slot, approve: str) -> Plan | None:
    """Return the plan of this incident and slot that *approve* names, None if it names none."""
    short = approve.strip().lower()[:SHORTEST]
    if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST}}}", short) or not book.incident.path("plan", short).is_dir():
        return None
    found = Plan.open(book.incident.path("plan", short))
    return found if ("undo_of" in found.scope) == (slot == "undo") else None


def _recent(book: Book, slot: Slot, wanted: Policy, scope: dict[str, Any]) -> Plan | None:
    """Return the plan made a moment ago of the same changes and policy, if nothing of it was written yet."""
    state = state_of(book, slot)
    made = state.get("plan") or {}
    if not made or state.get("apply") is not None:
        return None
    try:
        found = Plan.open(book.incident.path("plan", made["digest"][:SHORTEST]))
    except (BadInput, RecordAltered):
        return None  # a plan that cannot be read is made again
    same = found.policy == wanted and found.scope == scope
    return found if same and now() - found.created_at < REUSED_FOR else None


def _build(book: Book, table: Table, changes: ChangeSet, wanted: Policy, scope: dict[str, Any]) -> Plan:
    folder = book.incident.path("plan", "building")
    with Progress("Reading the candidates again", total=len(changes)) as progress:
        built = planning.build(book.aws, table, changes, wanted, folder, scope=scope, on_progress=progress)
    place = book.incident.path("plan", built.digest[:SHORTEST])
    if place.exists():
        shutil.rmtree(folder)
    else:
        folder.rename(place)
    return Plan.open(place)


def _remember(book: Book, slot: Slot, chosen: Plan) -> None:
    """Make *chosen* the plan that the incident is about to write, unless it is already.

    An empty plan does not take the place of one that was written: looking again does not change what was done.
    """
    if is_current(book, slot, chosen) or (chosen.empty and state_of(book, slot).get("apply")):
        return
    made = {
        "digest": chosen.digest,
        "puts": chosen.puts,
        "updates": chosen.updates,
        "deletes": chosen.deletes,
        "left": chosen.left,
        "undecided": chosen.undecided,
        "write_units": chosen.write_units,
        "policy": chosen.policy.to_dict(),
        "changes": chosen.scope["changes"],
        "created_at": iso(chosen.created_at),
    }
    keep(book, slot, "plan_built", plan=made, approval=None, apply=None, verify=None)


def ending(data: dict[str, Any], slot: Slot = "") -> Exit:
    """Return how a copy ended, from `incident.json`: DONE, or LEFT if anything needs a person.

    An empty plan is done, too, unless its scope let nothing through although there are differences: then the scope
    is more likely wrong than the table right.
    """
    state = (data.get(slot) or {}) if slot else data
    done, verified, made = state.get("apply") or {}, state.get("verify") or {}, state.get("plan") or {}
    left = done.get("conflicts", 0) or done.get("failed", 0) or made.get("undecided", 0)
    planned = sum(made.get(name, 0) for name in ("puts", "updates", "deletes"))
    if not planned:
        return Exit.LEFT if left or (not slot and nothing_in_scope(data)) else Exit.DONE
    return Exit.DONE if verified.get("ok") and not left else Exit.LEFT
