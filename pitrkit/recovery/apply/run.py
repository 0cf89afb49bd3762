"""One run of a plan: intents onto the disk, requests to the service, outcomes into the journal.

A few threads, the lanes, each send a round of requests at once and wait for all of its answers: while one waits,
another reads. One more thread reads the plan and writes the journal, so that nothing is sent before its intent is on
disk. The main thread says how far it is and why it is not faster, and takes interrupts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Thread

from pitrkit.recovery.apply.brakes import BrakeWatch
from pitrkit.recovery.apply.journal import Entry, JournalWriter
from pitrkit.recovery.apply.send_queue import Agenda, Attempt
from pitrkit.recovery.apply.sender import Sender
from pitrkit.recovery.plan.guard import Write
from pitrkit.recovery.plan.plan import Plan, ProgressCallback
from pitrkit.recovery.token_bucket import Bucket

_LANES = 2
_ROUND_SECONDS = 0.1
_LARGEST_CHUNK = 2_000
_HEAVIEST_CHUNK = 8 * 1024 * 1024
_REPORTS_EVERY = 0.5
_LOOKS_UP_EVERY = 0.2


@dataclass(frozen=True, slots=True)
class Tally:
    """How a copy stands while it runs, over all runs of it.

    Attributes:
        applied: Written by us.
        already: Found as wanted.
        conflicts: Found in another state than planned for, and left alone.
        failed: Refused, or given up, in this run.
        total: Writes of the plan.
        pace: Write units a second that were asked for.
        units: Write units a second that may be spent at present.
        why: Why it is not faster, in words.
    """

    applied: int
    already: int
    conflicts: int
    failed: int
    total: int
    pace: float
    units: float
    why: str

    @property
    def done(self) -> int:
        """Writes that have come to an outcome."""
        return self.applied + self.already + self.conflicts + self.failed

    def __str__(self) -> str:
        written = f"{self.applied:,} applied, {self.already:,} already correct"
        counts = f"{written}, {self.conflicts:,} conflicts, {self.failed:,} failed"
        return f"{counts}; {self.why}"


class Run:
    """One run: intents onto the disk, attempts to the lanes, outcomes into the journal."""

    def __init__(
        self,
        plan: Plan,
        *,
        log: JournalWriter,
        sender: Sender,
        bucket: Bucket,
        watch: BrakeWatch,
        halt: Event,
        on_progress: ProgressCallback | None,
        on_tally: Callable[[Tally], object] | None = None,
    ) -> None:
        self._plan = plan
        self._log = log
        self._sender = sender
        self._bucket = bucket
        self._watch = watch
        self._halt = halt
        self._on_progress = on_progress
        self._on_tally = on_tally
        self._agenda = Agenda()
        self._results: SimpleQueue[list[Entry]] = SimpleQueue()
        self._counts = Counter(log.state.counts)
        self._put_back: set[int] = set()
        self._under_way = 0
        self._broken: BaseException | None = None

    def put_back(self) -> None:
        """Finish what an earlier run noted as to be put back."""
        for number, image in list(self._log.state.repairs.items()):
            self._put_back.add(number)
            self._under_way += 1
            self._settle([self._sender.put_back(number, image)])
            self._log.sync()

    def go(self, requests: int) -> None:
        """Send what is pending, so many *requests* at once. On an interrupt, what is under way is still settled."""
        # Python interrupts the main thread alone, at any instruction: so that is not the one that holds outcomes.
        over = Event()  # and not the thread's `join`, which an interrupt can leave as if the thread had ended
        Thread(target=self._guarded, args=(partial(self._coordinate, requests), over), name="apply").start()
        try:
            self._report()
            while not over.wait(_REPORTS_EVERY):
                self._report()
        finally:
            self._halt.set()
            over.wait()
            self._report()
        if self._broken is not None:
            raise self._broken

    def _guarded(self, work: Callable[[], None], over: Event | None = None) -> None:
        """Do a thread's work. What breaks it stops the run and is raised by the main thread."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001 -- raised again in `go`
            self._broken = self._broken or error
            self._halt.set()
        finally:
            if over is not None:
                over.set()

    def _coordinate(self, requests: int) -> None:
        """Keep the lanes busy, and journal what they bring, until nothing is left or the run is halted."""
        count = min(_LANES, requests)
        work = partial(self._guarded, partial(self._lane, requests // count))
        lanes = [Thread(target=work, name=f"apply-{number}") for number in range(count)]
        # About a second's work on the way: so few that a kill leaves little in doubt, so many that no lane waits.
        chunk = max(requests, min(_LARGEST_CHUNK, int(self._bucket.pace.units / 2)))
        pending = self._pending()
        for lane in lanes:
            lane.start()
        try:
            while not self._halt.is_set() and (writes := _chunk(pending, chunk)):
                self._log.intend([write.number for write in writes])
                unsure = self._log.state.unsure
                self._under_way += len(writes)
                self._agenda.add([Attempt.of(write, unsure=unsure(write)) for write in writes])
                while self._under_way > chunk and not self._halt.is_set():
                    self._collect()
            while self._under_way and not self._halt.is_set():
                self._collect()
        finally:
            left = self._agenda.close()
            for lane in lanes:
                lane.join()
            self._account(left + self._agenda.close())

    def _account(self, left: Sequence[Attempt]) -> None:
        """Account for everything once the lanes are still: what they brought last, and what nobody makes any more."""
        while not self._results.empty():
            self._settle(self._results.get())
        self._settle([self._sender.failed(attempt) for attempt in left if attempt.lost])
        if unsent := [attempt.write.number for attempt in left if not attempt.lost]:
            self._log.unsent(unsent)
        self._log.sync()

    def _lane(self, requests: int) -> None:
        """Make attempts, round by round, until there are none any more."""
        while attempts := self._agenda.take(_Round(self._sender, self._bucket, requests)):
            entries, again = self._sender.round(attempts)
            for attempt, seconds in again:
                self._agenda.again(attempt, seconds)
            self._results.put(entries)

    def _pending(self) -> Iterator[Write]:
        """Yield the writes that are still to be sent."""
        for write in self._plan.writes(shuffled=True):
            if not self._log.state.settled(write) and write.number not in self._put_back:
                yield write

    def _collect(self) -> None:
        """Wait a moment for outcomes, and journal them."""
        with suppress(Empty):
            self._settle(self._results.get(timeout=_LOOKS_UP_EVERY))

    def _settle(self, entries: Sequence[Entry]) -> None:
        self._log.settle(*entries)
        self._under_way -= len(entries)
        for entry in entries:
            self._counts[entry.outcome] += 1
        self._watch.consumed(sum(entry.units for entry in entries))

    def _report(self) -> None:
        tally = self._tally()
        if self._on_progress is not None:
            self._on_progress(tally.done, tally.total, str(tally))
        if self._on_tally is not None:
            self._on_tally(tally)

    def _tally(self) -> Tally:
        counts, why = self._counts, self._bucket.why or "as fast as the service answers"
        if self._sender.alone:
            why += f"; one insert a call: {self._sender.alone}"
        return Tally(
            counts["applied"],
            counts["already"],
            counts["conflict"],
            counts["failed"],
            self._plan.total,
            self._bucket.pace.units,
            self._bucket.units,
            why,
        )


class _Round:
    """Says how many attempts make a round: so many requests, and no more units than the pace allows in a moment."""

    def __init__(self, sender: Sender, bucket: Bucket, requests: int) -> None:
        self._sender = sender
        self._requests = requests
        self._units = bucket.pace.units * _ROUND_SECONDS
        self._alone = self._inserts = 0

    def __call__(self, attempt: Attempt) -> bool:
        batched = self._sender.batches(attempt)
        inserts, alone = self._inserts + batched, self._alone + (not batched)
        requests = alone + -(-inserts // self._sender.inserts_per_call)
        if requests > self._requests or attempt.units > self._units:
            return False
        self._inserts, self._alone = inserts, alone
        self._units -= attempt.units
        return True


def _chunk(pending: Iterator[Write], size: int) -> list[Write]:
    """Return the next *size* writes, fewer if they are large."""
    writes: list[Write] = []
    weight = 0
    for write in pending:
        writes.append(write)
        weight += len(write.seen or "") + len(write.goal or "")
        if len(writes) == size or weight >= _HEAVIEST_CHUNK:
            break
    return writes
