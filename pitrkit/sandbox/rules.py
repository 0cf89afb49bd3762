"""Rules of what goes wrong: what all of them say, how they are told in JSON, and which of their chances they take."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self


@dataclass(frozen=True, slots=True)
class Rule:
    """What every rule says.

    Attributes:
        kind: What happens; each family of rules has its own kinds.
        share: Of the chances that it has, the share that it takes.
        count: How many it takes at most; None for any number.
        skip: How many chances pass before it begins.
        seed: Chooses the chances that it takes.
    """

    KINDS: ClassVar[tuple[str, ...]] = ()

    kind: str
    share: float = 1.0
    count: int | None = None
    skip: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        if self.kind not in self.KINDS:
            raise ValueError(f"no such kind of fault: {self.kind!r}; there are {', '.join(self.KINDS)}")
        if not 0 <= self.share <= 1:
            raise ValueError(f"share is {self.share}, which is not from 0 to 1")
        if self.skip < 0 or (self.count is not None and self.count < 0):
            raise ValueError("skip and count cannot be negative")

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the rule of a JSON object.

        Raises:
            ValueError: Saying what is wrong with it.
        """
        return cls(**checked(cls, data, what="a fault"))


def read(data: Any, families: Sequence[type[Rule]]) -> Rule:
    """Return the rule of a JSON object, of the family whose kind it names.

    Raises:
        ValueError: Saying what is wrong with it.
    """
    if not isinstance(data, dict) or "kind" not in data:
        raise ValueError('send {"kind": "throttle", "share": 0.1}, or a list of such')
    for family in families:
        if data["kind"] in family.KINDS:
            return family.from_dict(data)
    kinds = ", ".join(kind for family in families for kind in family.KINDS)
    raise ValueError(f"no such kind of fault: {data['kind']!r}; there are {kinds}")


def checked(cls: type, data: dict[str, Any], *, what: str) -> dict[str, Any]:
    """Return the fields of dataclass *cls* that a JSON object gives.

    Raises:
        ValueError: *cls*, which is called *what*, has no such field, or a value has the wrong type.
    """
    types = {one.name: _JSON[str(one.type)] for one in fields(cls)}
    for name, value in data.items():
        if name not in types:
            raise ValueError(f"{what} has no {name!r}; it has {', '.join(types)}")
        if not types[name](value):
            raise ValueError(f"{name} cannot be {value!r}")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}


def _texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(member, str) for member in value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_JSON: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "int": _whole,
    "int | None": lambda value: value is None or _whole(value),
    "tuple[str, ...]": _texts,
    "bool": lambda value: isinstance(value, bool),
}


@dataclass(slots=True)
class InForce:
    """A rule in force, and how it went so far.

    Attributes:
        rule: The rule.
        chance: Its dice.
        met: How many chances it had.
        struck: How many of them it took.
    """

    rule: Rule
    chance: random.Random
    met: int = 0
    struck: int = 0

    @classmethod
    def of(cls, rule: Rule) -> Self:
        """Put *rule* in force."""
        return cls(rule, random.Random(rule.seed))  # noqa: S311 - no secret

    def strikes(self) -> bool:
        """Take the next chance, or let it pass."""
        self.met += 1
        if self.met <= self.rule.skip or self.struck == self.rule.count or self.chance.random() >= self.rule.share:
            return False
        self.struck += 1
        return True
