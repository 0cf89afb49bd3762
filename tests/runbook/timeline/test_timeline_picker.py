"""The picker on the timeline: a candidate fills the second, the second moves T, and nothing is chosen by itself."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitrkit.runbook.timeline.table_history import TableHistory
from pitrkit.runbook.timeline.timeline_picker import LOOKS, TimelinePicker
from pitrkit.times import Window, iso
from tests import synthetic

LIFE = synthetic.life(600, 40)
FIRST = LIFE.candidates[0].at


def picker(value=""):
    return TimelinePicker(LIFE, LIFE.window, value)


def shown(control):
    first, last = control.shown.value
    return LIFE.start_at + timedelta(minutes=first), LIFE.start_at + timedelta(minutes=last)


def test_nothing_is_chosen_until_it_is_touched_and_the_likeliest_candidate_is_in_sight():
    control = picker()
    assert control.value == ""
    assert control.candidates.value is None
    assert shown(control)[0] < FIRST < shown(control)[1]
    assert 'class="pk-at"' not in control.picture.value


def test_choosing_a_candidate_fills_the_second_and_marks_t():
    control = picker()
    control.candidates.value = FIRST
    assert control.value == iso(FIRST)
    assert control.time.utc.value == f"{FIRST:%Y-%m-%d %H:%M:%S}"
    assert f"recovery point {FIRST:%Y-%m-%d %H:%M:%S} UTC" in control.picture.value


def test_moving_the_second_moves_t_and_takes_the_candidate_back():
    control = picker()
    control.candidates.value = FIRST
    control.time.buttons["-1 min"].click()
    assert control.value == iso(FIRST - timedelta(minutes=1))
    assert control.candidates.value is None
    assert f"recovery point {FIRST - timedelta(minutes=1):%Y-%m-%d %H:%M:%S} UTC" in control.picture.value
    control.time.buttons["+1 min"].click()
    assert control.candidates.value == FIRST


def test_a_candidate_out_of_sight_is_brought_into_it():
    control = picker()
    control.shown.value = (0, 60)
    control.candidates.value = FIRST
    assert shown(control)[0] < FIRST < shown(control)[1]


def test_a_candidate_that_cannot_be_restored_is_not_chosen():
    window = Window(FIRST + timedelta(minutes=5), LIFE.end_at)
    control = TimelinePicker(LIFE, window)
    control.candidates.value = FIRST
    assert control.value == ""
    assert control.candidates.value is None
    assert "outside the restore window" in control.time.status_line.value


def test_a_given_time_is_chosen_and_in_sight():
    at = LIFE.start_at + timedelta(minutes=90)
    control = picker(iso(at))
    assert control.value == iso(at)
    assert shown(control)[0] < at < shown(control)[1]


@given(st.lists(st.one_of(st.sampled_from(LOOKS), st.tuples(st.integers(0, 600), st.integers(0, 600))), max_size=12))
def test_however_it_is_looked_at_the_picture_stays_inside_what_is_known(looks):
    control = picker()
    for look in looks:
        if isinstance(look, str):
            control.looks[look].click()
        else:
            control.shown.value = tuple(sorted(look))
        first, last = control.shown.value
        assert 0 <= first <= last <= 600
    assert control.value == "", "looking chooses nothing"


def test_everything_shows_everything_and_zooming_in_keeps_t_in_sight():
    control = picker()
    control.looks["Everything"].click()
    assert control.shown.value == (0, 600)
    control.candidates.value = FIRST
    for _ in range(8):
        control.looks["Zoom in"].click()
        assert shown(control)[0] <= FIRST <= shown(control)[1]
    assert control.shown.value[1] - control.shown.value[0] == 10


@pytest.mark.parametrize("text", LOOKS)
def test_every_look_is_a_button_with_words(text):
    assert picker().looks[text].description == text


def test_labels_of_candidates_hide_nothing_that_an_event_holds():
    life = synthetic.life(600, 0, damage=False)
    hostile = TableHistory(
        "Orders", life.start_at, life.end_at, life.window, life.activity,
        candidates=(type(LIFE.candidates[0])(FIRST, "deploy", f"Before {synthetic.HOSTILE}", ("e",), 1.0),),
    )  # fmt: skip
    ((label, _),) = TimelinePicker(hostile, life.window).candidates.options
    assert label.isprintable()


def test_where_nothing_is_known_the_exact_time_is_still_there():
    life = TableHistory("Orders", LIFE.start_at, LIFE.end_at, LIFE.window, None)
    control = TimelinePicker(life, LIFE.window)
    assert control.box.children == (control.time.box,)
    control.time.use.click()
    assert control.value == iso(LIFE.window.latest_at)
