"""14: delete the restored copies, and only those that this incident made."""

from __future__ import annotations

from dataclasses import dataclass

from pitrkit.dynamodb import tables
from pitrkit.dynamodb.tables import Table
from pitrkit.errors import BadInput, TableNotFound
from pitrkit.runbook import failures, views
from pitrkit.runbook.book import Book
from pitrkit.runbook.gate import Intent
from pitrkit.runbook.passage import Passage, pass_gate
from pitrkit.runbook.sides import Side, sides
from pitrkit.runbook.view import Shows
from pitrkit.runbook.views import View
from pitrkit.runbook.widgets import ApproveBox


@dataclass
class Removal(Shows):
    """The restored copies on their way out; none where there is nothing (left) to delete.

    Attributes:
        copies: What would be deleted, by the side of the incident that it is.
        why_not: Why the others would not be.
    """

    book: Book
    copies: dict[Side, Table]
    why_not: tuple[str, ...]
    intent: Intent | None
    passage: Passage

    def view(self) -> View:
        """Return what would be deleted."""
        kept = " ".join(self.why_not)
        if self.intent is None:
            return views.note(kept)
        words = f"the {len(self.copies)} restored copies" if len(self.copies) > 1 else "the restored copy"
        return views.intent_card(
            self.intent, f"Deletes {words} for good. The original table is not touched.{' ' if kept else ''}{kept}"
        )

    def approve(self) -> ApproveBox:
        """Return a widget that approves the deletion when the copy's name is typed, the first one's of two."""
        return self.passage.widget({"action": "delete table"}, command=self._command())

    def _command(self) -> str:
        """Return the one command that approves this deletion."""
        return self.book.command("14_clean_up", self.intent.digest) if self.intent else ""

    def gate(self, approve: str) -> View:
        """Open the gate for this deletion, or raise with the one command that opens it."""
        if self.intent is None:
            return views.note("Nothing to approve.")
        return pass_gate(self.book, self.passage, self.intent.action, approve, self._command())

    def delete(self) -> View:
        """Delete the copies, each only if it is still the very table that was approved."""
        if self.intent is None:
            return views.note("Nothing was deleted.")
        self.passage.require()
        with failures.meaning("The original table is not touched. What was deleted before this is deleted."):
            self._delete()
        names = [copy.name for copy in self.copies.values()]
        return views.note(f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} being deleted.")

    def _delete(self) -> None:
        for side, copy in self.copies.items():
            if tables.describe(self.book.aws, copy.name).id != copy.id:
                raise BadInput("this is another table of the same name now", table=copy.name, fix="Look at it first.")
            self.book.note("delete_requested", table=copy.name, table_id=copy.id)
            self.book.aws.call("dynamodb", "delete_table", TableName=copy.name)
            self.book.done("clean_up", "copy_deleted", **{side.by: "deleted"})


def copy_of(book: Book) -> Removal:
    """Prepare the deletion of the copies that this incident restored. Those that were given or adopted are kept."""
    data = book.data
    copies: dict[Side, Table] = {}
    why_not = []
    for side in sides(data):
        found = _ours(book, side)
        if isinstance(found, Table):
            copies[side] = found
        else:
            why_not.append(found)
    if not copies:
        return Removal(book, {}, tuple(why_not), None, Passage(None, ""))
    made = [f"{copy.arn} (id {copy.id})" for copy in copies.values()]
    name = next(iter(copies.values())).name
    intent = Intent("delete table", name, {"account": data["account"], "region": data["region"], "copies": made})
    return Removal(book, copies, tuple(why_not), intent, Passage(intent, name))


def _ours(book: Book, side: Side) -> Table | str:
    """Return the copy that this incident made, or why there is none to delete."""
    data = book.data
    name, by = data.get(side.table, ""), data.get(side.by, "")
    if by != "incident":
        why = {
            "given": f"{name} was given to this incident, so it is not ours to delete.",
            "adopted": f"{name} existed before this incident, so it is not ours to delete.",
            "deleted": f"{name} is deleted already.",
            "returned": f"{name} is the deleted table brought back, not a copy of one.",
        }
        return why.get(by, "This incident has restored nothing.")
    try:
        copy = tables.describe(book.aws, name)
    except TableNotFound:
        return f"{name} is gone already."
    made_here = copy.restored is not None and copy.restored.source_arn == data["table_arn"]
    if name == data["table"] or copy.id != data.get(side.table_id) or not made_here:
        return f"{name} is not known to be the copy that this incident made; 03_restore looks at it again."
    return copy
