"""Typed reads of `incident.json`: copies of the past, what the scope leaves out, whether a copy was adopted.

Each side of the past is a copy of the table. `incident.json` names what is known of it by the fields of its
`CopyFields`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SHORTEST = 12
"""Characters of a plan's digest that name it: in folders and commands, and that an approval needs at least."""

STATE = "cut_over"
"""Object of `incident.json` with what came of a cut-over."""


def adopted(data: Mapping[str, Any], table: str) -> bool:
    """Return whether *table* was given the original's settings, and they were not all taken back."""
    state = data.get(STATE) or {}
    if state.get("table") != table:
        return False
    taken_back = state.get("action") == "take settings back" and not state.get("failed") and not state.get("changed")
    return not (taken_back and (state.get("verify") or {}).get("ok"))


KINDS = ("removed", "modified", "inserted")


def outside_scope(data: Mapping[str, Any]) -> dict[str, int]:
    """Return how many differences of each kind the scope leaves out, the kinds without any left out."""
    diff_counts, scoped = data.get("diff") or {}, data.get("scoped")
    if not scoped:
        return {}
    counts = {kind: diff_counts.get(kind, 0) - scoped.get(kind, 0) for kind in KINDS}
    return {kind: count for kind, count in counts.items() if count > 0}


def outside_plan(data: Mapping[str, Any], changes: str) -> dict[str, int]:
    """Return what the scope of a plan of the changes in the folder *changes* leaves out; nothing if it is of others."""
    return outside_scope(data) if changes and str(data.get("scoped_changes")).endswith(f"/{changes}") else {}


def outside_words(counts: Mapping[str, int]) -> str:
    """Return such counts in words, e.g. `8 removed, 321 modified`."""
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items())


def nothing_in_scope(data: Mapping[str, Any]) -> bool:
    """Return whether there are differences, and the scope leaves out every one of them."""
    scoped = data.get("scoped") or {}
    return bool(outside_scope(data)) and not any(scoped.get(kind) for kind in KINDS)


@dataclass(frozen=True, slots=True)
class CopyFields:
    """Names of the fields in which an incident keeps what it knows of one copy of its table's past.

    Attributes:
        at: The second it shows.
        table: Name of the copy.
        table_id: The copy's TableId, once it can be read.
        by: Whose it is: `incident` restored it, `adopted` found it, `given` by the operator; `deleted` since;
            `exported`, when it is no table but a full export in S3.
        export: ARN of that export.
        region: Region of the copy, where that is not the incident's.
        source: ARN of what it was restored from: a table or a backup.
        started_at: When its restore or export began.
        snapshot: What its snapshot's folder is called.
    """

    at: str
    table: str
    table_id: str
    by: str
    export: str
    started_at: str
    snapshot: str
    region: str
    source: str


BEFORE_DAMAGE = CopyFields(
    "restore_at",
    "restored_table",
    "restored_table_id",
    "restored_by",
    "restored_export",
    "restore_started_at",
    "then",
    "restored_region",
    "restored_source",
)
"""The table as of the recovery point: before the damage."""

AFTER_DAMAGE = CopyFields(
    "damage_until",
    "until_table",
    "until_table_id",
    "until_by",
    "until_export",
    "until_started_at",
    "until",
    "until_region",
    "until_source",
)
"""The table right after the damage, in a three-way recovery."""

SCRATCH = CopyFields("", "scratch_table", "scratch_table_id", "scratch_by", "", "scratch_started_at", "scratch", "", "")
"""A drill's scratch table: no side of a comparison, but a table that the incident made."""


def made(data: Mapping[str, Any]) -> tuple[CopyFields, ...]:
    """Return the tables that an incident may have made, by the fields that know of them."""
    return (*sides(data), *((SCRATCH,) if data.get(SCRATCH.table) else ()))


def sides(data: Mapping[str, Any]) -> tuple[CopyFields, ...]:
    """Return the sides of the past that an incident, as its `incident.json` has it, looks at."""
    return (
        (BEFORE_DAMAGE, AFTER_DAMAGE) if data.get(AFTER_DAMAGE.at) or data.get(AFTER_DAMAGE.table) else (BEFORE_DAMAGE,)
    )
