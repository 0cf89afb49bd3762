"""An embedded AWS with a real past, for the demo, for tests and for drills. Imports nothing of the kit."""

from pitrkit.sandbox.buckets import EXPORTS_BUCKET
from pitrkit.sandbox.clock import Clock
from pitrkit.sandbox.export_faults import ExportFault
from pitrkit.sandbox.export_files import ExportSettings
from pitrkit.sandbox.faults import Fault
from pitrkit.sandbox.history import PastWrite
from pitrkit.sandbox.server import Sandbox
from pitrkit.sandbox.trail import TrailEvent

__all__ = ["EXPORTS_BUCKET", "Clock", "ExportFault", "ExportSettings", "Fault", "PastWrite", "Sandbox", "TrailEvent"]
