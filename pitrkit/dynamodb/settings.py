"""The settings of one table as they were read, and how two tables' settings differ.

A source that the caller may not read, or that does not answer, is named instead (`Unread`): nothing is taken for
absent that was not seen to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from pitrkit.dynamodb import setting_kinds as kinds
from pitrkit.dynamodb.setting import Place, Setting, Units
from pitrkit.dynamodb.setting_kinds import ORDER, Kind
from pitrkit.errors import RecordAltered

State = Literal["same", "missing", "differs", "extra", "unread"]
"""Of a setting: on both tables alike; not on the copy; otherwise on the copy; on the copy only; not readable."""


class Unread(msgspec.Struct, frozen=True):
    """Kinds of settings that could not be read.

    Attributes:
        kinds: Which.
        action: The IAM action that reads them.
        code: The service's error code.
        request_id: AWS's id of the failed request, blank if there was no answer.
    """

    kinds: tuple[str, ...]
    action: str
    code: str
    request_id: str = ""

    @property
    def denied(self) -> bool:
        """Whether the caller was not allowed to."""
        return "Denied" in self.code or self.code in ("UnauthorizedOperation", "AuthorizationError")


class Settings(msgspec.Struct, frozen=True):
    """What was read of a table.

    Attributes:
        table: Its name.
        arn: Its ARN; blank if only a backup knows of it.
        captured_at: When.
        found: Its settings, in the order of `ORDER`.
        unread: What could not be read.
    """

    table: str
    arn: str
    captured_at: datetime
    found: tuple[Kind, ...]
    unread: tuple[Unread, ...] = ()

    @property
    def place(self) -> Place:
        """The table."""
        return Place(self.table, self.arn)

    def of(self, kind: str) -> tuple[Setting, ...]:
        """Return the settings of a kind."""
        return tuple(one for one in self.found if one.kind == kind)

    def cannot_tell(self, kind: str) -> bool:
        """Return whether that kind could not be read."""
        return any(kind in one.kinds for one in self.unread)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON; `from_dict` reads it."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return told

    @classmethod
    def from_dict(cls, told: Any) -> Settings:
        """Return the settings that `to_dict` wrote."""
        return msgspec.convert(told, cls)

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Return the settings in a file that holds `to_dict`'s JSON.

        Raises:
            RecordAltered: It is not readable.
        """
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (OSError, msgspec.MsgspecError) as error:
            raise RecordAltered(f"{path} cannot be read: {error}", fix="Capture the settings again.") from error


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting on both tables.

    Attributes:
        kind: Its kind.
        name: Which one of its kind.
        wanted: As the original has it, told for the copy; None where the original has none.
        found: As the copy has it; None where it has none.
    """

    kind: str
    name: str
    wanted: Setting | None
    found: Setting | None
    state: State

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "kind": self.kind,
            "name": self.name,
            "wanted": told(self.wanted),
            "found": told(self.found),
            "state": self.state,
        }


def to_json(found: Settings) -> bytes:
    """Return settings as a file holds them; `Settings.read` reads it."""
    return msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"


def told(setting: Setting | None) -> Any:
    """Return a setting as plain JSON, None for none."""
    return None if setting is None else msgspec.to_builtins(setting)


def untold(given: Any) -> Setting | None:
    """Return the setting that `told` told."""
    if given is None:
        return None
    setting: Setting = msgspec.convert(given, Kind)
    return setting


def in_order(found: Iterable[Setting]) -> tuple[Setting, ...]:
    """Return settings in the order of their kinds, by name within a kind."""
    return tuple(sorted(found, key=lambda one: (ORDER.index(one.kind), one.name)))


def compare(original: Settings, copy: Settings) -> tuple[Difference, ...]:
    """Return every setting of both tables, in the order of the kinds.

    The original's are told as the copy would have them. What could not be read of the copy is `unread`; what could not
    be read of the original is not here, `Settings.unread` names it.
    """
    has = {one.key: one for one in copy.found}
    found = []
    for setting in original.found:
        wanted = setting.moved(original.place, copy.place)
        found.append(_difference(wanted, has.pop(wanted.key, None), unread=copy.cannot_tell(wanted.kind)))
    extra = [_difference(None, one, unread=original.cannot_tell(one.kind)) for one in has.values()]
    return tuple(sorted([*found, *extra], key=lambda one: (ORDER.index(one.kind), one.name)))


def _difference(wanted: Setting | None, found: Setting | None, *, unread: bool) -> Difference:
    one = wanted or found
    assert one is not None
    state: State = "extra"
    if unread:
        state = "unread"
    elif wanted is not None:
        state = "same" if wanted.holds(found) else "missing" if found is None else "differs"
    return Difference(one.kind, one.name, wanted, found, state)


def of_backup(table: str, description: Mapping[str, Any], *, arn: str = "", at: datetime | None = None) -> Settings:
    """Return the settings that DescribeBackup's *description* still knows: all there is of a deleted table.

    It knows no tags, policy, protection or scaling. That a deletion left it tells that recovery was on, for any period.
    """
    source = description.get("SourceTableDetails") or {}
    features = description.get("SourceTableFeatureDetails") or {}
    mode = source.get("BillingMode", "PROVISIONED")
    found: list[Setting] = [capacity(source, mode)]
    found += [global_index(one, {}, mode) for one in features.get("GlobalSecondaryIndexes") or ()]
    if most := source.get("OnDemandThroughput"):
        found.append(kinds.OnDemandLimits(limits(most)))
    if key := (features.get("SSEDescription") or {}).get("KMSMasterKeyArn"):
        found.append(kinds.Encryption(key))
    stream = features.get("StreamDescription") or {}
    if stream.get("StreamViewType") and stream.get("StreamEnabled", True):
        found.append(kinds.Stream(stream["StreamViewType"]))
    if (description.get("BackupDetails") or {}).get("BackupType") == "SYSTEM":
        found.append(kinds.Recovery(0))
    ttl = features.get("TimeToLiveDescription") or {}
    if ttl.get("AttributeName") and ttl.get("TimeToLiveStatus") in (None, "ENABLED", "ENABLING"):
        found.append(kinds.Ttl(ttl["AttributeName"]))
    return Settings(
        table,
        arn or source.get("TableArn", ""),
        at or datetime.now(UTC),
        in_order(found),  # type: ignore[arg-type]
    )


def capacity(described: dict[str, Any], mode: str) -> kinds.Capacity:
    """Return the capacity that a description tells."""
    return kinds.Capacity(
        mode, Units.of(described.get("ProvisionedThroughput") or {}) if mode == "PROVISIONED" else None
    )


def global_index(one: dict[str, Any], types: dict[str, str], mode: str) -> kinds.GlobalIndex:
    """Return the index that a description tells; *types* may not know its key's."""
    used = {key["AttributeName"]: types[key["AttributeName"]] for key in one["KeySchema"] if types}
    units = Units.of(one.get("ProvisionedThroughput") or {}) if mode == "PROVISIONED" else None
    return kinds.GlobalIndex(one["IndexName"], one["KeySchema"], one["Projection"], used, units)


def limits(told_units: dict[str, Any]) -> Units:
    """Return the limits of an on-demand table, 0 for none."""
    read, write = (int(told_units.get(name, 0)) for name in ("MaxReadRequestUnits", "MaxWriteRequestUnits"))
    return Units(max(read, 0), max(write, 0))  # the service says -1 for none
