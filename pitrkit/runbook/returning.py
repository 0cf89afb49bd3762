"""The restore of a backup by DynamoDB or by AWS Backup, and the wait for its job: of a copy, or a deleted table."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from pitrkit.dynamodb import arns, backups, recovery_points
from pitrkit.dynamodb.backups import Backup
from pitrkit.dynamodb.overrides import Options
from pitrkit.dynamodb.pitr import Restoration
from pitrkit.runbook.book import Book
from pitrkit.runbook.restoring import poll_seconds

JOB = "restore_job"
"""Where an incident keeps the job of AWS Backup that makes its table: `id`, `table` and `region`."""


def restored(
    book: Book, backup: Backup, target: str, role: str, options: Options, *, tags: bool = False
) -> Restoration:
    """Start the restore of *backup*, or adopt what an earlier run made of it.

    Args:
        book: The incident's book.
        backup: What to restore.
        target: Name of the new table.
        role: Role that AWS Backup restores under, where it does.
        options: What the new table is to be like.
        tags: Whether the table gets the tags of the source, where the backup has them.

    Raises:
        BadInput: An option cannot be had, or the name is taken.
    """
    if not backup.managed:
        return backups.restore_backup(book.aws, backup, target, options=options)
    known = book.data.get(JOB) or {}
    earlier = str(known.get("id", "")) if known.get("table") == target else ""
    token = sha256(f"{book.incident.id}|{backup.arn}|{target}|{earlier}".encode()).hexdigest()[:32]
    job = recovery_points.start(
        book.aws, backup, target, role, options=options, token=token, known_job=earlier, tags=tags
    )
    region = arns.backup_arn(backup.arn).region
    book.keep("restore_job_started", restore_job={"id": job.id, "table": target, "region": region})
    return Restoration(backup.arn, target, backup.created_at, job.id == earlier, job.created_at, region)


def await_job(book: Book, target: str, on_progress: Callable[[str, float], None]) -> None:
    """Wait for the job of AWS Backup that makes the table *target*, if one does.

    Raises:
        AwsError: It failed.
    """
    known = book.data.get(JOB) or {}
    if known.get("table") == target:
        there = book.aws.elsewhere(known["region"])
        recovery_points.wait(there, known["id"], target, poll_seconds=poll_seconds(book), on_progress=on_progress)
