"""The permissions of a recovery: which IAM actions each step of each route takes, and on what.

This is the one place that says so: `pitrkit policy` prints from it, `00_start_here` checks by it, the README tells it.
Each step of a route is there with all that it cannot do without by itself, and with nothing else: the tests run every
route with its policy, and each step with each action taken away in turn. What makes something better, but is not needed
(the picture of a table's life, fast inserts), is a step of its own that is optional.

Two things are not the kit's calls. A restore asks the caller for reading and writing the table that it makes, and an
export for writing its objects. Sources: Service Authorization Reference, "Actions, resources, and condition keys for
Amazon DynamoDB": list actions have no resource types, so they are granted on `*`; Amazon DynamoDB Developer Guide,
"Using IAM with DynamoDB backup and restore" and "Requesting a table export". Who one is (`sts:GetCallerIdentity`) takes
no permission. The use of a customer managed key is up to that key's policy, and not here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pitrkit.dynamodb.pitr import check_name, copy_name_pattern
from pitrkit.errors import BadInput

Where = Literal["anywhere", "table", "copies", "streams", "exports", "backups", "bucket", "objects", "alarms"]
"""What an action is done to: `copies` are the restored tables, `objects` the files of exports in the bucket."""


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
class Step:
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


def _dynamodb(*names: str) -> tuple[str, ...]:
    return tuple(f"dynamodb:{name}" for name in names)


ON_A_NEW_TABLE = _dynamodb("BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem")
"""What the service asks for on the table that a restore makes."""

_TABLE = Need(_dynamodb("DescribeTable"), ("table",))
_PROTECTED = Need(_dynamodb("DescribeTable", "DescribeContinuousBackups"), ("table",))

_RESTORE = Step(
    "restore",
    "a copy of the past, as a new table",
    (
        _PROTECTED,
        Need(_dynamodb("RestoreTableToPointInTime"), ("table",)),
        Need((*ON_A_NEW_TABLE, *_dynamodb("DescribeTable")), ("copies",)),
    ),
)
_DIFF = Step(
    "diff",
    "what differs between the copy and the table",
    (Need(_dynamodb("DescribeTable", "Scan"), ("table", "copies")),),
)
_DIFF_OF_COPIES = Step(
    "diff",
    "what differs between the two copies",
    (_TABLE, Need(_dynamodb("DescribeTable", "Scan"), ("copies",))),
)
_STREAM = Step(
    "read",
    "what the table's stream tells",
    (_PROTECTED, Need(_dynamodb("DescribeStream", "GetShardIterator", "GetRecords"), ("streams",))),
)
_FULL_EXPORT = Step(
    "export",
    "full exports of the table to S3, and reading them",
    (
        _PROTECTED,
        Need(_dynamodb("ExportTableToPointInTime"), ("table",)),
        Need(_dynamodb("DescribeExport"), ("exports",)),
        Need(("s3:PutObject", "s3:AbortMultipartUpload", "s3:PutObjectAcl", "s3:GetObject"), ("objects",)),
    ),
)
_EXPORT = Step(
    "export",
    "incremental exports of the table to S3, and reading them",
    (*_FULL_EXPORT.needs, Need(_dynamodb("ListExports"), ("anywhere",))),
)
_COPY = Step(
    "copy",
    "putting back what was removed and modified: plan, writes, verification",
    (_PROTECTED, Need(_dynamodb("BatchGetItem", "PutItem", "UpdateItem"), ("table",))),
)
_UNDO = Step(
    "undo",
    "taking a copy back",
    (_PROTECTED, Need(_dynamodb("BatchGetItem", "GetItem", "PutItem", "UpdateItem", "DeleteItem"), ("table",))),
)
_CLEANUP = Step("cleanup", "deleting the copies", (Need(_dynamodb("DescribeTable", "DeleteTable"), ("copies",)),))
_DELETE = Step(
    "delete",
    "deleting what the damage inserted (`--inserted delete`)",
    (_PROTECTED, Need(_dynamodb("BatchGetItem", "GetItem", "PutItem", "DeleteItem"), ("table",))),
    optional=True,
)
_OF_EVERY_ROUTE = (
    Step(
        "fast",
        "putting items back 25 a call instead of one",
        (Need(_dynamodb("PartiQLInsert", "GetItem"), ("table",)),),
        optional=True,
    ),
    Step(
        "details",
        "TTL, so that expired items are told apart; tags",
        (Need(_dynamodb("DescribeTimeToLive", "ListTagsOfResource"), ("table",)),),
        optional=True,
    ),
    Step(
        "timeline",
        "the picture of the table's life, with deploys",
        (Need(("cloudwatch:GetMetricData", "cloudtrail:LookupEvents"), ("anywhere",)),),
        optional=True,
    ),
    Step(
        "brakes",
        "`--alarms` and `--ceiling`",
        (Need(("cloudwatch:DescribeAlarms",), ("alarms",)), Need(("cloudwatch:GetMetricData",), ("anywhere",))),
        optional=True,
    ),
    Step(
        "overview",
        "the lists of tables and of deleted ones",
        (Need(_dynamodb("ListTables", "ListBackups"), ("anywhere",)),),
        optional=True,
    ),
    Step(
        "protect",
        "turning PITR on in `00_start_here`",
        (Need(_dynamodb("UpdateContinuousBackups"), ("table",)),),
        optional=True,
    ),
    Step(
        "check",
        "`00_start_here` asks IAM what the caller may do",
        (Need(("iam:SimulatePrincipalPolicy", "iam:GetRole"), ("anywhere",)),),
        optional=True,
    ),
)
_EARLIER = Step(
    "earlier",
    "streams that were switched off since",
    (Need(_dynamodb("ListStreams"), ("anywhere",)),),
    optional=True,
)
_EXPORTED = Step(
    "earlier",
    "exports that are there already are used again",
    (Need(_dynamodb("ListExports"), ("anywhere",)),),
    optional=True,
)
_LIST = Step(
    "list",
    "a file that is missing in the bucket is told from a forbidden one",
    (Need(("s3:ListBucket",), ("bucket",)),),
    optional=True,
)
_NOW = Step(
    "now",
    "comparing with the table as it is now, without `--damage-until`",
    (Need(_dynamodb("Scan"), ("table",)),),
    optional=True,
)
_DELETED = Step(
    "return",
    "a deleted table from its backup, under its old name",
    (
        Need(_dynamodb("ListBackups"), ("anywhere",)),
        Need(_dynamodb("DescribeBackup", "RestoreTableFromBackup"), ("backups",)),
        Need((*ON_A_NEW_TABLE, *_dynamodb("DescribeTable")), ("table",)),
    ),
)

ROUTES: Mapping[str, tuple[Step, ...]] = {
    "restore": (_RESTORE, _DIFF, _COPY, _UNDO, _CLEANUP, _DELETE, *_OF_EVERY_ROUTE),
    "threeway": (_RESTORE, _DIFF_OF_COPIES, _COPY, _UNDO, _CLEANUP, _DELETE, *_OF_EVERY_ROUTE),
    "stream": (_STREAM, _COPY, _UNDO, _DELETE, _EARLIER, *_OF_EVERY_ROUTE),
    "export": (_EXPORT, _COPY, _UNDO, _DELETE, _LIST, *_OF_EVERY_ROUTE),
    "full-export": (_FULL_EXPORT, _COPY, _UNDO, _DELETE, _EXPORTED, _LIST, _NOW, *_OF_EVERY_ROUTE),
    "deleted": (_DELETED,),
}
"""Routes by the name that `pitrkit policy --route` has for them, with their steps in order, optional ones last."""


@dataclass(frozen=True, slots=True)
class Place:
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
            ("bucket", self.bucket, r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "Give the bucket's name alone."),
            ("account", self.account, r"\d{12}", "An account's id has twelve digits."),
            ("region", self.region, r"[a-z]{2,}(-[a-z]+)+-\d+", "Give a Region's code, such as eu-central-1."),
            ("prefix", self.prefix, r"[^*?\s]{1,512}", "Give the prefix as it is, without wildcards."),
        ):
            if value and not re.fullmatch(pattern, value, re.ASCII):
                raise BadInput(f"{name} is {value!r}", table=self.table, fix=fix)
        if self.prefix and not self.bucket:
            raise BadInput("a prefix without its bucket", table=self.table, fix="Give --bucket, too.")

    def resource(self, where: Where) -> str:
        """Return the ARN, or pattern of ARNs, of what an action is done to.

        Raises:
            BadInput: The bucket is wanted and blank.
        """
        if where in {"bucket", "objects"} and not self.bucket:
            raise BadInput("exports need a bucket", table=self.table, fix="Give --bucket NAME.")
        home = f"arn:{self._partition}:dynamodb:{self.region or '*'}:{self.account or '*'}:table"
        prefix = f"{self.prefix.strip('/')}/" if self.prefix.strip("/") else ""
        return {
            "anywhere": "*",
            "table": f"{home}/{self.table}",
            "copies": f"{home}/{self.copies or copy_name_pattern(self.table)}",
            "streams": f"{home}/{self.table}/stream/*",
            "exports": f"{home}/{self.table}/export/*",
            "backups": f"{home}/{self.table}/backup/*",
            "bucket": f"arn:{self._partition}:s3:::{self.bucket}",
            "objects": f"arn:{self._partition}:s3:::{self.bucket}/{prefix}AWSDynamoDB/*",
            "alarms": f"arn:{self._partition}:cloudwatch:{self.region or '*'}:{self.account or '*'}:alarm:*",
        }[where]

    @property
    def _partition(self) -> str:
        known = {"cn": "aws-cn", "us-gov": "aws-us-gov"}
        return next((name for start, name in known.items() if self.region.startswith(f"{start}-")), "aws")


def steps_of(route: str, names: str = "") -> list[Step]:
    """Return steps of a route.

    Args:
        route: One of `ROUTES`.
        names: Their names with commas between; `all`; blank for those that the route cannot do without.

    Raises:
        BadInput: There is no such route, or it has no such step.
    """
    if route not in ROUTES:
        raise BadInput(f"there is no route {route!r}", fix=f"Choose {', '.join(ROUTES)}.")
    known = {step.name: step for step in ROUTES[route]}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in known and name != "all"]:
        raise BadInput(f"the route {route} has no step {', '.join(unknown)}", fix=f"It has {', '.join(known)}, or all.")
    if not wanted:
        return [step for step in known.values() if not step.optional]
    return [step for step in known.values() if step.name in wanted or "all" in wanted]


def demands(steps: Sequence[Step], place: Place) -> Iterator[tuple[Step, str, str]]:
    """Yield each step with an action that it takes and the ARN of what that is done to.

    Raises:
        BadInput: A step takes a bucket, and it is blank.
    """
    for step in steps:
        for need in step.needs:
            for action in need.actions:
                for where in need.on:
                    yield step, action, place.resource(where)


def policy(steps: Sequence[Step], place: Place) -> dict[str, Any]:
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
            "Sid": "And".join(where.capitalize() for where in wheres),
            "Effect": "Allow",
            "Action": sorted(grouped[wheres]),
            "Resource": [place.resource(where) for where in wheres] if len(wheres) > 1 else place.resource(wheres[0]),
        }
        for wheres in sorted(grouped, key=lambda wheres: [_ORDER.index(where) for where in wheres])
    ]
    return {"Version": "2012-10-17", "Statement": statements}


_ORDER: tuple[Where, ...] = (
    "anywhere", "table", "copies", "streams", "exports", "backups", "bucket", "objects", "alarms",
)  # fmt: skip


def every_step() -> dict[str, tuple[Step, tuple[str, ...]]]:
    """Return the steps by what they are for, each with the routes that have it, in order."""
    found: dict[str, tuple[Step, tuple[str, ...]]] = {}
    for route, steps in ROUTES.items():
        for step in steps:
            _, routes = found.get(step.words, (step, ()))
            found[step.words] = step, (*routes, route)
    return found
