"""DynamoDB Streams: the operations that read a table's stream, answered from its past.

Facts from the service's API reference. A page of records may be empty without being the last one: here every third page
of a walk through a shard is. The end of a closed shard is where there is no NextShardIterator any more; an open one has
no end.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson

from pitrkit.sandbox.protocol.protocol import (
    Handler,
    Native,
    ServiceError,
    ServiceReply,
    ServiceRequest,
    invalid,
    moment,
    timestamp,
)
from pitrkit.sandbox.store.clock import Clock
from pitrkit.sandbox.store.stream_shards import StreamShard, TableStream

PAGE_RECORDS = 1000
PAGE_BYTES = 1024 * 1024
PAGE_SHARDS = 100
PAGE_STREAMS = 100
ITERATOR_LIVES = timedelta(minutes=15)
EVERY_EMPTY = 3


@dataclass(frozen=True, slots=True)
class _Iterator:
    """A place in a shard.

    Attributes:
        stream: ARN of the stream.
        shard: Id of the shard.
        place: Of the next record.
        issued_at: When it was handed out.
        page: How many pages were read on the way here.
    """

    stream: str
    shard: str
    place: int
    issued_at: datetime
    page: int = 0

    def text(self) -> str:
        position_json = orjson.dumps([self.shard, self.place, self.issued_at.isoformat(), self.page])
        return f"{self.stream}|1|{base64.b64encode(position_json).decode()}"

    @classmethod
    def read(cls, text: str) -> _Iterator:
        stream, _, encoded_position = text.partition("|1|")
        try:
            shard, place, issued_at, page = orjson.loads(base64.b64decode(encoded_position, validate=True))
        except (binascii.Error, ValueError):
            raise invalid("Invalid ShardIterator") from None
        return cls(stream, shard, place, datetime.fromisoformat(issued_at), page)


@dataclass(frozen=True, slots=True)
class Streams:
    """The operations of DynamoDB Streams.

    Attributes:
        clock: What time it is.
    """

    clock: Clock

    def operations(self) -> dict[str, Native]:
        """Return what is answered here, by the operation's name."""
        return {
            "ListStreams": self.listing,
            "DescribeStream": self.describe,
            "GetShardIterator": self.iterator,
            "GetRecords": self.records,
        }

    def dated(self, request: ServiceRequest, inner: Handler) -> ServiceReply:
        """Layer that dates replies by the clock: what is trimmed is told by its age."""
        reply = inner(request)
        return replace(reply, headers=(*reply.headers, ("Date", format_datetime(self.clock.now(), usegmt=True))))

    def listing(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """List streams, those that were switched off less than 24 hours ago, too."""
        body, now = request.body, self.clock.now()
        table = body.get("TableName", "").rpartition(":table/")[2]
        summaries = sorted(
            (s for s in request.backend.streams.values() if not s.gone(now) and table in ("", s.table)),
            key=lambda stream: stream.arn,
        )
        summaries = [stream for stream in summaries if stream.arn > body.get("ExclusiveStartStreamArn", "")]
        limit = _limit(body, PAGE_STREAMS)
        answer: dict[str, Any] = {
            "Streams": [
                {"StreamArn": stream.arn, "TableName": stream.table, "StreamLabel": stream.label}
                for stream in summaries[:limit]
            ]
        }
        if len(summaries) > limit:
            answer["LastEvaluatedStreamArn"] = summaries[limit - 1].arn
        return answer

    def describe(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """Describe a stream and a page of its shards, whose order tells nothing."""
        body = request.body
        stream = self._stream(request, body["StreamArn"])
        shard_filter = body.get("ShardFilter", {})
        shards_found = sorted(
            (
                shard
                for shard in stream.shards(self.clock.now()).values()
                if not shard_filter or shard.parent == shard_filter.get("ShardId")
            ),
            key=_unordered,
        )
        start = body.get("ExclusiveStartShardId")
        if start is not None:
            shards_found = [shard for shard in shards_found if _unordered(shard) > start[-8:]]
        limit = _limit(body, PAGE_SHARDS)
        description: dict[str, Any] = {
            "StreamArn": stream.arn,
            "StreamLabel": stream.label,
            "StreamStatus": "ENABLED" if stream.disabled_at is None else "DISABLED",
            "StreamViewType": stream.view,
            "CreationRequestDateTime": timestamp(stream.enabled_at),
            "TableName": stream.table,
            "KeySchema": stream.schema,
            "Shards": [shard.describe() for shard in shards_found[:limit]],
        }
        if len(shards_found) > limit:
            description["LastEvaluatedShardId"] = shards_found[limit - 1].id
        return {"StreamDescription": description}

    def iterator(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """Hand out an iterator to a place in a shard."""
        body, now = request.body, self.clock.now()
        stream = self._stream(request, body["StreamArn"])
        shard = _shard(stream, body["ShardId"], now)
        place = _place(shard, body, now)
        return {"ShardIterator": _Iterator(stream.arn, shard.id, place, now).text()}

    def records(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """Return a page of records and the iterator to the next one, if there may be one."""
        now = self.clock.now()
        limit = _limit(request.body, PAGE_RECORDS)
        iterator = _Iterator.read(request.body["ShardIterator"])
        if now - iterator.issued_at > ITERATOR_LIVES:
            raise ServiceError(
                "ExpiredIteratorException", "Iterator expired. The iterator was created more than 15m ago"
            )
        stream = self._stream(request, iterator.stream)
        shard = _shard(stream, iterator.shard, now)
        if iterator.place < shard.horizon(now):
            raise _trimmed()
        empty = iterator.page % EVERY_EMPTY == EVERY_EMPTY - 1
        page: list[dict[str, Any]] = []
        size, place = 0, iterator.place
        while not empty and place < len(shard.records) and len(page) < limit:
            record = stream.describe_record(shard.records[place])
            size += record["dynamodb"]["SizeBytes"]
            if page and size > PAGE_BYTES:
                break
            page.append(record)
            place += 1
        answer: dict[str, Any] = {"Records": page}
        if shard.closed_at is None or place < len(shard.records):
            answer["NextShardIterator"] = _Iterator(stream.arn, shard.id, place, now, iterator.page + 1).text()
        return answer

    def _stream(self, request: ServiceRequest, arn: str) -> TableStream:
        stream = request.backend.streams.get(arn)
        if stream is None or stream.gone(self.clock.now()):
            raise ServiceError("ResourceNotFoundException", f"Requested resource not found: Stream: {arn} not found")
        return stream


def _unordered(shard: StreamShard) -> str:
    return shard.id[-8:]


def _limit(body: dict[str, Any], most: int) -> int:
    limit = body.get("Limit", most)
    if not 1 <= limit <= most:
        raise invalid(
            f"1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: "
            f"Member must have value between 1 and {most}"
        )
    return int(limit)


def _shard(stream: TableStream, name: str, now: datetime) -> StreamShard:
    shard = stream.shards(now).get(name)
    if shard is None:
        raise ServiceError(
            "ResourceNotFoundException",
            f"Requested resource not found: Shard does not exist: {name} of {stream.arn}",
        )
    return shard


def _place(shard: StreamShard, body: dict[str, Any], now: datetime) -> int:
    """Return the place of the first record that the requested iterator is to give."""
    kind, horizon = body["ShardIteratorType"], shard.horizon(now)
    if ("SequenceNumber" in body) != kind.endswith("SEQUENCE_NUMBER") or ("Timestamp" in body) != (
        kind == "AT_TIMESTAMP"
    ):
        raise invalid(f"One or more parameter values were invalid: they do not fit the ShardIteratorType {kind}")
    match kind:
        case "TRIM_HORIZON":
            return horizon
        case "LATEST":
            return len(shard.records)
        case "AT_TIMESTAMP":
            return max(horizon, shard.place_at(moment(body["Timestamp"])))
        case "AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER":
            place = _place_of(shard, body["SequenceNumber"], after=kind.startswith("AFTER"))
            if place < horizon:
                raise _trimmed()
            return place
    raise invalid(f"1 validation error detected: Value '{kind}' at 'shardIteratorType' is none of its values")


def _place_of(shard: StreamShard, text: str, *, after: bool) -> int:
    last = shard.ending or (shard.records[-1].sequence if shard.records else shard.starting)
    if not text.isdecimal() or not shard.starting <= int(text) <= last:
        raise invalid(f"Invalid SequenceNumber {text} in shard {shard.id}")
    return shard.place_of(int(text) + after)


def _trimmed() -> ServiceError:
    return ServiceError(
        "TrimmedDataAccessException",
        "The operation attempted to read past the oldest stream record in a shard: it has been trimmed",
    )
