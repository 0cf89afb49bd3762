"""What goes along with a headless run: its log for machines, and what its kernels inherit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pitrkit.runbook.run_log import RunLog

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Watch:
    """What a run is accompanied by. By default it is nothing.

    Attributes:
        log: The log for machines.
        fds: File descriptors that kernels inherit.
        dry: Whether nothing may be written to AWS.
        before: Called with the name of each notebook before it begins; it raises to keep that from happening.
    """

    log: RunLog = field(default_factory=RunLog)
    fds: tuple[int, ...] = ()
    dry: bool = False
    before: Callable[[str], object] = lambda _name: None

    def begins(self, notebook: str) -> None:
        """Take note that a notebook is about to begin."""
        self.before(notebook)
        self.log.begins(notebook)
