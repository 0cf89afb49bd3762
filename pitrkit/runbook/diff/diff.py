"""04: what differs between then and now, and which of it is the damage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice

import pandas as pd

from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables import tables
from pitrkit.aws.tables.tables import Table
from pitrkit.config import masked_inputs, masking
from pitrkit.incident.state import CopyFields, sides
from pitrkit.recovery.changes import change_set
from pitrkit.recovery.changes.change_set import ChangeSet
from pitrkit.recovery.changes.scope import Scope
from pitrkit.recovery.snapshot import export_snapshot, snapshot
from pitrkit.recovery.snapshot.scan import Read
from pitrkit.recovery.snapshot.snapshot import Snapshot
from pitrkit.recovery.token_bucket import Bucket, Pace
from pitrkit.runbook.diff import views as diff_views
from pitrkit.runbook.diff.explorer import Explorer
from pitrkit.runbook.restore import restore
from pitrkit.runbook.session import costs
from pitrkit.runbook.session.session import Session
from pitrkit.runbook.start.table_overview import check_copy
from pitrkit.times import iso, now
from pitrkit.ui.progress import ProgressBar
from pitrkit.ui.text import count_text
from pitrkit.ui.view import Shows, View


@dataclass(frozen=True, slots=True)
class _How:
    """How tables are read: segments side by side, and the pace, None for as fast as the service answers."""

    segments: int
    pace: Pace | None


@dataclass(frozen=True)
class IncidentChanges(Shows):
    """The change set from then to now, in the incident's folder."""

    session: Session
    changes: ChangeSet

    def view(self) -> View:
        """Return the counts."""
        return self.counts()

    def counts(self) -> View:
        """Return how many items are the same, removed, modified and inserted."""
        return diff_views.counts_card(self.changes)

    def samples(self, n: int = 3) -> View:
        """Return *n* changes of each kind, then and now side by side."""
        return diff_views.samples_view(self.changes, n)

    def attributes(self) -> View:
        """Return which attributes of the modified items changed, and how often."""
        return diff_views.attributes_view(self.changes.attribute_statistics())

    def explore(self, limit: int = 1000) -> pd.DataFrame:
        """Return a frame of the first *limit* changes, plain values, for looking at only."""
        return explore(self.changes, limit)

    def explorer(self) -> Explorer:
        """Return a widget to look through the changes, and to take what is looked at as the scope."""
        return Explorer(self.changes, on_use=self._use)

    def _use(self, damage_scope: Scope, scope_text: str) -> str:
        scoped = narrow(self, damage_scope, scope_text).changes.counts.changes
        return f"{count_text(scoped, 'change')} of {len(self.changes):,} are in scope. Run the next cell."


def explore(changes: ChangeSet, limit: int) -> pd.DataFrame:
    """Return a frame of the first *limit* of *changes*, what is sensitive masked."""
    rows = [masking.current().change(change, text=True) for change in islice(changes, limit)]
    return change_set.frame(rows, changes.key_schema.names)


def estimate(session: Session, *, read_units: float = 0.0) -> View:
    """Return what reading the tables takes and costs. Nothing is read.

    Args are those of `diff`.
    """
    table, data = session.table(), session.data
    pace = Pace(read_units, kind="read").units if read_units else 0.0
    past = [side for side in sides(data) if data.get(side.by) != "exported" and data.get(side.table)]
    # A copy holds what the table held, and its own size is not known for hours.
    steps = [costs.scanning(replace(table, name=str(data[side.table]), write_units=0), pace) for side in past]
    if len(sides(data)) == 1:
        steps.append(costs.scanning(table, pace))
    nothing = "No table is scanned: the exports are read from S3."
    return costs.card(costs.ESTIMATE, steps, size_bytes=table.size_bytes, nothing=nothing)


def diff(session: Session, *, segments: int = 4, read_units: float = 0.0) -> IncidentChanges:
    """Snapshot the restored copy and the live table, and compare them item by item.

    In a three-way recovery the two copies are compared, from before and from right after the damage; the live table
    is not read. A copy's snapshot is kept and used again; the live table is read anew each time.

    Args:
        session: The incident's session.
        segments: Parallel scan segments for each table.
        read_units: Pace of each table's scan in read units a second; 0 for as fast as the service answers.

    Raises:
        BadInput: The two tables are keyed differently, one is not active, or the pace is below 0.
    """
    read_options = _How(segments, Pace(read_units, kind="read") if read_units else None)
    original = session.table()
    number = 1 + len(list(session.incident.path("changes").glob("[0-9][0-9][0-9]")))
    (then, at), *until = [_past(session, side, original, read_options) for side in sides(session.data)]
    later, later_at = until[0] if until else _present(session, original, f"now-{number:03}", read_options)
    folder = session.incident.path("changes", f"{number:03}")
    source = change_set.TWO_COPIES if until else change_set.ONE_COPY
    changes = change_set.diff(then, later, folder, before_at=at, after_at=later_at, source=source, table=original.name)
    session.done(
        "diff",
        "tables_compared",
        diff=changes.counts.to_dict(),
        changes=f"changes/{number:03}",
        scoped_changes=None,
        scope=None,
        scoped=None,
        segments=segments,
        read_units=read_units,
    )
    return IncidentChanges(session, changes)


def _past(session: Session, side: CopyFields, original: Table, read_options: _How) -> tuple[Snapshot, str]:
    """Return one side of the past, and the second it shows."""
    if session.data.get(side.by) == "exported":
        return _exported(session, side, original), str(session.data[side.at])
    copy_aws = session.aws_of(side)
    copy = tables.describe(copy_aws, session.required(side.table, step="03_restore"))
    check_copy(copy, original)
    # Named by the table's id: another table that took the copy's name is read anew. One that was never a restore may
    # be written to by others, so it is read anew each time.
    name = snapshot_name(side, copy.id)
    past_snapshot = _snapshot(session, copy, name, read_options, keep=copy.restored is not None, regional_aws=copy_aws)
    return past_snapshot, str(session.data.get(side.at) or iso(past_snapshot.started_at))


def snapshot_name(side: CopyFields, table_id: str) -> str:
    """Return the name of the folder that holds the snapshot of one copy."""
    return f"{side.snapshot}-{table_id[:13]}"


def _exported(session: Session, side: CopyFields, original: Table) -> Snapshot:
    """Return one side of the past out of its full export."""
    export = restore.exported(session, side)
    folder = session.incident.path("snapshots", f"{side.snapshot}-{export.arn.rpartition('/')[2]}")
    if (folder / "snapshot.json").exists():
        return Snapshot.open(folder)
    with ProgressBar(f"Reading the {export}", total=export.item_count or None) as progress:
        export_copy = export_snapshot.from_export(
            session.aws,
            export,
            original,
            folder,
            on_progress=lambda read: progress(read.items, export.item_count or None, f"{read.bytes / 1e6:,.1f} MB"),
        )
    session.note(
        "snapshot_taken", table=original.name, export=export.arn, items=export_copy.items, bytes=export_copy.bytes
    )
    return export_copy


def _present(session: Session, original: Table, name: str, read_options: _How) -> tuple[Snapshot, str]:
    """Return the live table as it is now, and when that was."""
    present_snapshot = _snapshot(session, original, name, read_options)
    return present_snapshot, iso(present_snapshot.started_at)


def _snapshot(
    session: Session,
    table: Table,
    name: str,
    read_options: _How,
    *,
    keep: bool = False,
    regional_aws: Aws | None = None,
) -> Snapshot:
    folder = session.incident.path("snapshots", name)
    if keep and (folder / "snapshot.json").exists():
        return Snapshot.open(folder)
    with ProgressBar(f"Reading {table.name}", total=table.item_count or None) as progress:
        taken = snapshot.take(
            regional_aws or session.aws,
            table,
            folder,
            segments=read_options.segments,
            pace=Bucket(read_options.pace) if read_options.pace else None,
            on_progress=lambda read: progress(read.items, table.item_count or None, _note(read)),
        )
    session.note("snapshot_taken", table=table.name, items=taken.items, bytes=taken.bytes, read_units=taken.read_units)
    return taken


def _note(read: Read) -> str:
    """Return what else there is to say of a scan under way."""
    amount_read = f"{read.bytes / 1e6:,.1f} MB, {read.read_units:,.0f} read units"
    return f"{amount_read}, {read.why}" if read.why else amount_read


def open_scoped(session: Session) -> IncidentChanges:
    """Return the changes in scope that the incident holds already.

    Raises:
        InputNeeded: Nothing was compared yet.
    """
    folder_name = session.data.get("scoped_changes") or session.required("changes", step="04_diff")
    return IncidentChanges(session, ChangeSet.open(session.path(folder_name)))


def scope(
    difference: IncidentChanges, *, kinds: str = "", keys: str = "", where: str = "", explorer: Explorer | None = None
) -> IncidentChanges:
    """Keep only the changes that are the damage. Parameters win; where all are blank, the explorer's scope counts.

    Args:
        difference: What `diff` found.
        kinds: `removed`, `modified`, `inserted`, with commas between; blank for all.
        keys: JSON list of keys, plain values or DynamoDB JSON; blank for all.
        where: JMESPath over `kind`, `key`, `before`, `after`, `changed`; blank for no condition.
        explorer: The widget whose "use as scope" may have been pressed.

    Raises:
        BadInput: A part of the scope cannot be read.
    """
    keys, where = (masked_inputs.read(difference.session.incident, text) for text in (keys, where))
    parsed_scope = Scope.parse(kinds, keys, where, difference.changes.key_schema)
    if parsed_scope == Scope() and explorer is not None and explorer.scope is not None:
        return narrow(difference, explorer.scope, explorer.words)
    return narrow(difference, parsed_scope)


def narrow(difference: IncidentChanges, plan_scope: Scope, scope_text: str = "") -> IncidentChanges:
    """Keep only the changes in *plan_scope*, and leave that in the incident as the scope of its plan.

    Args:
        difference: All changes.
        plan_scope: The scope.
        scope_text: The scope in words; its own description where blank.

    Raises:
        BadInput: The condition cannot be evaluated on one of the changes.
    """
    session = difference.session
    scope_record = masked_inputs.recorded(session.incident, plan_scope, scope_text)
    whole, scoped_name = session.data["changes"], session.data.get("scoped_changes") or ""
    if plan_scope == Scope():
        scoped, scoped_name = difference.changes, whole
    elif session.data.get("scope") == scope_record and scoped_name.startswith(f"{whole}-scope-"):
        return IncidentChanges(session, ChangeSet.open(session.path(scoped_name)))
    else:
        number = 1 + len(list(session.incident.path("changes").glob("*-scope-*")))
        scoped_name = f"{whole}-scope-{number:02}"
        scoped = difference.changes.scoped(plan_scope, session.path(scoped_name))
    session.keep(
        "scope_set",
        scope=scope_record,
        scoped_changes=scoped_name,
        scoped=scoped.counts.to_dict(),
        scoped_at=iso(now()),
    )
    return IncidentChanges(session, scoped)
