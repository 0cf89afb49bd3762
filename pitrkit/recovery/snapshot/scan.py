"""Reading a table: segments side by side, at a pace, into the parts of a snapshot.

Threads here read pages, which takes little work, and so credentials, pace and connections stay in one process. Making
parts of them is nearly all of the work; where there are several cores, it goes to other processes once there is
enough of it to pay for starting them. A part becomes one of the snapshot by being moved into its folder from here:
what a process left behind by a killed run still writes goes nowhere.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from queue import SimpleQueue
from tempfile import mkdtemp

from pitrkit.aws.client.error_mapping import Ambiguous, Throttled
from pitrkit.aws.client.transport import Wire
from pitrkit.aws.tables import item_calls
from pitrkit.aws.tables.scan_pages import Page, Scan
from pitrkit.errors import PitrkitError
from pitrkit.recovery.snapshot import parts
from pitrkit.recovery.snapshot.parts import ScanPart
from pitrkit.recovery.token_bucket import Bucket

MAX_THREADS = 32
_HELD = 64 * 1024 * 1024
"""About how many bytes of pages may be held by all threads together."""

_LEAST_PART = 4 * 1024 * 1024
_WORTH_PROCESSES = 48 * 1024 * 1024
"""Bytes of pages after which further ones go to other processes: about the second that starting those takes."""

_LIKELY_ITEM = 1024
_LARGEST_PAGE = 1024 * 1024
_UNIT = {False: 8192, True: 4096}
"""Bytes that a read unit reads, eventually and strongly consistently."""


@dataclass(frozen=True, slots=True)
class Read:
    """How far reading a table is.

    Attributes:
        items: Items read, those of an earlier run that is gone on with among them.
        bytes: Bytes received by this run.
        read_units: Read capacity units consumed.
        seconds: Time this run has taken.
        new_items: Items that this run has read.
        why: Why it is slow, in words; empty when it is as fast as it can be.
    """

    items: int
    bytes: int
    read_units: float
    seconds: float
    new_items: int
    why: str = ""

    @property
    def rate(self) -> float:
        """Items a second, 0 while that cannot be said."""
        return self.new_items / self.seconds if self.seconds > 0 else 0.0

    def eta_seconds(self, expected: int) -> float | None:
        """Return the seconds to go if the table has *expected* items, None while that cannot be said."""
        return max(0, expected - self.items) / self.rate if expected and self.rate else None


class TableScanner:
    """Reads one table once.

    Args:
        wire: Where the table is.
        scans: Its segments.
        key: Names of its key attributes.
        folder: The snapshot's folder.
        work: A folder beside it for what is being made.
        pace: What may be read.
        processes: How many other processes may make parts; with 1, this one does.
    """

    def __init__(
        self,
        wire: Wire,
        scans: Sequence[Scan],
        key: Sequence[str],
        folder: Path,
        work: Path,
        *,
        pace: Bucket | None = None,
        processes: int = 1,
    ) -> None:
        self._wire = wire
        self._scans = scans
        self._key = tuple(key)
        self._folder = folder
        self._work = Path(mkdtemp(dir=work))
        self._pace = pace
        self._threads = min(len(scans), MAX_THREADS)
        self._part_bytes = max(_LEAST_PART, _HELD // (2 * self._threads))
        self._stop = threading.Event()
        self._told: SimpleQueue[tuple[Page, int] | None] = SimpleQueue()
        self._makers = PartWriters(processes)
        self._item_bytes = float(_LIKELY_ITEM)

    def read(self, done: Sequence[ScanPart], on_progress: Callable[[Read], None] | None) -> list[ScanPart]:
        """Read what *done* does not hold yet, and return all parts.

        The first failure stops the other segments at their next page, and is raised.

        Args:
            done: Parts of an earlier run.
            on_progress: Called in this thread after each page.
        """
        ends = {part.segment: part for part in done}
        open_ = [scan for scan in self._scans if scan.segment not in ends or ends[scan.segment].next]
        with self._makers, ThreadPoolExecutor(self._threads, thread_name_prefix="scan") as pool:
            running = [pool.submit(self._segment, scan, ends.get(scan.segment)) for scan in open_]
            try:
                self._report(len(open_), done, on_progress)
            except BaseException:  # an interrupt, or a display that fails: do not read on behind the operator's back
                self._stop.set()
                raise
        if failed := [error for error in (future.exception() for future in running) if error]:
            raise failed[0]
        return [*done, *(part for future in running for part in future.result())]

    def _report(self, segments: int, done: Sequence[ScanPart], on_progress: Callable[[Read], None] | None) -> None:
        """Pass progress on until every segment has ended."""
        started = time.monotonic()
        before = items = sum(part.items for part in done)
        units = sum(part.read_units for part in done)
        received = 0
        while segments:
            page_report = self._told.get()
            if page_report is None:
                segments -= 1
                continue
            page, size = page_report
            items, units, received = items + page.count, units + page.read_units, received + size
            if on_progress:
                why = self._pace.why if self._pace else ""
                on_progress(Read(items, received, units, time.monotonic() - started, items - before, why))

    def _segment(self, scan: Scan, last: ScanPart | None) -> list[ScanPart]:
        """Read a segment from after the part *last* on; each part is in the folder before the next one is made."""
        made: list[ScanPart] = []
        making: Future[ScanPart] | None = None
        try:
            for part, pages in self._batches(scan, last):
                if making is not None:
                    made.append(self._settled(making.result()))
                making = self._makers.submit(
                    partial(parts.write_pages, self._work, part, pages, self._key), sum(map(len, pages))
                )
            if making is not None:
                made.append(self._settled(making.result()))
        except BrokenProcessPool as error:
            self._stop.set()
            raise PitrkitError(
                "a process that writes the snapshot was killed, perhaps because memory ran out",
                table=scan.table,
                fix="Run this step again to resume. Fewer segments need less memory.",
            ) from error
        except BaseException:
            self._stop.set()
            raise
        finally:
            self._told.put(None)
        return made

    def _settled(self, part: ScanPart) -> ScanPart:
        (self._work / part.name).replace(self._folder / part.name)
        return part

    def _batches(self, scan: Scan, last: ScanPart | None) -> Iterator[tuple[ScanPart, list[bytes]]]:
        """Yield what each further part of a segment is, and the pages it is made of."""
        position = last.next.encode() if last else b""
        number = last.number + 1 if last else 0
        pages: list[bytes] = []
        units = 0.0
        while not self._stop.is_set():
            page, body = self._page(scan, position)
            position = page.next
            pages.append(body)
            units += page.read_units
            if not position or sum(map(len, pages)) >= self._part_bytes:
                yield ScanPart(scan.segment, number, read_units=units, next=position.decode()), pages
                number, pages, units = number + 1, [], 0.0
            if not position:
                return

    def _page(self, scan: Scan, after: bytes) -> tuple[Page, bytes]:
        """Read the page after a key, and tell of it. Only a page without a next key is the last."""
        limit, estimate = self._portion(scan)
        if self._pace is not None:
            self._pace.take(estimate)
        page, body = item_calls.scan_page(self._wire, scan, after, limit=limit, on_failure=self._slow_down)
        if self._pace is not None:
            self._pace.correct(page.read_units - estimate)
            if page.count:
                self._item_bytes = max(1.0, page.read_units * _UNIT[scan.consistent] / page.count)
        self._told.put((page, len(body)))
        return page, body

    def _portion(self, scan: Scan) -> tuple[int, float]:
        """Return how many items to ask for (0: a full page), and about how many units they take.

        A full page is 128 units or more, which a small table does not have for every thread at once: at a pace, a
        page is half a second's share of a thread.
        """
        if self._pace is None:
            return 0, 0.0
        unit = _UNIT[scan.consistent]
        portion_size = max(1.0, self._pace.pace.units / 2 / self._threads) * unit
        portion = max(self._item_bytes, min(portion_size, _LARGEST_PAGE))
        return max(1, int(portion_size / self._item_bytes)), max(1.0, portion / unit)

    def _slow_down(self, failure: Throttled | Ambiguous) -> None:
        if self._pace is not None and isinstance(failure, Throttled):
            self._pace.throttled(failure.reasons)


class PartWriters:
    """Makes parts: in a thread of this process at first, then in other processes if there are to be any.

    One thread is enough here, for threads share the interpreter; several would only take more memory.

    Args:
        processes: How many other processes there may be; with 1, this one makes all parts.
    """

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._size = 0
        self._lock = threading.Lock()
        self._here = ThreadPoolExecutor(1, thread_name_prefix="parts")
        self._elsewhere: ProcessPoolExecutor | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._here.shutdown(cancel_futures=True)
        if self._elsewhere is not None:
            self._elsewhere.shutdown(cancel_futures=True)

    def submit(self, work: Callable[[], ScanPart], size: int) -> Future[ScanPart]:
        """Have *work*, which is about *size* bytes, done."""
        with self._lock:
            self._size += size
            if self._elsewhere is None and self._processes > 1 and self._size > _WORTH_PROCESSES:
                self._elsewhere = ProcessPoolExecutor(self._processes, get_context("spawn"), initializer=_in_a_process)
        return (self._elsewhere or self._here).submit(work)


def _in_a_process() -> None:
    """Leave interrupts to the process that started this one, and end when it ends, however it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def follow() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
