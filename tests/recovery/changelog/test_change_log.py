"""A change log keeps every step in its order, and takes the damage, and only that, out of each item's history."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow.parquet as pq
import pytest

from pitrkit.aws.items import KeyAttribute, KeySchema, attributes, canonical, image_of
from pitrkit.errors import BadInput
from pitrkit.recovery.changelog import merge
from pitrkit.recovery.changelog.change_log import EXPORTS, ONE_STEP_A_WINDOW, STREAM, ChangeLog, write
from pitrkit.recovery.changes.change import Change, ItemStep
from pitrkit.recovery.changes.change_set import ChangeSet
from pitrkit.recovery.changes.scope import Scope
from pitrkit.recovery.plan.plan import Plan
from pitrkit.recovery.plan.policy import Policy

KEY = KeySchema((KeyAttribute("pk", "S", "HASH"), KeyAttribute("sk", "N", "RANGE")))
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
REVERT = Policy(modified="revert", inserted="delete")


def at(second):
    return NOON + timedelta(seconds=second)


def key(number=1):
    return canonical({"pk": {"S": "a"}, "sk": {"N": str(number)}})


def item(number=1, /, **values):
    return canonical(
        {"pk": {"S": "a"}, "sk": {"N": str(number)}} | {name: {"S": value} for name, value in values.items()}
    )


def step(second, before, after, *, by=""):
    """One write, as a stream tells it."""
    image = before or after
    own = image_of({name: attributes(image)[name] for name in KEY.names})
    return ItemStep(own, at(second), at(second), before, after, single=True, by=by)


def window(begin, last, before, after, *, undated=False):
    """What an export of a window that begins at *begin* tells of an item last written at *last*."""
    one = step(last, before, after)
    return ItemStep(one.key, at(begin), at(last), before, after, single=False, undated=undated)


@pytest.fixture
def log(tmp_path):
    def written(*steps, source=STREAM, since=0, until=3600):
        return write(
            steps,
            tmp_path / "log",
            table="Orders",
            key_schema=KEY,
            source=source,
            since_at=at(since),
            until_at=at(until),
        )

    return written


@pytest.fixture
def changes(log, tmp_path):
    """Changes to revert, where every step to `bad` and every removal at 100 to 199 s is damage."""

    def found(*steps, where="!after || after.v == 'bad'", since=100, until=200, **options):
        made = log(*steps, **options)
        damage = Scope(where=where)
        return list(made.changes(tmp_path / "changes", damage=damage, since_at=at(since), until_at=at(until)))

    return found


# -- on disk


def test_steps_come_back_by_item_in_the_order_they_happened(log):
    first = [step(5, None, item(1, v="1")), step(5, item(1, v="1"), item(1, v="2")), step(9, item(1, v="2"), None)]
    second = [step(1, item(2, v="1"), item(2, v="2"))]
    made = log(first[0], *second, first[1], first[2])
    assert ChangeLog.open(made.folder) == made
    assert list(made) == [*first, *second]
    assert made.history(key(1)) == first
    assert made.history(key(7)) == []
    assert (made.inserted, made.modified, made.removed, len(made), made.single) == (1, 2, 1, 4, True)


def test_steps_are_sorted_by_their_time_however_they_come(log):
    steps = [step(second, item(v=str(second)), item(v=str(second + 1))) for second in range(50)]
    assert log(*reversed(steps)).history(key()) == steps


def test_an_exports_step_keeps_its_bounds_to_the_microsecond(log):
    one = ItemStep(key(), at(0), at(900) - timedelta(microseconds=1), item(v="1"), item(v="2"), single=False)
    made = log(one, source=EXPORTS)
    assert made.history(key()) == [one]
    assert not made.single
    assert made.notes == (ONE_STEP_A_WINDOW,)


def test_people_can_ask_it_in_sql(log):
    made = log(step(5, None, item(1, v="1")), step(6, item(2, v="1"), None, by="ttl"))
    found = duckdb.sql(f'SELECT kind, "by", epoch("at") FROM \'{made.rows}\' ORDER BY "at"').fetchall()
    assert found == [("inserted", "", at(5).timestamp()), ("removed", "ttl", at(6).timestamp())]


def test_large_images_are_sorted_in_bounded_memory(log):
    filler = "x" * 300_000
    steps = [step(number % 7, None, item(number, v=f"{number}{filler}")) for number in range(400)]
    made = log(*steps)
    assert [one.after for one in made] == sorted(one.after for one in steps)
    assert made.history(key(77))[0].after == item(77, v=f"77{filler}")


def test_an_unfinished_or_damaged_log_is_refused(log, tmp_path):
    made = log(step(1, None, item()))
    shutil.copytree(made.folder, tmp_path / "copy")
    (tmp_path / "copy" / "log.json").unlink()
    with pytest.raises(BadInput, match="no complete change log"):
        ChangeLog.open(tmp_path / "copy")
    pq.write_table(pq.read_table(made.rows).slice(0, 0), made.rows)
    with pytest.raises(BadInput, match="0 of its 1 steps"):
        ChangeLog.open(made.folder)


def test_a_window_that_the_log_does_not_know_is_refused(log, tmp_path):
    made = log(step(1, None, item()))
    for since, until in ((-1, 5), (5, 3601), (5, 5)):
        with pytest.raises(BadInput, match="the change log covers 2026-11-20 12:00:00 UTC"):
            made.changes(tmp_path / "c", damage=Scope(), since_at=at(since), until_at=at(until))


# -- what is taken back


def test_a_mangled_item_gets_its_earlier_image(changes):
    assert changes(step(100, item(v="1"), item(v="bad"))) == [
        Change(key(), "modified", item(v="1"), item(v="bad")),
    ]


def test_a_removed_item_is_put_back(changes):
    assert changes(step(199, item(v="1"), None)) == [Change(key(), "removed", item(v="1"), None)]


def test_an_item_that_the_damage_made_goes_again(changes):
    assert changes(step(150, None, item(v="bad"))) == [Change(key(), "inserted", None, item(v="bad"))]


@pytest.mark.parametrize("second", [99, 200])
def test_what_is_like_damage_outside_of_its_window_is_none(changes, second):
    assert changes(step(second, item(v="1"), item(v="bad"))) == []


def test_good_writes_before_the_damage_are_part_of_what_comes_back(changes):
    assert changes(step(5, item(v="0"), item(v="1")), step(120, item(v="1"), item(v="bad"))) == [
        Change(key(), "modified", item(v="1"), item(v="bad")),
    ]


def test_damage_upon_damage_is_taken_back_to_before_the_first(changes):
    steps = [
        step(110, item(v="1", w="1"), item(v="bad", w="1")),
        step(120, item(v="bad", w="1"), item(v="bad", w="2")),
        step(130, item(v="bad", w="2"), None),
        step(140, None, item(v="bad")),
    ]
    assert changes(*steps) == [Change(key(), "modified", item(v="1", w="1"), item(v="bad"))]


@pytest.mark.parametrize("second", [150, 300])
def test_what_others_wrote_to_other_attributes_stays(changes, second):
    steps = [
        step(110, item(v="1", w="1"), item(v="bad", w="1")),
        step(second, item(v="bad", w="1"), item(v="bad", x="new")),
    ]
    where = "after.v == 'bad' && before.v != 'bad'"
    assert changes(*steps, where=where) == [
        Change(key(), "modified", item(v="1", x="new"), item(v="bad", x="new")),
    ]


def test_damage_after_a_good_write_is_taken_back_to_that(changes):
    steps = [
        step(110, item(v="1", w="1"), item(v="bad", w="1")),
        step(115, item(v="bad", w="1"), item(v="bad", w="good")),
        step(120, item(v="bad", w="good"), item(v="bad", w="worse")),
    ]
    assert changes(*steps, where="after.v == 'bad' && after.w != 'good'") == [
        Change(key(), "modified", item(v="1", w="good"), item(v="bad", w="worse")),
    ]


def test_an_attribute_that_others_wrote_after_the_damage_goes_to_review(changes):
    steps = [
        step(110, item(v="1", w="1"), item(v="bad", w="1")),
        step(250, item(v="bad", w="1"), item(v="good", w="2")),
    ]
    assert changes(*steps) == [
        Change(key(), "modified", item(v="1", w="2"), item(v="good", w="2"), merge.SAME_ATTRIBUTE),
    ]


def test_what_others_have_put_right_needs_nothing_more(changes):
    steps = [
        step(110, item(v="1", w="1"), item(v="bad", w="1")),
        step(250, item(v="bad", w="1"), item(v="1", w="2")),
    ]
    assert changes(*steps) == []
    assert changes(step(110, item(v="1"), None), step(250, None, item(v="1"))) == []


def test_an_item_that_others_removed_after_it_was_mangled_stays_gone(changes):
    assert changes(step(110, item(v="1"), item(v="bad")), step(250, item(v="bad"), None)) == []


def test_an_item_that_others_made_again_after_the_damage_goes_to_review(changes):
    steps = [step(110, item(v="1"), None), step(250, None, item(v="new"))]
    assert changes(*steps) == [Change(key(), "modified", item(v="1"), item(v="new"), merge.MADE_AGAIN)]
    steps.append(step(260, item(v="new"), None))
    assert changes(*steps) == [Change(key(), "removed", item(v="1"), None, merge.MADE_AGAIN)]


def test_an_item_that_the_damage_made_and_others_wrote_to_goes_to_review(changes):
    steps = [step(110, None, item(v="bad")), step(250, item(v="bad"), item(v="bad", w="1"))]
    assert changes(*steps) == [Change(key(), "inserted", None, item(v="bad", w="1"), merge.MADE_BY_DAMAGE)]
    assert changes(*steps, step(260, item(v="bad", w="1"), None)) == []


def test_a_write_that_the_log_lacks_goes_to_review(changes):
    steps = [step(110, item(v="1"), item(v="bad")), step(250, item(v="odd"), item(v="odd", w="1"))]
    assert changes(*steps) == [Change(key(), "modified", item(v="1", w="1"), item(v="odd", w="1"), merge.GAP)]


def test_a_deletion_by_ttl_is_damage_only_where_it_is_asked_for(changes):
    gone = step(110, item(v="1"), None, by="ttl")
    assert changes(gone) == []
    assert changes(gone, where="by == 'ttl'") == [Change(key(), "removed", item(v="1"), None)]


def expiring(moment):
    return canonical({**attributes(item()), "expires": {"N": str(int(moment.timestamp()))}})


def test_an_item_that_expired_by_the_damage_goes_to_review(changes):
    steps = [
        step(110, expiring(at(9e6)), expiring(at(-60))),
        step(400, expiring(at(-60)), None, by="ttl"),
    ]
    assert changes(*steps, where="changed[0] == 'expires'") == [
        Change(key(), "removed", expiring(at(9e6)), None, merge.EXPIRED)
    ]
    kept = [step(110, item(v="1"), item(v="bad")), step(400, item(v="bad"), None, by="ttl")]
    assert changes(*kept) == []


def test_damage_can_be_told_by_its_second(changes):
    steps = [step(110, item(1, v="1"), item(1, v="2")), step(111, item(2, v="1"), item(2, v="2"))]
    (found,) = changes(*steps, where="at == '2026-11-20T12:01:51+00:00'")
    assert found.key == key(2)


# -- exports


def test_an_exports_step_is_taken_back_whole(changes):
    assert changes(window(0, 150, item(v="1"), item(v="bad")), source=EXPORTS) == [
        Change(key(), "modified", item(v="1"), item(v="bad")),
    ]


def test_an_exports_step_that_was_written_after_the_damage_goes_to_review(changes):
    assert changes(window(0, 250, item(v="1"), item(v="bad")), source=EXPORTS) == [
        Change(key(), "modified", item(v="1"), item(v="bad"), merge.SAME_STEP),
    ]
    assert changes(window(200, 250, item(v="1"), item(v="bad")), source=EXPORTS) == []


def test_a_removal_in_an_export_is_dated_to_the_moment(changes):
    assert changes(window(0, 250, item(v="1"), None), source=EXPORTS) == []
    assert changes(window(0, 199, item(v="1"), None), source=EXPORTS) == [Change(key(), "removed", item(v="1"), None)]


def test_a_removal_of_which_exports_tell_no_moment_goes_to_review_if_it_may_lie_after_the_damage(changes):
    gone = window(0, 250, item(v="1"), None, undated=True)
    assert changes(gone, source=EXPORTS) == [Change(key(), "removed", item(v="1"), None, merge.UNDATED)]
    gone = window(0, 199, item(v="1"), None, undated=True)
    assert changes(gone, source=EXPORTS) == [Change(key(), "removed", item(v="1"), None)]
    assert changes(window(200, 250, item(v="1"), None, undated=True), source=EXPORTS) == []


def test_an_item_that_may_have_expired_by_the_damage_goes_to_review_as_exports_do_not_tell_who_removed_it(changes):
    marked, bad = expiring(at(9e6)), expiring(at(-60))
    assert changes(window(0, 110, marked, bad), window(150, 400, bad, None), where="after.expires", source=EXPORTS) == [
        Change(key(), "removed", marked, None, merge.PERHAPS_EXPIRED)
    ]
    kept = [window(0, 110, item(v="1"), item(v="bad")), window(150, 400, item(v="bad"), None)]
    assert changes(*kept, where="after.v == 'bad'", source=EXPORTS) == []


# -- the plan


def test_what_others_wrote_too_is_left_for_a_person_unless_asked_otherwise(bench):
    made = bench.change(item(v="1"), item(v="bad"))
    mixed = Change(made.key, made.kind, made.before, made.after, merge.SAME_ATTRIBUTE)
    kept = bench.plan([mixed], REVERT)
    assert kept.left == {"also written by others": 1}
    assert kept.undecided == 1
    assert Plan.open(kept.folder) == kept
    assert bench.plan([mixed], Policy(modified="keep")).left == {"kept by policy": 1}
    reverted = bench.plan([mixed], Policy(modified="revert", mixed="revert"))
    assert reverted.policy.to_dict()["mixed"] == "revert"
    assert Plan.open(reverted.folder) == reverted
    bench.apply(reverted)
    assert bench.get(made.after) == item(v="1")


def test_plans_and_change_sets_from_before_there_was_review_still_open(bench):
    made = bench.change_set([bench.change(item(v="1"), item(v="bad"))])
    plan = bench.plan(made, REVERT)
    said = json.loads((plan.folder / "plan.json").read_text())
    del said["policy"]["mixed"]
    (plan.folder / "plan.json").write_text(json.dumps(said))
    assert Plan.open(plan.folder) == plan
    pq.write_table(pq.read_table(made.rows).drop_columns(["review"]), made.rows)
    old = ChangeSet.open(made.folder)
    assert list(old) == [Change(key(), "modified", item(v="1"), item(v="bad"))] == old.samples("modified")
    assert list(old.scoped(Scope(("modified",)), bench.path("scoped"))) == list(old)


def test_what_only_steps_know_is_refused_of_a_comparison(bench):
    made = bench.change_set([bench.change(item(v="1"), item(v="bad"))])
    with pytest.raises(BadInput, match="'by', which exists only for changes read from"):
        made.scoped(Scope(where="by == 'ttl'"), bench.path("scoped"))
    with pytest.raises(BadInput, match="uses 'by'"):
        Scope.parse("", "", "by == 'ttl'", KEY)
    assert Scope.parse("", "", "by == 'ttl'", KEY, steps=True).asks_for("by")
