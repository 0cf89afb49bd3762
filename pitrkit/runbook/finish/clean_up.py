"""14: what this incident made in AWS, whether it may delete it, and deleting it.

It may delete what its own events prove it has made, and only as long as that is what it was: a copy with the same
TableId, an export that it had the service begin, a backup that it asked for. Everything else is named and left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pitrkit.aws.backups import safety_backups
from pitrkit.aws.change_data import export, export_removal
from pitrkit.aws.change_data.export_removal import ExportFiles
from pitrkit.aws.tables import tables
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import AwsError, BadInput, TableNotFound
from pitrkit.incident.incident import EVENTS, STATE, Incident
from pitrkit.incident.state import SCRATCH, CopyFields, adopted, made
from pitrkit.runbook.adopt.settings_plan import parse_names
from pitrkit.runbook.copy_back import safety_backup
from pitrkit.runbook.session import gate_views, table_claims
from pitrkit.runbook.session.approval import ApprovalFlow, pass_gate
from pitrkit.runbook.session.gate import Intent
from pitrkit.runbook.session.gate_views import ApproveBox
from pitrkit.runbook.session.session import Session
from pitrkit.ui import cards, error_display, progress
from pitrkit.ui.progress import ProgressBar
from pitrkit.ui.view import Shows, View

KINDS = ("copies", "exports")
"""What can be left out of a clean-up by name."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that this incident has made and may delete.

    Attributes:
        kind: `copy`, `export` or `backup`.
        name: What people call it.
        words: What it is, for the plan; part of its digest.
        thing: What is deleted: the table, the export's files, or the backup's ARN.
        side: Of a copy: which one of the incident's it is.
    """

    kind: str
    name: str
    words: str
    thing: Table | ExportFiles | str = field(repr=False)
    side: CopyFields | None = None


Found = list[Leftover | str]
"""What may be deleted, and in words what may not, and why."""


def find(session: Session, *, leave: frozenset[str], backup: str) -> Found:
    """Return what this incident may delete, and why it may not delete the rest.

    Args:
        session: The incident's session.
        leave: Of `KINDS`, what is not looked at.
        backup: Name or ARN of a safety copy that is to be deleted as well, blank for none.

    Raises:
        BadInput: *backup* is none that this incident has made.
    """
    leftovers: Found = []
    if "copies" not in leave:
        leftovers += [_copy(session, side) for side in made(session.data)]
    if "exports" not in leave:
        leftovers += _exports(session)
    return [*leftovers, *_backups(session, backup)]


def _copy(session: Session, side: CopyFields) -> Leftover | str:
    data = session.data
    name, by = data.get(side.table) or "", data.get(side.by, "")
    if by != "incident":
        why = {
            "given": f"{name} was given to this incident, so it is not ours to delete.",
            "adopted": f"{name} existed before this incident, so it is not ours to delete.",
            "deleted": f"{name} is deleted already.",
            "returned": f"{name} is the deleted table brought back, not a copy of one.",
        }
        return why.get(by, "This incident has restored nothing.")
    copy = tables.find(session.aws_of(side), name)
    if copy is None:
        return f"{name} is gone already."
    if copy.status == "CREATING":
        return f"{name} is still being made: it can be deleted once it is ACTIVE."
    source = str(data.get(side.source) or data["table_arn"])
    made_here = copy.restored is None if side is SCRATCH else _restored_from(copy, source)
    if copy.arn == data["table_arn"] or copy.id != data.get(side.table_id) or not made_here:
        return f"{name} is not known to be the copy that this incident made; 03_restore looks at it again."
    if adopted(data, name):
        return (
            f"{name} was given the original's settings by 13_cut_over, so it may be in use: undo these settings first."
        )
    return Leftover("copy", name, f"{copy.arn} (id {copy.id})", copy, side)


def _restored_from(copy: Table, source: str) -> bool:
    """Return whether a copy says that it was restored from *source*; AWS Backup's copies need not say so."""
    if copy.restored is None:
        return False
    return ":recovery-point:" in source or source in (copy.restored.source_arn, copy.restored.backup_arn)


def _exports(session: Session) -> Iterator[Leftover | str]:
    events = session.incident.events()
    started_arns = {arn: None for event in events if event.event == "exports_begun" for arn in event.data["exports"]}
    gone = {event.data["export"] for event in events if event.event == "export_deleted"}
    adopted_ones = {
        arn for event in events if event.event == "exports_started" for arn in event.data["exports"]
    } - started_arns.keys()
    if adopted_ones:
        yield f"{len(adopted_ones)} exports existed before this incident, so their files are not ours to delete."
    for arn in started_arns:
        short = arn.rpartition("/")[2]
        if arn in gone:
            yield f"The files of export {short} are deleted already."
        elif other := _other_user(session, arn):
            yield f"The files of export {short} are read by incident {other} as well: they stay."
        else:
            yield _export(session, arn, short)


def _export(session: Session, arn: str, short: str) -> Leftover | str:
    try:
        described = export.describe(session.aws, arn, table=session.data["table"])
        if described.status == "IN_PROGRESS":
            return f"Export {short} is still being written: run this again once it is done."
        files = export_removal.find(session.aws, described)
    except AwsError as error:
        return f"The files of export {short} could not be looked at: {error}"
    if not files.count:
        return f"The files of export {short} are gone already."
    lies = f"s3://{described.bucket}/{described.prefix}".rstrip("/")
    if files.unknown:
        return f"The files of export {short} in {lies} are not all known, so none is deleted: {files.unknown}"
    return Leftover("export", f"export {short}", f"{arn}: its files in {lies}", files)


def _other_user(session: Session, arn: str) -> str:
    """Return another incident of this folder that names the export, blank if there is none."""
    for incident in Incident.existing(session.incident.folder.parent):
        if incident.id == session.incident.id:
            continue
        texts = (incident.folder / name for name in (STATE, EVENTS))
        if any(path.is_file() and arn.encode() in path.read_bytes() for path in texts):
            return incident.id
    return ""


def _backups(session: Session, backup_name: str) -> Iterator[Leftover | str]:
    records: Mapping[str, Mapping[str, Any]] = session.data.get(safety_backup.STATE) or {}
    proved = {
        record["arn"]
        for event in session.incident.events()
        if event.event == "safety_copy_made"
        for record in event.data[safety_backup.STATE].values()
    }
    matching_backups = [
        record for record in records.values() if backup_name and backup_name in (record["arn"], record["name"])
    ]
    if backup_name and not (matching_backups and matching_backups[0]["arn"] in proved):
        names = ", ".join(str(record["name"]) for record in records.values()) or "none"
        raise BadInput(
            f"{backup_name} is no safety copy that this incident made",
            table=session.data.get("table", ""),
            fix=f"Those it made: {names}.",
        )
    for record in records.values():
        if record not in matching_backups:
            yield f"The safety copy {record['name']} stays: it is deleted only if you name it as `backup`."
        elif safety_backups.exists(session.aws, record["arn"], table=record["table"]):
            yield Leftover("backup", str(record["name"]), str(record["arn"]), str(record["arn"]))
        else:
            yield f"The safety copy {record['name']} is gone already."


@dataclass
class Removal(Shows):
    """What is on its way out; nothing where there is nothing (left) to delete.

    Attributes:
        things: What would be deleted.
        why_not: Why the others would not be.
        given: The parameters that the approved run needs besides the digest.
    """

    session: Session
    things: tuple[Leftover, ...]
    why_not: tuple[str, ...]
    intent: Intent | None
    passage: ApprovalFlow
    given: Mapping[str, str]

    def view(self) -> View:
        """Return what would be deleted."""
        reasons = " ".join(self.why_not)
        if self.intent is None:
            return cards.note(reasons or "There is nothing to delete.")
        names = ", ".join(thing.name for thing in self.things)
        summary_text = f"Deletes {names} for good. The original table is not touched.{' ' if reasons else ''}{reasons}"
        return gate_views.intent_card(self.intent, summary_text)

    def approve(self) -> ApproveBox:
        """Return a widget that approves the deletion when the first thing's name is typed."""
        return self.passage.widget({"action": "delete"}, command=self._command())

    def _command(self) -> str:
        """Return the one command that approves this deletion."""
        return self.session.command("14_clean_up", self.intent.digest, **self.given) if self.intent else ""

    def gate(self, approve: str) -> View:
        """Open the gate for this deletion, or raise with the one command that opens it."""
        if self.intent is None:
            return cards.note("Nothing to approve.")
        return pass_gate(self.session, self.passage, self.intent.action, approve, self._command())

    def delete(self) -> View:
        """Delete these things, each only if it is still the very one that was approved; what is gone is fine."""
        if self.intent is None:
            progress.terminal_line(f"Nothing was deleted. {' '.join(self.why_not)}".strip())
            return cards.note("Nothing was deleted.")
        self.passage.require()
        with error_display.failure_meaning(
            "The original table is not touched. What was deleted before this is deleted."
        ):
            deletions = [self._delete(thing) for thing in self.things]
        progress.terminal_line(f"{'. '.join(deletions)}.")
        return cards.note(f"{'. '.join(deletions)}.")

    def _delete(self, thing: Leftover) -> str:
        match thing.thing:
            case Table() as copy:
                return self._delete_copy(thing, copy)
            case ExportFiles() as files:
                self.session.note("delete_requested", export=files.export.arn, files=files.count)
                with ProgressBar(f"Deleting {thing.name}", total=files.count, unit="files") as progress_bar:
                    requests = export_removal.remove(self.session.aws, files, on_progress=progress_bar)
                self.session.done("clean_up", "cleaned_up")
                self.session.note("export_deleted", export=files.export.arn, files=files.count, request_ids=requests)
                return f"{thing.name}: {files.count} files are deleted"
            case arn:
                self.session.note("delete_requested", backup=arn)
                request = safety_backups.delete(self.session.aws, arn, table=str(self.session.data["table"]))
                self.session.note("backup_deleted", backup=arn, request_id=request)
                self.session.done("clean_up", "cleaned_up")
                return f"{thing.name} is {'deleted' if request else 'gone already'}"

    def _delete_copy(self, thing: Leftover, copy: Table) -> str:
        assert thing.side is not None
        try:
            copy_aws = self.session.aws_of(thing.side)
            if tables.describe(copy_aws, copy.name).id != copy.id:
                raise BadInput("this is another table of the same name now", table=copy.name, fix="Look at it first.")
            self.session.note("delete_requested", table=copy.name, table_id=copy.id)
            request = tables.delete(copy_aws, copy.name)
        except TableNotFound:
            request = ""
        self.session.done("clean_up", "copy_deleted", **{thing.side.by: "deleted"})
        self.session.note("delete_answered", table=copy.name, request_id=request)
        return f"{copy.name} is {'being deleted' if request else 'gone already'}"


def prepare(session: Session, *, leave: str = "", backup: str = "", approve: str = "") -> Removal:
    """Prepare the deletion of what this incident made. What was given, found or made by others is kept.

    Args:
        session: The incident's session.
        leave: Of `copies` and `exports` what is to be kept, with commas between.
        backup: Name or ARN of a safety copy to delete as well; blank keeps all of them.
        approve: Digest of a deletion that was planned before: what is left of it is still approved by it.

    Raises:
        BadInput: A word is not known, or *backup* is none that this incident made.
    """
    table_claims.resolve(session)
    data = session.data
    leftover_list = find(session, leave=parse_names(leave, KINDS, "leave"), backup=backup.strip())
    things = tuple(entry for entry in leftover_list if isinstance(entry, Leftover))
    why_not = tuple(entry for entry in leftover_list if isinstance(entry, str))
    options = {"leave": leave, "backup": backup}
    if not things:
        return Removal(session, (), why_not, None, ApprovalFlow(None, ""), options)
    intent = _intent(data, [thing.words for thing in things], things[0].name)
    planned = data.get("clean_up") or {}
    short = approve.strip().lower()
    if short and str(planned.get("digest", "")).startswith(short):
        before = _intent(data, planned["things"], planned["name"])
        # An earlier run was interrupted: what it deleted is missing now, and nothing has been added.
        if before.digest == planned["digest"] and {thing.words for thing in things} <= set(planned["things"]):
            intent = before
    if intent.digest != planned.get("digest"):
        record = {"digest": intent.digest, "name": intent.table, "things": [thing.words for thing in things]}
        session.keep("clean_up_planned", clean_up=record)
    name = intent.table
    return Removal(session, things, why_not, intent, ApprovalFlow(intent, name), options)


def _intent(data: Mapping[str, Any], things: list[str], name: str) -> Intent:
    return Intent("delete", name, {"account": data["account"], "region": data["region"], "things": things})
