"""The scope of a recovery: which of the changes are the damage, by kind, by key and by a condition on attributes.

A scope is asked about changes, or about the steps of a log. Of a step it can say two things more, who wrote and when;
a condition that asks for those is refused wherever a change has to answer it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pitrkit.aws.items import Key, changed_attributes, key_from_plain, plain
from pitrkit.errors import BadInput
from pitrkit.recovery.changes.change import KINDS, ItemStep, Kind
from pitrkit.recovery.changes.condition import Condition

if TYPE_CHECKING:
    from pitrkit.aws.items import KeySchema
    from pitrkit.recovery.changes.change import Change


NAMES = ("kind", "key", "before", "after", "changed")
STEP_NAMES = (*NAMES, "by", "at")
_KEYS_FIX = "Write keys as a JSON list, for example [{{{}}}]."
_OF_STEPS = frozenset(STEP_NAMES).difference(NAMES)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which changes to look at. Each part narrows; an empty part lets everything through.

    Attributes:
        kinds: Kinds of change.
        keys: Keys of the items.
        where: A JMESPath expression over `kind`, `key`, `before`, `after` (plain values, null where there is no
            image; numbers are exact) and `changed` (names of a modified item's differing top-level attributes, empty
            for the other kinds). Of a step over `by` (`ttl`, or empty) and `at` (when it was last written, as
            ISO 8601 text in UTC). A change is in scope where it is true in JMESPath's sense: not null, false or empty.
    """

    kinds: tuple[Kind, ...] = ()
    keys: tuple[Key, ...] = ()
    where: str = ""
    _wanted: frozenset[Key] = field(init=False, repr=False, compare=False)
    _condition: Condition | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_wanted", frozenset(self.keys))
        object.__setattr__(self, "_condition", Condition(self.where, STEP_NAMES) if self.where.strip() else None)

    @classmethod
    def parse(cls, kinds: str, keys: str, where: str, key_schema: KeySchema, *, steps: bool = False) -> Scope:
        """Return the scope that an operator wrote as text.

        Args:
            kinds: Kinds by name, with commas between: `removed,modified`. Blank: all.
            keys: A JSON list of keys, each plain (`{"pk": "a", "sk": 1}`) or as DynamoDB JSON. Blank: all.
            where: A JMESPath expression, as in `Scope.where`. Blank: no condition.
            key_schema: The table's key.
            steps: Whether it is about the steps of a log, so that the condition may ask for `by` and `at`.

        Raises:
            BadInput: A part cannot be read; the message says which, and where in it.
        """
        if where.strip() and not steps:
            Condition(where.strip(), NAMES)
        return cls(_kinds(kinds), _keys(keys, key_schema), where.strip())

    @staticmethod
    def check(kinds: str, keys: str, where: str, *, steps: bool = False) -> None:
        """Let pass what `parse` could read of some table, as far as that can be told without its key.

        Raises:
            BadInput: As in `parse`.
        """
        _kinds(kinds)
        _key_objects(keys, _KEYS_FIX.format('"pk": "a"'))
        if where.strip():
            Condition(where.strip(), STEP_NAMES if steps else NAMES)

    def asks_for(self, name: str) -> bool:
        """Return whether the condition asks for one of `STEP_NAMES`."""
        return self._condition is not None and name in self._condition.asked

    def holds(self, change: Change | ItemStep) -> bool:
        """Return whether *change* is in scope.

        Raises:
            BadInput: `where` cannot be evaluated on this change, for example a function given a null.
        """
        asked = self._condition.asked if self._condition is not None else frozenset[str]()
        if not isinstance(change, ItemStep) and (unknown := asked & _OF_STEPS):
            raise BadInput(
                f"where uses {min(unknown)!r}, which exists only for changes read from a stream or exports",
                fix="Use kind, key, before, after and changed; or the route without a restore (stream or exports).",
            )
        if self.kinds and change.kind not in self.kinds:
            return False
        if self._wanted and change.key not in self._wanted:
            return False
        if self._condition is None:
            return True
        return self._condition.holds(_view(change, frozenset(NAMES) if self._condition.whole else asked))

    def describe(self) -> str:
        """Return the scope in words, `everything` when it is empty."""
        if self == EVERYTHING:
            return "everything"
        kinds = f"{_listed(self.kinds)} items" if self.kinds else "items"
        keys = f" among {len(self.keys):,} listed key{'s' * (len(self.keys) != 1)}" if self.keys else ""
        where = f"{',' if kinds != 'items' or keys else ''} where {self.where}" if self.where else ""
        return kinds + keys + where

    def to_dict(self) -> dict[str, Any]:
        """Return the scope as plain JSON."""
        return {"kinds": list(self.kinds), "keys": list(self.keys), "where": self.where}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Scope:
        """Return the scope that `to_dict` wrote."""
        return cls(tuple(data["kinds"]), tuple(data["keys"]), data["where"])


EVERYTHING = Scope()


def _view(change: Change | ItemStep, asked: frozenset[str]) -> dict[str, Any]:
    """Return a change or a step as a condition that asks for these names sees it."""
    before, after = change.before, change.after
    view: dict[str, Any] = {"kind": change.kind}
    if isinstance(change, ItemStep):
        view |= {"by": change.by, "at": change.at.isoformat()}
    # Images are read only where they are asked for: it is most of the work.
    if "key" in asked:
        view["key"] = plain(change.key)
    if "before" in asked:
        view["before"] = None if before is None else plain(before)
    if "after" in asked:
        view["after"] = None if after is None else plain(after)
    if "changed" in asked:
        view["changed"] = [] if before is None or after is None else list(changed_attributes(before, after))
    return view


def _kinds(text: str) -> tuple[Kind, ...]:
    kind_names = {name.strip() for name in text.split(",")} if text.strip() else set()
    if unknown := sorted(kind_names.difference(KINDS)):
        raise BadInput(
            f"kinds names {unknown[0]!r}, which is not a kind of change", fix=f"Kinds are {', '.join(KINDS)}."
        )
    return tuple(kind for kind in KINDS if kind in kind_names)


def _keys(text: str, schema: KeySchema) -> tuple[Key, ...]:
    fix = _KEYS_FIX.format(", ".join(f"{_quoted(name)}: ..." for name in schema.names))
    numbered_keys = enumerate(_key_objects(text, fix), start=1)
    return tuple(dict.fromkeys(_key(place, values, schema) for place, values in numbered_keys))


def _key_objects(text: str, fix: str) -> list[dict[str, Any]]:
    if not text.strip():
        return []
    try:
        document = json.loads(text, parse_float=Decimal)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, character {error.colno}"
        raise BadInput(f"keys is not JSON at {where}: {error.msg}", fix=fix) from None
    if not isinstance(document, list) or not document:
        raise BadInput("keys is not a JSON list of at least one key", fix=f"{fix} Leave it blank for all keys.")
    for place, values in enumerate(document, start=1):
        if not isinstance(values, dict):
            raise BadInput(f"key {place} of keys is not a JSON object", fix=fix)
    return document


def _key(place: int, values: dict[str, Any], schema: KeySchema) -> Key:
    try:
        return key_from_plain(values, schema)
    except BadInput as error:
        raise BadInput(f"key {place} of keys: {error.what}", fix=error.fix) from error


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
