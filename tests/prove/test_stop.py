"""SIGINT, SIGTERM, SIGHUP and SIGKILL at random moments of a headless recovery, from its first second to its last."""

import random
import signal
import time

import pytest

from pitrkit.sandbox import Sandbox
from tests.notebooks.conftest import place_of
from tests.notebooks.stopping import GENTLE, ITEMS, PACE, Stoppable

pytestmark = pytest.mark.takes(20)

INCIDENTS = 10
"""Each is stopped up to three times."""

SEED = 20261124


def test_stopped_at_any_moment_the_record_tells_the_truth_and_the_same_command_finishes(tmp_path, sample):
    chance = random.Random(SEED)
    with Sandbox() as sandbox, place_of(sandbox, tmp_path / "incidents") as place:
        desk = Stoppable(place)
        for place_in_row in range(sample(INCIDENTS)):
            name = f"Stock-{place_in_row}"
            at, items = desk.table(name)
            began = time.monotonic()
            command = desk.gate(name, at)
            # Up to the gate it takes about as long as from there to the end, the writing itself aside.
            seconds = time.monotonic() - began + ITEMS / PACE
            killed = False
            for _ in range(3):
                number = chance.choice((*GENTLE, signal.SIGKILL))
                code, _ = desk.stopped(number, chance.uniform(0, seconds), *command)
                if code == 0:
                    break
                killed = killed or number == signal.SIGKILL
                desk.tells_the_truth(name, number, code, killed=killed)
            desk.finishes(name, command, items)
