"""An export of a table to S3, as the service describes it: full (as of one second) or incremental (of a window)."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pitrkit.aws.client.client import Aws
from pitrkit.errors import BadInput
from pitrkit.times import iso, utc

When = datetime | tuple[datetime, datetime]
"""What an export is of: a second (full), or a window, its end excluded (incremental)."""


@dataclass(frozen=True, slots=True)
class Export:
    """An export as DescribeExport shows it.

    Attributes:
        status: `IN_PROGRESS`, `COMPLETED` or `FAILED`.
        at: Of a full export: the second that it shows.
        from_at: Of an incremental one: beginning of its window.
        to_at: Its end, excluded.
        view: Of an incremental one: whether it has old images.
        prefix: What the keys of its files begin with, in front of `AWSDynamoDB/`.
        bucket_owner: Account of the bucket, where it was named.
        manifest: Key of its summary, empty as long as the service names none.
        filter: What it was asked for only, as `filter_text` spells it; empty for everything.
        billed_bytes: What the service charges for.
        begun: Whether it was begun by this very call, rather than found; False where nobody can tell.
    """

    arn: str
    table_arn: str
    table_id: str
    status: str
    kind: Literal["full", "incremental"]
    at: datetime | None
    from_at: datetime | None
    to_at: datetime | None
    view: Literal["", "new-and-old", "new"]
    bucket: str
    prefix: str
    bucket_owner: str
    manifest: str
    format: str
    filter: str
    item_count: int
    billed_bytes: int
    started_at: datetime | None
    ended_at: datetime | None
    failure_code: str
    failure_message: str
    begun: bool = False

    @property
    def owner(self) -> dict[str, Any]:
        """What S3 is to be told about whose the bucket is; nothing where it was not named."""
        return {"ExpectedBucketOwner": self.bucket_owner} if self.bucket_owner else {}

    @property
    def table(self) -> str:
        """Name of the table."""
        return self.table_arn.rpartition("/")[2]

    @property
    def filtered(self) -> bool:
        """Whether it holds some items or attributes only. Such a one is never written back from."""
        return bool(self.filter)

    @property
    def when(self) -> When | None:
        """What it is of, None if the service does not say."""
        return self.at if self.kind == "full" else (self.from_at, self.to_at) if self.from_at and self.to_at else None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {name: iso(value) if isinstance(value, datetime) else value for name, value in asdict(self).items()}

    def __str__(self) -> str:
        if self.from_at and self.to_at:
            return f"incremental export of {iso(self.from_at)} to {iso(self.to_at)}"
        return f"full export as of {iso(self.at)}" if self.at else f"{self.kind} export"


def describe(aws: Aws, arn: str, *, table: str = "") -> Export:
    """Return the export *arn*."""
    return export_of(aws.call("dynamodb", "describe_export", table=table, ExportArn=arn)["ExportDescription"])


def whole_second(at: datetime) -> datetime:
    """Return *at* in UTC, cut to the second.

    Raises:
        BadInput: It is naive.
    """
    if at.tzinfo is None:
        raise BadInput(f"the time {at.isoformat()} has no time zone", fix="Use a time with a time zone, such as UTC.")
    return at.astimezone(UTC).replace(microsecond=0)


def filter_text(specification: dict[str, Any] | None) -> str:
    """Return a FilterSpecification as text that is the same for the same filter, empty for none."""
    if not specification:
        return ""
    return json.dumps(specification, sort_keys=True, default=lambda binary: base64.b64encode(bytes(binary)).decode())


def export_of(row: dict[str, Any]) -> Export:
    """Return the export that the service's ExportDescription *row* tells of."""
    window = row.get("IncrementalExportSpecification") or {}
    incremental = row.get("ExportType") == "INCREMENTAL_EXPORT" or bool(window)
    old_too = window.get("ExportViewType", "NEW_AND_OLD_IMAGES") == "NEW_AND_OLD_IMAGES"
    return Export(
        arn=row["ExportArn"],
        table_arn=row.get("TableArn", ""),
        table_id=row.get("TableId", ""),
        status=row.get("ExportStatus", "IN_PROGRESS"),
        kind="incremental" if incremental else "full",
        at=None if incremental else _second(row.get("ExportTime")),
        from_at=_second(window.get("ExportFromTime")),
        to_at=_second(window.get("ExportToTime")),
        view="" if not incremental else "new-and-old" if old_too else "new",
        bucket=row.get("S3Bucket", ""),
        prefix=(row.get("S3Prefix") or "").strip("/"),
        bucket_owner=row.get("S3BucketOwner") or "",
        manifest=row.get("ExportManifest") or "",
        format=row.get("ExportFormat") or "DYNAMODB_JSON",
        filter=filter_text(row.get("FilterSpecification")),
        item_count=row.get("ItemCount", 0),
        billed_bytes=row.get("BilledSizeBytes", 0),
        started_at=_moment(row.get("StartTime")),
        ended_at=_moment(row.get("EndTime")),
        failure_code=row.get("FailureCode") or "",
        failure_message=row.get("FailureMessage") or "",
    )


def _moment(at: datetime | None) -> datetime | None:
    return utc(at) if at else None


def _second(at: datetime | None) -> datetime | None:
    return whole_second(at) if at else None
