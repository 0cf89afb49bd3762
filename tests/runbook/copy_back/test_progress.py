"""The live counters of a copy, and the line that stays of them."""

from pitrkit.recovery.apply.run import Tally
from pitrkit.runbook.copy_back.plan_views import CopyProgress


def shown_by(*tallies, seconds=1.0):
    found, time = [], [0.0]
    with CopyProgress(
        "Writing to Orders", 600, show=lambda *said: found.append(said), clock=lambda: time[0]
    ) as progress:
        for tally in tallies:
            progress.stands(tally)
            time[0] += seconds
    return found


def tally(applied, *, why="at the set pace", units=500.0, **more):
    counts = {"applied": applied, "already": 0, "conflicts": 0, "failed": 0} | more
    return Tally(**counts, total=600, pace=500.0, units=units, why=why)


def test_it_shows_counters_pace_and_why_while_it_runs_and_that_it_may_be_interrupted():
    why = "slowed down to 67% of 500: the service throttles (TableWriteProvisionedThroughputExceeded)"
    shown = shown_by(tally(0), tally(100, conflicts=2, failed=1, units=333.0, why=why))
    html = shown[-2][1]
    for words in (
        "103 of 600 writes",
        "conflicts",
        "failed",
        "333 of 500 write units",
        why,
        "You may interrupt",
    ):
        assert words in html
    assert "about" in html


def test_what_an_earlier_run_did_does_not_count_as_fast():
    shown = shown_by(tally(500), tally(510), tally(520))
    assert any("10 writes/s" in text for text, _ in shown)
    assert any("about 8 s left" in text for text, _ in shown)


def test_its_last_state_is_one_line_with_the_counts():
    text, html = shown_by(tally(0), tally(598, conflicts=2))[-1]
    assert text.startswith("Writing to Orders: done: 600 writes, 598 applied, 0 already correct, 2 conflicts, 0 failed")
    assert "You may interrupt" not in html
