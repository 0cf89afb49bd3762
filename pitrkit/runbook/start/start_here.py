"""00: what happened, to which table, and so which notebook; incidents in progress; which tables are protected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import ipywidgets as widgets
from IPython.display import display

from pitrkit.aws.backups import backups
from pitrkit.aws.change_data import streams
from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables import tables as aws_tables
from pitrkit.errors import InputNeeded, PitrkitError, RecordAltered
from pitrkit.incident import working_copy
from pitrkit.incident.incident import Incident
from pitrkit.options import choose
from pitrkit.runbook.session import views as session_views
from pitrkit.runbook.session.session import Session
from pitrkit.runbook.session.status import status_of
from pitrkit.runbook.start import select_table, table_overview, table_views
from pitrkit.times import now
from pitrkit.ui.blocks import Block, Cell, Facts, Grid, Link, Links, Note
from pitrkit.ui.cards import error_card, note
from pitrkit.ui.controls import CardControl
from pitrkit.ui.progress import ProgressBar
from pitrkit.ui.view import View


@dataclass(frozen=True, slots=True)
class Happened:
    """A kind of damage, as people say it, and what to know about its way back."""

    name: str
    words: str
    advice: str
    notebook: str


KINDS = (
    Happened(
        "deleted",
        "Items were deleted",
        "A restored copy from before the damage shows the missing items. Restoring them overwrites nothing.",
        "02_pick_timestamp",
    ),
    Happened(
        "mangled",
        "Items were corrupted (wrong values)",
        "If you know when the damage ended, set it in step 02 (damage_until). Later good writes are then left out.",
        "02_pick_timestamp",
    ),
    Happened(
        "gone",
        "The table was deleted",
        "If PITR was on, DynamoDB keeps a backup for 35 days: the table can be restored as of its deletion.",
        "11_deleted_table",
    ),
    Happened(
        "unsure",
        "Not sure yet",
        "Write activity and deployments show when something unusual happened. Looking changes nothing.",
        "02_pick_timestamp",
    ),
)
_BY_NAME = {kind.name: kind for kind in KINDS}
_LEFT = {"description_width": "initial"}
_BOTH = "NEW_AND_OLD_IMAGES"


def begin(aws: Aws, happened: str = "", table: str = "") -> IncidentStart:
    """Return the decision aid; with *happened* and *table* given, the incident is opened right away.

    Raises:
        BadInput: *happened* is none of `deleted`, `mangled`, `gone`, `unsure`.
    """
    choose("happened", happened)
    return IncidentStart(aws, happened, table)


def open_incident(aws: Aws, happened: str, table: str) -> View:
    """Open the incident of *table*, or join the one that was opened moments ago, and return the way on.

    Raises:
        InputNeeded: One of them is blank.
        TableNotFound: There is no such table.
    """
    if not happened:
        raise InputNeeded("happened", fix="Choose what happened.")
    if not table.strip():
        raise InputNeeded("table", fix="Name the table.")
    kind, name = _BY_NAME[happened], table.strip()
    if kind.name == "gone":
        _check_deleted(aws, name)
        session = Session.begin("", table=name, aws=aws)
    else:
        session = select_table.select(aws, name)
    if session.data.get("happened") != kind.name:
        session.keep("damage_described", happened=kind.name)
    ways = [Link(kind.notebook, session.link(kind.notebook), strong=True)]
    blocks: list[Block] = [
        Facts((("incident", session.incident.id), ("table", name), ("what happened", kind.words)), flow=True),
        Note(kind.advice),
    ]
    if kind.name != "gone":
        if _has_stream(session):
            quick = Link("10_rollback_without_restore", session.link("10_rollback_without_restore"))
            ways.append(quick)
            text = "This table has a stream: changes of the last 24 hours can be reverted without a restore."
            blocks.append(Note(text, "info", f"Use {quick.text} when you know roughly when the damage happened."))
        ways.append(Link("01_select_table: dependencies", session.link("01_select_table")))
    blocks.append(Links(tuple(ways), session_views.NEXT_STEP))
    data = {"incident": session.incident.id, "table": name, "happened": kind.name, "notebook": kind.notebook}
    return View("begun", "The incident is open", blocks=tuple(blocks), data=data)


def _check_deleted(aws: Aws, name: str) -> None:
    deleted_names, unseen = sorted(backups.deleted_tables(aws)), " ".join(backups.everything(aws).unseen)
    if name not in deleted_names:
        there_are = ", ".join(deleted_names) or "none"
        raise InputNeeded(
            "table",
            table=name,
            fix=f"There is no backup of it. Deleted tables that can be restored: {there_are}. {unseen}".strip(),
        )


def _has_stream(session: Session) -> bool:
    stream_description = table_overview.permitted(lambda: streams.describe(session.aws, session.table()))
    return stream_description is not None and stream_description.view == _BOTH


class IncidentStart(CardControl):
    """Asks what happened and to which table, and opens the incident.

    Attributes:
        opened: The card of the opened incident, None until there is one.
    """

    offline: ClassVar[str] = "The controls need a running kernel; in a headless run, set `happened` and `table`."

    def __init__(self, aws: Aws, happened: str = "", table: str = "") -> None:
        self._aws = aws
        self._living, self._deleted = aws_tables.table_names(aws), _deleted(aws)
        self.view = _card()
        self.opened: View | None = None
        self._result: Any = None
        self.happened = widgets.RadioButtons(
            description="What happened",
            options=[(kind.words, kind.name) for kind in KINDS],
            value=happened or None,
            tooltip="What you know so far",
            style=_LEFT,
            layout={"width": "auto"},
        )
        self.table = widgets.Combobox(
            description="Table",
            placeholder="type part of its name",
            value=table,
            options=self._living,
            tooltip="The damaged table; suggests tables of this account",
            style=_LEFT,
            layout={"width": "32em"},
        )
        self.button = widgets.Button(
            description="Open the incident",
            icon="arrow-right",
            tooltip="Creates the incident's folder; changes nothing in AWS",
            layout={"width": "auto"},
        )
        self.status_line = widgets.HTML()
        self.happened.observe(self._happened_changed, names="value")
        self.button.on_click(self.does(self._open))
        self.box = widgets.VBox([self.happened, widgets.HBox([self.table, self.button]), self.status_line])
        self._happened_changed({"new": happened})
        if happened and table:
            self.opened = open_incident(aws, happened, table)

    def _ipython_display_(self) -> None:
        super()._ipython_display_()
        self._result = display(self.opened or note("No incident has been opened here yet.", "muted"), display_id=True)

    def _happened_changed(self, change: Mapping[str, Any]) -> None:
        gone = change["new"] == "gone"
        self.table.options = self._deleted if gone else self._living
        none = gone and not self._deleted
        self.status_line.value = note("No deleted table can be restored here.", "warn")._repr_html_() if none else ""

    def _open(self) -> None:
        try:
            self.opened = open_incident(self._aws, self.happened.value or "", self.table.value)
        except PitrkitError as error:
            self.status_line.value = error_card(error)._repr_html_()
            return
        self.status_line.value = ""
        if self._result is not None:
            self._result.update(self.opened)


def _deleted(aws: Aws) -> list[str]:
    return sorted(table_overview.permitted(lambda: backups.deleted_tables(aws)) or ())


def _card() -> View:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (kind.words, kind.advice, Link(kind.notebook, working_copy.link(_without_incident(kind)))) for kind in KINDS
    )
    rows += (
        ("A copy must be undone", "Undo uses the same plan, approval and conditional writes.", _plain("12_undo")),
        ("Incident closed", "Delete the restored table.", _plain("14_clean_up")),
    )
    grid = Grid(("what happened", "recovery", "=notebook"), rows)
    return View("beginning", "What happened?", blocks=(grid,), data={"kinds": [kind.name for kind in KINDS]})


def _without_incident(kind: Happened) -> str:
    return kind.notebook if kind.name == "gone" else "01_select_table"


def _plain(notebook: str) -> Link:
    return Link(notebook, working_copy.link(notebook))


def incidents(aws: Aws) -> View:
    """Return the incidents in this folder: where each stands, and the way to go on."""
    incident_rows: list[dict[str, Any]] = []
    links: dict[str, str] = {}
    unreadable: list[str] = []
    for incident in Incident.existing():
        try:
            data = incident.data
        except RecordAltered:
            unreadable.append(incident.id)
            continue
        working_copy.lay_out(incident)
        incident_rows.append(data)
        links[incident.id] = working_copy.link(status_of(data).notebook, incident.id)
    return session_views.incidents_list(incident_rows, links=links, account=aws.caller().account, unreadable=unreadable)


def tables(aws: Aws) -> View:
    """Return every table with its protection, the unprotected ones first."""
    with ProgressBar("Reading the tables", unit="tables") as progress:
        overviews = table_overview.overview(
            aws, on_some=lambda listed: progress(sum(overview.known for overview in listed), len(listed))
        )
    return table_views.tables_overview(overviews, at=now())
