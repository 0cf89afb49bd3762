"""Request heads, signed: Signature Version 4 for the one kind of request that `transport` sends.

botocore's signer builds a request object, sorts and quotes whatever it finds in it, and derives the signing key anew
each time: about 150 µs a request. Here all requests are a POST to one address that differ in operation, time and
body, so what stays the same is put together once a second, and four hashes are left. Tests hold that the
signature is botocore's own.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

CONTENT_TYPE = "application/x-amz-json-1.0"


@dataclass(frozen=True, slots=True)
class Address:
    """Where requests go and in whose name, as boto3 resolved it.

    Attributes:
        target: What stands in the request line: a path, or the whole URL for a proxy that forwards plain HTTP.
        path: Path of the endpoint, for the signature.
        host: Value of the Host header.
        region: Region of the signature.
        service: Service of the signature.
        version: What precedes the operation's name in X-Amz-Target, e.g. `DynamoDB_20120810`.
        user_agent: boto3's own, with the kit's name in it.
        extra: Further header lines, each ending in CR LF, that are not signed: those for a proxy.
    """

    target: str
    path: str
    host: str
    region: str
    service: str
    version: str
    user_agent: str
    extra: str = ""


class Signer:
    """Writes request heads. Safe to share between threads.

    Args:
        credentials: botocore's credentials. They are asked at every request, so those that refresh do.
        address: Where requests go.
        clock: Seconds since the epoch.
    """

    def __init__(self, credentials: Any, address: Address, *, clock: Callable[[], float] = time.time) -> None:
        self._credentials = credentials
        self._address = address
        self._clock = clock
        self._templates: dict[str, tuple[Any, int, _Template]] = {}

    @property
    def identity(self) -> Any:
        """The credentials that a request would be signed with now."""
        return self._credentials.get_frozen_credentials()

    def head(self, operation: str, body: bytes) -> bytes:
        """Return the request line and headers for *body*, up to and with the empty line."""
        frozen = self._credentials.get_frozen_credentials()
        second = int(self._clock())
        cached = self._templates.get(operation)
        if cached is None or cached[1] != second or cached[0] != frozen:
            cached = self._templates[operation] = (frozen, second, _Template(frozen, self._address, operation, second))
        return cached[2].filled(body)


class _Template:
    """What the requests for one operation within one second have in common."""

    __slots__ = ("_canonical", "_head", "_key", "_tail", "_to_sign")

    def __init__(self, frozen: Any, address: Address, operation: str, second: int) -> None:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        day = moment[:8]
        headers = {
            "content-type": CONTENT_TYPE,
            "host": address.host,
            "x-amz-date": moment,
            **({"x-amz-security-token": frozen.token} if frozen.token else {}),
            "x-amz-target": f"{address.version}.{operation}",
        }
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        signed = ";".join(headers)
        scope = f"{day}/{address.region}/{address.service}/aws4_request"
        self._canonical = f"POST\n{address.path}\n\n{lines}\n{signed}\n".encode()
        self._to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n"
        key = f"AWS4{frozen.secret_key}".encode()
        for part in (day, address.region, address.service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._key = key
        self._head = (
            f"POST {address.target} HTTP/1.1\r\n"
            f"{lines.replace(chr(10), chr(13) + chr(10))}"
            f"user-agent:{address.user_agent}\r\naccept-encoding:identity\r\n{address.extra}"
            f"authorization:AWS4-HMAC-SHA256 Credential={frozen.access_key}/{scope}, SignedHeaders={signed}, Signature="
        )
        self._tail = "\r\ncontent-length:"

    def filled(self, body: bytes) -> bytes:
        canonical = self._canonical + sha256(body).hexdigest().encode()
        to_sign = self._to_sign + sha256(canonical).hexdigest()
        signature = hmac.digest(self._key, to_sign.encode(), "sha256").hex()
        return f"{self._head}{signature}{self._tail}{len(body)}\r\n\r\n".encode()
