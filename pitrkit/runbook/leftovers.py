"""What an incident leaves in AWS: restored copies, exports' files, safety copies; and whether it may delete them.

It may delete what its own events prove it has made, and only as long as that is what it was: a copy with the same
TableId, an export that it had the service begin, a backup that it asked for. Everything else is named and left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pitrkit.dynamodb import export, export_removal, safety, tables
from pitrkit.dynamodb.export_removal import ExportFiles
from pitrkit.dynamodb.tables import Table
from pitrkit.errors import AwsError, BadInput
from pitrkit.runbook import safety_copy
from pitrkit.runbook.book import Book
from pitrkit.runbook.cut_over_state import adopted
from pitrkit.runbook.incident import EVENTS, STATE, Incident
from pitrkit.runbook.sides import SCRATCH, Side, made

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
    side: Side | None = None


Found = list[Leftover | str]
"""What may be deleted, and in words what may not, and why."""


def find(book: Book, *, leave: frozenset[str], backup: str) -> Found:
    """Return what this incident may delete, and why it may not delete the rest.

    Args:
        book: The incident's book.
        leave: Of `KINDS`, what is not looked at.
        backup: Name or ARN of a safety copy that is to be deleted as well, blank for none.

    Raises:
        BadInput: *backup* is none that this incident has made.
    """
    found: Found = []
    if "copies" not in leave:
        found += [_copy(book, side) for side in made(book.data)]
    if "exports" not in leave:
        found += _exports(book)
    return [*found, *_backups(book, backup)]


def _copy(book: Book, side: Side) -> Leftover | str:
    data = book.data
    name, by = data.get(side.table) or "", data.get(side.by, "")
    if by != "incident":
        why = {
            "given": f"{name} was given to this incident, so it is not ours to delete.",
            "adopted": f"{name} existed before this incident, so it is not ours to delete.",
            "deleted": f"{name} is deleted already.",
            "returned": f"{name} is the deleted table brought back, not a copy of one.",
        }
        return why.get(by, "This incident has restored nothing.")
    copy = tables.find(book.aws_of(side), name)
    if copy is None:
        return f"{name} is gone already."
    if copy.status == "CREATING":
        return f"{name} is still being made: it can be deleted once it is ACTIVE."
    source = str(data.get(side.source) or data["table_arn"])
    made_here = copy.restored is None if side is SCRATCH else _restored_from(copy, source)
    if copy.arn == data["table_arn"] or copy.id != data.get(side.table_id) or not made_here:
        return f"{name} is not known to be the copy that this incident made; 03_restore looks at it again."
    if adopted(data, name):
        return f"{name} was given the original's settings by 13_cut_over, so it may be in use: take them back first."
    return Leftover("copy", name, f"{copy.arn} (id {copy.id})", copy, side)


def _restored_from(copy: Table, source: str) -> bool:
    """Return whether a copy says that it was restored from *source*; AWS Backup's copies need not say so."""
    if copy.restored is None:
        return False
    return ":recovery-point:" in source or source in (copy.restored.source_arn, copy.restored.backup_arn)


def _exports(book: Book) -> Iterator[Leftover | str]:
    events = book.incident.events()
    begun = {arn: None for event in events if event.event == "exports_begun" for arn in event.data["exports"]}
    gone = {event.data["export"] for event in events if event.event == "export_deleted"}
    adopted_ones = {
        arn for event in events if event.event == "exports_started" for arn in event.data["exports"]
    } - begun.keys()
    if adopted_ones:
        yield f"{len(adopted_ones)} exports existed before this incident, so their files are not ours to delete."
    for arn in begun:
        short = arn.rpartition("/")[2]
        if arn in gone:
            yield f"The files of export {short} are deleted already."
        elif other := _other_user(book, arn):
            yield f"The files of export {short} are read by incident {other} as well: they stay."
        else:
            yield _export(book, arn, short)


def _export(book: Book, arn: str, short: str) -> Leftover | str:
    try:
        described = export.describe(book.aws, arn, table=book.data["table"])
        if described.status == "IN_PROGRESS":
            return f"Export {short} is still being written: run this again once it is done."
        files = export_removal.find(book.aws, described)
    except AwsError as error:
        return f"The files of export {short} could not be looked at: {error}"
    if not files.count:
        return f"The files of export {short} are gone already."
    lies = f"s3://{described.bucket}/{described.prefix}".rstrip("/")
    if files.unknown:
        return f"The files of export {short} in {lies} are not all known, so none is deleted: {files.unknown}"
    return Leftover("export", f"export {short}", f"{arn}: its files in {lies}", files)


def _other_user(book: Book, arn: str) -> str:
    """Return another incident of this folder that names the export, blank if there is none."""
    for one in Incident.existing(book.incident.folder.parent):
        if one.id == book.incident.id:
            continue
        texts = (one.folder / name for name in (STATE, EVENTS))
        if any(path.is_file() and arn.encode() in path.read_bytes() for path in texts):
            return one.id
    return ""


def _backups(book: Book, asked: str) -> Iterator[Leftover | str]:
    made: Mapping[str, Mapping[str, Any]] = book.data.get(safety_copy.STATE) or {}
    proved = {
        one["arn"]
        for event in book.incident.events()
        if event.event == "safety_copy_made"
        for one in event.data[safety_copy.STATE].values()
    }
    chosen = [one for one in made.values() if asked and asked in (one["arn"], one["name"])]
    if asked and not (chosen and chosen[0]["arn"] in proved):
        names = ", ".join(str(one["name"]) for one in made.values()) or "none"
        raise BadInput(
            f"{asked} is no safety copy that this incident made",
            table=book.data.get("table", ""),
            fix=f"Those it made: {names}.",
        )
    for one in made.values():
        if one not in chosen:
            yield f"The safety copy {one['name']} stays: it is deleted only if you name it as `backup`."
        elif safety.exists(book.aws, one["arn"], table=one["table"]):
            yield Leftover("backup", str(one["name"]), str(one["arn"]), str(one["arn"]))
        else:
            yield f"The safety copy {one['name']} is gone already."
