"""What one item looked like at a moment: never told beyond what a source can know."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pitrkit.recovery.changelog.item_history import by_copy, by_present, by_steps, images_at
from pitrkit.recovery.changes.change import ItemStep

T0 = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
KEY = '{"pk":{"S":"a"}}'
IMAGES = st.sampled_from([None, *(f'{{"pk":{{"S":"a"}},"n":{{"N":"{n}"}}}}' for n in range(4))])
MINUTE = 60


def at(second):
    return T0 + timedelta(seconds=second)


@st.composite
def lives(draw):
    """An item's images by the moment of each write: a fraction into a second, ten minutes long."""
    moments = draw(st.lists(st.integers(1, 600 * 10 - 1).filter(lambda tenth: tenth % 10), unique=True, max_size=8))
    images = [draw(IMAGES)]
    writes = []
    for moment in sorted(moments):
        image = draw(IMAGES)
        if image != images[-1]:
            writes.append((moment / 10, image))
            images.append(image)
    return images[0], writes


def state(first, writes, second):
    return next((image for moment, image in reversed(writes) if moment <= second), first)


@given(lives(), st.lists(st.integers(0, 600), min_size=1))
def test_single_writes_tell_every_second_they_cover(life, seconds):
    first, writes = life
    images = [first, *(image for _, image in writes)]
    steps = [
        ItemStep(KEY, at(int(moment)), at(int(moment)), before, after, single=True)
        for (moment, after), before in zip(writes, images, strict=False)
    ]
    for sight in images_at(map(at, seconds), [by_steps(steps, T0, at(600), source="stream")]):
        assert sight.known == bool(steps)
        if steps:
            assert sight.image == state(first, writes, (sight.at - T0).total_seconds())


@given(lives(), st.lists(st.integers(0, 600), min_size=1), st.sampled_from([1, 2, 5]))
def test_compacted_steps_tell_what_they_know_and_nothing_else(life, seconds, minutes):
    first, writes = life
    steps = []
    for begin in range(0, 600, minutes * MINUTE):
        inside = [(moment, image) for moment, image in writes if begin <= moment < begin + minutes * MINUTE]
        before, after = state(first, writes, begin), state(first, writes, begin + minutes * MINUTE - 0.01)
        if inside and before != after:
            steps.append(ItemStep(KEY, at(begin), at(inside[-1][0]), before, after, single=False))
    for sight in images_at(map(at, seconds), [by_steps(steps, T0, at(600), source="exports")]):
        second = (sight.at - T0).total_seconds()
        spans = [step for step in steps if step.before_at < sight.at < step.at]
        if sight.known:
            assert not spans
        hidden = [1 for moment, _ in writes if not any(step.before_at <= at(moment) <= step.at for step in steps)]
        if sight.known and not hidden:
            assert sight.image == state(first, writes, second)


def test_nothing_is_told_outside_of_what_is_covered():
    steps = [ItemStep(KEY, at(5), at(5), None, '{"pk":{"S":"a"}}', single=True)]
    outside = images_at([at(-1), at(601)], [by_steps(steps, T0, at(600), source="stream")])
    assert [sight.known for sight in outside] == [False, False]


def test_the_first_source_that_knows_is_believed_and_all_of_them_are_asked():
    copy, present = '{"pk":{"S":"a"},"n":{"N":"1"}}', '{"pk":{"S":"a"},"n":{"N":"2"}}'
    tellers = [by_copy(at(10), copy, source="the copy"), by_present(present, T0, at(600))]
    found = images_at([at(10), at(11)], tellers)
    assert [(sight.image, sight.source[:8]) for sight in found] == [(copy, "the copy"), (present, "as it is")]
