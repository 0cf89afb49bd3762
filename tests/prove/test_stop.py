"""SIGINT, SIGTERM, SIGHUP and SIGKILL at random moments of a headless recovery, from its first second to its last."""

import random
import signal
import time

from pitrkit.sandbox import Sandbox
from tests.notebooks.conftest import place_of
from tests.notebooks.stopping import GENTLE, Stoppable

STOPS = 40
SEED = 20261124


def test_stopped_at_any_moment_the_record_tells_the_truth_and_the_same_command_finishes(tmp_path, sample):
    chance = random.Random(SEED)
    with Sandbox() as sandbox, place_of(sandbox, tmp_path / "incidents") as place:
        desk = Stoppable(place)
        at, items = desk.table("Whole")
        command = desk.gate("Whole", at)
        began = time.monotonic()
        desk.finishes("Whole", command, items)
        seconds = time.monotonic() - began
        for place_in_row in range(sample(STOPS)):
            name = f"Stock-{place_in_row}"
            at, items = desk.table(name)
            command = desk.gate(name, at)
            for _ in range(3):
                number = chance.choice((*GENTLE, signal.SIGKILL))
                code, _ = desk.stopped(number, chance.uniform(0, seconds), *command)
                if code == 0:
                    break
                desk.tells_the_truth(name, number, code)
            desk.finishes(name, command, items)
