"""11: the table itself is gone: find its system backup and restore it."""

from __future__ import annotations

from dataclasses import dataclass

from pitrkit.dynamodb import backups
from pitrkit.dynamodb.backups import SystemBackup
from pitrkit.dynamodb.pitr import Restoration, check_name, iso
from pitrkit.dynamodb.session import Aws
from pitrkit.errors import BadInput, InputNeeded
from pitrkit.runbook import restore, views
from pitrkit.runbook.book import Book
from pitrkit.runbook.gate import Intent
from pitrkit.runbook.passage import Passage, pass_gate
from pitrkit.runbook.progress import Progress
from pitrkit.runbook.view import Shows
from pitrkit.runbook.views import View
from pitrkit.runbook.widgets import ApproveBox, Choice


def found(aws: Aws) -> View:
    """Return the deleted tables that can still be brought back."""
    return views.backups_list(backups.deleted_tables(aws))


def choose(aws: Aws, table: str = "") -> Choice:
    """Return a widget over the system backups, newest first; *table* is the one that is given already."""
    return Choice(
        "deleted table",
        [
            (f"{one.table}  (deleted {iso(one.created_at)}, {one.size_bytes:,} bytes)", one.table)
            for one in backups.deleted_tables(aws)
        ],
        value=table,
    )


@dataclass
class Return(Shows):
    """A deleted table on its way back."""

    book: Book
    backup: SystemBackup
    target: str
    intent: Intent
    passage: Passage

    def view(self) -> View:
        """Return the backup, what it holds and which settings it still knows."""
        return views.backup_card(self.backup, backups.details(self.book.aws, self.backup), self.target)

    def approve(self) -> ApproveBox:
        """Return a widget that approves the restore when the new table's name is typed."""
        return self.passage.widget({"action": self.intent.action})

    def gate(self, approve: str) -> View:
        """Open the gate for this restore, or raise with the one command that opens it."""
        command = self.book.command("11_deleted_table", self.intent.digest, table=self.backup.table, target=self.target)
        return pass_gate(self.book, self.passage, self.intent.action, approve, command)

    def restore(self) -> View:
        """Start the restore and wait for the table. Safe to interrupt and to run again."""
        self.passage.require()
        self.book.note("restore_requested", source=self.backup.arn, target=self.target)
        restoration = backups.restore_backup(self.book.aws, self.backup, self.target)
        with Progress(f"Restoring {self.target}", unit="seconds") as progress:
            table = restore.await_active(self.book, self.target, progress)
        self.book.done(
            "restore",
            "restore_finished",
            restored_table=self.target,
            restored_table_id=table.id,
            restore_at=iso(self.backup.created_at),
            restored_by="returned",
        )
        shown = Restoration(
            self.backup.table, self.target, self.backup.created_at, restoration.adopted, table.created_at
        )
        return views.restoration_card((shown, table))


def bring_back(aws: Aws, table: str, *, target: str = "", incident: str = "") -> Return:
    """Prepare the restore of the deleted *table* from its latest system backup.

    Args:
        aws: Where.
        table: Name of the deleted table.
        target: Name to restore under; the old name when blank.
        incident: Name of the incident; a new one is made up when blank.

    Raises:
        InputNeeded: *table* is blank.
        BadInput: There is no system backup of it.
    """
    if not table:
        names = ", ".join(sorted({backup.table for backup in backups.deleted_tables(aws)})) or "none"
        raise InputNeeded(
            "table", fix=f"Choose one, or give it as the parameter `table`. Deleted tables here: {names}."
        )
    known = backups.deleted_tables(aws)
    of_table = [backup for backup in known if backup.table == table]
    if not of_table:
        names = ", ".join(sorted({backup.table for backup in known}))
        raise BadInput(
            "no system backup of this table",
            table=table,
            fix=f"Deleted tables that can come back: {names}."
            if names
            else "Only tables that had PITR when they were deleted, at most 35 days ago, leave one.",
        )
    backup = of_table[0]
    name = check_name(target or table)
    book = Book.begin(incident, table=table, aws=aws)
    book.keep("backup_chosen", backup=backup.arn, table_arn=backup.table_arn)
    caller = aws.caller()
    details = {"account": caller.account, "region": caller.region, "backup": backup.arn}
    intent = Intent("restore deleted table", name, details)
    return Return(book, backup, name, intent, Passage(intent, name))
