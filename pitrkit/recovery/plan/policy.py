"""What reverting a change means: the operator's choices, and the decision for one change."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from pitrkit.aws.items import Image, Key, attributes, changed_attributes, owned, with_attributes
from pitrkit.errors import BadInput
from pitrkit.recovery.changes.change import Change
from pitrkit.recovery.plan.guard import Guard

LEFT_KEPT_BY_POLICY = "kept by policy"
LEFT_UNDECIDED = "undecided"
LEFT_CHANGED_SINCE = "changed since"
LEFT_ALREADY_SO = "already so"
LEFT_EXISTS_AGAIN = "exists again"
LEFT_EXPIRED = "expired"
LEFT_INDEX_REFUSES = "an index refuses it"
LEFT_ALSO_WRITTEN = "also written by others"

FOR_A_PERSON = (LEFT_UNDECIDED, LEFT_CHANGED_SINCE, LEFT_EXISTS_AGAIN, LEFT_INDEX_REFUSES, LEFT_ALSO_WRITTEN)
"""Reasons that leave a decision to a person."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What reverting means for each kind of change.

    Attributes:
        removed: `put` the item back, or `keep` it gone.
        modified: `revert` to the earlier image, `keep` the present one, or `ask`: leave it for a person.
        inserted: `keep` the new item, or `delete` it.
        attributes: Of modified items, put back only these top-level attributes; empty means all.
        guard: When a modified item has been written again: with `item` it is left alone; with `attributes` only if
            what would be put back was written, and everything else written since is kept.
        expired: `keep` gone, or as they are, items whose earlier image has expired by the table's TTL, or `put` them
            back although the service will delete them again.
        mixed: Of items that others wrote, too, so that it takes a person to tell what is good: `ask`, leave them for
            that person, or `revert` them like any other. Only a log of changes knows such items (`Change.review`).
    """

    removed: Literal["put", "keep"] = "put"
    modified: Literal["ask", "keep", "revert"] = "ask"
    inserted: Literal["keep", "delete"] = "keep"
    attributes: tuple[str, ...] = ()
    guard: Guard = "item"
    expired: Literal["keep", "put"] = "keep"
    mixed: Literal["ask", "revert"] = "ask"

    UNDO: ClassVar[Policy]

    def __post_init__(self) -> None:
        for kind, allowed in _CHOICES.items():
            if getattr(self, kind) not in allowed:
                raise BadInput(
                    f"{getattr(self, kind)!r} is no policy for {_NAMES.get(kind, f'{kind} items')}",
                    fix=f"Choose {' or '.join(allowed)}.",
                )

    def to_dict(self) -> dict[str, Any]:
        """Return the policy as plain JSON."""
        return asdict(self) | {"attributes": list(self.attributes)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Policy:
        """Return the policy that `to_dict` wrote, here or in an earlier version of the kit."""
        return cls(**data | {"attributes": tuple(data["attributes"])})


_CHOICES = {
    "removed": ("put", "keep"),
    "modified": ("ask", "keep", "revert"),
    "inserted": ("keep", "delete"),
    "guard": ("item", "attributes"),
    "expired": ("keep", "put"),
    "mixed": ("ask", "revert"),
}
_NAMES = {"guard": "the guard", "mixed": "items that others wrote, too"}
Policy.UNDO = Policy(removed="put", modified="revert", inserted="delete", expired="put")


@dataclass(frozen=True, slots=True)
class SkippedChange:
    """A change that the plan leaves as it is, and why (one of the `LEFT_` constants)."""

    key: Key
    kind: str
    reason: str


def decide(change: Change, current: Image | None, policy: Policy) -> tuple[str, Image | None]:
    """Return `("", goal)` for a change to write, or `(reason, None)` for one to leave.

    Args:
        change: What happened.
        current: The item as it is now, without replication attributes.
        policy: What reverting means.
    """
    before, after = owned(change.before), owned(change.after)
    if change.kind == "removed":
        if current is None:
            return "", before
        return (LEFT_ALREADY_SO if current == before else LEFT_EXISTS_AGAIN), None
    goal = before
    if change.kind == "modified":
        assert before is not None
        assert after is not None
        if policy.attributes:
            goal = with_attributes(after, before, policy.attributes)
        if policy.guard == "attributes":
            assert goal is not None
            return _attribute_wise(goal, after, current)
    if current == goal:
        return LEFT_ALREADY_SO, None
    return ("", goal) if current == after else (LEFT_CHANGED_SINCE, None)


def _attribute_wise(goal: Image, after: Image, current: Image | None) -> tuple[str, Image | None]:
    """Return the decision for a modified item where each attribute that would be put back stands for itself."""
    if current is None:
        return LEFT_CHANGED_SINCE, None
    names = changed_attributes(after, goal)
    wanted, was, now = attributes(goal), attributes(after), attributes(current)
    if any(now.get(name) not in (was.get(name), wanted.get(name)) for name in names):
        return LEFT_CHANGED_SINCE, None
    goal = with_attributes(current, goal, names)
    return (LEFT_ALREADY_SO, None) if current == goal else ("", goal)
