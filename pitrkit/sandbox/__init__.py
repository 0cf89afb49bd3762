"""An embedded AWS with a real past, for the demo, for tests and for drills. Imports nothing of the kit."""

from pitrkit.sandbox.exports.buckets import EXPORTS_BUCKET
from pitrkit.sandbox.exports.export_faults import ExportFault
from pitrkit.sandbox.exports.export_files import ExportSettings
from pitrkit.sandbox.protocol.faults import FaultRule
from pitrkit.sandbox.server.sandbox import Sandbox
from pitrkit.sandbox.store.clock import Clock
from pitrkit.sandbox.store.history import PastWrite
from pitrkit.sandbox.store.trail_events import ManagementEvent

__all__ = [
    "EXPORTS_BUCKET",
    "Clock",
    "ExportFault",
    "ExportSettings",
    "FaultRule",
    "ManagementEvent",
    "PastWrite",
    "Sandbox",
]
