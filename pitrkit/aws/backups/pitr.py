"""Point-in-time recovery: whether it is on, which second may be chosen, and the restore itself.

A restore always makes a new table, and the service restores to a whole second. So times are aware, in UTC and whole
before anything is sent. botocore would take a naive time as UTC without a word.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pitrkit.aws.backups.restore_options import Options, RestoreDesign, difference, overrides
from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.polling import poll
from pitrkit.aws.tables import tables
from pitrkit.aws.tables.tables import Restored, Table
from pitrkit.errors import AwsError, BadInput, TableNotFound
from pitrkit.times import Window, _ceiled, _floored, iso, utc

GRACE_SECONDS = 60.0
"""How long after a restore began, or between two looks, DescribeTable may not know its table."""

OTHER_NAME = "Choose another target name, or set `restored` to this table if it is the copy you want."
"""The way out where the name of a new table is taken."""

_TABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")


@dataclass(frozen=True, slots=True)
class ContinuousBackups:
    """A table's continuous backups.

    Attributes:
        enabled: Whether PITR is on.
        window: The restorable window, None when PITR is off or has not begun.
        period_days: How far back the window may reach.
    """

    table: str
    enabled: bool
    window: Window | None
    period_days: int


@dataclass(frozen=True, slots=True)
class Restoration:
    """A restore that was started, or an earlier one of the same source and second that was found.

    Attributes:
        source: Table name, or backup ARN for a deleted table.
        adopted: Whether the target existed already and matches.
        region: Where the target is; empty where that goes without saying.
    """

    source: str
    target: str
    restore_at: datetime
    adopted: bool
    started_at: datetime
    region: str = ""


def protection(aws: Aws, table: str) -> ContinuousBackups:
    """Return the state of PITR on *table*."""
    answer = aws.call("dynamodb", "describe_continuous_backups", TableName=table)["ContinuousBackupsDescription"]
    pitr = answer.get("PointInTimeRecoveryDescription", {})
    enabled = pitr.get("PointInTimeRecoveryStatus") == "ENABLED"
    earliest, latest = pitr.get("EarliestRestorableDateTime"), pitr.get("LatestRestorableDateTime")
    window = Window(_ceiled(utc(earliest)), _floored(utc(latest))) if enabled and earliest and latest else None
    return ContinuousBackups(table, enabled, window, int(pitr.get("RecoveryPeriodInDays", 35)))


def enable(aws: Aws, table: str) -> ContinuousBackups:
    """Turn PITR on. A table that has it already is left as it is: its window must never be reset.

    Raises:
        AwsError: `ContinuousBackupsUnavailableException` soon after a table's creation: wait, then try again.
    """
    present = protection(aws, table)
    if present.enabled:
        return present
    aws.call(
        "dynamodb",
        "update_continuous_backups",
        TableName=table,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
    return protection(aws, table)


def check_restorable(aws: Aws, table: str, at: datetime) -> ContinuousBackups:
    """Return *table*'s protection if *at* can be restored.

    Raises:
        BadInput: PITR is off, or *at* is in the future or outside the window.
    """
    backups_status = protection(aws, table)
    if backups_status.enabled and backups_status.window is None:
        raise BadInput(
            "point-in-time recovery is on, but nothing can be restored yet",
            table=table,
            fix="It was turned on moments ago: wait a few minutes.",
        )
    if backups_status.window is None:
        raise BadInput(
            "point-in-time recovery is off, so the table cannot be restored to an earlier time",
            table=table,
            fix="If there is a backup of it, restore that: --backup ARN (03_restore lists them). If you have a copy, "
            "compare with that: --restored TABLE (parameter `restored`). If a replica has PITR: --source-arn ARN. "
            "00_start_here turns PITR on for the future.",
        )
    if not backups_status.window.holds(at):
        earliest, latest = iso(backups_status.window.earliest_at), iso(backups_status.window.latest_at)
        why = "is later than the latest" if at > backups_status.window.latest_at else "is earlier than the earliest"
        raise BadInput(
            f"{iso(at)} {why} restorable time",
            table=table,
            fix=f"Choose a time from {earliest} to {latest}, both included.",
        )
    return backups_status


def check_name(name: str) -> str:
    """Return *name* if it can name a table.

    Raises:
        BadInput: It is not 3 to 255 characters of letters, digits, `_`, `-` and `.`.
    """
    if not _TABLE_NAME.fullmatch(name):
        raise BadInput(f"{name!r} is not a valid table name", fix="Use 3 to 255 letters, digits, '_', '-' and '.'.")
    return name


def copy_name(table: str, at: datetime) -> str:
    """Return the default name of *table*'s copy as of *at*, e.g. `Orders-pitr-20261123T021405Z`."""
    return f"{table[:230]}-pitr-{at.strftime('%Y%m%dT%H%M%SZ')}"


def copy_name_pattern(table: str) -> str:
    """Return the pattern of *table*'s copies' default names."""
    return f"{table[:230]}-pitr-*"


def drill_name_pattern(table: str) -> str:
    """Return the pattern of the names of the tables that drills of *table* make."""
    return f"{table[:215]}-drill-*"


def restore(aws: Aws, source: Table, target: str, at: datetime, *, options: Options | None = None) -> Restoration:
    """Start restoring *source* as it was at *at* into the new table *target*, or adopt the copy that is there.

    An existing *target* is adopted only if it is a restore of the same source to the same second, and is as *options*
    ask; whether it was written to since, the service cannot say. A restore into another Region is asked of that Region,
    and names its source by ARN.

    Args:
        aws: The account where the source is.
        source: The table whose past is wanted.
        target: Name of the new table.
        at: Whole second in UTC, inside the window.
        options: What the new table is to be like; None for one without indexes: slower and dearer with them, and a
            comparison needs none.

    Raises:
        BadInput: The time cannot be restored, an option cannot be had, or *target* exists and is something else.
    """
    check_name(target)
    restore_options = options or Options(indexes="none")
    target_aws = aws.elsewhere(restore_options.region)
    design = RestoreDesign.of_table(tables.description(aws, source.name))
    overridden = overrides(target_aws, design, restore_options)
    origin = Origin(source.arn, "", at)
    if (present := adoptable(target_aws, target, origin, design, restore_options)) is not None:
        return Restoration(source.name, target, at, True, present.created_at, target_aws.region)
    check_restorable(aws, source.name, at)
    named: dict[str, Any] = {"SourceTableName": source.name} if target_aws is aws else {"SourceTableArn": source.arn}
    answer = target_aws.call(
        "dynamodb",
        "restore_table_to_point_in_time",
        table=source.name,
        **named,
        TargetTableName=target,
        RestoreDateTime=at,
        **overridden,
    )
    started_at = utc(answer["TableDescription"]["CreationDateTime"])
    return Restoration(source.name, target, at, False, started_at, target_aws.region)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a copy is to have been restored from: a second of a table, or a backup, whose moment it says itself."""

    table_arn: str
    backup_arn: str
    at: datetime


def adoptable(copy_aws: Aws, target: str, origin: Origin, design: RestoreDesign, options: Options) -> Table | None:
    """Return the table *target* if it is there and is the very restore that is wanted; None if there is none.

    Raises:
        BadInput: It is there and is something else.
    """
    try:
        described = tables.description(copy_aws, target)
    except TableNotFound:
        return None
    present = tables.table_of(described, copy_aws.region)
    restored = present.restored
    same = restored is not None and (
        restored.backup_arn == origin.backup_arn
        if origin.backup_arn
        else (restored.source_arn, restored.backup_arn, _whole(restored)) == (origin.table_arn, "", origin.at)
    )
    if same and not (other := difference(copy_aws, design, described, options)):
        return present
    if same:
        is_what = f"the wanted restore, but {other}"
    elif restored:
        is_what = f"a restore of {restored.backup_arn or restored.source_arn} as of {iso(restored.restore_at)}"
    else:
        is_what = "not a restored copy"
    raise BadInput(
        f"the name {target} is taken: that table is {is_what}",
        table=target,
        fix=OTHER_NAME,
    )


def wait(
    aws: Aws,
    target: str,
    *,
    poll_seconds: float = 5.0,
    on_progress: Callable[[str, float], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    grace_seconds: float = GRACE_SECONDS,
) -> Table:
    """Wait until the restored table *target* is ACTIVE and return it. Hours are possible; there is no percentage.

    Args:
        aws: Where.
        target: The table being restored.
        poll_seconds: Pause between two looks.
        on_progress: Called after each look with the status and the seconds waited so far.
        sleep: How to pause.
        grace_seconds: How long the table may be missing: descriptions are eventually consistent.

    Raises:
        AwsError: The table vanished or ended in a state other than ACTIVE: the restore failed.
    """
    last_seen = time.monotonic()

    def look() -> Table | None:
        nonlocal last_seen
        try:
            table = tables.describe(aws, target)
        except TableNotFound as error:
            if time.monotonic() - last_seen < grace_seconds:
                return None
            raise AwsError(
                "the restore failed: the table does not exist (any more)",
                code=error.code,
                operation="RestoreTableToPointInTime",
                request_id=error.request_id,
                table=target,
                fix="Start the restore again under the same name.",
            ) from error
        last_seen = time.monotonic()
        return table

    def ended(table: Table | None, seconds: float) -> bool:
        if table is None:
            return False
        if on_progress is not None:
            on_progress(table.status, seconds)
        if table.status not in {"CREATING", "UPDATING", "ACTIVE"}:
            key = table.status == "INACCESSIBLE_ENCRYPTION_CREDENTIALS"
            raise AwsError(
                f"the restore ended with table status {table.status}",
                code=table.status,
                operation="RestoreTableToPointInTime",
                table=target,
                fix="Its KMS key cannot be used: enable it or allow its use, then run this step again."
                if key
                else "Check the table in the console; delete it and restore again.",
            )
        in_progress = table.restored is not None and table.restored.in_progress
        return table.status == "ACTIVE" and not in_progress

    restored = poll(look, ended, every=poll_seconds, sleep=sleep)
    assert restored is not None
    return restored


def _whole(restored: Restored) -> datetime:
    return _floored(restored.restore_at)
