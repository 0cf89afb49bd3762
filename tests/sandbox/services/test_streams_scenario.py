"""The stream of the shop's scenario: the whole story, to the second, in shards that ended and split."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from pitrkit.sandbox import Sandbox
from pitrkit.sandbox.scenario.shop import orders
from pitrkit.sandbox.scenario.truth import identity
from tests.sandbox.exports.reading import read, shards_of, stream_of

NOW = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.fixture(scope="module")
def scenario():
    return orders(now=NOW)


@pytest.fixture(scope="module")
def told(scenario):
    """The shards and the records of the seeded table's stream."""
    with Sandbox(ticking=False) as sandbox:
        sandbox.clock.set(NOW)
        scenario.lay_into(sandbox)
        streams = sandbox.client("dynamodbstreams")
        arn = stream_of(sandbox.client("dynamodb"), "Orders")
        yield shards_of(streams, arn), read(streams, arn)


def test_it_holds_every_write_of_the_past_with_its_second(scenario, told):
    _, records = told
    found = Counter(
        (identity(record["dynamodb"]["Keys"]), record["dynamodb"]["ApproximateCreationDateTime"], record["eventName"])
        for record in records
    )
    held, expected = set(), Counter()
    for write in scenario.writes:
        key = identity(write.key)
        event = "REMOVE" if write.item is None else "MODIFY" if key in held else "INSERT"
        (held.discard if write.item is None else held.add)(key)
        expected[key, write.at.replace(microsecond=0), event] += 1
    assert found == expected


def test_deletions_by_ttl_are_told_from_those_of_the_deploy(scenario, told):
    _, records = told
    by_ttl = {identity(r["dynamodb"]["Keys"]) for r in records if r.get("userIdentity", {}).get("Type") == "Service"}
    assert by_ttl == {identity(write.key) for write in scenario.writes if write.by == "ttl"}
    assert not by_ttl & {identity(key) for key in scenario.truth.deleted}


def test_its_shards_ended_split_and_went_on(told):
    shards, _ = told
    children = Counter(shard["ParentShardId"] for shard in shards if "ParentShardId" in shard)
    assert {1, 2} == set(children.values())
    assert sum("EndingSequenceNumber" not in shard["SequenceNumberRange"] for shard in shards) >= 3
