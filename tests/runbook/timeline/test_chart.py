"""The picture of a table's life: everything in its frame and nothing lost, readable with a real day's data."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pitrkit.aws.backups.pitr import ContinuousBackups
from pitrkit.aws.services.cloudtrail import TrailEvent
from pitrkit.aws.services.cloudwatch import Activity, Minute
from pitrkit.recovery.advice.candidates import Candidate
from pitrkit.runbook.timeline import views as timeline_views
from pitrkit.runbook.timeline.chart import BARS, LEFT, RIGHT, WIDTH, draw
from pitrkit.runbook.timeline.chart_lanes import CELL
from pitrkit.runbook.timeline.table_history import TableHistory
from pitrkit.runbook.timeline.views import candidates_grid
from pitrkit.times import Window
from pitrkit.ui.view import View
from tests import synthetic

T0 = datetime(2026, 11, 23, 2, 14, 5, tzinfo=UTC)
BUSY = synthetic.life()
PROTECTED = ContinuousBackups("Orders", True, BUSY.window, 35)

spans = st.tuples(st.integers(0, 2000), st.integers(1, 2000))
points = st.lists(
    st.tuples(st.integers(0, 1999), st.sampled_from(["PutItem", "DeleteItem", "Odd<"]), st.integers(1, 10**9)),
    max_size=30,
)
moments = st.lists(st.tuples(st.floats(-100, 2100), st.sampled_from(["deploy", "table"])), max_size=60)


def lived(calls, events, proposed=(), period=60):
    start_at = T0.replace(second=0)
    step = timedelta(seconds=period)
    minutes = sorted((Minute(start_at + n * step, name, count) for n, name, count in calls), key=lambda one: one.at)
    odd = tuple((minute.at, minute.calls) for minute in minutes if minute.operation == "Odd<")
    activity = Activity(start_at, start_at + 2000 * step, step, tuple(minutes), odd, odd, odd)
    told = [
        TrailEvent(start_at + minute * step, "Do<it>", "lambda", "a&b", "x" * 50, str(n), kind)
        for n, (minute, kind) in enumerate(events)
    ]
    told.sort(key=lambda event: event.at)
    chosen = tuple(Candidate(start_at + minute * step, "writes", "t", ("e",), 1.0) for minute in proposed)
    window = Window(start_at + 100 * step, start_at + 1900 * step)
    return TableHistory("Orders", start_at, activity.end_at, window, activity, tuple(told), chosen)


@given(
    points,
    moments,
    st.lists(st.integers(-50, 2050), max_size=5),
    st.integers(-50, 2050),
    st.sampled_from([60, 300, 3600]),
)
def test_it_stays_in_its_frame_and_loses_neither_call_nor_event(calls, events, proposed, marked, period):
    life = lived(calls, events, proposed, period)
    marked_at = life.start_at + marked * timedelta(seconds=period)
    drawn = draw(life, marked_at=marked_at)
    right = WIDTH - RIGHT + 0.02
    for box in [box for bar in drawn.bars for box in bar.boxes] + ([drawn.shade] if drawn.shade else []):
        assert LEFT <= box.x <= box.x + box.width <= right + 0.8
        assert 0 <= box.y <= box.y + box.height <= drawn.bottom + 0.02
    assert len(drawn.bars) <= BARS + 1
    assert sum(total.calls for total in drawn.totals) == sum(count for _, _, count in calls)
    inside = [event for event in life.events if drawn.axis.holds(event.at)]
    assert sum(mark.count for lane in drawn.lanes for mark in lane.marks) == len(inside)
    assert (drawn.marker is not None) == drawn.axis.holds(marked_at)
    assert len(drawn.flags) == sum(drawn.axis.holds(one.at) for one in life.candidates)
    html = View("picture", blocks=(drawn,))._repr_html_()
    assert "Do<it>" not in html
    assert "Odd<" not in html


@given(moments, st.lists(st.integers(0, 2000), max_size=5))
def test_marks_do_not_cover_each_other_and_neither_do_the_numbers_of_candidates(events, proposed):
    drawn = draw(lived([], events, proposed))
    for lane in drawn.lanes:
        for one, other in pairwise(lane.marks):
            assert other.x - one.x >= (one.width + other.width) / 2 - 0.05
            reach = one.x + one.width / 2 + len(one.label) * 5.5
            assert not one.label or reach < other.x - other.width / 2
        for mark in lane.marks:
            assert mark.x + mark.width / 2 + len(mark.label) * 5.5 <= WIDTH
    for one, other in pairwise(sorted(drawn.flags, key=lambda flag: flag.at_x)):
        assert other.at_x - one.at_x >= 16.9


@given(points, moments, spans)
def test_looking_closer_shows_exactly_what_happened_then(calls, events, span):
    life = lived(calls, events)
    start_at = life.start_at + timedelta(minutes=span[0])
    drawn = draw(life, start_at, start_at + timedelta(minutes=span[1]))
    until = span[0] + max(10, span[1])
    assert sum(total.calls for total in drawn.totals) == sum(count for n, _, count in calls if span[0] <= n < until)
    assert all(LEFT <= tick.x <= WIDTH - RIGHT for tick in drawn.ticks)


def test_a_day_of_two_hundred_events_stays_readable():
    drawn = draw(BUSY)
    assert drawn.per == "5 minutes"
    assert sum(mark.count for lane in drawn.lanes for mark in lane.marks) == 200
    for lane in drawn.lanes:
        assert len(lane.marks) <= (WIDTH - LEFT - RIGHT) / CELL + 1
        assert all(len(mark.words) <= 9 for mark in lane.marks)
    assert 3 <= len(drawn.ticks) <= 10
    assert [strip.label for strip in drawn.strips] == ["units", "TTL", "throttled"]
    assert len(timeline_views.window_view(PROTECTED, BUSY)._repr_html_()) < 300_000


def test_pointing_at_a_bar_says_what_the_minute_held():
    first = BUSY.candidates[0].at
    drawn = draw(BUSY, first - timedelta(minutes=20), first + timedelta(minutes=20), live=True)
    (held,) = [bar.words for bar in drawn.bars if "04:10:00 UTC, minute" in bar.words]
    assert re.search(r"420 DeleteItem; [\d,]+ write units", held)
    assert "30 throttled writes" in held
    assert held in View("x", blocks=(drawn,))._repr_html_()


def test_a_still_picture_holds_no_read_out_and_no_picture_holds_a_script():
    still, live = (View("x", blocks=(draw(BUSY, live=live),))._repr_html_() for live in (False, True))
    assert '<text class="pk-read"' not in still
    assert '<text class="pk-read"' in live
    for html in (still, live):
        assert "<script" not in html
        assert "alert(1)</" not in html
        assert synthetic.HOSTILE[-10:] not in html


def test_what_did_not_happen_is_said_instead_of_drawn():
    quiet = synthetic.life(240, 0, damage=False, expired=False)
    drawn = draw(quiet)
    assert [strip.label for strip in drawn.strips] == ["units"]
    assert "No TTL deletions, no throttled writes" in drawn.quiet


def test_the_window_that_can_be_restored_is_shaded_to_the_second():
    drawn = draw(BUSY)
    assert drawn.shade.x == LEFT
    end = drawn.shade.x + drawn.shade.width
    assert abs(end - drawn.axis.x(BUSY.window.latest_at)) < 0.02
    assert end < WIDTH - RIGHT


def test_the_text_names_candidates_events_and_what_is_not_known():
    text = str(timeline_views.window_view(PROTECTED, synthetic.life(240, 6, gaps=["CloudTrail gave little."])))
    for words in ("1  2026-11-23 04:09:50 UTC", "420 calls per minute", "ci (deployer)", "CloudTrail gave little."):
        assert words in text


def test_a_candidate_outside_the_window_says_so():
    life = synthetic.life(240, 6)
    late = TableHistory(**{**{name: getattr(life, name) for name in TableHistory.__dataclass_fields__}, "window": None})
    assert "not restorable" in "\n".join(candidates_grid(late).lines())
    assert "not restorable" not in "\n".join(candidates_grid(life).lines())
