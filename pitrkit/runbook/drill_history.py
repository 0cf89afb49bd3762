"""Drills as their incidents tell of them: how long each step took, what was found, and whether it passed.

The history is the incidents themselves, sealed like any other; there is no second book that could say something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from pitrkit.dynamodb import pitr
from pitrkit.errors import RecordAltered
from pitrkit.runbook.incident import Incident
from pitrkit.runbook.sides import SCRATCH, THEN
from pitrkit.runbook.values import duration, things

COMPARED = 12
"""How many drills are looked at together."""

RECOVERY = ("restore", "diff", "plan", "copy", "verify")
"""The steps that a recovery takes, in order; what a drill does besides is not counted as its time."""

NO_LIMIT = "none"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a drill must keep to; None where nothing is set.

    Attributes:
        recovery_time: From the beginning of the restore until the copy is verified.
        recovery_point: How much of the latest past cannot be restored.
    """

    recovery_time: timedelta | None
    recovery_point: timedelta | None

    @classmethod
    def parse(cls, recovery_time: str, recovery_point: str) -> Limits:
        """Return the limits in words such as `2h`; blank, or `none`, for no limit.

        Raises:
            BadInput: One is no length of time.
        """
        return cls(_limit(recovery_time), _limit(recovery_point))

    def to_dict(self) -> dict[str, float | None]:
        """Return them in seconds."""
        pairs = (("recovery_time", self.recovery_time), ("recovery_point", self.recovery_point))
        return {name: limit.total_seconds() if limit is not None else None for name, limit in pairs}


def _limit(text: str) -> timedelta | None:
    return None if text.strip().lower() in ("", NO_LIMIT) else pitr.parse_duration(text)


@dataclass(frozen=True, slots=True)
class Drill:
    """One drill.

    Attributes:
        incident: Its incident.
        began_at: When its restore began.
        steps: Seconds by step, as far as it got.
        recovery_seconds: From the beginning of the restore until the copy was verified; None if it did not get there.
        recovery_point_seconds: How far the latest restorable time was behind.
        limits: In seconds, by name.
        items: How many items were copied.
        passed: Whether it is over and kept to everything.
        why: Why it failed.
    """

    incident: str
    began_at: datetime
    steps: Mapping[str, float]
    recovery_seconds: float | None
    recovery_point_seconds: float | None
    limits: Mapping[str, float | None]
    items: int
    passed: bool
    why: tuple[str, ...]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Drill | None:
        """Return the drill of an incident, as its `incident.json` has it; None if it is none, or never began."""
        drill = data.get("drill") or {}
        if not drill.get("began_at"):
            return None
        outcome = drill.get("outcome") or {}
        return cls(
            incident=str(data.get("incident") or ""),
            began_at=datetime.fromisoformat(str(drill["began_at"])),
            steps={name: float(took) for name, took in (data.get("drill_steps") or {}).items()},
            recovery_seconds=drill.get("recovery_seconds"),
            recovery_point_seconds=drill.get("recovery_point_seconds"),
            limits=drill.get("limits") or {},
            items=int((data.get("plan") or {}).get("puts") or 0),
            passed=bool(outcome.get("passed")),
            why=tuple(outcome.get("why") or ("it did not end",)),
        )


def earlier(data: Mapping[str, Any]) -> list[Drill]:
    """Return the last drills of the same table before the one that *data* is about, the oldest first."""
    found = []
    for one in Incident.existing():
        try:
            other = one.data
        except RecordAltered:
            continue  # named where incidents are listed
        same = all(other.get(name) == data.get(name) for name in ("table", "account", "region"))
        if same and one.id != data.get("incident") and (drill := Drill.of(other)) is not None:
            found.append(drill)
    return sorted(found, key=lambda one: one.began_at)[-(COMPARED - 1) :]


def compared(drill: Drill, others: list[Drill]) -> str:
    """Return how a drill's recovery time stands beside that of those before it that got as far."""
    took = [one.recovery_seconds for one in others if one.recovery_seconds is not None]
    if drill.recovery_seconds is None or not took:
        return "There is no earlier drill of this table here to compare with." if not took else ""
    usual = median(took)
    beside = f"the median of the {len(took)} before it, {duration(usual)}" if len(took) > 1 else (
        f"the {duration(usual)} of the one before it"
    )  # fmt: skip
    by = round(100 * (drill.recovery_seconds - usual) / max(1.0, usual))  # of parts of a second nobody asks
    if not by:
        return f"As long as {beside}."
    return f"{abs(by)} % {'longer' if by > 0 else 'shorter'} than {beside}."


def failures(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Return why a drill that ran to its end has failed, by what its incident says; nothing if it passed."""
    drill = data.get("drill") or {}
    limits = drill.get("limits") or {}
    found = []
    verified, made = data.get("verify") or {}, data.get("plan") or {}
    if made.get("puts") and not verified.get("ok"):
        wrong = verified.get("mismatches", 0) + verified.get("unwritten", 0) + verified.get("conflicts", 0)
        found.append(f"of what was copied, {things(wrong, 'item')} did not hold")
    if not (drill.get("undone") or {}).get("ok"):
        left = (drill.get("undone") or {}).get("left", 0)
        found.append(f"the copy was not taken back whole: {things(left, 'item')} stayed in the scratch table")
    for name, words in (("recovery_time", "recovery took"), ("recovery_point", "the recovery point was")):
        value = drill.get("recovery_seconds" if name == "recovery_time" else "recovery_point_seconds")
        limit = limits.get(name)
        if limit is not None and value is not None and value > limit:
            behind = " behind" if name == "recovery_point" else ""
            found.append(f"{words} {duration(value)}{behind}, and the limit is {duration(limit)}")
    found += [f"{name} was not deleted" for name in left_over(data)]
    return tuple(found)


def left_over(data: Mapping[str, Any]) -> list[str]:
    """Return the tables that a drill has made, or was about to make, and not deleted."""
    if not data.get("drill"):
        return []
    return [
        str(data[side.table]) for side in (THEN, SCRATCH) if data.get(side.by) == "incident" and data.get(side.table)
    ]
