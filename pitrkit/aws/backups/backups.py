"""Backups as sources: what DynamoDB keeps of a deleted table, what people had it make, and what AWS Backup has.

Each shows its table at one moment, unlike point-in-time recovery, which shows it at any second of its window.

- A *system backup* is left by the deletion of a table that had point-in-time recovery, and is kept for 35 days.
- An *on-demand backup* was asked for, and is kept until it is deleted.
- A *recovery point* of AWS Backup is restored by a job of that service, under a role, and always whole; where the
  account has not opted in to AWS Backup's own management of tables, it is an ordinary backup and restored like one.

ListBackups hides system backups and those of AWS Backup unless asked for them by type. Whether its TableName filter
works for a deleted table is not documented, so none is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pitrkit.aws import arns
from pitrkit.aws.backups.pitr import Origin, Restoration, adoptable, check_name
from pitrkit.aws.backups.restore_options import Options, RestoreDesign, overrides
from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables import tables
from pitrkit.errors import AccessDenied, AwsError, BadInput
from pitrkit.times import utc

Kind = Literal["SYSTEM", "USER", "AWS_BACKUP"]
WORDS: dict[str, str] = {
    "SYSTEM": "system backup of the deleted table",
    "USER": "on-demand backup",
    "AWS_BACKUP": "AWS Backup",
}


@dataclass(frozen=True, slots=True)
class Backup:
    """A table at one moment.

    Attributes:
        kind: Who made it: the deletion, a person, or AWS Backup.
        created_at: The moment it shows; of a system backup that is right before the deletion.
        expires_at: When it is dropped; None for never, or where that is not told.
        size_bytes: Stored bytes.
        vault: Vault of AWS Backup that holds it.
    """

    arn: str
    name: str
    table: str
    table_arn: str
    created_at: datetime
    expires_at: datetime | None
    size_bytes: int
    kind: Kind = "SYSTEM"
    vault: str = ""

    @property
    def managed(self) -> bool:
        """Whether only AWS Backup can restore it."""
        return arns.backup_arn(self.arn).managed


@dataclass(frozen=True, slots=True)
class BackupList:
    """Backups, newest first.

    Attributes:
        unseen: What could not be looked at, and why, in words.
    """

    backups: tuple[Backup, ...]
    unseen: tuple[str, ...] = ()

    def of_table(self, name: str) -> BackupList:
        """Return those of one table."""
        return BackupList(tuple(backup for backup in self.backups if backup.table == name), self.unseen)


def deleted_tables(aws: Aws) -> list[str]:
    """Return the names of the tables that can come back: those that were deleted, or are not there (any more)."""
    living = set(tables.table_names(aws))
    return list(
        dict.fromkeys(
            backup.table for backup in everything(aws).backups if backup.kind == "SYSTEM" or backup.table not in living
        )
    )


def everything(aws: Aws) -> BackupList:
    """Return all backups and recovery points of tables that the account has here, of tables that are gone, too."""
    return _found(aws, lambda: _protected(aws))


def of_table(aws: Aws, table_arn: str) -> BackupList:
    """Return all backups and recovery points of one table, which may be gone or have been made anew since."""
    return _found(aws, lambda: [table_arn]).of_table(arns.table_arn(table_arn).table)


def _found(aws: Aws, table_arns: Callable[[], list[str]]) -> BackupList:
    unseen: list[str] = []
    listed = _permitted(lambda: [*_listed(aws, "ALL"), *_listed(aws, "AWS_BACKUP")], "DynamoDB's backups", unseen)
    listed += _permitted(lambda: [point for arn in table_arns() for point in _points(aws, arn)], "AWS Backup", unseen)
    return BackupList(tuple(_sorted({backup.arn: backup for backup in listed}.values())), tuple(dict.fromkeys(unseen)))


def _permitted(read: Callable[[], list[Backup]], source_name: str, unseen: list[str]) -> list[Backup]:
    """Return what *read* returns; nothing where it is refused, which *unseen* says then."""
    try:
        return read()
    except AccessDenied as error:
        unseen.append(f"{source_name}: not read, {error.what}")
    except AwsError as error:
        unseen.append(f"{source_name}: not read, {error.code} at {error.operation}")
    return []


def _listed(aws: Aws, kind: str) -> list[Backup]:
    rows = aws.paginate("dynamodb", "list_backups", "BackupSummaries", BackupType=kind)
    return [_backup(row) for row in rows if row.get("BackupStatus") == "AVAILABLE"]


def _protected(aws: Aws) -> list[str]:
    rows = aws.paginate("backup", "list_protected_resources", "Results")
    return [row["ResourceArn"] for row in rows if row.get("ResourceType") == "DynamoDB"]


def _points(aws: Aws, table_arn: str) -> list[Backup]:
    rows = aws.paginate(
        "backup", "list_recovery_points_by_resource", "RecoveryPoints", ResourceArn=table_arn
    )  # fmt: skip
    return [
        Backup(
            arn=row["RecoveryPointArn"],
            name=row["RecoveryPointArn"].rpartition(":")[2],
            table=arns.table_arn(table_arn).table,
            table_arn=table_arn,
            created_at=utc(row["CreationDate"]),
            expires_at=None,
            size_bytes=row.get("BackupSizeBytes", 0),
            kind="AWS_BACKUP",
            vault=row.get("BackupVaultName", ""),
        )
        for row in rows
        if row.get("Status") in {"COMPLETED", "AVAILABLE"}
    ]


def find(aws: Aws, arn: str, table_arn: str = "") -> Backup:
    """Return the backup or recovery point of an ARN.

    Args:
        aws: The account; the backup may be in another Region of it.
        arn: Of the backup.
        table_arn: Of its table, which a recovery point's ARN does not tell; all are looked at where it is empty.

    Raises:
        BadInput: It is no ARN of a backup, of another account, or there is none of that ARN.
    """
    named = arns.ours(arns.backup_arn(arn), aws.caller().account, resource_kind="backup")
    regional_aws = aws.elsewhere(named.region)
    if not named.managed:
        described = details(regional_aws, named.text)
        return _backup({**described["SourceTableDetails"], **described["BackupDetails"]})
    home = [table_arn] if table_arn and arns.table_arn(table_arn).region == named.region else []
    for resource in home or _protected(regional_aws):
        for point in _points(regional_aws, resource):
            if point.arn == named.text:
                return point
    table_suffix = f" of {arns.table_arn(table_arn).table}" if home else ""
    raise BadInput(
        f"AWS Backup has no recovery point {named.text}{table_suffix} in {named.region}",
        fix="03_restore and 11_deleted_table list the existing ones.",
    )


def details(aws: Aws, arn: str) -> dict[str, Any]:
    """Return DescribeBackup's description: the only record of a deleted table's settings."""
    answer = aws.call("dynamodb", "describe_backup", table=arns.backup_arn(arn).table, BackupArn=arn)
    description: dict[str, Any] = answer["BackupDescription"]
    return description


def restore_backup(aws: Aws, backup: Backup, target: str, *, options: Options | None = None) -> Restoration:
    """Start restoring *backup* into the new table *target*, or adopt the one that an earlier run made of it.

    Args:
        aws: The account.
        backup: One that DynamoDB restores; those that AWS Backup manages, `recovery_points.restore` does.
        target: Name of the new table.
        options: What it is to be like; None for as it was.

    Raises:
        BadInput: An option cannot be had, or *target* exists and is something else.
    """
    check_name(target)
    restore_options = options or Options()
    backup_aws = aws.elsewhere(arns.backup_arn(backup.arn).region)
    target_aws = backup_aws.elsewhere(restore_options.region)
    design = RestoreDesign.of_backup(details(backup_aws, backup.arn))
    overridden = overrides(target_aws, design, restore_options)
    origin = Origin(backup.table_arn, backup.arn, backup.created_at)
    if (present := adoptable(target_aws, target, origin, design, restore_options)) is not None:
        return Restoration(backup.arn, target, backup.created_at, True, present.created_at, target_aws.region)
    answer = target_aws.call(
        "dynamodb",
        "restore_table_from_backup",
        table=target,
        TargetTableName=target,
        BackupArn=backup.arn,
        **overridden,
    )
    started_at = utc(answer["TableDescription"]["CreationDateTime"])
    return Restoration(backup.arn, target, backup.created_at, False, started_at, target_aws.region)


def _backup(row: dict[str, Any]) -> Backup:
    expires = row.get("BackupExpiryDateTime")
    return Backup(
        arn=row["BackupArn"],
        name=row["BackupName"],
        table=row["TableName"],
        table_arn=row.get("TableArn", ""),
        created_at=utc(row["BackupCreationDateTime"]),
        expires_at=utc(expires) if expires else None,
        size_bytes=row.get("BackupSizeBytes", 0),
        kind=row.get("BackupType", "SYSTEM"),
    )


def _sorted(backups: Iterable[Backup]) -> list[Backup]:
    return sorted(backups, key=lambda backup: backup.created_at, reverse=True)
