"""What of the differences an incident's scope leaves out, from its `incident.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS = ("removed", "modified", "inserted")


def outside_scope(data: Mapping[str, Any]) -> dict[str, int]:
    """Return how many differences of each kind the scope leaves out, the kinds without any left out."""
    found, scoped = data.get("diff") or {}, data.get("scoped")
    if not scoped:
        return {}
    counts = {kind: found.get(kind, 0) - scoped.get(kind, 0) for kind in KINDS}
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
