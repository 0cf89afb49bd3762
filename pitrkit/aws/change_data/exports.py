"""Exports: the table's past written to S3 by the service, without a restore and without read capacity.

A full export shows the table at one second; an incremental one what became of each item written in a window, with its
images before and after. What was exported once is not paid for again: an export of the same second or window is
adopted, and the token that the service knows a request by is made of what is asked for, so that a run that died right
after asking finds what it asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from pitrkit.aws.backups.pitr import GRACE_SECONDS, check_restorable
from pitrkit.aws.change_data.export import Export, When, describe, export_of, filter_text, whole_second
from pitrkit.aws.change_data.export_files import summary_exists
from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.polling import poll
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import AccessDenied, AwsError, BadInput, InputNeeded
from pitrkit.times import iso

SHORTEST = timedelta(minutes=15)
LONGEST = timedelta(hours=24)
"""Bounds of an incremental export's window, both included."""

MOST_LOOKED_AT = 100
"""How many earlier exports of a table are looked at: each takes a request, and an adopted one is a recent one."""

LEAST_SECONDS = 300.0
BYTES_PER_SECOND = 100 * 1024**2
"""How long an export takes where no earlier one tells. The service promises nothing: small ones were seen to take five
minutes; the rate is a guess of ours."""

_START = "ExportTableToPointInTime"
_MAY_WRITE = "s3:PutObject, s3:AbortMultipartUpload and s3:PutObjectAcl"
_SIDE_BY_SIDE = 8


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long an export has been waited for.

    Attributes:
        status: Its status.
        seconds: Seconds waited.
        expected_seconds: What it may take from its start, an estimate at best.
        basis: What the estimate rests on, in words.
    """

    status: str
    seconds: float
    expected_seconds: float
    basis: str

    @property
    def eta_seconds(self) -> float | None:
        """Seconds to go, None once it takes longer than was thought."""
        remaining_seconds = self.expected_seconds - self.seconds
        return remaining_seconds if remaining_seconds > 0 else None


def earlier(aws: Aws, table: Table) -> list[Export]:
    """Return the table's latest exports, newest first: what the service keeps of 90 days, `MOST_LOOKED_AT` at most."""
    arns: list[str] = []
    more: dict[str, Any] = {}
    while True:  # botocore has no paginator for it
        answer = aws.call("dynamodb", "list_exports", table=table.name, TableArn=table.arn, MaxResults=25, **more)
        arns += [row["ExportArn"] for row in answer.get("ExportSummaries", ())]
        if not answer.get("NextToken"):
            break
        more = {"NextToken": answer["NextToken"]}
    latest = sorted(arns, reverse=True)[:MOST_LOOKED_AT]  # an export's id begins with the time it was started
    with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="exports") as pool:
        return list(pool.map(lambda arn: describe(aws, arn, table=table.name), latest))


def find(
    aws: Aws,
    table: Table,
    when: When,
    *,
    bucket: str = "",
    filtered: str = "",
    earlier_exports: Sequence[Export] | None = None,
) -> Export | None:
    """Return an export of *table* that is, or will be, all that one of *when* can be; None if there is none.

    It is complete with its summary still there, or in progress; with old images, in DynamoDB JSON, and of this very
    table, not of an earlier one of its name.

    Args:
        aws: Where.
        table: The table.
        when: The second or window.
        bucket: Where a new one would go: one that lies elsewhere and may not be read is passed over.
        filtered: The filter that it must have, as `filter_text` spells it; empty for none.
        earlier_exports: Its earlier exports, where they were asked for already.

    Raises:
        AccessDenied: There is one, but it may not be read.
    """
    alike = [
        candidate
        for candidate in (earlier(aws, table) if earlier_exports is None else earlier_exports)
        if _is_of(candidate, table, when, filtered)
    ]
    for export in alike:
        try:
            if export.status == "COMPLETED" and summary_exists(aws, export):
                return export
        except AccessDenied:
            if bucket in {"", export.bucket}:
                raise
    return next((export for export in alike if export.status == "IN_PROGRESS"), None)


def start_full(
    aws: Aws,
    table: Table,
    at: datetime,
    *,
    bucket: str = "",
    prefix: str = "",
    bucket_owner: str = "",
    earlier_exports: Sequence[Export] | None = None,
) -> Export:
    """Start exporting the whole of *table* as of the second *at*, or adopt the export that is there.

    Args:
        aws: Where.
        table: The table.
        at: A whole second, inside the restorable window.
        bucket: Where it goes; absent, where the table's latest export went, with that one's prefix.
        prefix: What the keys of the files are to begin with.
        bucket_owner: Account of the bucket, if it is another one.
        earlier_exports: The table's earlier exports, where they were asked for already.

    Raises:
        BadInput: The time is naive or cannot be exported.
        InputNeeded: No bucket was given, and none was exported to before.
        AccessDenied: An action is missing; it is named.
    """
    return start(aws, table, whole_second(at), (bucket, prefix, bucket_owner), earlier_exports=earlier_exports)


def start_incremental(
    aws: Aws,
    table: Table,
    from_at: datetime,
    to_at: datetime,
    *,
    bucket: str = "",
    prefix: str = "",
    bucket_owner: str = "",
    earlier_exports: Sequence[Export] | None = None,
) -> Export:
    """Start exporting what was written from *from_at* until before *to_at*, with old images, or adopt such an export.

    Args and errors are those of `start_full`; the window is 15 minutes to 24 hours long.
    """
    when = (whole_second(from_at), whole_second(to_at))
    if not SHORTEST <= when[1] - when[0] <= LONGEST:
        raise BadInput(
            f"an incremental export cannot cover {iso(when[0])} to {iso(when[1])}",
            table=table.name,
            fix="Its window is 15 minutes to 24 hours long: chain several for more, see `export_log.windows`.",
        )
    return start(aws, table, when, (bucket, prefix, bucket_owner), earlier_exports=earlier_exports)


def start(
    aws: Aws,
    table: Table,
    when: When,
    where: tuple[str, str, str],
    *,
    earlier_exports: Sequence[Export] | None = None,
    only: dict[str, Any] | None = None,
) -> Export:
    """Start an export of *when*, or adopt the one that is there.

    Args:
        aws: Where the table is.
        table: The table.
        when: What it is of.
        where: Bucket, prefix, and account of the bucket; an empty bucket is found.
        earlier_exports: The table's earlier exports, where they were asked for already.
        only: A FilterSpecification.

    Raises:
        BadInput: The time cannot be exported.
        InputNeeded: No bucket was given, and none was exported to before.
        AccessDenied: An action is missing; it is named.
    """
    filtered = filter_text(only)
    listed = True
    if earlier_exports is None:
        try:
            earlier_exports = earlier(aws, table)
        except AccessDenied:
            if not where[0]:
                raise
            # Nothing can be adopted then, but the token still finds what was asked for before.
            listed, earlier_exports = False, ()
    if (
        existing := find(aws, table, when, bucket=where[0], filtered=filtered, earlier_exports=earlier_exports)
    ) is not None:
        return existing
    where = _destination(earlier_exports, table, where)
    for moment in (when,) if isinstance(when, datetime) else when:
        check_restorable(aws, table.name, moment)
    useless = sum(
        export.status != "IN_PROGRESS" and _is_of(export, table, when, filtered) for export in earlier_exports
    )
    began = _begin(aws, table, when, where, useless, **({"FilterSpecification": only} if only else {}))
    return replace(began, begun=listed)


def wait(
    aws: Aws,
    export: Export,
    *,
    size_bytes: int = 0,
    earlier_exports: Iterable[Export] = (),
    poll_seconds: float = 10.0,
    on_progress: Callable[[Waiting], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    grace_seconds: float = GRACE_SECONDS,
) -> Export:
    """Wait until *export* is complete and return it.

    Args:
        aws: Where.
        export: The export.
        size_bytes: Size of the table, for the estimate.
        earlier_exports: Earlier exports, for the estimate.
        poll_seconds: Pause between two looks.
        on_progress: Called after each look.
        sleep: How to pause.
        grace_seconds: How long the service may not know the export yet.

    Raises:
        AwsError: It failed; the code and the message are the service's.
    """
    expected, basis = expected_seconds(export, size_bytes=size_bytes, earlier_exports=earlier_exports)
    began = time.monotonic()
    last = export

    def look() -> Export:
        nonlocal last
        try:
            last = describe(aws, export.arn, table=export.table)
        except AwsError as error:
            if error.code != "ExportNotFoundException" or time.monotonic() - began >= grace_seconds:
                raise
        return last

    def ended(export: Export, seconds: float) -> bool:
        if on_progress is not None:
            on_progress(Waiting(export.status, seconds, expected, basis))
        if export.status == "FAILED":
            raise failure(export)
        return export.status == "COMPLETED"

    return poll(look, ended, every=poll_seconds, sleep=sleep)


def expected_seconds(
    export: Export, *, size_bytes: int = 0, earlier_exports: Iterable[Export] = ()
) -> tuple[float, str]:
    """Return how long *export* may take, and what that rests on: earlier exports of its kind, or a guess."""
    took = [
        (earlier_export.ended_at - earlier_export.started_at).total_seconds()
        for earlier_export in earlier_exports
        if earlier_export.kind == export.kind
        and earlier_export.status == "COMPLETED"
        and earlier_export.started_at
        and earlier_export.ended_at
    ]
    if took:
        return max(took), f"the longest of {len(took)} earlier exports"
    if export.kind == "incremental":
        return LEAST_SECONDS, "a small export; AWS gives no estimate"
    return LEAST_SECONDS + size_bytes / BYTES_PER_SECOND, "the table's size, roughly; AWS gives no estimate"


def failure(export: Export) -> AwsError:
    """Return what to raise for an export that failed."""
    failure_text = f"{export.failure_code} {export.failure_message}".lower().replace(" ", "")
    if "kms" in failure_text:
        fix = "Allow kms:GenerateDataKey and kms:Decrypt on the bucket's key to the caller who starts the export."
    elif "nosuchbucket" in failure_text:
        fix = f"The bucket {export.bucket} does not exist (any more): set `bucket` to another one."
    elif "denied" in failure_text or "forbidden" in failure_text:
        fix = f"Allow {_MAY_WRITE} on {export.bucket}, in this role and in the bucket's policy; if the bucket is "
        fix += "another account's, set `bucket_owner` to that account."
    else:
        fix = "Run this step again: it starts a new export."
    return AwsError(
        f"the {export} failed: {export.failure_message or 'AWS gives no reason'}",
        code=export.failure_code or "FAILED",
        operation=_START,
        table=export.table,
        fix=fix,
    )


def _begin(aws: Aws, table: Table, when: When, where: tuple[str, str, str], attempt: int, **more: Any) -> Export:
    """Ask the service for an export, by a token made of all that is asked for.

    Args:
        aws: Where the table is.
        table: The table.
        when: What it is of.
        where: Bucket, prefix, and account of the bucket.
        attempt: How many such exports there were that are of no use: failed, or with their files gone. The service
            answers a token that it has had in the last 8 hours with the export of then.
        more: Further parameters.

    Raises:
        AccessDenied: An action is missing; it is named.
    """
    bucket, prefix, owner = where
    request: dict[str, Any] = {"TableArn": table.arn, "S3Bucket": bucket, "ExportFormat": "DYNAMODB_JSON", **more}
    request |= {name: value for name, value in (("S3Prefix", prefix.strip("/")), ("S3BucketOwner", owner)) if value}
    if isinstance(when, datetime):
        request |= {"ExportType": "FULL_EXPORT", "ExportTime": when}
    else:
        window = {"ExportFromTime": when[0], "ExportToTime": when[1], "ExportViewType": "NEW_AND_OLD_IMAGES"}
        request |= {"ExportType": "INCREMENTAL_EXPORT", "IncrementalExportSpecification": window}
    token = sha256(repr((table.id, attempt, sorted(request.items()))).encode()).hexdigest()[:36]
    try:
        answer = aws.call("dynamodb", "export_table_to_point_in_time", table=table.name, ClientToken=token, **request)
    except AccessDenied as error:
        raise AccessDenied(
            error.what,
            code=error.code,
            operation=error.operation,
            request_id=error.request_id,
            table=table.name,
            fix=f"{error.fix} An export needs dynamodb:{_START} on the table, and {_MAY_WRITE} on {bucket}.",
        ) from error
    return export_of(answer["ExportDescription"])


def _destination(earlier_exports: Sequence[Export], table: Table, where: tuple[str, str, str]) -> tuple[str, str, str]:
    """Return where an export goes: *where* it was said to, or where the latest one went that was written.

    Raises:
        InputNeeded: Neither is known.
    """
    if where[0]:
        return where
    for export in earlier_exports:
        if export.status != "FAILED" and export.bucket:
            return export.bucket, where[1] or export.prefix, where[2] or export.bucket_owner
    raise InputNeeded(
        "bucket", table=table.name, fix="Set the S3 bucket for exports: this table has no earlier export."
    )


def _is_of(export: Export, table: Table, when: When, filtered: str = "") -> bool:
    return (
        export.when == when
        and export.table_arn == table.arn
        and (not export.table_id or not table.id or export.table_id == table.id)
        and export.filter == filtered
        and export.format == "DYNAMODB_JSON"
        and export.view in {"", "new-and-old"}
    )
