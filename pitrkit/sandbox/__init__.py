"""An embedded AWS with a real past, for the demo, for tests and for drills. Imports nothing of the kit."""

from pitrkit.sandbox.clock import Clock
from pitrkit.sandbox.faults import Fault
from pitrkit.sandbox.history import PastWrite
from pitrkit.sandbox.server import Sandbox
from pitrkit.sandbox.trail import TrailEvent

__all__ = ["Clock", "Fault", "PastWrite", "Sandbox", "TrailEvent"]
