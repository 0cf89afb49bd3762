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
from pitrkit.aws.settings.reapply import SettingsWriter
from pitrkit.aws.settings.settings import TableSettings, capture
from pitrkit.aws.tables import tables
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import AwsError, BadInput, Exit, InputNeeded, PitrkitError, TableNotFound
from pitrkit.incident.state import BEFORE_DAMAGE, STATE
from pitrkit.runbook.adopt import settings_plan
from pitrkit.runbook.adopt import views as adopt_views
from pitrkit.runbook.adopt.handover import Handover
from pitrkit.runbook.adopt.settings_plan import SettingChange, SettingsPlan
from pitrkit.runbook.session.approval import ApprovalFlow, pass_gate
from pitrkit.runbook.session.gate_views import ApproveBox
from pitrkit.runbook.session.session import Session
from pitrkit.ui import cards, error_display
from pitrkit.ui.progress import ProgressBar
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

    session: Session
    original: TableSettings
    copy: TableSettings
    alive: bool
    copy_table: Table

    def view(self) -> View:
        """Return both tables' settings side by side."""
        return adopt_views.compared(self.original, self.copy, settings.compare(self.original, self.copy))


def risks(session: Session) -> View:
    """Return what is lost by giving the original up, before anything else is said."""
    data = session.data
    name, copy = data["table"], _copy_name(session)
    original, protection = tables.find(session.aws, name), None
    if original is not None and copy != name:
        try:
            protection = pitr.protection(session.aws, name)
        except AwsError:
            protection = None
    return adopt_views.risks(name, copy, original if copy != name else None, protection, data)


def read(session: Session) -> Tables:
    """Read the settings of both tables. The original's are kept in the incident, in case it goes.

    Raises:
        InputNeeded: There is no copy yet.
        BadInput: The copy is the original, or not there, or nothing is known of the original.
    """
    name = _copy_name(session)
    copy = tables.find(session.aws, name)
    if copy is None:
        raise BadInput("the copy is gone", table=name, fix="Restore it again with 03_restore.")
    if copy.status != "ACTIVE" or (copy.restored and copy.restored.in_progress):
        raise BadInput(f"the copy is {copy.status}", table=name, fix="Wait for it with 03_restore.")
    with ProgressBar("Reading settings", total=2, unit="tables") as progress:
        original, alive = _original(session, name)
        progress(1)
        of_copy = capture(session.aws, name)
        progress(2)
        return Tables(session, original, of_copy, alive, copy)


def _copy_name(session: Session) -> str:
    name = str(session.required(BEFORE_DAMAGE.table, step="03_restore"))
    if name == session.data.get("table") and session.data.get(BEFORE_DAMAGE.by) != "returned":
        raise BadInput("the copy of this incident is its own table", table=name, fix="There is nothing to adopt.")
    if (region := session.aws_of(BEFORE_DAMAGE).region) != session.aws.region:
        raise BadInput(
            f"the copy lies in {region}, and settings are given within a Region only",
            table=name,
            fix="Restore it in the original's Region to adopt it, or set it up there by your infrastructure code.",
        )
    return name


def _original(session: Session, copy: str) -> tuple[TableSettings, bool]:
    """Return the original's settings, and whether it is still there."""
    name = session.data["table"]
    path = session.incident.path(FOLDER, "original.json")
    if copy != name:
        try:
            captured = capture(session.aws, name)
        except TableNotFound:
            pass
        else:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.write_bytes(settings.to_json(captured))
            session.note(
                "settings_captured", table=name, unread=[unread_source.action for unread_source in captured.unread]
            )
            return captured, True
    if path.is_file():
        return TableSettings.read(path), False
    arn = str(session.data.get("backup") or "")
    if arn and not arns.backup_arn(arn).managed:  # what AWS Backup holds cannot be described
        return settings.of_backup(name, backups.details(session.aws, arn)), False
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

    session: Session
    tables: Tables
    plan: SettingsPlan
    passage: ApprovalFlow
    given: Mapping[str, str]

    def view(self) -> View:
        """Return the plan: each setting as it is and as it would be, and what is left and why."""
        return adopt_views.plan(self.plan)

    @property
    def command(self) -> str:
        """The one command that approves this plan."""
        return self.session.command(NOTEBOOK, self.plan.digest, **self.given)

    def approve(self) -> ApproveBox:
        """Return a widget that approves it when the copy's name is typed."""
        return self.passage.widget({"action": self.plan.action}, command=self.command)

    def gate(self, approve: str) -> View:
        """Open the gate for this plan, or raise with the one command that opens it."""
        return pass_gate(self.session, self.passage, self.plan.action, approve, self.command)

    def reapply(self) -> View:
        """Give the copy its settings, one by one. Interrupted, it goes on where it stopped when it is run again.

        A setting that somebody has changed since the plan was made is left as it is. One that the service refuses
        does not keep the others from being given.

        Raises:
            GateClosed: The gate was not passed in this kernel.
            BadInput: There is another table of the copy's name now.
        """
        if self.plan.empty:
            return cards.note("There is nothing to reapply.")
        self.passage.require()
        with error_display.failure_meaning(MEANING):
            outcomes = self._all()
        return adopt_views.outcomes(self.plan, outcomes)

    def _all(self) -> list[tuple[SettingChange, str, str]]:
        plan = self.plan
        table = tables.describe(self.session.aws, plan.table)
        if table.id != plan.copy_id:
            raise BadInput("this is another table of the same name now", table=plan.table, fix="Plan again.")
        began = {"digest": plan.digest, "action": plan.action, "table": plan.table, "verify": None}
        self.session.keep("cut_over_started", into={STATE: began})
        settings_by_key = {setting.key: setting for setting in capture(self.session.aws, plan.table).found}
        outcomes: list[tuple[SettingChange, str, str]] = []
        with ProgressBar(
            f"{plan.action.capitalize()}: {plan.table}", total=len(plan.changes), unit="settings"
        ) as progress:
            for number, change in enumerate(plan.changes):
                label = f"{change.setting.kind} {change.setting.name}".strip()
                progress(number, None, label)

                def waiting(seconds: float, number: int = number, label: str = label) -> None:
                    progress(number, None, f"{label}: the table is being changed, {seconds:.0f} s")

                outcome, detail = self._one(change, settings_by_key.get(change.setting.key), waiting)
                outcomes.append((change, outcome, detail))
            SettingsWriter(self.session.aws, plan.copy).settle()
            progress(len(plan.changes))
        counts = {
            name: sum(status == name for _, status, _ in outcomes) for name in ("done", "already", "changed", "failed")
        }
        self.session.keep("cut_over_applied", into={STATE: {**counts, "left": len(plan.left), "verify": None}})
        return outcomes

    def _one(self, change: SettingChange, current: Setting | None, waiting: Callable[[float], None]) -> tuple[str, str]:
        """Make one change and return its outcome, in a word and in more."""
        back = self.plan.action == "take settings back"
        setting, before = change.setting, change.before
        target_setting, other = (before, setting) if back else (setting, before)
        named = {"setting": setting.kind, "name": setting.name, "table": self.plan.table}
        if setting.untouched(target_setting, current) or (target_setting is not None and target_setting.holds(current)):
            if self._was_requested(setting, back=back):
                self.session.note(
                    "setting_done", **named, back=back, change=change.to_dict(), calls=[], found="already"
                )
            return "already", ""
        if not setting.untouched(other, current) and not (back and setting.holds(current)):
            return "changed", "somebody changed it since the plan was made: left as it is"
        self.session.note("setting_requested", **named, back=back, change=change.to_dict())
        hand = SettingsWriter(self.session.aws, self.plan.copy, on_wait=waiting)
        try:
            if back:
                hand.take(setting, before)
            else:
                hand.give(setting, current)
        except Ambiguous:
            raise  # it may have been done: the next run finds out
        except (AwsError, BadInput) as error:
            self._failed(error, named, hand)
            return "failed", str(error)
        calls = [call.to_dict() for call in hand.calls]
        self.session.note("setting_done", **named, back=back, change=change.to_dict(), calls=calls)
        return "done", ", ".join(call.request_id for call in hand.calls)

    def _failed(self, error: PitrkitError, named: Mapping[str, str], hand: SettingsWriter) -> None:
        refused = {"code": error.code, "request_id": error.request_id} if isinstance(error, AwsError) else {}
        calls = [call.to_dict() for call in hand.calls]
        self.session.note("setting_failed", **named, why=error.what, calls=calls, **refused)

    def _was_requested(self, setting: Setting, *, back: bool) -> bool:
        """Return whether an earlier run asked for it and did not live to record the answer."""
        last_event = None
        for event in self.session.incident.events():
            mine = event.event in ("setting_requested", "setting_done") and event.data["back"] == back
            if mine and SettingChange.from_dict(event.data["change"]).setting == setting:
                last_event = event.event
        return last_event == "setting_requested"

    def verify(self) -> View:
        """Read the copy's settings again and say which of the plan's are as planned now."""
        captured = capture(self.session.aws, self.plan.table)
        has = {setting.key: setting for setting in captured.found}
        wrong = []
        for change in self.plan.changes:
            if self.plan.action == "take settings back":
                expected = change.before
                right = change.setting.untouched(expected, has.get(change.setting.key))
            else:
                right = change.setting.holds(has.get(change.setting.key))
            if not right:
                wrong.append(change)
        unread = [
            unread_source
            for unread_source in captured.unread
            if any(change.setting.kind in unread_source.kinds for change in self.plan.changes)
        ]
        setting_texts = [f"{change.setting.kind} {change.setting.name}".strip() for change in wrong]
        verified = {"ok": not wrong, "checked": len(self.plan.changes), "wrong": setting_texts}
        self.session.done(STATE, "settings_verified")
        self.session.keep("settings_read_again", into={STATE: {"verify": verified}})
        return adopt_views.verified(self.plan, wrong, has, unread)

    def handover(self) -> Handover:
        """Return what only the operator can change, with hints for infrastructure code made from the copy."""
        return Handover.of(self.session, self.tables.original, self.plan, alive=self.tables.alive)


def plan(table_pair: Tables, *, leave: str = "", accept: str = "", undo: bool = False, approve: str = "") -> CutOver:
    """Plan which settings the copy is given, or, with *undo*, which of the given ones are taken back. Reads only.

    Where *approve* names a plan that this incident holds, that plan is opened instead of making another one.

    Raises:
        BadInput: A kind is not known, or there is nothing to take back.
    """
    session = table_pair.session
    caller = session.aws.caller()
    new_plan = _approved(session, approve, undo=undo)
    if new_plan is None:
        new_plan = settings_plan.reapplying(
            table_pair.original,
            table_pair.copy,
            where=(caller.account, caller.region),
            copy_id=table_pair.copy_table.id,
            leave=leave,
            accept=accept,
        )
        if undo:
            new_plan = settings_plan.taking_back(_given(session, new_plan), new_plan)
        if not new_plan.empty:
            new_plan.write(settings_plan.place_of(session.incident.path(FOLDER), new_plan.digest))
            session.note(
                "settings_planned", digest=new_plan.digest, action=new_plan.action, changes=len(new_plan.changes)
            )
    options = {"leave": leave, "accept": accept, **({"undo": "true"} if undo else {})}
    passage = ApprovalFlow(None if new_plan.empty else new_plan, new_plan.table)
    return CutOver(session, table_pair, new_plan, passage, options)


def _approved(session: Session, approve: str, *, undo: bool) -> SettingsPlan | None:
    short = approve.strip().lower()
    path = settings_plan.place_of(session.incident.path(FOLDER), short)
    if not short.isalnum() or not path.is_file():
        return None
    approved_plan = SettingsPlan.read(path)
    if (approved_plan.action == "take settings back") != undo:
        raise BadInput(
            f"the approval is for a plan to {approved_plan.action}",
            table=approved_plan.table,
            fix="Give the parameter `undo` with it." if not undo else "Leave `undo` out.",
        )
    return approved_plan


def _given(session: Session, plan: SettingsPlan) -> list[SettingChange]:
    """Return what this incident gave to the copy and has not taken back, in the order in which it was given."""
    changes_by_key: dict[tuple[str, str], SettingChange] = {}
    for event in session.incident.events():
        if event.event not in ("setting_requested", "setting_done") or event.data["table"] != plan.table:
            continue
        change = SettingChange.from_dict(event.data["change"])
        if not event.data["back"]:
            # What it had before the first time is what it gets back.
            first = changes_by_key.get(change.setting.key)
            changes_by_key[change.setting.key] = SettingChange(change.setting, first.before if first else change.before)
        elif event.event == "setting_done":
            changes_by_key.pop(change.setting.key, None)
    if not changes_by_key:
        raise InputNeeded("undo", fix="This incident has given the copy no settings: leave `undo` out.")
    return list(changes_by_key.values())


def ending(data: Mapping[str, Any]) -> Exit:
    """Return how a cut-over ended, from `incident.json`: LEFT if a setting is not as planned."""
    state = data.get(STATE) or {}
    unresolved = state.get("failed") or state.get("changed") or not (state.get("verify") or {"ok": True})["ok"]
    return Exit.LEFT if unresolved else Exit.DONE
