"""System backups: what is left of a deleted table that had point-in-time recovery.

The service keeps one for 35 days, restorable only to just before the deletion. ListBackups hides it unless asked for
SYSTEM backups, and whether its TableName filter works for a deleted table is not documented, so none is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pitrkit.dynamodb import tables
from pitrkit.dynamodb.pitr import Restoration, check_name
from pitrkit.dynamodb.session import Aws
from pitrkit.dynamodb.tables import utc
from pitrkit.errors import BadInput, TableNotFound


@dataclass(frozen=True, slots=True)
class SystemBackup:
    """The backup that the service made when a table was deleted.

    Attributes:
        created_at: When the table was deleted; the backup shows it just before.
        expires_at: When the service drops the backup.
        size_bytes: Stored bytes.
    """

    arn: str
    name: str
    table: str
    table_arn: str
    created_at: datetime
    expires_at: datetime | None
    size_bytes: int


def deleted_tables(aws: Aws) -> list[SystemBackup]:
    """Return the system backups of all deleted tables, newest first."""
    rows = aws.paginate("dynamodb", "list_backups", "BackupSummaries", BackupType="SYSTEM")
    found = [_backup(row) for row in rows if row.get("BackupStatus") == "AVAILABLE"]
    return sorted(found, key=lambda backup: backup.created_at, reverse=True)


def details(aws: Aws, backup: SystemBackup) -> dict[str, Any]:
    """Return DescribeBackup's description: the only record of a deleted table's settings."""
    answer = aws.call("dynamodb", "describe_backup", table=backup.table, BackupArn=backup.arn)
    description: dict[str, Any] = answer["BackupDescription"]
    return description


def restore_backup(aws: Aws, backup: SystemBackup, target: str) -> Restoration:
    """Start restoring *backup* into the new table *target*, or adopt the one that an earlier run made of it.

    Raises:
        BadInput: *target* exists and is something else.
    """
    check_name(target)
    try:
        present = tables.describe(aws, target)
    except TableNotFound:
        answer = aws.call(
            "dynamodb", "restore_table_from_backup", table=target, TargetTableName=target, BackupArn=backup.arn
        )
        started_at = utc(answer["TableDescription"]["CreationDateTime"])
        return Restoration(backup.arn, target, backup.created_at, adopted=False, started_at=started_at)
    if present.restored is None or present.restored.backup_arn != backup.arn:
        raise BadInput(
            f"the name {target} is taken by a table that is no restore of this backup",
            table=target,
            fix="Choose another target name.",
        )
    return Restoration(backup.arn, target, backup.created_at, adopted=True, started_at=present.created_at)


def _backup(row: dict[str, Any]) -> SystemBackup:
    expires = row.get("BackupExpiryDateTime")
    return SystemBackup(
        arn=row["BackupArn"],
        name=row["BackupName"],
        table=row["TableName"],
        table_arn=row.get("TableArn", ""),
        created_at=utc(row["BackupCreationDateTime"]),
        expires_at=utc(expires) if expires else None,
        size_bytes=row.get("BackupSizeBytes", 0),
    )
