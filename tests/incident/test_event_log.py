"""The event log keeps what happened through crashes, and shows every line that is not what was written."""

from __future__ import annotations

import json
import resource
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pitrkit import files
from pitrkit.errors import PitrkitError
from pitrkit.incident import event_log

AT = datetime(2026, 11, 23, 2, 14, 5, tzinfo=UTC)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "events.jsonl"
    for number in range(1, 5):
        event_log.append(path, f"event_{number}", {"number": number}, AT + timedelta(seconds=number))
    return path


def problems(path: Path) -> list[tuple[int, str]]:
    return [(fault.line, fault.problem) for fault in event_log.check(path.read_bytes()).faults]


def test_each_line_carries_the_hash_of_the_raw_line_before_it(log):
    raw = log.read_bytes().splitlines()
    lines = [json.loads(line) for line in raw]
    assert [line["prev"] for line in lines] == ["0" * 64, *[files.sha256(line) for line in raw[:-1]]]
    assert lines[1] | {"prev": "", "hash": ""} == {
        "n": 2,
        "at": "2026-11-23T02:14:07.000+00:00",
        "event": "event_2",
        "data": {"number": 2},
        "prev": "",
        "hash": "",
    }
    assert problems(log) == []


def test_what_was_recorded_is_read_back_with_its_time(log):
    event = event_log.read(log)[2]
    assert (event.n, event.at, event.event, event.data) == (3, AT + timedelta(seconds=3), "event_3", {"number": 3})


def test_no_log_has_no_events(tmp_path):
    assert event_log.read(tmp_path / "none.jsonl") == ()


def test_times_paths_decimals_and_hostile_text_survive_as_json_on_one_ascii_line(tmp_path):
    path = tmp_path / "events.jsonl"
    data = {
        "at": AT,
        "path": Path("a/b"),
        "n": Decimal(12),
        "text": 'a\n"\u202e\u2028\x00\ud800',
        "kinds": {"b", "a"},
    }
    event_log.append(path, "odd", data, AT)
    assert path.read_bytes().count(b"\n") == 1
    assert path.read_bytes().isascii()
    assert event_log.read(path)[0].data == {
        "at": "2026-11-23T02:14:05+00:00",
        "path": "a/b",
        "n": 12,
        "text": 'a\n"\u202e\u2028\x00\ud800',
        "kinds": ["a", "b"],
    }


def test_what_has_no_json_form_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(TypeError, match="object has no JSON form"):
        event_log.append(tmp_path / "events.jsonl", "odd", {"x": object()}, AT)
    assert not (tmp_path / "events.jsonl").exists()


@pytest.mark.parametrize("cut", [1, 2, 40, 150])
def test_a_line_torn_by_a_crash_is_kept_and_named_and_the_log_goes_on(log, cut):
    whole = log.read_bytes()
    log.write_bytes(whole[:-cut])
    torn = cut > 1
    assert [fault.crash for fault in event_log.check(log.read_bytes()).faults] == [True] * torn
    event_log.append(log, "after", {}, AT)
    assert log.read_bytes().startswith(whole[:-cut] + b"\n")
    reading = event_log.check(log.read_bytes())
    names = [event.event for event in reading.events]
    if torn:
        assert names == ["event_1", "event_2", "event_3", "write_interrupted", "after"]
        assert [(fault.line, fault.crash) for fault in reading.faults] == [(4, True)]
    else:
        assert names == ["event_1", "event_2", "event_3", "event_4", "after"]
        assert not reading.faults


def test_a_torn_line_that_is_altered_later_is_no_longer_taken_for_a_crash(log):
    log.write_bytes(log.read_bytes()[:-40])
    event_log.append(log, "after", {}, AT)
    log.write_bytes(log.read_bytes().replace(b'"event_4"', b'"event_5"'))
    assert (4, "was altered: its content differs from what was written") in problems(log)


def test_an_altered_line_is_named(log):
    log.write_bytes(log.read_bytes().replace(b'"number":2', b'"number":3'))
    assert problems(log) == [(2, "was altered: its content differs from what was written")]


def test_an_altered_line_with_its_own_hash_made_to_fit_is_named_by_the_line_after_it(log):
    lines = log.read_bytes().splitlines(keepends=True)
    head = lines[1].partition(b',"hash"')[0].replace(b'"number":2', b'"number":3')
    lines[1] = head + f',"hash":"{files.sha256(head)}"}}\n'.encode()
    log.write_bytes(b"".join(lines))
    assert problems(log) == [(2, "was altered: the next line does not match its hash")]


def test_dropped_and_swapped_and_repeated_lines_are_named(log):
    one, two, three, four = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(one + four)
    assert problems(log) == [(2, "is event 4: events 2 to 3 are missing")]
    log.write_bytes(two + three + four)
    assert problems(log) == [(1, "is event 2: event 1 is missing")]
    log.write_bytes(one + three + two + four)
    assert problems(log)[0] == (2, "is event 3: event 2 is missing")
    assert problems(log)[1] == (3, "is event 2: it is out of order or duplicated")
    log.write_bytes(one + two + two + three + four)
    assert problems(log) == [(3, "is event 2: it is out of order or duplicated")]


def test_a_disk_that_fills_up_says_what_to_do_and_the_log_goes_on_afterwards(log):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 10, before[1]))
    try:
        with pytest.raises(PitrkitError, match=r"cannot write .*File too large\n-> Free disk space"):
            event_log.append(log, "too_much", {}, AT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    event_log.append(log, "after", {}, AT)
    assert [event.event for event in event_log.read(log)][-3:] == ["event_4", "write_interrupted", "after"]
    assert [fault.crash for fault in event_log.check(log.read_bytes()).faults] == [True]


def test_writers_at_the_same_time_do_not_break_the_chain(tmp_path):
    path = tmp_path / "events.jsonl"

    def write(number: int) -> None:
        with files.locked(tmp_path / "lock"):
            event_log.append(path, "racing", {"number": number}, AT)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    reading = event_log.check(path.read_bytes())
    assert not reading.faults
    assert sorted(event.data["number"] for event in reading.events) == list(range(40))
