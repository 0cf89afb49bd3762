"""Tables: their keys, size, indexes, encryption at rest, and whether they are somebody's restored copy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pitrkit.aws.client.client import Aws, answered_at, request_id
from pitrkit.aws.items import KeyAttribute, KeySchema, KeyType
from pitrkit.errors import AccessDenied, AwsError, BadInput, TableNotFound
from pitrkit.times import utc

OWNED, MANAGED = "aws-owned", "aws-managed"

AWS_OWNED = "AWS owned key"
"""How DynamoDB's own key is shown."""

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
            f"kms_key={key!r} is not a KMS key",
            fix=f"Write {OWNED}, {MANAGED}, or a key's ARN, id or alias (alias/NAME).",
        )


def key_of(description: Mapping[str, Any]) -> str:
    """Return the ARN of the KMS key in a description, empty for the key that DynamoDB owns."""
    sse_description = description.get("SSEDescription") or {}
    return (
        str(sse_description.get("KMSMasterKeyArn", ""))
        if sse_description.get("Status") in {"ENABLED", "ENABLING", "UPDATING"}
        else ""
    )


def usable_key(regional_aws: Aws, key: str) -> str:
    """Return the ARN of a customer key that a table may have; empty where the caller may not look at keys.

    Raises:
        BadInput: It is of another Region, there is no such key, or it cannot encrypt a table.
    """
    match = _KEY.fullmatch(key)
    if match and match["region"] and match["region"] != regional_aws.region:
        raise BadInput(
            f"{key} is a key in {match['region']}, and the table is in {regional_aws.region}",
            fix=f"A KMS key works only in its own Region: choose one in {regional_aws.region}.",
        )
    try:
        about = regional_aws.call("kms", "describe_key", KeyId=key)["KeyMetadata"]
    except AccessDenied:
        return ""
    except AwsError as error:
        if error.code not in {"NotFoundException", "InvalidArnException", "ValidationException"}:
            raise
        raise BadInput(
            f"there is no key {key} in {regional_aws.region}", fix="Check the key, its account and Region."
        ) from error
    if about.get("KeyState", "Enabled") != "Enabled":
        raise BadInput(f"the key {key} is {about['KeyState']}", fix="Enable it, or choose another one.")
    if about.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
        raise BadInput(f"the key {key} is {about['KeySpec']}", fix="DynamoDB needs a symmetric encryption key.")
    return str(about["Arn"])


@dataclass(frozen=True, slots=True)
class Index:
    """A secondary index.

    Attributes:
        projection: `ALL`, `KEYS_ONLY` or `INCLUDE`.
        write_units: Provisioned write units a second; 0 on demand, and of a local one.
        building: Whether it is being made at present.
    """

    name: str
    kind: Literal["global", "local"]
    key_schema: KeySchema
    projection: str
    write_units: int = 0
    building: bool = False


@dataclass(frozen=True, slots=True)
class Restored:
    """Where a table was restored from, as its RestoreSummary says.

    Attributes:
        source_arn: ARN of the source table; empty if the service names none.
        backup_arn: ARN of the backup it was restored from; empty for a restore by point-in-time recovery.
        restore_at: The point in time it shows.
        in_progress: Whether the restore still runs.
    """

    source_arn: str
    backup_arn: str
    restore_at: datetime
    in_progress: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table as DescribeTable shows it.

    Attributes:
        item_count: Items; the service refreshes it about every six hours, so never proof of anything.
        size_bytes: Stored bytes, refreshed as rarely.
        stream_arn: ARN of the enabled stream, empty when there is none.
        replicas: Regions of a global table's other replicas.
        kms_key: ARN of the key it is encrypted with; empty for the one that DynamoDB owns.
        units: Read and write units: capacity of a provisioned table, the most of an on-demand one; 0 for none.
        write_units: Provisioned write units a second; 0 on demand.
        most_write_units: The most that an on-demand table may take a second; 0 for no limit.
        strong: Whether its replicas agree on each write before it is answered (MRSC).
        table_class: `STANDARD` or `STANDARD_INFREQUENT_ACCESS`.
        key_lost: Whether the service cannot use that key any more.
    """

    name: str
    arn: str
    id: str
    status: str
    key_schema: KeySchema
    item_count: int
    size_bytes: int
    billing_mode: str
    indexes: tuple[Index, ...]
    stream_arn: str
    deletion_protection: bool
    replicas: tuple[str, ...]
    created_at: datetime
    restored: Restored | None
    kms_key: str = ""
    units: tuple[int, int] = (0, 0)
    write_units: int = 0
    most_write_units: int = 0
    strong: bool = False
    table_class: str = "STANDARD"
    key_lost: bool = False


def describe(aws: Aws, name: str) -> Table:
    """Return the table *name*.

    Raises:
        TableNotFound: There is none of that name here.
    """
    return table_of(description(aws, name), aws.region)


def describe_at(aws: Aws, name: str) -> tuple[Table, datetime]:
    """Return the table *name*, and the service's time of saying so.

    Raises:
        TableNotFound: There is none of that name here.
    """
    answer = aws.call("dynamodb", "describe_table", TableName=name)
    return table_of(answer["Table"], aws.region), answered_at(answer)


def delete(aws: Aws, name: str) -> str:
    """Have the table *name* deleted, and return the service's id of the request.

    Raises:
        TableNotFound: There is none of that name here.
    """
    return request_id(aws.call("dynamodb", "delete_table", TableName=name))


def find(aws: Aws, name: str) -> Table | None:
    """Return the table *name*, None if there is none of that name here."""
    try:
        return describe(aws, name)
    except TableNotFound:
        return None


def description(aws: Aws, name: str) -> dict[str, Any]:
    """Return the table *name* in DescribeTable's own words.

    Raises:
        TableNotFound: There is none of that name here.
    """
    table_description: dict[str, Any] = aws.call("dynamodb", "describe_table", TableName=name)["Table"]
    return table_description


def create_like(aws: Aws, source: str, name: str) -> Table:
    """Create the empty table *name*, keyed and encrypted like *source*, on demand and without indexes; return it.

    It is not ACTIVE yet. The encryption is the source's, because its items may come to lie here.

    Raises:
        AwsError: `ResourceInUseException`: the name is taken.
    """
    source_description = description(aws, source)
    key = [attribute["AttributeName"] for attribute in source_description["KeySchema"]]
    sse = source_description.get("SSEDescription") or {}
    encryption: dict[str, Any] = (
        {"SSESpecification": {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": sse["KMSMasterKeyArn"]}}
        if sse.get("Status") in {"ENABLED", "UPDATING"} and sse.get("KMSMasterKeyArn")
        else {}
    )
    answer = aws.call(
        "dynamodb",
        "create_table",
        TableName=name,
        KeySchema=source_description["KeySchema"],
        AttributeDefinitions=[
            definition
            for definition in source_description["AttributeDefinitions"]
            if definition["AttributeName"] in key
        ],
        BillingMode="PAY_PER_REQUEST",
        **encryption,
    )
    return table_of(answer["TableDescription"], aws.region)


def table_names(aws: Aws) -> list[str]:
    """Return the names of all tables of this account and region, sorted by the service."""
    return list(aws.paginate("dynamodb", "list_tables", "TableNames"))


def ttl_attribute(aws: Aws, name: str) -> str:
    """Return the attribute that holds an item's expiry (epoch seconds), empty when TTL is off."""
    answer = aws.call("dynamodb", "describe_time_to_live", TableName=name)["TimeToLiveDescription"]
    on = answer.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}
    return str(answer.get("AttributeName", "")) if on else ""


def tags(aws: Aws, table: Table) -> dict[str, str] | None:
    """Return the table's tags, None if the caller may not read them."""
    try:
        pairs = aws.paginate("dynamodb", "list_tags_of_resource", "Tags", table=table.name, ResourceArn=table.arn)
        return {pair["Key"]: pair["Value"] for pair in pairs}
    except AccessDenied:
        return None


def table_of(answer: dict[str, Any], region: str) -> Table:
    """Return the table in DescribeTable's answer."""
    types = {attr["AttributeName"]: attr["AttributeType"] for attr in answer["AttributeDefinitions"]}
    stream_on = answer.get("StreamSpecification", {}).get("StreamEnabled", False)
    return Table(
        name=answer["TableName"],
        arn=answer["TableArn"],
        id=answer.get("TableId", ""),
        status=answer["TableStatus"],
        key_schema=_key_schema(answer["KeySchema"], types),
        item_count=answer.get("ItemCount", 0),
        size_bytes=answer.get("TableSizeBytes", 0),
        billing_mode=answer.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
        indexes=tuple(
            Index(
                row["IndexName"],
                kind,
                _key_schema(row["KeySchema"], types),
                row["Projection"]["ProjectionType"],
                _provisioned(row) if kind == "global" else 0,
                row.get("IndexStatus") == "CREATING",
            )
            for kind, rows in _INDEXES
            for row in answer.get(rows) or ()
        ),
        stream_arn=answer.get("LatestStreamArn", "") if stream_on else "",
        deletion_protection=answer.get("DeletionProtectionEnabled", False),
        replicas=tuple(
            replica["RegionName"] for replica in answer.get("Replicas") or () if replica["RegionName"] != region
        ),
        created_at=utc(answer["CreationDateTime"]),
        restored=_restored(answer.get("RestoreSummary")),
        kms_key=key_of(answer),
        units=_units(answer),
        write_units=_provisioned(answer),
        most_write_units=max(0, answer.get("OnDemandThroughput", {}).get("MaxWriteRequestUnits", 0)),
        strong=answer.get("MultiRegionConsistency") == "STRONG",
        table_class=answer.get("TableClassSummary", {}).get("TableClass", "STANDARD"),
        key_lost="InaccessibleEncryptionDateTime" in answer.get("SSEDescription", {}),
    )


def _units(answer: dict[str, Any]) -> tuple[int, int]:
    if limits := answer.get("OnDemandThroughput"):
        return max(0, limits.get("MaxReadRequestUnits", 0)), max(0, limits.get("MaxWriteRequestUnits", 0))
    capacity = answer.get("ProvisionedThroughput") or {}
    return capacity.get("ReadCapacityUnits", 0), capacity.get("WriteCapacityUnits", 0)


def _provisioned(answer: dict[str, Any]) -> int:
    return int((answer.get("ProvisionedThroughput") or {}).get("WriteCapacityUnits", 0))


_INDEXES: tuple[tuple[Literal["global", "local"], str], ...] = (
    ("global", "GlobalSecondaryIndexes"),
    ("local", "LocalSecondaryIndexes"),
)


def _key_schema(rows: list[dict[str, Any]], types: dict[str, KeyType]) -> KeySchema:
    return KeySchema(
        tuple(KeyAttribute(row["AttributeName"], types[row["AttributeName"]], row["KeyType"]) for row in rows)
    )


def _restored(summary: dict[str, Any] | None) -> Restored | None:
    if not summary:
        return None
    return Restored(
        source_arn=summary.get("SourceTableArn", ""),
        backup_arn=summary.get("SourceBackupArn", ""),
        restore_at=utc(summary["RestoreDateTime"]),
        in_progress=bool(summary.get("RestoreInProgress")),
    )
