"""A table's stream: which shards it has, which of them came from which, and the records in each.

The records are the table's `History`; here they are only dealt out to shards, each of which takes a range of the
partition keys' hash. A shard is closed when it is four hours old, and goes on in one child; one that is busy is split
into two before that. So an item's records are in order along a line of shards, and in no order across lines: whoever
reads a child before its parent gets an item's later changes first.

Records are dealt out when somebody looks, and then always alike: it depends on the changes and their times alone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import md5
from itertools import pairwise
from typing import Any, NamedTuple

from pitrkit.sandbox.store.history import History, ItemVersion
from pitrkit.sandbox.store.rows import HASH_RANGE
from pitrkit.sandbox.store.values import Image, stored_size

KEPT = timedelta(hours=24)
"""How long the service keeps a record, and a stream that was switched off."""
SHARD_LIVES = timedelta(hours=4)
MOST_OPEN = 8
BUSY_RECORDS = 2500
ROOTS = (0, HASH_RANGE * 3 // 4, HASH_RANGE)
"""Where the ranges of a stream's first shards begin and end; unlike ones, so that they live for unlike times."""
FIRST_SEQUENCE = 10**21 - 500_000
"""Numbers soon have a digit more than the first ones: as text they are in no order."""


class ShardRecord(NamedTuple):
    """One change in a shard."""

    sequence: int
    change: ItemVersion


@dataclass(slots=True)
class StreamShard:
    """A part of a stream.

    Attributes:
        id: The service's ShardId.
        parent: Id of the shard that it goes on from; empty for a stream's first ones.
        low: First hash of its range.
        high: First hash behind its range.
        opened_at: When it began.
        starting: Its StartingSequenceNumber.
        records: What it holds, in order; of trimmed records, too.
        closed_at: When it ended, or None.
        ending: Its EndingSequenceNumber; 0 while it is open.
    """

    id: str
    parent: str
    low: int
    high: int
    opened_at: datetime
    starting: int
    records: list[ShardRecord] = field(default_factory=list)
    closed_at: datetime | None = None
    ending: int = 0

    def horizon(self, now: datetime) -> int:
        """Return the place of the first record that is not trimmed yet."""
        return bisect_right(self.records, now - KEPT, key=lambda record: record.change.at)

    def place_at(self, at: datetime) -> int:
        """Return the place of the first record that is not before *at*."""
        return bisect_left(self.records, at, key=lambda record: record.change.at)

    def place_of(self, sequence: int) -> int:
        """Return the place of the first record whose number is not below *sequence*."""
        return bisect_left(self.records, sequence, key=lambda record: record.sequence)

    def describe(self) -> dict[str, Any]:
        """Return the service's Shard."""
        numbers = {"StartingSequenceNumber": str(self.starting)}
        if self.closed_at is not None:
            numbers["EndingSequenceNumber"] = str(self.ending)
        described: dict[str, Any] = {"ShardId": self.id, "SequenceNumberRange": numbers}
        if self.parent:
            described["ParentShardId"] = self.parent
        return described


class TableStream:
    """One stream of one table, from when it was switched on until it is switched off.

    Args:
        table_arn: Of its table.
        schema: The table's KeySchema.
        view: The service's StreamViewType.
        history: The table's past; what is in it already is not in the stream.
        enabled_at: When it was switched on.
        busy_records: As many records as a shard takes before it is split.
    """

    def __init__(
        self,
        table_arn: str,
        schema: Sequence[dict[str, str]],
        view: str,
        history: History,
        enabled_at: datetime,
        *,
        busy_records: int,
    ) -> None:
        self.label = f"{enabled_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{enabled_at.microsecond // 1000:03d}"
        self.arn = f"{table_arn}/stream/{self.label}"
        self.table = table_arn.rpartition(":table/")[2]
        self.region = table_arn.split(":")[3]
        self.schema = list(schema)
        self.view = view
        self.enabled_at = enabled_at
        self.disabled_at: datetime | None = None
        self._history = history
        self._next = len(history.changes)
        self._last = 0
        self._busy_records = busy_records
        self._sequence = FIRST_SEQUENCE
        self._shards: dict[str, StreamShard] = {}
        self._open: list[StreamShard] = []
        for low, high in pairwise(ROOTS):
            self._begin("", low, high, enabled_at)

    def disable(self, at: datetime) -> None:
        """Switch it off for good; it stays readable for 24 hours."""
        if self.disabled_at is None:
            self.disabled_at, self._last = at, len(self._history.changes)

    def gone(self, now: datetime) -> bool:
        """Return whether it was switched off so long ago that nothing is left of it."""
        return self.disabled_at is not None and self.disabled_at <= now - KEPT

    def shards(self, now: datetime) -> dict[str, StreamShard]:
        """Return the shards that there are now, by id and in the order of their beginnings."""
        self._deal(now)
        for shard in list(self._shards.values()):
            if shard.closed_at is not None and shard.closed_at <= now - KEPT:
                del self._shards[shard.id]
        return self._shards

    def describe_record(self, record: ShardRecord) -> dict[str, Any]:
        """Return the service's Record: with the images that the stream's view shows."""
        change = record.change
        image = change.after if change.after is not None else change.before
        assert image is not None
        names = [key["AttributeName"] for key in self.schema]
        keys: Image = {name: image[name] for name in names}
        record_fields = {
            name: image
            for name, image, views in (
                ("NewImage", change.after, ("NEW_IMAGE", "NEW_AND_OLD_IMAGES")),
                ("OldImage", change.before, ("OLD_IMAGE", "NEW_AND_OLD_IMAGES")),
            )
            if image is not None and self.view in views
        }
        event = "INSERT" if change.before is None else "REMOVE" if change.after is None else "MODIFY"
        described: dict[str, Any] = {
            "eventID": md5(f"{self.arn} {record.sequence}".encode(), usedforsecurity=False).hexdigest(),
            "eventName": event,
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": self.region,
            "dynamodb": {
                "ApproximateCreationDateTime": int(change.at.timestamp()),
                "Keys": keys,
                **record_fields,
                "SequenceNumber": str(record.sequence),
                "SizeBytes": sum(map(stored_size, (keys, *record_fields.values()))),
                "StreamViewType": self.view,
            },
        }
        if change.by == "ttl":
            described["userIdentity"] = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
        return described

    def _deal(self, now: datetime) -> None:
        """Deal out what has happened since the last time, up to *now* or until it was switched off."""
        for change in self._unread():
            self._turn_over(change.at)
            shard = next(shard for shard in self._open if shard.low <= change.position[0] < shard.high)
            shard.records.append(ShardRecord(self._number(), change))
            if len(shard.records) >= self._busy_records:
                self._end(shard, change.at, split=True)
        self._turn_over(now if self.disabled_at is None else self.disabled_at)
        if self.disabled_at is not None:
            for shard in self._open:
                self._close(shard, self.disabled_at)
            self._open.clear()

    def _unread(self) -> Iterator[ItemVersion]:
        end = len(self._history.changes) if self.disabled_at is None else self._last
        first, self._next = self._next, end
        return (self._history.changes[number] for number in range(first, end))

    def _turn_over(self, now: datetime) -> None:
        while self._open:
            oldest = min(self._open, key=lambda shard: shard.opened_at)
            if oldest.opened_at + SHARD_LIVES > now:
                return
            self._end(oldest, oldest.opened_at + SHARD_LIVES, split=False)

    def _end(self, shard: StreamShard, at: datetime, *, split: bool) -> None:
        self._close(shard, at)
        self._open.remove(shard)
        middle = (shard.low + shard.high) // 2
        if split and len(self._open) + 2 <= MOST_OPEN and shard.low < middle:
            self._begin(shard.id, shard.low, middle, at)
            self._begin(shard.id, middle, shard.high, at)
        else:
            self._begin(shard.id, shard.low, shard.high, at)

    def _close(self, shard: StreamShard, at: datetime) -> None:
        shard.closed_at, shard.ending = at, self._number()

    def _begin(self, parent: str, low: int, high: int, at: datetime) -> None:
        number = self._number()
        digest = md5(f"{self.arn} {number}".encode(), usedforsecurity=False).hexdigest()
        shard = StreamShard(f"shardId-{int(at.timestamp() * 1000):020d}-{digest[:8]}", parent, low, high, at, number)
        self._shards[shard.id] = shard
        self._open.append(shard)

    def _number(self) -> int:
        self._sequence += 100
        return self._sequence
