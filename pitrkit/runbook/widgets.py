"""The widgets of the runbook, gathered: what an operator chooses with where a parameter is blank."""

from __future__ import annotations

from pitrkit.runbook.controls import ApproveBox, Choice
from pitrkit.runbook.explorer import Explorer
from pitrkit.runbook.table_picker import TablePicker
from pitrkit.runbook.time_picker import TimePicker
from pitrkit.runbook.timeline_picker import TimelinePicker

__all__ = ["ApproveBox", "Choice", "Explorer", "TablePicker", "TimePicker", "TimelinePicker"]
