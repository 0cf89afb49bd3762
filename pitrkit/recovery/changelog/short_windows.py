"""What happened in a stretch too short to be exported, out of three exports that end with it. `from_exports` says how.

Records are spread over work files by their keys, so that one file at a time is held, whatever the exports' size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self
from zlib import crc32

from pitrkit.aws.change_data.export_records import ExportRecord
from pitrkit.aws.change_data.exports import SHORTEST
from pitrkit.aws.items import Key
from pitrkit.recovery.changes.change import ItemStep

Role = Literal["early", "before", "until"]
ROLES: tuple[Role, ...] = ("early", "before", "until")

SLACK = timedelta(minutes=1)
"""By how much the service says the ends of an export's window may be off."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Undecided:
    """An item of which exports cannot tell what happened to it.

    Attributes:
        key: Its key.
        why: Why not.
        records: What the exports say about it, each with the name of its window, without images that do not matter.
    """

    key: Key
    why: str
    records: tuple[tuple[Role, ExportRecord], ...]


def export_windows(since_at: datetime, until_at: datetime) -> list[tuple[datetime, datetime]]:
    """Return the windows of the three exports, in the order of `ROLES`."""
    ends = (until_at - SHORTEST, since_at, until_at)
    return [(end - SHORTEST, end) for end in ends]


class Evidence:
    """Records of the three exports: taken in inside a `with` block, told from after it.

    Args:
        since_at: Beginning of the stretch.
        until_at: Its end.
        folder: Where the work files go.
        stretches: How many work files.
    """

    def __init__(self, since_at: datetime, until_at: datetime, folder: Path, stretches: int) -> None:
        self._since_at = since_at
        self._since, self._until = micros(since_at), micros(until_at)
        self._paths = [folder / f"stretch-{number}" for number in range(stretches)]
        self._files: list[BinaryIO] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._files = [self._stack.enter_context(path.open("wb")) for path in self._paths]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, role: Role, records: Iterable[ExportRecord]) -> None:
        """Take in what the export of *role* says."""
        made_from = self._since - SHORTEST // _MICRO
        for record in records:
            if role == "early" and record.micros < made_from:
                continue
            # Images are kept where they matter: of `until`, where the item was written in the stretch.
            old = record.before if role == "until" and record.micros >= self._since else None
            new = record.after if role == "before" or old or record.micros >= self._since else None
            # Canonical JSON has no tabs and no line ends outside of strings, and escapes those inside.
            line = b"%d\t%d\t%b\t%b\t%b\n" % (ROLES.index(role), record.micros, record.key, old or b"", new or b"")
            self._files[crc32(record.key) % len(self._files)].write(line)

    def told(self) -> Iterator[ItemStep | Undecided]:
        """Yield what happened to each item that is not at the end what it was at the beginning."""
        for path in self._paths:
            seen: dict[bytes, dict[Role, ExportRecord]] = {}
            with path.open("rb") as lines:
                for line in lines:
                    role, at, key, before, after = line.rstrip(b"\n").split(b"\t")
                    record = ExportRecord(key, int(at), before or None, after or None)
                    seen.setdefault(key, {})[ROLES[int(role)]] = record
            path.unlink()
            for records in seen.values():
                if (evidence_step := self._told(records)) is not None:
                    yield evidence_step

    def _told(self, records: dict[Role, ExportRecord]) -> ItemStep | Undecided | None:
        before, until = records.get("before"), records.get("until")
        if until is None:
            return self._vanished(records)
        if until.micros < self._since:
            return None
        if until.micros >= self._until:
            return _undecided(records, "the last export contains a write after the end of its window")
        old = until.before
        if before is not None:
            if before.micros >= self._since:
                return _undecided(records, "the export that ends at the start of the window contains a later write")
            old = before.after
        elif old is not None and (early := records.get("early")) is not None:
            if early.micros < self._since + (SLACK - SHORTEST) // _MICRO:
                return _undecided(records, "it was written too close to the start of the export before the window")
            old = None
        return None if old == until.after else self._step(until, old, until.after, until.micros)

    def _vanished(self, records: dict[Role, ExportRecord]) -> ItemStep | Undecided | None:
        """Tell of an item that the last export does not have: either not written in its window, or made and deleted."""
        before = records.get("before")
        if before is None or before.after is None:
            return None
        begin = self._until - SHORTEST // _MICRO
        if before.micros < begin:
            return None
        if before.micros >= self._since:
            return _undecided(records, "the export that ends at the start of the window contains a later write")
        if before.micros < begin + SLACK // _MICRO:
            return _undecided(records, "it was written too close to the start of the last export")
        return self._step(before, before.after, None, self._until - 1, undated=True)

    def _step(
        self, record: ExportRecord, before: bytes | None, after: bytes | None, at: int, *, undated: bool = False
    ) -> ItemStep:
        texts = _text(before), _text(after)
        return ItemStep(record.key.decode(), self._since_at, moment(at), *texts, single=False, undated=undated)


def micros(at: datetime) -> int:
    """Return a time in microseconds since 1970."""
    return (at - _EPOCH) // _MICRO


def moment(at: int) -> datetime:
    """Return the time of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=at)


def step_of(record: ExportRecord, since_at: datetime) -> ItemStep | None:
    """Return what *record* tells of a window that begins at *since_at*; None if nothing is changed."""
    if record.before == record.after:
        return None
    return ItemStep(
        record.key.decode(), since_at, moment(record.micros), _text(record.before), _text(record.after), single=False
    )


def _undecided(records: dict[Role, ExportRecord], why: str) -> Undecided:
    key = next(iter(records.values())).key.decode()
    return Undecided(key, why, tuple((role, records[role]) for role in ROLES if role in records))


def _text(image: bytes | None) -> str | None:
    return None if image is None else image.decode()
