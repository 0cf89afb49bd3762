"""The progress of a copy: live counters while it writes, how fast and why not faster, and that stopping it is safe."""

from __future__ import annotations

from typing import Any

from pitrkit.recovery.run import Tally
from pitrkit.runbook.copy_views import tally_card
from pitrkit.runbook.progress import Progress


class CopyProgress(Progress):
    """Shows a copy under way as a card of its own, which gives way to one line when it has ended."""

    def __init__(self, label: str, total: int, **options: Any) -> None:
        super().__init__(label, total, "writes", **options)
        self.tally: Tally | None = None

    def stands(self, tally: Tally) -> None:
        """Say how the copy stands."""
        self.tally = tally
        self(tally.done, tally.total, str(tally))

    def html(self) -> str:
        """Return the card while it runs, the line with its bar afterwards."""
        if self.tally is None or self.state.ended:
            return super().html()
        view = tally_card(self.state.label, self.tally, self.state.seconds, self.state.eta_seconds)
        return view._repr_html_()
