"""03: restore the chosen second into a new table and wait for it; in a three-way recovery, the damage's end as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pitrkit import times
from pitrkit.aws import arns
from pitrkit.aws.backups import backups, pitr, recovery_points
from pitrkit.aws.backups.pitr import Restoration
from pitrkit.aws.change_data import exports
from pitrkit.aws.change_data.export import Export, describe
from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables import tables
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import BadInput
from pitrkit.incident.state import AFTER_DAMAGE, BEFORE_DAMAGE, CopyFields, sides
from pitrkit.options import choose
from pitrkit.runbook.restore import restore_wait, source_views
from pitrkit.runbook.restore.restore_wait import poll_seconds
from pitrkit.runbook.restore.source_choice import RestoreRequest, SourceChoice
from pitrkit.runbook.session import costs
from pitrkit.runbook.session.session import OF_A_COMPARISON, Session
from pitrkit.runbook.start import table_views
from pitrkit.times import iso, now
from pitrkit.ui import cards
from pitrkit.ui.progress import ProgressBar
from pitrkit.ui.view import View


def estimate(session: Session, *, target: str = "", how: str = "") -> View:
    """Return what the restores or exports of this incident take and cost. Nothing is started.

    Args are those of `start`.
    """
    table, data = session.table(), session.data
    export = choose("how", how) == "export"
    steps: list[costs.CostStep] = []
    for side in sides(data):
        at = data.get(side.at)
        if data.get(side.by) == "given" or data.get(side.started_at) or not at:
            continue
        name = (target if side is BEFORE_DAMAGE else "") or pitr.copy_name(
            table.name, times.parse_time(str(at), now=now())
        )
        if export:
            steps.append(costs.exporting(table, "minutes to hours; AWS gives no estimate"))
        else:
            steps += costs.restoring(table, name, restore_wait.duration_text(session))
    nothing = "Nothing to restore: the restore was already started, or a copy was given."
    return costs.card(costs.ESTIMATE, steps, size_bytes=table.size_bytes, nothing=nothing)


def start(
    session: Session,
    *,
    target: str = "",
    how: str = "",
    bucket: str = "",
    prefix: str = "",
    asked: RestoreRequest | SourceChoice | None = None,
) -> View:
    """Start the restore, or adopt the matching copy that is there; of both sides where there are two.

    Args:
        session: The incident's session.
        target: Name of the new table, made up from the table and the recovery point when blank.
        how: `restore` into a new table, or `export` to S3, where the copy is only looked at; blank restores.
        bucket: S3 bucket of an export; that of the table's earlier ones where blank.
        prefix: Prefix in that bucket.
        asked: What to restore and what the copy is to be like. Without it, the table's past by point-in-time recovery,
            without indexes: a comparison needs none, and so the restore is faster and cheaper.

    Raises:
        InputNeeded: An export was asked for, and its bucket is blank and cannot be found.
        BadInput: The time left the window, an option cannot be had, or the name is taken by something else.
    """
    request = asked.asked if isinstance(asked, SourceChoice) else (asked or RestoreRequest()).check()
    if choose("how", how) == "export":
        if session.data.get(BEFORE_DAMAGE.by) == "given":
            raise BadInput("a copy was given, so there is nothing to export", fix="Leave `how` blank.")
        if option_names := ", ".join(
            (*request.to_dict(), *(("source_arn",) if session.data.get("source_arn") else ()))
        ):
            raise BadInput(
                f"{option_names}: only for a restored table, and an export creates none", fix="Leave `how` blank."
            )
        session.required(BEFORE_DAMAGE.at, step="02_pick_timestamp")
        return source_views.exports_card([_export(session, side, bucket, prefix) for side in sides(session.data)])
    if request.backup or (
        session.data.get(BEFORE_DAMAGE.table) and session.data.get("restore_options", {}).get("backup")
    ):
        return _start_backup(session, target, request.over(session.data.get("restore_options") or {}))
    session.required(
        BEFORE_DAMAGE.at if session.data.get(BEFORE_DAMAGE.by) != "given" else BEFORE_DAMAGE.table,
        step="02_pick_timestamp",
    )
    results = [_start(session, side, target if side is BEFORE_DAMAGE else "", request) for side in sides(session.data)]
    started = [(result, None) for result in results if isinstance(result, Restoration)]
    if not started:
        if option_names := ", ".join(request.to_dict()):
            raise BadInput(f"{option_names}: only for a restore, but a copy was given", fix="Leave it blank.")
        verb = "was" if len(results) == 1 else "were"
        return cards.note(f"Nothing to restore: {' and '.join(str(result) for result in results)} {verb} given.")
    return table_views.restoration_card(*started, ahead=restore_wait.estimate(session))


def _start(session: Session, side: CopyFields, target: str, request: RestoreRequest) -> Restoration | str:
    """Start the restore of one side and return it; the copy's name where the operator gave one."""
    data = session.data
    if data.get(side.by) == "given":
        return str(data[side.table])
    at = times.parse_time(session.required(side.at, step="02_pick_timestamp"), now=now())
    source_aws, source = session.source()
    copy_request = request.over(data.get("restore_options") or {}) if data.get(side.table) else request
    options = copy_request.options(indexes="none")
    options = replace(options, region=options.region or str(data.get(side.region) or session.aws.region))
    name = target or data.get(side.table) or pitr.copy_name(session.data["table"], at)
    # Recorded before it is asked for: if this process dies now, the next run adopts the copy it finds.
    session.note("restore_requested", source=source.arn, target=name, restore_at=iso(at), options=options.to_dict())
    restoration = pitr.restore(source_aws, source, name, at, options=options)
    _keep_started(session, side, restoration, source.arn, copy_request)
    return restoration


def _start_backup(session: Session, target: str, request: RestoreRequest) -> View:
    """Start the restore of a backup as the table of the past: its moment is the recovery point."""
    data = session.data
    if data.get(BEFORE_DAMAGE.by) == "given":
        raise BadInput("a copy was given, so there is no backup to restore", fix="Leave `backup` blank.")
    if data.get(AFTER_DAMAGE.at):
        raise BadInput(
            "a backup holds one point in time, and damage_until needs a second one",
            fix="Leave `backup` blank, or set damage_until to none in 02_pick_timestamp.",
        )
    backup = backups.find(session.aws, request.backup, data["table_arn"])
    at = iso(backup.created_at)
    if data.get(BEFORE_DAMAGE.table) and data.get(BEFORE_DAMAGE.at) != at:
        raise BadInput(
            f"this incident already has a copy as of {data[BEFORE_DAMAGE.at]}, and the backup is as of {at}",
            fix="Continue with that copy, or open a new incident with 01_select_table.",
        )
    home = arns.backup_arn(backup.arn).region
    options = replace(request.options(indexes="none"), region=request.region or session.aws.region)
    name = target or data.get(BEFORE_DAMAGE.table) or pitr.copy_name(data["table"], backup.created_at)
    if backup.managed:
        options = replace(options, region=request.region or home, indexes=request.indexes)
        recovery_points.check(backup.arn, options, request.role)
    else:
        _check_key(session, backups.details(session.aws.elsewhere(home), backup.arn))
    session.done("pick", "moment_of_backup", restore_at=at)
    session.note("restore_requested", source=backup.arn, target=name, restore_at=at, options=options.to_dict())
    restoration = restore_wait.restored(session, backup, name, request.role, options)
    _keep_started(session, BEFORE_DAMAGE, restoration, backup.arn, request)
    return table_views.restoration_card((restoration, None), ahead=restore_wait.estimate(session))


def _check_key(session: Session, details: dict[str, Any]) -> None:
    """Refuse a backup of a table that is keyed otherwise: it could not be compared."""
    schema = [(key["AttributeName"], key["KeyType"]) for key in details["SourceTableDetails"]["KeySchema"]]
    table = session.table()
    if schema != [(attribute.name, attribute.role) for attribute in table.key_schema.attributes]:
        keys = ", ".join(name for name, _ in schema)
        raise BadInput(
            f"the table in the backup has the key {keys}, {table.name} {table.key_schema}",
            table=table.name,
            fix="Give a backup of this table.",
        )


def _keep_started(
    session: Session, side: CopyFields, restoration: Restoration, source: str, request: RestoreRequest
) -> None:
    data, name = session.data, restoration.target
    elsewhere = restoration.region if restoration.region != session.aws.region else None
    same = data.get(side.table) == name and data.get(side.region) == elsewhere
    ours = not restoration.adopted or (same and data.get(side.by) == "incident")
    results: dict[str, Any] = {
        side.table: name,
        side.by: "incident" if ours else "adopted",
        side.started_at: iso(restoration.started_at),
        side.region: elsewhere,
        side.source: source,
        "restore_options": request.to_dict(),
        **({} if same else dict.fromkeys((*OF_A_COMPARISON, side.table_id))),
    }
    session.keep("restore_adopted" if restoration.adopted else "restore_started", **results)


def _export(session: Session, side: CopyFields, bucket: str, prefix: str) -> Export:
    """Start the full export of one side, or adopt the one that is there."""
    at = times.parse_time(session.required(side.at, step="02_pick_timestamp"), now=now())
    session.note("export_requested", table=session.data["table"], export_at=iso(at), bucket=bucket)
    export = exports.start_full(session.aws, session.table(), at, bucket=bucket, prefix=prefix)
    results: dict[str, Any] = {side.export: export.arn, side.by: "exported", side.table: None, side.table_id: None}
    if session.data.get(side.export) != export.arn:
        results |= dict.fromkeys(OF_A_COMPARISON)
    results[side.started_at] = iso(export.started_at or now())
    session.keep("export_started", **results)
    note_begun(session, [export])
    return export


def note_begun(session: Session, export_jobs: Sequence[Export]) -> None:
    """Record which of some exports this incident had the service begin: only their files are its to delete."""
    if started_arns := [export.arn for export in export_jobs if export.begun]:
        session.note("exports_begun", exports=started_arns)


def wait(session: Session) -> View:
    """Wait until what was restored or exported can be read. Safe to interrupt: running it again goes on waiting."""
    if session.data.get(BEFORE_DAMAGE.by) == "exported":
        done = [exported(session, side) for side in sides(session.data)]
        session.done("restore", "exports_finished", exports=[export.arn for export in done])
        return source_views.exports_card(done)
    return table_views.restoration_card(*[_wait(session, side) for side in sides(session.data)])


def _wait(session: Session, side: CopyFields) -> tuple[Restoration, Table]:
    data = session.data
    name = session.required(side.table, step="03_restore")
    label = "Checking" if data.get(side.by) == "given" else "Restoring"
    regional_aws = session.aws_of(side)
    running = not _ready(regional_aws, name)
    since = restore_wait.running_for(data.get(side.started_at)) if running else 0.0
    expected = restore_wait.expected_seconds(session)

    def shown(status: str, seconds: float) -> None:
        total = int(since + seconds)
        # Beyond what the last one took there is no estimate any more.
        rest = expected if running and expected and total < expected else None
        progress(total, rest, status if status == "ACTIVE" else restore_wait.to_text(status, total, expected))

    with ProgressBar(f"{label} {name}", unit="seconds", elapsed=since) as progress:
        restore_wait.await_job(session, name, shown)
        copy = pitr.wait(regional_aws, name, poll_seconds=poll_seconds(session), on_progress=shown)
    # Only a restore that was seen to end says how long one takes.
    took = {"restore_seconds": int(restore_wait.running_for(data.get(side.started_at)))} if running else {}
    session.done("restore", "restore_finished", **{side.table: name, side.table_id: copy.id}, **took)
    at = copy.restored.restore_at if copy.restored else copy.created_at
    adopted = data.get(side.by) != "incident"
    return Restoration(data["table"], name, at, adopted, copy.created_at, str(data.get(side.region) or "")), copy


def _ready(regional_aws: Aws, name: str) -> bool:
    """Return whether the copy can be read already."""
    copy = tables.find(regional_aws, name)
    if copy is None:
        return False  # descriptions are eventually consistent; whether it failed, the wait finds out
    return copy.status == "ACTIVE" and not (copy.restored and copy.restored.in_progress)


def exported(session: Session, side: CopyFields) -> Export:
    """Return the full export of one side once it is complete."""
    export = describe(session.aws, session.required(side.export, step="03_restore"), table=session.data["table"])
    with ProgressBar(f"Waiting for the {export}", unit="seconds") as progress:
        return exports.wait(
            session.aws,
            export,
            size_bytes=session.table().size_bytes,
            poll_seconds=poll_seconds(session),
            on_progress=lambda waiting: progress(int(waiting.seconds), waiting.expected_seconds, waiting.status),
        )
