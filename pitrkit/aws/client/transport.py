"""The fast way to a table: the service's own JSON, sent and received as bytes.

boto3 costs about half a millisecond of Python for a request, and some microseconds for every attribute value that
it reads or writes: it validates against a model, builds an object for each value, and signs with a signer for
everything. An incident has millions of items, and all that happens to them here is that their bytes are compared and
sent on. So this module, and the two below it (`http_connection`, `sigv4`), do what boto3 does for exactly one kind of
request, and leave the bytes alone.

Everything that has to be decided (credentials and their refreshing, region, endpoint with its account id, proxies,
CA bundle, client certificate, user agent) is boto3's own decision: a request of boto3's is prepared, looked at, and
not sent. Errors are those of `Aws.call`. The checksum of every answer is verified.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from pitrkit.aws.client.backoff import Backoff
from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.error_mapping import Ambiguous, Throttled, no_answer, not_signed, refusal
from pitrkit.aws.client.http_connection import BrokenReply, Connection, HttpReply, Pool
from pitrkit.aws.client.sigv4 import Address, Signer
from pitrkit.errors import NoCredentials, PitrkitError

ATTEMPTS = 12
_AFTER_THROTTLING, _AFTER_DOUBT = Backoff(first=0.2), Backoff(first=0.05)

_SERVICE = "dynamodb"
_OK = 200
_NO_ANSWER = (OSError, HTTPError, BrokenReply, ValueError, zlib.error)
_ANY_MESSAGE = 200
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answered.

    Attributes:
        body: The answer's JSON.
        request_id: The service's id of the request.
        attempts: How many requests it took.
    """

    body: bytes
    request_id: str
    attempts: int = 1


class Wire:
    """One region's table service. Safe to share between threads; not to be taken into another process.

    Args:
        signer: Writes the head of each request.
        pool: Connections to the service.
        pause: Waits that many seconds between two attempts.
    """

    def __init__(self, signer: Signer, pool: Pool, *, pause: Callable[[float], object] = time.sleep) -> None:
        self._signer = signer
        self._pool = pool
        self._pause = pause

    @classmethod
    def of(cls, aws: Aws, *, max_connections: int = 64, pause: Callable[[float], object] = time.sleep) -> Wire:
        """Return the wire to where *aws* goes, in its name.

        Args:
            aws: Decides credentials, region, endpoint, proxy and all that.
            max_connections: How many requests `send_all` has under way at once, and how many idle connections are kept.
            pause: Waits that many seconds between two attempts.

        Raises:
            NoCredentials: There are none, or they cannot be read.
        """
        request, client = aws.prepared(_SERVICE, "scan", TableName="any")
        address, connect = _way(request, client)
        return cls(Signer(aws.credentials, address), Pool(connect, size=max_connections), pause=pause)

    def send(self, operation: str, body: bytes, *, table: str = "") -> Answer:
        """Send one request, exactly once.

        Args:
            operation: The API's name for it, e.g. `PutItem`.
            body: The request's JSON.
            table: For messages.

        Raises:
            Throttled: Refused for its rate, with the service's reasons. Nothing was done.
            Ambiguous: No whole answer, a bad checksum, or a server fault: it may have been done.
            ConditionFailed: A condition was not met; `found` is the item that was there, if the request asks for it.
            AwsError: Or another of its subclasses, as `Aws.call` has them.
            NoCredentials: Credentials are missing, wrong or expired.
        """
        return self._received(self._sent(operation, body, table), operation, table)

    def send_all(self, requests: Sequence[tuple[str, bytes]], *, table: str = "") -> list[Answer | PitrkitError]:
        """Send many requests at once from this one thread, each exactly once, and wait for all of their answers.

        Cheaper than `send` in as many threads, which hand the interpreter to each other for every packet. All are under
        way before the first answer is read, each on a connection of its own, at most `max_connections` at a time.

        Args:
            requests: Operation and body of each.
            table: For messages.

        Returns:
            For each request, in order, its answer, or the error that `send` would have raised.
        """
        answers: list[Answer | PitrkitError] = []
        for start in range(0, len(requests), self._pool.size):
            request_batch = requests[start : start + self._pool.size]
            under_way = [_or_error(self._sent, operation, body, table) for operation, body in request_batch]
            answers += [
                sent if isinstance(sent, PitrkitError) else _or_error(self._received, sent, operation, table)
                for sent, (operation, _) in zip(under_way, request_batch, strict=True)
            ]
        return answers

    def call(
        self,
        operation: str,
        body: bytes,
        *,
        table: str = "",
        on_failure: Callable[[Throttled | Ambiguous], object] | None = None,
    ) -> Answer:
        """Send one request until it is answered; for reads, and for writes that may be done twice.

        Throttling, lost answers and server faults are tried again, up to `ATTEMPTS` times in all, after a pause of
        full jitter that grows. When the service calls credentials expired and there are fresh ones by then, they
        are tried once.

        Args:
            operation: As for `send`.
            body: As for `send`.
            table: For messages.
            on_failure: Told of each attempt that is going to be repeated, e.g. to slow down.

        Raises:
            AwsError: Or one of its subclasses: the last attempt's error.
            NoCredentials: As `send`.
        """
        renewed = False
        for attempt in range(1, ATTEMPTS + 1):
            signed_by = self._signer.identity
            try:
                answer = self.send(operation, body, table=table)
            except (Throttled, Ambiguous) as error:
                if attempt == ATTEMPTS:
                    raise
                if on_failure is not None:
                    on_failure(error)
                self._pause((_AFTER_THROTTLING if isinstance(error, Throttled) else _AFTER_DOUBT).pause(attempt))
            except NoCredentials:
                if renewed or self._signer.identity == signed_by:
                    raise
                renewed = True
            else:
                return Answer(answer.body, answer.request_id, attempt)
        raise AssertionError("unreachable")

    def _sent(self, operation: str, body: bytes, table: str) -> Connection:
        """Send a request and return the connection on which its answer will come."""
        try:
            head = self._signer.head(operation, body)
        except (BotoCoreError, ClientError) as error:
            raise not_signed(error, _SERVICE, operation) from error
        connection = None
        try:
            connection = self._pool.take()
            connection.send(head, body)
        except _NO_ANSWER as error:
            if connection is not None:
                connection.close()
            raise no_answer(error, _SERVICE, operation, table) from error
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        return connection

    def _received(self, connection: Connection, operation: str, table: str) -> Answer:
        try:
            reply = connection.receive()
        except _NO_ANSWER as error:
            connection.close()
            raise no_answer(error, _SERVICE, operation, table) from error
        except BaseException:  # an interrupt: the rest of the answer must not be taken for the next one's
            connection.close()
            raise
        self._pool.give_back(connection, reusable=reply.reusable)
        if reply.status != _OK:
            answered = _error(reply, operation)
            raise refusal(answered, _SERVICE, operation, table) from answered
        return Answer(reply.body, reply.request_id)


def _or_error(step: Callable[..., Any], *args: Any) -> Any:
    try:
        return step(*args)
    except PitrkitError as error:
        return error


def _way(request: Any, client: Any) -> tuple[Address, Callable[[], Any]]:
    """Return where a prepared request of boto3's would go, and what connects there as boto3 would.

    boto3 keeps proxies, CA bundle and client certificate in its HTTP session, which has no public face; a copy of its
    logic would be one more thing to be wrong. `tests/dynamodb/test_wire.py` goes through proxies and TLS to hold this.
    """
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
    }
    url = urlsplit(request.url)
    _, _, region, service, _ = headers["authorization"].partition("Credential=")[2].partition(",")[0].rsplit("/", 4)
    http = client._endpoint.http_session  # noqa: SLF001
    proxy = http._proxy_config.proxy_url_for(request.url)  # noqa: SLF001
    pool = http._get_connection_manager(request.url, proxy).connection_from_url(request.url)  # noqa: SLF001
    http._setup_ssl_cert(pool, request.url, http._verify)  # noqa: SLF001
    forwarded = pool.proxy is not None and url.scheme == "http"

    def connect() -> Any:
        link = pool._new_conn()  # noqa: SLF001
        if pool.proxy is not None and not forwarded:
            pool._prepare_proxy(link)  # noqa: SLF001
        else:
            link.connect()
        link.sock.settimeout(pool.timeout.read_timeout)
        return link

    host = url.hostname or ""
    port = f":{url.port}" if url.port and url.port != _DEFAULT_PORTS[url.scheme] else ""
    address = Address(
        target=http._get_request_target(request.url, proxy),  # noqa: SLF001
        path=url.path or "/",
        host=(f"[{host}]" if ":" in host else host) + port,
        region=region,
        service=service,
        version=headers["x-amz-target"].partition(".")[0],
        user_agent=headers["user-agent"],
        extra="".join(f"{name}:{value}\r\n" for name, value in pool.proxy_headers.items()) if forwarded else "",
    )
    return address, connect


def _error(reply: HttpReply, operation: str) -> ClientError:
    """Return botocore's error for an answer that is none, also one that is not the service's but a proxy's."""
    try:
        error_document = orjson.loads(reply.body)
    except ValueError:
        error_document = None
    if not isinstance(error_document, dict):
        error_document = {"message": reply.body[:_ANY_MESSAGE].decode("utf-8", "replace")}
    code = str(error_document.get("__type", reply.status)).rpartition("#")[2]
    meta = {"HTTPStatusCode": reply.status, "RequestId": reply.request_id}
    message = error_document.get("message") or error_document.get("Message") or ""
    return ClientError(
        {**error_document, "Error": {"Code": code, "Message": message}, "ResponseMetadata": meta}, operation
    )
