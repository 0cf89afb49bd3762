"""15: a drill. The table's past is restored, compared, copied, verified and taken back, and every step is timed.

Nothing is ever written to the real table. A drill reads it, and writes to a scratch table that it makes itself, empty
and with the same key. Every item of the restored copy, or an even sample of them, is missing there, and the plan, the
gate, the guarded writes and the verification that put it there are those of a real recovery. Undo then has to empty the
scratch table again, which a scan checks. So a drill proves restore, comparison, puts, deletes, verification and undo
on the table's own items, and not what the live table would say to them: its indexes, its capacity, its other writers.
What is approved, and why a schedule may do it, is told in `proposal`.
"""

from __future__ import annotations

import math

from pitrkit import times
from pitrkit.aws.backups import pitr
from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables import tables
from pitrkit.aws.tables.tables import Table
from pitrkit.config import team_settings
from pitrkit.errors import BadInput, InputNeeded
from pitrkit.incident.incident import STATE, Incident, checked_id, root_folder
from pitrkit.recovery.advice import cost
from pitrkit.recovery.advice.cost import Estimate
from pitrkit.recovery.token_bucket import Pace
from pitrkit.runbook.copy_back.copy import WRITE_UNITS
from pitrkit.runbook.drill import leftovers
from pitrkit.runbook.drill.proposal import COST_LIMIT, ITEMS, DrillRequest
from pitrkit.runbook.drill.rehearsal import Rehearsal
from pitrkit.runbook.finish import drill_history
from pitrkit.runbook.finish.drill_history import Limits
from pitrkit.runbook.session import costs
from pitrkit.runbook.session.approval import ApprovalFlow
from pitrkit.runbook.session.gate import Intent
from pitrkit.runbook.session.session import new_id
from pitrkit.times import now


def prepare(
    aws: Aws,
    table: str,
    *,
    incident: str = "",
    at: str = "latest",
    items: float | str = ITEMS,
    recovery_time: str = "",
    recovery_point: str = "",
    cost_limit: float | str = COST_LIMIT,
    write_units: float | str = WRITE_UNITS,
    read_units: float | str = 0.0,
) -> Rehearsal:
    """Return the drill of *table* as something to look at and approve. Reads only.

    Numbers may be text, since some schedulers know no other parameters.

    Args:
        aws: Where.
        table: The table whose recovery is rehearsed.
        incident: Name of the drill's incident; a new one is made up when blank.
        at: The second to restore: ISO 8601, `latest`, or a duration ago.
        items: How many items are copied into the scratch table, spread evenly over the copy; 0 for all.
        recovery_time: Limit from the restore's beginning to the verified copy, e.g. `2h`; blank for that of the
            settings, `none` for none.
        recovery_point: Limit of how far the latest restorable second may be behind, e.g. `10m`; likewise.
        cost_limit: What it may cost, in US dollars.
        write_units: Pace of the copy and its undo.
        read_units: Pace of each scan; 0 for as fast as the service answers.

    Raises:
        InputNeeded: *table* is blank.
        TableNotFound: There is no such table.
        BadInput: A parameter cannot be used, *at* cannot be restored, or the incident is no drill, or one that ended.
    """
    if not table:
        raise InputNeeded("table", fix="Give the parameter `table`: the table whose recovery is to be rehearsed.")
    items, cost_limit = int(_number("items", items)), _number("cost_limit", cost_limit)
    write_units, read_units = _number("write_units", write_units), _number("read_units", read_units)
    limits = {"recovery_time": recovery_time, "recovery_point": recovery_point}
    if read_units:
        Pace(read_units, kind="read")
    drill_request = DrillRequest(
        at=at,
        items=items,
        limits=_limits(recovery_time, recovery_point),
        given_limits={name: limit for name, limit in limits.items() if limit},
        cost_limit=cost_limit,
        write_units=Pace(write_units).units,
        read_units=read_units,
    )
    name = _incident(incident, table)
    source_table = tables.describe(aws, table)
    window = pitr.protection(aws, table).window
    protection = pitr.check_restorable(aws, table, times.parse_time(at, now=now(), window=window))
    caller = aws.caller()
    details = {
        "account": caller.account,
        "region": aws.region,
        "table ARN": source_table.arn,
        "restores": at,
        "copies": f"{items:,} items at most" if items else "all items",
        "costs at most": f"USD {cost_limit:.2f}",
        "makes and deletes": f"two tables named {table}-drill-..., and what earlier drills of this folder left",
        "writes to the table": "nothing",
    }
    intent = Intent("drill", source_table.name, details)
    return Rehearsal(
        aws=aws,
        table=source_table,
        incident=name,
        asked=drill_request,
        protection=protection,
        estimate=estimate(source_table, items),
        others=drill_history.earlier(
            {"table": table, "account": caller.account, "region": aws.region, "incident": name}
        ),
        strangers=leftovers.unrecorded_tables(aws, table),
        intent=intent,
        passage=ApprovalFlow(intent, source_table.name),
    )


def estimate(table: Table, items: int) -> Estimate:
    """Return what a drill costs: restore, a day of the copy's storage, two scans, and each item's put and deletion."""
    count = min(items, table.item_count) if items and table.item_count else items or table.item_count
    average = table.size_bytes / table.item_count if table.item_count else 1.0
    units = 2 * count * max(1, -(-int(average) // 1024))
    return cost.estimate(
        write_units=units,
        restore_bytes=table.size_bytes,
        kept_days=1.0,
        scan_bytes=2 * table.size_bytes,
        prices=costs.prices(),
    )


def _number(name: str, value: float | str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf or (name == "items" and number % 1):
        raise BadInput(f"{name} is {value!r}", fix="Give a number, 0 or more.")
    return number


def _limits(recovery_time: str, recovery_point: str) -> Limits:
    kit_settings = team_settings.read().drill
    return Limits.parse(recovery_time or kit_settings.recovery_time, recovery_point or kit_settings.recovery_point)


def _incident(incident: str, table: str) -> str:
    if not incident:
        return new_id(f"{table}-drill")
    if (root_folder() / checked_id(incident) / STATE).is_file():
        opened = Incident.open(incident, table=table).data
        if not opened.get("drill"):
            raise BadInput(f"incident {incident} is no drill", table=table, fix="Leave `incident` blank.")
        if opened["drill"].get("outcome"):
            raise BadInput(f"drill {incident} has ended", table=table, fix="Leave `incident` blank for another one.")
    return incident
