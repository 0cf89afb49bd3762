"""14: delete the restored copy, and only the one that this incident made."""

from __future__ import annotations

from dataclasses import dataclass

from pitrkit.dynamodb import tables
from pitrkit.dynamodb.tables import Table
from pitrkit.errors import BadInput, TableNotFound
from pitrkit.runbook import views
from pitrkit.runbook.book import Book
from pitrkit.runbook.gate import Intent
from pitrkit.runbook.passage import Passage, pass_gate
from pitrkit.runbook.view import Shows
from pitrkit.runbook.views import View
from pitrkit.runbook.widgets import ApproveBox


@dataclass
class Removal(Shows):
    """The restored copy on its way out; None where there is nothing (left) to delete."""

    book: Book
    copy: Table | None
    why_not: str
    intent: Intent | None
    passage: Passage

    def view(self) -> View:
        """Return what would be deleted."""
        if self.intent is None:
            return views.note(self.why_not)
        return views.intent_card(self.intent, "Deletes the restored copy for good. The original table is not touched.")

    def approve(self) -> ApproveBox:
        """Return a widget that approves the deletion when the copy's name is typed."""
        return self.passage.widget({"action": "delete table"})

    def gate(self, approve: str) -> View:
        """Open the gate for this deletion, or raise with the one command that opens it."""
        if self.intent is None:
            return views.note("Nothing to approve.")
        command = self.book.command("14_clean_up", self.intent.digest)
        return pass_gate(self.book, self.passage, self.intent.action, approve, command)

    def delete(self) -> View:
        """Delete the copy, if it is still the very table that was approved."""
        if self.intent is None or self.copy is None:
            return views.note("Nothing was deleted.")
        self.passage.require()
        if tables.describe(self.book.aws, self.copy.name).id != self.copy.id:
            raise BadInput("this is another table of the same name now", table=self.copy.name, fix="Look at it first.")
        self.book.note("delete_requested", table=self.copy.name, table_id=self.copy.id)
        self.book.aws.call("dynamodb", "delete_table", TableName=self.copy.name)
        self.book.done("clean_up", "copy_deleted", restored_by="deleted")
        return views.note(f"{self.copy.name} is being deleted.")


def copy_of(book: Book) -> Removal:
    """Prepare the deletion of the copy that this incident restored. A copy that was given or adopted is kept."""
    data = book.data
    name, by = data.get("restored_table", ""), data.get("restored_by", "")
    if by != "incident":
        why = {
            "given": f"{name} was given to this incident, so it is not ours to delete.",
            "adopted": f"{name} existed before this incident, so it is not ours to delete.",
            "deleted": f"{name} is deleted already.",
            "returned": f"{name} is the deleted table brought back, not a copy of one.",
        }
        return _nothing(book, why.get(by, "This incident has restored nothing."))
    try:
        copy = tables.describe(book.aws, name)
    except TableNotFound:
        return _nothing(book, f"{name} is gone already.")
    made_here = copy.restored is not None and copy.restored.source_arn == data["table_arn"]
    if name == data["table"] or copy.id != data.get("restored_table_id") or not made_here:
        return _nothing(
            book, f"{name} is not known to be the copy that this incident made; 03_restore looks at it again."
        )
    details = {"account": data["account"], "region": data["region"], "arn": copy.arn, "id": copy.id}
    intent = Intent("delete table", name, details)
    return Removal(book, copy, "", intent, Passage(intent, name))


def _nothing(book: Book, why: str) -> Removal:
    return Removal(book, None, why, None, Passage(None, ""))
