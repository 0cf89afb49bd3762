"""The locator finds when damage began and ended, says how sure that is, and does not take ordinary writes for it."""

import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitrkit.aws.items import KeyAttribute, KeySchema, canonical
from pitrkit.errors import BadInput
from pitrkit.recovery.changelog.change_log import EXPORTS, STREAM, write
from pitrkit.recovery.changelog.locate import KEYS, locate
from pitrkit.recovery.changes.change import ItemStep
from pitrkit.recovery.changes.scope import Scope

KEY = KeySchema((KeyAttribute("pk", "S", "HASH"),))
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(hours=24)
REMOVED = Scope(("removed",))
MANGLED = Scope(where="after.v == 'bad'")

BURSTS = st.tuples(st.integers(60, 400), st.integers(1, 900), st.integers(0, 80_000))  # how many, how long, from when


def at(second):
    return NOON + timedelta(seconds=second)


def image(pk, v):
    return canonical({"pk": {"S": pk}, "v": {"S": v}})


def removal(pk, second):
    return ItemStep(canonical({"pk": {"S": pk}}), at(second), at(second), image(pk, "good"), None, single=True)


def mangling(pk, second):
    return ItemStep(
        canonical({"pk": {"S": pk}}), at(second), at(second), image(pk, "good"), image(pk, "bad"), single=True
    )


def exported(pk, begin, last, after="bad", *, undated=False):
    left = None if after is None else image(pk, after)
    of = canonical({"pk": {"S": pk}}), at(begin), at(last), image(pk, "good")
    return ItemStep(*of, left, single=False, undated=undated)


def recorded(steps, folder, source=STREAM):
    window = {"since_at": NOON, "until_at": NOON + DAY}
    return write(steps, folder, table="Orders", key_schema=KEY, source=source, **window)


@pytest.fixture
def log(tmp_path):
    return lambda steps, source=STREAM: recorded(steps, tmp_path / "log", source)


def test_a_stream_tells_it_to_the_second(log):
    found = locate(log([mangling(f"k{second}", second) for second in range(600, 640)]), MANGLED)
    assert (found.began.earliest, found.began.latest) == (at(600), at(600))
    assert (found.ended.earliest, found.ended.latest) == (at(639), at(639))
    assert found.restore_at == at(599)  # a write dated 600 may have been made at 600.000000, which a restore to 600 has
    assert (found.since_at, found.until_at) == (at(600), at(640))
    assert (found.items, found.kinds) == (40, {"modified": 40})
    assert found.keys == tuple(canonical({"pk": {"S": f"k{second}"}}) for second in range(600, 600 + KEYS))
    assert found.precision == "exact to the second"


def test_an_export_bounds_it_by_its_windows_and_the_items_last_writes(log):
    steps = [exported("a", 0, 500.5), exported("b", 0, 700.25), exported("c", 900, 1200.75)]
    found = locate(log(steps, EXPORTS), MANGLED)
    assert (found.began.earliest, found.began.latest) == (at(0), at(500.5))
    assert (found.ended.earliest, found.ended.latest) == (at(900), at(1200.75))
    assert found.restore_at == at(-1)
    assert (found.since_at, found.until_at) == (at(0), at(1201))
    assert found.precision.startswith("bounds")
    assert "cannot be separated from the damage" in str(found)


def test_a_removal_in_an_export_is_dated_to_the_moment(log):
    found = locate(log([exported("a", 0, 500.5, None), exported("b", 0, 600, None)], EXPORTS), REMOVED)
    assert (found.began.earliest, found.began.latest) == (at(500.5), at(500.5))
    assert (found.ended.earliest, found.ended.latest) == (at(600), at(600))
    assert found.restore_at == at(500)
    assert found.precision.startswith("exact")


def test_a_removal_of_which_exports_tell_no_moment_is_bounded(log):
    found = locate(log([exported("a", 300, 600, None, undated=True)], EXPORTS), REMOVED)
    assert (found.began.earliest, found.began.latest) == (at(300), at(600))
    assert found.restore_at == at(299)
    assert found.precision.startswith("bounds")


def test_an_item_hit_twice_is_one_item(log):
    steps = [
        mangling("a", 10),
        ItemStep(canonical({"pk": {"S": "a"}}), at(11), at(11), image("a", "bad"), None, single=True),
    ]
    found = locate(log(steps), Scope(where="!after || after.v == 'bad'"))
    assert (found.items, found.steps, found.kinds) == (1, 2, {"modified": 1})


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32), st.integers(1, 3000), BURSTS)
def test_a_burst_stands_out_among_ordinary_deletions(seed, noise, burst):
    count, length, start = burst
    count = max(count, 20 * noise * length // 86_400)  # a burst is denser than the noise, or it is none
    chance = random.Random(seed)
    rows = [removal(f"n{number}", chance.randrange(86_400)) for number in range(noise)]
    rows += [removal(f"d{number}", start + number * length // count) for number in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        found = locate(recorded(rows, Path(folder)), REMOVED)
    ended = start + (count - 1) * length // count
    assert found.since_at <= at(start)
    assert found.until_at > at(ended)
    slack = timedelta(seconds=max(120, length))  # ordinary deletions right before or after it cannot be told from it
    assert at(start) - slack <= found.began.earliest
    assert found.ended.latest <= at(ended) + slack
    assert found.steps == noise + count


def test_a_second_burst_is_named_and_scattered_deletions_are_only_counted(log):
    chance = random.Random(5)
    rows = [removal(f"n{number}", chance.randrange(86_400)) for number in range(200)]
    rows += [removal(f"d{number}", 40_000 + number // 50) for number in range(500)]
    rows += [removal(f"e{number}", 60_000 + number // 50) for number in range(100)]
    found = locate(log(rows), REMOVED)
    assert found.began.earliest == at(40_000)
    assert found.bursts[1].began.earliest == at(60_000)
    assert f"{found.steps - found.burst.steps:,} more matching changes" in str(found)
    assert len(str(found).splitlines()) == 5
    assert found.to_dict()["bursts"][1]["items"] == found.bursts[1].items


def test_where_nothing_stands_out_all_of_it_is_taken(log):
    found = locate(log([removal("a", 10), removal("b", 4000), removal("c", 9000)]), REMOVED)
    assert (found.since_at, found.until_at, found.items) == (at(10), at(9001), 3)
    assert any("No burst stands out" in line for line in found.unknown)


def test_damage_at_the_logs_very_beginning_may_have_begun_before(log):
    found = locate(log([removal("a", 0)]), REMOVED)
    assert "The change log begins at 2026-11-20 12:00:00 UTC; the damage may have begun earlier." in found.unknown
    assert locate(log([removal("a", 60)]), REMOVED).unknown == ()


def test_expired_items_are_found_only_where_they_are_asked_for(log):
    gone = ItemStep(canonical({"pk": {"S": "a"}}), at(5), at(5), image("a", "good"), None, single=True, by="ttl")
    made = log([gone])
    with pytest.raises(BadInput, match="no change in the log matches the description of the damage"):
        locate(made, REMOVED)
    assert locate(made, Scope(where="by == 'ttl'")).items == 1


def test_what_it_proposes_is_what_a_rollback_takes(log, tmp_path):
    made = log([mangling(f"k{second}", second) for second in range(600, 640)])
    found = locate(made, MANGLED)
    changes = made.changes(tmp_path / "c", damage=MANGLED, since_at=found.since_at, until_at=found.until_at)
    assert len(changes) == found.items
