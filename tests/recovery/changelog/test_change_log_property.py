"""For any good writes and damage among them, reverting the log's changes leaves what good writers alone would have.

Two tables are kept side by side: the real one, and one that sees only the good writers' own changes. Where a good
writer wrote upon what the damage had left, nobody can know which of the two is right: the item has to be in review.
"""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from pitrkit.aws.items import KeyAttribute, KeySchema, canonical
from pitrkit.recovery.changelog.change_log import STREAM, write
from pitrkit.recovery.changes.change import ItemStep
from pitrkit.recovery.changes.scope import Scope
from pitrkit.recovery.plan.policy import Policy, decide

KEY = KeySchema((KeyAttribute("pk", "S", "HASH"),))
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
REVERT = Policy(modified="revert", inserted="delete")
ITEMS = ("a", "b", "c")
NAMES = ("x", "y", "z")
VALUES = st.integers(0, 2)  # few, so that values come back
WRITES = st.tuples(
    st.sampled_from(ITEMS),
    st.sampled_from(["good", "damage"]),
    st.one_of(
        st.tuples(st.just("set"), st.sampled_from(NAMES), VALUES),
        st.tuples(st.just("unset"), st.sampled_from(NAMES)),
        st.tuples(st.just("put"), st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3)),
        st.tuples(st.just("delete")),
    ),
)


def written(state, write):
    """The item after a write; an update makes it where it is not there."""
    match write:
        case ("set", name, value):
            return {**(state or {}), name: value}
        case ("unset", name):
            return {other: value for other, value in (state or {}).items() if other != name}
        case ("put", item):
            return item
    return None


def image(pk, state):
    if state is None:
        return None
    return canonical({"pk": {"S": pk}} | {name: {"N": str(value)} for name, value in state.items()})


class Item:
    """One item in both tables."""

    def __init__(self, state):
        self.real = self.good = state
        self.conflict = self.made_again = False

    def damage(self, after):
        self.real = after

    def write(self, after):
        """A good writer turns the real item into *after*; in the other table the same attributes change."""
        before, self.real = self.real, after
        if after == self.good:
            self.conflict = self.made_again = False
        elif after is None:
            self.good, self.conflict = (self.good, True) if self.made_again else (None, False)
        elif before is None:
            if self.good is not None or self.conflict:  # what it would be by now is not known either
                self.conflict = self.made_again = True
            else:
                self.good = after
        elif self.good is None:
            self.conflict = True
        else:
            for name in {name for name in NAMES if before.get(name) != after.get(name)}:
                if self.good.get(name) == before.get(name):
                    self.good = written(self.good, ("set", name, after[name]) if name in after else ("unset", name))
                elif self.good.get(name) != after.get(name):
                    self.conflict = True
        if self.real == self.good:
            self.conflict = self.made_again = False


@settings(deadline=None)
@example(  # made by the damage, written upon, deleted by it, and made again: nobody knows what it would be
    dict.fromkeys(ITEMS),
    [
        ("b", "damage", ("set", "x", 0)),
        ("b", "good", ("set", "x", 1)),
        ("b", "damage", ("delete",)),
        ("a", "good", ("delete",)),
        ("b", "good", ("set", "x", 0)),
    ],
    (0, 2),
)
@given(
    st.fixed_dictionaries({pk: st.none() | st.dictionaries(st.sampled_from(NAMES), VALUES) for pk in ITEMS}),
    st.lists(WRITES, max_size=14),
    st.tuples(st.integers(0, 14), st.integers(0, 14)) | st.just((0, 14)),
)
def test_a_revert_leaves_what_good_writers_alone_would_have_or_it_is_for_review(states, writes, window):
    items = {pk: Item(state) for pk, state in states.items()}
    begin, end = sorted(window)
    steps, moments = [], []
    for second, (pk, who, action) in enumerate(writes):
        before, after = items[pk].real, written(items[pk].real, action)
        if before == after:
            continue
        at = NOON + timedelta(seconds=second)
        steps.append(ItemStep(image(pk, {}), at, at, image(pk, before), image(pk, after), single=True))
        if who == "damage":
            moments.append(f'"{at.isoformat()}"')
        if who == "damage" and begin <= second <= end:  # what looks like it at other times is none
            items[pk].damage(after)
        else:
            items[pk].write(after)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = {"since_at": NOON, "until_at": NOON + timedelta(hours=1)}
        log = write(steps, folder / "log", table="t", key_schema=KEY, source=STREAM, **whole)
        asked = {"since_at": NOON + timedelta(seconds=begin), "until_at": NOON + timedelta(seconds=end + 1)}
        damage = Scope(where=f"contains(`[{','.join(moments)}]`, at)")
        changes = {change.key: change for change in log.changes(folder / "changes", damage=damage, **asked)}
    for pk, item in items.items():
        change = changes.get(image(pk, {}))
        real, good = image(pk, item.real), image(pk, item.good)
        event("conflict" if item.conflict else "damage" if real != good else "no damage")
        if change is not None:
            assert change.after == real
            assert bool(change.review) == item.conflict
        if item.conflict:
            assert change is not None
        else:
            reason, goal = decide(change, real, REVERT) if change else ("", real)
            assert (reason, goal) == ("", good)
