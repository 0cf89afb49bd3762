"""HTTP/1.1 over one socket: a request out, a reply in, and a way to know whether all of the reply came.

urllib3 makes the connections, so proxies, TLS and certificates are as boto3 has them. What goes over them is so
little of HTTP that doing it here costs a fraction of what the request and response objects of urllib3 and the
standard library do. A reply may be broken in any way that a network breaks things: that is told, never guessed over.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from select import POLLIN, poll
from typing import Any

_CHUNK = 1 << 18
_LONGEST_HEAD = 1 << 16
_BODY_IN_ONE = 1 << 16
_INFORMATIONAL = 200


class BrokenReply(Exception):
    """What came back is not one whole reply, or not the one the service sent."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """One HTTP reply.

    Attributes:
        status: The status code.
        body: The body, as the service wrote it before any compression.
        request_id: The service's id of the request.
        reusable: Whether the connection may be used again.
    """

    status: int
    body: bytes
    request_id: str
    reusable: bool


class Connection:
    """One connection, used by one request at a time.

    Args:
        link: urllib3's connection, connected.
    """

    def __init__(self, link: Any) -> None:
        self._link = link
        self._sock = link.sock
        self._poll = poll()
        self._poll.register(self._sock.fileno(), POLLIN)

    def stale(self) -> bool:
        """Return whether the other side closed it, or said something unasked, since the last reply."""
        return bool(self._poll.poll(0))

    def send(self, head: bytes, body: bytes) -> None:
        """Send a request."""
        if len(body) <= _BODY_IN_ONE:
            self._sock.sendall(head + body)
        else:
            self._sock.sendall(head)
            self._sock.sendall(body)

    def receive(self) -> HttpReply:
        """Read the reply to the request that was sent.

        Raises:
            BrokenReply: It ended early, is no HTTP, or its checksum is not that of its body.
            OSError: The connection broke, or nothing came in time.
        """
        status, head, lower, rest = self._head()
        while status < _INFORMATIONAL:
            status, head, lower, rest = self._head(rest)
        length = _header(head, lower, b"content-length")
        reusable = b"\r\nconnection: close" not in lower and lower.startswith(b"http/1.1")
        if b"chunked" in _header(head, lower, b"transfer-encoding").lower():
            raw = self._chunks(rest)
        elif length:
            raw = self._exactly(int(length), rest)
        else:
            raw, reusable = self._to_the_end(rest), False
        checksum = _header(head, lower, b"x-amz-crc32")
        if checksum and int(checksum) != zlib.crc32(raw):
            raise BrokenReply("the body does not match its checksum (x-amz-crc32)")
        if _header(head, lower, b"content-encoding").lower() == b"gzip":
            raw = zlib.decompress(raw, wbits=31)
        request_id = _header(head, lower, b"x-amzn-requestid").decode("latin-1")
        return HttpReply(status, raw, request_id, reusable)

    def close(self) -> None:
        """Close it."""
        self._link.close()

    def _more(self) -> bytes:
        data: bytes = self._sock.recv(_CHUNK)
        if not data:
            raise BrokenReply("the connection was closed before the response was complete")
        return data

    def _head(self, data: bytes = b"") -> tuple[int, bytes, bytes, bytes]:
        """Return status, head, the head in lower case, and what of the body came along."""
        while (end := data.find(b"\r\n\r\n")) < 0:
            if len(data) > _LONGEST_HEAD:
                raise BrokenReply("the response headers do not end")
            data += self._more()
        head = data[: end + 2]
        if not head.startswith(b"HTTP/1.") or not head[9:12].isdigit():
            raise BrokenReply("the response is not HTTP")
        return int(head[9:12]), head, head.lower(), data[end + 4 :]

    def _exactly(self, length: int, start: bytes) -> bytes:
        if len(start) >= length:
            return start[:length]
        whole = bytearray(length)
        whole[: len(start)] = start
        view, at = memoryview(whole), len(start)
        while at < length:
            got = self._sock.recv_into(view[at:])
            if not got:
                raise BrokenReply(f"the connection was closed after {at:,} of the response's {length:,} bytes")
            at += got
        return bytes(whole)

    def _to_the_end(self, start: bytes) -> bytes:
        parts = [start]
        while data := self._sock.recv(_CHUNK):
            parts.append(data)
        return b"".join(parts)

    def _chunks(self, data: bytes) -> bytes:
        parts: list[bytes] = []
        while True:
            while (end := data.find(b"\r\n")) < 0:
                data += self._more()
            size = int(data[:end].partition(b";")[0], 16)
            data = data[end + 2 :]
            while len(data) < size + 2:
                data += self._more()
            if not size:
                while data != b"\r\n" and not data.endswith(b"\r\n\r\n"):
                    data += self._more()
                return b"".join(parts)
            parts.append(data[:size])
            data = data[size + 2 :]


def _header(head: bytes, lower: bytes, name: bytes) -> bytes:
    """Return the value of the header *name*, empty if there is none."""
    at = lower.find(b"\r\n" + name + b":")
    if at < 0:
        return b""
    start = at + len(name) + 3
    return head[start : head.index(b"\r\n", start)].strip()


class Pool:
    """Connections to one place that are open and idle, the last used first. Safe to share between threads.

    Args:
        connect: Makes a connected urllib3 connection.
        size: How many idle ones are kept.
    """

    def __init__(self, connect: Callable[[], Any], *, size: int) -> None:
        self._connect = connect
        self._idle: deque[Connection] = deque()
        self.size = size

    def take(self) -> Connection:
        """Return a connection for one request."""
        while self._idle:
            try:
                pooled = self._idle.pop()
            except IndexError:  # another thread took it
                break
            if not pooled.stale():
                return pooled
            pooled.close()
        return Connection(self._connect())

    def give_back(self, connection: Connection, *, reusable: bool) -> None:
        """Take *connection* back after its reply was read whole."""
        if reusable and len(self._idle) < self.size:
            self._idle.append(connection)
        else:
            connection.close()
