"""A drill headless: 15 as one incident, and its end brought about even where the notebook did not reach it.

A notebook whose cell raised runs none of those below it, so the tables that it made would stay. This process lives on,
and deletes them. If it is killed as well, the next drill finds them, or 14 of the same incident.
"""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from pitrkit.errors import Exit, PitrkitError
from pitrkit.runbook import drill_leftovers
from pitrkit.runbook.book import connect
from pitrkit.runbook.drill_history import left_over
from pitrkit.runbook.front import RunResult, shown
from pitrkit.runbook.incident import STATE, Incident, root_folder
from pitrkit.runbook.scratch import DrillBook
from pitrkit.runbook.verdict import reach

NOTEBOOK = "15_drill"


def after(result: RunResult, incident: str, *, root: Path | None = None, echo: TextIO) -> None:
    """Bring a drill to its end whose notebook has ended, whichever way, and say how it stands."""
    if not (root_folder(root) / incident / STATE).is_file():
        return  # it stopped before its gate, so there is nothing of it
    opened = Incident.open(incident, root=root)
    if not opened.data.get("drill"):
        return
    if not opened.data["drill"].get("outcome") or left_over(opened.data):
        _tidy(opened, result, echo)
    verdict = reach(opened.data)
    print(f"{opened.data['table']}: {verdict.title.lower()}. {verdict.words}", file=echo)
    print(f"   report    {shown(opened.folder / 'report.html')}", file=echo, flush=True)


def _tidy(opened: Incident, result: RunResult, echo: TextIO) -> None:
    interrupted = result.exit_code is Exit.INTERRUPTED
    why = "it was interrupted" if interrupted else (result.error.splitlines() or ["it stopped"])[0]
    try:
        left = drill_leftovers.tidy(DrillBook(connect(), opened), why)
    except PitrkitError as error:
        print(f"pitrkit: the drill could not clean up: {error}", file=echo)
        left = left_over(opened.data)
    if left:
        print(
            f"Still there: {', '.join(left)}. The next drill deletes what is left, or:\n"
            f"   clean up  pitrkit run 14_clean_up -p incident {opened.id}",
            file=echo,
            flush=True,
        )
