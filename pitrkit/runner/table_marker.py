"""The marker of a recovery: a tag of its table that keeps a second recovery off, on whatever machine.

    pitrkit:recovery = incident=night host=ops-1 pid=4711 since=2026-11-23T03:15:00Z

It is a courtesy, not a guarantee: tags are eventually consistent, and a role may not be allowed to set them. What keeps
two recoveries from harming each other are the guards of their writes. So a marker that cannot be set is said, and the
recovery goes on; one that is there stops it before it reads anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables import table_tag, tables
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import BadInput, PitrkitError
from pitrkit.incident import account_log, lock
from pitrkit.incident.incident import STATE, Incident, root_folder
from pitrkit.incident.lock import Holder

TAG = "pitrkit:recovery"
_VALUE = re.compile(r"incident=(?P<incident>\S+) host=(?P<host>\S*) pid=(?P<pid>\d+) since=(?P<since>\S+)\Z")


@dataclass(frozen=True, slots=True)
class MarkerContent:
    """What a marker says.

    Attributes:
        incident: The incident at work on the table.
        holder: The process that works for it.
    """

    incident: str
    holder: Holder

    @classmethod
    def of(cls, incident: str) -> MarkerContent:
        """Return this process's mark for an incident."""
        return cls(incident, Holder.me())

    @classmethod
    def read(cls, value: str) -> MarkerContent | None:
        """Return what a tag's value says; None where it is none of ours."""
        match = _VALUE.match(value)
        return cls(match["incident"], Holder(int(match["pid"]), match["host"], match["since"])) if match else None

    @property
    def here(self) -> bool:
        """Whether it is of a run on this machine."""
        return self.holder.host == lock.host()

    def __str__(self) -> str:
        holder = self.holder
        return f"incident={self.incident} host={holder.host} pid={holder.pid} since={holder.since}"


class TableMarker:
    """The marker of a run on its table. `remove` it when the run has ended, however it ended.

    Args:
        aws: Where.
        table: The table.
        incident: The incident at work.
        root: Folder of all incidents.

    Attributes:
        words: What there is to say of it; blank for nothing.
        taken_over: The mark whose place was taken, if one was.
    """

    def __init__(self, aws: Aws, table: Table, incident: str, root: str | Path | None = None) -> None:
        self._aws, self._table, self._root = aws, table, root
        self._mine = MarkerContent.of(incident)
        self._placed = False
        self.words = ""
        self.taken_over: MarkerContent | None = None

    def place(self, take_over: str = "") -> None:
        """Mark the table, unless another recovery has.

        Args:
            take_over: Name of an incident whose mark is replaced.

        Raises:
            BadInput: Another recovery is at work on the table.
        """
        value = table_tag.read_tag(self._aws, self._table, TAG)
        present_mark = MarkerContent.read(value or "")
        if present_mark is not None and not self._own(present_mark):
            self._judge(present_mark, take_over)
            self.taken_over = present_mark
            self.words = f"took over {self._table.name} from incident {present_mark.incident} ({present_mark.holder})"
        self._placed = table_tag.set_tag(self._aws, self._table, TAG, str(self._mine))
        if not self._placed or value is None:
            self.words = f"{self._table.name} cannot be marked as being recovered (tags are denied): nothing keeps a "
            self.words += "second recovery on another machine off it"

    def check(self) -> None:
        """Make sure that the mark is still this run's.

        Raises:
            BadInput: Another recovery has put its own in its place.
        """
        present_mark = (
            MarkerContent.read(table_tag.read_tag(self._aws, self._table, TAG) or "") if self._placed else None
        )
        if present_mark is not None and str(present_mark) != str(self._mine):
            self._placed = False  # it is not ours to remove
            raise BadInput(
                f"incident {present_mark.incident} has taken over the recovery of this table: {present_mark.holder}",
                table=self._table.name,
                fix="Agree with whoever runs it on who goes on. What was written is in the journal.",
            )

    def remove(self) -> None:
        """Take the mark away, if it is this run's."""
        if not self._placed:
            return
        present_mark = MarkerContent.read(table_tag.read_tag(self._aws, self._table, TAG) or "")
        if present_mark is None or str(present_mark) == str(self._mine):
            self._placed = not table_tag.remove(self._aws, self._table, TAG)

    def _own(self, there: MarkerContent) -> bool:
        """Return whether it is of an earlier run of this incident here, whose lock is this run's now."""
        return there.incident == self._mine.incident and there.here

    def _judge(self, there: MarkerContent, take_over: str) -> None:
        at_work = lock.is_held(there.incident, self._root)
        stale = self._why_stale(there) if not at_work else ""
        if take_over == there.incident and not at_work:
            return
        what = f"it is being recovered already, by incident {there.incident}: {there.holder}"
        again = f"run this again with --take-over {there.incident}"
        if at_work:
            fix = "Wait until that run has ended, or end it."
        elif stale:
            what = f"it is marked as being recovered by incident {there.incident}, but {stale} ({there.holder})"
            fix = f"To take its place, {again}."
        else:
            fix = f"Wait until that run has ended. If it has, and left its mark behind, {again}."
        raise BadInput(what, table=self._table.name, fix=fix)

    def _why_stale(self, there: MarkerContent) -> str:
        if there.holder.gone or (there.here and lock.is_held(there.incident, self._root) is False):
            return "that run is dead"
        folder = root_folder(self._root) / there.incident
        if (folder / STATE).is_file() and (Incident(there.incident, folder).data.get("steps") or {}).get("report"):
            return "that incident has ended"
        return ""


def read_marker(table: str, incident: str, root: str | Path | None = None) -> TableMarker | None:
    """Return the marker for a table; None where it cannot be looked at, which the first notebook will explain."""
    try:
        aws = account_log.connect()
        return TableMarker(aws, tables.describe(aws, table), incident, root)
    except PitrkitError:
        return None
