"""The permissions of a recovery: which IAM actions each step of each route takes, and on what.

This is the one place that says so: `pitrkit policy` prints from it, `00_start_here` checks by it, the README tells it.
Each step of a route is there with all that it cannot do without by itself, and with nothing else: the tests run every
route with its policy, and each step with each action taken away in turn. What makes something better, but is not needed
(write activity, fast inserts), is a step of its own that is optional.

Two things are not the kit's calls. A restore asks the caller for reading and writing the table that it makes, and an
export for writing its objects. Sources: Service Authorization Reference, "Actions, resources, and condition keys for
Amazon DynamoDB": list actions have no resource types, so they are granted on `*`; Amazon DynamoDB Developer Guide,
"Using IAM with DynamoDB backup and restore" and "Requesting a table export". Who one is (`sts:GetCallerIdentity`) takes
no permission. The use of a customer managed key is up to that key's policy, and not here.
"""

from __future__ import annotations

from collections.abc import Mapping

from pitrkit.errors import BadInput
from pitrkit.recovery.advice.least_policy import ON_A_NEW_TABLE, Need, PermissionStep, dynamodb

_READS_OF_SETTINGS = dynamodb(
    "DescribeTable",
    "DescribeTimeToLive",
    "DescribeContinuousBackups",
    "ListTagsOfResource",
    "GetResourcePolicy",
    "DescribeKinesisStreamingDestination",
    "DescribeContributorInsights",
)
AROUND = (
    PermissionStep(
        "ahead",
        "the risks shown before approval",
        (
            Need(dynamodb("GetResourcePolicy"), ("table",)),
            Need(("application-autoscaling:DescribeScalableTargets",), ("anywhere",)),
            Need(("kms:DescribeKey",), ("keys",)),
        ),
        optional=True,
    ),
    PermissionStep(
        "mark",
        "the tag that blocks a second recovery of the table",
        (Need(dynamodb("ListTagsOfResource", "TagResource", "UntagResource"), ("table",)),),
        optional=True,
    ),
    PermissionStep(
        "freeze",
        "`--freeze`",
        (Need(dynamodb("GetResourcePolicy", "PutResourcePolicy", "DeleteResourcePolicy"), ("table",)),),
        optional=True,
    ),
    PermissionStep(
        "safety",
        "`--safety-copy`, and deleting it in `14_clean_up`",
        (Need(dynamodb("CreateBackup"), ("table",)), Need(dynamodb("DescribeBackup", "DeleteBackup"), ("backups",))),
        optional=True,
    ),
)
SWEEP = PermissionStep(
    "sweep",
    "deleting the files of exports in `14_clean_up`",
    (Need(("s3:ListBucket",), ("bucket",)), Need(("s3:DeleteObject",), ("objects",))),
    optional=True,
)
SETTINGS = PermissionStep(
    "settings",
    "reapplying TTL, stream and PITR",
    (
        Need(
            dynamodb(
                "DescribeTimeToLive",
                "DescribeContinuousBackups",
                "UpdateTimeToLive",
                "UpdateTable",
                "UpdateContinuousBackups",
            ),
            ("table",),
        ),
    ),
    optional=True,
)
BACKUP = PermissionStep(
    "restore",
    "restoring an on-demand or system backup, `--backup`",
    (
        Need(dynamodb("ListBackups"), ("anywhere",)),
        Need(dynamodb("DescribeBackup", "RestoreTableFromBackup"), ("backups",)),
        Need((*ON_A_NEW_TABLE, *dynamodb("DescribeTable")), ("copies",)),
    ),
)
VAULT = PermissionStep(
    "vault",
    "restoring from AWS Backup",
    (
        Need(
            (
                "backup:ListProtectedResources",
                "backup:ListRecoveryPointsByResource",
                "backup:StartRestoreJob",
                "backup:DescribeRestoreJob",
            ),
            ("anywhere",),
        ),
        Need(("iam:PassRole",), ("roles",)),
    ),
    optional=True,
)
ADOPT = PermissionStep(
    "adopt",
    "reapplying the original's settings to the copy in `13_cut_over`, and undoing that",
    (
        Need(_READS_OF_SETTINGS, ("table", "copies")),
        Need(dynamodb("DescribeContributorInsights"), ("indexes", "copied-indexes")),
        Need(dynamodb("UpdateContributorInsights"), ("copied-indexes",)),
        Need(
            dynamodb(
                "UpdateTable",
                "UpdateTimeToLive",
                "UpdateContinuousBackups",
                "TagResource",
                "UntagResource",
                "PutResourcePolicy",
                "DeleteResourcePolicy",
                "UpdateContributorInsights",
                "EnableKinesisStreamingDestination",
                "DisableKinesisStreamingDestination",
            ),
            ("copies",),
        ),
        Need(
            (
                "application-autoscaling:DescribeScalableTargets",
                "application-autoscaling:DescribeScalingPolicies",
                "application-autoscaling:RegisterScalableTarget",
                "application-autoscaling:DeregisterScalableTarget",
                "application-autoscaling:PutScalingPolicy",
                "application-autoscaling:DeleteScalingPolicy",
                "lambda:ListEventSourceMappings",
            ),
            ("anywhere",),
        ),
        Need(("cloudwatch:DescribeAlarms",), ("alarms",)),
    ),
)
CONSUMERS = PermissionStep(
    "consumers",
    "`accept=event-source`: Lambda functions read the copy's stream",
    (Need(("lambda:CreateEventSourceMapping", "lambda:DeleteEventSourceMapping"), ("anywhere",)),),
    optional=True,
)
DRILL = PermissionStep(
    "drill",
    "a drill on its own tables",
    (
        Need(dynamodb("DescribeTable", "DescribeContinuousBackups", "RestoreTableToPointInTime", "Scan"), ("table",)),
        Need(
            (
                *ON_A_NEW_TABLE,
                *dynamodb("DescribeTable", "CreateTable", "DeleteTable", "BatchGetItem"),
                *dynamodb("DescribeKinesisStreamingDestination"),
            ),
            ("drills",),
        ),
    ),
)
SIGN = PermissionStep(
    "sign",
    "`[record] sign` by a KMS key, and checking it",
    (Need(("kms:GetPublicKey", "kms:Sign", "kms:Verify"), ("keys",)),),
)
UPLOAD = PermissionStep(
    "upload",
    "`[record] upload`, with retention and a KMS key if these are set",
    (
        Need(("s3:GetBucketObjectLockConfiguration", "s3:ListBucket"), ("bucket",)),
        Need(("s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload", "s3:PutObjectRetention"), ("records",)),
        Need(("kms:GenerateDataKey", "kms:Decrypt"), ("keys",)),
    ),
)
NOTIFY = PermissionStep("notify", "`[notify] topic`", (Need(("sns:Publish",), ("topics",)),))

_TABLE = Need(dynamodb("DescribeTable"), ("table",))
_PROTECTED = Need(dynamodb("DescribeTable", "DescribeContinuousBackups"), ("table",))

_RESTORE = PermissionStep(
    "restore",
    "restoring to a new table",
    (
        _PROTECTED,
        Need(dynamodb("RestoreTableToPointInTime"), ("table",)),
        Need((*ON_A_NEW_TABLE, *dynamodb("DescribeTable")), ("copies",)),
    ),
)
_DIFF = PermissionStep(
    "diff",
    "comparing the copy with the table",
    (Need(dynamodb("DescribeTable", "Scan"), ("table", "copies")),),
)
_DIFF_OF_COPIES = PermissionStep(
    "diff",
    "comparing the two copies",
    (_TABLE, Need(dynamodb("DescribeTable", "Scan"), ("copies",))),
)
_STREAM = PermissionStep(
    "read",
    "reading the table's stream",
    (_PROTECTED, Need(dynamodb("DescribeStream", "GetShardIterator", "GetRecords"), ("streams",))),
)
_FULL_EXPORT = PermissionStep(
    "export",
    "full exports of the table to S3, and reading them",
    (
        _PROTECTED,
        Need(dynamodb("ExportTableToPointInTime"), ("table",)),
        Need(dynamodb("DescribeExport"), ("exports",)),
        Need(("s3:PutObject", "s3:AbortMultipartUpload", "s3:PutObjectAcl", "s3:GetObject"), ("objects",)),
    ),
)
_EXPORT = PermissionStep(
    "export",
    "incremental exports of the table to S3, and reading them",
    (*_FULL_EXPORT.needs, Need(dynamodb("ListExports"), ("anywhere",))),
)
_CONSUMERS = (
    Need(dynamodb("DescribeKinesisStreamingDestination"), ("table",)),
    Need(("lambda:ListEventSourceMappings",), ("anywhere",)),
)
"""Who will see what is written: unknown, it has to be acknowledged at the gate."""

_COPY = PermissionStep(
    "copy",
    "restoring removed and modified items: plan, writes, verification",
    (
        _PROTECTED,
        *_CONSUMERS,
        Need(dynamodb("BatchGetItem", "PutItem", "UpdateItem"), ("table",)),
    ),
)
_UNDO = PermissionStep(
    "undo",
    "undoing a copy",
    (
        _PROTECTED,
        *_CONSUMERS,
        Need(dynamodb("BatchGetItem", "GetItem", "PutItem", "UpdateItem", "DeleteItem"), ("table",)),
    ),
)
_CLEANUP = PermissionStep(
    "cleanup", "deleting the copies", (Need(dynamodb("DescribeTable", "DeleteTable"), ("copies",)),)
)
_DELETE = PermissionStep(
    "delete",
    "deleting what the damage inserted (`--inserted delete`)",
    (
        _PROTECTED,
        *_CONSUMERS,
        Need(dynamodb("BatchGetItem", "GetItem", "PutItem", "DeleteItem"), ("table",)),
    ),
    optional=True,
)
_OF_EVERY_ROUTE = (
    PermissionStep(
        "fast",
        "writing 25 items per call instead of one",
        (Need(dynamodb("PartiQLInsert", "GetItem"), ("table",)),),
        optional=True,
    ),
    PermissionStep(
        "details",
        "TTL, to recognize expired items; tags",
        (Need(dynamodb("DescribeTimeToLive", "ListTagsOfResource"), ("table",)),),
        optional=True,
    ),
    PermissionStep(
        "timeline",
        "write activity and deployments",
        (Need(("cloudwatch:GetMetricData", "cloudtrail:LookupEvents"), ("anywhere",)),),
        optional=True,
    ),
    PermissionStep(
        "brakes",
        "`--alarms` and `--ceiling`",
        (Need(("cloudwatch:DescribeAlarms",), ("alarms",)), Need(("cloudwatch:GetMetricData",), ("anywhere",))),
        optional=True,
    ),
    PermissionStep(
        "overview",
        "the lists of tables and of deleted ones",
        (Need(dynamodb("ListTables", "ListBackups"), ("anywhere",)),),
        optional=True,
    ),
    PermissionStep(
        "protect",
        "turning PITR on in `00_start_here`",
        (Need(dynamodb("UpdateContinuousBackups"), ("table",)),),
        optional=True,
    ),
    PermissionStep(
        "check",
        "the permission check in `00_start_here`",
        (Need(("iam:SimulatePrincipalPolicy", "iam:GetRole"), ("anywhere",)),),
        optional=True,
    ),
)
_EARLIER = PermissionStep(
    "earlier",
    "streams that were turned off",
    (Need(dynamodb("ListStreams"), ("anywhere",)),),
    optional=True,
)
_EXPORTED = PermissionStep(
    "earlier",
    "reusing existing exports",
    (Need(dynamodb("ListExports"), ("anywhere",)),),
    optional=True,
)
_LIST = PermissionStep(
    "list",
    "telling a missing file in the bucket from a forbidden one",
    (Need(("s3:ListBucket",), ("bucket",)),),
    optional=True,
)
_NOW = PermissionStep(
    "now",
    "comparing with the live table, without `--damage-until`",
    (Need(dynamodb("Scan"), ("table",)),),
    optional=True,
)
_DELETED = PermissionStep(
    "return",
    "restoring a deleted table from its backup, under its old name",
    (
        Need(dynamodb("ListBackups"), ("anywhere",)),
        Need(dynamodb("DescribeBackup", "RestoreTableFromBackup"), ("backups",)),
        Need((*ON_A_NEW_TABLE, *dynamodb("DescribeTable")), ("table",)),
    ),
)

ROUTES: Mapping[str, tuple[PermissionStep, ...]] = {
    "restore": (_RESTORE, _DIFF, _COPY, _UNDO, _CLEANUP, _DELETE, *_OF_EVERY_ROUTE, *AROUND),
    "threeway": (_RESTORE, _DIFF_OF_COPIES, _COPY, _UNDO, _CLEANUP, _DELETE, *_OF_EVERY_ROUTE, *AROUND),
    "stream": (_STREAM, _COPY, _UNDO, _DELETE, _EARLIER, *_OF_EVERY_ROUTE, *AROUND),
    "export": (_EXPORT, _COPY, _UNDO, _DELETE, _LIST, SWEEP, *_OF_EVERY_ROUTE, *AROUND),
    "full-export": (
        _FULL_EXPORT,
        _COPY,
        _UNDO,
        _DELETE,
        _EXPORTED,
        _LIST,
        SWEEP,
        _NOW,
        *_OF_EVERY_ROUTE,
        *AROUND,
    ),
    "backup": (BACKUP, _DIFF, _COPY, _UNDO, _CLEANUP, VAULT),
    "deleted": (_DELETED, SETTINGS),
    "cutover": (ADOPT, CONSUMERS),
    "drill": (DRILL,),
    "record": (SIGN, UPLOAD, NOTIFY),
}
"""Routes by the name that `pitrkit policy --route` has for them, with their steps in order, optional ones last."""

WAYS_BACK = ("restore", "threeway", "stream", "export", "full-export")
"""Those that end in a copy back into a table that is there, out of its own past."""


def steps_of(route: str, names: str = "") -> list[PermissionStep]:
    """Return steps of a route.

    Args:
        route: One of `ROUTES`.
        names: Their names with commas between; `all`; blank for those that the route cannot do without.

    Raises:
        BadInput: There is no such route, or it has no such step.
    """
    if route not in ROUTES:
        raise BadInput(f"there is no route {route!r}", fix=f"Choose {', '.join(ROUTES)}.")
    route_steps = {step.name: step for step in ROUTES[route]}
    step_names = [name.strip() for name in names.split(",") if name.strip()]
    if unknown := [name for name in step_names if name not in route_steps and name != "all"]:
        raise BadInput(
            f"the route {route} has no step {', '.join(unknown)}", fix=f"It has {', '.join(route_steps)}, or all."
        )
    if not step_names:
        return [step for step in route_steps.values() if not step.optional]
    return [step for step in route_steps.values() if step.name in step_names or "all" in step_names]


def every_step() -> dict[str, tuple[PermissionStep, tuple[str, ...]]]:
    """Return the steps by what they are for, each with the routes that have it, in order."""
    steps_by_name: dict[str, tuple[PermissionStep, tuple[str, ...]]] = {}
    for route, steps in ROUTES.items():
        for step in steps:
            _, routes = steps_by_name.get(step.words, (step, ()))
            steps_by_name[step.words] = step, (*routes, route)
    return steps_by_name
