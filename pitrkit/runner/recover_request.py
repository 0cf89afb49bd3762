"""What `pitrkit recover` is asked for, and whether it makes sense as it is written, before anything is done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pitrkit.aws import arns
from pitrkit.errors import BadInput
from pitrkit.incident.incident import checked_id
from pitrkit.incident.state import SHORTEST
from pitrkit.recovery.changes.scope import Scope
from pitrkit.recovery.plan.preflight import parse_accept
from pitrkit.recovery.token_bucket import Pace
from pitrkit.runbook.copy_back import options
from pitrkit.runbook.restore.source_choice import Asked
from pitrkit.runbook.session.session import flag
from pitrkit.times import now, parse_time

TIMES = ("at", "damage_until")

OPTIONS_OF_A_COPY = ("backup_role", "target_region", "indexes", "kms_key", "billing", "throughput")

_SWITCHES = {"freeze", "safety_copy"}

_ASKED = {"backup_role": "role", "target_region": "region"}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What an operator asks `pitrkit recover` for. Everything is text, as the notebooks' parameters are.

    Attributes:
        table: The damaged table.
        at: Second to go back to: ISO 8601 with Z or an offset, `latest`, or a duration ago.
        damage_until: A second by which the damage was done: takes the three-way route, or ends what a log is asked for.
        route: `restore`, or `stream` or `export` for the one without a restore; blank for that of the incident.
        how: Of copies: `restore` into a table, or `export` to S3.
        bucket: S3 bucket of exports.
        prefix: Prefix in that bucket.
        incident: Name of the incident; a new one is made up when blank.
        approve: Digest of the plan to write; blank stops at the gate.
        restored: An existing copy to compare with, instead of a restore.
        restored_until: An existing copy of the table right after the damage, for the three-way route.
        target: Name of the table to restore into.
        source_arn: ARN of another table, whose past is restored.
        backup: ARN of a backup or recovery point to restore, instead of a second.
        backup_role: ARN of the role that AWS Backup restores under.
        target_region: Region to restore in.
        indexes: Indexes of the copy: `none`, `all`, or names.
        kms_key: Key of the copy: `aws-owned`, `aws-managed`, or a customer key.
        billing: Billing mode of the copy: `on-demand` or `provisioned`.
        throughput: Units of the copy, `READ/WRITE`.
        kinds: Scope by kind.
        keys: Scope by key.
        where: Scope by condition.
        modified: `keep` or `revert`.
        inserted: `keep` or `delete`.
        attributes: Of modified items put back only these.
        guard: `item` or `attributes`.
        expired: `keep` or `put`.
        mixed: `ask` or `revert`: damaged items that others wrote as well.
        accept: Findings to accept.
        write_units: Pace.
        read_units: Pace of the scans.
        alarms: CloudWatch alarms that pause the copy.
        ceiling: Write units a second that the table may consume in all.
        stop_file: File that ends the run while it exists.
        freeze: `true` holds other writers off while the copy writes.
        safety_copy: `true` for an on-demand backup of the table before the first write.
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

    def words(self, incident: str, **settled: str) -> list[str]:
        """Return the command line that asks for all of this again, as *incident*, with times as they have settled."""
        words = ["pitrkit", "recover", self.table]
        for one in fields(self):
            value = settled.get(one.name) or getattr(self, one.name)
            if one.name in {"table", "incident", "approve"} or not value:
                continue
            words.append(f"--{one.name.replace('_', '-')}")
            words += [] if one.name in _SWITCHES else [value]
        return [*words, "--incident", incident]

    def asked(self) -> Asked:
        """Return what is asked of the restored copy."""
        given = self.parameters("backup", *OPTIONS_OF_A_COPY)
        return Asked(**{_ASKED.get(name, name): value for name, value in given.items()})

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
        flag(self.route, "route", ("", "restore", "stream", "export"))
        flag(self.how, "how", ("", "restore", "export"))
        flag(self.freeze, "freeze", ("", "true"))
        flag(self.safety_copy, "safety_copy", ("", "true"))
        self._check_times(state)
        self._check_route(state)
        self._check_copy(state)
        Scope.check(self.kinds, self.keys, self.where, steps=self.without_restore(state))
        options.policy(
            self.modified, self.inserted, self.attributes, guard=self.guard, expired=self.expired, mixed=self.mixed
        )
        parse_accept(self.accept)
        for name in ("write_units", "read_units", "ceiling"):
            if value := getattr(self, name):
                try:
                    Pace(float(value))
                except ValueError:
                    raise BadInput(f"{name} is {value!r}", fix="Give a number, e.g. 100.") from None
        if self.approve and not re.fullmatch(rf"[0-9a-f]{{{SHORTEST},64}}", self.approve.strip().lower()):
            raise BadInput(
                f"{self.approve!r} is no digest of a plan",
                fix=f"Give the plan's digest, at least {SHORTEST} of its characters; the closed gate prints it.",
            )

    def _check_times(self, state: Mapping[str, Any]) -> None:
        times = [parse_time(at, now=now()) for name in TIMES if _is_time(at := getattr(self, name))]
        # In an incident that goes on, a relative time names what it named at first.
        if len(times) == len(TIMES) and not state and times[1] <= times[0]:
            raise BadInput(
                f"--damage-until {self.damage_until} is not after --at {self.at}",
                table=self.table,
                fix="Give the second before the damage, and one by which it was done.",
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
            words = "is about a table of the past, and --how export makes none"
            self._refuse(("restored", "restored_until", "target"), words, "Leave out one of them.")
        if not exports:
            fix = "Leave it out, or export: --how export, or --route export."
            self._refuse(("bucket", "prefix"), "is about exports, and this makes none", fix)
        if not (self.restored or state.get("restored_table")):
            words = "goes with a copy of the table as it was before the damage"
            self._refuse(("restored_until",), words, "Name that one, too: --restored TABLE.")

    def _check_copy(self, state: Mapping[str, Any]) -> None:
        """Let pass what a copy can be restored from and be like, as far as that can be told without AWS."""
        self.asked().check()
        if self.source_arn:
            arns.table_arn(self.source_arn)
        of_a_copy = ("source_arn", "backup", *OPTIONS_OF_A_COPY)
        if self.without_restore(state):
            words = "is about a restored copy, and this route has none"
            self._refuse(of_a_copy, words, "Leave it out, or take --route restore.")
        if not (self.backup or (state.get("restore_options") or {}).get("backup")):
            words = "is the role that AWS Backup restores under, and no recovery point was given"
            self._refuse(("backup_role",), words, "Leave it out, or give the recovery point: --backup ARN.")
        if self.how == "export":
            self._refuse(of_a_copy, "is about a restored table, and --how export makes none", "Leave out one of them.")
        if self.restored:
            words = "is about a restore, and --restored names a copy that is there"
            self._refuse(of_a_copy, words, "Leave out one of them.")
        if self.backup:
            words = "is about point-in-time recovery, and --backup restores the one moment that the backup shows"
            self._refuse(("at", "damage_until", "source_arn"), words, "Leave out one of them.")

    def _refuse(self, names: tuple[str, ...], what: str, fix: str) -> None:
        for name in names:
            if getattr(self, name):
                raise BadInput(f"--{name.replace('_', '-')} {what}", table=self.table, fix=fix)


def asked_text(at: str) -> str:
    """Return a time as it was asked for, to compare it with another one."""
    return at.strip().lower()


def _is_time(at: str) -> bool:
    return bool(at) and asked_text(at) != "latest"
