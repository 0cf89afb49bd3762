"""Rolling back by the stream, by exports, by a restore and by three-way agrees wherever each can know; else it says so.

Each example is a table with a past that a sandbox holds (`stories`), recovered by every route in turn, and given back
as it was by that route's undo. What each route promises about an item, and what it may not know:

- **Stream**: every write with both images. So the item becomes exactly what it would be without the damage, or it takes
  a person to tell, and then it is left, by name, as `also written by others`.
- **Exports**: one record an item and window. Where the window of the damage holds nobody else's write to the item, the
  same as the stream; where it holds one from after the damage, it is left for a person if the record looks like damage.
  One from within the damage's window cannot be told from the damage, which the log's notes say; nor can the service's
  own deletion of an item that looks as if the damage had deleted it. Items that a short
  window's exports cannot tell are counted in the notes and named beside the log, and not touched.
- **Three-way**: two copies, which are to the damage's window what one export's record is: it changes the same.
- **Restore**: a copy at T1 against now. An item that looks damaged between the two is in scope, and put back to T1 if
  that is what the operator chose (`modified=revert`); by default modified items are left undecided.

What others wrote after the end of what a route looked at is kept with `guard=attributes` if it touched other
attributes, else the item is left as `changed since` or `exists again`. On no route is a good write to an item without
damage changed, nor anything that others write while the plan is applied.
"""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from hypothesis import Phase, event, example, given, note, settings
from hypothesis import strategies as st

from pitrkit.aws.backups import pitr
from pitrkit.aws.change_data import exports
from pitrkit.aws.items import attributes
from pitrkit.recovery.changelog import from_exports, from_stream
from pitrkit.recovery.changelog.change_log import ONE_STEP_A_WINDOW
from pitrkit.recovery.changelog.merge import looks_like
from pitrkit.recovery.changes.change import ItemStep
from pitrkit.recovery.changes.change_set import ONE_COPY, TWO_COPIES, diff
from pitrkit.recovery.changes.scope import Scope
from pitrkit.recovery.plan.policy import (
    LEFT_ALSO_WRITTEN,
    LEFT_CHANGED_SINCE,
    LEFT_EXISTS_AGAIN,
    LEFT_EXPIRED,
    LEFT_UNDECIDED,
    Policy,
)
from pitrkit.recovery.snapshot import export_snapshot, snapshot
from tests.recovery.changelog.stories import (
    DAMAGE,
    MINUTE,
    TTL_ATTRIBUTE,
    L,
    Wrote,
    compacted,
    expired,
    frame,
    histories,
    lines,
    looks_like_damage,
    past,
    state_before,
    stories,
    text,
    truth,
)

SCHEMA = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "N"},
    ],
    "BillingMode": "PAY_PER_REQUEST",
    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
}
BUCKET = "exports"
WHERE = Scope(where=DAMAGE)
CHANGED_SINCE = {LEFT_CHANGED_SINCE, LEFT_EXISTS_AGAIN}
LATE = {"S": "late"}
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
"""An example takes a second or two, and its items do not depend on each other: a failure names its item's history."""

OPTIONS = st.fixed_dictionaries(
    {
        "guard": st.sampled_from(["item", "attributes"]),
        "narrow": st.booleans(),
        "copies": st.sampled_from(["restore", "export"]),
        "late": st.sets(st.integers(0, 9), max_size=3),
    }
)

PLAIN = {"guard": "item", "narrow": True, "copies": "restore", "late": set()}
T1, T2 = 0, 1  # edges
SECONDS = 10**6


def story(*items, lasts, longer=0):
    """A story told by hand: each item's start, then its writes, each a phase or edge, the place there, the action."""
    told = [(start, [((phase, place), tuple(action)) for phase, place, *action in writes]) for start, *writes in items]
    return {"lasts": lasts, "since": 3_600, "log_longer": longer, "items": told}


class Incident:
    """One story in a table of its own, and what came of a route for each of its items."""

    def __init__(self, sandbox, bench, story, options):
        self.times = frame(story, sandbox.clock.now())
        self.told = histories(story, self.times)
        self.options = options
        name = bench.path("Agree").name
        sandbox.seed(
            SCHEMA | {"TableName": name},
            past(self.told),
            created_at=self.times.created_at,
            ttl_attribute=TTL_ATTRIBUTE,
        )
        self.bench = type(bench)(bench.aws, bench.folder, existing=name)
        self.aws, self.table = self.bench.aws, self.bench.table
        self.now = {item: wrote[-1].after if wrote else None for item, wrote in self.told.items()}
        self.live = {text(item, {}): text(item, state) for item, state in self.now.items() if state is not None}
        assert self.bench.state() == self.live
        self.late = {item for item in options["late"] if item in self.told}

    def policy(self, **choices):
        return Policy(**{"modified": "revert", "inserted": "delete", "guard": self.options["guard"]} | choices)

    # The sources.

    def by_stream(self):
        times = self.times
        log = from_stream.read(self.aws, self.table, self.path("log"), times.since_at, times.now_at)
        assert log.single
        assert all("returned no new records" in said for said in log.notes)
        return self._changes(log)

    def by_exports(self, until_at):
        """What exports tell up to *until_at*: the change set, the keys that they cannot tell, their windows' edges."""
        times = self.times
        width = L if self.options["narrow"] else None
        window = times.since_at, until_at
        needed = from_exports.windows(*window, latest_at=times.now_at, earliest_at=times.created_at, width=width)
        started = from_exports.start(self.aws, self.table, needed, bucket=BUCKET)
        done = from_exports.wait(self.aws, started, poll_seconds=0.01)
        log = from_exports.read(self.aws, self.table, done, self.path("log"), since_at=window[0], until_at=until_at)
        undecided = {json.loads(line)["key"] for line in (log.folder / from_exports.UNDECIDED).read_text().splitlines()}
        edges = list(window) if until_at - window[0] < L else [needed[0][0], *(end for _, end in needed)]
        assert (ONE_STEP_A_WINDOW in log.notes) == (len(log) > 0)
        said = [one for one in log.notes if one != ONE_STEP_A_WINDOW]
        assert len(said) == (len(undecided) > 0)
        assert all(f"what happened to {len(undecided)} item" in note for note in said)
        return self._changes(log), undecided, edges

    def _changes(self, log):
        times = self.times
        return log.changes(self.path("changes"), damage=WHERE, since_at=times.since_at, until_at=times.until_at)

    def copy(self, at):
        folder = self.path("copy")
        if self.options["copies"] == "export":
            full = exports.wait(
                self.aws, exports.start_full(self.aws, self.table, at, bucket=BUCKET), poll_seconds=0.01
            )
            return export_snapshot.from_export(self.aws, full, self.table, folder)
        name = f"{self.table.name}-{at:%H%M%S}"
        pitr.restore(self.aws, self.table, name, at)
        return snapshot.take(self.aws, pitr.wait(self.aws, name, poll_seconds=0.01), folder, segments=1)

    def between(self, then, later, source):
        whole = diff(then, later, self.path("diff"), before_at="a", after_at="b", source=source, table=self.table.name)
        return whole.scoped(WHERE, self.path("scoped"))

    def path(self, what):
        return self.bench.path(what)

    # Going back.

    def recovered(self, changes, policy):
        """Write what reverts *changes*, with others writing late, then take it back; return what came of it."""
        plan = self.bench.plan(changes, policy)
        for item in self.late:
            self._write_late(item)
        done = self.bench.apply(plan)
        assert done.complete
        final = self.bench.state()
        if plan.total:
            self.bench.undo(plan)
        self._survived(final)
        for item in self.late:
            if (now := self.now[item]) is None:
                self.bench.delete(text(item, {}))
            else:
                self.bench.put(text(item, now))
        assert self.bench.state() == self.live
        return Outcome(self, {left.key: left.reason for left in plan.left_items()}, final)

    def _write_late(self, item):
        if self.now[item] is None:
            self.bench.put(text(item, {"x": "late"}))
        else:
            self.bench.set(text(item, {}), "x", LATE)

    def _survived(self, final):
        for state in (final, self.bench.state()):
            for item in self.late:
                held = state.get(text(item, {}))
                assert held is not None
                assert attributes(held)["x"] == LATE
                if self.now[item] is None:
                    assert held == text(item, {"x": "late"})


@dataclass(frozen=True)
class Became:
    """What came of one item: its history, what it was before the route and after it, and why the plan left it."""

    item: int
    wrote: list
    live: str | None
    final: str | None
    left: str

    def __str__(self):
        return f"item {self.item}:\n{lines(self.wrote)}\n  live  {self.live}\n  final {self.final}\n  left  {self.left}"

    @property
    def untouched(self):
        return (self.final, self.left) == (self.live, "")

    def left_as(self, *reasons):
        return self.final == self.live and self.left in reasons


class Outcome:
    """What a route left alone, and the table after it. A failed check names the item that it looked at."""

    def __init__(self, incident, left, final):
        self.incident, self.left, self.final = incident, left, final
        self.looked_at = None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is not None:
            note(f"{self.looked_at}")

    def __iter__(self):
        """Every item that nobody wrote late."""
        for item, wrote in self.incident.told.items():
            if item not in self.incident.late:
                key, live = text(item, {}), text(item, self.incident.now[item])
                self.looked_at = Became(item, wrote, live, self.final.get(key), self.left.get(key, ""))
                yield self.looked_at


def check_conditions(incident):
    """The story's own claim: in the window, the condition holds of the damage and of nothing else."""
    for item, wrote in incident.told.items():
        for one in wrote:
            images = text(item, one.before), text(item, one.after)
            by = "ttl" if one.who == "ttl" else ""
            step = ItemStep(text(item, {}), one.at, one.at, *images, single=True, by=by)
            assert WHERE.holds(step) == looks_like_damage(one.before, one.after)
            if incident.times.inside(one.at):
                assert looks_like(step, WHERE) == (one.who == "damage")


# -- the stream


def check_stream(incident, outcome):
    for one in outcome:
        since = [write for write in one.wrote if write.at >= incident.times.since_at]
        damaged = next((place for place, write in enumerate(since) if write.who == "damage"), None)
        if damaged is None:
            assert one.untouched
        else:
            check_told(incident, one, truth(since[damaged:]), "stream")


def check_told(incident, one, found, source):
    """An item of which all is known, and which nobody wrote since: it is as it should be, or left, by name."""
    wanted = text(one.item, found.wanted)
    if found.clash:
        event(f"{source}: for a person")
        assert one.left_as(LEFT_ALSO_WRITTEN)
    elif one.final == wanted:
        event(f"{source}: put right" if one.live != wanted else f"{source}: right already")
        assert not one.left or one.live == wanted
    elif one.left == LEFT_EXPIRED:
        event(f"{source}: would expire again")
        assert one.left_as(LEFT_EXPIRED)
        assert expired(found.wanted, datetime.now(UTC))
    else:
        event(f"{source}: left, though it could be told")
        assert one.left_as(LEFT_ALSO_WRITTEN)
        assert not found.simple


# -- exports and three-way


def check_records(incident, outcome, edges, undecided=()):
    """What is promised where an item is told once between each two *edges*: by exports, or by two copies."""
    times = incident.times
    for one in outcome:
        if text(one.item, {}) in undecided:
            check_undecided(incident, one, edges[-1])
            continue
        check_kept(one, text(one.item, state_before(one.wrote, edges[-1])))
        records = compacted([write for write in one.wrote if write.at >= times.since_at], edges)
        hit = [record for record in records if record.who == "damage"]
        if not hit:
            check_undamaged(incident, one)
        elif any(record.mixed for record in hit):
            check_mixed(incident, one, hit)
        else:
            records = records[records.index(hit[0]) :]
            check_clear(incident, one, [as_told(incident, one, record) for record in records], edges)


def as_told(incident, one, record):
    """A record by whom its source must take it to be: who deleted an item, neither exports nor copies tell."""
    looks = looks_like_damage(record.before, record.after)
    if record.who == "damage" or not looks or record.after is not None or not incident.times.inside(record.at):
        return record
    event("records: an expiry taken for damage")
    assert any(write.who == "ttl" and incident.times.inside(write.at) for write in one.wrote)
    return replace(record, who="damage")


def check_kept(one, seen):
    """Nothing that others wrote after the item was as *seen* is overwritten: it is as they left it."""
    then, now, became = (attributes(image) if image else None for image in (seen, one.live, one.final))
    if then is None or now is None:
        assert one.live in {one.final, seen}
        return
    for name in then.keys() | now.keys():
        if then.get(name) != now.get(name):
            assert became is not None
            assert became.get(name) == now.get(name)


def check_undecided(incident, one, end):
    """What a short window's exports may not know: an item written within a minute of an edge of theirs."""
    event("exports: cannot tell")
    assert one.untouched
    assert end - incident.times.since_at < L
    edges = (incident.times.since_at - L, end - L)
    assert any(edge <= write.at < edge + MINUTE for write in one.wrote for edge in edges)


def check_undamaged(incident, one):
    if one.final == one.live:
        return
    # Exports and copies do not tell the service's deletions from others'.
    event("records: an expired item put back")
    expiring = [write for write in one.wrote if write.who == "ttl" and incident.times.inside(write.at)]
    assert expiring[-1].before["g"] == "doomed"
    assert one.left == ""


def check_mixed(incident, one, hit):
    """A record of damage and of others' writes: left for a person, if it shows that it reaches beyond the damage."""
    event("records: damage and others in one")
    late = [record for record in hit if record.at >= incident.times.until_at]
    if late and late[0].after is None:
        assert one.untouched  # others removed it after the damage, and that stands
    elif late and looks_like_damage(late[0].before, late[0].after):
        assert one.left_as(LEFT_ALSO_WRITTEN)


def check_clear(incident, one, records, edges):
    """An item whose damage has records of its own, the first of which is the first of *records*."""
    end = edges[-1]
    after_end = text(one.item, state_before(one.wrote, end))
    found = truth(records)
    if one.live != after_end and one.left_as(*CHANGED_SINCE):
        event("records: changed since")
        assert text(one.item, found.wanted) != one.live
    elif one.left_as(LEFT_ALSO_WRITTEN) and found.simple and is_undated(incident, one, end):
        event("records: removed, but not told when")
    elif one.left_as(LEFT_ALSO_WRITTEN) and found.simple and reaches_beyond(incident, records, edges):
        event("records: written after the damage, in a record that may hold damage")
    elif found.clash or one.live == after_end:
        check_told(incident, one, found, "records")
    else:
        check_later(one, records)


def is_undated(incident, one, end):
    """Whether exports do not date its removal, so that it may lie behind the damage in a log that is longer."""
    times = incident.times
    made_at = max((write.at for write in one.wrote if write.before is None and write.at < times.since_at), default=None)
    return made_at is not None and times.until_at < end < times.since_at + L and made_at >= end - L


def reaches_beyond(incident, records, edges):
    """Whether a record by others looks like damage, and begins before the damage's end but reaches beyond it."""
    until_at = incident.times.until_at
    return any(
        record.who != "damage"
        and record.at >= until_at
        and max(edge for edge in edges if edge <= record.at) < until_at
        and looks_like_damage(record.before, record.after)
        for record in records
    )


def check_later(one, records):
    """An item told clearly, and written since: merged, if that touched nothing of it; else it is left, by name."""
    last = one.wrote[-1]
    whole = truth([*records, Wrote(last.at, last.who, records[-1].after, last.after)])
    if one.final == text(one.item, whole.wanted):
        event("records: merged with what came later")
        assert not whole.clash
    else:
        event("records: left with what came later")
        assert one.final == one.live
        assert one.left or truth(records).wanted == records[-1].after


# -- restore


def check_restore(incident, outcome):
    times = incident.times
    for one in outcome:
        before, now = state_before(one.wrote, times.since_at), incident.now[one.item]
        since = [write for write in one.wrote if write.at >= times.since_at]
        by = {write.who for write in since}
        if before == now or not looks_like_damage(before, now):
            assert one.untouched
        elif one.left == LEFT_EXPIRED:
            assert one.left_as(LEFT_EXPIRED)
            assert expired(before, datetime.now(UTC))
        else:
            event("restore: in scope")
            assert (one.final, one.left) == (text(one.item, before), "")
        if by == {"damage"} and one.left != LEFT_EXPIRED:
            assert one.final == text(one.item, truth(since).wanted)
        elif "damage" not in by and one.final != one.live:
            # The classic way has no end: what looks like damage after it is in scope, too.
            assert any(looks_like_damage(write.before, write.after) for write in since)


def check_default(incident, changes):
    """By default the classic way leaves all modified items to a person."""
    plan = incident.bench.plan(changes, Policy())
    left = {one.key: one.reason for one in plan.left_items()}
    for change in changes:
        if change.kind == "modified":
            assert left[change.key] == LEFT_UNDECIDED
    assert plan.updates == plan.deletes == 0


def check(sandbox, bench, story, options):
    """Recover the story's table by every route, and hold each to its promise."""
    incident = Incident(sandbox, bench, story, options)
    times = incident.times
    note(f"{times} {options}")
    check_conditions(incident)

    stream = incident.by_stream()
    exported_, undecided, edges = incident.by_exports(times.until_at)
    longer, longer_undecided, longer_edges = incident.by_exports(times.log_until_at)
    then, until = incident.copy(times.since_at), incident.copy(times.until_at)
    two = incident.between(then, until, TWO_COPIES)
    present = snapshot.take(incident.aws, incident.table, incident.path("present"), segments=1)
    one = incident.between(then, present, ONE_COPY)

    with incident.recovered(stream, incident.policy()) as outcome:
        check_stream(incident, outcome)
    with incident.recovered(exported_, incident.policy()) as outcome:
        check_records(incident, outcome, edges, undecided)
    with incident.recovered(longer, incident.policy()) as outcome:
        check_records(incident, outcome, longer_edges, longer_undecided)
    with incident.recovered(two, incident.policy()) as outcome:
        check_records(incident, outcome, [times.since_at, times.until_at])
    with incident.recovered(one, incident.policy()) as outcome:
        check_restore(incident, outcome)
    check_default(incident, one)

    # Exports of one window tell what two copies tell, but for what they cannot.
    if len(edges) == 2:
        assert [change for change in two if change.key not in undecided] == list(exported_)


@pytest.fixture(scope="module")
def shared(sandbox, aws, tmp_path_factory, make_bench):
    sandbox.bucket(BUCKET)
    return make_bench(aws, tmp_path_factory.mktemp("agree"))


@settings(max_examples=6, phases=UNSHRUNK)
@given(story=stories(), options=OPTIONS)
@example(
    story=story((None, (T1, -90 * SECONDS, "put", 1, "doomed", ""), ("in", 500, "purge")), lasts=300, longer=300),
    options=PLAIN,
)
@example(story=story(((1, "safe"), ("in", 100, "mark", "e"), ("in", 900, "expire")), lasts=7_200), options=PLAIN)
@example(
    story=story(((1, "safe"), ("in", 100, "mark", "e"), (T2, 30 * SECONDS, "expire")), lasts=1_800, longer=600),
    options=PLAIN,
)
def test_all_routes_leave_what_good_writers_alone_would_have_or_say_that_they_cannot_know(
    sandbox, shared, story, options
):
    check(sandbox, shared, story, options)
