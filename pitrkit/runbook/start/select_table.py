"""01: select the damaged table, and see its dependencies."""

from __future__ import annotations

from threading import Thread
from typing import Any

from pitrkit.aws import arns
from pitrkit.aws.backups import pitr
from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables import tables
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import BadInput, InputNeeded, PitrkitError
from pitrkit.incident.incident import STATE, Incident, checked_id, root_folder
from pitrkit.incident.state import AFTER_DAMAGE, BEFORE_DAMAGE
from pitrkit.runbook.session.session import OF_A_COMPARISON, Session
from pitrkit.runbook.start import table_views
from pitrkit.runbook.start.table_overview import Overview, _read, check_copy, permitted
from pitrkit.runbook.start.table_picker import TablePicker
from pitrkit.times import now
from pitrkit.ui.view import View

PATIENCE_SECONDS = 3.0


def choose(aws: Aws, table: str = "", *, incident: str = "", patience_seconds: float = PATIENCE_SECONDS) -> TablePicker:
    """Return a widget over all tables with their protection and window; over *table* alone where it is given.

    The tables are there at once by name. Where reading them takes longer than *patience_seconds*, the list fills
    itself while one can already search and choose.

    Args:
        aws: Where.
        table: The table, if it is known.
        incident: An incident that goes on: its table is chosen already.
        patience_seconds: How long to wait for all of them, so that a saved copy of the notebook is whole.
    """
    table_name = table or _table_of(incident)
    if table_name:
        return TablePicker(_read(aws, [table_name], lambda _: None), value=table_name, at=now())
    picker = TablePicker([Overview(name, None, None, known=False) for name in tables.table_names(aws)], at=now())
    reading = Thread(target=_fill, args=(aws, picker), daemon=True, name="pitrkit-tables")
    reading.start()
    reading.join(patience_seconds)
    return picker


def _table_of(incident: str) -> str:
    """Return the table of an incident that exists, else blank."""
    if not incident or not (root_folder() / checked_id(incident) / STATE).is_file():
        return ""
    return str(Incident.open(incident).data.get("table") or "")


def _fill(aws: Aws, picker: TablePicker) -> None:
    try:
        _read(aws, picker.names, picker.fill)
    except PitrkitError as error:
        picker.failed(error)


def select(
    aws: Aws, table: str, *, incident: str = "", restored: str = "", restored_until: str = "", source_arn: str = ""
) -> Session:
    """Open the incident of *table*.

    Args:
        aws: Where.
        table: The damaged table.
        incident: Name of the incident; a new one is made up when blank.
        restored: An existing copy of the table's past to compare with, instead of a restore.
        restored_until: An existing copy of the table right after the damage, for the three-way route: then the two
            copies are compared, instead of the first one with the table as it is now. Each is a name, or the ARN of a
            table of the same account, in another Region as well.
        source_arn: ARN of another table of this account, whose past is to be restored instead of *table*'s own: such as
            its replica in a Region where point-in-time recovery is on.

    Raises:
        InputNeeded: *table* is blank.
        TableNotFound: There is no such table.
        BadInput: *restored*, *restored_until* or *source_arn* is not a table with the same key, the second comes
            without the first, or the incident is another table's.
    """
    if not table:
        raise InputNeeded("table", fix="Choose a table in the list above, or set the parameter `table`.")
    original = tables.describe(aws, table)
    if restored_until and not restored:
        raise BadInput(
            "a copy from after the damage does not show the table before the damage",
            table=table,
            fix="Also set the parameter `restored` to a copy from before the damage.",
        )
    if restored and restored == restored_until:
        raise BadInput("both copies are the same table", table=restored, fix="Name two copies, of different times.")
    copies = [(side, name) for side, name in ((BEFORE_DAMAGE, restored), (AFTER_DAMAGE, restored_until)) if name]
    places = {side: _placed(aws, name) for side, name in copies}
    copied_at = {side: check_copy(tables.describe(*place), original) for side, place in places.items()}
    if len(copied_at) > 1 and all(copied_at.values()) and copied_at[BEFORE_DAMAGE] >= copied_at[AFTER_DAMAGE]:
        raise BadInput(
            f"{restored} is as of {copied_at[BEFORE_DAMAGE]}, which is not before "
            f"{restored_until}, as of {copied_at[AFTER_DAMAGE]}",
            table=table,
            fix="Set `restored` to the earlier copy and `restored_until` to the later one.",
        )
    source = _source(aws, source_arn, original, restored)
    session = Session.begin(incident, table=table, aws=aws)
    copy_record: dict[str, Any] = {}
    for side, (copy_aws, name) in places.items():
        region = None if copy_aws is aws else copy_aws.region
        copy_record |= {side.table: name, side.at: copied_at[side], side.by: "given", side.region: region}
        if (session.data.get(side.table), session.data.get(side.region)) != (name, region):
            copy_record |= dict.fromkeys(OF_A_COMPARISON)
    if source and source != session.data.get("source_arn"):
        if session.data.get(BEFORE_DAMAGE.table):
            raise BadInput(
                "this incident has a restored copy already", table=table, fix="Open a new incident for another source."
            )
        copy_record["source_arn"] = source
    session.done("select", "table_selected", table=table, table_arn=original.arn, table_id=original.id, **copy_record)
    return session


def _placed(aws: Aws, name: str) -> tuple[Aws, str]:
    """Return the account in the Region of a table that is named, or given by its ARN, and its name."""
    if not arns.is_arn(name):
        return aws, name
    named = arns.ours(arns.table_arn(name), aws.caller().account, resource_kind="table")
    return aws.elsewhere(named.region), named.table


def _source(aws: Aws, source_arn: str, original: Table, restored: str) -> str:
    """Return the ARN of the table to restore instead of *original*; blank if it is no other one."""
    if not source_arn:
        return ""
    if restored:
        raise BadInput("a copy was given, so there is nothing to restore", fix="Leave `source_arn` blank.")
    source_aws, name = _placed(aws, arns.table_arn(source_arn).text)
    source = tables.describe(source_aws, name)
    if source.arn == original.arn:
        return ""
    check_copy(source, original)
    return source.arn


def card(session: Session) -> View:
    """Return the selected table: its key, size, window and dependencies."""
    table = session.table()
    return table_views.table_card(
        table,
        permitted(lambda: pitr.protection(session.aws, table.name)),
        ttl_attribute=permitted(lambda: tables.ttl_attribute(session.aws, table.name)),
        tags=tables.tags(session.aws, table),
    )
