"""An AWS on loopback whose DynamoDB has a past.

How it is put together. A request goes through these, from the outside in:

1. `http_server`: werkzeug's threaded server on 127.0.0.1, with connections that stay open.
2. `Front`: the WSGI application. `/_sandbox/` is the sandbox's own (`control`). Services that tell of tables have
   layers of their own: DynamoDB Streams (`streams`), CloudWatch (`cloudwatch`), CloudTrail (`cloudtrail`), AWS Backup
   (`aws_backup`). All others go straight to moto and stay as moto has them, S3 except for what its `buckets` deny.
3. Layers around DynamoDB, each a function `(request, inner) -> reply` (`protocol`). Errors become replies; requests are
   serialised; what moto cannot do is answered here (`pitr`, `backups`, `exports`); tables that are still being created
   are refused, and so is what is no name or value (`validation`); replies are made exact (`writes`, `reads`); what
   happens is counted and recorded (`metering`, `cloudtrail`); a caller whose policies do not allow it is refused
   (`authority`, and `moto_access` for what moto answers by itself). Around them all is what shall go wrong on demand
   (`faults`).
4. moto's own application, which parses, validates and evaluates.
5. `backend` and `tables`: moto's classes with the storage replaced by `rows` (items in the order of a scan) and
   `history` (every change with its time, from which `pitr` computes earlier states). `moto_patches` corrects how moto
   compares values.

Why this way. The history is taken where items are stored, not where requests come in, so that no write path can miss
it. One lock around every DynamoDB request makes conditions atomic between clients, as they are in the service; with
Python's own lock around the interpreter it costs nothing that was there to be had. And every write is dated by one
`Clock`, which a scenario can set.

moto's state belongs to the process, so only one sandbox is open at a time in one process, and each begins empty.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Self

import boto3
from botocore.config import Config
from botocore.model import OperationNotFoundError
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.base_backend import BackendDict
from moto.dynamodb.exceptions import DynamodbException
from moto.dynamodb.models import DynamoDBBackend, dynamodb_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Response

from pitrkit.sandbox.access.authority import Authority
from pitrkit.sandbox.access.resource_policies import ResourcePolicies
from pitrkit.sandbox.exports.buckets import EXPORTS_BUCKET, Buckets, S3Request
from pitrkit.sandbox.exports.export_files import ExportSettings
from pitrkit.sandbox.exports.exports import Exports
from pitrkit.sandbox.protocol import metering, protocol
from pitrkit.sandbox.protocol.faults import Faults
from pitrkit.sandbox.protocol.legacy_expressions import expressions
from pitrkit.sandbox.protocol.protocol import (
    Handler,
    Layer,
    Native,
    ServiceError,
    ServiceReply,
    ServiceRequest,
    layered,
)
from pitrkit.sandbox.protocol.reads import read_layer
from pitrkit.sandbox.protocol.statements import statements
from pitrkit.sandbox.protocol.validation import forms, unfinished
from pitrkit.sandbox.protocol.writes import write_layer
from pitrkit.sandbox.server import control, http_server, moto_access, seeding
from pitrkit.sandbox.services import aws_backup, table_settings
from pitrkit.sandbox.services.backups import Backups
from pitrkit.sandbox.services.cloudtrail import Lookups
from pitrkit.sandbox.services.cloudwatch import metrics
from pitrkit.sandbox.services.pitr import PointInTimeRecovery
from pitrkit.sandbox.services.streams import Streams
from pitrkit.sandbox.store import moto_patches
from pitrkit.sandbox.store.backend import PastBackend
from pitrkit.sandbox.store.clock import Clock
from pitrkit.sandbox.store.history import PastWrite
from pitrkit.sandbox.store.stream_shards import BUSY_RECORDS
from pitrkit.sandbox.store.trail_events import EventTrail

DEFAULT_REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "sandbox"}

StartResponse = Callable[..., Any]


class Front:
    """The WSGI application: the sandbox's own requests, those of services with layers, the rest to moto."""

    def __init__(
        self,
        own: control.SandboxControl,
        layers: Mapping[str, list[Layer]],
        lock: threading.Lock,
        faults: Faults,
        buckets: Buckets,
    ) -> None:
        self._own = own
        self._authority = own.authority
        self._buckets = buckets
        self._moto: Callable[..., Iterable[bytes]] = DomainDispatcherApplication(create_backend_app)
        self._moto_dynamodb = create_backend_app("dynamodb")
        around: list[Layer] = [metering.throttled, faults.layer, self._one_at_a_time]
        self._handlers = {
            service: layered([*around, *its], self._by_moto if service == "dynamodb" else self._by_all_of_moto)
            for service, its in layers.items()
        }
        self._lock = lock

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one HTTP request."""
        content = environ["wsgi.input"].read()  # `http_server` has read it whole already
        environ["wsgi.input"].seek(0)
        path = environ.get("PATH_INFO", "")
        if path.startswith(control.PREFIX):
            return _send(self._own.answer(environ["REQUEST_METHOD"], path, content), start_response)
        called, content = aws_backup.with_operation_name(environ, content)
        handler = self._handlers.get(protocol.service_of(called))
        if handler is None:
            return self._s3(environ, content, start_response) or self._others(environ, content, start_response)
        try:
            request = ServiceRequest.read(called, content)
        except ServiceError as error:
            return _send(ServiceReply.error(error), start_response)
        reply = handler(request)
        environ[http_server.SENT] = reply.sent
        return _send(reply, start_response)

    def _s3(self, environ: dict[str, Any], content: bytes, start_response: StartResponse) -> list[bytes] | None:
        """See to it that S3 holds what it should by now; answer for a bucket that denies or was sent garbage."""
        request = S3Request.read(environ)
        if request is None:
            return None
        with self._lock:
            self._own.exports.settle()
        refusal = self._buckets.refusal(request, content) or moto_access.s3_reply(self._authority, request)
        return None if refusal is None else _send(refusal, start_response)

    def _others(self, environ: dict[str, Any], content: bytes, start_response: StartResponse) -> Iterable[bytes]:
        reply = moto_access.reply(self._authority, environ, content)
        return self._moto(environ, start_response) if reply is None else _send(reply, start_response)

    def _one_at_a_time(self, request: ServiceRequest, inner: Handler) -> ServiceReply:
        with self._lock:
            return inner(request)

    def _by_moto(self, request: ServiceRequest) -> ServiceReply:
        try:
            response = Response.from_app(self._moto_dynamodb, request.environ, buffered=True)
        except OperationNotFoundError:
            raise ServiceError("UnknownOperationException", "There is no such operation") from None
        return ServiceReply.of(response.status_code, response.get_data())

    def _by_all_of_moto(self, request: ServiceRequest) -> ServiceReply:
        response = Response.from_app(self._moto, request.environ, buffered=True)
        return ServiceReply(response.status_code, tuple(response.headers.items()), response.get_data())


def _send(reply: ServiceReply, start_response: StartResponse) -> list[bytes]:
    headers = [(name, value) for name, value in reply.headers if name.lower() != "content-length"]
    start_response(str(reply.status), [*headers, ("Content-Length", str(len(reply.content)))])
    return [reply.content]


def _errors(request: ServiceRequest, inner: Handler) -> ServiceReply:
    """Outermost layer: errors become replies."""
    try:
        return inner(request)
    except ServiceError as error:
        return ServiceReply.error(error)
    except DynamodbException as error:
        return ServiceReply.error(ServiceError(error.error_type.rpartition("#")[2], error.message))


def _answering(operations: Mapping[str, Native]) -> Layer:
    """Return the layer that answers *operations* itself."""

    def answering(request: ServiceRequest, inner: Handler) -> ServiceReply:
        native = operations.get(request.operation)
        return inner(request) if native is None else ServiceReply.json(native(request, inner))

    return answering


class Sandbox:
    """An AWS of one's own, as a context manager. Nothing of it survives the end of the block.

    Args:
        port: Port on 127.0.0.1; 0 takes a free one.
        restore_seconds: Real seconds that a restore takes.
        export_seconds: Real seconds that an export takes.
        latest_lag_seconds: How far the latest restorable time is behind the clock; about 300 in the service.
        region: Region of `client`, `environment` and `seed`. Other regions exist as well.
        ticking: Whether the clock goes on by itself, see `Clock`.
        busy_records: As many records as a shard of a table's stream takes before it is split.
        policy_lag_seconds: Real seconds until a table's policy that was put takes effect, and is told.

    Attributes:
        clock: Dates everything that happens.
        faults: What goes wrong.
        authority: Whose policies count.
        exports: How exports go, in its `settings`.
        policies: The policies of tables, with the time they take to count.
        truth: Set by a scenario to tell at `/_sandbox/truth` what it knows to be true.
        port: The port, once it serves.
    """

    _open: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self,
        *,
        port: int = 0,
        restore_seconds: float = 0.0,
        export_seconds: float = 0.0,
        latest_lag_seconds: float = 0.0,
        region: str = DEFAULT_REGION,
        ticking: bool = True,
        busy_records: int = BUSY_RECORDS,
        policy_lag_seconds: float = 0.0,
    ) -> None:
        self.clock = Clock(ticking=ticking)
        self.faults = Faults()
        self.authority = Authority()
        self.truth: Callable[[], dict[str, Any]] | None = None
        self.port = port
        self.region = region
        self._recovery = PointInTimeRecovery(self.clock, restore_seconds, latest_lag_seconds)
        self._backups = Backups(self.clock, restore_seconds)
        self._vaults = aws_backup.Vaults(self.clock, self._backups, restore_seconds)
        self.policies = ResourcePolicies(policy_lag_seconds)
        self._buckets = Buckets(self.faults)
        spelt = ExportSettings(export_seconds=export_seconds)
        self.exports = Exports(self.clock, self._recovery, self._buckets, self.faults, spelt, authority=self.authority)
        self._busy_records = busy_records
        self._lock = threading.Lock()
        self._server: http_server.Server | None = None

    def __enter__(self) -> Self:
        if not self._open.acquire(blocking=False):
            raise RuntimeError("a sandbox is already open in this process: moto's state is shared by the process")
        try:
            moto_patches.mend()
            BackendDict.reset()
            dynamodb_backends.backend = PastBackend.dated(self.clock, busy_records=self._busy_records)
            own = control.SandboxControl(
                self.clock,
                lambda: self.truth() if self.truth else None,
                self.faults,
                self.exports,
                self.expire,
                self.authority,
                self.region,
            )
            lookups, streams = Lookups(self.clock), Streams(self.clock)
            layers: list[Layer] = [
                lookups.recorded,
                metering.counted,
                _errors,
                self.authority.enforced,
                self.policies.enforced,
                unfinished,
                self._backups.before_deletion,
                table_settings.keep_settings,
                _answering(
                    {
                        **self._recovery.operations(),
                        **self._backups.operations(),
                        **self.exports.operations(),
                        **table_settings.operations(),
                        **self.policies.operations(),
                    }
                ),
                forms,
                expressions,
                statements,
                write_layer,
                read_layer,
            ]
            services: dict[str, list[Layer]] = {
                "dynamodb": layers,
                "dynamodbstreams": [
                    streams.dated,
                    lookups.recorded,
                    _errors,
                    self.authority.enforced,
                    _answering(streams.operations()),
                ],
                "cloudwatch": [_errors, self.authority.enforced, metrics],
                "cloudtrail": [_errors, self.authority.enforced, _answering(lookups.operations())],
                "backup": [_errors, self.authority.enforced, _answering(self._vaults.operations())],
                "application-autoscaling": [_errors, self.authority.enforced],
                "lambda": [_errors, self.authority.enforced],
            }
            front = Front(own, services, self._lock, self.faults, self._buckets)
            self._server = http_server.Server(front, self.port)
        except BaseException:
            self._open.release()
            raise
        self.port = self._server.port
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.stop()
        BackendDict.reset()
        dynamodb_backends.backend = DynamoDBBackend
        self._open.release()

    @property
    def url(self) -> str:
        """Where it serves, for `AWS_ENDPOINT_URL`."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """Return the environment variables that point any AWS client here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            **CREDENTIALS,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
        }

    def client(self, service: str, **options: Any) -> Any:
        """Return a boto3 client for *service*; *options* as for `boto3.client`."""
        return boto3.session.Session().client(
            service,
            **{
                "endpoint_url": self.url,
                "region_name": self.region,
                "aws_access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
                "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
                "config": Config(retries={"total_max_attempts": 1}),
                **options,
            },
        )

    def bucket(self, name: str = EXPORTS_BUCKET) -> str:
        """Make a bucket, for exports to go to, and return its name."""
        self._buckets.create(name, account=DEFAULT_ACCOUNT_ID, region=self.region)
        return name

    @property
    def trail(self) -> EventTrail:
        """What CloudTrail has recorded; a scenario adds what happened before."""
        trail: EventTrail = self._tables.trail
        return trail

    def expire(self) -> dict[str, int]:
        """Have the service delete what has expired by TTL, and return how many items it deleted by table."""
        with self._lock:
            return self._tables.expire()

    @property
    def _tables(self) -> PastBackend:
        tables: PastBackend = dynamodb_backends[DEFAULT_ACCOUNT_ID][self.region]
        return tables

    def seed(
        self,
        create_table: dict[str, Any],
        writes: Iterable[PastWrite],
        *,
        created_at: datetime,
        pitr: bool = True,
        ttl_attribute: str = "",
        tags: dict[str, str] | None = None,
    ) -> None:
        """Lay a past into a new table, without sending it over HTTP: 20,000 writes in about a second.

        Args:
            create_table: Parameters of CreateTable.
            writes: What happened, in the order of time.
            created_at: When the table was created, aware.
            pitr: Whether point-in-time recovery has been on from the beginning.
            ttl_attribute: Attribute of the TTL setting; empty leaves TTL off.
            tags: Tags of the table.

        Raises:
            ValueError: A time is naive, in the future, or out of order.
        """
        with self._lock:
            seeding.seed(
                self._tables,
                create_table,
                writes,
                created_at=created_at,
                pitr=pitr,
                ttl_attribute=ttl_attribute,
                tags=tags or {},
            )
