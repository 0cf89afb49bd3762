"""Views of what a table can be restored from, and of a deleted table on its way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pitrkit.aws.backups.backups import WORDS, Backup, BackupList
from pitrkit.aws.settings.kinds import Setting
from pitrkit.aws.tables.tables import AWS_OWNED, key_of
from pitrkit.times import iso
from pitrkit.ui.blocks import Block, Cell, Facts, Grid, Note, Tag, Tone
from pitrkit.ui.cards import note
from pitrkit.ui.text import count_text, moment, size
from pitrkit.ui.view import View

if TYPE_CHECKING:
    from pitrkit.aws.change_data.export import Export
    from pitrkit.recovery.advice.cost import Estimate


def exports_card(exports: Sequence[Export], *, estimate: Estimate | None = None) -> View:
    """Return exports: of what, where they lie, and how they stand."""
    rows = tuple(
        (str(export), _status(export), f"s3://{export.bucket}/{export.prefix}".rstrip("/"), export.arn)
        for export in exports
    )
    blocks: list[Block] = [Grid(("export", "status", "location", "ARN"), rows)]
    if estimate is not None:
        blocks.append(Note(f"Estimated cost: {estimate}", "muted"))
    blocks.append(Note("Exports use no read capacity. The files stay in the bucket until they are deleted.", "muted"))
    data = {"exports": [export.to_dict() for export in exports]}
    return View("exports", "Exports to S3", (Tag(count_text(len(exports), "export"), "info"),), tuple(blocks), data)


def _status(export: Export) -> Tag:
    tones: dict[str, Tone] = {"COMPLETED": "good", "FAILED": "bad"}
    return Tag(export.status.replace("_", " ").lower(), tones.get(export.status, "info"))


DIFFERS = {
    "SYSTEM": "the table just before its deletion",
    "USER": "the table when the backup was made",
    "AWS_BACKUP": "the table when the backup was made",
    "managed": "the table when the backup was made; restored by AWS Backup with a role, without options",
}
_SET_AGAIN = {"ttl": "TTL", "stream": "stream", "pitr": "PITR", "deletion-protection": "deletion protection"}
_UNKNOWN = (
    "tags", "auto scaling", "resource policy", "deletion protection", "table class", "warm throughput",
    "global table replicas", "Kinesis destination", "Contributor Insights", "alarms", "PITR period",
    "stream consumers (the stream has a new ARN)",
)  # fmt: skip
"""What no backup tells of a table."""
_HOW_PITR_DIFFERS = (
    "Point-in-time recovery can restore any second of its window. A backup holds one point in time and no later "
    "writes. Backups are kept after the PITR window has passed and after the table is deleted."
)
_ONLY_PITR = (
    "DynamoDB keeps a system backup for 35 days, only of tables that had PITR on. On-demand backups and AWS Backup "
    "can be kept longer. Check the account and Region."
)


def sources_card(
    backup_list: BackupList,
    request: Mapping[str, str],
    *,
    pitr: str = "",
    indexes: Sequence[str] = (),
    default: str = "none",
) -> View:
    """Return what can be restored, how each differs, and what was asked for by parameters."""
    rows: list[tuple[Cell, ...]] = []
    if pitr:
        rows.append((pitr, "any second of its window", "", "", Tag("default", "info"), ""))
    rows += [_row(backup, chosen=backup.arn == request.get("backup")) for backup in backup_list.backups]
    columns = ("source", "contains", "kept until", ">size", "", "ARN")
    blocks: list[Block] = [Grid(columns, tuple(rows))] if rows else [Note("There is nothing to restore.", "warn")]
    options = {name: value for name, value in request.items() if name != "backup"}
    if options:
        blocks.append(Facts(tuple(options.items()), flow=True))
    blocks.append(Note(f"Indexes of the source: {', '.join(indexes) or 'none'}. Restored by default: {default}."))
    blocks.append(Note(_HOW_PITR_DIFFERS, "muted"))
    blocks += [Note(text, "warn") for text in backup_list.unseen]
    data = {"sources": [_dict(backup) for backup in backup_list.backups], "asked": dict(request)}
    return View("sources", "Restore sources", blocks=tuple(blocks), data=data)


def _row(backup: Backup, *, chosen: bool = False) -> tuple[Cell, ...]:
    until = moment(backup.expires_at) if backup.expires_at else "-"
    mark: Cell = Tag("chosen", "good") if chosen else ""
    label = f"{WORDS[backup.kind]} of {moment(backup.created_at)}" + (f", vault {backup.vault}" if backup.vault else "")
    return (
        label,
        DIFFERS["managed" if backup.managed else backup.kind],
        until,
        size(backup.size_bytes),
        mark,
        backup.arn,
    )


def _dict(backup: Backup) -> dict[str, Any]:
    return {"table": backup.table, "arn": backup.arn, "kind": backup.kind, "created_at": iso(backup.created_at)}


def backups_list(backup_list: BackupList, living: Sequence[str] = ()) -> View:
    """Return the deleted tables that can come back, and what each can come back from; *living* are the others."""
    # A deletion leaves a backup of a table whose name may have been taken again since.
    gone = [backup for backup in backup_list.backups if backup.kind == "SYSTEM" or backup.table not in set(living)]
    unseen = tuple(Note(text, "warn") for text in backup_list.unseen)
    if not gone:
        view = note("No deleted table can be restored in this account and Region.", "warn", _ONLY_PITR)
        return View(view.kind, view.title, view.tags, (*view.blocks, *unseen), view.data) if unseen else view
    rows = tuple((backup.table, *_row(backup)[:4]) for backup in gone)
    grid = Grid(("table", "source", "contains", "restorable until", ">size"), rows)
    tables = len({backup.table for backup in gone})
    data = {"backups": [_dict(backup) for backup in gone]}
    return View("backups", f"Deleted tables ({tables:,})", blocks=(grid, *unseen), data=data)


def backup_card(
    backup: Backup,
    details: Mapping[str, Any],
    target: str,
    settings: Sequence[Setting] = (),
    request: Mapping[str, str] | None = None,
) -> View:
    """Return what a deleted table's backup holds, the settings it still knows, and those it does not.

    Args:
        backup: The backup.
        details: DescribeBackup's answer; empty for a recovery point of AWS Backup, which tells none of this.
        target: What it would be restored into.
        settings: What would be set again.
        request: What was chosen for the table.
    """
    source = details.get("SourceTableDetails") or {}
    features = details.get("SourceTableFeatureDetails") or {}
    deleted = "deleted" if backup.kind == "SYSTEM" else "backup of"
    rows: list[tuple[str, Cell]] = [
        ("source", WORDS[backup.kind] + (f", vault {backup.vault}" if backup.vault else "")),
        (deleted, moment(backup.created_at)),
        ("restorable until", moment(backup.expires_at) if backup.expires_at else "-"),
        ("size", size(backup.size_bytes)),
    ]
    if details:
        rows += _known(source, features)
    rows += [
        ("new table", target),
        *((name.replace("_", " "), value) for name, value in (request or {}).items() if name != "backup"),
        ("settings to reapply", ", ".join(in_words(setting) for setting in settings) or "none"),
        ("backup", backup.arn),
    ]
    blocks: list[Block] = [Facts(tuple(rows))]
    if not details:
        text = "AWS Backup does not list a table's settings before the restore. It restores the tags."
        blocks.append(Note(text, "warn"))
    blocks.append(Note(f"Not stored in any backup, to be recreated by hand: {', '.join(_unknown(backup))}.", "warn"))
    data = {**_dict(backup), "target": target, "settings": [setting.kind for setting in settings]}
    return View("backup", f"Deleted table {backup.table}", blocks=tuple(blocks), data=data)


def in_words(setting: Setting) -> str:
    """Return a setting that is set again, in words."""
    return f"{_SET_AGAIN[setting.kind]}: {setting.words()}"


def _unknown(backup: Backup) -> list[str]:
    return [name for name in _UNKNOWN if not (backup.managed and name == "tags")]


def _known(source: Mapping[str, Any], features: Mapping[str, Any]) -> list[tuple[str, Cell]]:
    keys = ", ".join(f"{key.get('AttributeName')} ({key.get('KeyType')})" for key in source.get("KeySchema") or ())
    indexes = [
        str(index.get("IndexName"))
        for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes", "VectorIndexes")
        for index in features.get(kind) or ()
    ]
    ttl = features.get("TimeToLiveDescription") or {}
    stream = features.get("StreamDescription") or {}
    return [
        ("items", f"about {source['ItemCount']:,}" if "ItemCount" in source else "unknown"),
        ("key", keys or "unknown"),
        ("indexes", ", ".join(indexes) or "none"),
        ("billing", _billing(source)),
        ("encryption", key_of(features) or AWS_OWNED),
        ("TTL was on", str(ttl.get("AttributeName") or "no")),
        ("stream was on", str(stream.get("StreamViewType") or "no")),
    ]


def _billing(source: Mapping[str, Any]) -> str:
    mode = str(source.get("BillingMode") or "unknown").replace("_", " ").lower()
    capacity, limits = source.get("ProvisionedThroughput") or {}, source.get("OnDemandThroughput") or {}
    if capacity.get("ReadCapacityUnits"):
        mode += f", {capacity['ReadCapacityUnits']}/{capacity.get('WriteCapacityUnits')} units"
    if limits:
        mode += f", at most {limits.get('MaxReadRequestUnits', '-')}/{limits.get('MaxWriteRequestUnits', '-')} units"
    return mode


def reapplied_card(table: str, rows: Sequence[tuple[Setting, bool, bool]]) -> View:
    """Return the settings of a table that came back: each with whether it is set now, and whether it was before."""
    if not rows:
        return note("No setting had to be reapplied.", "muted", "Turn PITR on in 00_start_here.")
    grid = Grid(
        ("setting", "now"),
        tuple((in_words(setting), Tag(_state(before, now), "good" if now else "bad")) for setting, before, now in rows),
    )
    blocks: list[Block] = [grid]
    if any(setting.kind == "stream" for setting, _, _ in rows):
        blocks.append(Note("The stream has a new ARN: point its consumers to it.", "warn"))
    data = {"table": table, "settings": {setting.kind: now for setting, _, now in rows}}
    return View("reapplied", f"Settings of {table}", blocks=tuple(blocks), data=data)


def _state(before: bool, now: bool) -> str:
    if not now:
        return "not set"
    return "already set" if before else "reapplied"
