"""Requests and replies of DynamoDB's JSON protocol, and the layers they pass on their way to moto."""

from __future__ import annotations

import io
import re
import uuid
from binascii import crc32
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self

import orjson
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.iam.models import get_account_id_from

from pitrkit.sandbox.store.backend import PastBackend
from pitrkit.sandbox.store.partiql import table_of
from pitrkit.sandbox.store.tables import PastTable

OK = 200
BAD_REQUEST = 400
_SERVICES = {
    "DynamoDB": "dynamodb",
    "DynamoDBStreams": "dynamodbstreams",
    "GraniteServiceVersion20100801": "cloudwatch",
    "CloudTrail": "cloudtrail",
    "AWSBackup": "backup",
    "AnyScaleFrontendService": "application-autoscaling",
}
_MAPPINGS = "/2015-03-31/event-source-mappings"
_LAMBDA = {"GET": "ListEventSourceMappings", "POST": "CreateEventSourceMapping"}
_LAMBDA_ONE = {"GET": "GetEventSourceMapping", "PUT": "UpdateEventSourceMapping", "DELETE": "DeleteEventSourceMapping"}
"""Lambda is spoken to by paths; only its event source mappings are told apart here."""
_CREDENTIAL = re.compile(r"Credential=([^/,]+)/[^/]+/([^/]+)/")


class ServiceError(Exception):
    """An error that the service answers with.

    Args:
        code: The service's code, e.g. `TableNotFoundException`.
        message: Its message.
        details: Further fields of the answer.
    """

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


def invalid(message: str) -> ServiceError:
    """Return the service's ValidationException."""
    return ServiceError("ValidationException", message)


def service_of(environ: dict[str, Any]) -> str:
    """Return boto's name of the service that a request is for, empty for one that is none of those answered here."""
    target = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[0].rpartition(".")[2]
    if not target and environ.get("PATH_INFO", "").startswith(_MAPPINGS):
        return "lambda"
    return _SERVICES.get(target.partition("_")[0], "")


def operation_of(environ: dict[str, Any]) -> str:
    """Return the API's name of the operation that a request is for."""
    if "HTTP_X_AMZ_TARGET" in environ:
        return str(environ["HTTP_X_AMZ_TARGET"].rpartition(".")[2])
    named = environ["PATH_INFO"].removeprefix(_MAPPINGS).strip("/")
    return (_LAMBDA_ONE if named else _LAMBDA).get(environ["REQUEST_METHOD"], "")


@dataclass(frozen=True, slots=True)
class ServiceReply:
    """An HTTP reply.

    Attributes:
        status: The status code.
        headers: Headers, without the length.
        content: The body.
        sent: How many bytes of the body are sent before the connection is closed; negative sends not even the
            headers, None everything.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    content: bytes
    sent: int | None = None

    @classmethod
    def json(cls, body: Any, *, status: int = OK) -> Self:
        """Return a reply of the JSON protocol with its id and checksum."""
        return cls.of(status, orjson.dumps(body))

    @classmethod
    def of(cls, status: int, content: bytes) -> Self:
        """Return the same for a body that is JSON already."""
        headers = (
            ("Content-Type", "application/x-amz-json-1.0"),
            ("x-amzn-RequestId", str(uuid.uuid4())),
            ("x-amz-crc32", str(crc32(content))),
        )
        return cls(status, headers, content)

    @classmethod
    def error(cls, error: ServiceError) -> Self:
        """Return the reply for an error."""
        body = {"__type": f"com.amazonaws.dynamodb.v20120810#{error.code}", "message": error.message}
        return cls.json({**body, **error.details}, status=BAD_REQUEST)

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body."""
        body: dict[str, Any] = orjson.loads(self.content)
        return body


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """One request to DynamoDB, or to a service that is spoken to in the same way.

    Attributes:
        operation: Name of the API operation, e.g. `PutItem`.
        body: Its parameters.
        region: Region that the request is signed for.
        account: Account that its access key belongs to.
        access_key: The access key that it is signed with.
        environ: The WSGI environment that it came in.
    """

    operation: str
    body: dict[str, Any]
    region: str
    account: str
    access_key: str
    environ: dict[str, Any]

    @classmethod
    def read(cls, environ: dict[str, Any], content: bytes) -> Self:
        """Return the request of a WSGI environment whose body is *content*.

        Raises:
            ServiceError: The body is not JSON, or the request is not signed.
        """
        signed = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
        if signed is None:
            raise ServiceError("MissingAuthenticationTokenException", "Request is missing Authentication Token")
        key, region = signed.groups()
        try:
            body = orjson.loads(content or b"{}")
        except orjson.JSONDecodeError:
            raise ServiceError("SerializationException", "The request is not JSON") from None
        return cls(operation_of(environ), body, region, get_account_id_from(key) or DEFAULT_ACCOUNT_ID, key, environ)

    def changed(self, operation: str, body: dict[str, Any]) -> Self:
        """Return this caller's request for something else."""
        service = self.environ["HTTP_X_AMZ_TARGET"].rpartition(".")[0]
        content = orjson.dumps(body)
        environ = {
            **self.environ,
            "HTTP_X_AMZ_TARGET": f"{service}.{operation}",
            "CONTENT_LENGTH": str(len(content)),
            "wsgi.input": io.BytesIO(content),
        }
        return replace(self, operation=operation, body=body, environ=environ)

    @property
    def service(self) -> str:
        """The service that it is for, by boto's name."""
        return service_of(self.environ)

    @property
    def backend(self) -> PastBackend:
        """The tables of the caller's account and region."""
        backend: PastBackend = dynamodb_backends[self.account][self.region]
        return backend

    def tables(self) -> Iterator[str]:
        """Yield the names (or ARNs) of the tables that the parameters name."""
        yield from (self.body[name] for name in ("TableName", "TableArn") if name in self.body)
        yield from self.body.get("RequestItems", ())
        for item in self.body.get("TransactItems", ()):
            yield from (action["TableName"] for action in item.values())
        for statement in (self.body, *self.body.get("Statements", ()), *self.body.get("TransactStatements", ())):
            yield from filter(None, [table_of(statement.get("Statement", ""))])
        for stream in ("StreamArn", "ShardIterator"):
            if stream in self.body:
                yield self.body[stream].partition("/stream/")[0]

    def table(self, name_or_arn: str) -> PastTable | None:
        """Return a table of the caller's by its name or ARN, or None."""
        name = name_or_arn.rpartition(":table/")[2]
        return self.backend.tables.get(name)


Handler = Callable[[ServiceRequest], ServiceReply]
Layer = Callable[[ServiceRequest, Handler], ServiceReply]
Native = Callable[[ServiceRequest, Handler], dict[str, Any]]
"""An operation that is answered here; it may ask the handler below for parts of its answer."""


def layered(layers: Sequence[Layer], last: Handler) -> Handler:
    """Return the handler that passes a request through *layers*, outermost first, down to *last*."""
    handler = last
    for layer in reversed(layers):
        handler = _around(layer, handler)
    return handler


def _around(layer: Layer, inner: Handler) -> Handler:
    return lambda request: layer(request, inner)


def timestamp(at: datetime) -> float:
    """Return a time as the protocol has it: seconds since 1970."""
    return at.timestamp()


def moment(seconds: float) -> datetime:
    """Return a time of the protocol as an aware datetime."""
    return datetime.fromtimestamp(seconds, UTC)
