"""Killed at any moment, run again: nothing lost, nothing written twice, nothing unaccounted for."""

import os
import random
import subprocess
import sys
import time
from collections import Counter

from pitrkit.recovery.apply.journal import Journal, JournalState
from pitrkit.recovery.apply.verify import verify

RUN = """
import sys
from pathlib import Path
from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables import tables
from pitrkit.recovery.apply.apply import apply
from pitrkit.recovery.plan.plan import Plan
from pitrkit.recovery.token_bucket import Pace

plan = Plan.open(Path(sys.argv[1]))
aws = Aws.connect()
apply(aws, tables.describe(aws, plan.table), plan, Path(sys.argv[2]), pace=Pace(300), workers=6)
"""

KILLS = 15
SEED = 20261123


def killed_run(sandbox, plan, journal, grown):
    """Apply the plan in a process of its own, and kill that when the journal has grown by *grown* bytes."""
    size = journal.stat().st_size if journal.exists() else 0
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(plan.folder), str(journal)],
        env=os.environ | sandbox.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        while process.poll() is None and (not journal.exists() or journal.stat().st_size < size + grown):
            time.sleep(0.002)
    finally:
        process.kill()
        output = process.communicate()[0].decode()
    return process.returncode, output


def test_apply_killed_again_and_again_loses_nothing_and_can_still_be_undone(sandbox, bench, make_order):
    changes = [bench.change(make_order(n), None) for n in range(150)]
    changes += [bench.change(make_order(n), make_order(n, status={"S": "bad"}, x={"N": "1"})) for n in range(150, 300)]
    changes += [bench.change(None, make_order(n)) for n in range(300, 400)]
    damaged = bench.state()
    plan, journal = bench.plan(changes), None
    journal = bench.journal(plan)
    chance = random.Random(SEED)
    unsure = 0
    for _ in range(KILLS):
        code, output = killed_run(sandbox, plan, journal, chance.randrange(100, 6000))
        assert code in {-9, 0}, output
        state = JournalState(plan.total)
        for line in Journal(journal, plan).lines():
            state.follow(line)
        unsure += sum(map(state.unsure, plan.writes()))
    assert unsure > 0, "no run was killed between intent and outcome: the test shows nothing"

    done = bench.apply(plan)
    assert (done.applied, done.already, done.conflicts, done.failed, done.unsent) == (400, 0, 0, 0, 0)
    settled = Counter(line["number"] for line in Journal(journal, plan).lines() if line["is"] == "outcome")
    assert settled == Counter(range(1, 401))
    assert bench.state() == {bench.key(make_order(n)): make_order(n) for n in range(300)}
    assert verify(bench.aws, bench.table, plan, journal).ok

    bench.undo(plan)
    assert bench.state() == damaged
