"""Random stories of a table for which it is known what it would be without the damage.

Each write of a story is by somebody: `good`, `damage` or `ttl`. The damage has marks that no good writer's write in the
damage's window has, alone or together with others: it sets `m` to what was not there before, blanks `s`, or deletes
what belongs to the group `doomed`. Outside of the window good writers do all of that, too. So `DAMAGE` is a condition
that a person on call could write, and it holds of a write in the window exactly if the write is damage.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import strategies as st

from pitrkit.aws.items import canonical
from pitrkit.sandbox import PastWrite

DAMAGE = (
    "(after.m && after.m != before.m)"
    " || (after && after.s == '' && before.s != '')"
    " || (kind == 'removed' && before.g == 'doomed')"
)
L = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
MICRO = timedelta(microseconds=1)
TTL_ATTRIBUTE = "e"
NAMES = ("x", "y", "s", "m", "g", "e")


def looks_like_damage(before, after):
    """What `DAMAGE` says of a change, in Python."""
    then, now = before or {}, after or {}
    marked = bool(now.get("m")) and now["m"] != then.get("m")
    blanked = now.get("s") == "" and then.get("s") != ""
    return marked or blanked or (before is not None and after is None and before.get("g") == "doomed")


@dataclass(frozen=True)
class Wrote:
    """One write to one item, or what a source tells as one: the item before and after as dicts, None where absent."""

    at: datetime
    who: str
    before: dict | None
    after: dict | None
    mixed: bool = False  # by damage and by others


@dataclass(frozen=True)
class Frame:
    """The times of a story: the damage lies in [since_at, until_at), `log_until_at` is where a longer log ends."""

    created_at: datetime
    since_at: datetime
    until_at: datetime
    log_until_at: datetime
    now_at: datetime

    def inside(self, at):
        return self.since_at <= at < self.until_at


PHASES = st.sampled_from(["early", "in", "in", "in", "after", "after"])
WHEN = st.one_of(
    st.tuples(PHASES, st.integers(0, 999)),
    st.tuples(
        st.integers(0, 5), st.sampled_from([-90 * 10**6, -30 * 10**6, -1, 1, 30 * 10**6, 61 * 10**6])
    ),  # around an edge, in microseconds
)
NUMBERS = st.integers(0, 2)  # few, so that values come back
ACTIONS = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(["x", "y"]), NUMBERS),
    st.tuples(st.just("set"), st.just("s"), st.sampled_from(["new", "ok"])),
    st.tuples(st.just("unset"), st.sampled_from(["x", "y"])),
    st.tuples(st.just("put"), NUMBERS, st.sampled_from(["doomed", "safe"]), st.sampled_from(["", "", "", "soon"])),
    st.tuples(st.just("delete")),
    st.tuples(st.just("expire")),
    st.tuples(st.just("mark"), st.sampled_from(["x", "y", "e", ""])),
    st.tuples(st.just("mark"), st.just("x")),
    st.tuples(st.just("blank"), st.sampled_from(["x", ""])),
    st.tuples(st.just("purge")),
)
STARTS = st.one_of(st.none(), *[st.tuples(NUMBERS, st.sampled_from(["doomed", "safe"]))] * 3)
ITEMS = st.tuples(STARTS, st.lists(st.tuples(WHEN, ACTIONS), min_size=2, max_size=6))
SECONDS = st.one_of(
    st.integers(1, 899), st.sampled_from([899, 900]), st.integers(901, 1_800), st.integers(1_801, 4 * 3_600)
)


@st.composite
def stories(draw, most=30):
    """A frame, as durations, and what happens to each of some items."""
    lasts, since = draw(SECONDS), draw(st.integers(60, 3 * 3_600))
    return {
        "lasts": lasts,
        "since": since,
        "log_longer": draw(st.sampled_from([0, 0, 50, 600])),
        "items": draw(st.lists(ITEMS, min_size=most // 2, max_size=most)),
    }


def frame(story, now_at):
    until_at = now_at.replace(microsecond=0) - timedelta(seconds=story["since"])
    since_at = until_at - timedelta(seconds=story["lasts"])
    longer = timedelta(seconds=min(story["log_longer"], story["since"] - 5))
    return Frame(since_at - timedelta(hours=1), since_at, until_at, until_at + longer, now_at)


def _moment(when, times):
    """The time that a drawn `when` stands for."""
    kind, place = when
    if isinstance(kind, int):
        u = times.log_until_at
        edges = (times.since_at, times.until_at, u, times.since_at - L, u - L, u - 2 * L)
        at = edges[kind] + place * MICRO
    else:
        early = min(times.since_at - 20 * MINUTE, times.log_until_at - 35 * MINUTE)
        begin, end = {
            "early": (max(early, times.created_at), times.since_at),
            "in": (times.since_at, times.until_at),
            "after": (times.until_at, times.now_at - 2 * timedelta(seconds=1)),
        }[kind]
        at = begin + (end - begin) * place / 1000 + MICRO
    return min(max(at, times.created_at + 2 * MICRO), times.now_at - timedelta(seconds=1))


def _done(state, action, at, number, inside):
    """Who does *action* to an item, and the item afterwards; None where nobody can or would."""
    match action:
        case ("set", name, value) if state is not None:
            return "good", {**state, name: value}
        case ("unset", name) if state is not None:
            return "good", {other: value for other, value in state.items() if other != name}
        case ("put", x, group, expiry):
            item = {"x": x, "s": "put", "g": state["g"] if state else group}
            return "good", item | ({"e": int(at.timestamp()) + 60} if expiry else {})
        case ("delete",) if state is not None and not (inside and state["g"] == "doomed"):
            return "good", None
        case ("expire",) if state is not None and "e" in state and state["e"] <= at.timestamp():
            return "ttl", None
        case ("mark", what):
            item = {**(state or {"g": "doomed" if number % 2 else "safe"}), "m": f"bad-{number}"}
            changes = {"x": {"x": 10 + number}, "y": {"y": None}, "e": {"e": int(at.timestamp())}, "": {}}[what]
            item = {name: value for name, value in (item | changes).items() if value is not None}
        case ("blank", what) if state is not None and state.get("s") != "":
            item = {**state, "s": ""} | ({"x": 10 + number} if what else {})
        case ("purge",) if state is not None and state["g"] == "doomed":
            item = None
        case _:
            return None
    return ("damage" if inside else "good"), item


def histories(story, times):
    """What happens to each item, by its number: its writes in the order of time."""
    told = {}
    for item, (start, events) in enumerate(story["items"]):
        wrote, state = [], None
        if start is not None:
            state = {"x": start[0], "y": 1, "s": "ok", "g": start[1]}
            wrote.append(Wrote(times.created_at + MICRO, "good", None, state))
        timed = sorted(((_moment(when, times), action) for when, action in events), key=lambda one: one[0])
        for number, (at, action) in enumerate(timed):
            done = _done(state, action, at, number, times.inside(at))
            if done is not None and done[1] != state:
                wrote.append(Wrote(at, done[0], state, done[1]))
                state = done[1]
        told[item] = wrote
    return told


def key(item):
    return {"pk": {"S": f"item-{item}"}, "sk": {"N": "0"}}


def image(item, state):
    """An item as the service has it."""
    typed = {name: {"S": value} if isinstance(value, str) else {"N": str(value)} for name, value in state.items()}
    return key(item) | typed


def text(item, state):
    return None if state is None else canonical(image(item, state))


def past(told):
    """The histories as a sandbox takes them."""
    writes = sorted((one.at, item, place) for item, wrote in told.items() for place, one in enumerate(wrote))
    for at, item, place in writes:
        one = told[item][place]
        after = None if one.after is None else image(item, one.after)
        yield PastWrite(at, key(item), after, "ttl" if one.who == "ttl" else "")


def state_before(wrote, at):
    """An item right before *at*."""
    return next((one.after for one in reversed(wrote) if one.at < at), None)


def expired(state, at):
    return state is not None and "e" in state and state["e"] <= at.timestamp()


def _by(wrote):
    """Who is behind several writes: damage, if any of them is; else who was last."""
    return "damage" if any(one.who == "damage" for one in wrote) else wrote[-1].who


def compacted(wrote, edges):
    """What exports of the windows between *edges* tell of an item: one record a window, by the truth about who wrote.

    Records of an item that is at a window's end what it was at its beginning are not told.
    """
    records = []
    for begin, end in pairwise(edges):
        own = [one for one in wrote if begin <= one.at < end]
        if own:
            mixed = len({one.who == "damage" for one in own}) > 1
            records.append(Wrote(own[-1].at, _by(own), own[0].before, own[-1].after, mixed))
    return [one for one in records if one.before != one.after or one.mixed]


def _changed(before, after):
    then, now = before or {}, after or {}
    return {name for name in NAMES if then.get(name) != now.get(name)}


@dataclass(frozen=True)
class Truth:
    """What an item would be without the damage.

    Attributes:
        wanted: The item, as far as that can be said.
        clash: What takes a person to tell: attributes, or `item`; empty if all is well-defined.
        simple: Whether no good write touched what the damage had touched before, nor made or removed the item since.
    """

    wanted: dict | None
    clash: frozenset
    simple: bool


def truth(wrote):
    """Have the good writes alone done to an item that begins as it was before the first of *wrote*."""
    world = _World(wrote[0].before)
    for one in wrote:
        assert one.before == world.real
        world.real = one.after
        if one.who == "damage":
            world.damage(one)
            continue
        world.good(one)
        if world.real == world.wanted:
            world.clash, world.touched = set(), set()
    return Truth(world.wanted, frozenset(world.clash), world.simple)


class _World:
    """An item as it really is, and as it would be without the damage."""

    def __init__(self, state):
        self.real = self.wanted = state
        self.clash, self.touched, self.simple = set(), set(), True

    def damage(self, one):
        self.touched |= _changed(one.before, one.after) | ({"item"} if None in (one.before, one.after) else set())

    def good(self, one):
        whole = None in (one.before, one.after) or "item" in self.touched
        if self.touched and (whole or _changed(one.before, one.after) & self.touched):
            self.simple = False
        if one.after == self.wanted:
            return
        if one.after is None:
            self._removed(one)
        elif one.before is None and self.wanted is None:
            self.wanted = one.after
        elif one.before is None or self.wanted is None:
            self.clash.add("item")
        else:
            self._changed(one)

    def _removed(self, one):
        if one.who == "ttl" and not expired(self.wanted, one.at):
            self.clash.add("item")  # only what the damage wrote let it expire
        elif "item" not in self.clash:
            self.wanted = None

    def _changed(self, one):
        for name in _changed(one.before, one.after):
            found, wanted, left = (state.get(name) for state in (one.before, self.wanted, one.after))
            if found == wanted:
                merged = self.wanted | {name: left}
                self.wanted = {other: value for other, value in merged.items() if value is not None}
            elif left == wanted:
                self.clash.discard(name)
            else:
                self.clash.add(name)


def lines(wrote):
    """A history, to be read when a test fails."""
    return "\n".join(f"  {one.at:%H:%M:%S.%f} {one.who:6} {one.before} -> {one.after}" for one in wrote)
