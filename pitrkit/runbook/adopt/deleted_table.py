"""11: the table itself is gone: find a backup of it, restore it, and set again what the backup still knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pitrkit.aws import arns
from pitrkit.aws.backups import backups, pitr, recovery_points
from pitrkit.aws.backups.backups import Backup, BackupList
from pitrkit.aws.backups.pitr import Restoration, check_name
from pitrkit.aws.backups.restore_options import Options, RestoreDesign, overrides
from pitrkit.aws.client.client import Aws
from pitrkit.aws.settings import settings
from pitrkit.aws.settings.kinds import DeletionProtection, Recovery, Setting, TableRef
from pitrkit.aws.settings.reapply import SettingsWriter
from pitrkit.aws.settings.settings import of_backup
from pitrkit.aws.tables import tables
from pitrkit.errors import BadInput, InputNeeded
from pitrkit.incident.state import BEFORE_DAMAGE
from pitrkit.runbook.adopt.settings_plan import SettingChange
from pitrkit.runbook.restore import restore_wait, source_views
from pitrkit.runbook.restore.restore_wait import poll_seconds
from pitrkit.runbook.restore.source_choice import RestoreRequest, SourceChoice
from pitrkit.runbook.restore.source_views import in_words
from pitrkit.runbook.session.approval import ApprovalFlow, pass_gate
from pitrkit.runbook.session.gate import Intent
from pitrkit.runbook.session.gate_views import ApproveBox
from pitrkit.runbook.session.session import Session
from pitrkit.runbook.start import table_views
from pitrkit.times import iso
from pitrkit.ui import error_display
from pitrkit.ui.controls import Choice
from pitrkit.ui.progress import ProgressBar
from pitrkit.ui.text import count_text
from pitrkit.ui.view import Shows, View

SET_AGAIN = ("ttl", "stream", "pitr", "deletion-protection")
"""Kinds of settings that are set again after a restore, in this order."""


def deleted_tables(aws: Aws) -> View:
    """Return the deleted tables that can still be brought back, and what from."""
    return source_views.backups_list(backups.everything(aws), tables.table_names(aws))


def choose(aws: Aws, table: str = "") -> Choice:
    """Return a widget over the tables that are gone, the last backed up first; *table* is given already."""
    all_backups = backups.everything(aws)
    options = [
        (f"{name}  ({count_text(len(all_backups.of_table(name).backups), 'source')})", name)
        for name in backups.deleted_tables(aws)
    ]
    return Choice("deleted table", options, value=table)


def sources(aws: Aws, table: str, **fields: str) -> SourceChoice:
    """Return a control over what the deleted *table* can come back from, and what it is to be like.

    Args:
        aws: Where.
        table: Name of the deleted table; blank shows nothing to choose.
        fields: The fields of `RestoreRequest`, as parameters say them.

    Raises:
        BadInput: A parameter cannot be read.
    """
    request = RestoreRequest(**fields).check()
    table_backups = _of(aws, table) if table else BackupList(())
    return SourceChoice(table_backups, request, pitr="", indexes=[], default="all")


@dataclass
class Return(Shows):
    """A deleted table on its way back.

    Attributes:
        details: DescribeBackup's answer; empty for a recovery point of AWS Backup.
        settings: What is set again afterwards.
    """

    session: Session
    backup: Backup
    target: str
    asked: RestoreRequest
    options: Options
    details: Mapping[str, Any]
    settings: tuple[Setting, ...]
    named: str
    intent: Intent
    passage: ApprovalFlow

    def view(self) -> View:
        """Return the backup, what it holds, and which settings it still knows."""
        return source_views.backup_card(self.backup, self.details, self.target, self.settings, self.asked.to_dict())

    def approve(self) -> ApproveBox:
        """Return a widget that approves the restore when the new table's name is typed."""
        return self.passage.widget({"action": self.intent.action})

    def gate(self, approve: str) -> View:
        """Open the gate for this restore and these settings, or raise with the one command that opens it."""
        details = {"backup": self.backup.arn, "settings": self.named, **self.asked.to_dict()}
        command = self.session.command(
            "11_deleted_table", self.intent.digest, table=self.backup.table, target=self.target, **details
        )
        return pass_gate(self.session, self.passage, self.intent.action, approve, command)

    def restore(self) -> View:
        """Start the restore and wait for the table. Safe to interrupt and to run again."""
        self.passage.require()
        self.session.note(
            "restore_requested", source=self.backup.arn, target=self.target, options=self.options.to_dict()
        )
        with error_display.failure_meaning("A restore makes a new table; nothing else was touched."):
            restoration = restore_wait.restored(
                self.session, self.backup, self.target, self.asked.role, self.options, tags=True
            )
            with ProgressBar(f"Restoring {self.target}", unit="seconds") as progress:
                report_progress = lambda status, seconds: progress(int(seconds), None, status)  # noqa: E731
                restore_wait.await_job(self.session, self.target, report_progress)
                table = pitr.wait(
                    self.there, self.target, poll_seconds=poll_seconds(self.session), on_progress=report_progress
                )
        elsewhere = self.there.region if self.there is not self.session.aws else None
        self.session.done(
            "restore",
            "restore_finished",
            **{
                BEFORE_DAMAGE.table: self.target,
                BEFORE_DAMAGE.table_id: table.id,
                BEFORE_DAMAGE.at: iso(self.backup.created_at),
                BEFORE_DAMAGE.by: "returned",
                BEFORE_DAMAGE.region: elsewhere,
                BEFORE_DAMAGE.source: self.backup.arn,
            },
        )
        card = Restoration(
            self.backup.table,
            self.target,
            self.backup.created_at,
            restoration.adopted,
            table.created_at,
            elsewhere or "",
        )
        return table_views.restoration_card((card, table))

    def reapply(self) -> View:
        """Set again what the backup still knows, each recorded, and read each back. Safe to run again.

        Raises:
            AwsError: One was refused; those before it are set.
            BadInput: Somebody has set one otherwise since; those before it are set.
        """
        self.passage.require()
        table = tables.describe(self.there, self.target)
        if table.id != self.session.data.get(BEFORE_DAMAGE.table_id):
            raise BadInput(
                "this is not the table that was restored here", table=self.target, fix="Run the cell above first."
            )
        with error_display.failure_meaning(
            "The table is back with its items; the settings not named as set are still off."
        ):
            before = self._found()
            for setting in self.settings:
                if not setting.holds(before.get(setting.kind)):
                    self._give(setting, before.get(setting.kind), TableRef(table.name, table.arn))
            now = self._found()
        rows = [
            (setting, setting.holds(before.get(setting.kind)), setting.holds(now.get(setting.kind)))
            for setting in self.settings
        ]
        self.session.keep("settings_reapplied", settings={setting.kind: is_set for setting, _, is_set in rows})
        return source_views.reapplied_card(self.target, rows)

    def _found(self) -> dict[str, Setting]:
        return settings.read(self.there, self.target, {setting.kind for setting in self.settings})

    def _give(self, setting: Setting, before: Setting | None, place: TableRef) -> None:
        # As 13_cut_over records what it gives, which takes back what the incident gave.
        setting_record = {"setting": setting.kind, "name": setting.name, "table": place.table, "back": False}
        change = SettingChange(setting, before).to_dict()
        self.session.note("setting_requested", **setting_record, change=change)
        hand = SettingsWriter(self.there, place)
        hand.give(setting, before)
        self.session.note(
            "setting_done", **setting_record, change=change, calls=[call.to_dict() for call in hand.calls]
        )

    @property
    def there(self) -> Aws:
        """The account in the Region that the table comes back in."""
        return self.session.aws.elsewhere(self.options.region)


def bring_back(
    aws: Aws,
    table: str,
    *,
    target: str = "",
    incident: str = "",
    settings: str = "",
    asked: RestoreRequest | SourceChoice | None = None,
) -> Return:
    """Prepare the return of the deleted *table*.

    Args:
        aws: Where.
        table: Name of the deleted table.
        target: Name to restore under; the old name when blank.
        incident: Name of the incident; a new one is made up when blank.
        settings: What to set again, see `chosen`.
        asked: What to restore, the latest system backup or else the latest there is where blank, and what the table is
            to be like: as it was, where blank.

    Raises:
        InputNeeded: *table* is blank.
        BadInput: There is no backup of it, an option cannot be had, or the name is taken.
    """
    if not table:
        all_backups = backups.everything(aws)
        names = ", ".join(dict.fromkeys(listed_backup.table for listed_backup in all_backups.backups)) or "none"
        raise InputNeeded(
            "table", fix=f"Choose one, or give it as the parameter `table`. Tables with backups here: {names}."
        )
    request = asked.asked if isinstance(asked, SourceChoice) else (asked or RestoreRequest()).check()
    backup = _chosen(aws, table, request.backup)
    name = check_name(target or table)
    home = arns.backup_arn(backup.arn).region
    options = request.options()
    regional_aws = aws.elsewhere(options.region or (home if backup.managed else aws.region))
    options = request.options() if options.region else Options(**{**options.to_dict(), "region": regional_aws.region})
    details: dict[str, Any] = {}
    if backup.managed:
        recovery_points.check(backup.arn, options, request.role)
    else:
        details = backups.details(aws.elsewhere(home), backup.arn)
        overrides(regional_aws, RestoreDesign.of_backup(details), options)  # refused before the gate, not after it
    wished = chosen(of_backup(table, details).found, settings)
    session = Session.begin(incident, table=table, aws=aws)
    _check_free(session, regional_aws, name, backup)
    session.keep("backup_chosen", backup=backup.arn, table_arn=backup.table_arn)
    caller = aws.caller()
    decided = {
        "account": caller.account,
        "region": regional_aws.region,
        "backup": backup.arn,
        "options": options.to_dict(),
        "role": request.role,
        "settings": [in_words(setting) for setting in wished],
    }
    intent = Intent("restore deleted table", name, decided)
    return Return(
        session, backup, name, request, options, details, wished, settings, intent, ApprovalFlow(intent, name)
    )


def chosen(backup_settings: Iterable[Setting], settings: str) -> tuple[Setting, ...]:
    """Return what is to be set again.

    Args:
        backup_settings: What the backup knows.
        settings: Names with commas between; blank for all that is known, `none` for nothing. Deletion protection no
            backup knows of: it is turned on where it is named. So is PITR.

    Raises:
        BadInput: A name is unknown, or the backup does not know that setting.
    """
    available = {setting.kind: setting for setting in backup_settings if setting.kind in SET_AGAIN}
    names = [name.strip() for name in settings.split(",")]
    if names in ([""], ["none"]):
        names = [] if any(names) else list(available)
    available = {"pitr": Recovery(0), "deletion-protection": DeletionProtection(), **available}
    for name in names:
        if name not in SET_AGAIN:
            fix = f"settings is none, or some of {', '.join(SET_AGAIN)}."
            raise BadInput(f"settings={name!r} is not known", fix=fix)
        if name not in available:
            fix = "Leave it out; if it was on, turn it on by hand with what your infrastructure code says."
            raise BadInput(f"the backup says that {name} was off, or does not know", fix=fix)
    return tuple(available[name] for name in SET_AGAIN if name in names)


def _of(aws: Aws, table: str) -> BackupList:
    """Return the backups of *table*; the ARN that AWS Backup is asked by is as it would be here."""
    table_backups = backups.everything(aws).of_table(table)
    return BackupList(
        tuple(sorted(table_backups.backups, key=lambda backup: backup.kind != "SYSTEM")), table_backups.unseen
    )


def _chosen(aws: Aws, table: str, arn: str) -> Backup:
    if arn:
        named = backups.find(aws, arn)
        if named.table != table:
            raise BadInput(f"that is a backup of {named.table}", table=table, fix="Give a backup of this table.")
        return named
    table_backups = _of(aws, table)
    if table_backups.backups:
        return table_backups.backups[0]
    others = ", ".join(dict.fromkeys(backup.table for backup in backups.everything(aws).backups))
    unseen_text = " ".join(table_backups.unseen)
    raise BadInput(
        "no backup of this table" + (f". {unseen_text}" if unseen_text else ""),
        table=table,
        fix=f"Tables that can come back: {others}."
        if others
        else "Only tables that had PITR when they were deleted, at most 35 days ago, leave a system backup, and nobody "
        "made another one; check the account and region.",
    )


def _check_free(session: Session, regional_aws: Aws, name: str, backup: Backup) -> None:
    """Refuse a name that something else has: the table may have been made anew since it was deleted.

    Raises:
        BadInput: It is taken by a table that is no restore of this backup.
    """
    present = tables.find(regional_aws, name)
    if present is None:
        return
    job = session.data.get(restore_wait.JOB) or {}
    mine = present.restored is not None and present.restored.backup_arn == backup.arn
    if mine or (backup.managed and job.get("table") == name):
        return
    raise BadInput(
        f"there is a table {name} (again), and it is no restore of this backup",
        table=name,
        fix="Choose another target name; or put the deleted items back into the table that is there: "
        f"pitrkit recover {backup.table} --backup {backup.arn}",
    )
