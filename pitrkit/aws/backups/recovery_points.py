"""Recovery points that AWS Backup manages itself: restored by a job of that service, under a role, and always whole.

The job takes a name and a kind of encryption, nothing else: indexes, billing mode and capacity come as they were, and
the table is made in the Region of the vault. Source: AWS Backup Developer Guide, "Restore a DynamoDB table".
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pitrkit import times
from pitrkit.aws import arns
from pitrkit.aws.backups.backups import Backup
from pitrkit.aws.backups.pitr import OTHER_NAME, check_name
from pitrkit.aws.backups.restore_options import Options
from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.polling import poll
from pitrkit.aws.tables import tables
from pitrkit.aws.tables.tables import MANAGED, OWNED, usable_key
from pitrkit.errors import AwsError, BadInput

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")


@dataclass(frozen=True, slots=True)
class RestoreJob:
    """A restore job.

    Attributes:
        point: ARN of the recovery point that it restores.
        status: `PENDING`, `RUNNING`, `COMPLETED`, `ABORTED` or `FAILED`.
        message: Why it failed.
        made: ARN of the table that it made, once it has.
        percent: How much of it is done, as the service says it; empty where it does not.
        created_at: When it was started.
    """

    id: str
    point: str
    status: str
    message: str
    made: str
    percent: str
    created_at: datetime

    @property
    def alive(self) -> bool:
        """Whether it has made its table, or still may."""
        return self.status in {"PENDING", "RUNNING", "COMPLETED"}


def check(arn: str, options: Options, role: str) -> None:
    """Let pass what a restore job can be asked for.

    Raises:
        BadInput: An option is none of AWS Backup's, or the role is missing or no role.
    """
    named = arns.backup_arn(arn)
    home = named.region
    if options.region not in ("", home):
        raise BadInput(
            f"AWS Backup restores only in the Region of the vault, {home}",
            fix=f"Leave the Region out; or copy the recovery point to a vault in {options.region} first (a copy job of "
            "AWS Backup), and give that one.",
        )
    unsupported = {
        "indexes": options.indexes not in ("", "all"),
        "billing": options.billing,
        "throughput": options.throughput,
    }
    if option_names := ", ".join(name for name, value in unsupported.items() if value):
        raise BadInput(
            f"AWS Backup restores a recovery point without options: {option_names} cannot be chosen",
            fix="Leave this blank, and change the restored table afterwards.",
        )
    if not role:
        raise BadInput(
            "AWS Backup needs a role for the restore, and none was given",
            fix="Set `role` (recover: --backup-role) to its ARN, often "
            f"arn:aws:iam::{named.account}:role/service-role/AWSBackupDefaultServiceRole.",
        )
    if not _ROLE.fullmatch(role):
        raise BadInput(f"{role!r} is not the ARN of a role", fix="Use the full ARN: arn:aws:iam::ACCOUNT:role/NAME.")


def start(
    aws: Aws,
    point: Backup,
    target: str,
    role: str,
    *,
    options: Options,
    token: str,
    known_job: str = "",
    tags: bool = False,
) -> RestoreJob:
    """Start the job that restores *point* into the new table *target*, or return the one that an earlier run started.

    Args:
        aws: The account.
        point: What to restore.
        target: Name of the new table.
        role: ARN of the role that AWS Backup takes.
        options: Of which only the key is AWS Backup's.
        token: The same for the same restore, so that a lost answer does not start it twice.
        known_job: Job that an earlier run of the same incident started for this target.
        tags: Whether the table gets the tags that the source had.

    Raises:
        BadInput: It cannot be had, or *target* exists and is not what *known_job* made.
    """
    check_name(target)
    check(point.arn, options, role)
    point_aws = aws.elsewhere(arns.backup_arn(point.arn).region)
    earlier = job(point_aws, known_job) if known_job else None
    if earlier is not None and earlier.point == point.arn and earlier.alive:
        return earlier
    if tables.find(point_aws, target) is not None:
        raise BadInput(
            f"the name {target} is taken by a table that this incident did not restore",
            table=target,
            fix=OTHER_NAME,
        )
    answer = point_aws.call(
        "backup",
        "start_restore_job",
        table=target,
        RecoveryPointArn=point.arn,
        IamRoleArn=role,
        Metadata={"targetTableName": target, **_encryption(point_aws, options)},
        IdempotencyToken=token,
        ResourceType="DynamoDB",
        CopySourceTagsToRestoredResource=tags,
    )
    return job(point_aws, answer["RestoreJobId"])


def _encryption(copy_aws: Aws, options: Options) -> dict[str, str]:
    if options.kms_key in ("", OWNED):
        return {"encryptionType": "Default"}
    if options.kms_key == MANAGED:
        return {"encryptionType": "KMS"}
    return {"encryptionType": "KMS", "kmsMasterKeyArn": usable_key(copy_aws, options.kms_key) or options.kms_key}


def job(copy_aws: Aws, job_id: str) -> RestoreJob:
    """Return a restore job as it is now."""
    answer = copy_aws.call("backup", "describe_restore_job", RestoreJobId=job_id)
    return RestoreJob(
        id=job_id,
        point=answer.get("RecoveryPointArn", ""),
        status=answer.get("Status", ""),
        message=answer.get("StatusMessage", ""),
        made=answer.get("CreatedResourceArn", ""),
        percent=answer.get("PercentDone", ""),
        created_at=times.utc(answer["CreationDate"]),
    )


def wait(
    copy_aws: Aws,
    job_id: str,
    target: str,
    *,
    poll_seconds: float,
    on_progress: Callable[[str, float], None] = lambda *_: None,
    sleep: Callable[[float], None] = time.sleep,
) -> RestoreJob:
    """Wait until a restore job is done. Hours are possible.

    Raises:
        AwsError: It failed; the message is AWS Backup's own.
    """

    def ended(restore_job: RestoreJob, seconds: float) -> bool:
        on_progress(f"{restore_job.status} {restore_job.percent}".strip(), seconds)
        done = restore_job.status == "COMPLETED"
        if not done and not restore_job.alive:
            raise AwsError(
                f"AWS Backup could not restore it: {restore_job.message or restore_job.status}",
                code=restore_job.status,
                operation="StartRestoreJob",
                table=target,
                fix="Correct the cause (permissions of the role, KMS key, name), and run this step again.",
            )
        return done

    return poll(lambda: job(copy_aws, job_id), ended, every=poll_seconds, sleep=sleep)
