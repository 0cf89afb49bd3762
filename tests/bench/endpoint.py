"""The benchmarks' table service: answers from bytes made beforehand, so that what is measured is the client.

It speaks enough of DynamoDB's protocol for one table `Orders` (pk S, sk N) of 740-byte orders: Scan with segments and
pages of a megabyte, BatchGetItem, BatchWriteItem, PutItem, UpdateItem, DeleteItem, BatchExecuteStatement,
DescribeTable. It stores nothing, checks no signature and no condition, and answers every write as done. Run it as a
program, or from Python with `Endpoint`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any, Self

TABLE = "Orders"
PAGE_BYTES = 1_000_000
_CONDITIONS = re.compile(rb'"Statement"')
_WRITES = (b"PutItem", b"UpdateItem", b"DeleteItem")
_SEGMENT = re.compile(rb'"Segment"\s*:\s*(\d+)')
_SEGMENTS = re.compile(rb'"TotalSegments"\s*:\s*(\d+)')
_PAGE = re.compile(rb'"page-(\d+)"')
_SORT_KEY = re.compile(rb'"sk"\s*:\s*\{\s*"N"\s*:\s*"(\d+)"')
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_TARGET = re.compile(rb"\r\nx-amz-target:\s*[^.\r]+\.(\w+)", re.IGNORECASE)
_WORDS = ("ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "rowan", "spruce", "yew")


def order(number: int, chance: random.Random) -> dict[str, Any]:
    """Return an order as the service's JSON, in an order of attributes that is not sorted: 740 bytes, give or take."""

    def words(count: int) -> str:
        return " ".join(chance.choices(_WORDS, k=count))

    item = {
        "updated_at": {
            "S": f"2026-11-{chance.randrange(1, 29):02}T{chance.randrange(24):02}:14:09.{number % 1000:03}Z"
        },
        "pk": {"S": f"customer-{number % 5000:06}"},
        "status": {"S": chance.choice(["paid", "shipped", "cancelled"])},
        "sk": {"N": str(number)},
        "total": {"N": f"{chance.randrange(1, 99999)}.{chance.randrange(1, 10)}"},
        "currency": {"S": "EUR"},
        "paid": {"BOOL": True},
        "address": {
            "M": {
                "street": {"S": f"{words(2)} {chance.randrange(200)}"},
                "city": {"S": words(1)},
                "zip": {"S": str(chance.randrange(10000, 99999))},
            }
        },
        "lines": {
            "L": [
                {"M": {"sku": {"S": f"{chance.randbytes(4).hex()}"}, "count": {"N": str(chance.randrange(1, 9))}}}
                for _ in range(3)
            ]
        },
        "trace": {"S": chance.randbytes(32).hex()},
        "coupon": {"NULL": True},
        "note": {"S": words(32)},
    }
    if number % 4 == 0:
        item["tags"] = {"SS": [words(1), "gift-" + words(1)]}
    return item


def reply(body: bytes) -> bytes:
    """Return the whole HTTP reply with *body*."""
    return (
        b"HTTP/1.1 200 OK\r\nServer: Server\r\nContent-Type: application/x-amz-json-1.0\r\n"
        b"Content-Length: %d\r\nConnection: keep-alive\r\nx-amzn-RequestId: %s\r\nx-amz-crc32: %d\r\n\r\n"
        % (len(body), b"K7V2" * 13, zlib.crc32(body))
    ) + body


def described(items: int) -> bytes:
    """Return DescribeTable's answer."""
    table = {
        "TableName": TABLE,
        "TableArn": f"arn:aws:dynamodb:us-east-1:000000000000:table/{TABLE}",
        "TableId": "00000000-0000-4000-8000-000000000000",
        "TableStatus": "ACTIVE",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        "ItemCount": items,
        "TableSizeBytes": items * 500,
        "CreationDateTime": 1_790_000_000,
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
    }
    return reply(json.dumps({"Table": table}).encode())


class Pages:
    """The pages of the table. Their items differ, but only *distinct* pages are made: after those they come again.

    Args:
        items: Items in the table.
        distinct: How many different pages there are.
    """

    def __init__(self, items: int, distinct: int = 48) -> None:
        chance = random.Random(20261123)
        self.items = items
        self._texts: list[list[bytes]] = []
        made = 0
        while made < items and len(self._texts) < distinct:
            page: list[bytes] = []
            size = 0
            while size < PAGE_BYTES and made < items:
                text = json.dumps(order(made, chance), separators=(",", ":")).encode()
                page.append(text)
                size += len(text)
                made += 1
            self._texts.append(page)
        self.per_page = len(self._texts[0])
        self._by_number = [text for page in self._texts for text in page]
        self._replies: dict[tuple[int, int, bool], bytes] = {}

    def found(self, numbers: list[int]) -> bytes:
        """Return BatchGetItem's reply with the orders of these numbers, as far as they were made."""
        items = b",".join(self._by_number[number] for number in numbers if number < len(self._by_number))
        return reply(b'{"Responses":{"%s":[%s]},"UnprocessedKeys":{}}' % (TABLE.encode(), items))

    def reply(self, segment: int, segments: int, page: int) -> bytes:
        """Return the reply with page number *page* of a segment."""
        mine = self.items * (segment + 1) // segments - self.items * segment // segments
        count = max(0, min(self.per_page, mine - page * self.per_page))
        last = (page + 1) * self.per_page >= mine
        which = (segment * 7 + page) % len(self._texts)
        key = (which, count, last)
        if key in self._replies and last:
            return self._replies[key]
        if not last and (known := self._replies.get((which, -1 - page, False))):
            return known
        texts = self._texts[which][:count]
        body = (
            b'{"ConsumedCapacity":{"CapacityUnits":%d.0,"TableName":"%s"},"Count":%d,"Items":[%s]%s,"ScannedCount":%d}'
            % (
                len(texts) * 740 // 8192 + 1,
                TABLE.encode(),
                len(texts),
                b",".join(texts),
                b"" if last else b',"LastEvaluatedKey":{"pk":{"S":"page-%d"},"sk":{"N":"1"}}' % (page + 1),
                len(texts),
            )
        )
        whole = reply(body)
        self._replies[key if last else (which, -1 - page, False)] = whole
        return whole


class Service(asyncio.Protocol):
    """One connection."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._described = described(pages.items)
        self._data = b""
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data = data = self._data + data if self._data else data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(data, 0, end)
        whole = end + 4 + int(length.group(1) if length else 0)
        if len(data) < whole:
            return
        self._data = data[whole:]
        target = _TARGET.search(data, 0, end)
        self._transport.write(self._answer(target.group(1) if target else b"", data[end + 4 : whole]))

    def _answer(self, operation: bytes, body: bytes) -> bytes:
        if operation in _WRITES:
            return _WRITTEN
        if operation == b"BatchWriteItem":
            return _ALL_WRITTEN
        if operation == b"BatchGetItem":
            return self._pages.found([int(number) for number in _SORT_KEY.findall(body)])
        if operation == b"BatchExecuteStatement":
            return executed(len(_CONDITIONS.findall(body)))
        if operation == b"DescribeTable":
            return self._described
        segment, segments, page = (int(found.group(1)) if found else None for found in _position(body))
        return self._pages.reply(segment or 0, segments or 1, page or 0)


def _position(body: bytes) -> tuple[re.Match[bytes] | None, ...]:
    return _SEGMENT.search(body), _SEGMENTS.search(body), _PAGE.search(body)


_WRITTEN = reply(b'{"ConsumedCapacity":{"CapacityUnits":1.0,"TableName":"Orders"}}')
_ALL_WRITTEN = reply(b'{"ConsumedCapacity":[{"CapacityUnits":25.0,"TableName":"Orders"}],"UnprocessedItems":{}}')
_EXECUTED: dict[int, bytes] = {}


def executed(statements: int) -> bytes:
    """Return BatchExecuteStatement's reply when all *statements* were done."""
    if statements not in _EXECUTED:
        each = b",".join([b'{"TableName":"Orders"}'] * statements)
        units = b'{"CapacityUnits":%d.0,"TableName":"Orders"}' % statements
        _EXECUTED[statements] = reply(b'{"ConsumedCapacity":[%s],"Responses":[%s]}' % (units, each))
    return _EXECUTED[statements]


class Endpoint:
    """The endpoint as a process of its own, as a context manager.

    Args:
        items: Items in its table.

    Attributes:
        url: Where it serves.
    """

    def __init__(self, items: int = 100_000) -> None:
        self._items = items
        self.url = ""

    def __enter__(self) -> Self:
        command = [sys.executable, str(Path(__file__).resolve()), "--items", str(self._items)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().split()[-1]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def environment(self) -> dict[str, str]:
        """Return the environment variables that point any AWS client here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }


async def serve(items: int, port: int) -> None:
    """Serve until the process is ended, or the one that started it is gone."""
    pages = Pages(items)
    server = await asyncio.get_running_loop().create_server(lambda: Service(pages), "127.0.0.1", port)
    parent = os.getppid()
    print(f"ready http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)  # noqa: T201
    while os.getppid() == parent:  # noqa: ASYNC110  nobody tells when a parent is gone
        await asyncio.sleep(1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a table service that answers from memory, for benchmarks")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    asyncio.run(serve(given.items, given.port))
