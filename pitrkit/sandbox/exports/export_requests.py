"""What an ExportTableToPointInTime asks for, checked as the service checks it.

Facts from the service's API reference and the Amazon DynamoDB Developer Guide, "Requesting a table export". Times are
taken to the whole second. A full export without a time is of now; an explicit time, and the end of a window, lie no
later than the latest restorable time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from pitrkit.sandbox.protocol.protocol import ServiceError, invalid, moment, timestamp

SHORTEST_WINDOW = timedelta(minutes=15)
LONGEST_WINDOW = timedelta(hours=24)
FULL, INCREMENTAL = "FULL_EXPORT", "INCREMENTAL_EXPORT"
_CHOICES = {
    "ExportFormat": ("DYNAMODB_JSON", "ION"),
    "ExportType": (FULL, INCREMENTAL),
    "S3SseAlgorithm": ("AES256", "KMS"),
    "ExportViewType": ("NEW_AND_OLD_IMAGES", "NEW_IMAGE"),
}
_BUCKET = re.compile(r"[a-z0-9A-Z]+[.\-\w]*[a-z0-9A-Z]+")
_TABLE_ARN = re.compile(r"arn:aws[a-z-]*:dynamodb:[^:]+:\d{12}:table/[^/]+")
_ECHOED = ("S3BucketOwner", "S3Prefix", "S3SseKmsKeyId", "FilterSpecification")
_LONGEST_PREFIX = 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """A checked request.

    Attributes:
        table_arn: The table's ARN.
        token: ClientToken; empty for none.
        bucket: The bucket.
        prefix: S3Prefix; empty for none.
        encryption: S3SseAlgorithm.
        kms_key: S3SseKmsKeyId, if there is one.
        ion: Whether the items are to be Ion text.
        incremental: Whether it is an incremental export.
        old_images: Whether records of an incremental export are to have the item before the window.
        from_at: Beginning of the window of an incremental export, inclusive.
        until_at: Time of a full export, or end of the window, exclusive; None for the service's choice.
        filtering: FilterSpecification, if there is one.
        echoed: The parameters that a description repeats as they are.
    """

    table_arn: str
    token: str
    bucket: str
    prefix: str
    encryption: str
    kms_key: str | None
    ion: bool
    incremental: bool
    old_images: bool
    from_at: datetime | None
    until_at: datetime | None
    filtering: dict[str, Any] | None
    echoed: dict[str, Any]

    @classmethod
    def read(cls, body: dict[str, Any]) -> Self:
        """Return what a request's parameters ask for.

        Raises:
            ServiceError: They are not valid, whatever the table.
        """
        window = body.get("IncrementalExportSpecification") or {}
        for name, choices in _CHOICES.items():
            value = {**body, **window}.get(name, choices[0])
            if value not in choices:
                raise invalid(
                    f"1 validation error detected: Value '{value}' at '{name[0].lower()}{name[1:]}' failed to satisfy "
                    f"constraint: Member must satisfy enum value set: [{', '.join(choices)}]"
                )
        arn, bucket, prefix = (body.get(name, "") for name in ("TableArn", "S3Bucket", "S3Prefix"))
        if not _TABLE_ARN.fullmatch(arn):
            raise invalid(f"Invalid table ARN: {arn}")
        if not _BUCKET.fullmatch(bucket):
            raise invalid(f"Invalid S3 bucket name: {bucket}")
        if len(prefix) > _LONGEST_PREFIX or "$" in body.get("ClientToken", ""):
            raise invalid("S3Prefix must have at most 1024 characters, and ClientToken no $")
        incremental = body.get("ExportType") == INCREMENTAL
        _check_kind(body, incremental=incremental)
        times = window if incremental else body
        begin, end = times.get("ExportFromTime"), times.get("ExportToTime" if incremental else "ExportTime")
        return cls(
            table_arn=arn,
            token=body.get("ClientToken", ""),
            bucket=bucket,
            prefix=prefix,
            encryption=body.get("S3SseAlgorithm", "AES256"),
            kms_key=body.get("S3SseKmsKeyId"),
            ion=body.get("ExportFormat") == "ION",
            incremental=incremental,
            old_images=window.get("ExportViewType") != "NEW_IMAGE",
            from_at=None if begin is None else _second(begin),
            until_at=None if end is None else _second(end),
            filtering=body.get("FilterSpecification"),
            echoed={name: body[name] for name in _ECHOED if name in body},
        )

    def window(self, earliest_at: datetime, latest_at: datetime) -> tuple[datetime, datetime]:
        """Return the window of an incremental export of a table that is restorable between two times.

        Raises:
            ServiceError: It is too short, too long, or outside.
        """
        assert self.from_at is not None
        from_at, to_at = self.from_at, self.until_at or latest_at.replace(microsecond=0)
        if from_at >= to_at:
            raise invalid("ExportFromTime must be before ExportToTime")
        if to_at - from_at < SHORTEST_WINDOW:
            raise invalid("The time between ExportFromTime and ExportToTime is less than 15 minutes")
        if to_at - from_at > LONGEST_WINDOW:
            raise invalid("The time between ExportFromTime and ExportToTime is more than 24 hours")
        _check_restorable("ExportFromTime", from_at, earliest_at, latest_at)
        _check_restorable("ExportToTime", to_at, earliest_at, latest_at)
        return from_at, to_at

    def time(self, earliest_at: datetime, latest_at: datetime, now: datetime) -> datetime:
        """Return the time of a full export of a table that is restorable between two times.

        Raises:
            ServiceError: It is outside.
        """
        if self.until_at is not None:
            _check_restorable("ExportTime", self.until_at, earliest_at, latest_at)
        return self.until_at or now

    def description(self) -> dict[str, Any]:
        """Return the part of an ExportDescription that repeats the request."""
        described: dict[str, Any] = {
            "TableArn": self.table_arn,
            "S3Bucket": self.bucket,
            "S3SseAlgorithm": self.encryption,
            "ExportFormat": "ION" if self.ion else "DYNAMODB_JSON",
            "ExportType": INCREMENTAL if self.incremental else FULL,
            **self.echoed,
        }
        return {**described, "ClientToken": self.token} if self.token else described

    def times(self, from_at: datetime | None, until_at: datetime) -> dict[str, Any]:
        """Return the part of an ExportDescription that tells which times it is of."""
        if from_at is None:
            return {"ExportTime": timestamp(until_at)}
        window = {"ExportFromTime": timestamp(from_at), "ExportToTime": timestamp(until_at)}
        view = "NEW_AND_OLD_IMAGES" if self.old_images else "NEW_IMAGE"
        return {"IncrementalExportSpecification": {**window, "ExportViewType": view}}


def _check_kind(body: dict[str, Any], *, incremental: bool) -> None:
    window = body.get("IncrementalExportSpecification")
    if incremental and "ExportTime" in body:
        raise invalid("ExportTime is not supported for an incremental export")
    if incremental and "ExportFromTime" not in (window or {}):
        raise invalid("IncrementalExportSpecification with an ExportFromTime is required for an incremental export")
    if window is not None and not incremental:
        raise invalid("IncrementalExportSpecification is supported for an incremental export only")


def _second(seconds: float) -> datetime:
    return moment(seconds).replace(microsecond=0)


def _check_restorable(name: str, at: datetime, earliest_at: datetime, latest_at: datetime) -> None:
    if not earliest_at.replace(microsecond=0) <= at <= latest_at:
        raise ServiceError(
            "InvalidExportTimeException",
            f"{name} is invalid. It must be between {earliest_at.isoformat()} and {latest_at.isoformat()}",
        )
