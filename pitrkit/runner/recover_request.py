"""What `pitrkit recover` is asked for, and whether it makes sense as it is written, before anything is done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pitrkit import options
from pitrkit.aws import arns
from pitrkit.errors import BadInput
from pitrkit.incident.incident import checked_id
from pitrkit.incident.state import SHORTEST
from pitrkit.options import Option
from pitrkit.recovery.changes.scope import Scope
from pitrkit.recovery.plan.preflight import parse_accept
from pitrkit.recovery.token_bucket import Pace
from pitrkit.runbook.copy_back import options as policy_options
from pitrkit.runbook.restore.source_choice import RestoreRequest
from pitrkit.times import now, parse_time

TIMES = ("at", "damage_until")
_OPTIONS = {option.name: option for option in options.of_command("recover")}
_OF_A_RESTORE = {field.name for field in fields(RestoreRequest)}
_OF_A_COPY = tuple(name for name, option in _OPTIONS.items() if option.parameter_of("03") in _OF_A_RESTORE)
"""Options of what a copy is restored from and what it is to be like, which `03_restore` has as parameters."""


@dataclass(frozen=True, kw_only=True)
class RecoverRequest:
    """What an operator asks `pitrkit recover` for: its options, as `pitrkit.options` has them.

    Everything is text, as on the command line; blank leaves a notebook's default, or what the incident says already.
    """

    table: str
    at: str = ""
    damage_until: str = ""
    route: str = ""
    how: str = ""
    bucket: str = ""
    prefix: str = ""
    incident: str = ""
    approve: str = ""
    restored: str = ""
    restored_until: str = ""
    target: str = ""
    source_arn: str = ""
    backup: str = ""
    backup_role: str = ""
    target_region: str = ""
    indexes: str = ""
    kms_key: str = ""
    billing: str = ""
    throughput: str = ""
    kinds: str = ""
    keys: str = ""
    where: str = ""
    modified: str = ""
    inserted: str = ""
    attributes: str = ""
    guard: str = ""
    expired: str = ""
    mixed: str = ""
    accept: str = ""
    write_units: str = ""
    read_units: str = ""
    alarms: str = ""
    ceiling: str = ""
    stop_file: str = ""
    freeze: str = ""
    safety_copy: str = ""

    def parameters(self, *names: str) -> dict[str, str]:
        """Return the named parameters that are not blank."""
        return {name: value for name in names if (value := getattr(self, name))}

    def parameters_for(self, notebook: str) -> dict[str, str]:
        """Return what a notebook, by its number, is to be given of these, under the names that it has for them."""
        taken = ((option.parameter_of(notebook), name) for name, option in _OPTIONS.items() if option.notebooks)
        return {parameter: value for parameter, name in taken if parameter and (value := getattr(self, name))}

    def words(self, incident: str, **settled: str) -> list[str]:
        """Return the command line that asks for all of this again, as *incident*, with times as they have settled."""
        arguments = ["pitrkit", "recover", self.table]
        for request_field in fields(self):
            value = settled.get(request_field.name) or getattr(self, request_field.name)
            if request_field.name in {"table", "incident", "approve"} or not value:
                continue
            arguments.append(_OPTIONS[request_field.name].flag)
            arguments += [] if _OPTIONS[request_field.name].kind == "bool" else [value]
        return [*arguments, "--incident", incident]

    def asked(self) -> RestoreRequest:
        """Return what is asked of the restored copy."""
        given = self.parameters_for("03")
        return RestoreRequest(**{name: value for name, value in given.items() if name in _OF_A_RESTORE})

    def without_restore(self, state: Mapping[str, Any]) -> bool:
        """Return whether this takes the route without a restore, in an incident that says *state* so far."""
        return (self.route or state.get("route") or "restore") != "restore"

    def check(self, state: Mapping[str, Any]) -> None:
        """Let pass what can be read and fits together, as far as that can be told without the table.

        Args:
            state: What the incident says so far; empty for a new one.

        Raises:
            BadInput: Something cannot be used.
        """
        if self.incident:
            checked_id(self.incident)
        for name, option in _OPTIONS.items():
            self._check_value(option, getattr(self, name, ""))
        self._check_times(state)
        self._check_route(state)
        self._check_copy(state)
        Scope.check(self.kinds, self.keys, self.where, steps=self.without_restore(state))
        policy_options.policy(
            self.modified, self.inserted, self.attributes, guard=self.guard, expired=self.expired, mixed=self.mixed
        )
        parse_accept(self.accept)
        if self.approve and not re.fullmatch(rf"[0-9a-f]{{{SHORTEST},64}}", self.approve.strip().lower()):
            raise BadInput(
                f"{self.approve!r} is no digest of a plan",
                fix=f"Give the plan's digest, at least {SHORTEST} of its characters; the closed gate prints it.",
            )

    def _check_value(self, option: Option, value: str) -> None:
        """Let pass a value that the option may have."""
        if option.kind == "bool" and value not in ("", "true"):
            raise BadInput(
                f"{option.name}={value!r} is not a valid value", fix=f"Set {option.name} to true, or leave it out."
            )
        if option.choices:
            options.choose(option.name, value)
        if option.kind == "float" and value:
            try:
                Pace(float(value))
            except ValueError:
                raise BadInput(f"{option.name} is {value!r}", fix="Give a number, e.g. 100.") from None

    def _check_times(self, state: Mapping[str, Any]) -> None:
        times = [parse_time(at, now=now()) for name in TIMES if _is_time(at := getattr(self, name))]
        # In an incident that goes on, a relative time names what it named at first.
        if len(times) == len(TIMES) and not state and times[1] <= times[0]:
            raise BadInput(
                f"--damage-until {self.damage_until} is not after --at {self.at}",
                table=self.table,
                fix="Give a time before the damage, and one by which it had ended.",
            )

    def _check_route(self, state: Mapping[str, Any]) -> None:
        """Let pass what belongs to the route that is taken, and to the kind of copy."""
        exports = (self.route or state.get("route")) == "export" or self.how == "export"
        exports = exports or state.get("restored_by") == "exported"
        if self.without_restore(state):
            self._refuse(
                ("restored", "restored_until", "target", "how"),
                "is about a restored copy, and this route has none",
                "Leave it out, or take --route restore.",
            )
        else:
            self._refuse(
                ("mixed",),
                "is about items that others wrote as well, which only a log of changes tells",
                "Leave it out, or take --route stream or --route export.",
            )
        if self.how == "export":
            text = "is about a table of the past, and --how export makes none"
            self._refuse(("restored", "restored_until", "target"), text, "Leave out one of them.")
        if not exports:
            fix = "Leave it out, or export: --how export, or --route export."
            self._refuse(("bucket", "prefix"), "is about exports, and this makes none", fix)
        if not (self.restored or state.get("restored_table")):
            text = "goes with a copy of the table as it was before the damage"
            self._refuse(("restored_until",), text, "Name that one, too: --restored TABLE.")

    def _check_copy(self, state: Mapping[str, Any]) -> None:
        """Let pass what a copy can be restored from and be like, as far as that can be told without AWS."""
        self.asked().check()
        if self.source_arn:
            arns.table_arn(self.source_arn)
        of_a_copy = ("source_arn", *_OF_A_COPY)
        if self.without_restore(state):
            text = "is about a restored copy, and this route has none"
            self._refuse(of_a_copy, text, "Leave it out, or take --route restore.")
        if not (self.backup or (state.get("restore_options") or {}).get("backup")):
            text = "is the role that AWS Backup restores under, and no recovery point was given"
            self._refuse(("backup_role",), text, "Leave it out, or give the recovery point: --backup ARN.")
        if self.how == "export":
            self._refuse(of_a_copy, "is about a restored table, and --how export makes none", "Leave out one of them.")
        if self.restored:
            text = "is about a restore, and --restored names a copy that is there"
            self._refuse(of_a_copy, text, "Leave out one of them.")
        if self.backup:
            text = "is about point-in-time recovery, and --backup restores the one moment that the backup shows"
            self._refuse(("at", "damage_until", "source_arn"), text, "Leave out one of them.")

    def _refuse(self, names: tuple[str, ...], what: str, fix: str) -> None:
        for name in names:
            if getattr(self, name):
                raise BadInput(f"{_OPTIONS[name].flag} {what}", table=self.table, fix=fix)


def asked_text(at: str) -> str:
    """Return a time as it was asked for, to compare it with another one."""
    return at.strip().lower()


def _is_time(at: str) -> bool:
    return bool(at) and asked_text(at) != "latest"
