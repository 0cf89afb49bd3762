"""Times are aware, in UTC and whole seconds before anything is sent."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitrkit.aws.backups.pitr import copy_name
from pitrkit.errors import BadInput
from pitrkit.times import Window, iso, parse_time

NOW = datetime(2026, 11, 23, 2, 14, 5, tzinfo=UTC)
WINDOW = Window(NOW - timedelta(days=35), NOW - timedelta(minutes=5))


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_any_offset_names_the_same_second_in_utc(naive, minutes):
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    parsed = parse_time(moment.isoformat(), now=NOW)
    assert parsed.tzinfo is UTC
    assert parsed == moment.replace(microsecond=0)


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("2h", 7200), ("1d", 86400), ("30s", 30), (" 5m ", 300)])
def test_durations_count_back_from_now(text, seconds):
    assert parse_time(text, now=NOW) == NOW - timedelta(seconds=seconds)


def test_latest_is_the_windows_end():
    assert parse_time("latest", now=NOW, window=WINDOW) == WINDOW.latest_at
    with pytest.raises(BadInput):
        parse_time("latest", now=NOW)


def test_a_naive_time_is_refused_and_told_how_to_be_written():
    with pytest.raises(BadInput) as caught:
        parse_time("2026-11-23T02:14:05", now=NOW)
    assert "2026-11-23T02:14:05Z" in caught.value.fix


@pytest.mark.parametrize("text", ["", "yesterday", "90", "2026-13-01T00:00:00Z", "-5m", "1w"])
def test_what_is_not_a_time_is_refused(text):
    with pytest.raises(BadInput):
        parse_time(text, now=NOW)


def test_the_window_holds_both_its_ends():
    assert WINDOW.holds(WINDOW.earliest_at)
    assert WINDOW.holds(WINDOW.latest_at)
    assert not WINDOW.holds(WINDOW.latest_at + timedelta(seconds=1))


def test_times_are_written_in_utc():
    assert iso(datetime(2026, 11, 23, 3, 0, 0, tzinfo=timezone(timedelta(hours=1)))) == "2026-11-23T02:00:00Z"


def test_a_copys_name_fits_however_long_the_tables_is():
    assert copy_name("Orders", NOW) == "Orders-pitr-20261123T021405Z"
    assert len(copy_name("x" * 255, NOW)) <= 255
