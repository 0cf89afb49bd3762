"""Exports to S3, full and incremental, out of a table's history.

What an export holds is settled when it is started: its records are taken from the history then. Its files appear in the
bucket, and its status changes, when its time has passed and somebody looks: at the export, or at anything in S3.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import orjson

from pitrkit.sandbox.access.authority import Authority
from pitrkit.sandbox.access.required_actions import FOR_AN_EXPORT, Demand
from pitrkit.sandbox.exports import export_records
from pitrkit.sandbox.exports.buckets import Buckets, Refused
from pitrkit.sandbox.exports.export import ExportJob
from pitrkit.sandbox.exports.export_faults import ExportFault
from pitrkit.sandbox.exports.export_files import ExportSettings, File, Layout
from pitrkit.sandbox.exports.export_records import Filter
from pitrkit.sandbox.exports.export_requests import Wanted
from pitrkit.sandbox.protocol.faults import Faults
from pitrkit.sandbox.protocol.protocol import Handler, Native, ServiceError, ServiceRequest, invalid
from pitrkit.sandbox.services.pitr import PointInTimeRecovery
from pitrkit.sandbox.store.clock import Clock
from pitrkit.sandbox.store.tables import PastTable
from pitrkit.sandbox.store.values import stored_size

CONCURRENT_EXPORTS = 300
LISTED_DAYS = 90
PAGE = 25
TOKEN_HOURS = 8
LEAST_BILLED_BYTES = 10 * 1024 * 1024
"""Of an incremental export."""


class Exports:
    """The export operations.

    Args:
        clock: What time it is.
        recovery: Tells what is restorable.
        buckets: Where the files go.
        faults: What goes wrong.
        settings: How exports go.
        authority: Whose policies count; None where everybody may write everywhere.

    Attributes:
        settings: How exports go; may be replaced at any time, for those that are started later.
    """

    def __init__(
        self,
        clock: Clock,
        recovery: PointInTimeRecovery,
        buckets: Buckets,
        faults: Faults,
        settings: ExportSettings,
        *,
        authority: Authority | None = None,
    ) -> None:
        self.settings = settings
        self._authority = authority
        self._clock = clock
        self._recovery = recovery
        self._buckets = buckets
        self._faults = faults
        self._kept: dict[str, ExportJob] = {}

    def operations(self) -> dict[str, Native]:
        """Return what is answered here, by the operation's name."""
        return {
            "ExportTableToPointInTime": self.start,
            "DescribeExport": self.describe,
            "ListExports": self.listing,
        }

    def start(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """Start an export, or return the one that the same request started before."""
        self.settle()
        export_request = Wanted.read(request.body)
        request_json = orjson.dumps(request.body, option=orjson.OPT_SORT_KEYS)
        earlier = self._with_token(request, export_request.token)
        if earlier is not None:
            if earlier.asked != request_json:
                raise ServiceError(
                    "ExportConflictException", f"There is another export with the ClientToken {export_request.token}"
                )
            return {"ExportDescription": earlier.description()}
        table = _existing(request, export_request)
        export = self._begun(request, export_request, table, request_json)
        for fault in export.struck:
            if fault.kind == "export_refused":
                raise ServiceError(*fault.answer)
        self._kept[export.arn] = export
        answer = export.description()
        self._put(export, [export.layout.started()])
        return {"ExportDescription": answer}

    def describe(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """Say what has become of an export."""
        self.settle()
        arn = request.body["ExportArn"]
        export = self._kept.get(arn)
        if export is None or export not in self._of(request):
            raise ServiceError("ExportNotFoundException", f"Export not found: {arn}")
        return {"ExportDescription": export.description()}

    def listing(self, request: ServiceRequest, _inner: Handler) -> dict[str, Any]:
        """List the exports of the last 90 days, of one table or of all, the latest first."""
        self.settle()
        body = request.body
        limit, token = body.get("MaxResults", PAGE), body.get("NextToken")
        if not 1 <= limit <= PAGE:
            raise invalid(f"MaxResults must be between 1 and {PAGE}")
        matching = [
            listed_export
            for listed_export in self._of(request)
            if body.get("TableArn", listed_export.wanted.table_arn) == listed_export.wanted.table_arn
        ]
        matching.reverse()
        if token is not None:
            places = [number for number, export in enumerate(matching) if export.layout.export_id == token]
            if not places:
                raise invalid("Invalid NextToken")
            del matching[: places[0] + 1]
        answer: dict[str, Any] = {"ExportSummaries": [export.summary() for export in matching[:limit]]}
        if len(matching) > limit:
            answer["NextToken"] = matching[limit - 1].layout.export_id
        return answer

    def settle(self) -> None:
        """Finish every export whose time has passed."""
        for export in [export for export in self._kept.values() if export.due]:
            failing = next((fault for fault in export.struck if fault.kind == "export_fails"), None)
            if failing is not None:
                export.failure = failing.answer
            elif export.failure is None:
                self._put(export, export.files())
            export.status = "COMPLETED" if export.failure is None else "FAILED"

    def _put(self, export: ExportJob, files: list[File]) -> None:
        export_request = export.wanted
        try:
            for file in files:
                self._check_caller(export, file.key)
                self._buckets.put(
                    export_request.bucket,
                    file.key,
                    file.content,
                    owner=export.owner,
                    etag=file.etag,
                    encryption=export_request.encryption,
                    kms_key=export_request.kms_key,
                )
        except Refused as refused:
            export.failure = refused.code, refused.message

    def _check_caller(self, export: ExportJob, key: str) -> None:
        """The service writes as the one who asked for the export."""
        for action in FOR_AN_EXPORT if self._authority else ():
            demand = Demand(action, f"arn:aws:s3:::{export.wanted.bucket}/{key}")
            if self._authority and (why := self._authority.refusal(export.access_key, demand)):
                raise Refused("S3AccessDenied", why)

    def _begun(self, request: ServiceRequest, wanted: Wanted, table: PastTable, asked: bytes) -> ExportJob:
        if table.protected_at is None:
            raise ServiceError(
                "PointInTimeRecoveryUnavailableException",
                f"Point in time recovery is not enabled for table '{table.name}'",
            )
        earliest_at, latest_at = self._recovery.window(table)
        started_at, from_at = self._clock.now(), None
        if wanted.incremental:
            from_at, until_at = wanted.window(earliest_at, latest_at)
            records = export_records.written_in(table, from_at, until_at)
            billed = max(LEAST_BILLED_BYTES, export_records.log_bytes(table, from_at, until_at))
        else:
            until_at = wanted.time(earliest_at, latest_at, started_at)
            records = export_records.state_at(table, until_at)
            billed = sum(stored_size(record.after or {}) for record in records)
        if wanted.filtering is not None:
            records = Filter.of(wanted.filtering, table).applied(records)
        if sum(export.status == "IN_PROGRESS" for export in self._of(request)) >= CONCURRENT_EXPORTS:
            raise ServiceError(
                "LimitExceededException", f"Too many concurrent exports; the limit is {CONCURRENT_EXPORTS}"
            )
        struck = self._faults.strike(ExportFault, lambda fault: fault.is_about_export(table.name, wanted.bucket))
        export_id = f"{int(started_at.timestamp() * 1000):014d}-{uuid.uuid4().hex[:8]}"
        return ExportJob(
            arn=f"{table.table_arn}/export/{export_id}",
            wanted=wanted,
            asked=asked,
            table_id=table.id,
            owner=wanted.echoed.get("S3BucketOwner", request.account),
            access_key=request.access_key,
            from_at=from_at,
            until_at=until_at,
            layout=Layout(
                export_id=export_id,
                prefix=wanted.prefix,
                incremental=wanted.incremental,
                ion=wanted.ion,
                old_images=wanted.old_images,
                settings=self.settings,
            ),
            records=records,
            billed_bytes=billed,
            started_at=started_at,
            seconds=self.settings.export_seconds
            + sum(struck_fault.seconds for struck_fault in struck if struck_fault.kind == "export_slow"),
            struck=struck,
        )

    def _of(self, request: ServiceRequest) -> list[ExportJob]:
        since_at, home = self._clock.now() - timedelta(days=LISTED_DAYS), f":{request.region}:{request.account}:"
        return [export for export in self._kept.values() if home in export.arn and export.started_at > since_at]

    def _with_token(self, request: ServiceRequest, token: str) -> ExportJob | None:
        since_at = self._clock.now() - timedelta(hours=TOKEN_HOURS)
        if not token:
            return None
        exports = (export for export in reversed(self._of(request)) if export.wanted.token == token)
        return next((export for export in exports if export.started_at > since_at), None)


def _existing(request: ServiceRequest, wanted: Wanted) -> PastTable:
    table = request.table(wanted.table_arn)
    if table is None or table.table_arn != wanted.table_arn:
        raise ServiceError("TableNotFoundException", f"Table not found: {wanted.table_arn}")
    return table
