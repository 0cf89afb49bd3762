"""Tables: what they are keyed by, what hangs on them, and whether they are somebody's restored copy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pitrkit.dynamodb import encryption
from pitrkit.dynamodb.session import Aws
from pitrkit.errors import AccessDenied, TableNotFound

Role = Literal["HASH", "RANGE"]
KeyType = Literal["S", "N", "B"]


@dataclass(frozen=True, slots=True)
class KeyAttribute:
    """One attribute of a key."""

    name: str
    type: KeyType
    role: Role


@dataclass(frozen=True, slots=True)
class KeySchema:
    """A key: partition attributes first, then sort attributes (indexes may have several of each)."""

    attributes: tuple[KeyAttribute, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the key attributes, in the schema's order."""
        return tuple(attribute.name for attribute in self.attributes)

    @property
    def partition(self) -> str:
        """Name of the (first) partition key attribute."""
        return self.attributes[0].name

    def to_dict(self) -> list[dict[str, str]]:
        """Return the schema as plain JSON."""
        return [{"name": attr.name, "type": attr.type, "role": attr.role} for attr in self.attributes]

    @classmethod
    def from_dict(cls, rows: Iterable[dict[str, Any]]) -> KeySchema:
        """Return the schema that `to_dict` wrote."""
        return cls(tuple(KeyAttribute(**row) for row in rows))

    def __str__(self) -> str:
        """Return e.g. `customer_id (S), order_id (S)`."""
        return ", ".join(f"{attr.name} ({attr.type})" for attr in self.attributes)


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
    return of(description(aws, name), aws.region)


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
    found: dict[str, Any] = aws.call("dynamodb", "describe_table", TableName=name)["Table"]
    return found


def create_like(aws: Aws, source: str, name: str) -> Table:
    """Create the empty table *name*, keyed and encrypted like *source*, on demand and without indexes; return it.

    It is not ACTIVE yet. The encryption is the source's, because its items may come to lie here.

    Raises:
        AwsError: `ResourceInUseException`: the name is taken.
    """
    said = description(aws, source)
    key = [attribute["AttributeName"] for attribute in said["KeySchema"]]
    sse = said.get("SSEDescription") or {}
    encryption: dict[str, Any] = (
        {"SSESpecification": {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": sse["KMSMasterKeyArn"]}}
        if sse.get("Status") in {"ENABLED", "UPDATING"} and sse.get("KMSMasterKeyArn")
        else {}
    )
    answer = aws.call(
        "dynamodb",
        "create_table",
        TableName=name,
        KeySchema=said["KeySchema"],
        AttributeDefinitions=[one for one in said["AttributeDefinitions"] if one["AttributeName"] in key],
        BillingMode="PAY_PER_REQUEST",
        **encryption,
    )
    return of(answer["TableDescription"], aws.region)


def names(aws: Aws) -> list[str]:
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


def of(answer: dict[str, Any], region: str) -> Table:
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
        kms_key=encryption.key_of(answer),
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


def utc(moment: datetime) -> datetime:
    """Return botocore's aware local time in UTC."""
    return moment.astimezone(UTC)
