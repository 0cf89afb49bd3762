"""How a table is encrypted at rest: by a key that DynamoDB owns, one that AWS manages, or a customer's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pitrkit.dynamodb.session import Aws
from pitrkit.errors import AccessDenied, AwsError, BadInput

OWNED, MANAGED = "aws-owned", "aws-managed"
_KEY = re.compile(
    r"arn:aws[a-z-]*:kms:(?P<region>[a-z0-9-]+):\d{12}:(key/.+|alias/.+)|alias/[A-Za-z0-9/_-]+|(mrk-)?[0-9a-f-]{32,36}"
)


def check_key(key: str) -> None:
    """Let pass what can name a key; blank is the source's.

    Raises:
        BadInput: It cannot.
    """
    if key not in ("", OWNED, MANAGED) and not _KEY.fullmatch(key):
        raise BadInput(
            f"kms_key={key!r} is no key", fix=f"Write {OWNED}, {MANAGED}, or a key's ARN, id or alias (alias/NAME)."
        )


def key_of(description: Mapping[str, Any]) -> str:
    """Return the ARN of the KMS key in a description, empty for the key that DynamoDB owns."""
    found = description.get("SSEDescription") or {}
    return str(found.get("KMSMasterKeyArn", "")) if found.get("Status") in {"ENABLED", "ENABLING", "UPDATING"} else ""


def usable_key(there: Aws, key: str) -> str:
    """Return the ARN of a customer key that a table may have; empty where the caller may not look at keys.

    Raises:
        BadInput: It is of another Region, there is no such key, or it cannot encrypt a table.
    """
    found = _KEY.fullmatch(key)
    if found and found["region"] and found["region"] != there.region:
        raise BadInput(
            f"{key} is a key of {found['region']}, and the table is to be in {there.region}",
            fix=f"Keys are used in their own Region: give one of {there.region}.",
        )
    try:
        about = there.call("kms", "describe_key", KeyId=key)["KeyMetadata"]
    except AccessDenied:
        return ""
    except AwsError as error:
        if error.code not in {"NotFoundException", "InvalidArnException", "ValidationException"}:
            raise
        raise BadInput(
            f"there is no key {key} in {there.region}", fix="Check the key, its account and Region."
        ) from error
    if about.get("KeyState", "Enabled") != "Enabled":
        raise BadInput(f"the key {key} is {about['KeyState']}", fix="Enable it, or give another one.")
    if about.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
        raise BadInput(f"the key {key} is {about['KeySpec']}", fix="DynamoDB needs a symmetric encryption key.")
    return str(about["Arn"])
