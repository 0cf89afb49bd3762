"""What an item would be without the damage: its history walked through, damage left out, everybody else's writes kept.

From the first damage on, `wanted` is what the item should be: at first the image before it. Later writes by others are
merged into it, top-level attribute by attribute, as long as they touch nothing that is as the damage left it. Where
they do, nobody but a person can tell which value is good: the change goes to review, with their other writes merged.

What others did last stands. An item that they removed stays gone, unless the damage had removed it before; one that
they brought back to what is wanted needs nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pitrkit.aws.items import Image, Key, attributes, changed_attributes, with_attributes
from pitrkit.recovery.changes.change import Change, ItemStep, kind_of
from pitrkit.recovery.changes.scope import Scope

SAME_ATTRIBUTE = "others wrote attributes that the damage had changed"

MADE_AGAIN = "others created an item with this key after the damage had removed it"

MADE_BY_DAMAGE = "others wrote to an item that the damage had created"

SAME_STEP = "the source shows it and later writes by others as one change"

UNDATED = "the source does not show whether it was removed by the damage or later"

GAP = "the change log lacks a write to it"

EXPIRED = "it expired because of a TTL value that the damage had written"

PERHAPS_EXPIRED = "it was removed: by others, or by a TTL value that the damage had written"

_LONGEST_EXPIRED = 5 * 366 * 86_400
"""Seconds. What expired longer ago is not deleted by TTL. Source: Developer Guide, "Time to Live"."""


@dataclass(frozen=True, slots=True)
class DamageScope:
    """What damage looks like, and when it happened.

    Attributes:
        scope: What its steps look like. The service's deletion of expired items is damage only where it asks for `by`.
        since_at: From when on.
        until_at: Until when; what lies at or after that is not damage.
    """

    scope: Scope
    since_at: datetime
    until_at: datetime

    def holds(self, step: ItemStep) -> bool:
        """Return whether *step* is damage, or may contain it.

        Raises:
            BadInput: The scope's condition cannot be evaluated on this step.
        """
        if step.at < self.since_at or (step.at if step.exact else step.before_at) >= self.until_at:
            return False
        return looks_like(step, self.scope)

    def doubt(self, step: ItemStep) -> str:
        """Return why a damage step contains, or may be, a later write, which is somebody else's; empty if it is not."""
        if step.at < self.until_at:
            return ""
        return UNDATED if step.undated else SAME_STEP


def looks_like(step: ItemStep, scope: Scope) -> bool:
    """Return whether *step* is in *scope*; one of TTL only where the scope's condition asks for `by`.

    Raises:
        BadInput: The condition cannot be evaluated on this step.
    """
    return (step.by != "ttl" or scope.asks_for("by")) and scope.holds(step)


def change_of(history: Iterable[ItemStep], damage: DamageScope) -> Change | None:
    """Return the change whose revert takes back exactly the damage to one item, None where there is nothing to do.

    Its `before` is the item without the damage, its `after` the item as the log knows it last.

    Args:
        history: All steps of the item, in the order in which they happened. Held one at a time.
        damage: What is to be taken back.
    """
    merge: _Merge | None = None
    for step in history:
        hit = damage.holds(step)
        if merge is None:
            if not hit:
                continue
            merge = _Merge(step.key, wanted=step.before, last=step.before, left=step.before)
        elif step.before != merge.last:
            merge.review = merge.review or GAP
        if hit:
            merge.review = merge.review or damage.doubt(step)
        elif merge.others(step):
            merge = None
            continue
        merge.last = step.after
        if merge.wanted == merge.last and not merge.review:
            merge = None
    return merge.change() if merge is not None else None


@dataclass(slots=True)
class _Merge:
    """How far one item is. The damage is in what `wanted` and `last` differ in.

    Attributes:
        key: Its key.
        wanted: What it should be.
        last: What it is.
        left: What others left last.
        made_again: Whether others have made another item after the damage had removed it.
        review: Why a person has to look at it.
    """

    key: Key
    wanted: Image | None
    last: Image | None
    left: Image | None
    made_again: bool = False
    review: str = ""

    def others(self, step: ItemStep) -> bool:
        """Merge a step by others; return whether the damage is over with it."""
        if step.after == self.wanted:
            return True
        self.left = step.after
        if step.after is None:
            # Exports do not tell the service's deletions from others'.
            if (step.by == "ttl" or not step.single) and self._made_to_expire(step):
                self.review = self.review or (EXPIRED if step.by == "ttl" else PERHAPS_EXPIRED)
                return False
            return not self.made_again
        if step.before is None:
            self.made_again = True
            self.review = self.review or MADE_AGAIN
        elif self.wanted is None:
            self.review = self.review or MADE_BY_DAMAGE
        else:
            names = changed_attributes(step.before, step.after)
            wanted, current, left = map(attributes, (self.wanted, step.before, step.after))
            clean = [name for name in names if wanted.get(name) == current.get(name)]
            if any(wanted.get(name) not in (current.get(name), left.get(name)) for name in names):
                self.review = self.review or SAME_ATTRIBUTE
            self.wanted = with_attributes(self.wanted, step.after, clean)
        return self.wanted == step.after

    def change(self) -> Change | None:
        """Return the change whose revert makes it what it should be, None where it is that."""
        # In review, the damage may have come back to its beginning: over what others have left.
        wanted = self.wanted if self.wanted != self.last else self.left
        if wanted == self.last:
            return None
        return Change(self.key, kind_of(wanted, self.last), wanted, self.last, self.review)

    def _made_to_expire(self, step: ItemStep) -> bool:
        """Return whether the damage wrote what looks like an expiry in the past, which was not there before."""
        assert step.before is not None
        current, wanted = attributes(step.before), attributes(self.wanted or "{}")
        return any(_past(value, step.at) and not _past(wanted.get(name), step.at) for name, value in current.items())


def _past(value: dict[str, str] | None, at: datetime) -> bool:
    """Return whether a value could be the reason why TTL deleted an item at *at*."""
    if not value or "N" not in value:
        return False
    return at.timestamp() - _LONGEST_EXPIRED <= float(value["N"]) <= at.timestamp()
