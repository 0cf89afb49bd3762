"""On-demand backups that the kit makes itself: the table as it was right before the kit wrote to it.

The service makes one in moments whatever the table's size, with no load on the table, and keeps it until it is
deleted. Source: Amazon DynamoDB Developer Guide, "On-demand backup and restore".
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pitrkit.aws.client import client
from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.polling import poll
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import AccessDenied, AwsError
from pitrkit.times import iso, utc

_LONGEST_NAME = 255
GONE = "BackupNotFoundException"


@dataclass(frozen=True, slots=True)
class SafetyCopy:
    """An on-demand backup of ours.

    Attributes:
        request_id: AWS's id of the request that made it, blank for one that was found.
    """

    arn: str
    name: str
    table: str
    status: str
    created_at: datetime
    request_id: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return it as plain JSON."""
        return {**asdict(self), "created_at": iso(self.created_at)}


def name_of(incident: str, digest: str) -> str:
    """Return what the backup before a plan is called."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", f"pitrkit-{incident[:200]}-{digest[:12]}")[:_LONGEST_NAME]


def start_backup(aws: Aws, table: Table, name: str) -> SafetyCopy:
    """Start a backup of *table*, or return the one of this name that an earlier run started.

    Raises:
        AwsError: It cannot be made.
    """
    if (existing := _find(aws, table, name)) is not None:
        return existing
    answer = aws.call("dynamodb", "create_backup", TableName=table.name, BackupName=name)
    return _copy(table.name, answer["BackupDetails"], client.request_id(answer))


def wait(
    aws: Aws,
    copy: SafetyCopy,
    *,
    poll_seconds: float = 2.0,
    on_progress: Callable[[str], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> SafetyCopy:
    """Return *copy* once it can be restored.

    Raises:
        AwsError: It is gone, or came to nothing.
    """

    def look() -> SafetyCopy:
        answer = aws.call("dynamodb", "describe_backup", table=copy.table, BackupArn=copy.arn)
        return _copy(copy.table, answer["BackupDescription"]["BackupDetails"], copy.request_id)

    def ended(backup: SafetyCopy, _: float) -> bool:
        if on_progress is not None:
            on_progress(backup.status)
        if backup.status not in {"AVAILABLE", "CREATING"}:
            raise AwsError(
                f"the safety copy {backup.name} is {backup.status}",
                code=backup.status,
                operation="CreateBackup",
                table=copy.table,
                fix="Run this step again: it creates another one.",
            )
        return backup.status == "AVAILABLE"

    return poll(look, ended, every=poll_seconds, sleep=sleep)


def delete(aws: Aws, arn: str, *, table: str) -> str:
    """Delete a backup and return the request's id, blank for one that was gone already."""
    try:
        answer = aws.call("dynamodb", "delete_backup", table=table, BackupArn=arn)
    except AwsError as error:
        if error.code != GONE:
            raise
        return ""
    return client.request_id(answer)


def exists(aws: Aws, arn: str, *, table: str) -> bool:
    """Return whether a backup is there."""
    try:
        answer = aws.call("dynamodb", "describe_backup", table=table, BackupArn=arn)
    except AwsError as error:
        if error.code != GONE:
            raise
        return False
    return str(answer["BackupDescription"]["BackupDetails"]["BackupStatus"]) != "DELETED"


def _find(aws: Aws, table: Table, name: str) -> SafetyCopy | None:
    rows = aws.paginate(
        "dynamodb", "list_backups", "BackupSummaries", table=table.name, TableName=table.name, BackupType="USER"
    )
    try:
        matches = [row for row in rows if row["BackupName"] == name and row.get("TableId", table.id) == table.id]
    except AccessDenied:
        return None  # a second one is better than none
    usable = [row for row in matches if row.get("BackupStatus") in ("AVAILABLE", "CREATING")]
    return _copy(table.name, max(usable, key=lambda row: row["BackupCreationDateTime"])) if usable else None


def _copy(table: str, row: dict[str, Any], request_id: str = "") -> SafetyCopy:
    return SafetyCopy(
        row["BackupArn"],
        row["BackupName"],
        table,
        row["BackupStatus"],
        utc(row["BackupCreationDateTime"]),
        request_id,
    )
