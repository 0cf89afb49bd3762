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
from pitrkit.incident.state import THEN, UNTIL, Side, sides
from pitrkit.runbook.restore import restore_wait, source_views
from pitrkit.runbook.restore.restore_wait import poll_seconds
from pitrkit.runbook.restore.source_choice import Asked, SourceChoice
from pitrkit.runbook.session import costs
from pitrkit.runbook.session.session import OF_A_COMPARISON, Book, flag
from pitrkit.runbook.start import table_views
from pitrkit.times import iso, now
from pitrkit.ui import cards
from pitrkit.ui.progress import Progress
from pitrkit.ui.view import View


def ahead(book: Book, *, target: str = "", how: str = "") -> View:
    """Return what the restores or exports of this incident take and cost. Nothing is started.

    Args are those of `start`.
    """
    table, data = book.table(), book.data
    export = flag(how, "how", ("", "restore", "export")) == "export"
    steps: list[costs.Step] = []
    for side in sides(data):
        at = data.get(side.at)
        if data.get(side.by) == "given" or data.get(side.started_at) or not at:
            continue
        name = (target if side is THEN else "") or pitr.copy_name(table.name, times.parse_time(str(at), now=now()))
        if export:
            steps.append(costs.exporting(table, "minutes to hours; AWS gives no estimate"))
        else:
            steps += costs.restoring(table, name, restore_wait.takes(book))
    nothing = "Nothing to restore: the restore was already started, or a copy was given."
    return costs.card(costs.ESTIMATE, steps, size_bytes=table.size_bytes, nothing=nothing)


def start(
    book: Book,
    *,
    target: str = "",
    how: str = "",
    bucket: str = "",
    prefix: str = "",
    asked: Asked | SourceChoice | None = None,
) -> View:
    """Start the restore, or adopt the matching copy that is there; of both sides where there are two.

    Args:
        book: The incident's book.
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
    given = asked.asked if isinstance(asked, SourceChoice) else (asked or Asked()).check()
    if flag(how, "how", ("", "restore", "export")) == "export":
        if book.data.get(THEN.by) == "given":
            raise BadInput("a copy was given, so there is nothing to export", fix="Leave `how` blank.")
        if chosen := ", ".join((*given.to_dict(), *(("source_arn",) if book.data.get("source_arn") else ()))):
            raise BadInput(f"{chosen}: only for a restored table, and an export creates none", fix="Leave `how` blank.")
        book.known(THEN.at, step="02_pick_timestamp")
        return source_views.exports_card([_export(book, side, bucket, prefix) for side in sides(book.data)])
    if given.backup or (book.data.get(THEN.table) and book.data.get("restore_options", {}).get("backup")):
        return _start_backup(book, target, given.over(book.data.get("restore_options") or {}))
    book.known(THEN.at if book.data.get(THEN.by) != "given" else THEN.table, step="02_pick_timestamp")
    found = [_start(book, side, target if side is THEN else "", given) for side in sides(book.data)]
    started = [(one, None) for one in found if isinstance(one, Restoration)]
    if not started:
        if chosen := ", ".join(given.to_dict()):
            raise BadInput(f"{chosen}: only for a restore, but a copy was given", fix="Leave it blank.")
        verb = "was" if len(found) == 1 else "were"
        return cards.note(f"Nothing to restore: {' and '.join(str(one) for one in found)} {verb} given.")
    return table_views.restoration_card(*started, ahead=restore_wait.ahead(book))


def _start(book: Book, side: Side, target: str, given: Asked) -> Restoration | str:
    """Start the restore of one side and return it; the copy's name where the operator gave one."""
    data = book.data
    if data.get(side.by) == "given":
        return str(data[side.table])
    at = times.parse_time(book.known(side.at, step="02_pick_timestamp"), now=now())
    there, source = book.source()
    asked = given.over(data.get("restore_options") or {}) if data.get(side.table) else given
    options = asked.options(indexes="none")
    options = replace(options, region=options.region or str(data.get(side.region) or book.aws.region))
    name = target or data.get(side.table) or pitr.copy_name(book.data["table"], at)
    # Recorded before it is asked for: if this process dies now, the next run adopts the copy it finds.
    book.note("restore_requested", source=source.arn, target=name, restore_at=iso(at), options=options.to_dict())
    restoration = pitr.restore(there, source, name, at, options=options)
    _keep_started(book, side, restoration, source.arn, asked)
    return restoration


def _start_backup(book: Book, target: str, asked: Asked) -> View:
    """Start the restore of a backup as the table of the past: its moment is the recovery point."""
    data = book.data
    if data.get(THEN.by) == "given":
        raise BadInput("a copy was given, so there is no backup to restore", fix="Leave `backup` blank.")
    if data.get(UNTIL.at):
        raise BadInput(
            "a backup holds one point in time, and damage_until needs a second one",
            fix="Leave `backup` blank, or set damage_until to none in 02_pick_timestamp.",
        )
    backup = backups.find(book.aws, asked.backup, data["table_arn"])
    at = iso(backup.created_at)
    if data.get(THEN.table) and data.get(THEN.at) != at:
        raise BadInput(
            f"this incident already has a copy as of {data[THEN.at]}, and the backup is as of {at}",
            fix="Continue with that copy, or open a new incident with 01_select_table.",
        )
    home = arns.backup_arn(backup.arn).region
    options = replace(asked.options(indexes="none"), region=asked.region or book.aws.region)
    name = target or data.get(THEN.table) or pitr.copy_name(data["table"], backup.created_at)
    if backup.managed:
        options = replace(options, region=asked.region or home, indexes=asked.indexes)
        recovery_points.check(backup.arn, options, asked.role)
    else:
        _check_key(book, backups.details(book.aws.elsewhere(home), backup.arn))
    book.done("pick", "moment_of_backup", restore_at=at)
    book.note("restore_requested", source=backup.arn, target=name, restore_at=at, options=options.to_dict())
    restoration = restore_wait.restored(book, backup, name, asked.role, options)
    _keep_started(book, THEN, restoration, backup.arn, asked)
    return table_views.restoration_card((restoration, None), ahead=restore_wait.ahead(book))


def _check_key(book: Book, details: dict[str, Any]) -> None:
    """Refuse a backup of a table that is keyed otherwise: it could not be compared."""
    schema = [(key["AttributeName"], key["KeyType"]) for key in details["SourceTableDetails"]["KeySchema"]]
    table = book.table()
    if schema != [(attribute.name, attribute.role) for attribute in table.key_schema.attributes]:
        keys = ", ".join(name for name, _ in schema)
        raise BadInput(
            f"the table in the backup has the key {keys}, {table.name} {table.key_schema}",
            table=table.name,
            fix="Give a backup of this table.",
        )


def _keep_started(book: Book, side: Side, restoration: Restoration, source: str, asked: Asked) -> None:
    data, name = book.data, restoration.target
    elsewhere = restoration.region if restoration.region != book.aws.region else None
    same = data.get(side.table) == name and data.get(side.region) == elsewhere
    ours = not restoration.adopted or (same and data.get(side.by) == "incident")
    results: dict[str, Any] = {
        side.table: name,
        side.by: "incident" if ours else "adopted",
        side.started_at: iso(restoration.started_at),
        side.region: elsewhere,
        side.source: source,
        "restore_options": asked.to_dict(),
        **({} if same else dict.fromkeys((*OF_A_COMPARISON, side.table_id))),
    }
    book.keep("restore_adopted" if restoration.adopted else "restore_started", **results)


def _export(book: Book, side: Side, bucket: str, prefix: str) -> Export:
    """Start the full export of one side, or adopt the one that is there."""
    at = times.parse_time(book.known(side.at, step="02_pick_timestamp"), now=now())
    book.note("export_requested", table=book.data["table"], export_at=iso(at), bucket=bucket)
    export = exports.start_full(book.aws, book.table(), at, bucket=bucket, prefix=prefix)
    results: dict[str, Any] = {side.export: export.arn, side.by: "exported", side.table: None, side.table_id: None}
    if book.data.get(side.export) != export.arn:
        results |= dict.fromkeys(OF_A_COMPARISON)
    results[side.started_at] = iso(export.started_at or now())
    book.keep("export_started", **results)
    note_begun(book, [export])
    return export


def note_begun(book: Book, found: Sequence[Export]) -> None:
    """Record which of some exports this incident had the service begin: only their files are its to delete."""
    if begun := [export.arn for export in found if export.begun]:
        book.note("exports_begun", exports=begun)


def wait(book: Book) -> View:
    """Wait until what was restored or exported can be read. Safe to interrupt: running it again goes on waiting."""
    if book.data.get(THEN.by) == "exported":
        done = [exported(book, side) for side in sides(book.data)]
        book.done("restore", "exports_finished", exports=[one.arn for one in done])
        return source_views.exports_card(done)
    return table_views.restoration_card(*[_wait(book, side) for side in sides(book.data)])


def _wait(book: Book, side: Side) -> tuple[Restoration, Table]:
    data = book.data
    name = book.known(side.table, step="03_restore")
    label = "Checking" if data.get(side.by) == "given" else "Restoring"
    there = book.aws_of(side)
    running = not _ready(there, name)
    since = restore_wait.running_for(data.get(side.started_at)) if running else 0.0
    expected = restore_wait.expected_seconds(book)

    def shown(status: str, seconds: float) -> None:
        total = int(since + seconds)
        # Beyond what the last one took there is no estimate any more.
        rest = expected if running and expected and total < expected else None
        progress(total, rest, status if status == "ACTIVE" else restore_wait.words(status, total, expected))

    with Progress(f"{label} {name}", unit="seconds", elapsed=since) as progress:
        restore_wait.await_job(book, name, shown)
        copy = pitr.wait(there, name, poll_seconds=poll_seconds(book), on_progress=shown)
    # Only a restore that was seen to end says how long one takes.
    took = {"restore_seconds": int(restore_wait.running_for(data.get(side.started_at)))} if running else {}
    book.done("restore", "restore_finished", **{side.table: name, side.table_id: copy.id}, **took)
    at = copy.restored.restore_at if copy.restored else copy.created_at
    adopted = data.get(side.by) != "incident"
    return Restoration(data["table"], name, at, adopted, copy.created_at, str(data.get(side.region) or "")), copy


def _ready(there: Aws, name: str) -> bool:
    """Return whether the copy can be read already."""
    copy = tables.find(there, name)
    if copy is None:
        return False  # descriptions are eventually consistent; whether it failed, the wait finds out
    return copy.status == "ACTIVE" and not (copy.restored and copy.restored.in_progress)


def exported(book: Book, side: Side) -> Export:
    """Return the full export of one side once it is complete."""
    export = describe(book.aws, book.known(side.export, step="03_restore"), table=book.data["table"])
    with Progress(f"Waiting for the {export}", unit="seconds") as progress:
        return exports.wait(
            book.aws,
            export,
            size_bytes=book.table().size_bytes,
            poll_seconds=poll_seconds(book),
            on_progress=lambda waiting: progress(int(waiting.seconds), waiting.expected_seconds, waiting.status),
        )
