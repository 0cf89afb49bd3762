"""AWS Backup, as far as it keeps DynamoDB tables: recovery points in vaults, and the jobs that restore them.

It speaks REST; `with_operation_name` gives such a request the name and the body that one of the JSON protocol has, so
that it passes the same layers. What is not answered here (plans, the vaults themselves) stays moto's.

A recovery point is either managed by AWS Backup (its ARN begins with `arn:aws:backup`), then only a job restores it,
or, where the account has not opted in to that, an ordinary backup of DynamoDB's own. Source: AWS Backup Developer
Guide, "Advanced DynamoDB backup" and "Restore a DynamoDB table".
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

import orjson

from pitrkit.sandbox.protocol.protocol import Handler, Native, ServiceError, ServiceRequest, timestamp
from pitrkit.sandbox.services import restores
from pitrkit.sandbox.services.backups import Backups, StoredBackup
from pitrkit.sandbox.store.clock import Clock
from pitrkit.sandbox.store.tables import PastTable

_SIGNED = re.compile(r"Credential=[^/,]+/[^/]+/[^/]+/backup/")
_PATHS = (
    ("GET", re.compile(r"/resources/?"), "ListProtectedResources"),
    ("GET", re.compile(r"/resources/(?P<ResourceArn>arn:.+)/recovery-points/?"), "ListRecoveryPointsByResource"),
    ("PUT", re.compile(r"/restore-jobs/?"), "StartRestoreJob"),
    ("GET", re.compile(r"/restore-jobs/(?P<RestoreJobId>[^/]+)"), "DescribeRestoreJob"),
    ("PUT", re.compile(r"/backup-jobs/?"), "StartBackupJob"),
    ("PUT", re.compile(r"/account-settings/?"), "UpdateRegionSettings"),
)


def with_operation_name(environ: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return a request with an operation's name and its parameters in one body, if it is one that is answered here."""
    if not _SIGNED.search(environ.get("HTTP_AUTHORIZATION", "")):
        return environ, content
    path = unquote(environ.get("PATH_INFO", ""))
    for method, pattern, operation in _PATHS:
        match = pattern.fullmatch(path) if environ["REQUEST_METHOD"] == method else None
        if match is not None:
            body = {**orjson.loads(content or b"{}"), **match.groupdict()}
            return {**environ, "HTTP_X_AMZ_TARGET": f"AWSBackup.{operation}"}, orjson.dumps(body)
    return environ, content


@dataclass
class VaultJob:
    """A restore job: *table* is what it makes, or *failed* why it makes none."""

    id: str
    point: StoredBackup
    token: str
    table: PastTable | None = None
    failed: str = ""


class Vaults:
    """The operations of AWS Backup.

    Args:
        clock: What time it is.
        backups: DynamoDB's own backups, where recovery points go that AWS Backup does not manage itself.
        restore_seconds: Real seconds that a restore takes.
    """

    def __init__(self, clock: Clock, backups: Backups, restore_seconds: float) -> None:
        self._clock = clock
        self._backups = backups
        self._restore_seconds = restore_seconds
        self._points: dict[str, tuple[StoredBackup, str]] = {}
        self._tags: dict[str, list[dict[str, str]]] = {}
        self._jobs: dict[str, VaultJob] = {}
        self._managed = True

    def operations(self) -> dict[str, Native]:
        """Return what is answered here, by the operation's name."""
        return {
            "ListProtectedResources": self.resources,
            "ListRecoveryPointsByResource": self.points,
            "StartRestoreJob": self.restore,
            "DescribeRestoreJob": self.job,
            "StartBackupJob": self.back_up,
            "UpdateRegionSettings": self.settings,
        }

    def settings(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """Opt in to, or out of, recovery points of tables that AWS Backup manages itself."""
        preference = request.body.get("ResourceTypeManagementPreference", {})
        self._managed = bool(preference.get("DynamoDB", self._managed))
        return {}

    def back_up(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """Make a recovery point of a table as it is now."""
        table = request.table(request.body["ResourceArn"])
        if table is None:
            raise ServiceError("InvalidParameterValueException", f"No such resource: {request.body['ResourceArn']}")
        at = self._clock.stamp()
        point = StoredBackup.of(table, f"awsbackup_{uuid.uuid4()}", "AWS_BACKUP", at)
        if self._managed:
            home = f"arn:aws:backup:{request.region}:{request.account}"
            point = replace(point, arn=f"{home}:recovery-point:{str(uuid.uuid4()).upper()}")
        else:
            self._backups.keep(point)
        self._points[point.arn] = point, request.body["BackupVaultName"]
        self._tags[point.arn] = [dict(tag) for tag in table.tags]
        return {"BackupJobId": str(uuid.uuid4()), "RecoveryPointArn": point.arn, "CreationDate": timestamp(at)}

    def resources(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """List the tables that have recovery points, those that are gone, too."""
        tables = {point.design.arn: point for point, _ in self._of(request)}
        return {
            "Results": [
                {"ResourceArn": arn, "ResourceType": "DynamoDB", "LastBackupTime": timestamp(point.created_at)}
                for arn, point in tables.items()
            ]
        }

    def points(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """List the recovery points of a table, by its ARN."""
        arn = request.body["ResourceArn"]
        return {
            "RecoveryPoints": [
                {
                    "RecoveryPointArn": point.arn,
                    "CreationDate": timestamp(point.created_at),
                    "Status": "COMPLETED",
                    "BackupSizeBytes": point.bytes,
                    "BackupVaultName": vault,
                    "ResourceName": point.design.name,
                }
                for point, vault in self._of(request)
                if point.design.arn == arn
            ]
        }

    def restore(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """Begin to restore a recovery point. What is wrong with the target, the job says, not this answer."""
        body = request.body
        point = next((point for point, _ in self._of(request) if point.arn == body["RecoveryPointArn"]), None)
        if point is None:
            raise ServiceError(
                "ResourceNotFoundException", f"Recovery point does not exist: {body['RecoveryPointArn']}"
            )
        if not re.fullmatch(rf"arn:aws:iam::{request.account}:role/.+", body.get("IamRoleArn", "")):
            raise ServiceError("InvalidParameterValueException", "Invalid IAM role")
        metadata = {name.lower(): value for name, value in body["Metadata"].items()}
        if not metadata.get("targettablename"):
            raise ServiceError("InvalidParameterValueException", "Metadata: targetTableName is missing")
        token = body.get("IdempotencyToken", "")
        for job in self._jobs.values():
            if token and job.token == token:
                return {"RestoreJobId": job.id}
        job = VaultJob(str(uuid.uuid4()).upper(), point, token)
        self._jobs[job.id] = job
        try:
            job.table = self._made(request, point, metadata)
        except ServiceError as error:
            job.failed = f"{error.code}: {error.message}"
        if job.table is not None and body.get("CopySourceTagsToRestoredResource"):
            job.table.tags = [dict(tag) for tag in self._tags[point.arn]]
        return {"RestoreJobId": job.id}

    def _made(self, request: ServiceRequest, point: StoredBackup, metadata: Mapping[str, str]) -> PastTable:
        encryption_settings: dict[str, Any] = {"Enabled": metadata.get("encryptiontype", "Default").lower() == "kms"}
        if encryption_settings["Enabled"] and metadata.get("kmsmasterkeyarn"):
            encryption_settings["KMSMasterKeyId"] = metadata["kmsmasterkeyarn"]
        target = metadata["targettablename"]
        restores.check_target(request.backend, target)
        body = {"TargetTableName": target, "SSESpecificationOverride": encryption_settings}
        return restores.made(
            replace(request, body=body),
            point.design,
            point.images,
            summary={"SourceTableArn": point.design.arn},
            seconds=self._restore_seconds,
            at=point.created_at,
        )

    def job(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """Say how far a restore job is."""
        job = self._jobs.get(request.body["RestoreJobId"])
        if job is None:
            raise ServiceError("ResourceNotFoundException", f"No such restore job: {request.body['RestoreJobId']}")
        done = job.table is not None and job.table.active
        answer: dict[str, Any] = {
            "RestoreJobId": job.id,
            "RecoveryPointArn": job.point.arn,
            "Status": "FAILED" if job.failed else "COMPLETED" if done else "RUNNING",
            "ResourceType": "DynamoDB",
            "CreationDate": timestamp(job.point.created_at),
        }
        if job.failed:
            answer["StatusMessage"] = job.failed
        if done and job.table is not None:
            answer["CreatedResourceArn"] = job.table.table_arn
        return answer

    def _of(self, request: ServiceRequest) -> list[tuple[StoredBackup, str]]:
        home = f":{request.region}:{request.account}:"
        return [(point, vault) for point, vault in self._points.values() if home in point.arn]
