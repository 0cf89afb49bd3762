"""The safety copy: on request, an on-demand backup of the table before the first write of a plan.

A guard and the journal are what takes a copy back item by item. This is for the case that both were wrong: the whole
table as it was, to be restored under another name. If it cannot be made, nothing is written.
"""

from __future__ import annotations

from pitrkit.aws.backups import safety_backups
from pitrkit.aws.backups.safety_backups import SafetyCopy
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import AwsError
from pitrkit.incident.state import SHORTEST
from pitrkit.runbook.restore import restore_wait
from pitrkit.runbook.session.session import Session
from pitrkit.ui import error_display
from pitrkit.ui.progress import ProgressBar

STATE = "safety_copies"
"""Object of `incident.json`: the backups that this incident made, by the first characters of their plan's digest."""

MEANING = "The safety copy that was asked for is not there, so nothing is written."


def make_backup(session: Session, table: Table, digest: str, *, begun: bool) -> SafetyCopy:
    """Make the backup of *table* before the plan of *digest* is written, unless it is there.

    Args:
        session: The incident's session.
        table: The table.
        digest: The plan's.
        begun: Whether something of the plan is written already: then this shows the table in between.

    Raises:
        AwsError: It cannot be made. Nothing was written.
    """
    with error_display.failure_meaning(MEANING):
        try:
            return _make(session, table, digest, begun=begun)
        except AwsError as error:
            refused = {"code": error.code, "request_id": error.request_id}
            session.note("safety_copy_failed", plan=digest, why=error.what, **refused)
            raise


def _make(session: Session, table: Table, digest: str, *, begun: bool) -> SafetyCopy:
    short = digest[:SHORTEST]
    earlier_record = (session.data.get(STATE) or {}).get(short)
    if earlier_record and safety_backups.exists(session.aws, earlier_record["arn"], table=table.name):
        begun = bool(earlier_record.get("begun"))
    name = safety_backups.name_of(session.incident.id, digest)
    session.note("safety_copy_requested", table=table.name, name=name)
    copy = safety_backups.start_backup(session.aws, table, name)
    with ProgressBar(f"Safety copy of {table.name}", unit="seconds") as progress:
        done = safety_backups.wait(
            session.aws,
            copy,
            poll_seconds=restore_wait.poll_seconds(session),
            on_progress=lambda status: progress(0, None, f"{status}, {copy.arn}"),
        )
    record = {**(earlier_record or {}), **done.to_dict(), "begun": begun}
    record["request_id"] = done.request_id or str((earlier_record or {}).get("request_id", ""))
    session.keep("safety_copy_made", into={STATE: {short: record}})
    return done
