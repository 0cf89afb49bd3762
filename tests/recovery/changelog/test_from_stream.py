"""The scenario's damage, found and taken back by the table's stream alone: no restore, nothing told beforehand."""

from datetime import UTC, datetime, timedelta

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.aws.items import to_boto
from pitrkit.aws.tables import tables
from pitrkit.errors import BadInput
from pitrkit.recovery.changelog import from_stream
from pitrkit.recovery.changelog.change_log import STREAM, ChangeLog
from pitrkit.recovery.changelog.locate import locate
from pitrkit.recovery.changes.scope import Scope
from pitrkit.recovery.plan.policy import Policy
from pitrkit.sandbox import Sandbox
from pitrkit.sandbox.scenario.shop import orders
from pitrkit.sandbox.scenario.truth import check

SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def scenario():
    return orders(now=datetime.now(UTC))


@pytest.fixture(scope="module")
def aws(scenario):
    with pytest.MonkeyPatch.context() as patch, Sandbox() as sandbox:
        for name, value in sandbox.environment().items():
            patch.setenv(name, value)
        scenario.lay_into(sandbox)
        yield Aws.connect()


@pytest.fixture(scope="module")
def log(aws, scenario, tmp_path_factory):
    until = datetime.now(UTC)
    table = tables.describe(aws, "Orders")
    return from_stream.read(aws, table, tmp_path_factory.mktemp("stream") / "log", until - timedelta(hours=23), until)


def test_the_log_has_every_write_once(log, scenario):
    assert len(log) == len(scenario.writes)
    assert log.single
    assert ChangeLog.open(log.folder) == log
    assert log.source == STREAM


def test_the_damage_is_located_to_its_second(log, scenario):
    found = locate(log, Scope(where=scenario.truth.where))
    assert found.began.earliest == found.began.latest == scenario.truth.damage_started_at.replace(microsecond=0)
    assert found.ended.latest == scenario.truth.damage_ended_at.replace(microsecond=0)
    assert found.items == len(scenario.truth.deleted) + len(scenario.truth.mangled)
    assert scenario.truth.damage_started_at - 2 * SECOND < found.restore_at < scenario.truth.damage_started_at
    assert found.precision == "exact to the second"


def test_the_damage_is_located_by_nothing_but_removed(log, scenario):
    found = locate(log, Scope(("removed",)))
    assert found.since_at <= scenario.truth.damage_ended_at
    assert found.until_at >= scenario.truth.damage_started_at
    assert found.items >= len(scenario.truth.deleted)


def test_the_damage_is_rolled_back_and_nothing_else(log, aws, scenario, make_bench, tmp_path):
    damage = Scope(where=scenario.truth.where)
    found = locate(log, damage)
    bench = make_bench(aws, tmp_path, existing="Orders")
    changes = log.changes(tmp_path / "c", damage=damage, since_at=found.since_at, until_at=found.until_at)
    plan = bench.plan(changes, Policy(modified="revert"))
    applied = bench.apply(plan)
    assert applied.applied == plan.total
    differences = check([to_boto(image) for image in bench.state().values()], scenario.truth)
    assert differences.none, str(differences)
    assert not plan.undecided


def test_a_table_without_a_stream_names_the_other_route(aws, tmp_path, make_bench):
    bench = make_bench(aws, tmp_path)
    with pytest.raises(BadInput, match=r"no stream(.|\n)*incremental exports"):
        from_stream.read(aws, bench.table, tmp_path / "log", datetime.now(UTC) - SECOND, datetime.now(UTC))
