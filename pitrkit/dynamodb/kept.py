"""Settings of a table that its backup keeps but no restore brings back: read out of the backup, and set again.

A restore brings back items, indexes, capacity and encryption. A backup still knows the TTL attribute and the stream's
view type, and that it was left by a deletion says that point-in-time recovery was on. Of everything in `UNKNOWN` it
tells nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pitrkit.dynamodb import pitr, tables
from pitrkit.dynamodb.session import Aws
from pitrkit.errors import AwsError, BadInput

NAMES = ("ttl", "stream", "pitr", "deletion-protection")
UNKNOWN = (
    "tags", "auto scaling", "resource policy", "deletion protection", "table class", "warm throughput",
    "global table replicas", "Kinesis destination", "Contributor Insights", "alarms", "the period of PITR",
    "consumers of the stream, which has another ARN now",
)  # fmt: skip
ATTEMPTS = 60
"""Of turning PITR on for a table that the service still calls too new."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One setting to set again.

    Attributes:
        name: One of `NAMES`.
        value: TTL's attribute, or the stream's view type; else blank.
    """

    name: str
    value: str = ""

    def __str__(self) -> str:
        """Return it in words."""
        words = {"ttl": "TTL on", "stream": "stream of", "pitr": "PITR", "deletion-protection": "deletion protection"}
        return f"{words[self.name]} {self.value}".strip()


def of_backup(description: Mapping[str, Any], kind: str) -> tuple[Kept, ...]:
    """Return what a backup keeps, by DescribeBackup's answer and its kind."""
    features = description.get("SourceTableFeatureDetails") or {}
    ttl, stream = features.get("TimeToLiveDescription") or {}, features.get("StreamDescription") or {}
    found = []
    if ttl.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"} and ttl.get("AttributeName"):
        found.append(Kept("ttl", ttl["AttributeName"]))
    if stream.get("StreamEnabled"):
        found.append(Kept("stream", stream["StreamViewType"]))
    if kind == "SYSTEM":
        found.append(Kept("pitr"))
    return tuple(found)


def chosen(known: tuple[Kept, ...], settings: str) -> tuple[Kept, ...]:
    """Return what is to be set again.

    Args:
        known: What the backup keeps.
        settings: Names with commas between; blank for all that is known, `none` for nothing. Deletion protection no
            backup knows of: it is turned on where it is named. So is PITR.

    Raises:
        BadInput: A name is unknown, or the backup does not know that setting.
    """
    if settings.strip() in ("", "none"):
        return () if settings.strip() else known
    found = {one.name: one for one in (*known, Kept("pitr"), Kept("deletion-protection"))}
    names = [name.strip() for name in settings.split(",")]
    for name in names:
        if name not in NAMES:
            raise BadInput(f"settings={name!r} is not known", fix=f"settings is none, or some of {', '.join(NAMES)}.")
        if name not in found:
            fix = "Leave it out; if it was on, turn it on by hand with what your infrastructure code says."
            raise BadInput(f"the backup says that {name} was off, or does not know", fix=fix)
    return tuple(found[name] for name in NAMES if name in names)


def is_set(aws: Aws, table: str, setting: Kept) -> bool:
    """Return whether *table* has the setting."""
    match setting.name:
        case "ttl":
            return tables.ttl_attribute(aws, table) == setting.value
        case "stream":
            stream = tables.description(aws, table).get("StreamSpecification") or {}
            return bool(stream.get("StreamEnabled")) and stream.get("StreamViewType") == setting.value
        case "pitr":
            return pitr.protection(aws, table).enabled
    return tables.describe(aws, table).deletion_protection


def reapply(
    aws: Aws, table: str, setting: Kept, *, poll_seconds: float, sleep: Callable[[float], None] = time.sleep
) -> str:
    """Set it again and return AWS's id of the request; blank if it was set already.

    Raises:
        AwsError: It was refused.
    """
    if is_set(aws, table, setting):
        return ""
    match setting.name:
        case "ttl":
            answer = aws.call(
                "dynamodb",
                "update_time_to_live",
                TableName=table,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": setting.value},
            )
        case "pitr":
            answer = _protected(aws, table, poll_seconds, sleep)
        case "stream":
            stream = {"StreamEnabled": True, "StreamViewType": setting.value}
            answer = aws.call("dynamodb", "update_table", TableName=table, StreamSpecification=stream)
            pitr.wait(aws, table, poll_seconds=poll_seconds, sleep=sleep)
        case _:
            answer = aws.call("dynamodb", "update_table", TableName=table, DeletionProtectionEnabled=True)
            pitr.wait(aws, table, poll_seconds=poll_seconds, sleep=sleep)
    return str(answer.get("ResponseMetadata", {}).get("RequestId", ""))


def _protected(aws: Aws, table: str, poll_seconds: float, sleep: Callable[[float], None]) -> dict[str, Any]:
    attempt = 1
    while True:
        try:
            return _protect(aws, table)
        except AwsError as error:
            if error.code != "ContinuousBackupsUnavailableException" or attempt == ATTEMPTS:
                raise
        attempt += 1
        sleep(poll_seconds)


def _protect(aws: Aws, table: str) -> dict[str, Any]:
    on = {"PointInTimeRecoveryEnabled": True}
    answer: dict[str, Any] = aws.call(
        "dynamodb", "update_continuous_backups", TableName=table, PointInTimeRecoverySpecification=on
    )
    return answer
