"""15: a drill. The table's past is restored, compared, copied, verified and taken back, and every step is timed.

Nothing is ever written to the real table. A drill reads it, and writes to a scratch table that it makes itself, empty and
with the same key: every item of the restored copy, or an even sample of them, is missing there, and the plan, the gate,
the guarded writes and the verification that put it back are those of a real recovery. Undo then has to empty the scratch
table again, which a scan checks. So a drill proves restore, comparison, puts, deletes, verification and undo on the
table's own items, and not what the live table would say to them: its indexes, its capacity, its other writers.

A schedule has nobody to approve a plan, so what is approved is the drill: which table of which account, how many items,
and what it may cost. That digest is the same each time, so it stands in the schedule. It opens no other gate, and what it
opens cannot reach the real table: writes go to `Book.target`, which for a drill is the table that it made (`scratch`).
"""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pitrkit.dynamodb import pitr, tables
from pitrkit.dynamodb.pitr import Protection, iso
from pitrkit.dynamodb.session import Aws
from pitrkit.dynamodb.tables import Table
from pitrkit.errors import BadInput, DrillFailed, InputNeeded
from pitrkit.recovery import cost, snapshot
from pitrkit.recovery.cost import Estimate
from pitrkit.recovery.pace import Pace
from pitrkit.recovery.policy import Policy
from pitrkit.runbook import (
    claims,
    compare,
    conclude,
    copy_back,
    drill_history,
    drill_views,
    leftovers,
    pick,
    restore,
    scratch,
    select,
    settings,
    undo,
    views,
)
from pitrkit.runbook.blocks import Links
from pitrkit.runbook.book import COMMAND_VARIABLE, Book, new_id
from pitrkit.runbook.braking import Braking
from pitrkit.runbook.copying import WRITE_UNITS, Copy
from pitrkit.runbook.drill_history import Drill, Limits
from pitrkit.runbook.gate import Intent
from pitrkit.runbook.incident import STATE, Incident, checked_id, now, root_folder
from pitrkit.runbook.passage import Passage
from pitrkit.runbook.scratch import DrillBook
from pitrkit.runbook.sides import SCRATCH, THEN
from pitrkit.runbook.view import Shows
from pitrkit.runbook.views import View
from pitrkit.runbook.widgets import ApproveBox

ITEMS = 10_000
"""How many items are copied unless told otherwise: enough to time, and cents on the largest table."""

COST_LIMIT = 5.0
"""What a drill may cost unless told otherwise, in US dollars."""

_POLICY = Policy(removed="put", modified="keep", inserted="keep", expired="put")
_ACCEPT = "no-pitr"
"""The scratch table has no point-in-time recovery, and needs none."""

_DATA = ("snapshots", "changes", "plan", "journal")
"""Folders of the incident that hold items."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a drill was asked for, see `prepare`."""

    at: str
    items: int
    limits: Limits
    cost_limit: float
    write_units: float
    read_units: float


@dataclass
class Rehearsal(Shows):
    """A drill of one table: before its gate a proposal, behind it the drill itself, a method for each step.

    Attributes:
        estimate: What it costs.
        others: The drills of this table before it, the oldest first.
    """

    aws: Aws
    table: Table
    incident: str
    asked: Asked
    protection: Protection
    estimate: Estimate
    others: Sequence[Drill]
    strangers: Sequence[str]
    intent: Intent
    passage: Passage
    _book: DrillBook | None = None
    _copy: Copy | None = None

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
    def book(self) -> DrillBook:
        """The drill's book.

        Raises:
            InputNeeded: The gate was not passed.
        """
        self.passage.require()
        if self._book is None:
            raise InputNeeded("approve", fix="Run the gate's cell first.")
        return self._book

    @property
    def command(self) -> str:
        """The one command that approves this drill, now and in a schedule."""
        if given := os.environ.get(COMMAND_VARIABLE):
            return given.replace("{digest}", self.intent.digest)
        words = ["pitrkit", "drill", self.table.name]
        asked = self.asked
        for name, value, usual in (
            ("at", asked.at, "latest"),
            ("items", asked.items, ITEMS),
            ("cost-limit", asked.cost_limit, COST_LIMIT),
            ("write-units", asked.write_units, WRITE_UNITS),
            ("read-units", asked.read_units, 0.0),
        ):
            if value != usual:
                words += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
        return shlex.join([*words, "--approve", self.intent.digest])

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
        view = self.passage.check(approve, command=self.command, by=by)
        assert self.passage.approval is not None
        if self._book is None:
            self._book = self._open()
        self._book.note("gate_opened", **self.passage.approval.to_dict(), by=by, action=self.intent.action)
        return view

    def _open(self) -> DrillBook:
        data = {"account": self.aws.caller().account, "region": self.aws.region, "incident": self.incident}
        for one, other in leftovers.drills(data):
            if other.get("table") == self.table.name and leftovers.running(one):
                raise BadInput(
                    f"a drill of this table is running: {one.id}", table=self.table.name, fix="Wait until it has ended."
                )
        selected = select.select(self.aws, self.table.name, incident=self.incident)
        leftovers.hold(selected.incident)
        book = DrillBook(self.aws, selected.incident)
        if not book.data.get("drill"):
            names = claims.drill_names(self.table.name, now())
            drill = {
                "intent": self.intent.digest,
                "items": self.asked.items,
                "limits": self.asked.limits.to_dict(),
                "estimate": self.estimate.to_dict(),
                "copy": names[THEN],
                "scratch": names[SCRATCH],
            }
            book.keep("drill_opened", drill=drill)
        return book

    @contextmanager
    def _step(self, name: str) -> Iterator[DrillBook]:
        """Time a step of the drill. One that raises has taken no time that would mean anything."""
        book = self.book
        book.note("drill_step_began", step=name)
        began = time.monotonic()
        yield book
        took = round(time.monotonic() - began, 3)
        book.keep("drill_step_done", into={"drill_steps": {name: took}})

    def sweep(self) -> View:
        """Delete what earlier drills have left behind."""
        swept: dict[str, list[str]] = {}
        for one in leftovers.unfinished(self.book.data):
            why = "it was stopped, and did not clean up after itself"
            swept[one.id] = leftovers.tidy(DrillBook(self.aws, one), why)
        if swept:
            self.book.note("left_overs_deleted", drills=swept)
        return drill_views.swept(swept, self.strangers)

    def restore(self) -> View:
        """Restore the past into a new table, and note how far back its latest second lies. The clock starts here."""
        book = self.book
        if not book.data["drill"].get("began_at"):
            self._begin(book)
        with self._step("restore"):
            name = book.data["drill"]["copy"]
            claims.claim(book, THEN, name)
            restore.start(book, target=name)
            view = restore.wait(book)
        copy = tables.describe(self.aws, name)
        wanted = datetime.fromisoformat(book.data[THEN.at])
        lag = (wanted - copy.restored.restore_at).total_seconds() if copy.restored else 0.0
        behind = float(book.data["drill"]["latest_behind_seconds"])
        book.keep("recovery_point_found", into={"drill": {"recovery_point_seconds": behind + max(0.0, lag)}})
        return view

    def _begin(self, book: DrillBook) -> None:
        window = pitr.protection(self.aws, self.table.name).window
        began_at = now()
        behind = max(0.0, (began_at - window.latest_at).total_seconds()) if window else 0.0
        pick.pick(book, self.asked.at)
        began = {"began_at": began_at.isoformat(timespec="milliseconds"), "latest_behind_seconds": round(behind, 3)}
        book.keep("drill_began", into={"drill": began})

    def diff(self) -> View:
        """Compare the copy with the live table, item by item. Reads both."""
        with self._step("diff") as book:
            return compare.diff(book, read_units=self.asked.read_units).counts()

    def plan(self) -> Copy:
        """Make the scratch table, and plan to put into it what it lacks of the copy."""
        with self._step("plan") as book:
            scratch.make(book, book.data["drill"]["scratch"])
            changes = scratch.damage(book, self.asked.items)
            words = f"{len(changes):,} items of the restored copy, all of which the scratch table lacks"
            self._copy = copy_back.prepare(
                book,
                changes,
                _POLICY,
                slot="",
                scope={"words": words},
                accept=_ACCEPT,
                write_units=self.asked.write_units,
                braking=Braking(),
                approve="",
            )
        return self._copy

    @property
    def _planned(self) -> Copy:
        if self._copy is None:
            raise InputNeeded("plan", fix="Run the plan's cell first.")
        return self._copy

    def copy(self) -> View:
        """Pass the plan's gate under the drill's approval, and write the plan into the scratch table."""
        copy = self._planned
        with self._step("copy"):
            return _without_ways(self._write(copy))

    def _write(self, copy: Copy) -> View:
        self.book.note("plan_approved_by_drill", digest=copy.plan.digest, drill=self.intent.digest)
        copy.gate(copy.plan.digest)
        return copy.apply()

    def verify(self) -> View:
        """Read again what was written. A recovery would be over here, so the clock stops."""
        copy = self._planned
        with self._step("verify"):
            view = copy.verify()
        began_at = datetime.fromisoformat(self.book.data["drill"]["began_at"])
        took = round((now() - began_at).total_seconds(), 3)
        self.book.keep("drill_recovered", into={"drill": {"recovery_seconds": took}})
        return _without_ways(view)

    def undo(self) -> View:
        """Take the copy back, and see by a scan that the scratch table is empty again."""
        with self._step("undo") as book:
            verified = True
            if not self._planned.plan.empty:
                undoing = undo.plan(book, accept=_ACCEPT, write_units=self.asked.write_units)
                self._write(undoing)
                undoing.verify()
                verified = bool((book.data["undo"].get("verify") or {}).get("ok"))
            folder = book.incident.path("snapshots", SCRATCH.snapshot)
            left = snapshot.take(self.aws, book.target(), folder, consistent=True).items
            book.keep("drill_undone", into={"drill": {"undone": {"ok": verified and not left, "left": left}}})
        return drill_views.undone(left, self._planned.plan.total, ok=verified and not left)

    def clean_up(self) -> View:
        """Delete the restored copy and the scratch table."""
        with self._step("clean_up") as book:
            left = leftovers.remove(book)
        return drill_views.cleaned(left)

    def finish(self) -> View:
        """Say how the drill went, beside those before it; write its report and seal its record.

        What was copied and taken back as it should be leaves no items in the record: the numbers are what it is about.
        """
        book = self.book
        why = drill_history.failures(book.data)
        if not any(one in book.data["drill"] for one in ("outcome",)):
            ended = {"outcome": {"passed": not why, "why": list(why)}, "ended_at": now().isoformat(timespec="seconds")}
            book.keep("drill_ended", into={"drill": ended})
        if (book.data.get("verify") or {}).get("ok") and book.data["drill"]["undone"]["ok"]:
            _forget_items(book)
        conclude.report(book)
        conclude.seal(book)
        drill = Drill.of(book.data)
        assert drill is not None
        return drill_views.result(drill, self.others, book.incident.folder)

    def verdict(self) -> View:
        """Return that the drill passed, or raise why it failed, so that a schedule sees it.

        Raises:
            DrillFailed: It failed.
        """
        outcome = self.book.data["drill"]["outcome"]
        if not outcome["passed"]:
            raise DrillFailed(
                f"the drill failed: {'; '.join(outcome['why'])}",
                table=self.table.name,
                fix=f"The report says more: {self.book.incident.folder / 'report.html'}",
            )
        return views.note("The drill passed.", "good")


def prepare(
    aws: Aws,
    table: str,
    *,
    incident: str = "",
    at: str = "latest",
    items: int = ITEMS,
    recovery_time: str = "",
    recovery_point: str = "",
    cost_limit: float = COST_LIMIT,
    write_units: float = WRITE_UNITS,
    read_units: float = 0.0,
) -> Rehearsal:
    """Return the drill of *table* as something to look at and approve. Reads only.

    Args:
        aws: Where.
        table: The table whose recovery is rehearsed.
        incident: Name of the drill's incident; a new one is made up when blank.
        at: The second to restore: ISO 8601, `latest`, or a duration ago.
        items: How many items are copied into the scratch table, spread evenly over the copy; 0 for all.
        recovery_time: Limit from the restore's beginning to the verified copy, e.g. `2h`; blank for that of the
            settings, `none` for none.
        recovery_point: Limit of how far the latest restorable second may be behind, e.g. `10m`; likewise.
        cost_limit: What it may cost, in US dollars.
        write_units: Pace of the copy and its undo.
        read_units: Pace of each scan; 0 for as fast as the service answers.

    Raises:
        InputNeeded: *table* is blank.
        TableNotFound: There is no such table.
        BadInput: A parameter cannot be used, *at* cannot be restored, or the incident is no drill, or one that ended.
    """
    if not table:
        raise InputNeeded("table", fix="Give the parameter `table`: the table whose recovery is to be rehearsed.")
    if items < 0:
        raise BadInput(f"items is {items}", fix="Give a number of items, or 0 for all.")
    if cost_limit < 0:
        raise BadInput(f"cost_limit is {cost_limit:g}", fix="Give US dollars, 0 or more.")
    asked = Asked(at, items, _limits(recovery_time, recovery_point), cost_limit, Pace(write_units).units, read_units)
    if read_units:
        Pace(read_units, kind="read")
    name = _incident(incident, table)
    found = tables.describe(aws, table)
    window = pitr.protection(aws, table).window
    protection = pitr.check_restorable(aws, table, pitr.parse_time(at, now=now(), window=window))
    caller = aws.caller()
    details = {
        "account": caller.account,
        "region": aws.region,
        "table ARN": found.arn,
        "restores": at,
        "copies": f"{items:,} items at most" if items else "all items",
        "costs at most": f"USD {cost_limit:.2f}",
        "makes and deletes": f"two tables named {table}-drill-..., and what earlier drills of this folder left",
        "writes to the table": "nothing",
    }
    intent = Intent("drill", found.name, details)
    return Rehearsal(
        aws=aws,
        table=found,
        incident=name,
        asked=asked,
        protection=protection,
        estimate=estimate(found, items),
        others=drill_history.earlier(
            {"table": table, "account": caller.account, "region": aws.region, "incident": name}
        ),
        strangers=leftovers.strangers(aws, table),
        intent=intent,
        passage=Passage(intent, found.name),
    )


def estimate(table: Table, items: int) -> Estimate:
    """Return what a drill costs: restore, a day of the copy's storage, two scans, and each item's put and deletion."""
    count = min(items, table.item_count) if items and table.item_count else items or table.item_count
    average = table.size_bytes / table.item_count if table.item_count else 1.0
    units = 2 * count * max(1, -(-int(average) // 1024))
    return cost.estimate(
        write_units=units, restore_bytes=table.size_bytes, kept_days=1.0, scan_bytes=2 * table.size_bytes
    )


def _limits(recovery_time: str, recovery_point: str) -> Limits:
    said = settings.read().drill
    return Limits.parse(recovery_time or said.recovery_time, recovery_point or said.recovery_point)


def _incident(incident: str, table: str) -> str:
    if not incident:
        return new_id(f"{table}-drill")
    if (root_folder() / checked_id(incident) / STATE).is_file():
        opened = Incident.open(incident, table=table).data
        if not opened.get("drill"):
            raise BadInput(f"incident {incident} is no drill", table=table, fix="Leave `incident` blank.")
        if opened["drill"].get("outcome"):
            raise BadInput(f"drill {incident} has ended", table=table, fix="Leave `incident` blank for another one.")
    return incident


def _without_ways(view: View) -> View:
    """Return a copy's view without its links to 06 and 12, which are not for drills."""
    return replace(view, blocks=tuple(block for block in view.blocks if not isinstance(block, Links)))


def _forget_items(book: Book) -> None:
    """Delete the items that the incident's folder holds, and record how much that was."""
    gone: dict[str, Any] = {}
    for name in _DATA:
        folder = book.incident.path(name)
        files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
        gone[name] = {"files": len(files), "bytes": sum(path.stat().st_size for path in files)}
        shutil.rmtree(folder, ignore_errors=True)
    void = dict.fromkeys(("changes", "scoped_changes"))
    book.keep("items_forgotten", **void, into={"drill": {"forgotten": gone, "forgotten_at": iso(now())}})
