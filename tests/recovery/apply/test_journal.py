"""The journal: every write accounted for, whatever is left of the file's last line, and no tampering unseen."""

import resource

import pytest

from pitrkit.errors import BadInput, PitrkitError, RecordAltered
from pitrkit.recovery.apply.apply import summary
from pitrkit.recovery.apply.journal import Entry, Journal, JournalWriter, conflicts, journal_changes, journal_path


@pytest.fixture
def plan(bench, make_order):
    return bench.plan([bench.change(make_order(n), None) for n in range(12)])


@pytest.fixture
def journal(bench, plan):
    """The journal of the plan, applied."""
    bench.apply(plan)
    return bench.journal(plan)


def test_each_plan_has_its_own_journal(bench, plan):
    assert journal_path(bench.folder, plan) == bench.folder / f"{plan.digest[:12]}.jsonl"


def test_each_write_has_one_outcome(plan, journal):
    entries = list(Journal(journal, plan).outcomes())
    assert sorted(entry.number for entry in entries) == list(range(1, 13))
    assert {entry.outcome for entry in entries} == {"applied"}
    assert all(entry.request_id and entry.at for entry in entries)


def test_intents_come_before_outcomes(journal):
    lines = list(Journal(journal).lines())
    assert [lines[0]["is"], lines[1]["is"], lines[-1]["is"]] == ["begin", "intent", "end"]
    assert sorted(lines[1]["numbers"]) == list(range(1, 13))


def test_a_file_cut_anywhere_is_read_up_to_its_last_whole_line(plan, journal):
    whole = journal.read_bytes()
    ends = [0] + [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(0, len(whole) + 1, 7):
        journal.write_bytes(whole[:cut])
        assert len(list(Journal(journal, plan).lines())) == sum(end <= cut for end in ends) - 1


@pytest.mark.parametrize("cut", [5, 60, 400, 900, -3])
def test_a_run_on_a_journal_cut_short_takes_it_up_and_settles_every_write_once(bench, plan, journal, cut):
    journal.write_bytes(journal.read_bytes()[:cut])
    done = bench.apply(plan)
    assert done.applied + done.already == 12
    lines = list(Journal(journal, plan).lines())
    numbers = [line["number"] for line in lines if line["is"] == "outcome"]
    assert sorted(numbers) == list(range(1, 13))


def test_bytes_of_nothing_at_the_end_are_passed_over_like_a_line_cut_short(bench, plan, journal):
    journal.write_bytes(journal.read_bytes() + b"\0" * 300)
    assert bench.apply(plan).applied == 12
    assert b"\0" not in journal.read_bytes()


def damaged(lines):
    lines[4] = lines[4].replace(b"applied", b"already")


def taken_out(lines):
    del lines[4]


def swapped(lines):
    lines[4], lines[5] = lines[5], lines[4]


def garbled(lines):
    lines[4] = b"garbage\n"


@pytest.mark.parametrize("alter", [damaged, taken_out, swapped, garbled])
def test_an_altered_journal_is_refused_by_all_who_read_it(bench, plan, journal, alter):
    lines = journal.read_bytes().splitlines(keepends=True)
    alter(lines)
    journal.write_bytes(b"".join(lines))
    for reading in (
        lambda: list(Journal(journal).lines()),
        lambda: summary(plan, journal),
        lambda: conflicts(plan, journal),
        lambda: journal_changes(plan, journal, bench.path("undo")),
        lambda: bench.apply(plan),
    ):
        with pytest.raises(RecordAltered, match="line 5"):
            reading()


def test_another_plans_journal_is_refused(bench, make_order, plan, journal):
    other = bench.plan([bench.change(make_order(50), None)])
    bench.journal(other).write_bytes(journal.read_bytes())
    for reading in (lambda: summary(other, bench.journal(other)), lambda: bench.apply(other)):
        with pytest.raises(RecordAltered, match="is that of plan"):
            reading()


def test_a_failure_is_superseded_by_what_came_of_it_later(bench, plan):
    path = bench.journal(plan)
    with JournalWriter(path, plan) as log:
        log.intend([1, 2])
        log.settle(Entry(1, "failed", code="ThrottlingException", why="too fast"))
        log.settle(Entry(2, "failed", code="A"))
        log.settle(Entry(2, "failed", code="B"))
        log.settle(Entry(1, "conflict", found=None))
    assert [(entry.number, entry.outcome, entry.code) for entry in Journal(path).outcomes()] == [
        (2, "failed", "B"),
        (1, "conflict", ""),
    ]


def test_a_disk_that_takes_no_more_stops_the_run_before_anything_is_sent(bench, plan):
    path = bench.journal(plan)
    path.parent.mkdir()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    try:
        with pytest.raises(PitrkitError, match="cannot be written"):
            bench.apply(plan)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert bench.state() == {}
    assert bench.apply(plan).applied == 12


def test_a_journal_that_cannot_be_made_is_bad_input(bench, plan):
    bench.journal(plan).parent.write_text("a file where the folder should be")
    with pytest.raises(BadInput, match="cannot be written"):
        bench.apply(plan)
    assert bench.state() == {}
