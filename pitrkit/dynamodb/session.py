"""The way to AWS: one account, one region, every error told apart.

All calls go through `Aws.call`. It keeps the service's error code and request id, names the IAM action that is
missing, and, for writes whose outcome must be known, can be told to try exactly once: then a lost answer is
`Ambiguous` (it may have been done), which botocore's own retries would hide.
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
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.loaders import Loader

from pitrkit import __version__
from pitrkit.dynamodb import calls
from pitrkit.dynamodb.calls import Called
from pitrkit.dynamodb.items import Image, canonical
from pitrkit.errors import AccessDenied, AwsError, BadInput, NoCredentials, NoRegion, TableNotFound

MAX_CONNECTIONS = 32
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_BAD_CREDENTIALS = {
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException",
    "AuthFailure",
}
_DENIED = {"AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "AuthorizationError"}
_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "Throttling",
    "LimitExceededException",
}
_CREDENTIAL_ERRORS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
    SSOTokenLoadError,
    UnauthorizedSSOTokenError,
)
_SIGN_IN = "Sign in again (for example `aws sso login`, or export fresh AWS_* variables) and run this step again."


_LOOK_UP = "Look the code up in the service's API reference; the request id above is what AWS support asks for."
_KEY_TROUBLE = re.compile(r"KMS key \w+.*error|kms\.model\.")
_KEY_FIX = (
    "The KMS key has to be there, in the Region of the table, and enabled; its policy or the caller's has to allow "
    "kms:DescribeKey, kms:CreateGrant, kms:Encrypt, kms:Decrypt, kms:ReEncrypt* and kms:GenerateDataKey* "
    "through DynamoDB."
)
_FIXES = {
    "TableAlreadyExistsException": "Run this step again: a matching copy is adopted; or choose another target name.",
    "TableInUseException": "Wait until the table is ACTIVE, then run this step again.",
    "LimitExceededException": "Too many of these are under way in this account: wait until some are done.",
    "BackupNotFoundException": "The backup has expired or was deleted; list the deleted tables again.",
    "BackupInUseException": "Wait until the backup is AVAILABLE, then run this step again.",
    "ContinuousBackupsUnavailableException": "The table is too new: wait a few minutes, then run this step again.",
    "PointInTimeRecoveryUnavailableException": "Turn PITR on in 00_start_here; it protects from then on.",
    "InvalidRestoreTimeException": "Pick a second inside the window in 02_pick_timestamp.",
    "ResourceInUseException": "The table is being changed: wait until it is ACTIVE, then run this step again.",
    "ExportConflictException": "Something else is being exported to the same place: wait until it is done, or give "
    "another prefix.",
    "ExportNotFoundException": "The service lists exports for 90 days: start it again.",
    "InvalidExportTimeException": "Pick times inside the restorable window.",
    "NoSuchBucket": "Give a bucket that exists, in the account that the credentials are for.",
    "NoSuchKey": "The file was deleted, or never written: export again.",
    "ValidationException": "The service refuses a value; the message says which.",
}
"""What to do about errors that are told apart by nothing but their code."""


class ConditionFailed(AwsError):
    """A conditional write found another state than its guard allows.

    Attributes:
        found: Image of the item that was there, None if there was none.
    """

    found: Image | None = None


class Throttled(AwsError):
    """The service refused the request for its rate. Nothing was done.

    Attributes:
        reasons: The service's throttling reasons, e.g. `TableWriteKeyRangeThroughputExceeded`; may be empty.
    """

    reasons: tuple[str, ...] = ()


class Ambiguous(AwsError):
    """No answer, or a server fault: the request may or may not have been done."""

    unsure = True


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
        on_change: Is told of every call that changes something, see `calls`; None keeps no record.
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
    def connect(cls, *, region: str = "", profile: str = "", endpoint_url: str = "") -> Aws:
        """Connect as boto3 would: environment, shared configuration, instance role; arguments win.

        Like the AWS CLI and unlike boto3, `AWS_REGION` is read as well as `AWS_DEFAULT_REGION`, and goes before it.

        Raises:
            NoRegion: No region is configured.
            NoCredentials: No credentials are found, or they cannot be read.
        """
        try:
            named = region or os.environ.get("AWS_REGION")
            session = boto3.Session(region_name=named or None, profile_name=profile or None)
        except ProfileNotFound as error:
            raise NoCredentials(str(error), fix="Set AWS_PROFILE to a profile of ~/.aws/config.") from error
        except BotoCoreError as error:
            raise NoCredentials(str(error), fix="Mend ~/.aws/config, or set AWS_CONFIG_FILE to another one.") from error
        if not session.region_name:
            raise NoRegion("no AWS region is set", fix="Set AWS_REGION, for example `export AWS_REGION=eu-west-1`.")
        try:
            found = session.get_credentials()
        except BotoCoreError as error:
            raise NoCredentials(f"AWS credentials cannot be read: {error}", fix=_SIGN_IN) from error
        if found is None:
            raise NoCredentials("no AWS credentials were found", fix=_SIGN_IN)
        try:
            return cls(session, endpoint_url=endpoint_url)
        except ValueError as error:
            raise BadInput(
                f"the endpoint is no URL: {error}", fix="Write AWS_ENDPOINT_URL with its scheme: http://127.0.0.1:8000."
            ) from error

    def elsewhere(self, region: str) -> Aws:
        """Return the same account, by the same credentials, in *region*; this very object where that is its own."""
        if region in ("", self.region):
            return self
        if region not in self._elsewhere:
            self._elsewhere[region] = Aws(self._session, endpoint_url=self._override, region=region)
        there = self._elsewhere[region]
        there.on_change, there.read_only = self.on_change, self.read_only
        return there

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
        if self.read_only and calls.changes_something(service, operation):
            raise calls.would_write(f"{service}:{_api(operation)}", table)
        method: Callable[..., Any] = getattr(self._client(service, retry=retry), operation)

        def send() -> Any:
            return self._translated(lambda: method(**params), service, operation, table)

        if self.on_change is None:
            return send()
        return calls.told(self.on_change, send, service=service, operation=operation, table=table)

    def paginate(
        self, service: str, operation: str, result_key: str, *, table: str = "", **params: Any
    ) -> Iterator[Any]:
        """Yield every element of *result_key* over all pages of *operation*."""
        pages = iter(self._client(service, retry=True).get_paginator(operation).paginate(**params))
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
        api = _api(operation)
        try:
            return send()
        except ClientError as error:
            raise refusal(error, service, api, table) from error
        except _CREDENTIAL_ERRORS as error:
            raise not_signed(error, service, api) from error
        except NoRegionError as error:
            raise NoRegion("no AWS region is set", fix="Set AWS_REGION.") from error
        except ParamValidationError as error:
            raise BadInput(
                f"{service}:{api} was not sent: {calls.without_quotes(str(error))}",
                table=table,
                fix="Correct the value.",
            ) from error
        except BotoCoreError as error:
            raise no_answer(error, service, api, table) from error


def _api(operation: str) -> str:
    return "".join(part.capitalize() for part in operation.split("_"))


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


def not_signed(error: Exception, service: str, api: str) -> NoCredentials:
    """Return what to raise when a request could not be signed."""
    return NoCredentials(f"{service}:{api} could not be signed: {error}", fix=_SIGN_IN)


def no_answer(error: Exception, service: str, api: str, table: str) -> Ambiguous:
    """Return what to raise when a request got no whole answer."""
    return Ambiguous(
        f"no answer to {service}:{api}: {_without_values(str(error) or type(error).__name__)}",
        code=type(error).__name__,
        operation=api,
        table=table,
        fix="Check the network and AWS_ENDPOINT_URL, then run this step again: it goes on where it stopped.",
    )


def _is_aws(url: str) -> bool:
    """Return whether *url* is the service's own, in any partition."""
    partitions = Loader().load_data("partitions")["partitions"]
    suffixes = {outputs[name] for one in partitions if (outputs := one["outputs"]) for name in _SUFFIXES}
    host = urlsplit(url).hostname or ""
    return any(host.endswith(f".{suffix}") for suffix in suffixes)


_SUFFIXES = ("dnsSuffix", "dualStackDnsSuffix")


def _without_values(text: str) -> str:
    """Return a botocore connection message without query strings, which may carry signatures."""
    return re.sub(r"\?\S+", "?...", text)


def refusal(error: ClientError, service: str, api: str, table: str) -> AwsError | NoCredentials:
    """Return what to raise for an error that the service answered with."""
    answer = error.response
    code = answer.get("Error", {}).get("Code", "Unknown")
    message = answer.get("Error", {}).get("Message") or answer.get("message") or code
    meta = answer.get("ResponseMetadata", {})
    status = int(meta.get("HTTPStatusCode", 0))
    known: dict[str, Any] = {
        "code": code,
        "operation": api,
        "request_id": meta.get("RequestId", ""),
        "table": table,
    }
    if code in _EXPIRED:
        return NoCredentials(f"AWS credentials have expired ({code} at {service}:{api})", fix=_SIGN_IN)
    if code in _BAD_CREDENTIALS:
        what = f"AWS does not accept the credentials ({code} at {service}:{api}): {message}"
        return NoCredentials(what, fix=f"{_SIGN_IN} If it says that the signature expired, set this machine's clock.")
    if _KEY_TROUBLE.search(message):
        return (AccessDenied if code in _DENIED else AwsError)(message, fix=_KEY_FIX, **known)
    if code in _DENIED:
        # The service names what it really missed, which may be another action than the one called.
        named = re.search(r"perform: ([a-z0-9-]+:[A-Za-z*]+)", message)
        action = named[1] if named else f"{service}:{api}"
        return AccessDenied(
            f"the caller may not do {action}: {message}", fix=f"Allow the action {action} to this role.", **known
        )
    if code == "ConditionalCheckFailedException":
        failed = ConditionFailed("the item is not as expected", **known)
        failed.found = canonical(answer["Item"]) if answer.get("Item") else None
        return failed
    if code in {"ResourceNotFoundException", "TableNotFoundException"} and service == "dynamodb":
        return TableNotFound(
            f"no such table or backup here: {message}",
            fix="Check the name, the account and AWS_REGION. If the table was deleted: "
            f"pitrkit run 11_deleted_table -p table {table or 'NAME'}",
            **known,
        )
    if code in _THROTTLED and (code != "LimitExceededException" or api in {"PutItem", "UpdateItem", "DeleteItem"}):
        throttled = Throttled(message, fix="Lower the pace, or wait and run this step again.", **known)
        reasons = answer.get("ThrottlingReasons") or answer.get("throttlingReasons") or ()
        throttled.reasons = tuple(reason.get("reason", "") for reason in reasons)
        return throttled
    if status >= 500 or code in {"InternalServerError", "ServiceUnavailable"}:  # noqa: PLR2004
        return Ambiguous(message, fix="The service has a fault; run this step again.", **known)
    return AwsError(message, fix=_FIXES.get(code, _LOOK_UP), **known)
