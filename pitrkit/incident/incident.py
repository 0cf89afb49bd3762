"""The incident: the folder that is the state between the notebooks and the record afterwards.

`incident.json` says where things stand, `events.jsonl` how they came about. Both are written so that a crash at any
moment leaves them readable: the event first, durable, then the state, replaced as a whole. Items of the table may be
in the folder (snapshots, changes, plans), so nobody but its owner may enter it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pitrkit import documents, files
from pitrkit.errors import BadInput
from pitrkit.incident import event_log
from pitrkit.incident.event_log import LogEvent
from pitrkit.times import Clock, now

Into = Mapping[str, Mapping[str, Any]]

STATE = "incident.json"
EVENTS = "events.jsonl"
LOCK = "incident.lock"
ROOT_VARIABLE = "PITRKIT_INCIDENTS"
"""Environment variable that names the folder of all incidents; `./incidents` where it is not set."""

DRY_RUN_VARIABLE = "PITRKIT_DRY_RUN"
"""Environment variable by which kernels know that nothing may be written to AWS."""

WORKING_COPY_VARIABLE = "PITRKIT_WORKING_COPY"
"""Environment variable by which `pitrkit lab` names its folder of notebooks; not set where nobody looks at them."""

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")


def root_folder(root: str | Path | None = None) -> Path:
    """Return the absolute folder that holds all incidents."""
    return Path(root or os.environ.get(ROOT_VARIABLE) or "incidents").absolute()


@dataclass(frozen=True)
class Incident:
    """An incident's folder.

    Attributes:
        id: Its name, safe as a folder's name.
        folder: The folder.
        clock: Where the times of its events come from.
    """

    id: str
    folder: Path
    clock: Clock = now

    @classmethod
    def open(
        cls,
        incident: str,
        *,
        root: str | Path | None = None,
        create: bool = False,
        account: str = "",
        region: str = "",
        table: str = "",
        clock: Clock = now,
    ) -> Incident:
        """Return the incident of that id, made anew if *create* says so and there is none.

        What is given of *account*, *region* and *table* must be what the incident already is about; where the
        incident does not say yet, it says so from now on.

        Raises:
            BadInput: The id is not safe, there is no such incident, it is about something else, or its folder
                cannot be written.
        """
        place = root_folder(root)
        folder = place / checked_id(incident)
        opened = cls(incident, folder, clock)
        if not (folder / STATE).is_file():
            if not create:
                raise BadInput(f"there is no incident {incident!r} in {place}", fix=_known(place))
            opened._make()
        opened._check_writable()
        opened.expect(account=account, region=region, table=table)
        return opened

    @classmethod
    def existing(cls, root: str | Path | None = None) -> list[Incident]:
        """Return the incidents in *root*, the last changed first."""
        place = root_folder(root)
        if not place.is_dir():
            return []
        states = [path / STATE for path in place.iterdir() if _SLUG.match(path.name) and (path / STATE).is_file()]
        states.sort(key=lambda state: (-state.stat().st_mtime_ns, state.parent.name))
        return [cls(state.parent.name, state.parent) for state in states]

    @property
    def data(self) -> dict[str, Any]:
        """What `incident.json` says now.

        Raises:
            RecordAltered: It is not readable.
        """
        fix = f"The last good values are in {EVENTS}; `pitrkit audit {self.id}` shows what changed."
        return documents.read(self.folder / STATE, dict[str, Any], fix=fix)

    def path(self, *parts: str) -> Path:
        """Return the path of something inside the folder.

        Raises:
            BadInput: It would lie outside of it.
        """
        path = self.folder.joinpath(*parts)
        if not Path(os.path.normpath(path)).is_relative_to(self.folder):
            raise BadInput(f"{'/'.join(parts)} lies outside the incident's folder", fix="Use names inside the folder.")
        return path

    def expect(self, *, account: str = "", region: str = "", table: str = "") -> None:
        """Make sure that the incident is about this account, region and table; blanks do not matter.

        Raises:
            BadInput: It is about another one.
        """
        state = self.data
        blank: dict[str, Any] = {}
        for name, expected in (("account", account), ("region", region), ("table", table)):
            recorded = state.get(name) or ""
            if expected and not recorded:
                blank[name] = expected
            elif expected and recorded != expected:
                raise BadInput(
                    f"incident {self.id!r} is for {name} {recorded}, not {expected}",
                    table=table,
                    fix="Use another incident ID, or the credentials, Region and table of this incident.",
                )
        if blank:
            self.update("identified", **blank)

    def update(
        self, event: str = "updated", /, *, into: Mapping[str, Mapping[str, Any]] | None = None, **fields: Any
    ) -> None:
        """Set *fields* in `incident.json` and record them as *event*.

        Args:
            event: What happened.
            into: Objects by field, each merged into the object that the field holds.
            fields: Values by field; each takes the place of what was there.

        Raises:
            PitrkitError: They could not be written.
        """
        with files.locked(self.folder / LOCK):
            state = self.data
            state.update(fields)
            for name, values in (into or {}).items():
                state[name] = {**(state.get(name) or {}), **values}
            # To JSON first, so that what cannot be written is refused before anything is recorded.
            raw = _pretty(state)
            state_digest = files.sha256(raw)
            event_log.append(self.folder / EVENTS, event, {**fields, **(into or {})}, self.clock(), state=state_digest)
            files.replace(self.folder / STATE, raw)

    def event(self, event: str, /, **data: Any) -> LogEvent:
        """Record that something happened; it is on disk when this returns.

        Raises:
            PitrkitError: It could not be written.
        """
        with files.locked(self.folder / LOCK):
            return event_log.append(self.folder / EVENTS, event, data, self.clock())

    def events(self) -> tuple[LogEvent, ...]:
        """Return everything recorded so far, in order."""
        return event_log.read(self.folder / EVENTS)

    def _make(self) -> None:
        try:
            self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self.folder.chmod(0o700)
            files.sync_folder(self.folder.parent)
            with files.locked(self.folder / LOCK):
                if (self.folder / STATE).exists():
                    return
                created = {"incident": self.id, "created_at": self.clock().isoformat(timespec="milliseconds")}
                event_log.append(self.folder / EVENTS, "incident_opened", created, self.clock())
                files.replace(self.folder / STATE, _pretty(created))
        except OSError as error:
            raise _not_writable(self.folder, error) from error

    def _check_writable(self) -> None:
        # Tried for real: permission bits do not tell the whole truth (read-only mounts, other owners, full quotas).
        probe = self.folder / f".{os.getpid()}.writable"
        try:
            with files.locked(self.folder / LOCK):
                probe.touch()
                probe.unlink()
        except OSError as error:
            raise _not_writable(self.folder, error) from error


def checked_id(incident: str) -> str:
    """Return *incident* if it is safe as a folder's name.

    Raises:
        BadInput: It is not.
    """
    if not _SLUG.match(incident) or ".." in incident:
        raise BadInput(
            f"{incident!r} is not a valid incident ID",
            fix="Use letters, digits, '.', '_' and '-', starting with a letter or digit, e.g. orders-2026-11-23.",
        )
    return incident


def _known(place: Path) -> str:
    names = [incident.id for incident in Incident.existing(place)]
    if not names:
        return "There are none yet: open one with 01_select_table."
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""  # noqa: PLR2004 (ten names are enough to read)
    return f"Existing incidents: {', '.join(names[:10])}{more}. Open a new one with 01_select_table."


def _not_writable(folder: Path, error: OSError) -> BadInput:
    return BadInput(
        f"the incident's folder {folder} cannot be written: {error.strerror}",
        fix=f"Set {ROOT_VARIABLE} to a writable folder, or make this one writable.",
    )


def _pretty(state: dict[str, Any]) -> bytes:
    return documents.pretty(state, indent=2).encode()
