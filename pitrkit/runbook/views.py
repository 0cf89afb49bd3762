"""The views of the runbook, gathered: what each step shows, in a notebook as HTML and elsewhere as text."""

from __future__ import annotations

from pitrkit.runbook.change_views import attributes_view, counts_card, samples_view
from pitrkit.runbook.copy_views import gate_card, intent_card, plan_card, scope_words, stale_card, tally_card
from pitrkit.runbook.incident_views import (
    audit_card,
    caller_strip,
    error_card,
    incident_strip,
    incidents_list,
    interrupted_card,
    note,
    onward,
    report_card,
)
from pitrkit.runbook.log_views import exports_card
from pitrkit.runbook.outcome_views import (
    applied_card,
    conflict_card,
    conflicts_card,
    counted,
    stopped_card,
    verified_card,
)
from pitrkit.runbook.table_views import (
    backup_card,
    backups_list,
    protections,
    restoration_card,
    table_card,
    tables_overview,
)
from pitrkit.runbook.timeline_views import picked_time, window_view
from pitrkit.runbook.view import View

__all__ = [
    "View",
    "applied_card",
    "attributes_view",
    "audit_card",
    "backup_card",
    "backups_list",
    "caller_strip",
    "conflict_card",
    "conflicts_card",
    "counted",
    "counts_card",
    "error_card",
    "exports_card",
    "gate_card",
    "incident_strip",
    "incidents_list",
    "intent_card",
    "interrupted_card",
    "note",
    "onward",
    "picked_time",
    "plan_card",
    "protections",
    "report_card",
    "restoration_card",
    "samples_view",
    "scope_words",
    "stale_card",
    "stopped_card",
    "table_card",
    "tables_overview",
    "tally_card",
    "verified_card",
    "window_view",
]
