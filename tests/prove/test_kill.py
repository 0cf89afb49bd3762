"""SIGKILL at random moments of a snapshot, a plan, a copy: run again, nothing is lost, done twice, or unaccounted."""

import random
from collections import Counter
from datetime import timedelta
from functools import partial

import pytest

from pitrkit.aws.items import attributes
from pitrkit.errors import BadInput
from pitrkit.recovery.apply.journal import Journal
from pitrkit.recovery.apply.verify import verify
from pitrkit.recovery.plan.plan import Plan
from pitrkit.recovery.snapshot.snapshot import Snapshot
from pitrkit.recovery.storage import batches
from pitrkit.sandbox import PastWrite
from tests.prove.killing import applying, killed, planning, taking, whole

KILLS = 200
OF_SNAPSHOTS, OF_PLANS, OF_COPIES = 60, 40, KILLS - 100
"""How many of the kills meet each."""

SEED = 20261123


@pytest.fixture
def chance():
    return random.Random(SEED)


@pytest.fixture
def make(aws, tmp_path, make_bench):
    """Make a further table, which is the `bench` of a round."""
    return lambda: make_bench(aws, tmp_path)


def seeded(sandbox, bench, images):
    """Put *images* into a table of their own by way of its history, which takes no time."""
    at = sandbox.clock.now() - timedelta(hours=1)
    name = bench.path("Large").name
    created = {
        "TableName": name,
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        "BillingMode": "PAY_PER_REQUEST",
    }
    past = [PastWrite(at, attributes(bench.key(image)), attributes(image)) for image in images]
    sandbox.seed(created, past, created_at=at)
    return name


@pytest.fixture
def large(sandbox, bench, make_order):
    """A table of some ten megabytes, as its name and its items."""
    images = [make_order(n, blob={"S": "x" * 3000}) for n in range(3000)]
    return seeded(sandbox, bench, images), sorted((bench.key(image), image) for image in images)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_snapshot_killed_again_and_again_holds_every_item_once(sandbox, tmp_path, large, sample, processes):
    environment, chance = sandbox.environment(), random.Random(SEED)
    name, items = large
    seconds = whole(environment, taking, name, tmp_path / "first", processes)
    kills, wanted = 0, sample(OF_SNAPSHOTS // 2)
    while kills < wanted:
        folder = tmp_path / f"after-{kills}"
        while killed(environment, taking, name, folder, processes, after=chance.uniform(0, seconds)) == -9:
            kills += 1
            if not (folder / "snapshot.json").exists():
                with pytest.raises(BadInput):
                    Snapshot.open(folder)
        assert Snapshot.open(folder).items == len(items)
        assert sorted(row for file in Snapshot.open(folder).files for row in rows(file)) == items


def rows(file):
    for batch in batches(file, ["key", "item"]):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def test_a_plan_killed_while_it_is_built_is_no_plan_and_the_next_is_whole(sandbox, bench, make_order, sample, chance):
    changes = bench.change_set(sorted(damaged(bench, make_order, 90), key=lambda change: change.key))
    environment = sandbox.environment()
    seconds = whole(environment, planning, bench.name, changes.folder, bench.path("first"))
    folder, kills, wanted = bench.path("plan"), 0, sample(OF_PLANS)
    while kills < wanted:
        code = killed(environment, planning, bench.name, changes.folder, folder, after=chance.uniform(0, seconds))
        kills += code == -9
        if code and not (folder / "plan.json").exists():
            with pytest.raises(BadInput):
                Plan.open(folder)
        else:
            assert Plan.open(folder).total == len(changes)
    whole(environment, planning, bench.name, changes.folder, folder)
    plan = Plan.open(folder)
    assert (plan.total, plan.left) == (len(changes), {})
    assert {write.key for write in plan.writes()} == {change.key for change in changes}


def test_a_copy_killed_again_and_again_does_everything_once_and_its_undo_takes_all_of_it_back(
    sandbox, make, make_order, sample, chance
):
    environment, kills, wanted = sandbox.environment(), 0, sample(OF_COPIES)
    while kills < wanted:
        bench = make()
        plan = bench.plan(sorted(damaged(bench, make_order, 240), key=lambda change: change.key))
        before, journal = bench.state(), bench.journal(plan)
        while True:
            # From the moment that the run has taken up the journal, which is where it begins to matter.
            grown = partial(longer, journal, journal.stat().st_size if journal.exists() else 0)
            after = chance.uniform(0, 0.6)
            if killed(environment, applying, plan.folder, journal, 600.0, after=after, begun=grown) != -9:
                break
            kills += 1
        done = bench.apply(plan)
        assert (done.applied, done.already, done.conflicts, done.failed, done.unsent) == (plan.total, 0, 0, 0, 0)
        settled = Counter(line["number"] for line in Journal(journal, plan).lines() if line["is"] == "outcome")
        assert settled == Counter(range(1, plan.total + 1))
        assert bench.state() == {bench.key(make_order(n)): make_order(n) for n in range(240) if n % 3 != 2}
        assert verify(bench.aws, bench.table, plan, journal).ok
        bench.undo(plan)
        assert bench.state() == before


def longer(path, size):
    return path.exists() and path.stat().st_size > size


def damaged(bench, make_order, count):
    """Of *count* orders a third is gone, a third mangled, a third too many."""
    for n in range(count):
        if n % 3 == 0:
            yield bench.change(make_order(n), None)
        elif n % 3 == 1:
            yield bench.change(make_order(n), make_order(n, status={"S": "bad"}, x={"N": "1"}, note=None))
        else:
            yield bench.change(None, make_order(n))
