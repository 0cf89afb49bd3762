"""What only the operator can change when a copy is adopted: clients, policies, infrastructure code, alarms, consumers.

A list to work through, with commands made from what was read. The kit does none of it: who uses which table is decided
outside of the table. The fragments for infrastructure code are also left as files in the incident.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

from pitrkit.aws.settings.kinds import EventSource, KinesisDestination, MetricAlarm, Replica, TableRef
from pitrkit.aws.settings.settings import TableSettings, capture
from pitrkit.aws.tables import tables
from pitrkit.errors import AwsError
from pitrkit.runbook.adopt import iac_hints
from pitrkit.runbook.adopt.settings_plan import SettingsPlan
from pitrkit.runbook.session.session import Session
from pitrkit.ui.blocks import Block, Code, Grid, Note
from pitrkit.ui.view import Shows, View

FOLDER = "settings"
NOT_SEEN = (
    "AWS Backup selections, DAX clusters, EventBridge Pipes, zero-ETL and OpenSearch pipelines, dashboards, scheduled "
    "scaling actions and VPC endpoint policies may name the original: the kit does not look into these"
)
_CLOUDFORMATION = (
    "set DeletionPolicy: Retain on the original, take it out of the template and update the stack; then import the "
    "copy by the change set below. Auto scaling and alarms are imported or made beside it."
)
_TERRAFORM = (
    "`terraform state rm` the original's resource, put adopt.tf into the code; "
    "`terraform plan -generate-config-out=FILE` writes what is imported besides the table. The plan must show no "
    "change of the table."
)


@dataclass(frozen=True)
class Handover(Shows):
    """The checklist.

    Attributes:
        items: What is to be done, each in a few words and in a sentence.
        commands: Commands and fragments, each with its heading.
    """

    original: TableRef
    copy: TableRef
    items: tuple[tuple[str, str], ...]
    commands: tuple[tuple[str, str], ...]

    def view(self) -> View:
        """Return the list, then the commands."""
        rows = tuple((f"[ ] {name}", text) for name, text in self.items)
        blocks: list[Block] = [
            Note("Nothing of this is done by the kit. Work through it from top to bottom.", "warn"),
            Grid(("=what", "how"), rows),
            *(Code(text, label) for label, text in self.commands),
        ]
        data = {"items": [list(item) for item in self.items], "commands": dict(self.commands)}
        return View(
            "handover", f"What only you can change: {self.original.table} → {self.copy.table}", (), tuple(blocks), data
        )

    @classmethod
    def of(cls, session: Session, original: TableSettings, plan: SettingsPlan, *, alive: bool) -> Handover:
        """Return the checklist for the copy as it is now, and leave its fragments in the incident."""
        described = tables.description(session.aws, plan.table)
        now = capture(session.aws, plan.table)
        tags = _tags(session, original) if alive else {}
        logical = iac_hints.logical_id(original.table, tags)
        files = {
            "import.json": json.dumps(iac_hints.import_list(plan.table, logical), indent=2),
            "template.json": json.dumps(iac_hints.template(described, now, logical), indent=2),
            "adopt.tf": iac_hints.terraform(described, now, original.table),
        }
        folder = session.incident.path(FOLDER)
        folder.mkdir(mode=0o700, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text + "\n")
        stack = tags.get("aws:cloudformation:stack-name", "")
        owner = f"stack {stack} owns the original as {logical}: " if stack else ""
        items = _items(session, original, plan, alive=alive, owner=owner)
        commands = [*_commands(original, now.place, stack or "STACK", plan), *files.items()]
        return cls(original.place, plan.copy, tuple(items), tuple(commands))


def _tags(session: Session, original: TableSettings) -> dict[str, str]:
    try:
        return tables.tags(session.aws, tables.describe(session.aws, original.table)) or {}
    except AwsError:
        return {}


def _items(
    session: Session, original: TableSettings, plan: SettingsPlan, *, alive: bool, owner: str
) -> list[tuple[str, str]]:
    name, copy, arn = original.table, plan.table, original.arn or original.table
    items: list[tuple[str, str]] = []
    if alive and session.data.get("restore_at"):
        text = f"Stop the writers, or accept that what they write after {session.data['restore_at']} is not in {copy}."
        items.append(("writers", text))
    if name != copy:
        items += [
            ("clients", f"Every service's table name or ARN: {name} becomes {copy} ({plan.copy.arn})."),
            ("IAM", f"Policies that name {arn}, its /index/* and /stream/*: name those of the copy as well."),
        ]
    if original.of("encryption"):
        items.append(("KMS", "Key policies and grants that are bound to the original by encryption context."))
    items += _of_settings(original, plan)
    items += [("CloudFormation", f"{owner}{_CLOUDFORMATION}"), ("Terraform", _TERRAFORM), ("others", f"{NOT_SEEN}.")]
    if alive and name != copy:
        keep = "Leave the original as it is, with its deletion protection on, until nobody can need its past any more."
        items.append(("the original", keep))
    return items


def _of_settings(original: TableSettings, plan: SettingsPlan) -> list[tuple[str, str]]:
    checklist_rows: list[tuple[str, str]] = []
    done = {change.setting.key for change in plan.changes}
    for setting in original.found:
        match setting:
            case EventSource() if setting.key not in done:
                text = f"{setting.name} reads the original's stream: take that mapping away, then make the new one."
                checklist_rows.append(("function", text))
            case EventSource() | KinesisDestination() if setting.key in done:
                checklist_rows.append(
                    ("consumer", f"{setting.name} sees both tables' changes now: take it off the original.")
                )
            case KinesisDestination():
                checklist_rows.append(
                    ("Kinesis", f"{setting.stream_arn} gets the original's changes only: move it when you cut over.")
                )
            case MetricAlarm():
                checklist_rows.append(("alarm", f"{setting.alarm} watches the original: make it for the copy (below)."))
            case Replica():
                checklist_rows.append(
                    (
                        "replica",
                        f"The original has one in {setting.region}: add it to the copy once it is the one in use.",
                    )
                )
    return checklist_rows


def _commands(original: TableSettings, copy: TableRef, stack: str, plan: SettingsPlan) -> list[tuple[str, str]]:
    command_rows = []
    for setting in original.found:
        if isinstance(setting, MetricAlarm):
            moved = setting.moved(original.place, copy)
            assert isinstance(moved, MetricAlarm)
            name = setting.alarm.replace(original.table, copy.table)
            body = {
                "AlarmName": name if name != setting.alarm else f"{setting.alarm} ({copy.table})",
                **moved.definition,
            }
            command_rows.append((f"alarm {setting.alarm}", _command("cloudwatch put-metric-alarm", body)))
        elif isinstance(setting, EventSource) and setting.key not in {change.setting.key for change in plan.changes}:
            body = {"FunctionName": setting.function_arn, "EventSourceArn": "STREAM-ARN", "StartingPosition": "LATEST"}
            text = _command(
                "lambda create-event-source-mapping", {**body, "Enabled": setting.enabled, **setting.options}
            )
            command_rows.append(
                (f"function {setting.function_arn.rpartition(':')[2]} (STREAM-ARN: the copy's LatestStreamArn)", text)
            )
    arguments = [
        *("aws", "cloudformation", "create-change-set", "--stack-name", stack, "--change-set-name", "adopt-copy"),
        *("--change-set-type", "IMPORT", "--resources-to-import", "file://import.json"),
        *("--template-body", "file://template.json"),
    ]
    hint = "CloudFormation import (template.json: merge the resource into your stack's own template first)"
    return [*command_rows, (hint, shlex.join(arguments))]


def _command(operation: str, body: dict[str, Any]) -> str:
    return f"aws {operation} --cli-input-json {shlex.quote(json.dumps(body, default=str))}"
