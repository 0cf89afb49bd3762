"""The client: one AWS account, one Region, every error told apart.

All calls go through `Aws.call`. It keeps the service's error code and request id, names the IAM action that is
missing, and, for writes whose outcome must be known, can be told to try exactly once: then a lost answer is
`Ambiguous` (it may have been done), which botocore's own retries would hide.

Each call that changes something is told as it is answered, with the service's request id: whoever keeps a record sets
`Aws.on_change`; then no change can be made past it, whatever part of the kit makes it. Writes of items go another way
(`transport`), and are in the journal of their copy.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from threading import Lock
from typing import Any, Literal
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoRegionError,
    ParamValidationError,
    ProfileNotFound,
)
from botocore.loaders import Loader

from pitrkit import __version__
from pitrkit.aws.client.error_mapping import CREDENTIAL_ERRORS, SIGN_IN, no_answer, not_signed, refusal
from pitrkit.errors import AwsError, BadInput, NoCredentials, NoRegion, WouldWrite

_ONLY_LOOKS = ("describe_", "list_", "get_", "batch_get_", "head_", "lookup_", "scan", "query", "simulate_")
_CHANGES_NOTHING = {("kms", "sign"), ("kms", "verify"), ("sts", "assume_role")}


@dataclass(frozen=True, slots=True)
class Called:
    """A call that changes something in AWS, answered.

    Attributes:
        service: boto3's name of the service.
        operation: The API's name of the operation, e.g. `RestoreTableToPointInTime`.
        table: Table it is about, empty where there is none.
        outcome: `done`; `refused`: nothing was done; `unknown`: no whole answer, so it may have been done.
        request_id: AWS's id of the request, empty without an answer.
        code: The service's error code, empty if there was none.
    """

    service: str
    operation: str
    table: str
    outcome: Literal["done", "refused", "unknown"]
    request_id: str
    code: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return it as plain JSON."""
        return asdict(self)


def api_name(operation: str) -> str:
    """Return the API's name of boto3's *operation*: `PutItem` of `put_item`."""
    return "".join(part.capitalize() for part in operation.split("_"))


def request_id(answer: Mapping[str, Any]) -> str:
    """Return AWS's id of the request that *answer* answers, empty where it does not tell."""
    return str(answer.get("ResponseMetadata", {}).get("RequestId", ""))


def changes_something(service: str, operation: str) -> bool:
    """Return whether boto3's *operation* of *service* does more than look."""
    return not operation.startswith(_ONLY_LOOKS) and (service, operation) not in _CHANGES_NOTHING


def call_reported(
    on_change: Callable[[Called], None], send: Callable[[], Any], *, service: str, operation: str, table: str
) -> Any:
    """Return what *send* returns, and tell *on_change* how it ended if the operation changes something."""
    if not changes_something(service, operation):
        return send()
    api = api_name(operation)
    try:
        answer = send()
    except AwsError as error:
        outcome: Literal["refused", "unknown"] = "unknown" if error.unsure else "refused"
        on_change(Called(service, api, table, outcome, error.request_id, error.code))
        raise
    on_change(Called(service, api, table, "done", request_id(answer)))
    return answer


def would_write(operation: str, table: str) -> WouldWrite:
    """Return what to raise where nothing may be changed, instead of calling *operation*."""
    message = f"dry run: stopped before calling {operation}"
    return WouldWrite(message, table=table, fix="Run it without --dry-run to do it.")


def without_quotes(text: str) -> str:
    """Return botocore's message about parameters without the values that it quotes: they may be of an item."""
    return re.sub(r"value: .*?(?=, type: |, valid |$)", "value: ...", text, flags=re.MULTILINE)


MAX_CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, and where."""

    account: str
    arn: str
    region: str

    def to_dict(self) -> dict[str, str]:
        """Return account, ARN and region."""
        return asdict(self)


class Aws:
    """One boto3 session's account and region. Safe to share between threads.

    Attributes:
        region: Region of every call.
        endpoint_url: Where calls go instead of AWS (`AWS_ENDPOINT_URL`), empty for AWS itself.
        read_only: Whether calls that may change something are refused instead of sent.
        on_change: Is told of every call that changes something; None keeps no record.
    """

    on_change: Callable[[Called], None] | None = None

    def __init__(self, session: boto3.Session, *, endpoint_url: str = "", region: str = "") -> None:
        self._session = session
        self._clients: dict[tuple[str, bool], Any] = {}
        self._lock = Lock()
        self.region: str = region or session.region_name
        self.read_only = False
        self._elsewhere: dict[str, Aws] = {}
        configured = self._client("dynamodb", retry=True).meta.endpoint_url if not endpoint_url else ""
        self._override = endpoint_url
        self.endpoint_url = endpoint_url or ("" if _is_aws(configured) else configured)

    @classmethod
    def connect(cls, *, region: str = "", endpoint_url: str = "") -> Aws:
        """Connect as boto3 would: environment, shared configuration, instance role; arguments win.

        Like the AWS CLI and unlike boto3, `AWS_REGION` is read as well as `AWS_DEFAULT_REGION`, and goes before it.

        Raises:
            NoRegion: No region is configured.
            NoCredentials: No credentials are found, or they cannot be read.
        """
        try:
            named = region or os.environ.get("AWS_REGION")
            session = boto3.Session(region_name=named or None)
        except ProfileNotFound as error:
            raise NoCredentials(str(error), fix="Set AWS_PROFILE to a profile of ~/.aws/config.") from error
        except BotoCoreError as error:
            raise NoCredentials(
                str(error), fix="Correct ~/.aws/config, or set AWS_CONFIG_FILE to another file."
            ) from error
        if not session.region_name:
            raise NoRegion("no AWS region is set", fix="Set AWS_REGION, for example `export AWS_REGION=eu-west-1`.")
        try:
            credentials = session.get_credentials()
        except BotoCoreError as error:
            raise NoCredentials(f"AWS credentials cannot be read: {error}", fix=SIGN_IN) from error
        if credentials is None:
            raise NoCredentials("no AWS credentials were found", fix=SIGN_IN)
        try:
            return cls(session, endpoint_url=endpoint_url)
        except ValueError as error:
            raise BadInput(
                f"the endpoint is not a URL: {error}",
                fix="Set AWS_ENDPOINT_URL with its scheme: http://127.0.0.1:8000.",
            ) from error

    def elsewhere(self, region: str) -> Aws:
        """Return the same account, by the same credentials, in *region*; this very object where that is its own."""
        if region in ("", self.region):
            return self
        if region not in self._elsewhere:
            self._elsewhere[region] = Aws(self._session, endpoint_url=self._override, region=region)
        regional_aws = self._elsewhere[region]
        regional_aws.on_change, regional_aws.read_only = self.on_change, self.read_only
        return regional_aws

    @cached_property
    def _caller(self) -> Caller:
        answer = self.call("sts", "get_caller_identity")
        return Caller(account=answer["Account"], arn=answer["Arn"], region=self.region)

    def caller(self) -> Caller:
        """Return who the credentials belong to (asked once)."""
        return self._caller

    def call(self, service: str, operation: str, *, table: str = "", retry: bool = True, **params: Any) -> Any:
        """Call *operation* (boto3's snake_case name) and return its answer.

        Args:
            service: boto3's service name.
            operation: boto3's method name.
            table: Table the call is about, for messages; taken from TableName when absent.
            retry: False sends exactly one attempt, so that the outcome of each is known.
            params: The operation's parameters.

        Raises:
            AwsError: Or one of its subclasses, by the kind of failure.
            NoCredentials: Credentials are missing, wrong or expired.
            BadInput: botocore refuses the parameters.
        """
        table = table or str(params.get("TableName", "") or params.get("TargetTableName", ""))
        if self.read_only and changes_something(service, operation):
            raise would_write(f"{service}:{api_name(operation)}", table)
        method: Callable[..., Any] = getattr(self._client(service, retry=retry), operation)

        def send() -> Any:
            return self._translated(lambda: method(**params), service, operation, table)

        if self.on_change is None:
            return send()
        return call_reported(self.on_change, send, service=service, operation=operation, table=table)

    def paginate(
        self, service: str, operation: str, result_key: str, *, table: str = "", retry: bool = True, **params: Any
    ) -> Iterator[Any]:
        """Yield every element of *result_key* over all pages of *operation*; *retry* is as in `call`."""
        pages = iter(self._client(service, retry=retry).get_paginator(operation).paginate(**params))
        while page := self._translated(lambda: next(pages, None), service, operation, table):
            yield from page.get(result_key, ())

    def offers(self, service: str, operation: str, parameter: str) -> bool:
        """Return whether the installed SDK knows *parameter* of the API's *operation*, e.g. `Scan`."""
        model = self._client(service, retry=True).meta.service_model
        return operation in model.operation_names and parameter in model.operation_model(operation).input_shape.members

    @property
    def credentials(self) -> Any:
        """Credentials as botocore keeps them, which may refresh: ask them for frozen ones at each use."""
        return self._session.get_credentials()

    def prepared(self, service: str, operation: str, **params: Any) -> tuple[Any, Any]:
        """Return the signed HTTP request that boto3 would send for a call, unsent, and the client that would send it.

        Raises:
            NoCredentials: There are none, or they cannot be read.
        """
        client = self._new_client(service, attempts=1)
        client.meta.events.register(f"before-send.{client.meta.service_model.service_id.hyphenize()}", _unsent)
        try:
            self._translated(lambda: getattr(client, operation)(**params), service, operation, "")
        except _Unsent as prepared:
            return prepared.request, client
        raise AssertionError("boto3 sent a request in spite of its before-send handler")

    def _client(self, service: str, *, retry: bool) -> Any:
        with self._lock:
            if (service, retry) not in self._clients:
                self._clients[service, retry] = self._new_client(service, attempts=8 if retry else 1)
            return self._clients[service, retry]

    def _new_client(self, service: str, *, attempts: int) -> Any:
        config = Config(
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=MAX_CONNECTIONS,
            connect_timeout=10,
            read_timeout=30,
            user_agent_extra=f"pitrkit/{__version__}",
        )
        url = getattr(self, "_override", "") or None
        return self._session.client(service, region_name=self.region, config=config, endpoint_url=url)

    def _translated(self, send: Callable[[], Any], service: str, operation: str, table: str) -> Any:
        api = api_name(operation)
        try:
            return send()
        except ClientError as error:
            raise refusal(error, service, api, table) from error
        except CREDENTIAL_ERRORS as error:
            raise not_signed(error, service, api) from error
        except NoRegionError as error:
            raise NoRegion("no AWS region is set", fix="Set AWS_REGION.") from error
        except ParamValidationError as error:
            raise BadInput(
                f"{service}:{api} was not sent: {without_quotes(str(error))}",
                table=table,
                fix="Correct the value.",
            ) from error
        except BotoCoreError as error:
            raise no_answer(error, service, api, table) from error


def answered_at(answer: Mapping[str, Any]) -> datetime:
    """Return the service's time of an answer, by its Date header; this machine's where it has none."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    return parsedate_to_datetime(date).astimezone(UTC) if date else datetime.now(UTC).replace(microsecond=0)


class _Unsent(Exception):
    """Carries a prepared request out of boto3 right before it would be sent."""

    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


def _unsent(request: Any, **_: Any) -> None:
    raise _Unsent(request)


def _is_aws(url: str) -> bool:
    """Return whether *url* is the service's own, in any partition."""
    partitions = Loader().load_data("partitions")["partitions"]
    suffixes = {outputs[name] for partition in partitions if (outputs := partition["outputs"]) for name in _SUFFIXES}
    host = urlsplit(url).hostname or ""
    return any(host.endswith(f".{suffix}") for suffix in suffixes)


_SUFFIXES = ("dnsSuffix", "dualStackDnsSuffix")
