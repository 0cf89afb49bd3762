"""ARNs of tables, backups and recovery points: where they are, and whose."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pitrkit.errors import BadInput

_ARN = re.compile(r"arn:(?P<partition>aws[a-z-]*):(?P<service>dynamodb|backup):(?P<region>[a-z0-9-]+):(?P<account>\d{12}):(?P<resource>.+)")  # fmt: skip # noqa: E501
_TABLE = re.compile(r"table/([A-Za-z0-9_.-]{3,255})")
_BACKUP = re.compile(r"table/([A-Za-z0-9_.-]{3,255})/backup/[^/]+")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")


@dataclass(frozen=True, slots=True)
class Arn:
    """One ARN.

    Attributes:
        table: Name of the table that it is of; empty for a recovery point of AWS Backup, whose ARN does not say.
        managed: Whether it is a recovery point that only AWS Backup can restore.
    """

    text: str
    partition: str
    region: str
    account: str
    table: str
    managed: bool = False


def is_arn(text: str) -> bool:
    """Return whether *text* is meant as an ARN."""
    return text.strip().startswith("arn:")


def table_arn(text: str) -> Arn:
    """Return the ARN of a table.

    Raises:
        BadInput: It is none.
    """
    match = _ARN.fullmatch(text.strip())
    named = _TABLE.fullmatch(match["resource"]) if match and match["service"] == "dynamodb" else None
    if match is None or named is None:
        raise BadInput(
            f"{text!r} is not the ARN of a table",
            fix="Use the full ARN: arn:aws:dynamodb:REGION:ACCOUNT:table/NAME, as shown by DescribeTable.",
        )
    return Arn(text.strip(), match["partition"], match["region"], match["account"], named[1])


def backup_arn(text: str) -> Arn:
    """Return the ARN of a backup of DynamoDB's, or of a recovery point of AWS Backup's.

    Raises:
        BadInput: It is neither.
    """
    match = _ARN.fullmatch(text.strip())
    if match and match["service"] == "dynamodb" and (named := _BACKUP.fullmatch(match["resource"])):
        return Arn(text.strip(), match["partition"], match["region"], match["account"], named[1])
    if match and match["service"] == "backup" and match["resource"].startswith("recovery-point:"):
        return Arn(text.strip(), match["partition"], match["region"], match["account"], "", managed=True)
    raise BadInput(
        f"{text!r} is not the ARN of a backup",
        fix="Use the full ARN, as 03_restore and 11_deleted_table list it: arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/"
        "backup/ID, or arn:aws:backup:REGION:ACCOUNT:recovery-point:ID.",
    )


def ours(arn: Arn, account: str, *, resource_kind: str) -> Arn:
    """Return *arn* if it belongs to *account*.

    Raises:
        BadInput: It belongs to another one. A restore across accounts is AWS Backup's (copy it to a vault of this
            account first); that point-in-time recovery can is documented nowhere.
    """
    if arn.account != account:
        raise BadInput(
            f"the {resource_kind} belongs to account {arn.account}, and the credentials are for {account}",
            fix="Use credentials of that account; or have AWS Backup copy a recovery point into a vault of this one.",
        )
    return arn


def region(text: str) -> str:
    """Return *text* if it can name a Region.

    Raises:
        BadInput: It cannot.
    """
    if not _REGION.fullmatch(text):
        raise BadInput(f"{text!r} is not a Region", fix="Write it as AWS does, for example eu-west-1.")
    return text
