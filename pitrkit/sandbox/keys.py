"""Customer keys, as DynamoDB meets them: a restored table's key is there, is enabled, and may be used, or is refused.

The codes and words of the refusals are those that users of the service report; it documents none of them.
"""

from __future__ import annotations

import fnmatch
import json
from typing import Any

from moto.kms.exceptions import NotFoundException
from moto.kms.models import Key, KmsBackend, kms_backends

from pitrkit.sandbox.wire import ServiceError, invalid

_KMS = "com.amazonaws.services.kms.model"
_NEEDED = ("kms:CreateGrant", "kms:DescribeKey", "kms:Decrypt")


def encryption(specification: dict[str, Any] | None, account: str, region: str) -> dict[str, Any] | None:
    """Return an SSESpecification as a table keeps it: with its key's ARN; None for the key that DynamoDB owns.

    Raises:
        ServiceError: The key is unknown in *region*, not enabled, or denies its use.
    """
    if not specification or not specification.get("Enabled"):
        return None
    wanted = specification.get("KMSMasterKeyId")
    if not wanted:
        return {"Enabled": True, "SSEType": "KMS"}
    return {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": _usable(wanted, account, region).arn}


def _usable(wanted: str, account: str, region: str) -> Key:
    backend = kms_backends[account][region]
    try:
        if wanted.startswith("arn:") and f":kms:{region}:" not in wanted:
            raise NotFoundException("")
        key: Key = backend.describe_key(_id(backend, wanted))
    except (NotFoundException, KeyError):
        raise invalid(f"KMS key not found error: {_KMS}.NotFoundException: Key '{wanted}' does not exist") from None
    if key.key_state != "Enabled":
        raise invalid(f"KMS key disabled error: {_KMS}.DisabledException: {key.arn} is {key.key_state.lower()}.")
    if _denies(key):
        raise ServiceError(
            "AccessDeniedException",
            f"KMS key access denied error: {_KMS}.AWSKMSException: The ciphertext refers to a customer master key that "
            "does not exist, does not exist in this region, or you are not allowed to access.",
        )
    return key


def _id(backend: KmsBackend, wanted: str) -> str:
    """Return the id of a key that is named by its id, its ARN, or an alias of either form."""
    if "alias/" not in wanted:
        return str(backend.any_id_to_key_id(wanted))
    found = backend.get_key_id_from_alias(f"alias/{wanted.partition('alias/')[2]}")
    if found is None:
        raise NotFoundException("")
    return str(found)


def _denies(key: Key) -> bool:
    policy = json.loads(key.policy) if key.policy else {}
    for statement in policy.get("Statement", ()):
        actions = statement.get("Action", ())
        actions = [actions] if isinstance(actions, str) else actions
        if statement.get("Effect") == "Deny" and any(
            fnmatch.fnmatchcase(needed, action) for needed in _NEEDED for action in actions
        ):
            return True
    return False
