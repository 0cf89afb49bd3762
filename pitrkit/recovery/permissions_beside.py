"""The permissions of what is beside the ways back: preflight and freeze, backups, cut-over, drills, the record."""

from __future__ import annotations

from pitrkit.recovery.needs import ON_A_NEW_TABLE, Need, Step, dynamodb

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
    Step(
        "ahead",
        "what is said before the gate about what a copy would set off",
        (
            Need(dynamodb("GetResourcePolicy"), ("table",)),
            Need(("application-autoscaling:DescribeScalableTargets",), ("anywhere",)),
            Need(("kms:DescribeKey",), ("keys",)),
        ),
        optional=True,
    ),
    Step(
        "mark",
        "the tag that keeps a second recovery off the table",
        (Need(dynamodb("ListTagsOfResource", "TagResource", "UntagResource"), ("table",)),),
        optional=True,
    ),
    Step(
        "freeze",
        "`--freeze`",
        (Need(dynamodb("GetResourcePolicy", "PutResourcePolicy", "DeleteResourcePolicy"), ("table",)),),
        optional=True,
    ),
    Step(
        "safety",
        "`--safety-copy`, and deleting it in `14_clean_up`",
        (Need(dynamodb("CreateBackup"), ("table",)), Need(dynamodb("DescribeBackup", "DeleteBackup"), ("backups",))),
        optional=True,
    ),
)
SWEEP = Step(
    "sweep",
    "deleting the files of exports in `14_clean_up`",
    (Need(("s3:ListBucket",), ("bucket",)), Need(("s3:DeleteObject",), ("objects",))),
    optional=True,
)
SETTINGS = Step(
    "settings",
    "setting TTL, stream and PITR again",
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
BACKUP = Step(
    "restore",
    "a copy out of an on-demand or system backup, `--backup`",
    (
        Need(dynamodb("ListBackups"), ("anywhere",)),
        Need(dynamodb("DescribeBackup", "RestoreTableFromBackup"), ("backups",)),
        Need((*ON_A_NEW_TABLE, *dynamodb("DescribeTable")), ("copies",)),
    ),
)
VAULT = Step(
    "vault",
    "a copy out of AWS Backup",
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
ADOPT = Step(
    "adopt",
    "giving the copy the original's settings in `13_cut_over`, and taking them back",
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
CONSUMERS = Step(
    "consumers",
    "`accept=event-source`: functions follow the copy's stream",
    (Need(("lambda:CreateEventSourceMapping", "lambda:DeleteEventSourceMapping"), ("anywhere",)),),
    optional=True,
)
DRILL = Step(
    "drill",
    "a rehearsal on tables of its own",
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
SIGN = Step(
    "sign",
    "`[record] sign` by a KMS key, and checking it",
    (Need(("kms:GetPublicKey", "kms:Sign", "kms:Verify"), ("keys",)),),
)
UPLOAD = Step(
    "upload",
    "`[record] upload`, with retention and a KMS key if these are set",
    (
        Need(("s3:GetBucketObjectLockConfiguration", "s3:ListBucket"), ("bucket",)),
        Need(("s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload", "s3:PutObjectRetention"), ("records",)),
        Need(("kms:GenerateDataKey", "kms:Decrypt"), ("keys",)),
    ),
)
NOTIFY = Step("notify", "`[notify] topic`", (Need(("sns:Publish",), ("topics",)),))
