"""A server on loopback that says exactly the bytes it is told to, for tests of what a network does to replies."""

import contextlib
import re
import socket
import ssl
import threading
import zlib

LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)


def http(body=b"{}", *, status=200, headers=(), crc=True):
    """A whole reply as the service writes it."""
    if isinstance(body, str):
        body = body.encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "x-amzn-RequestId: REQUEST-1", *headers]
    if crc:
        lines.append(f"x-amz-crc32: {zlib.crc32(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Stub:
    """Answers each request by the next of *replies* (bytes; b"" hangs up), the last one again and again.

    A reply may be a function of the request. A reply that is a tuple is sent, and then the connection is closed.
    """

    def __init__(self, *replies, tls=None):
        self.replies = list(replies) or [http()]
        self.requests = []
        self.connections = 0
        self._lock = threading.Lock()
        self._closed = threading.Semaphore(0)
        self._tls = tls
        self._open = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{'localhost' if tls else '127.0.0.1'}:{self.port}"

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        for link in (self._listening, *self._open):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                link, _ = self._listening.accept()
                self._open.append(link)
                self.connections += 1
                threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link):
        with contextlib.suppress(OSError, ssl.SSLError):
            if self._tls:
                link = self._tls.wrap_socket(link, server_side=True)
            self.converse(link)
            link.close()

    def converse(self, link):
        data = b""
        while more := link.recv(65536):
            data += more
            while (end := data.find(b"\r\n\r\n")) >= 0:
                length = LENGTH.search(data[:end])
                whole = end + 4 + (int(length.group(1)) if length else 0)
                if len(data) < whole:
                    break
                request, data = data[:whole], data[whole:]
                with self._lock:
                    self.requests.append(request)
                    reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                reply = reply(request) if callable(reply) else reply
                last = isinstance(reply, tuple) or not reply
                link.sendall(reply[0] if isinstance(reply, tuple) else reply)
                if last:
                    with contextlib.suppress(OSError):
                        link.shutdown(socket.SHUT_RDWR)
                    self._closed.release()
                    return

    def wait_until_closed(self):
        """Wait until a connection was closed from this side."""
        assert self._closed.acquire(timeout=10)


class Proxy(Stub):
    """A proxy: tunnels what says CONNECT to this machine, and answers the rest itself."""

    def converse(self, link):
        head = b""
        while b"\r\n\r\n" not in head:
            head += link.recv(1)
        if not head.startswith(b"CONNECT "):
            self._forward(link, head)
            return
        self.requests.append(head)
        host, _, port = head.split()[1].decode().rpartition(":")
        if host != "localhost":
            link.sendall(b"HTTP/1.1 502 Only this machine\r\n\r\n")
            return
        far = socket.create_connection((host, int(port)))
        self._open.append(far)
        link.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=self._pump, args=(far, link), daemon=True).start()
        self._pump(link, far)

    def _forward(self, link, head):
        length = int(LENGTH.search(head).group(1))
        body = b""
        while len(body) < length:
            body += link.recv(65536)
        self.requests.append(head + body)
        link.sendall(self.replies[0])

    def _pump(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
