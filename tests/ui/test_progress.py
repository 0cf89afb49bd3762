"""Progress is shown in place, not too often, and ends with what really happened."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from pitrkit.runner.progress_tail import ProgressTail
from pitrkit.ui.progress import ProgressBar, ProgressState, notebook_output, read_line
from pitrkit.ui.text import clean


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def shown():
    return []


def progress(shown, clock, *args, **more):
    return ProgressBar(*args, show=lambda text, html: shown.append((text, html)), clock=clock, **more)


def test_it_says_how_far_how_fast_and_how_long_still(shown, clock):
    with progress(shown, clock, "Reading Orders", 4000) as reading:
        reading(0)
        clock.seconds += 2
        reading(1000)
        clock.seconds += 1
    assert [text for text, _ in shown] == [
        "Reading Orders: 0 of 4,000 items (0%), under 1 s",
        "Reading Orders: 1,000 of 4,000 items (25%), 500 items/s, 2 s, about 6 s left",
        "Reading Orders: done: 1,000 items, 333 items/s, 3 s",
    ]


def test_waiting_is_told_by_its_state_and_its_time_alone(shown, clock):
    with progress(shown, clock, "Restoring", unit="seconds") as restoring:
        clock.seconds += 65
        restoring(65, None, "CREATING")
    assert shown[1][0] == "Restoring: CREATING, 1 min 05 s"


def test_without_a_total_it_says_no_share_and_no_end(shown, clock):
    with progress(shown, clock, "Reading") as reading:
        reading(0)
        clock.seconds += 2
        reading(5)
    assert shown[1][0] == "Reading: 5 items, 2.5 items/s, 2 s"


def test_what_an_earlier_run_did_counts_neither_for_the_rate_nor_for_the_time_to_go(shown, clock):
    with progress(shown, clock, "Writing", 10_000, "writes") as writing:
        clock.seconds += 5  # to look at what was done before
        writing(9000)
        clock.seconds += 2
        writing(9200)
        clock.seconds += 2
    assert [text for text, _ in shown[1:]] == [
        "Writing: 9,000 of 10,000 writes (90%), 5 s",
        "Writing: 9,200 of 10,000 writes (92%), 100 writes/s, 7 s, about 8 s left",
        "Writing: done: 9,200 writes, 50 writes/s, 9 s",
    ]


def test_a_total_that_is_learnt_on_the_way_counts(shown, clock):
    with progress(shown, clock, "Planning") as planning:
        clock.seconds += 1
        planning(1, 2, "half")
    assert planning.state == ProgressState("Planning", 1, 2, "items", "half", 1.0, "done", 1, 1.0)


def test_more_than_was_estimated_is_told_without_the_estimate(shown, clock):
    with progress(shown, clock, "Reading", 10) as reading:
        reading(0)
        clock.seconds += 2
        reading(12)
    assert shown[1][0] == "Reading: 12 items, 6 items/s, 2 s"


def test_it_updates_at_most_four_times_a_second_but_always_shows_the_end(shown, clock):
    with progress(shown, clock, "Writing", 100) as writing:
        for done in range(101):
            clock.seconds += 0.01
            writing(done)
    assert 4 <= len(shown) <= 6
    assert shown[-1][0].startswith("Writing: done: 100 items,")


def test_work_that_raised_is_not_called_done(shown, clock):
    def work() -> None:
        with progress(shown, clock, "Writing", 10) as writing:
            writing(3)
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        work()
    assert shown[-1][0] == "Writing: stopped: 3 of 10 items (30%), under 1 s"


def test_the_notebook_s_html_escapes_what_it_shows(shown, clock):
    with progress(shown, clock, "<script>alert(1)</script>", 1) as working:
        working(1, note="<img src=x onerror=alert(1)>")
    assert all("<script" not in html and "<img" not in html for _, html in shown)
    assert "&lt;script&gt;" in shown[0][1]


def test_outside_of_a_notebook_nothing_is_displayed():
    assert notebook_output() is None


def test_each_state_is_appended_for_the_front_to_show(tmp_path, monkeypatch, shown, clock):
    file = tmp_path / "progress.jsonl"
    monkeypatch.setenv("PITRKIT_PROGRESS", str(file))
    with progress(shown, clock, "Reading", 2) as reading:
        clock.seconds += 1
        reading(2)
    states = [read_line(line) for line in file.read_text().splitlines()]
    assert [(state.done, state.ended) for state in states] == [(0, ""), (2, ""), (2, "done")]
    assert [str(state) for state in states] == [text for text, _ in shown]


def test_a_front_that_is_gone_does_not_stop_the_work(tmp_path, monkeypatch, shown, clock):
    monkeypatch.setenv("PITRKIT_PROGRESS", str(tmp_path / "gone" / "progress.jsonl"))
    with progress(shown, clock, "Writing", 2) as writing:
        writing(2)
    assert shown[-1][0].startswith("Writing: done")


def test_threads_may_report_at_the_same_time(tmp_path, monkeypatch, shown):
    monkeypatch.setenv("PITRKIT_PROGRESS", str(tmp_path / "progress.jsonl"))
    ticks = iter(range(10_000))
    with progress(shown, lambda: next(ticks), "Reading") as reading, ThreadPoolExecutor(8) as pool:
        list(pool.map(reading, range(200)))
    lines = (tmp_path / "progress.jsonl").read_text().splitlines()
    assert len(lines) == 202
    assert all(read_line(line) for line in lines)


def test_torn_and_foreign_lines_are_not_states():
    assert read_line('{"label": "x", "do') is None
    assert read_line(json.dumps({"other": 1})) is None
    assert read_line("[]") is None


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def tail(tmp_path, echo, *lines: str) -> str:
    file = tmp_path / "progress.jsonl"
    file.touch()
    with ProgressTail(file, echo):
        file.write_text("".join(lines))
    return echo.getvalue()


def line(**fields) -> str:
    return json.dumps({"label": "Reading", **fields}) + "\n"


def test_a_terminal_shows_one_line_that_is_rewritten_and_stays_at_its_end(tmp_path):
    said = tail(tmp_path, Terminal(), line(done=1), line(done=2, ended="done"), line(done=3))
    assert said == (
        "\r\x1b[K  Reading: done: 2 items, under 1 s\n"  # what was over is never skipped
        "\r\x1b[K  Reading: 3 items, under 1 s\n"
    )


def test_a_log_gets_whole_lines_of_what_ended(tmp_path):
    said = tail(
        tmp_path, io.StringIO(), line(done=1), line(done=2, ended="done"), line(done=3, ended="stopped"), '{"la'
    )
    assert said == "  Reading: done: 2 items, under 1 s\n  Reading: stopped: 3 items, under 1 s\n"


def test_text_cannot_take_the_terminal_over(tmp_path):
    assert clean("a\x1b[2J\x07\u202eb\r\nc\x9bd") == "a?[2J??b?\nc?d"
    said = tail(tmp_path, io.StringIO(), line(done=1, note="\x1b]0;x\x07\n", ended="done"))
    assert said == "  Reading: done: 1 items, ?]0;x? , under 1 s\n"
