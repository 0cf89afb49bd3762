"""00: turning point-in-time recovery on where it is off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ipywidgets as widgets

from pitrkit.aws.backups import pitr
from pitrkit.aws.client.client import Aws
from pitrkit.config import guardrails
from pitrkit.errors import BadInput
from pitrkit.incident import account_log
from pitrkit.runbook.session import gate_views
from pitrkit.runbook.session.approval import ApprovalFlow
from pitrkit.runbook.session.gate import Intent
from pitrkit.runbook.session.gate_views import ApproveBox
from pitrkit.runbook.session.session import approve_command
from pitrkit.runbook.start import table_overview, table_views
from pitrkit.ui import cards
from pitrkit.ui.controls import CardControl
from pitrkit.ui.text import count_text, folded
from pitrkit.ui.view import Shows, View

_ROWS = 8


@dataclass
class Protecting(Shows):
    """The tables whose PITR is to be turned on, and the approval for exactly these."""

    aws: Aws
    tables: tuple[str, ...]
    intent: Intent
    passage: ApprovalFlow

    def view(self) -> View:
        """Return what would be done."""
        if not self.tables:
            return cards.note("No table is chosen: choose tables above, or set the parameter `protect`.", "muted")
        return gate_views.intent_card(self.intent, "Turns on PITR. Adds storage cost, changes no item.")

    def approve(self) -> ApproveBox:
        """Return a widget that approves it when the first table's name is typed."""
        return self.passage.widget({"action": self.intent.action})

    def gate(self, approve: str) -> View:
        """Open the gate for these tables, or raise with the one command that opens it."""
        command = approve_command("00_start_here", self.intent.digest, protect=",".join(self.tables))
        by = self.aws.caller().arn
        view = self.passage.check(approve, command=command, by=by)
        if self.passage.approval is not None:
            account_log.note(
                "gate_opened", **self.passage.word(by), action=self.intent.action, tables=list(self.tables)
            )
        return view

    def enable(self) -> View:
        """Turn PITR on for each table; the window begins now."""
        self.passage.require()
        self.aws.on_change = account_log.called  # whichever incident was opened above, this is not of it
        enabled = [pitr.enable(self.aws, name) for name in self.tables]
        return table_views.protections(enabled) if enabled else cards.note("Nothing was changed.")


class ProtectPicker(CardControl):
    """The tables that have it off, to choose from.

    Args:
        off: Their names.
        value: What was named already: then nothing is to be chosen.
    """

    def __init__(self, off: Sequence[str], value: str = "") -> None:
        if value:
            self.view = cards.note(f"Set by the parameter: {value}.", "muted")
        elif off:
            self.view = cards.note(f"{count_text(len(off), 'table')} to choose from: {folded(', '.join(off), 400)}.")
        else:
            self.view = cards.note("Every table that you may read has PITR on.", "good")
        self.list = widgets.SelectMultiple(
            description="Protect",
            options=list(off),
            rows=max(2, min(_ROWS, len(off))),
            tooltip="Tables to turn point-in-time recovery on for; select several with Shift or Ctrl",
            style={"description_width": "initial"},
            layout={"width": "32em"},
        )
        self.box = widgets.VBox([self.list] if off and not value else [])

    @property
    def value(self) -> str:
        """The chosen names with commas between, blank until one is chosen."""
        return ",".join(self.list.value)


def choose(aws: Aws, protect: str = "") -> ProtectPicker:
    """Return a widget over the tables that have PITR off; nothing to choose where *protect* names some."""
    if protect:
        return ProtectPicker((), protect)
    overviews = table_overview.overview(aws)
    return ProtectPicker(
        [overview.name for overview in overviews if overview.unprotected and guardrails.holds(overview.name)]
    )


def protect(aws: Aws, names: str) -> Protecting:
    """Prepare turning PITR on.

    Args:
        aws: Where.
        names: Table names with commas between, `all` for every table that has it off but restored copies and
            those that the settings hold the kit off, blank for none.

    Raises:
        BadInput: One of them is not a table here, or is none that the settings let the kit work on.
    """
    overviews = {overview.name: overview for overview in table_overview.overview(aws)} if names.strip() else {}
    off = [
        name
        for name, overview in overviews.items()
        if overview.protection is not None and not overview.protection.enabled
    ]
    every = [name for name, overview in overviews.items() if overview.unprotected and guardrails.holds(name)]
    table_names = every if names.strip() == "all" else [name.strip() for name in names.split(",") if name.strip()]
    if unknown := [name for name in table_names if name not in overviews]:
        raise BadInput(
            f"no such table in this account and Region: {', '.join(unknown)}",
            fix="Check the names, the account and AWS_REGION.",
        )
    for name in table_names:
        guardrails.check_table(name)
    if hidden := [name for name in table_names if overviews[name].protection is None]:
        raise BadInput(
            f"the PITR status cannot be read for {', '.join(hidden)}",
            fix="Allow the action dynamodb:DescribeContinuousBackups for this role.",
        )
    to_protect = tuple(name for name in table_names if name in off)
    caller = aws.caller()
    details = {"account": caller.account, "region": caller.region, "tables": list(to_protect)}
    intent = Intent("turn on point-in-time recovery", to_protect[0] if to_protect else "", details)
    return Protecting(aws, to_protect, intent, ApprovalFlow(intent if to_protect else None, intent.table))
