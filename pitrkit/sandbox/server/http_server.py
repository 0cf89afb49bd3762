"""The HTTP server under the sandbox: threaded, on loopback, quiet, with connections that stay open."""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

_log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
SENT = "pitrkit.sent"
"""Where an application says in the environment how much of its reply is sent, see `Reply.sent`."""


class _Handler(MotoRequestHandler):  # type: ignore[misc] # moto is untyped
    """moto's handler without its log and its closing of connections.

    werkzeug's closes the connection after every reply, because an application may leave some of a request unread.
    Here the request is read whole first and the reply is sent whole, so a connection can always be used again: a
    client that makes a thousand calls should not need a thousand connections.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def run_wsgi(self) -> None:
        """Answer one request."""
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(HTTPStatus.CONTINUE)
            self.end_headers()
            self.wfile.flush()
        self.environ = environ = self.make_environ()
        chunked = environ.pop("HTTP_TRANSFER_ENCODING", "")
        length = int(environ.get("CONTENT_LENGTH") or 0)
        content = environ["wsgi.input"].read() if chunked else environ["wsgi.input"].read(length)
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(content), str(len(content))
        status, headers, body = self._run(environ)
        sent = environ.get(SENT)
        if sent is not None:
            self.close_connection = True
        if sent is not None and sent < 0:
            return
        code, _, reason = status.partition(" ")
        header_names = {name.lower() for name, _ in headers}
        respond = (
            self.send_response_only if "date" in header_names else self.send_response
        )  # which gives this machine's date
        respond(int(code), reason or HTTPStatus(int(code)).phrase)
        for name, value in headers:
            if name.lower() != "connection":
                self.send_header(name, value)
        if "content-length" not in header_names:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:sent])
        self.wfile.flush()

    def _run(self, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
            started[:] = [status, headers]

        try:
            body = b"".join(self.server.app(environ, start_response))
        except Exception:  # noqa: BLE001 - a server answers whatever happens, and says what it was
            _log.exception("the sandbox failed to answer %s", environ.get("HTTP_X_AMZ_TARGET") or self.path)
            return "500 Internal Server Error", [], b""
        return started[0], started[1], body

    def log_request(self, *_: Any) -> None:
        """Log nothing: requests carry items."""


class _Threaded(ThreadedWSGIServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, application: Callable[..., Any]) -> None:
        self.connections: set[socket.socket] = set()
        # Bound here, because werkzeug ends the process when a port is taken.
        with socket.create_server((LOOPBACK, port)) as bound:
            super().__init__(LOOPBACK, port, application, handler=_Handler, fd=bound.fileno())


class Server:
    """A WSGI application served by a thread.

    Args:
        application: What to serve.
        port: Port on 127.0.0.1; 0 takes a free one.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, application: Callable[..., Any], port: int) -> None:
        self._server = _Threaded(port, application)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name="sandbox")

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.port)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and close every connection that is still open."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for connection in list(self._server.connections):
            with contextlib.suppress(OSError):  # its client may be closing it at this moment
                connection.shutdown(socket.SHUT_RDWR)
