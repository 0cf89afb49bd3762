"""Drills beside each other: what counts as a limit, how they compare, and a chart that holds whatever they took."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitrkit.aws.items import KeyAttribute, KeySchema
from pitrkit.errors import BadInput
from pitrkit.recovery.changes import sample
from pitrkit.runbook.drill import views as drill_views
from pitrkit.runbook.finish import drill_history
from pitrkit.runbook.finish.drill_history import RECOVERY, DrillRecord, Limits, compared, failures
from tests.snapshots import from_items

T0 = datetime(2026, 11, 23, 2, 14, 5, tzinfo=UTC)
SECONDS = st.floats(0, 1e6, allow_nan=False)


def a_drill(number=0, recovery=60.0, point=300.0, **given):
    steps = dict.fromkeys(RECOVERY, (recovery or 0.0) / len(RECOVERY))
    usual = {"limits": {}, "items": 10, "passed": True, "why": (), "steps": steps}
    point_and_time = {"recovery_seconds": recovery, "recovery_point_seconds": point}
    return DrillRecord(f"d{number}", T0 + timedelta(days=number), **point_and_time, **(usual | given))


DRILLS = st.builds(
    a_drill,
    number=st.integers(0, 400),
    recovery=st.none() | SECONDS,
    point=st.none() | SECONDS,
    limits=st.fixed_dictionaries({"recovery_time": st.none() | SECONDS, "recovery_point": st.none() | SECONDS}),
    steps=st.dictionaries(st.sampled_from((*RECOVERY, "undo", "clean_up")), SECONDS),
    passed=st.booleans(),
    why=st.lists(st.text(max_size=20), max_size=2).map(tuple),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(DRILLS, min_size=1, max_size=12))
def test_the_chart_holds_every_drill_inside_its_frame_whatever_they_took(drills):
    chart = drill_history.draw(drills)
    assert len(chart.columns) == len(drills)
    for column in chart.columns:
        for box in column.boxes:
            assert chart.left <= box.x
            assert box.x + box.width <= chart.right
            assert box.y >= -0.01
            assert box.y + box.height <= chart.scales[1].floor + 0.02
    for scale in chart.scales:
        assert scale.limit_y is None or scale.ceiling <= scale.limit_y <= scale.floor
    html = drill_views.result(drills[-1], drills[:-1])._repr_html_()
    assert html.count('<g class="pk-col">') == len(drills)
    assert "<script" not in html


@pytest.mark.parametrize(("text", "seconds"), [("2h", 7200), (" 10m", 600), ("90s", 90), ("1d", 86400), ("none", None)])
def test_a_limit_is_a_length_of_time_or_none(text, seconds):
    assert Limits.parse(text, "").to_dict() == {"recovery_time": seconds, "recovery_point": None}


@given(st.text(max_size=8).filter(lambda text: not re.fullmatch(r"\s*(\d+\s*[smhd]|none)?\s*", text, re.IGNORECASE)))
def test_any_other_word_is_no_limit(text):
    with pytest.raises(BadInput, match="not a length of time"):
        Limits.parse("", text)


def test_a_drill_is_compared_with_those_that_recovered():
    stopped = a_drill(1, None)
    assert compared(a_drill(5, 90.0), []).startswith("There is no earlier drill")
    assert compared(a_drill(5, 90.0), [stopped]).startswith("There is no earlier drill")
    assert (
        compared(a_drill(5, 90.0), [stopped, a_drill(2, 60.0)])
        == "50 % longer than the 1 min 00 s of the one before it."
    )
    three = [a_drill(number, took) for number, took in enumerate((50.0, 100.0, 400.0))]
    assert compared(a_drill(5, 90.0), three) == "10 % shorter than the median of the 3 before it, 1 min 40 s."


@given(
    st.booleans(), st.booleans(), st.tuples(SECONDS, st.none() | SECONDS), st.tuples(SECONDS, st.none() | SECONDS),
    st.booleans(),
)  # fmt: skip
def test_it_passes_if_and_only_if_all_holds_and_no_limit_is_passed(verified, undone, time, point, kept):
    data = {
        "plan": {"puts": 3},
        "verify": {"ok": verified, "mismatches": int(not verified)},
        "drill": {
            "limits": {"recovery_time": time[1], "recovery_point": point[1]},
            "recovery_seconds": time[0],
            "recovery_point_seconds": point[0],
            "undone": {"ok": undone, "left": int(not undone)},
        },
        "restored_table": "Orders-drill",
        "restored_by": "incident" if kept else "deleted",
    }
    within = all(limit is None or value <= limit for value, limit in (time, point))
    assert (not failures(data)) == (verified and undone and within and not kept)


KEY = KeySchema((KeyAttribute("k", "N", "HASH"),))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 60), st.integers(0, 80))
def test_a_sample_is_that_many_items_spread_over_all(tmp_path_factory, held, wanted):
    folder = tmp_path_factory.mktemp("sample")
    items = [f'{{"k":{{"N":"{number}"}}}}' for number in range(held)]
    taken = from_items(items, folder / "s", table="T", table_arn="arn", key_schema=KEY)
    changes = sample.missing_items(taken, folder / "c", items=wanted, table="S", before_at="then")
    found = [int(re.search(r'"(\d+)"', change.before)[1]) for change in changes]
    assert len(found) == len(set(found)) == (min(held, wanted) or held)
    assert {change.kind for change in changes} <= {"removed"}
    places = sorted(found)
    if len(places) > 1:
        gaps = [after - before for before, after in pairwise(places)]
        assert max(gaps) - min(gaps) <= 1
