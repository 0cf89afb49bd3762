"""Point-in-time recovery: its window, and restores out of a table's history.

Facts from the Amazon DynamoDB Developer Guide, "Point-in-time recovery". A restore goes to a whole second, and holds
exactly the writes up to and including that second's beginning: `time <= T.000000`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from moto.dynamodb.models import dynamodb_backends

from pitrkit.sandbox.protocol.protocol import Handler, Native, ServiceError, ServiceRequest, invalid, moment, timestamp
from pitrkit.sandbox.services import restores
from pitrkit.sandbox.store.clock import Clock
from pitrkit.sandbox.store.tables import PastTable

LONGEST_PERIOD_DAYS = 35
_ARN_PARTS = 6


@dataclass(frozen=True, slots=True)
class PointInTimeRecovery:
    """The recovery operations.

    Attributes:
        clock: What time it is.
        restore_seconds: Real seconds that a restore takes.
        latest_lag_seconds: How far the latest restorable time is behind the clock; about 300 in the service.
    """

    clock: Clock
    restore_seconds: float
    latest_lag_seconds: float

    def operations(self) -> dict[str, Native]:
        """Return what is answered here, by the operation's name."""
        return {
            "DescribeContinuousBackups": self.describe,
            "UpdateContinuousBackups": self.update,
            "RestoreTableToPointInTime": self.restore,
        }

    def describe(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """Say whether recovery is on and how far it reaches."""
        return self._description(_existing(request, request.body["TableName"]))

    def update(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """Switch recovery on or off, or change its period. Off and on again begins a new window."""
        table = _existing(request, request.body["TableName"])
        specification = request.body["PointInTimeRecoverySpecification"]
        period = specification.get("RecoveryPeriodInDays")
        if not table.active:
            raise ServiceError(
                "ContinuousBackupsUnavailableException",
                f"Backups are being enabled for the table: {table.name}. Please retry later",
            )
        if not specification["PointInTimeRecoveryEnabled"]:
            table.protected_at = None
            return self._description(table)
        if period is not None and not 1 <= period <= LONGEST_PERIOD_DAYS:
            raise invalid(f"RecoveryPeriodInDays must be between 1 and {LONGEST_PERIOD_DAYS}")
        if table.protected_at is None:
            table.protected_at = self.clock.stamp()
            table.period_days = LONGEST_PERIOD_DAYS
        if period is not None:
            table.period_days = period
            table.protected_at, _ = self.window(table)
        return self._description(table)

    def restore(self, request: ServiceRequest, inner: Handler) -> dict[str, Any]:
        """Restore a table as it was at a whole second into a new one."""
        body = request.body
        if bool(body.get("UseLatestRestorableTime")) == ("RestoreDateTime" in body):
            raise invalid(
                "One or more parameter values were invalid: exactly one of UseLatestRestorableTime and "
                "RestoreDateTime must be specified"
            )
        source = self._source(request)
        restores.check_target(request.backend, body["TargetTableName"])
        if source.protected_at is None:
            raise ServiceError(
                "PointInTimeRecoveryUnavailableException",
                f"Point in time recovery is not enabled for table '{source.name}'",
            )
        earliest_at, latest_at = self.window(source)
        at = moment(body["RestoreDateTime"]) if "RestoreDateTime" in body else latest_at
        at = at.replace(microsecond=0)
        if not earliest_at.replace(microsecond=0) <= at <= latest_at:
            raise ServiceError(
                "InvalidRestoreTimeException",
                f"RestoreDateTime is invalid. It must be between {earliest_at.isoformat()} and {latest_at.isoformat()}",
            )
        return restores.restore(
            request,
            inner,
            restores.TableDesign.of(source),
            source.history.state_at(at),
            summary={"SourceTableArn": source.table_arn},
            seconds=self.restore_seconds,
            at=at,
        )

    def _source(self, request: ServiceRequest) -> PastTable:
        name, arn = request.body.get("SourceTableName", ""), request.body.get("SourceTableArn", "")
        if bool(name) == bool(arn):
            raise invalid(
                "One or more parameter values were invalid: exactly one of SourceTableName and SourceTableArn "
                "must be specified"
            )
        if not arn:
            return _existing(request, name)
        parts = arn.split(":", 5)
        if len(parts) < _ARN_PARTS:
            raise invalid(f"Invalid table ARN: {arn}")
        region, account, resource = parts[3:]
        if region == request.region:
            return _existing(request, arn)
        table: PastTable | None = dynamodb_backends[account][region].tables.get(resource.removeprefix("table/"))
        if table is None:
            raise ServiceError("TableNotFoundException", f"Table not found: {arn}")
        if account != request.account:
            raise ServiceError("AccessDeniedException", f"The table belongs to another account: {arn}")
        return table

    def window(self, table: PastTable) -> tuple[datetime, datetime]:
        """Return the earliest and the latest restorable time of a table whose recovery is on."""
        now = self.clock.now()
        if table.protected_at is None:
            raise AssertionError(f"{table.name} has no recovery window")
        earliest_at = max(table.protected_at, now - timedelta(days=table.period_days))
        return earliest_at, max(earliest_at, now - timedelta(seconds=self.latest_lag_seconds))

    def _description(self, table: PastTable) -> dict[str, Any]:
        recovery: dict[str, Any] = {"PointInTimeRecoveryStatus": "DISABLED"}
        if table.protected_at is not None:
            earliest_at, latest_at = self.window(table)
            recovery = {
                "PointInTimeRecoveryStatus": "ENABLED",
                "RecoveryPeriodInDays": table.period_days,
                "EarliestRestorableDateTime": timestamp(earliest_at),
                "LatestRestorableDateTime": timestamp(latest_at),
            }
        return {
            "ContinuousBackupsDescription": {
                "ContinuousBackupsStatus": "ENABLED",
                "PointInTimeRecoveryDescription": recovery,
            }
        }


def _existing(request: ServiceRequest, name: str) -> PastTable:
    table = request.table(name)
    if table is None:
        raise ServiceError("TableNotFoundException", f"Table not found: {name}")
    return table
