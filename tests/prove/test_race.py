"""Writers that hammer the keys under way: over 20,000 races, none of their writes is lost, not even to the undo."""

import random
from collections import Counter

from pitrkit.aws.items import attributes
from pitrkit.recovery.apply.journal import Journal, conflicts
from tests.recovery.apply.test_race import ITEMS, RACERS, Racer, damage

RACES = {"sandbox": 4_000, "DynamoDB-Local": 16_000}
"""Writes by others that were accepted right before or after a request of ours for that very item, by engine."""

HAMMERED = 0.8
"""How likely one is tried, twice before and twice after each request of ours for each of its items."""


def raced(bench, plan, racers, chance):
    """Apply *plan* with racers right before and after each request of ours, and return what came of it, and the races.

    Several requests are under way at once, so a racer also meets those of other lanes in the middle.
    """
    races = [0]

    def race(items):
        for item in [*items, *items]:
            if chance.random() < HAMMERED:
                races[0] += chance.choice(racers).write(item)

    def meddle(_operation, parameters, send):
        if "Statements" in parameters:
            # Values come in the order of the attributes' names, and the first number among them is the sort key.
            values = [statement["Parameters"] for statement in parameters["Statements"]]
            items = [int(next(value["N"] for value in item if "N" in value)) for item in values]
        else:
            items = [int((parameters.get("Item") or parameters["Key"])["sk"]["N"])]
        race(items)
        try:
            return send()
        finally:
            race(items)

    return bench.meddled(plan, meddle, pace=1e5, inserts_per_call=chance.choice([1, 25])), races[0]


def held(bench, make_order, racers):
    """Check that the table holds what every racer wrote last to each item."""
    state = {key: attributes(image) for key, image in bench.state().items()}
    for racer in racers:
        for (item, name), value in racer.accepted.items():
            assert state[bench.key(make_order(item))][name] == value


def test_no_write_of_a_racer_is_lost_to_a_copy_or_its_undo_and_each_lost_race_is_a_conflict(
    bench, make_bench, engine, make_order, sample
):
    races, wanted, seed = 0, sample(RACES[engine]), 0
    met = Counter()
    while races < wanted:
        seed += 1
        bench = make_bench(bench.aws, bench.folder)
        plan = bench.plan(sorted(damage(bench, make_order), key=lambda change: change.key))
        before = bench.state()
        racers = [Racer(bench, make_order, number) for number in range(RACERS)]
        done, more = raced(bench, plan, racers, random.Random(seed))
        races += more
        assert done.applied + done.already + done.conflicts == plan.total == ITEMS
        held(bench, make_order, racers)

        touched = {bench.key(make_order(item)) for racer in racers for item, _ in racer.accepted}
        lost = conflicts(plan, bench.journal(plan))
        assert len(lost) == done.conflicts
        for race in lost:
            assert race.key in touched
            assert race.found is not None
            assert race.found not in {race.seen, race.goal}
        met.update(entry.outcome for entry in Journal(bench.journal(plan), plan).outcomes())

        bench.undo(plan)
        held(bench, make_order, racers)
        after = bench.state()
        for item in range(ITEMS):
            key = bench.key(make_order(item))
            if key not in touched:
                assert after.get(key) == before.get(key)
    assert met["applied"] > 0
    assert met["conflict"] > 0
