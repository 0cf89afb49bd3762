"""What the service refuses, and what gets no answer, as the kit's errors, each with its code, id and what to do."""

from __future__ import annotations

import re
from typing import Any

from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from pitrkit.aws.items import Image, canonical
from pitrkit.errors import AccessDenied, AwsError, NoCredentials, TableNotFound

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
CREDENTIAL_ERRORS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
    SSOTokenLoadError,
    UnauthorizedSSOTokenError,
)
SIGN_IN = "Sign in again (for example `aws sso login`, or export fresh AWS_* variables) and run this step again."

_LOOK_UP = "Look up the error code in the API reference of the service; AWS Support needs the request ID above."

_KEY_TROUBLE = re.compile(r"KMS key \w+.*error|kms\.model\.")
_KEY_FIX = (
    "The KMS key must exist in the Region of the table and be enabled; its policy or the caller's must allow "
    "kms:DescribeKey, kms:CreateGrant, kms:Encrypt, kms:Decrypt, kms:ReEncrypt* and kms:GenerateDataKey* "
    "through DynamoDB."
)
_FIXES = {
    "TableAlreadyExistsException": "Run this step again: a matching copy is used; or choose another target name.",
    "TableInUseException": "Wait until the table is ACTIVE, then run this step again.",
    "LimitExceededException": "Too many of these operations are running in this account: wait until some finish.",
    "BackupNotFoundException": "The backup has expired or was deleted; list the deleted tables again.",
    "BackupInUseException": "Wait until the backup is AVAILABLE, then run this step again.",
    "ContinuousBackupsUnavailableException": "The table is too new: wait a few minutes, then run this step again.",
    "PointInTimeRecoveryUnavailableException": "Turn PITR on in 00_start_here; it protects from then on.",
    "InvalidRestoreTimeException": "Choose a recovery point inside the PITR window in 02_pick_timestamp.",
    "ResourceInUseException": "The table is being changed: wait until it is ACTIVE, then run this step again.",
    "ExportConflictException": "Another export to the same location is running: wait until it finishes, or "
    "set another prefix.",
    "ExportNotFoundException": "AWS lists exports for 90 days only: start it again.",
    "InvalidExportTimeException": "Choose times inside the PITR window.",
    "NoSuchBucket": "Use an existing bucket in the account of the credentials.",
    "NoSuchKey": "The file was deleted, or never written: export again.",
    "ValidationException": "AWS rejected a value; see the message.",
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


def not_signed(error: Exception, service: str, api: str) -> NoCredentials:
    """Return what to raise when a request could not be signed."""
    return NoCredentials(f"{service}:{api} could not be signed: {error}", fix=SIGN_IN)


def no_answer(error: Exception, service: str, api: str, table: str) -> Ambiguous:
    """Return what to raise when a request got no whole answer."""
    return Ambiguous(
        f"no response to {service}:{api}: {_without_values(str(error) or type(error).__name__)}",
        code=type(error).__name__,
        operation=api,
        table=table,
        fix="Check the network and AWS_ENDPOINT_URL, then run this step again to resume.",
    )


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
    details: dict[str, Any] = {
        "code": code,
        "operation": api,
        "request_id": meta.get("RequestId", ""),
        "table": table,
    }
    if code in _EXPIRED:
        return NoCredentials(f"AWS credentials have expired ({code} at {service}:{api})", fix=SIGN_IN)
    if code in _BAD_CREDENTIALS:
        explanation = f"AWS does not accept the credentials ({code} at {service}:{api}): {message}"
        return NoCredentials(
            explanation, fix=f"{SIGN_IN} If it says that the signature expired, set this machine's clock."
        )
    if _KEY_TROUBLE.search(message):
        return (AccessDenied if code in _DENIED else AwsError)(message, fix=_KEY_FIX, **details)
    if code in _DENIED:
        # The service names what it really missed, which may be another action than the one called.
        named = re.search(r"perform: ([a-z0-9-]+:[A-Za-z*]+)", message)
        action = named[1] if named else f"{service}:{api}"
        return AccessDenied(
            f"the caller has no permission for {action}: {message}",
            fix=f"Allow the action {action} for this role.",
            **details,
        )
    if code == "ConditionalCheckFailedException":
        failed = ConditionFailed("the item is not as expected", **details)
        failed.found = canonical(answer["Item"]) if answer.get("Item") else None
        return failed
    if code in {"ResourceNotFoundException", "TableNotFoundException"} and service == "dynamodb":
        return TableNotFound(
            f"no such table or backup in this account and Region: {message}",
            fix="Check the name, the account and AWS_REGION. If the table was deleted: "
            f"pitrkit run 11_deleted_table -p table {table or 'NAME'}",
            **details,
        )
    if code in _THROTTLED and (code != "LimitExceededException" or api in {"PutItem", "UpdateItem", "DeleteItem"}):
        throttled = Throttled(message, fix="Lower the pace, or wait and run this step again.", **details)
        reasons = answer.get("ThrottlingReasons") or answer.get("throttlingReasons") or ()
        throttled.reasons = tuple(reason.get("reason", "") for reason in reasons)
        return throttled
    if status >= 500 or code in {"InternalServerError", "ServiceUnavailable"}:  # noqa: PLR2004
        return Ambiguous(message, fix="AWS had an internal error; run this step again.", **details)
    return AwsError(message, fix=_FIXES.get(code, _LOOK_UP), **details)
