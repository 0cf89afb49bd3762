"""The session: one operator's way through the runbook, with one account and one incident.

A notebook opens the session and calls one step module of its own: `select_table`, `pick_timestamp`, `restore`, `diff`,
`copy_back`, `report`. A step reads what the steps before it left in the incident, does its work, and leaves its results
there. So every notebook can be closed, opened tomorrow, or run by papermill, and goes on where the incident stands.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pitrkit.aws import arns
from pitrkit.aws.client.client import Aws, Caller
from pitrkit.aws.tables import tables
from pitrkit.aws.tables.tables import Table
from pitrkit.config import guardrails, masking
from pitrkit.errors import BadInput, InputNeeded, RecordAltered
from pitrkit.incident import account_log, provenance, working_copy
from pitrkit.incident.event_log import CALL
from pitrkit.incident.incident import DRY_RUN_VARIABLE, STATE, Incident, Into, checked_id, root_folder
from pitrkit.incident.state import CopyFields
from pitrkit.record import run_record, seal
from pitrkit.runbook.session import views as session_views
from pitrkit.runbook.session.status import status_of
from pitrkit.times import iso, now
from pitrkit.ui import account_badge, cards
from pitrkit.ui.account_badge import AccountBadge
from pitrkit.ui.blocks import Link
from pitrkit.ui.controls import Choice
from pitrkit.ui.view import Shows, View

OF_A_COMPARISON = ("changes", "scoped_changes", "diff", "scope", "scoped", "plan", "approval", "apply", "verify")
"""What the incident knows because two tables were compared; void when another copy takes the place of the first."""

JUST_BEGUN = timedelta(hours=1)
"""How long an incident without a name of its own is joined instead of opening another of the same table."""

COMMAND_VARIABLE = "PITRKIT_APPROVE_COMMAND"
"""Environment variable by which `pitrkit recover` says how to open its gate; `{digest}` stands for the plan's."""

ACCEPT_PLACE = "{accept}"
"""What stands in that command for ` --accept NAMES`, or for nothing."""


@dataclass(frozen=True)
class Session(Shows):
    """An account and an incident, opened by a notebook.

    Attributes:
        aws: Where.
        incident: The incident.
        without_restore: Whether the notebook is of the route without a restore, whatever the incident took so far.
    """

    aws: Aws
    incident: Incident
    without_restore: bool = False

    @classmethod
    def open(cls, incident: str, *, aws: Aws | None = None, without_restore: bool = False) -> Session:
        """Return the session of an existing incident, once the credentials are seen to be those of its account.

        Raises:
            InputNeeded: *incident* is blank and there is not exactly one.
            BadInput: There is no such incident, it belongs to another account or region, or the settings hold the
                kit to others.
        """
        aws = aws or connect()
        caller, opened = aws.caller(), Incident.open(only(incident))
        guardrails.check(caller, table=str(opened.data.get("table") or ""), endpoint_url=aws.endpoint_url)
        opened.expect(account=caller.account, region=caller.region)
        masking.use(opened.id)
        working_copy.lay_out(opened)
        return _at_work(cls(aws, opened, without_restore))

    @classmethod
    def begin(cls, incident: str, *, table: str, aws: Aws) -> Session:
        """Return the session of an incident of *table*, new if there is none of that name.

        A blank name makes one up, unless an incident of this table was opened here moments ago and nothing has come of
        it yet: a cell that is run twice must not leave two.

        Raises:
            BadInput: The settings hold the kit to other accounts, regions or tables; or see `Incident.open`.
        """
        caller = aws.caller()
        guardrails.check(caller, table=table, endpoint_url=aws.endpoint_url)
        opened = Incident.open(
            incident or _just_begun(table, caller) or new_id(table),
            create=True,
            account=caller.account,
            region=caller.region,
            table=table,
        )
        masking.use(opened.id)
        opened.update("incident_joined", caller=caller.arn, endpoint=aws.endpoint_url)
        working_copy.lay_out(opened)
        return _at_work(cls(aws, opened))

    def view(self) -> View:
        """Return the incident's strip."""
        return self.strip()

    def strip(self) -> View:
        """Return who and where one is, and which steps are done."""
        data = self.incident.data
        stands = status_of(data, without_restore=self.without_restore)
        links = {stage.notebook: self.link(stage.notebook) for stage in stands.stages}
        return session_views.incident_strip(self.sign(), data, stands, links)

    def sign(self) -> AccountBadge:
        """Return the account's sign."""
        return account_badge.sign(self.aws.caller(), self.aws.endpoint_url)

    def link(self, notebook: str) -> str:
        """Return the path to this incident's own copy of *notebook*."""
        return working_copy.link(notebook, self.incident.id)

    def onward(self) -> View:
        """Return the link to where the incident goes on."""
        stands = status_of(self.data, without_restore=self.without_restore)
        more = [("00_start_here", "all incidents")]
        if self.data.get("copies"):
            more.insert(0, ("12_undo", "undo the copy"))
        onward = Link(stands.notebook, self.link(stands.notebook), strong=True)
        return session_views.onward(
            self.incident.id, stands, (onward, *(Link(text, self.link(name)) for name, text in more))
        )

    @property
    def data(self) -> dict[str, Any]:
        """What the incident's state file says now."""
        return self.incident.data

    def table(self) -> Table:
        """Return the damaged table as it is now.

        Raises:
            InputNeeded: No table was selected yet.
        """
        return tables.describe(self.aws, self.required("table", step="01_select_table"))

    def target(self) -> Table:
        """Return the table that copies of this incident are written to: the damaged one, as it is now.

        Raises:
            InputNeeded: No table was selected yet.
            BadInput: The incident is a drill, of which nothing is ever written to the table it is about.
        """
        if self.data.get("drill"):
            raise BadInput(
                f"{self.incident.id} is a drill and never writes to the real table",
                table=str(self.data.get("table") or ""),
                fix="Open another incident with 01_select_table.",
            )
        return self.table()

    def source(self) -> tuple[Aws, Table]:
        """Return the table whose past is restored, and the account in its Region: the damaged one unless told.

        Raises:
            InputNeeded: No table was selected yet.
        """
        if not self.data.get("source_arn"):
            return self.aws, self.table()
        named = arns.table_arn(str(self.data["source_arn"]))
        regional_aws = self.aws.elsewhere(named.region)
        return regional_aws, tables.describe(regional_aws, named.table)

    def aws_of(self, side: CopyFields) -> Aws:
        """Return the account in the Region of one side's copy."""
        return self.aws.elsewhere(str(self.data.get(side.region) or ""))

    def required(self, name: str, *, step: str) -> Any:
        """Return what an earlier step left in the incident.

        Raises:
            InputNeeded: That step was not done yet.
        """
        value = self.data.get(name)
        if not value:
            raise InputNeeded(name, fix=f"Run {step} for incident {self.incident.id} first.")
        return value

    def keep(self, event: str, *, into: Into | None = None, **results: Any) -> None:
        """Leave results in the incident, see `Incident.update`. A sealed record that goes on is sealed anew."""
        self.incident.update(event, into=into, **results)
        seal.seal_again(self.incident)

    def note(self, event: str, **data: Any) -> None:
        """Record that something happened, and nothing else."""
        self.incident.event(event, **data)
        seal.seal_again(self.incident)

    def done(self, step: str, event: str, **results: Any) -> None:
        """Leave a step's results in the incident and mark the step as done."""
        self.keep(event, **results, into={"steps": {step: iso(now())}})

    def path(self, relative_path: str) -> Path:
        """Return the absolute path of something the incident names relative to its folder."""
        return self.incident.path(*Path(relative_path).parts)

    def command(self, notebook: str, digest: str, **parameters: Any) -> str:
        """Return the one command that runs *notebook* headless with the approval of *digest*, or a blank without."""
        if command_template := os.environ.get(COMMAND_VARIABLE):
            accept = parameters.get("accept")
            command_template = command_template.replace(ACCEPT_PLACE, f" --accept {accept}" if accept else "")
            return (
                command_template.replace("{digest}", digest)
                if digest
                else command_template.replace(" --approve {digest}", "")
            )
        return approve_command(notebook, digest, incident=self.incident.id, **parameters)


def _at_work(session: Session) -> Session:
    """Have the record say who works with what, how runs that were killed ended, and what is changed in AWS."""
    if run_record.resolve_killed(session.incident):
        seal.seal_again(session.incident)
    if news := provenance.news(session.incident, session.aws):
        session.note(provenance.WORKED_IN, **news)
    session.aws.on_change = lambda called: session.note(CALL, **called.to_dict())
    return session


def connect() -> Aws:
    """Return the account and region that the environment names, as any AWS client finds them.

    Raises:
        NoRegion: No region is set.
        NoCredentials: There are none, or they have expired.
        BadInput: The settings hold the kit to other accounts or regions.
    """
    # What a kernel writes from here on may hold items: it is for its owner's eyes, wherever it is copied to.
    os.umask(0o077)
    masking.use()
    aws = account_log.connect()
    aws.read_only = bool(os.environ.get(DRY_RUN_VARIABLE))
    guardrails.check(aws.caller(), endpoint_url=aws.endpoint_url)
    return aws


def show_account(aws: Aws, incident: str = "") -> View:
    """Return the strip of an incident that exists, else who is asking and where.

    Raises:
        BadInput: The incident belongs to another account or region.
    """
    if incident and (root_folder() / checked_id(incident) / STATE).is_file():
        return Session.open(incident, aws=aws).strip()
    return session_views.caller_strip(account_badge.sign(aws.caller(), aws.endpoint_url), guardrails.to_text())


def approve_command(notebook: str, digest: str, **parameters: Any) -> str:
    """Return `pitrkit run NOTEBOOK` with *parameters*, blanks left out, and the approval of *digest*."""
    arguments = ["pitrkit", "run", notebook]
    for name, value in {**parameters, "approve": digest}.items():
        if value not in ("", None, False):
            arguments += ["-p", name, str(value)]
    return shlex.join(arguments)


def incidents(incident: str = "") -> Choice | Settled:
    """Return a widget that offers the incidents of this folder, the last changed first; none where it is settled.

    Args:
        incident: The one that is meant, blank if that is not said.
    """
    recoveries = _recoveries()
    if incident or len(recoveries) == 1:
        return Settled(incident or recoveries[0].id)
    return Choice("incident", [(_described(recovery), recovery.id) for recovery in recoveries])


def _recoveries() -> list[Incident]:
    """Return the incidents of this folder that are no drills, the last changed first."""
    return [incident for incident in Incident.existing() if not _is_drill(incident)]


def _is_drill(incident: Incident) -> bool:
    try:
        return bool(incident.data.get("drill"))
    except RecordAltered:
        return False  # named where incidents are listed


def _described(incident: Incident) -> str:
    try:
        return f"{incident.id}  ({incident.data.get('table') or 'no table yet'})"
    except RecordAltered:
        return f"{incident.id}  (its state cannot be read)"


@dataclass(frozen=True)
class Settled(Shows):
    """Stands in for the widget where it is clear which incident is meant."""

    value: str

    def view(self) -> View:
        """Return which one it is."""
        return cards.note(f"Incident {self.value}", "muted")


def only(incident: str) -> str:
    """Return *incident*, or the id of the only one there is if it is blank.

    Raises:
        InputNeeded: It is blank and there is not exactly one.
    """
    if incident:
        return incident
    recoveries = _recoveries()
    if len(recoveries) != 1:
        incident_ids = ", ".join(recovery.id for recovery in recoveries[:10])
        raise InputNeeded(
            "incident",
            fix=f"Choose one: {incident_ids}."
            if recoveries
            else "There is no incident here yet: run 01_select_table first.",
        )
    return recoveries[0].id


def _just_begun(table: str, caller: Caller) -> str:
    """Return the incident of *table* that was opened last if nothing has come of it yet, blank if there is none."""
    own_fields = {"table": table, "account": caller.account, "region": caller.region}
    for incident in _recoveries():
        try:
            data = incident.data
        except RecordAltered:
            continue  # named where incidents are listed
        if any(data.get(name) != value for name, value in own_fields.items()):
            continue
        opened_at = datetime.fromisoformat(str(data["created_at"]))
        fresh = now() - opened_at < JUST_BEGUN and set(data.get("steps") or {}) <= {"select"}
        # Several made on purpose bear names of their own.
        return (
            incident.id
            if fresh and incident.id.startswith(f"{_slug(table)}-2") and not data.get("restored_table")
            else ""
        )
    return ""


def _slug(table: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", table)[:60].strip("-")


def new_id(table: str, at: datetime | None = None) -> str:
    """Return a name for a new incident of *table*, e.g. `Orders-20261123-021405`."""
    return f"{_slug(table)}-{(at or now()).strftime('%Y%m%d-%H%M%S')}"
