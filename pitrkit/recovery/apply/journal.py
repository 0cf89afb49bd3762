"""The journal of a copy: what was about to be written and what came of it, one JSON line each, fsynced.

Intents are on disk before anything is sent, outcomes after. So whatever instant the process dies at, each planned
write is known to be untouched, settled, or *unsure*: sent perhaps, with nobody left to hear the answer. A later run
finds out what became of the unsure ones by their guards.

The lines are chained (see `hash_chain`), so that a lost or altered one shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from pitrkit.aws.items import Image, Key
from pitrkit.errors import RecordAltered
from pitrkit.recovery.apply.hash_chain import Chain, chained
from pitrkit.recovery.changes.change import Change, Kind
from pitrkit.recovery.changes.change_set import ChangeSet, from_changes
from pitrkit.recovery.plan.guard import Write
from pitrkit.recovery.plan.plan import Plan

Outcome = Literal["applied", "already", "conflict", "failed"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What came of one write.

    Attributes:
        number: The write's number in the plan.
        outcome: `applied`; `already` so without us; `conflict`: somebody else's state was found and left alone;
            `failed`: refused or given up, to be sent again by the next run.
        found: Of a conflict: the item that was there, None if there was none.
        code: AWS's error code, where there is one.
        request_id: AWS's id of the last request.
        why: Of a failure: what the service said, in words.
        at: When it was known.
        units: Write units the service says were consumed.
        before: The image that was replaced, where it is not the plan's `seen`: somebody had added attributes.
        after: The image that is there now, where it is not the plan's `goal`, for the same reason.
        unsure: An attempt whose answer was lost may have taken effect before this outcome.
    """

    number: int
    outcome: Outcome
    found: Image | None = None
    code: str = ""
    request_id: str = ""
    why: str = ""
    at: str = ""
    units: float = 0.0
    before: Image | None = None
    after: Image | None = None
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Conflict:
    """A planned write that was not done, because the item was not as it should have been.

    Attributes:
        seen: The state the plan relied on.
        goal: What the plan would have made of it.
        found: What was there instead.
        unsure: A lost attempt may have been done before somebody changed the item further.
    """

    number: int
    key: Key
    seen: Image | None
    goal: Image | None
    found: Image | None
    unsure: bool


def journal_path(folder: Path, plan: Plan) -> Path:
    """Return where the journal of *plan* lies under *folder*: one journal for each plan."""
    return folder / f"{plan.digest[:12]}.jsonl"


class Journal:
    """A journal, read. Nothing of it is held; each call reads the file anew.

    Args:
        path: The file. It need not exist yet: then nothing has been written.
        plan: The plan it has to belong to; absent, it is read whosever it is.
    """

    def __init__(self, path: Path, plan: Plan | None = None) -> None:
        self.path = path
        self.plan = plan

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield every whole line.

        Raises:
            RecordAltered: A line other than a last one cut short is damaged, missing or out of order, or the
                journal is another plan's.
        """
        for line, _, _ in chained(self.path):
            if self.plan is not None:
                _check_plan(line, self.plan, self.path)
            yield line

    def outcomes(self) -> Iterator[Entry]:
        """Yield what came of each write that was settled or has failed: one entry each, the latest."""
        last_failure: dict[int, int] = {}
        for position, line in enumerate(self.lines()):
            if line["is"] == "outcome":
                if line["outcome"] == "failed":
                    last_failure[line["number"]] = position
                else:
                    last_failure.pop(line["number"], None)
        for position, line in enumerate(self.lines()):
            if line["is"] == "outcome" and (
                line["outcome"] != "failed" or last_failure.get(line["number"]) == position
            ):
                yield _entry(line)


class JournalState:
    """Where each write stands: one byte a write, so a plan of ten million needs ten megabytes.

    Attributes:
        begun_at: When the first run began, by the service's clock; empty if none did.
        counts: Settled writes by outcome.
        repairs: Items that a delete of ours took away although they had changed, and that are not back yet.
    """

    _SETTLED, _UNSURE, _DOUBTED = 1, 2, 4

    def __init__(self, total: int) -> None:
        self._flags = bytearray(total + 1)
        self.begun_at = ""
        self.counts: Counter[Outcome] = Counter()
        self.repairs: dict[int, Image] = {}

    def follow(self, line: dict[str, Any]) -> None:
        """Take in one more line of the journal."""
        match line["is"]:
            case "begin":
                self.begun_at = self.begun_at or line["service_at"]
            case "intent":
                for number in line["numbers"]:
                    # A doubt from an earlier run outlives an attempt that is called off.
                    doubt = self._DOUBTED if self._flags[number] & self._UNSURE else 0
                    self._flags[number] = self._UNSURE | doubt
            case "unsent":
                for number in line["numbers"]:
                    self._flags[number] = self._UNSURE if self._flags[number] & self._DOUBTED else 0
            case "repair":
                self.repairs[line["number"]] = line["image"]
            case "outcome" if line["outcome"] == "failed":
                self._flags[line["number"]] = self._UNSURE if line.get("unsure") else 0
            case "outcome":
                self._flags[line["number"]] = self._SETTLED
                self.counts[line["outcome"]] += 1
                self.repairs.pop(line["number"], None)

    def settled(self, write: Write) -> bool:
        """Return whether *write* needs no sending any more."""
        return bool(self._flags[write.number] & self._SETTLED)

    def unsure(self, write: Write) -> bool:
        """Return whether *write* may have taken effect although no outcome says so."""
        return bool(self._flags[write.number] & self._UNSURE)


class JournalWriter:
    """A journal, open for one run of one plan. Safe to share between threads.

    Attributes:
        state: Where each write stood when it was opened.

    Raises:
        BadInput: Another run has it open, or it cannot be written.
        RecordAltered: It is damaged, or another plan's.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        self.state = JournalState(plan.total)

        def follow(line: dict[str, Any]) -> None:
            _check_plan(line, plan, path)
            self.state.follow(line)

        self._chain = Chain(path, follow)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._chain.close()

    def begin(self, plan: Plan, service_at: datetime) -> None:
        """Note that a run begins; *service_at* is the moment before its first write, by the service's clock."""
        self._note({"is": "begin", "plan": plan.digest, "service_at": service_at.isoformat()})

    def intend(self, numbers: Sequence[int]) -> None:
        """Note that these writes are about to be sent."""
        self._note({"is": "intent", "numbers": list(numbers)})

    def unsent(self, numbers: Sequence[int]) -> None:
        """Note that these writes, though intended, were not sent after all."""
        self._note({"is": "unsent", "numbers": list(numbers)})

    def repair(self, number: int, image: Image) -> None:
        """Note an item that has to be put back."""
        self._note({"is": "repair", "number": number, "image": image})

    def end(self, why: str = "") -> None:
        """Note that the run has come to its end; *why*, if it was stopped."""
        self._note({"is": "end"} | ({"why": why} if why else {}))

    def settle(self, *entries: Entry) -> None:
        """Note outcomes. Of all notes these alone wait for the next `sync` to be on disk."""
        at = _now()
        self._chain.append(*(_line(entry, at) for entry in entries))

    def sync(self) -> None:
        """Bring everything noted so far onto the disk."""
        self._chain.sync()

    def _note(self, line: dict[str, Any]) -> None:
        self._chain.append(line | {"at": _now()})
        self._chain.sync()


def conflicts(plan: Plan, journal: Path) -> list[Conflict]:
    """Return the conflicts of a copy, sorted by key, each with the item that was found."""
    entries = {entry.number: entry for entry in Journal(journal, plan).outcomes() if entry.outcome == "conflict"}
    return [
        Conflict(write.number, write.key, write.seen, write.goal, entry.found, entry.unsure)
        for write in (plan.writes() if entries else ())
        if (entry := entries.get(write.number)) is not None
    ]


def journal_changes(plan: Plan, journal: Path, folder: Path) -> ChangeSet:
    """Write to *folder* what a copy really changed, as a change set, and return it: its revert is the undo.

    Writes that a killed run left unsure are in it, too: whether they happened shows when they are re-read.
    """
    state, last = JournalState(plan.total), ""
    for line in Journal(journal, plan).lines():
        state.follow(line)
        last = line["at"]
    applied = bytearray(plan.total + 1)
    other: dict[int, tuple[Image | None, Image | None]] = {}
    for entry in Journal(journal, plan).outcomes():
        applied[entry.number] = entry.outcome == "applied"
        if entry.before is not None or entry.after is not None:
            other[entry.number] = (entry.before, entry.after)
    other |= {number: (image, None) for number, image in state.repairs.items()}

    def changed() -> Iterator[Change]:
        for write in plan.writes():
            if applied[write.number] or state.unsure(write):
                before, after = other.get(write.number, (None, None))
                before, after = before or write.seen, after or write.goal
                kind: Kind = "inserted" if before is None else "removed" if after is None else "modified"
                yield Change(write.key, kind, before, after)

    return from_changes(
        changed(),
        folder,
        table=plan.table,
        key_schema=plan.key_schema,
        source=f"journal of plan {plan.digest[:12]}",
        before_at=state.begun_at,
        after_at=last,
    )


def _check_plan(line: dict[str, Any], plan: Plan, path: Path) -> None:
    if line["is"] == "begin" and line["plan"] != plan.digest:
        raise RecordAltered(
            f"the journal {path} is that of plan {line['plan'][:12]}, not of {plan.digest[:12]}",
            table=plan.table,
            fix="Give the journal and the plan that belong together.",
        )


def _line(entry: Entry, at: str) -> dict[str, Any]:
    line: dict[str, Any] = {"is": "outcome", "number": entry.number, "outcome": entry.outcome, "at": at}
    for name in ("code", "request_id", "why", "units", "before", "after", "unsure"):
        if value := getattr(entry, name):
            line[name] = value
    if entry.outcome == "conflict":
        line["found"] = entry.found
    return line


def _entry(line: dict[str, Any]) -> Entry:
    return Entry(**{name: value for name, value in line.items() if name != "is"})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
