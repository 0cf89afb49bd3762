"""The least IAM policy for steps of a recovery, narrowed down to what they are about. See `permission_catalogue`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pitrkit.aws.backups.pitr import check_name, copy_name_pattern, drill_name_pattern
from pitrkit.errors import BadInput

Where = Literal[
    "anywhere", "table", "indexes", "copies", "copied-indexes", "drills", "streams", "exports",
    "backups", "bucket", "objects", "records", "alarms",
    "keys", "topics", "roles",
]  # fmt: skip
"""What an action is done to: `copies` are the restored tables, `drills` those of drills, `objects` the files of exports
in the bucket, `records` the files of records there; `keys`, `topics` and `roles` are not narrowed down further."""


@dataclass(frozen=True, slots=True)
class Need:
    """Actions that a step takes on the same things.

    Attributes:
        actions: IAM actions.
        on: What they are done to.
    """

    actions: tuple[str, ...]
    on: tuple[Where, ...]


@dataclass(frozen=True, slots=True)
class PermissionStep:
    """A step, with what it cannot do without.

    Attributes:
        name: What `--steps` calls it.
        words: What it is for.
        needs: Its actions.
        optional: Whether a route gets to its end without it.
    """

    name: str
    words: str
    needs: tuple[Need, ...]
    optional: bool = False

    @property
    def actions(self) -> tuple[str, ...]:
        """All its actions, each once."""
        return tuple(dict.fromkeys(action for need in self.needs for action in need.actions))


def dynamodb(*names: str) -> tuple[str, ...]:
    """Return the actions of these operations."""
    return tuple(f"dynamodb:{name}" for name in names)


ON_A_NEW_TABLE = dynamodb("BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem")
"""What the service asks for on the table that a restore makes."""


@dataclass(frozen=True, slots=True)
class PolicyTarget:
    """What a policy is about. What is blank is not narrowed down.

    Attributes:
        table: The table.
        copies: Name, or pattern, of the restored tables; as the kit names them where blank.
        bucket: Bucket of exports.
        prefix: Prefix in it.
        account: Twelve digits.
        region: Region.
    """

    table: str
    copies: str = ""
    bucket: str = ""
    prefix: str = ""
    account: str = ""
    region: str = ""

    def check(self) -> None:
        """Let pass what can be in a policy.

        Raises:
            BadInput: A name is none.
        """
        check_name(self.table)
        if self.copies:
            check_name(self.copies.replace("*", "-"))
        for name, value, pattern, fix in (
            ("bucket", self.bucket, r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "Use the bucket's name only."),
            ("account", self.account, r"\d{12}", "An account ID has twelve digits."),
            ("region", self.region, r"[a-z]{2,}(-[a-z]+)+-\d+", "Use a Region code, such as eu-central-1."),
            ("prefix", self.prefix, r"[^*?\s]{1,512}", "Use the prefix without wildcards."),
        ):
            if value and not re.fullmatch(pattern, value, re.ASCII):
                raise BadInput(f"{name} is {value!r}", table=self.table, fix=fix)
        if self.prefix and not self.bucket:
            raise BadInput("a prefix without its bucket", table=self.table, fix="Also set --bucket.")

    def resource(self, where: Where) -> str:
        """Return the ARN, or pattern of ARNs, of what an action is done to.

        Raises:
            BadInput: The bucket is wanted and blank.
        """
        if where in {"bucket", "objects", "records"} and not self.bucket:
            subject = "records" if where == "records" else "exports"
            raise BadInput(f"{subject} need a bucket", table=self.table, fix="Set --bucket NAME.")
        home = f"arn:{self._partition}:dynamodb:{self.region or '*'}:{self.account or '*'}:table"
        prefix = f"{self.prefix.strip('/')}/" if self.prefix.strip("/") else ""
        return {
            "anywhere": "*",
            "table": f"{home}/{self.table}",
            "copies": f"{home}/{self.copies or copy_name_pattern(self.table)}",
            "indexes": f"{home}/{self.table}/index/*",
            "copied-indexes": f"{home}/{self.copies or copy_name_pattern(self.table)}/index/*",
            "drills": f"{home}/{drill_name_pattern(self.table)}",
            "streams": f"{home}/{self.table}/stream/*",
            "exports": f"{home}/{self.table}/export/*",
            "backups": f"{home}/{self.table}/backup/*",
            "bucket": f"arn:{self._partition}:s3:::{self.bucket}",
            "objects": f"arn:{self._partition}:s3:::{self.bucket}/{prefix}AWSDynamoDB/*",
            "records": f"arn:{self._partition}:s3:::{self.bucket}/{prefix}*",
            "keys": f"arn:{self._partition}:kms:{self.region or '*'}:{self.account or '*'}:key/*",
            "topics": f"arn:{self._partition}:sns:{self.region or '*'}:{self.account or '*'}:*",
            "roles": f"arn:{self._partition}:iam::{self.account or '*'}:role/*",
            "alarms": f"arn:{self._partition}:cloudwatch:{self.region or '*'}:{self.account or '*'}:alarm:*",
        }[where]

    @property
    def _partition(self) -> str:
        partitions = {"cn": "aws-cn", "us-gov": "aws-us-gov"}
        return next((name for start, name in partitions.items() if self.region.startswith(f"{start}-")), "aws")


def policy(steps: Sequence[PermissionStep], place: PolicyTarget) -> dict[str, Any]:
    """Return the least IAM policy document for *steps*: a statement for each set of things that actions are done to.

    Raises:
        BadInput: A name is none, or a step takes a bucket and it is blank.
    """
    place.check()
    on: dict[str, set[Where]] = {}
    for need in (need for step in steps for need in step.needs):
        for action in need.actions:
            on.setdefault(action, set()).update(need.on)
    grouped: dict[tuple[Where, ...], list[str]] = {}
    for action, wheres in on.items():
        grouped.setdefault(tuple(where for where in _ORDER if where in wheres), []).append(action)
    statements = [
        {
            "Sid": "And".join(where.title().replace("-", "") for where in wheres),
            "Effect": "Allow",
            "Action": sorted(grouped[wheres]),
            "Resource": [place.resource(where) for where in wheres] if len(wheres) > 1 else place.resource(wheres[0]),
        }
        for wheres in sorted(grouped, key=lambda wheres: [_ORDER.index(where) for where in wheres])
    ]
    return {"Version": "2012-10-17", "Statement": statements}


_ORDER: tuple[Where, ...] = (
    "anywhere", "table", "indexes", "copies", "copied-indexes", "drills", "streams", "exports",
    "backups", "bucket", "objects", "records", "alarms",
    "keys", "topics", "roles",
)  # fmt: skip
