"""Streams: what DynamoDB Streams keeps of a table's last 24 hours, every write with both of its images.

A stream is a tree of shards. An item's records lie along one line of it, so a shard is read before its children, and
all shards of one generation side by side, each by one reader (the service allows two). What is older than 24 hours may
go at any moment, also while it is read: then the log begins later, and says so.

Source: Amazon DynamoDB Developer Guide, "Change data capture for DynamoDB Streams".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any

from pitrkit.aws.change_data.shards import (
    EXPORTS_INSTEAD,
    Shard,
    ShardReader,
    Stopped,
    StreamRecord,
    retried,
)
from pitrkit.aws.client.client import Aws, answered_at
from pitrkit.aws.items import KeySchema
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import BadInput
from pitrkit.times import utc

RETENTION = timedelta(hours=24)
"""How long the service keeps a record at least."""

READERS = 8
"""Shards that are read side by side."""

VIEW = "NEW_AND_OLD_IMAGES"

_PAGES_HELD = 16
_TURN = 0.1

Progress = Callable[[int, int, str], object]
"""Told how many shards of how many are read, and in words how far it is."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A table's stream.

    Attributes:
        arn: Its ARN.
        table: Name of the table.
        view: What its records show of an item; only `NEW_AND_OLD_IMAGES` can be rolled back from.
        enabled: Whether it still records. One that was switched off can be read for another 24 hours.
        created_at: Since when it records.
    """

    arn: str
    table: str
    view: str
    enabled: bool
    created_at: datetime


def describe(aws: Aws, table: Table) -> Stream | None:
    """Return the enabled stream of *table*, else the latest that can still be read; None where there is none."""
    streams = []
    for arn in [table.stream_arn] if table.stream_arn else _arns(aws, table.name):
        params = {"table": table.name, "StreamArn": arn, "Limit": 1}
        row = retried(lambda params=params: aws.call("dynamodbstreams", "describe_stream", **params))  # type: ignore[misc]
        streams.append(_stream(row["StreamDescription"], table.name))
    return max(streams, key=lambda stream: stream.created_at, default=None)


def read(
    aws: Aws,
    stream: Stream,
    key_schema: KeySchema,
    since_at: datetime,
    until_at: datetime,
    *,
    on_progress: Progress | None = None,
    pause: float = 0.05,
) -> StreamPass:
    """Return the records of [*since_at*, *until_at*), to be iterated once; each item's come in the order of its writes.

    Args:
        aws: Where the stream is.
        stream: The stream.
        key_schema: The table's key.
        since_at: From when on; aware.
        until_at: Until when; aware.
        on_progress: Called while reading.
        pause: Seconds between two pages of an open shard that was empty.

    Raises:
        BadInput: The stream does not hold both images of each write.
    """
    if stream.view != VIEW:
        raise BadInput(
            f"the stream contains {stream.view or 'no images'} only, and a rollback needs old and new images",
            table=stream.table,
            fix=f"{EXPORTS_INSTEAD} For the future, recreate the stream with the view type {VIEW}.",
        )
    stop = Event()
    since_at = since_at.astimezone(UTC).replace(microsecond=0)
    window = since_at, until_at.astimezone(UTC)
    reader = ShardReader(aws, stream.arn, stream.table, key_schema.names, *window, pause, stop)
    return StreamPass(stream, reader, on_progress or (lambda *_: None))


class StreamPass:
    """One pass over a stream: iterate it once, then ask it what it covered.

    Attributes:
        since_at: From when on nothing is missing. Later than asked for, where the stream is younger or was trimmed.
        until_at: Until when it was read; the time of reading, where that was earlier than asked for.
        notes: What could not be known, in words.
        records: How many were read.
    """

    def __init__(self, stream: Stream, reader: ShardReader, report: Progress) -> None:
        self.since_at = reader.since_at
        self.until_at = reader.until_at
        self.notes: list[str] = []
        self.records = 0
        self._stream = stream
        self._reader = reader
        self._report = report
        self._pages: Queue[_Page] = Queue(_PAGES_HELD)
        self._done: dict[str, Shard] = {}
        self._begun_at = datetime.max.replace(tzinfo=UTC)
        self._last_at = self.since_at

    def __iter__(self) -> Iterator[StreamRecord]:
        try:
            # Again after the last one is read: a shard may have closed meanwhile, and its children are new.
            while ready := self._ready(shards := self._shards()):
                while ready:
                    yield from self._generation(ready, len(shards))
                    ready = self._ready(shards)
        finally:
            self._reader.stop.set()
        self._conclude()

    def _shards(self) -> dict[str, Shard]:
        """Return all shards that the stream has now, by id."""
        shards: dict[str, Shard] = {}
        start: dict[str, str] = {}
        while True:
            answer = self._reader.call("describe_stream", StreamArn=self._stream.arn, **start)
            self._begun_at = min(self._begun_at, answered_at(answer))
            page = answer["StreamDescription"]
            for row in page.get("Shards", ()):
                closed = bool(row.get("SequenceNumberRange", {}).get("EndingSequenceNumber"))
                shards[row["ShardId"]] = Shard(row["ShardId"], row.get("ParentShardId", ""), closed)
            if not (last := page.get("LastEvaluatedShardId")):
                break
            start = {"ExclusiveStartShardId": last}
        for shard in shards.values():
            if shard.parent in shards:
                shards[shard.parent].closed = True  # as it has children, whatever was true when its page was read
        return shards

    def _ready(self, shards: dict[str, Shard]) -> list[Shard]:
        """Return the shards to read next: not read yet, and their parents are. What lies behind the end is not read."""
        while True:
            unread_shards = [shard for shard in shards.values() if shard.id not in self._done]
            ready = [shard for shard in unread_shards if shard.parent not in shards or shard.parent in self._done]
            behind = [shard for shard in ready if self._ended(shard.parent)]
            if not behind:
                return ready
            for shard in behind:
                shard.passed_end = True
                self._done[shard.id] = shard

    def _ended(self, shard_id: str) -> bool:
        """Return whether the window, or the present, ended in a shard: its children hold only what is later."""
        shard = self._done.get(shard_id)
        return shard is not None and (shard.passed_end or shard.silent)

    def _generation(self, shards: list[Shard], shard_count: int) -> Iterator[StreamRecord]:
        """Read shards that do not depend on each other, and yield what they hold."""
        waiting: Queue[Shard] = Queue()
        for shard in shards:
            waiting.put(shard)
        readers = [Thread(target=self._work, args=(waiting,), daemon=True) for _ in range(min(READERS, len(shards)))]
        for reader in readers:
            reader.start()
        remaining = len(shards)
        while remaining:
            page = self._pages.get()
            if page.failed is not None:
                raise page.failed
            if page.ended is not None:
                remaining -= 1
                self._done[page.ended.id] = page.ended
            self.records += len(page.records)
            self._last_at = max([self._last_at, *(record.at for record in page.records[-1:])])
            yield from page.records
            self._report(len(self._done), max(shard_count, len(self._done)), f"{self.records:,} records")
        for reader in readers:
            reader.join()

    def _work(self, waiting: Queue[Shard]) -> None:
        """Read shards until there are none; whatever happens, the iterating thread hears of it."""
        try:
            while True:
                shard = waiting.get_nowait()
                for records in self._reader.pages(shard):
                    self._hand(_Page(records))
                self._hand(_Page([], ended=shard))
        except (Empty, Stopped):
            pass
        except BaseException as error:  # noqa: BLE001  raised again in the iterating thread
            with suppress(Stopped):
                self._hand(_Page([], failed=error))

    def _hand(self, page: _Page) -> None:
        while not self._reader.stop.is_set():
            with suppress(Full):
                return self._pages.put(page, timeout=_TURN)
        raise Stopped

    def _conclude(self) -> None:
        """Find out what was covered."""
        shards = self._done.values()
        # What may be gone is older than 24 hours, and than what was found next.
        gone = [
            min(
                shard.opened_at - RETENTION,
                shard.first_at + timedelta(seconds=1) if shard.first_at else shard.opened_at,
            )
            for shard in shards
            if shard.opened_at is not None
        ]
        since_at = self.since_at
        self.since_at = max(since_at, *map(_next_second, (self._stream.created_at, *gone)))
        if self.since_at > since_at:
            young = self.since_at == _next_second(self._stream.created_at)
            why = "the stream was created then" if young else "older records may be trimmed"
            self.notes.append(f"The stream begins at {self.since_at:%Y-%m-%d %H:%M:%S} UTC: {why}.")
        if not self._stream.enabled:
            self.notes.append("The stream is disabled: later writes are not in it.")
        read_at = max(self.since_at, self._begun_at, self._last_at + timedelta(seconds=1))
        self.until_at = min(self.until_at, read_at)
        if silent := sum(shard.silent for shard in shards):
            open_shards = f"{silent} open shard{'s' * (silent != 1)}"
            self.notes.append(f"{open_shards} returned no new records; very recent writes may be missing.")


@dataclass(frozen=True, slots=True)
class _Page:
    """What a reader hands over: records, the shard that has ended, or what went wrong."""

    records: list[StreamRecord]
    ended: Shard | None = None
    failed: BaseException | None = None


def _next_second(moment: datetime) -> datetime:
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + timedelta(seconds=1)


def _arns(aws: Aws, table: str) -> list[str]:
    """Return the ARNs of the table's streams that can still be read."""
    names: list[str] = []
    params: dict[str, Any] = {"TableName": table}
    while True:
        answer = retried(lambda: aws.call("dynamodbstreams", "list_streams", **params))  # noqa: B023  called at once
        names += [row["StreamArn"] for row in answer.get("Streams", ())]
        if not (last := answer.get("LastEvaluatedStreamArn")):
            return names
        params = {"TableName": table, "ExclusiveStartStreamArn": last}


def _stream(row: dict[str, Any], table: str) -> Stream:
    return Stream(
        arn=row["StreamArn"],
        table=table,
        view=row.get("StreamViewType", ""),
        enabled=row.get("StreamStatus") in {"ENABLED", "ENABLING"},
        created_at=utc(row["CreationRequestDateTime"]),
    )
