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
        named = (f"{change.setting.kind} {change.setting.name}".strip() for change in self.changes)
        skipped_lines = [
            f"not done: {skipped.kind} {skipped.name}".strip() + f": {skipped.why}" for skipped in self.left
        ]
        return [f"{self.action}, as those of {self.original.table}: {', '.join(named)}", *skipped_lines]

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
        skipped_rows = [[skipped.kind, skipped.name, skipped.why] for skipped in self.left]
        whole = {
            **self._sealed(),
            "left": skipped_rows,
            "created_at": self.created_at.isoformat(),
            "digest": self.digest,
        }
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
                tuple(SettingChange.from_dict(change_row) for change_row in row["changes"]),
                tuple(SkippedSetting(*skipped_row) for skipped_row in row["left"]),
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


def parse_names(text: str, choices: Iterable[str], parameter: str) -> frozenset[str]:
    """Return the names in *text*, with commas between.

    Raises:
        BadInput: One is not known.
    """
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    choices = sorted(choices)
    if unknown := sorted(names - set(choices)):
        raise BadInput(f"{parameter}: {', '.join(unknown)} is not known", fix=f"Known are: {', '.join(choices)}.")
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
    changes, skipped = [], []
    for difference in compare(original, copy):
        if difference.state == "same":
            continue
        if (why := _why_not(difference, leaving, accepted)) or difference.wanted is None:
            skipped.append(SkippedSetting(difference.kind, difference.name, why))
        else:
            changes.append(SettingChange(difference.wanted, difference.found))
    stream = bool(copy.of("stream")) or any(change.setting.kind == "stream" for change in changes)
    orphans = [change for change in changes if change.setting.kind == "event-source" and not stream]
    skipped += [
        SkippedSetting(orphan.setting.kind, orphan.setting.name, "the copy has no stream to read") for orphan in orphans
    ]
    skipped += [
        SkippedSetting(kind, "", f"the original's could not be read ({unread.code}): allow {unread.action}")
        for unread in original.unread
        for kind in unread.kinds
    ]
    kept_changes = tuple(change for change in changes if change not in orphans)
    return SettingsPlan(
        "reapply settings", where, original.place, copy.place, copy_id, kept_changes, tuple(skipped), now()
    )


def _why_not(difference: SettingDifference, leaving: frozenset[str], accepted: frozenset[str]) -> str:
    if difference.state == "extra":
        return "only the copy has it: it stays"
    if difference.state == "unread":
        return "one side's could not be read"
    if difference.kind in leaving:
        return "left out, as you asked"
    assert difference.wanted is not None
    if why := obstacle(difference.wanted, difference.found):
        return why
    if difference.kind in WHEN_ACCEPTED and difference.kind not in accepted:
        return f"{WHEN_ACCEPTED[difference.kind]}: only with accept={difference.kind}"
    return ""


def taking_back(applied: Iterable[SettingChange], plan: SettingsPlan) -> SettingsPlan:
    """Return the plan that takes back what was *applied* to the copy of *plan*, the last first."""
    changes, skipped = [], []
    for change in reversed(list(applied)):
        if change.setting.kind in STAYS:
            skipped.append(
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
        tuple(skipped),
        now(),
    )
