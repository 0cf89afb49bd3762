"""Shards: one shard of a stream, read by one reader from a moment on to its end, whatever gets in the way.

A closed shard ends where there is no next iterator, however many pages before that are empty. An open one has no end:
it counts as read to the present after `EMPTY_PAGES` empty pages in a row. How many prove it is not documented; what a
later record would have told is found by the guards, which compare with the item itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event
from typing import Any, Literal, get_args

from pitrkit.aws.client.backoff import Backoff
from pitrkit.aws.client.client import Aws, answered_at
from pitrkit.aws.client.error_mapping import Ambiguous, Throttled
from pitrkit.aws.items import Image, Key, canonical, key_of, without_replication
from pitrkit.errors import AwsError, BadInput
from pitrkit.times import utc

EMPTY_PAGES = 12
"""Empty pages in a row after which an open shard counts as read to the present."""

EXPORTS_INSTEAD = "Use incremental exports instead: they need no stream, only point-in-time recovery (route: export)."

_MARGIN = timedelta(seconds=5)  # records are dated approximately: so much more is read at both ends, and left out again
_ATTEMPTS = 10
_BACKOFF = Backoff(first=0.1, longest=10.0)
_EVENTS = Literal["INSERT", "MODIFY", "REMOVE"]
_TTL = "dynamodb.amazonaws.com"


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """One write.

    Attributes:
        at: The second in which it was done, as the service dates it.
        event: What it did.
        key: The item's key.
        before: Its image before, None where it did not exist; without replication attributes, like `after`.
        after: Its image afterwards, None where it no longer exists.
        ttl: Whether the service deleted it because it had expired.
        sequence: Its number, as the service writes it.
    """

    at: datetime
    event: _EVENTS
    key: Key
    before: Image | None
    after: Image | None
    ttl: bool
    sequence: str


@dataclass(slots=True)
class Shard:
    """A shard, and how its reading went.

    Attributes:
        closed: Whether it is written to no more, so that it has an end.
        opened_at: When its reading began, or went on after records were found to be gone, by the service's clock.
        first_at: Date of the first record found from then on.
        passed_end: Whether the window's end lies in it or before it, so that its children are behind that.
        silent: Whether it was taken to be read to the present because nothing more came.
        gone: Whether the service has dropped the shard itself.
    """

    id: str
    parent: str
    closed: bool
    opened_at: datetime | None = None
    first_at: datetime | None = None
    passed_end: bool = False
    silent: bool = False
    gone: bool = False


class Stopped(Exception):
    """Nobody wants the records any longer."""


@dataclass(frozen=True, slots=True)
class ShardReader:
    """Reads the records of [since_at, until_at) out of the shards of one stream.

    Attributes:
        aws: Where the stream is.
        arn: The stream.
        table: Name of its table.
        names: The table's key attributes.
        since_at: From when on.
        until_at: Until when.
        pause: Seconds between two pages of an open shard that was empty.
        stop: Set when nobody wants the records any longer.
    """

    aws: Aws
    arn: str
    table: str
    names: tuple[str, ...]
    since_at: datetime
    until_at: datetime
    pause: float
    stop: Event

    def call(self, operation: str, **params: Any) -> Any:
        """Call an operation on the stream, again where the service is busy."""
        return retried(
            lambda: self.aws.call("dynamodbstreams", operation, table=self.table, **params), stopped=self.stop.is_set
        )

    def pages(self, shard: Shard) -> Iterator[list[StreamRecord]]:
        """Yield a shard's records of the window in their order, page by page, and note in *shard* how it went."""
        last = ""
        empty = fruitless = 0
        iterator = self._iterator(shard, last)
        while iterator:
            try:
                answer = self.call("get_records", ShardIterator=iterator)
            except AwsError as error:
                fruitless += 1
                if fruitless > _ATTEMPTS or not self._lost(error, shard):
                    raise
                # Taken up again where it was. What was trimmed meanwhile is gone, and the shard knows.
                iterator = "" if shard.gone else self._iterator(shard, last)
                continue
            fruitless = 0
            shard.opened_at = shard.opened_at or answered_at(answer)
            iterator = answer.get("NextShardIterator") or ""
            if answer["Records"]:
                rows = [self._record(row) for row in answer["Records"]]
                last, empty = rows[-1].sequence, 0
                shard.first_at = shard.first_at or rows[0].at
                yield [row for row in rows if self.since_at <= row.at < self.until_at]
                if any(row.at >= self.until_at + _MARGIN for row in rows):
                    shard.passed_end = True
                    return
            elif not shard.closed:
                empty += 1
                if empty >= EMPTY_PAGES:
                    shard.silent = True
                    return
                time.sleep(self.pause)

    def _iterator(self, shard: Shard, last: str) -> str:
        """Return an iterator from behind the record *last*, or from the window on; empty if the shard is gone."""
        shard_parameters = {"StreamArn": self.arn, "ShardId": shard.id}
        try:
            if last:
                position: dict[str, Any] = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": last}
            else:
                position = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": self.since_at - _MARGIN}
            return str(self.call("get_shard_iterator", **shard_parameters, **position)["ShardIterator"])
        except BadInput:
            pass  # this botocore has no AT_TIMESTAMP, which is new
        except AwsError as error:
            if not self._lost(error, shard) and (last or error.code != "ValidationException"):
                raise  # a ValidationException: the service, or what stands in for it, has no AT_TIMESTAMP
        if shard.gone:
            return ""
        try:
            return str(
                self.call("get_shard_iterator", **shard_parameters, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
            )
        except AwsError as error:
            if not self._lost(error, shard) or not shard.gone:
                raise
            return ""

    def _lost(self, error: AwsError, shard: Shard) -> bool:
        """Return whether an error means only that the place has to be found anew, and note what is gone."""
        if error.code == "ExpiredIteratorException":
            return True
        if error.code not in {"TrimmedDataAccessException", "ResourceNotFoundException"}:
            return False
        shard.opened_at = shard.first_at = None
        if error.code == "ResourceNotFoundException":
            answer = self.call("describe_stream", StreamArn=self.arn, Limit=1)  # raises, if the stream itself is gone
            shard.opened_at, shard.gone = answered_at(answer), True
        return True

    def _record(self, row: dict[str, Any]) -> StreamRecord:
        data, event = row["dynamodb"], row["eventName"]
        lacks = {"INSERT": "NewImage", "REMOVE": "OldImage"}.get(event, "NewImage") not in data
        if event not in get_args(_EVENTS) or lacks or (event == "MODIFY" and "OldImage" not in data):
            raise BadInput("the stream contains a record without images", table=self.table, fix=EXPORTS_INSTEAD)
        who = {name.lower(): value for name, value in (row.get("userIdentity") or {}).items()}
        return StreamRecord(
            at=utc(data["ApproximateCreationDateTime"]).replace(microsecond=0),
            event=event,
            key=key_of(data["Keys"], self.names),
            before=None if event == "INSERT" else canonical(without_replication(data["OldImage"])),
            after=None if event == "REMOVE" else canonical(without_replication(data["NewImage"])),
            ttl=event == "REMOVE" and who.get("type") == "Service" and who.get("principalid") == _TTL,
            sequence=data["SequenceNumber"],
        )


def retried(send: Callable[[], Any], *, stopped: Callable[[], bool] = lambda: False) -> Any:
    """Return what *send*, which only reads, returns, trying again where the service is busy or gave no answer.

    Raises:
        Throttled: It went on being busy; or another AwsError, if that is what it answers.
        Stopped: Nobody waits for it any longer.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return send()
        except AwsError as error:
            busy = isinstance(error, Throttled | Ambiguous) or error.code == "LimitExceededException"
            if not busy or attempt == _ATTEMPTS - 1:
                raise
        if stopped():
            raise Stopped
        time.sleep(_BACKOFF.pause(attempt + 1))
    raise AssertionError("the last attempt returns or raises")
