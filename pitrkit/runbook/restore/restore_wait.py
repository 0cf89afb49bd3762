"""Waiting for a restore, from PITR or of a backup, and an estimate of how long it takes.

The service tells no percentage and promises no time. The one honest estimate is what it took the last time; without one
nothing is made up.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256

from pitrkit.aws import arns
from pitrkit.aws.backups import backups, recovery_points
from pitrkit.aws.backups.backups import Backup
from pitrkit.aws.backups.pitr import Restoration
from pitrkit.aws.backups.restore_options import Options
from pitrkit.errors import RecordAltered
from pitrkit.incident.incident import Incident
from pitrkit.runbook.session.session import Session
from pitrkit.times import now
from pitrkit.ui.text import duration

NO_PROMISE = "small tables take minutes, large ones hours; AWS gives no estimate"

POLL_SECONDS = 5.0
SANDBOX_POLL_SECONDS = 0.5


def poll_seconds(session: Session) -> float:
    """Return the pause between two looks at something that takes its time."""
    return SANDBOX_POLL_SECONDS if session.aws.endpoint_url else POLL_SECONDS


def running_for(started_at: object) -> float:
    """Return the seconds since *started_at*, as the incident has it; 0 where it does not say."""
    try:
        since = datetime.fromisoformat(str(started_at)).astimezone(UTC)
    except ValueError:
        return 0.0
    return max(0.0, (now() - since).total_seconds())


def expected_seconds(session: Session) -> float | None:
    """Return how long the last restore of the incident's table took, as far as this folder tells; else None."""
    table, account = session.data.get("table"), session.data.get("account")
    for incident in Incident.existing():
        try:
            data = incident.data
        except RecordAltered:
            continue
        took = data.get("restore_seconds")
        if took and (data.get("table"), data.get("account")) == (table, account):
            return float(took)
    return None


def to_text(status: str, seconds: float, expected: float | None) -> str:
    """Return what is to be said of a restore that runs for *seconds*."""
    if expected is None:
        return f"{status}, {NO_PROMISE}"
    last = f"the last restore of this table took {duration(expected)}"
    return f"{status}, {last}" if seconds <= expected else f"{status}, longer than expected: {last}"


def duration_text(session: Session) -> str:
    """Return what is known of how long it takes before it begins."""
    expected = expected_seconds(session)
    return f"the last restore of this table took {duration(expected)}" if expected else NO_PROMISE


def estimate(session: Session) -> str:
    """Return what is known before it begins."""
    took = duration_text(session)
    goes_on = "You can close this: the restore continues in AWS. Run 03 again later; it is found, not repeated."
    return f"{took[0].upper()}{took[1:]}. {goes_on}"


JOB = "restore_job"
"""Where an incident keeps the job of AWS Backup that makes its table: `id`, `table` and `region`."""


def restored(
    session: Session, backup: Backup, target: str, role: str, options: Options, *, tags: bool = False
) -> Restoration:
    """Start the restore of *backup*, or adopt what an earlier run made of it.

    Args:
        session: The incident's session.
        backup: What to restore.
        target: Name of the new table.
        role: Role that AWS Backup restores under, where it does.
        options: What the new table is to be like.
        tags: Whether the table gets the tags of the source, where the backup has them.

    Raises:
        BadInput: An option cannot be had, or the name is taken.
    """
    if not backup.managed:
        return backups.restore_backup(session.aws, backup, target, options=options)
    job_record = session.data.get(JOB) or {}
    earlier = str(job_record.get("id", "")) if job_record.get("table") == target else ""
    token = sha256(f"{session.incident.id}|{backup.arn}|{target}|{earlier}".encode()).hexdigest()[:32]
    job = recovery_points.start(
        session.aws, backup, target, role, options=options, token=token, known_job=earlier, tags=tags
    )
    region = arns.backup_arn(backup.arn).region
    session.keep("restore_job_started", restore_job={"id": job.id, "table": target, "region": region})
    return Restoration(backup.arn, target, backup.created_at, job.id == earlier, job.created_at, region)


def await_job(session: Session, target: str, on_progress: Callable[[str, float], None]) -> None:
    """Wait for the job of AWS Backup that makes the table *target*, if one does.

    Raises:
        AwsError: It failed.
    """
    job_record = session.data.get(JOB) or {}
    if job_record.get("table") == target:
        regional_aws = session.aws.elsewhere(job_record["region"])
        recovery_points.wait(
            regional_aws, job_record["id"], target, poll_seconds=poll_seconds(session), on_progress=on_progress
        )
