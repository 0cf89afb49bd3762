"""14: delete what this incident made: restored copies, exports' files, and a safety copy if it is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pitrkit.dynamodb import calls, export_removal, safety, tables
from pitrkit.dynamodb.export_removal import ExportFiles
from pitrkit.dynamodb.tables import Table
from pitrkit.errors import BadInput, TableNotFound
from pitrkit.runbook import claims, failures, leftovers, progress, views
from pitrkit.runbook.book import Book
from pitrkit.runbook.gate import Intent
from pitrkit.runbook.leftovers import Leftover
from pitrkit.runbook.passage import Passage, pass_gate
from pitrkit.runbook.progress import Progress
from pitrkit.runbook.settings_plan import words
from pitrkit.runbook.view import Shows
from pitrkit.runbook.views import View
from pitrkit.runbook.widgets import ApproveBox


@dataclass
class Removal(Shows):
    """What is on its way out; nothing where there is nothing (left) to delete.

    Attributes:
        things: What would be deleted.
        why_not: Why the others would not be.
        given: The parameters that the approved run needs besides the digest.
    """

    book: Book
    things: tuple[Leftover, ...]
    why_not: tuple[str, ...]
    intent: Intent | None
    passage: Passage
    given: Mapping[str, str]

    def view(self) -> View:
        """Return what would be deleted."""
        kept = " ".join(self.why_not)
        if self.intent is None:
            return views.note(kept or "There is nothing to delete.")
        names = ", ".join(thing.name for thing in self.things)
        said = f"Deletes {names} for good. The original table is not touched.{' ' if kept else ''}{kept}"
        return views.intent_card(self.intent, said)

    def approve(self) -> ApproveBox:
        """Return a widget that approves the deletion when the first thing's name is typed."""
        return self.passage.widget({"action": "delete"}, command=self._command())

    def _command(self) -> str:
        """Return the one command that approves this deletion."""
        return self.book.command("14_clean_up", self.intent.digest, **self.given) if self.intent else ""

    def gate(self, approve: str) -> View:
        """Open the gate for this deletion, or raise with the one command that opens it."""
        if self.intent is None:
            return views.note("Nothing to approve.")
        return pass_gate(self.book, self.passage, self.intent.action, approve, self._command())

    def delete(self) -> View:
        """Delete these things, each only if it is still the very one that was approved; what is gone is fine."""
        if self.intent is None:
            progress.tell(f"Nothing was deleted. {' '.join(self.why_not)}".strip())
            return views.note("Nothing was deleted.")
        self.passage.require()
        with failures.meaning("The original table is not touched. What was deleted before this is deleted."):
            said = [self._delete(thing) for thing in self.things]
        progress.tell(f"{'. '.join(said)}.")
        return views.note(f"{'. '.join(said)}.")

    def _delete(self, thing: Leftover) -> str:
        match thing.thing:
            case Table() as copy:
                return self._delete_copy(thing, copy)
            case ExportFiles() as files:
                self.book.note("delete_requested", export=files.export.arn, files=files.count)
                with Progress(f"Deleting {thing.name}", total=files.count, unit="files") as shown:
                    requests = export_removal.remove(self.book.aws, files, on_progress=shown)
                self.book.done("clean_up", "cleaned_up")
                self.book.note("export_deleted", export=files.export.arn, files=files.count, request_ids=requests)
                return f"{thing.name}: {files.count} files are deleted"
            case arn:
                self.book.note("delete_requested", backup=arn)
                request = safety.delete(self.book.aws, arn, table=str(self.book.data["table"]))
                self.book.note("backup_deleted", backup=arn, request_id=request)
                self.book.done("clean_up", "cleaned_up")
                return f"{thing.name} is {'deleted' if request else 'gone already'}"

    def _delete_copy(self, thing: Leftover, copy: Table) -> str:
        assert thing.side is not None
        try:
            there = self.book.aws_of(thing.side)
            if tables.describe(there, copy.name).id != copy.id:
                raise BadInput("this is another table of the same name now", table=copy.name, fix="Look at it first.")
            self.book.note("delete_requested", table=copy.name, table_id=copy.id)
            answer: dict[str, Any] = there.call("dynamodb", "delete_table", TableName=copy.name)
        except TableNotFound:
            answer = {}
        request = calls.request_id(answer)
        self.book.done("clean_up", "copy_deleted", **{thing.side.by: "deleted"})
        self.book.note("delete_answered", table=copy.name, request_id=request)
        return f"{copy.name} is {'being deleted' if request else 'gone already'}"


def prepare(book: Book, *, leave: str = "", backup: str = "", approve: str = "") -> Removal:
    """Prepare the deletion of what this incident made. What was given, found or made by others is kept.

    Args:
        book: The incident's book.
        leave: Of `copies` and `exports` what is to be kept, with commas between.
        backup: Name or ARN of a safety copy to delete as well; blank keeps all of them.
        approve: Digest of a deletion that was planned before: what is left of it is still approved by it.

    Raises:
        BadInput: A word is not known, or *backup* is none that this incident made.
    """
    claims.settle(book)
    data = book.data
    found = leftovers.find(book, leave=words(leave, leftovers.KINDS, "leave"), backup=backup.strip())
    things = tuple(one for one in found if isinstance(one, Leftover))
    why_not = tuple(one for one in found if isinstance(one, str))
    given = {"leave": leave, "backup": backup}
    if not things:
        return Removal(book, (), why_not, None, Passage(None, ""), given)
    intent = _intent(data, [thing.words for thing in things], things[0].name)
    planned = data.get("clean_up") or {}
    short = approve.strip().lower()
    if short and str(planned.get("digest", "")).startswith(short):
        before = _intent(data, planned["things"], planned["name"])
        # An earlier run was interrupted: what it deleted is missing now, and nothing has been added.
        if before.digest == planned["digest"] and {thing.words for thing in things} <= set(planned["things"]):
            intent = before
    if intent.digest != planned.get("digest"):
        kept = {"digest": intent.digest, "name": intent.table, "things": [thing.words for thing in things]}
        book.keep("clean_up_planned", clean_up=kept)
    name = intent.table
    return Removal(book, things, why_not, intent, Passage(intent, name), given)


def _intent(data: Mapping[str, Any], things: list[str], name: str) -> Intent:
    return Intent("delete", name, {"account": data["account"], "region": data["region"], "things": things})
