"""What a table is made of apart from its items, and how a new one is restored from it; customer keys.

The codes and words of the refusals are those that users of the service report; it documents none of them.
"""

from __future__ import annotations

import fnmatch
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from moto.kms.exceptions import NotFoundException
from moto.kms.models import Key, KmsBackend, kms_backends

from pitrkit.sandbox.protocol.protocol import Handler, ServiceError, ServiceRequest, invalid
from pitrkit.sandbox.store.backend import PastBackend
from pitrkit.sandbox.store.rows import Position
from pitrkit.sandbox.store.tables import PastTable
from pitrkit.sandbox.store.values import Image

_KMS = "com.amazonaws.services.kms.model"
_NEEDED = ("kms:CreateGrant", "kms:DescribeKey", "kms:Decrypt")


def encryption(specification: dict[str, Any] | None, account: str, region: str) -> dict[str, Any] | None:
    """Return an SSESpecification as a table keeps it: with its key's ARN; None for the key that DynamoDB owns.

    Raises:
        ServiceError: The key is unknown in *region*, not enabled, or denies its use.
    """
    if not specification or not specification.get("Enabled"):
        return None
    kms_key_id = specification.get("KMSMasterKeyId")
    if not kms_key_id:
        return {"Enabled": True, "SSEType": "KMS"}
    return {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": _usable(kms_key_id, account, region).arn}


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
    key_id = backend.get_key_id_from_alias(f"alias/{wanted.partition('alias/')[2]}")
    if key_id is None:
        raise NotFoundException("")
    return str(key_id)


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


CONCURRENT_RESTORES = 50
ON_DEMAND = "PAY_PER_REQUEST"
_TABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")


@dataclass(frozen=True, slots=True)
class TableDesign:
    """The settings of a table that a restore keeps; everything else is left behind.

    Left behind are tags, TTL, streams, point-in-time recovery, deletion protection and resource policies.
    """

    name: str
    arn: str
    schema: list[dict[str, str]]
    attributes: list[dict[str, str]]
    billing_mode: str
    throughput: dict[str, int]
    global_indexes: list[dict[str, Any]]
    local_indexes: list[dict[str, Any]]
    encryption: dict[str, Any] | None
    on_demand: dict[str, int] | None = None

    @classmethod
    def of(cls, table: PastTable) -> Self:
        """Return the design of a table as it is now."""
        return cls(
            name=table.name,
            arn=table.table_arn,
            schema=list(table.schema),
            attributes=list(table.attr),
            billing_mode=table.billing_mode or "PROVISIONED",
            throughput=_units(table.throughput),
            global_indexes=[
                {
                    "IndexName": index.name,
                    "KeySchema": index.schema,
                    "Projection": index.projection,
                    "ProvisionedThroughput": _units(index.throughput),
                }
                for index in table.global_indexes
            ],
            local_indexes=[
                {"IndexName": index.name, "KeySchema": index.schema, "Projection": index.projection}
                for index in table.indexes
            ],
            encryption=dict(table.sse_specification) if table.sse_specification else None,
            on_demand=table.on_demand_limits or None,
        )


def _units(throughput: dict[str, int]) -> dict[str, int]:
    return {name: throughput.get(name, 0) for name in ("ReadCapacityUnits", "WriteCapacityUnits")}


def check_target(backend: PastBackend, target: str) -> None:
    """Refuse a target name that a restore cannot take, and one restore too many.

    Raises:
        ServiceError: As the service answers.
    """
    if not _TABLE_NAME.fullmatch(target):
        raise invalid(
            f"1 validation error detected: Value '{target}' at 'targetTableName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+ and length between 3 and 255"
        )
    existing = backend.tables.get(target)
    if existing is not None and not existing.active:
        raise ServiceError("TableInUseException", f"Table is being created: {target}")
    if existing is not None:
        raise ServiceError("TableAlreadyExistsException", f"Table already exists: {target}")
    running = sum(not table.active for table in backend.tables.values() if table.restored is not None)
    if running >= CONCURRENT_RESTORES:
        raise ServiceError(
            "LimitExceededException", f"Too many concurrent restores; the limit is {CONCURRENT_RESTORES}"
        )


def restore(
    request: ServiceRequest,
    inner: Handler,
    design: TableDesign,
    images: dict[Position, Image],
    *,
    summary: dict[str, Any],
    seconds: float,
    at: datetime,
) -> dict[str, Any]:
    """Create the request's target, see `made`, and return the service's answer; *inner* describes tables."""
    table = made(request, design, images, summary=summary, seconds=seconds, at=at)
    described = inner(request.changed("DescribeTable", {"TableName": table.name})).body["Table"]
    # The answer to the request itself is always that of a restore that has just begun.
    described["TableStatus"] = "CREATING"
    described["RestoreSummary"]["RestoreInProgress"] = True
    return {"TableDescription": described}


def made(
    request: ServiceRequest,
    design: TableDesign,
    images: dict[Position, Image],
    *,
    summary: dict[str, Any],
    seconds: float,
    at: datetime,
) -> PastTable:
    """Create the request's target from *design* and *images* and return it.

    Args:
        request: The restore request, for target and overrides.
        design: What the new table is like, unless the request overrides it.
        images: Its items.
        summary: Source fields of the RestoreSummary.
        seconds: Real seconds until the table is ACTIVE.
        at: The time that is restored.

    Raises:
        ServiceError: An override does not go with the table, or its key cannot be used.
    """
    body, backend = request.body, request.backend
    global_indexes = _chosen(design.global_indexes, body.get("GlobalSecondaryIndexOverride"))
    local_indexes = _chosen(design.local_indexes, body.get("LocalSecondaryIndexOverride"))
    billing_mode = body.get("BillingModeOverride", design.billing_mode)
    throughput = body.get("ProvisionedThroughputOverride", design.throughput)
    on_demand = body.get("OnDemandThroughputOverride", design.on_demand if billing_mode == ON_DEMAND else None)
    _check_capacity(body, billing_mode, throughput)
    elsewhere = design.arn.split(":")[3] != request.region
    if elsewhere and "SSESpecificationOverride" not in body:
        raise invalid("SSESpecificationOverride is required to restore into another Region")
    sse = encryption(body.get("SSESpecificationOverride", design.encryption), request.account, request.region)
    table = backend.create_table(
        body["TargetTableName"],
        schema=design.schema,
        attr=_used(design, [*global_indexes, *local_indexes]),
        throughput=dict(throughput) if billing_mode == "PROVISIONED" else None,
        billing_mode=billing_mode,
        global_indexes=global_indexes,
        indexes=local_indexes,
        streams=None,
        sse_specification=sse,
        tags=[],
        deletion_protection_enabled=False,
    )
    table.on_demand_limits = dict(on_demand or {})
    table.fill(images)
    table.restored = {**summary, "RestoreDateTime": at.replace(tzinfo=None)}
    table.creating_for(seconds)
    return table


def _check_capacity(body: dict[str, Any], billing_mode: str, throughput: dict[str, int]) -> None:
    """Refuse capacity that does not go with the billing mode."""
    wrong = "One or more parameter values were invalid: "
    if billing_mode == ON_DEMAND:
        if "ProvisionedThroughputOverride" in body:
            raise invalid(f"{wrong}Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode "
                          "is PAY_PER_REQUEST")  # fmt: skip
        limits = body.get("OnDemandThroughputOverride")
        if limits is not None and (not limits or any(units < 1 for units in limits.values())):
            raise invalid(f"{wrong}OnDemandThroughputOverride must specify MaxReadRequestUnits, MaxWriteRequestUnits "
                          "or both")  # fmt: skip
        return
    if "OnDemandThroughputOverride" in body:
        raise invalid(f"{wrong}OnDemandThroughputOverride cannot be specified when BillingMode is PROVISIONED")
    if not all(_units(throughput).values()):
        raise invalid(f"{wrong}ProvisionedThroughputOverride must be specified when BillingMode is PROVISIONED")
    for index in body.get("GlobalSecondaryIndexOverride", ()):
        if not all(_units(index.get("ProvisionedThroughput") or {}).values()):
            raise invalid(f"{wrong}ProvisionedThroughput must be specified for index: {index['IndexName']}")


def _chosen(existing: list[dict[str, Any]], override: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    if override is None:
        return existing
    existing_keys = {index["IndexName"]: index["KeySchema"] for index in existing}
    for index in override:
        if "WarmThroughput" in index:
            raise invalid("One or more parameter values were invalid: WarmThroughput is not supported in a restore")
        if existing_keys.get(index["IndexName"]) != index["KeySchema"]:
            raise invalid(
                "One or more parameter values were invalid: The indexes provided for the restore table should "
                "match existing secondary indexes; you can choose to exclude some or all of them"
            )
    return override


def _used(design: TableDesign, indexes: list[dict[str, Any]]) -> list[dict[str, str]]:
    names = {key["AttributeName"] for schema in (design.schema, *(i["KeySchema"] for i in indexes)) for key in schema}
    return [attribute for attribute in design.attributes if attribute["AttributeName"] in names]
