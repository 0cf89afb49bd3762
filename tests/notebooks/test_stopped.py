"""A headless recovery that is stopped while it writes: the record is true, the same command finishes."""

import signal
import time

import pytest

from tests.notebooks.stopping import Stoppable

pytestmark = [pytest.mark.xdist_group("stopped"), pytest.mark.takes(20)]


def test_stopped_while_it_writes_the_record_tells_the_truth_and_the_same_command_finishes(empty):
    desk = Stoppable(empty)
    at, items = desk.table("Stock")
    command = desk.gate("Stock", at)
    for number, written in ((signal.SIGTERM, 1500), (signal.SIGKILL, 3500)):
        process = desk.start(*command)
        journal = empty.folder / "of-Stock" / "journal"
        while process.poll() is None and not any(path.stat().st_size > written for path in journal.glob("*.jsonl")):
            time.sleep(0.01)
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == (130 if number == signal.SIGTERM else -number), said
        assert 0 < len(empty.items("Stock")) < len(items)
        desk.tells_the_truth("Stock", number, process.returncode)
    desk.finishes("Stock", command, items)
