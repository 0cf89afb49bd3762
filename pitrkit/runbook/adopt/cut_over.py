"""13: adopt the restored copy in place of the original: give it the settings that a restore leaves behind.

Items are not touched here, and nothing is switched over: who reads and writes which table is decided by clients,
policies and infrastructure code, which only the operator can change. Event consumers are tied to the copy only when
that is accepted by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pitrkit.aws import arns
from pitrkit.aws.backups import backups, pitr
from pitrkit.aws.client.error_mapping import Ambiguous
from pitrkit.aws.settings import settings
from pitrkit.aws.settings.kinds import Setting
from pitrkit.aws.settings.reapply import Hand
from pitrkit.aws.settings.settings import Settings, capture
from pitrkit.aws.tables import tables
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import AwsError, BadInput, Exit, InputNeeded, PitrkitError, TableNotFound
from pitrkit.incident.state import STATE, THEN
from pitrkit.runbook.adopt import settings_plan
from pitrkit.runbook.adopt import views as adopt_views
from pitrkit.runbook.adopt.handover import Handover
from pitrkit.runbook.adopt.settings_plan import Change, SettingsPlan
from pitrkit.runbook.session.approval import Passage, pass_gate
from pitrkit.runbook.session.gate_views import ApproveBox
from pitrkit.runbook.session.session import Book
from pitrkit.ui import cards, error_display
from pitrkit.ui.progress import Progress
from pitrkit.ui.view import Shows, View

NOTEBOOK = "13_cut_over"
FOLDER = "settings"

MEANING = (
    "Each setting that was given is recorded with its request id and stands; running this again goes on with the rest."
)


@dataclass(frozen=True)
class Tables(Shows):
    """Both tables and their settings.

    Attributes:
        original: Settings of the original, or what a backup knows of them.
        copy: Settings of the copy.
        alive: Whether the original still exists.
        copy_table: The copy.
    """

    book: Book
    original: Settings
    copy: Settings
    alive: bool
    copy_table: Table

    def view(self) -> View:
        """Return both tables' settings side by side."""
        return adopt_views.compared(self.original, self.copy, settings.compare(self.original, self.copy))


def risks(book: Book) -> View:
    """Return what is lost by giving the original up, before anything else is said."""
    data = book.data
    name, copy = data["table"], _copy_name(book)
    original, found = tables.find(book.aws, name), None
    if original is not None and copy != name:
        try:
            found = pitr.protection(book.aws, name)
        except AwsError:
            found = None
    return adopt_views.risks(name, copy, original if copy != name else None, found, data)


def read(book: Book) -> Tables:
    """Read the settings of both tables. The original's are kept in the incident, in case it goes.

    Raises:
        InputNeeded: There is no copy yet.
        BadInput: The copy is the original, or not there, or nothing is known of the original.
    """
    name = _copy_name(book)
    copy = tables.find(book.aws, name)
    if copy is None:
        raise BadInput("the copy is gone", table=name, fix="Restore it again with 03_restore.")
    if copy.status != "ACTIVE" or (copy.restored and copy.restored.in_progress):
        raise BadInput(f"the copy is {copy.status}", table=name, fix="Wait for it with 03_restore.")
    with Progress("Reading settings", total=2, unit="tables") as progress:
        original, alive = _original(book, name)
        progress(1)
        of_copy = capture(book.aws, name)
        progress(2)
        return Tables(book, original, of_copy, alive, copy)


def _copy_name(book: Book) -> str:
    name = str(book.known(THEN.table, step="03_restore"))
    if name == book.data.get("table") and book.data.get(THEN.by) != "returned":
        raise BadInput("the copy of this incident is its own table", table=name, fix="There is nothing to adopt.")
    if (region := book.aws_of(THEN).region) != book.aws.region:
        raise BadInput(
            f"the copy lies in {region}, and settings are given within a Region only",
            table=name,
            fix="Restore it in the original's Region to adopt it, or set it up there by your infrastructure code.",
        )
    return name


def _original(book: Book, copy: str) -> tuple[Settings, bool]:
    """Return the original's settings, and whether it is still there."""
    name = book.data["table"]
    path = book.incident.path(FOLDER, "original.json")
    if copy != name:
        try:
            found = capture(book.aws, name)
        except TableNotFound:
            pass
        else:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.write_bytes(settings.to_json(found))
            book.note("settings_captured", table=name, unread=[one.action for one in found.unread])
            return found, True
    if path.is_file():
        return Settings.read(path), False
    arn = str(book.data.get("backup") or "")
    if arn and not arns.backup_arn(arn).managed:  # what AWS Backup holds cannot be described
        return settings.of_backup(name, backups.details(book.aws, arn)), False
    raise BadInput(
        "the original is gone, and its settings were not captured before",
        table=name,
        fix="11_deleted_table shows what its backup still knows.",
    )


@dataclass
class CutOver(Shows):
    """The settings on their way to the copy, or back off it.

    Attributes:
        tables: Both tables as they were read.
        plan: What would be done.
        given: The parameters that the approved run needs besides the digest.
    """

    book: Book
    tables: Tables
    plan: SettingsPlan
    passage: Passage
    given: Mapping[str, str]

    def view(self) -> View:
        """Return the plan: each setting as it is and as it would be, and what is left and why."""
        return adopt_views.plan(self.plan)

    @property
    def command(self) -> str:
        """The one command that approves this plan."""
        return self.book.command(NOTEBOOK, self.plan.digest, **self.given)

    def approve(self) -> ApproveBox:
        """Return a widget that approves it when the copy's name is typed."""
        return self.passage.widget({"action": self.plan.action}, command=self.command)

    def gate(self, approve: str) -> View:
        """Open the gate for this plan, or raise with the one command that opens it."""
        return pass_gate(self.book, self.passage, self.plan.action, approve, self.command)

    def reapply(self) -> View:
        """Give the copy its settings, one by one. Interrupted, it goes on where it stopped when it is run again.

        A setting that somebody has changed since the plan was made is left as it is. One that the service refuses
        does not keep the others from being given.

        Raises:
            GateClosed: The gate was not passed in this session.
            BadInput: There is another table of the copy's name now.
        """
        if self.plan.empty:
            return cards.note("There is nothing to reapply.")
        self.passage.require()
        with error_display.meaning(MEANING):
            outcomes = self._all()
        return adopt_views.outcomes(self.plan, outcomes)

    def _all(self) -> list[tuple[Change, str, str]]:
        plan = self.plan
        table = tables.describe(self.book.aws, plan.table)
        if table.id != plan.copy_id:
            raise BadInput("this is another table of the same name now", table=plan.table, fix="Plan again.")
        began = {"digest": plan.digest, "action": plan.action, "table": plan.table, "verify": None}
        self.book.keep("cut_over_started", into={STATE: began})
        found = {one.key: one for one in capture(self.book.aws, plan.table).found}
        outcomes: list[tuple[Change, str, str]] = []
        with Progress(
            f"{plan.action.capitalize()}: {plan.table}", total=len(plan.changes), unit="settings"
        ) as progress:
            for number, change in enumerate(plan.changes):
                told = f"{change.setting.kind} {change.setting.name}".strip()
                progress(number, None, told)

                def waiting(seconds: float, number: int = number, told: str = told) -> None:
                    progress(number, None, f"{told}: the table is being changed, {seconds:.0f} s")

                outcome, words = self._one(change, found.get(change.setting.key), waiting)
                outcomes.append((change, outcome, words))
            Hand(self.book.aws, plan.copy).settle()
            progress(len(plan.changes))
        counts = {name: sum(one == name for _, one, _ in outcomes) for name in ("done", "already", "changed", "failed")}
        self.book.keep("cut_over_applied", into={STATE: {**counts, "left": len(plan.left), "verify": None}})
        return outcomes

    def _one(self, change: Change, found: Setting | None, waiting: Callable[[float], None]) -> tuple[str, str]:
        """Make one change and return its outcome, in a word and in more."""
        back = self.plan.action == "take settings back"
        setting, before = change.setting, change.before
        wanted, other = (before, setting) if back else (setting, before)
        named = {"setting": setting.kind, "name": setting.name, "table": self.plan.table}
        if setting.untouched(wanted, found) or (wanted is not None and wanted.holds(found)):
            if self._was_requested(setting, back=back):
                self.book.note("setting_done", **named, back=back, change=change.to_dict(), calls=[], found="already")
            return "already", ""
        if not setting.untouched(other, found) and not (back and setting.holds(found)):
            return "changed", "somebody changed it since the plan was made: left as it is"
        self.book.note("setting_requested", **named, back=back, change=change.to_dict())
        hand = Hand(self.book.aws, self.plan.copy, on_wait=waiting)
        try:
            if back:
                hand.take(setting, before)
            else:
                hand.give(setting, found)
        except Ambiguous:
            raise  # it may have been done: the next run finds out
        except (AwsError, BadInput) as error:
            self._failed(error, named, hand)
            return "failed", str(error)
        calls = [call.to_dict() for call in hand.calls]
        self.book.note("setting_done", **named, back=back, change=change.to_dict(), calls=calls)
        return "done", ", ".join(call.request_id for call in hand.calls)

    def _failed(self, error: PitrkitError, named: Mapping[str, str], hand: Hand) -> None:
        refused = {"code": error.code, "request_id": error.request_id} if isinstance(error, AwsError) else {}
        calls = [call.to_dict() for call in hand.calls]
        self.book.note("setting_failed", **named, why=error.what, calls=calls, **refused)

    def _was_requested(self, setting: Setting, *, back: bool) -> bool:
        """Return whether an earlier run asked for it and did not live to record the answer."""
        told = None
        for event in self.book.incident.events():
            mine = event.event in ("setting_requested", "setting_done") and event.data["back"] == back
            if mine and Change.from_dict(event.data["change"]).setting == setting:
                told = event.event
        return told == "setting_requested"

    def verify(self) -> View:
        """Read the copy's settings again and say which of the plan's are as planned now."""
        found = capture(self.book.aws, self.plan.table)
        has = {one.key: one for one in found.found}
        wrong = []
        for change in self.plan.changes:
            if self.plan.action == "take settings back":
                wanted = change.before
                right = change.setting.untouched(wanted, has.get(change.setting.key))
            else:
                right = change.setting.holds(has.get(change.setting.key))
            if not right:
                wrong.append(change)
        unread = [one for one in found.unread if any(change.setting.kind in one.kinds for change in self.plan.changes)]
        told = [f"{change.setting.kind} {change.setting.name}".strip() for change in wrong]
        verified = {"ok": not wrong, "checked": len(self.plan.changes), "wrong": told}
        self.book.done(STATE, "settings_verified")
        self.book.keep("settings_read_again", into={STATE: {"verify": verified}})
        return adopt_views.verified(self.plan, wrong, has, unread)

    def handover(self) -> Handover:
        """Return what only the operator can change, with hints for infrastructure code made from the copy."""
        return Handover.of(self.book, self.tables.original, self.plan, alive=self.tables.alive)


def plan(found: Tables, *, leave: str = "", accept: str = "", undo: bool = False, approve: str = "") -> CutOver:
    """Plan which settings the copy is given, or, with *undo*, which of the given ones are taken back. Reads only.

    Where *approve* names a plan that this incident holds, that plan is opened instead of making another one.

    Raises:
        BadInput: A kind is not known, or there is nothing to take back.
    """
    book = found.book
    caller = book.aws.caller()
    chosen = _approved(book, approve, undo=undo)
    if chosen is None:
        chosen = settings_plan.reapplying(
            found.original,
            found.copy,
            where=(caller.account, caller.region),
            copy_id=found.copy_table.id,
            leave=leave,
            accept=accept,
        )
        if undo:
            chosen = settings_plan.taking_back(_given(book, chosen), chosen)
        if not chosen.empty:
            chosen.write(settings_plan.place_of(book.incident.path(FOLDER), chosen.digest))
            book.note("settings_planned", digest=chosen.digest, action=chosen.action, changes=len(chosen.changes))
    given = {"leave": leave, "accept": accept, **({"undo": "true"} if undo else {})}
    passage = Passage(None if chosen.empty else chosen, chosen.table)
    return CutOver(book, found, chosen, passage, given)


def _approved(book: Book, approve: str, *, undo: bool) -> SettingsPlan | None:
    short = approve.strip().lower()
    path = settings_plan.place_of(book.incident.path(FOLDER), short)
    if not short.isalnum() or not path.is_file():
        return None
    found = SettingsPlan.read(path)
    if (found.action == "take settings back") != undo:
        raise BadInput(
            f"the approval is for a plan to {found.action}",
            table=found.table,
            fix="Give the parameter `undo` with it." if not undo else "Leave `undo` out.",
        )
    return found


def _given(book: Book, plan: SettingsPlan) -> list[Change]:
    """Return what this incident gave to the copy and has not taken back, in the order in which it was given."""
    given: dict[tuple[str, str], Change] = {}
    for event in book.incident.events():
        if event.event not in ("setting_requested", "setting_done") or event.data["table"] != plan.table:
            continue
        change = Change.from_dict(event.data["change"])
        if not event.data["back"]:
            # What it had before the first time is what it gets back.
            first = given.get(change.setting.key)
            given[change.setting.key] = Change(change.setting, first.before if first else change.before)
        elif event.event == "setting_done":
            given.pop(change.setting.key, None)
    if not given:
        raise InputNeeded("undo", fix="This incident has given the copy no settings: leave `undo` out.")
    return list(given.values())


def ending(data: Mapping[str, Any]) -> Exit:
    """Return how a cut-over ended, from `incident.json`: LEFT if a setting is not as planned."""
    state = data.get(STATE) or {}
    left = state.get("failed") or state.get("changed") or not (state.get("verify") or {"ok": True})["ok"]
    return Exit.LEFT if left else Exit.DONE
