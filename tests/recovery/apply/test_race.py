"""Writers that race with a copy: none of their writes is overwritten, and each race lost is reported."""

import random
from contextlib import suppress
from threading import Event, Lock, Thread

import pytest

from pitrkit.aws.client.error_mapping import ConditionFailed
from pitrkit.aws.items import attributes
from pitrkit.recovery.apply.journal import conflicts

RACERS = 3
ITEMS = 120


class Racer:
    """A program that keeps writing to the table and remembers which of its writes were accepted.

    Each racer has an attribute of its own on every item, and is the only one besides the copy to write `status` of
    the items that are its own (and to make those anew that were removed).
    """

    def __init__(self, bench, make_order, number):
        self.bench = bench
        self.order = make_order
        self.number = number
        self.attribute = f"racer{number}"
        self.accepted = {}
        self.lock = Lock()
        self.chance = random.Random(number)

    def write(self, item):
        """Write to one item in one of several ways, note what was accepted, and return whether it was."""
        with self.lock, suppress(ConditionFailed):
            value = {"N": str(self.chance.randrange(10**6))}
            own = item % RACERS == self.number
            if own and item % 4 == 0 and self.chance.random() < 0.3:
                self.bench.put(
                    self.order(item, status={"S": "made anew"}, **{self.attribute: value}),
                    ConditionExpression="attribute_not_exists(pk)",
                )
                self.accepted[item, "status"] = {"S": "made anew"}
                self.accepted[item, self.attribute] = value
            elif own and self.chance.random() < 0.3:
                self.bench.set(self.order(item), "status", {"S": f"by {self.attribute}: {value}"})
                self.accepted[item, "status"] = {"S": f"by {self.attribute}: {value}"}
            else:
                self.bench.set(self.order(item), self.attribute, value)
                self.accepted[item, self.attribute] = value
            return True
        return False

    def race(self, over):
        while not over.is_set():
            self.write(self.chance.randrange(ITEMS))


def damage(bench, make_order):
    """Every fourth order is gone, every fourth is too many, the others are mangled."""
    for n in range(ITEMS):
        if n % 4 == 0:
            yield bench.change(make_order(n), None)
        elif n % 4 == 1:
            yield bench.change(None, make_order(n))
        else:
            yield bench.change(make_order(n), make_order(n, status={"S": "mangled"}, note=None))


def raced(bench, plan, racers, chance):
    """Apply *plan* while the racers race: all over the table, and right before and after some of our requests."""
    over = Event()
    threads = [Thread(target=racer.race, args=(over,)) for racer in racers]

    def meddle(_operation, parameters, send):
        item = int((parameters.get("Item") or parameters["Key"])["sk"]["N"])
        if chance.random() < 0.3:
            chance.choice(racers).write(item)
        try:
            return send()
        finally:
            if chance.random() < 0.3:
                chance.choice(racers).write(item)

    for thread in threads:
        thread.start()
    try:
        return bench.meddled(plan, meddle, pace=400)
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("seed", [1, 2])
def test_no_write_of_a_racer_is_lost_and_each_lost_race_is_a_conflict(bench, make_order, seed):
    plan = bench.plan(damage(bench, make_order))
    racers = [Racer(bench, make_order, number) for number in range(RACERS)]
    done = raced(bench, plan, racers, random.Random(seed))
    assert done.applied + done.already + done.conflicts == plan.total
    assert done.applied > 0

    state = {key: attributes(image) for key, image in bench.state().items()}
    for racer in racers:
        for (item, name), value in racer.accepted.items():
            assert state[bench.key(make_order(item))][name] == value

    races = conflicts(plan, bench.journal(plan))
    assert len(races) == done.conflicts > 0
    touched = {bench.key(make_order(item)) for racer in racers for item, _ in racer.accepted}
    for race in races:
        assert race.key in touched
        assert race.found is not None
        assert race.found not in {race.seen, race.goal}
