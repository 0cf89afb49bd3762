"""One export: what it holds, what has become of it, and the files it leaves."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pitrkit.sandbox.exports.export_faults import ExportFault
from pitrkit.sandbox.exports.export_files import ExportedFile, File, Layout, iso, shortened
from pitrkit.sandbox.exports.export_records import ExportedItem
from pitrkit.sandbox.exports.export_requests import Wanted
from pitrkit.sandbox.protocol.protocol import timestamp


@dataclass(slots=True)
class ExportJob:
    """One export, and what has become of it.

    Attributes:
        arn: Its ARN.
        wanted: What it was asked for.
        asked: The request's parameters, as bytes that are equal for equal ones.
        table_id: The table's id.
        owner: Account that the bucket should belong to.
        access_key: Access key of who asked for it.
        from_at: Beginning of the window; None for a full export.
        until_at: End of the window, or time of a full export.
        layout: Where its files go.
        records: What it holds.
        billed_bytes: What it costs is by these.
        started_at: When it was started.
        seconds: Real seconds that it takes.
        struck: What goes wrong with it.
        status: The service's ExportStatus.
        failure: Code and message of one that fails.
    """

    arn: str
    wanted: Wanted
    asked: bytes
    table_id: str
    owner: str
    access_key: str
    from_at: datetime | None
    until_at: datetime
    layout: Layout
    records: list[ExportedItem]
    billed_bytes: int
    started_at: datetime
    seconds: float
    struck: list[ExportFault]
    status: str = "IN_PROGRESS"
    failure: tuple[str, str] | None = None
    _ready: float = 0.0

    def __post_init__(self) -> None:
        self._ready = time.monotonic() + self.seconds

    @property
    def due(self) -> bool:
        """Whether its time has passed, and its files are not there yet."""
        return self.status == "IN_PROGRESS" and time.monotonic() >= self._ready

    @property
    def ended_at(self) -> datetime:
        """When it ends, or ended."""
        return self.started_at + timedelta(seconds=self.seconds)

    def summary(self) -> dict[str, Any]:
        """Return the service's ExportSummary."""
        kind = self.wanted.description()["ExportType"]
        return {"ExportArn": self.arn, "ExportStatus": self.status, "ExportType": kind}

    def description(self) -> dict[str, Any]:
        """Return the service's ExportDescription."""
        described = {
            **self.summary(),
            **self.wanted.description(),
            **self.wanted.times(self.from_at, self.until_at),
            "TableId": self.table_id,
            "StartTime": timestamp(self.started_at),
        }
        if self.status != "IN_PROGRESS":
            described["EndTime"] = timestamp(self.ended_at)
        if self.status == "FAILED" and self.failure is not None:
            described["FailureCode"], described["FailureMessage"] = self.failure
        if self.status == "COMPLETED":
            described["ExportManifest"] = self.layout.manifest
            described["ItemCount"] = len(self.records)
            described["BilledSizeBytes"] = self.billed_bytes
        return described

    def files(self) -> list[File]:
        """Return what it leaves in its bucket, damaged as it shall be."""
        damages = {fault.kind: fault for fault in self.struck}
        data = self.layout.data(self.records)
        listed = [*data, self.layout.foreign()] if "file_foreign" in damages else data
        manifests = [self.layout.files(listed), self.layout.summary(self._facts())]
        checksums = [self.layout.checksum(manifest) for manifest in manifests]
        if "manifest_changed" in damages:
            lines = manifests[0].content.splitlines(keepends=True)
            manifests[0] = manifests[0]._replace(content=b"".join(lines[:-1]))
        objects = {file.key: File(self.layout.root + file.key, file.content, file.etag) for file in listed}
        for kind in ("file_changed", "file_torn", "file_missing"):
            if kind in damages:
                _damage(objects, data, damages[kind])
        return [*objects.values(), *manifests, *checksums]

    def _facts(self) -> dict[str, Any]:
        export_request = self.wanted
        times = {"exportTime": iso(self.until_at)}
        view = {}
        if self.from_at is not None:
            times = {"exportFromTime": iso(self.from_at), "exportToTime": iso(self.until_at)}
            view = {"outputView": "NEW_AND_OLD_IMAGES" if export_request.old_images else "NEW_IMAGE"}
        described = export_request.description()
        return {
            "version": "2020-06-30" if self.from_at is None else "2023-08-01",
            "exportArn": self.arn,
            "startTime": iso(self.started_at),
            "endTime": iso(self.ended_at),
            "tableArn": export_request.table_arn,
            "tableId": self.table_id,
            **times,
            "s3Bucket": export_request.bucket,
            "s3Prefix": export_request.prefix or None,
            "s3SseAlgorithm": export_request.encryption,
            "s3SseKmsKeyId": export_request.kms_key,
            "billedSizeBytes": self.billed_bytes,
            "itemCount": len(self.records),
            "outputFormat": described["ExportFormat"],
            **view,
            "exportType": described["ExportType"],
        }


def _damage(objects: dict[str, File], data: list[ExportedFile], fault: ExportFault) -> None:
    """Do to one of the data files what *fault* says, preferably to one with items in it."""
    dice = random.Random(fault.seed)  # noqa: S311 - no secret
    key = dice.choice([file for file in data if file.items and file.key in objects] or data).key
    whole = objects[key]
    match fault.kind:
        case "file_missing":
            del objects[key]
        case "file_torn":
            objects[key] = File(whole.key, whole.content[: len(whole.content) * 2 // 3])
        case "file_changed":
            objects[key] = File(whole.key, shortened(whole.content))
