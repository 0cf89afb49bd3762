"""Backups: those that people make, and the one that a deleted table with point-in-time recovery leaves behind."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pitrkit.sandbox.protocol.protocol import (
    OK,
    Handler,
    Native,
    ServiceError,
    ServiceReply,
    ServiceRequest,
    invalid,
    moment,
    timestamp,
)
from pitrkit.sandbox.services import restores
from pitrkit.sandbox.store.clock import Clock
from pitrkit.sandbox.store.rows import Position
from pitrkit.sandbox.store.tables import PastTable
from pitrkit.sandbox.store.values import Image

DELETED_SUFFIX = "$DeletedTableBackup"
SYSTEM_BACKUP_DAYS = 35
PAGE = 100
_BACKUP_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")


@dataclass(frozen=True, slots=True)
class StoredBackup:
    """One backup: a table's items, its design, and what its settings were."""

    arn: str
    name: str
    kind: str
    design: restores.TableDesign
    images: dict[Position, Image]
    bytes: int
    created_at: datetime
    expires_at: datetime | None
    source: dict[str, Any]
    features: dict[str, Any]

    @classmethod
    def of(cls, table: PastTable, name: str, kind: str, at: datetime) -> StoredBackup:
        """Return a backup of a table as it is now."""
        return cls(
            arn=f"{table.table_arn}/backup/{int(at.timestamp() * 1000):014d}-{uuid.uuid4().hex[:8]}",
            name=name,
            kind=kind,
            design=restores.TableDesign.of(table),
            images=table.rows.images(),
            bytes=table.rows.bytes,
            created_at=at,
            expires_at=at + timedelta(days=SYSTEM_BACKUP_DAYS) if kind == "SYSTEM" else None,
            source=_source(table),
            features=_features(table),
        )

    def details(self) -> dict[str, Any]:
        """Return the service's BackupDetails."""
        details: dict[str, Any] = {
            "BackupArn": self.arn,
            "BackupName": self.name,
            "BackupStatus": "AVAILABLE",
            "BackupType": self.kind,
            "BackupSizeBytes": self.bytes,
            "BackupCreationDateTime": timestamp(self.created_at),
        }
        if self.expires_at is not None:
            details["BackupExpiryDateTime"] = timestamp(self.expires_at)
        return details

    def summary(self) -> dict[str, Any]:
        """Return the service's BackupSummary."""
        return {**self.details(), **{name: self.source[name] for name in ("TableName", "TableId", "TableArn")}}

    def description(self) -> dict[str, Any]:
        """Return the service's BackupDescription."""
        return {
            "BackupDetails": self.details(),
            "SourceTableDetails": self.source,
            "SourceTableFeatureDetails": self.features,
        }


def _source(table: PastTable) -> dict[str, Any]:
    design = restores.TableDesign.of(table)
    limits = {"OnDemandThroughput": dict(design.on_demand)} if design.on_demand else {}
    return {
        **limits,
        "TableName": table.name,
        "TableId": table.id,
        "TableArn": table.table_arn,
        "TableSizeBytes": table.rows.bytes,
        "ItemCount": len(table),
        "KeySchema": design.schema,
        "TableCreationDateTime": timestamp(table.born_at),
        "ProvisionedThroughput": design.throughput,
        "BillingMode": design.billing_mode,
    }


def _features(table: PastTable) -> dict[str, Any]:
    design = restores.TableDesign.of(table)
    features: dict[str, Any] = {"TimeToLiveDescription": dict(table.ttl)}
    if design.global_indexes:
        features["GlobalSecondaryIndexes"] = design.global_indexes
    if design.local_indexes:
        features["LocalSecondaryIndexes"] = design.local_indexes
    if table.stream_specification and table.stream_specification.get("StreamEnabled"):
        features["StreamDescription"] = dict(table.stream_specification)
    if design.encryption and design.encryption.get("Enabled"):
        features["SSEDescription"] = {
            "Status": "ENABLED",
            "SSEType": "KMS",
            "KMSMasterKeyArn": design.encryption.get("KMSMasterKeyId", ""),
        }
    return features


class Backups:
    """The backup operations.

    Args:
        clock: What time it is.
        restore_seconds: Real seconds that a restore takes.
    """

    def __init__(self, clock: Clock, restore_seconds: float) -> None:
        self._clock = clock
        self._restore_seconds = restore_seconds
        self._kept: dict[str, StoredBackup] = {}

    def operations(self) -> dict[str, Native]:
        """Return what is answered here, by the operation's name."""
        return {
            "CreateBackup": self.create,
            "ListBackups": self.listing,
            "DescribeBackup": self.describe,
            "DeleteBackup": self.delete,
            "RestoreTableFromBackup": self.restore,
        }

    def before_deletion(self, request: ServiceRequest, inner: Handler) -> ServiceReply:
        """Layer around DeleteTable: leave the system backup of a table whose recovery is on."""
        table = request.table(request.body.get("TableName", "")) if request.operation == "DeleteTable" else None
        if table is None:
            return inner(request)
        reply = inner(request)
        if reply.status != OK:
            return reply
        if table.protected_at is not None:
            backup = StoredBackup.of(table, table.name + DELETED_SUFFIX, "SYSTEM", self._clock.stamp())
            self._kept[backup.arn] = backup
        body = reply.body
        body["TableDescription"]["TableStatus"] = "DELETING"
        return ServiceReply.json(body)

    def keep(self, backup: StoredBackup) -> None:
        """Keep a backup that another service has made."""
        self._kept[backup.arn] = backup

    def create(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """Make a backup of a table as it is now."""
        table = request.table(request.body["TableName"])
        if table is None:
            raise ServiceError("TableNotFoundException", f"Table not found: {request.body['TableName']}")
        if not table.active:
            raise ServiceError("TableInUseException", f"Table is being created: {table.name}")
        if not _BACKUP_NAME.fullmatch(request.body["BackupName"]):
            raise invalid(
                f"1 validation error detected: Value '{request.body['BackupName']}' at 'backupName' failed to satisfy "
                "constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
            )
        backup = StoredBackup.of(table, request.body["BackupName"], "USER", self._clock.stamp())
        self._kept[backup.arn] = backup
        return {"BackupDetails": backup.details()}

    def listing(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """List backups by their time; system backups only where they are asked for, as the service does."""
        body = request.body
        kind, limit = body.get("BackupType", "USER"), body.get("Limit", PAGE)
        table = body.get("TableName", "").rpartition(":table/")[2]
        lower, upper = body.get("TimeRangeLowerBound"), body.get("TimeRangeUpperBound")
        summaries = [
            backup
            for backup in self._of(request)
            if (kind == backup.kind or (kind == "ALL" and backup.kind != "AWS_BACKUP"))
            and table in ("", backup.design.name)
            and (lower is None or backup.created_at >= moment(lower))
            and (upper is None or backup.created_at < moment(upper))
        ]
        start = body.get("ExclusiveStartBackupArn")
        if start is not None:
            arns = [backup.arn for backup in summaries]
            if start not in arns:
                raise invalid("ExclusiveStartBackupArn does not name a backup of this list")
            summaries = summaries[arns.index(start) + 1 :]
        answer: dict[str, Any] = {"BackupSummaries": [backup.summary() for backup in summaries[:limit]]}
        if len(summaries) > limit:
            answer["LastEvaluatedBackupArn"] = summaries[limit - 1].arn
        return answer

    def describe(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """Describe a backup and the table it was made of."""
        return {"BackupDescription": self._one(request).description()}

    def delete(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """Delete a backup that somebody made."""
        backup = self._one(request)
        if backup.kind == "SYSTEM":
            raise invalid("System backups cannot be deleted; they expire")
        if backup.kind == "AWS_BACKUP":
            raise ServiceError("AccessDeniedException", "This backup is managed by AWS Backup")
        del self._kept[backup.arn]
        description = backup.description()
        description["BackupDetails"]["BackupStatus"] = "DELETED"
        return {"BackupDescription": description}

    def restore(self, request: ServiceRequest, inner: Handler) -> dict[str, Any]:
        """Restore a backup into a new table, of this Region's or of another's."""
        restores.check_target(request.backend, request.body["TargetTableName"])
        backup = self._one(request, anywhere=True)
        return restores.restore(
            request,
            inner,
            backup.design,
            backup.images,
            summary={"SourceTableArn": backup.design.arn, "SourceBackupArn": backup.arn},
            seconds=self._restore_seconds,
            at=backup.created_at,
        )

    def _of(self, request: ServiceRequest, *, anywhere: bool = False) -> list[StoredBackup]:
        now, region, account = self._clock.now(), request.region, request.account
        home = re.compile(f"arn:aws:dynamodb:{'[^:]+' if anywhere else region}:{account}:")
        return sorted(
            (
                backup
                for backup in self._kept.values()
                if home.match(backup.arn) and (backup.expires_at is None or backup.expires_at > now)
            ),
            key=lambda backup: backup.created_at,
        )

    def _one(self, request: ServiceRequest, *, anywhere: bool = False) -> StoredBackup:
        arn = request.body["BackupArn"]
        for backup in self._of(request, anywhere=anywhere):
            if backup.arn == arn:
                return backup
        raise ServiceError("BackupNotFoundException", f"Backup not found: {arn}")
