"""Apply: a plan's writes, sent under their guards at a set pace, journaled before and after.

It can be killed at any instruction and run again: what is settled is not sent again, what is unsure is found out.
Nothing is dropped: every planned write ends as applied, already so, conflict or failed, or is counted as unsent.
A refusal that would meet every write alike (access denied, expired credentials, throttling without end) stops the
run early; the next run goes on from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

from pitrkit.aws.client import client
from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.transport import Wire
from pitrkit.aws.tables import tables
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import BadInput, RecordAltered, StalePlan
from pitrkit.recovery.apply.brakes import Brake, BrakeWatch
from pitrkit.recovery.apply.journal import Journal, JournalWriter, Outcome
from pitrkit.recovery.apply.requests import INSERTS_PER_CALL
from pitrkit.recovery.apply.run import Run, Tally
from pitrkit.recovery.apply.sender import Sender
from pitrkit.recovery.plan.plan import Plan, ProgressCallback
from pitrkit.recovery.token_bucket import Bucket, Pace, PaceTimeline, shared_timeline


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of a plan's writes, over all runs of it.

    Attributes:
        applied: Written by us.
        already: Found as wanted; nothing was written.
        conflicts: Found in another state than planned for, and left alone.
        failed: Refused, or given up; the next run sends them again.
        unsent: Not sent yet, because a run was stopped.
        write_units: What the service says the writes consumed.
        before_at: The moment before the first write, by the service's clock: the second to restore the table to,
            if all of this were to be taken back the hard way.
        started_at: When the first run began.
        finished_at: When the last run ended.
        why: What the last failure was, in words, or why the last run was stopped; empty if nothing was wrong.
    """

    applied: int
    already: int
    conflicts: int
    failed: int
    unsent: int
    write_units: float
    before_at: datetime
    started_at: datetime
    finished_at: datetime
    why: str = ""

    @property
    def complete(self) -> bool:
        """Whether every write is settled: applied, already so, or a conflict."""
        return not self.failed and not self.unsent

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "applied": self.applied,
            "already": self.already,
            "conflicts": self.conflicts,
            "failed": self.failed,
            "unsent": self.unsent,
            "write_units": self.write_units,
            "before_at": self.before_at.isoformat(),
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat(),
            "why": self.why,
        }


def apply(
    aws: Aws,
    table: Table,
    plan: Plan,
    journal: Path,
    *,
    pace: Pace,
    workers: int = 64,
    inserts_per_call: int = INSERTS_PER_CALL,
    brakes: Sequence[Brake] = (),
    timeline: PaceTimeline | None = None,
    on_progress: ProgressCallback | None = None,
    on_tally: Callable[[Tally], object] | None = None,
    wire: Wire | None = None,
    pause: Callable[[int], float] | None = None,
) -> Applied:
    """Send what is not settled yet of *plan*, and return what came of all of it.

    Args:
        aws: Where.
        table: The table, as described just now.
        plan: What to write.
        journal: The journal's file; see `journal_path`.
        pace: How fast at most.
        workers: Requests under way at once.
        inserts_per_call: How many absent keys are put in one call; 1 puts each by itself.
        brakes: What else may slow it down or stop it.
        timeline: Shares the pace with other processes; absent, with all of this user's on this machine that write to
            the table.
        on_progress: Told about once a second, and why it is not faster.
        on_tally: Told the same as numbers.
        wire: Where writes go, if not by the wire of *aws*.
        pause: Seconds before the n-th repetition of a write.

    Raises:
        WouldWrite: *aws* is to be read only.
        StalePlan: The table is not the one the plan was built for.
        RecordAltered: The plan or the journal is not what was written.
        BadInput: Another run is writing the journal, or it cannot be written.
    """
    if aws.read_only:
        raise client.would_write("dynamodb:PutItem, UpdateItem and DeleteItem", table.name)
    service_at = _check(aws, table, plan)
    halt = Event()
    wire = wire or Wire.of(aws, max_connections=workers)
    with JournalWriter(journal, plan) as log, shared_timeline(timeline, f"{aws.endpoint_url} {table.arn}") as line:
        log.begin(plan, service_at)
        bucket = Bucket(pace, timeline=line, sleep=halt.wait)
        with BrakeWatch(brakes, bucket, halt) as watch:
            sender = Sender(
                wire, table, bucket=bucket, log=log, halt=halt, inserts_per_call=inserts_per_call, pause=pause
            )
            run = Run(
                plan,
                log=log,
                sender=sender,
                bucket=bucket,
                watch=watch,
                halt=halt,
                on_progress=on_progress,
                on_tally=on_tally,
            )
            run.put_back()
            run.go(workers)
        log.end(watch.stopped)
    return summary(plan, journal)


def summary(plan: Plan, journal: Path) -> Applied:
    """Return what the journal says came of *plan*'s writes.

    Raises:
        BadInput: Nothing of the plan has been applied yet.
    """
    counts: Counter[Outcome] = Counter()
    failures: dict[int, str] = {}
    units = 0.0
    first = last = None
    for last in Journal(journal, plan).lines():
        first = first or last
        if last["is"] != "outcome":
            continue
        failures.pop(last["number"], None)
        units += last.get("units", 0.0)
        if last["outcome"] == "failed":
            failures[last["number"]] = last.get("why", "")
        else:
            counts[last["outcome"]] += 1
    if first is None or last is None:
        raise BadInput("nothing of this plan has been applied", table=plan.table, fix="Apply it first.")
    stopped = last.get("why", "") if last["is"] == "end" else ""
    return Applied(
        applied=counts["applied"],
        already=counts["already"],
        conflicts=counts["conflict"],
        failed=len(failures),
        unsent=plan.total - counts.total() - len(failures),
        write_units=units,
        before_at=datetime.fromisoformat(first["service_at"]),
        started_at=datetime.fromisoformat(first["at"]),
        finished_at=datetime.fromisoformat(last["at"]),
        why=next(reversed(failures.values()), "") or stopped,
    )


def _check(aws: Aws, table: Table, plan: Plan) -> datetime:
    """Check that plan, table and account belong together, and return the service's time."""
    if Plan.open(plan.folder).digest != plan.digest:
        raise RecordAltered(
            f"the plan in {plan.folder} is not the one that was approved",
            table=plan.table,
            fix="Review and approve the plan that is there now.",
        )
    present, service_at = tables.describe_at(aws, plan.table)
    if not (present.arn, present.id) == (table.arn, table.id) == (plan.table_arn, plan.table_id):
        raise StalePlan(
            "the table is not the one the plan was built for",
            table=plan.table,
            fix="Build the plan again: the table was made anew, or this is another account or region.",
        )
    return service_at
