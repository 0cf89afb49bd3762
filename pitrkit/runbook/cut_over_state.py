"""What `incident.json` says of a cut-over, for those who ask whether a copy is in use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STATE = "cut_over"
"""Object of `incident.json` with what came of a cut-over."""


def adopted(data: Mapping[str, Any], table: str) -> bool:
    """Return whether *table* was given the original's settings, and they were not all taken back."""
    state = data.get(STATE) or {}
    if state.get("table") != table:
        return False
    taken_back = state.get("action") == "take settings back" and not state.get("failed") and not state.get("changed")
    return not (taken_back and (state.get("verify") or {}).get("ok"))
