"""What each step costs and how long it takes, told before it is taken: with the formula, from the team's prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pitrkit.aws.tables.tables import Table
from pitrkit.config import team_settings
from pitrkit.recovery.advice import cost
from pitrkit.recovery.advice.cost import Estimate, PriceTable, estimate
from pitrkit.ui import progress
from pitrkit.ui.blocks import Block, Grid, Note
from pitrkit.ui.text import duration_estimate, size
from pitrkit.ui.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class CostStep:
    """A step that is about to be taken.

    Attributes:
        name: What is done.
        takes: How long, in words.
        costs: What it costs.
    """

    name: str
    takes: str
    costs: Estimate


def prices() -> PriceTable:
    """Return the price table: the built-in one, with what `[prices]` of `pitrkit.toml` says in its place."""
    kit_settings = team_settings.read().prices
    return PriceTable().with_values(kit_settings.values, kit_settings.as_of)


def writing(table: Table, write_units: float) -> Estimate:
    """Return what a plan's writes cost, those to its indexes and to its replicas included."""
    return estimate(
        write_units=write_units, regions=1 + len(table.replicas), provisioned=bool(table.write_units), prices=prices()
    )


def backing_up(table: Table) -> Estimate:
    """Return what an on-demand backup of the table costs a month."""
    return estimate(backup_bytes=table.size_bytes, prices=prices())


def restoring(table: Table, target: str, takes: str) -> list[CostStep]:
    """Return the restore of a table into another one, and keeping that for a day."""
    price_table = prices()
    return [
        CostStep(f"restore {target}", takes, estimate(restore_bytes=table.size_bytes, prices=price_table)),
        CostStep(
            "keep it, each day",
            "until 14_clean_up deletes it",
            estimate(kept_bytes=table.size_bytes, kept_days=1, prices=price_table),
        ),
    ]


def exporting(table: Table, takes: str) -> CostStep:
    """Return the full export of a table."""
    return CostStep(f"export {table.name}", takes, estimate(export_bytes=table.size_bytes, prices=prices()))


def scanning(table: Table, read_units: float) -> CostStep:
    """Return the scan of a table, at *read_units* a second; 0 is as fast as it goes."""
    units = table.size_bytes / cost.BYTES_PER_READ_UNIT
    if read_units:
        takes = f"{duration_estimate(units / read_units)} at {read_units:,.0f} read units a second"
    else:
        takes = f"{duration_estimate(units / cost.FASTEST_READ_UNITS)} or more, without a limit"
    return CostStep(
        f"scan {table.name}",
        takes,
        estimate(scan_bytes=table.size_bytes, provisioned=bool(table.write_units), prices=prices()),
    )


ESTIMATE = "Estimated time and cost"
"""Title of such a card."""


def card(title: str, steps: Sequence[CostStep], *, size_bytes: int, nothing: str) -> View:
    """Return steps that are about to be taken, and say the same on the terminal that waits for this notebook.

    Args:
        title: What they are of.
        steps: The steps.
        size_bytes: What the table holds.
        nothing: What is said where there are none.
    """
    for step in steps:
        progress.terminal_line(f"{step.name}: {step.takes}; costs {step.costs}")
    rows = tuple((step.name, step.takes, _usd(step.costs), step.costs.formula) for step in steps)
    blocks: tuple[Block, ...] = (Note(nothing, "muted"),)
    if steps:
        day = steps[0].costs.priced_at.isoformat()
        text = f"Estimates for {size(size_bytes)}, with prices of {day}. Set your own in [prices] of pitrkit.toml."
        blocks = (Grid(("step", "time", ">estimated cost", "calculation"), rows), Note(text, "muted"))
    data = {"steps": [{"name": step.name, "takes": step.takes, **step.costs.to_dict()} for step in steps]}
    return View("ahead", title, blocks=blocks, data=data)


def _usd(costs: Estimate) -> str:
    return str(costs).partition(" (")[0]
