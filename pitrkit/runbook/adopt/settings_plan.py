"""A plan of settings: which of the original's the copy is given, one by one, and which not and why.

Its digest is over the account, both tables and every change with what the copy had before, so that an approval is for
exactly this. It is kept in the incident under its digest: a run that was killed goes on with the plan that was
approved, not with what is left of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pitrkit import documents
from pitrkit.aws.settings.kinds import ORDER, Setting, TableRef
from pitrkit.aws.settings.reapply import STAYS, WHEN_ACCEPTED, obstacle
from pitrkit.aws.settings.settings import SettingDifference, TableSettings, compare, setting_from_json, setting_to_json
from pitrkit.documents import to_json
from pitrkit.errors import BadInput, RecordAltered
from pitrkit.files import sha256
from pitrkit.incident.state import SHORTEST
from pitrkit.times import now

Action = Literal["reapply settings", "take settings back"]


@dataclass(frozen=True, slots=True)
class SettingChange:
    """One setting of a plan.

    Attributes:
        setting: What the copy is given; of a plan that takes back, what it was given.
        before: What it had before, None for nothing of the kind.
    """

    setting: Setting
    before: Setting | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {"setting": setting_to_json(self.setting), "before": setting_to_json(self.before)}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> SettingChange:
        """Return the change that `to_dict` wrote."""
        setting = setting_from_json(row["setting"])
        assert setting is not None
        return cls(setting, setting_from_json(row["before"]))


@dataclass(frozen=True, slots=True)
class SkippedSetting:
    """A setting that the plan does not touch, and why."""

    kind: str
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class SettingsPlan:
    """What would be done to the copy's settings.

    Attributes:
        where: Account and region.
        original: The table whose settings these are.
        copy: The table that is given them.
        copy_id: Its TableId.
        changes: In the order in which they are made.
        left: What is not done.
        created_at: When it was made; not part of the digest.
    """

    action: Action
    where: tuple[str, str]
    original: TableRef
    copy: TableRef
    copy_id: str
    changes: tuple[SettingChange, ...]
    left: tuple[SkippedSetting, ...]
    created_at: datetime

    @property
    def table(self) -> str:
        """The table that would be changed."""
        return self.copy.table

    @property
    def empty(self) -> bool:
        """Whether nothing would be done."""
        return not self.changes

    @property
    def digest(self) -> str:
        """SHA-256 of everything that would be done."""
        return sha256(to_json(self._sealed()).encode())

    def lines(self) -> list[str]:
        """Return what would be changed by name, for a terminal; the notebook has what each says."""
        named = (f"{one.setting.kind} {one.setting.name}".strip() for one in self.changes)
        left = [f"not done: {one.kind} {one.name}".strip() + f": {one.why}" for one in self.left]
        return [f"{self.action}, as those of {self.original.table}: {', '.join(named)}", *left]

    def _sealed(self) -> dict[str, Any]:
        return {
            "action": self.action,
            "where": list(self.where),
            "original": [self.original.table, self.original.arn],
            "copy": [self.copy.table, self.copy.arn, self.copy_id],
            "changes": [change.to_dict() for change in self.changes],
        }

    def write(self, path: Path) -> None:
        """Keep it in a file."""
        left = [[one.kind, one.name, one.why] for one in self.left]
        whole = {**self._sealed(), "left": left, "created_at": self.created_at.isoformat(), "digest": self.digest}
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(documents.pretty(whole))

    @classmethod
    def read(cls, path: Path) -> SettingsPlan:
        """Return the plan in a file.

        Raises:
            RecordAltered: It is not what was written.
        """
        try:
            row = documents.from_json(path.read_bytes(), dict[str, Any])
            plan = cls(
                row["action"],
                (row["where"][0], row["where"][1]),
                TableRef(*row["original"]),
                TableRef(*row["copy"][:2]),
                row["copy"][2],
                tuple(SettingChange.from_dict(one) for one in row["changes"]),
                tuple(SkippedSetting(*one) for one in row["left"]),
                datetime.fromisoformat(row["created_at"]),
            )
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise RecordAltered(f"{path} cannot be read: {error}", fix="Run 13_cut_over without `approve`.") from error
        if plan.digest != row.get("digest"):
            raise RecordAltered(f"{path} is not what was planned", fix="Run 13_cut_over without `approve`.")
        return plan


def place_of(folder: Path, digest: str) -> Path:
    """Return where the plan of a digest, or of its first characters, is kept."""
    return folder / f"{digest[:SHORTEST]}.json"


def parse_names(given: str, known: Iterable[str], parameter: str) -> frozenset[str]:
    """Return the names in *given*, with commas between.

    Raises:
        BadInput: One is not known.
    """
    names = frozenset(name.strip() for name in given.split(",") if name.strip())
    known = sorted(known)
    if unknown := sorted(names - set(known)):
        raise BadInput(f"{parameter}: {', '.join(unknown)} is not known", fix=f"Known are: {', '.join(known)}.")
    return names


def reapplying(
    original: TableSettings,
    copy: TableSettings,
    *,
    where: tuple[str, str],
    copy_id: str,
    leave: str = "",
    accept: str = "",
) -> SettingsPlan:
    """Return the plan that gives *copy* what *original* has.

    Args:
        original: Settings of the one.
        copy: Settings of the other.
        where: Account and region.
        copy_id: TableId of the copy.
        leave: Kinds that are left out, with commas between.
        accept: Kinds that are reapplied although they call others in or cost, with commas between.

    Raises:
        BadInput: A kind is not known.
    """
    leaving, accepted = parse_names(leave, ORDER, "leave"), parse_names(accept, WHEN_ACCEPTED, "accept")
    changes, left = [], []
    for one in compare(original, copy):
        if one.state == "same":
            continue
        if (why := _why_not(one, leaving, accepted)) or one.wanted is None:
            left.append(SkippedSetting(one.kind, one.name, why))
        else:
            changes.append(SettingChange(one.wanted, one.found))
    stream = bool(copy.of("stream")) or any(change.setting.kind == "stream" for change in changes)
    orphans = [change for change in changes if change.setting.kind == "event-source" and not stream]
    left += [SkippedSetting(one.setting.kind, one.setting.name, "the copy has no stream to read") for one in orphans]
    left += [
        SkippedSetting(kind, "", f"the original's could not be read ({unread.code}): allow {unread.action}")
        for unread in original.unread
        for kind in unread.kinds
    ]
    kept = tuple(change for change in changes if change not in orphans)
    return SettingsPlan("reapply settings", where, original.place, copy.place, copy_id, kept, tuple(left), now())


def _why_not(one: SettingDifference, leaving: frozenset[str], accepted: frozenset[str]) -> str:
    if one.state == "extra":
        return "only the copy has it: it stays"
    if one.state == "unread":
        return "one side's could not be read"
    if one.kind in leaving:
        return "left out, as you asked"
    assert one.wanted is not None
    if why := obstacle(one.wanted, one.found):
        return why
    if one.kind in WHEN_ACCEPTED and one.kind not in accepted:
        return f"{WHEN_ACCEPTED[one.kind]}: only with accept={one.kind}"
    return ""


def taking_back(given: Iterable[SettingChange], plan: SettingsPlan) -> SettingsPlan:
    """Return the plan that takes back what was *given* to the copy of *plan*, the last first."""
    changes, left = [], []
    for change in reversed(list(given)):
        if change.setting.kind in STAYS:
            left.append(
                SkippedSetting(change.setting.kind, change.setting.name, "it stays: undoing it would lose data")
            )
        else:
            changes.append(change)
    return SettingsPlan(
        "take settings back",
        plan.where,
        plan.original,
        plan.copy,
        plan.copy_id,
        tuple(changes),
        tuple(left),
        now(),
    )
