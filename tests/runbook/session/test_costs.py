"""Costs of the steps to come, by the team's prices."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from pitrkit.aws.items import KeyAttribute, KeySchema
from pitrkit.aws.tables.tables import Table
from pitrkit.runbook.session import costs
from pitrkit.ui import progress

GB = 1024**3
AT = datetime(2026, 11, 23, tzinfo=UTC)
KEY = KeySchema((KeyAttribute("pk", "S", "HASH"),))
TABLE = Table("Orders", "arn:Orders", "id", "ACTIVE", KEY, 1, 100 * GB, "PAY_PER_REQUEST", (), "", False, (), AT, None)


@pytest.fixture(autouse=True)
def team(tmp_path, monkeypatch):
    """Prices of a team, and a terminal that waits for the notebook."""
    file = tmp_path / "pitrkit.toml"
    file.write_text("[prices]\nas_of = 2026-12-24\nrestore_gb = 0.2\n")
    monkeypatch.setenv("PITRKIT_SETTINGS", str(file))
    monkeypatch.setenv(progress.VARIABLE, str(tmp_path / "progress"))
    return file


def test_steps_are_told_with_time_amount_and_formula_in_the_card_and_on_the_terminal(team, tmp_path):
    steps = [*costs.restoring(TABLE, "Copy", "an hour"), costs.scanning(TABLE, 1000.0), costs.scanning(TABLE, 0.0)]
    card = costs.card("Ahead", steps, size_bytes=TABLE.size_bytes, nothing="")
    text = str(card)
    assert "100.000 GB restored x 0.2 = 20.00" in text
    assert "100.000 GB kept 1 days x 0.25 a month = 0.83" in text
    assert "13,107,200 read units x 0.125 a million = 1.64" in text
    assert "3 h 38 min at 1,000 read units a second" in text
    assert "or more, without a limit" in text
    assert "2026-12-24" in text
    assert "[prices] of pitrkit.toml" in text
    told = (tmp_path / "progress").read_text().splitlines()
    assert [str(progress.read_line(line)).partition(":")[0] for line in told] == [step.name for step in steps]
    assert steps[0].costs.priced_at == date(2026, 12, 24)


def test_writes_are_paid_for_in_each_region_and_not_where_they_are_provisioned():
    everywhere = costs.writing(replace(TABLE, replicas=("eu-west-1", "eu-west-2")), 1e6)
    assert everywhere.usd == pytest.approx(3 * 0.625)
    assert costs.writing(replace(TABLE, write_units=5), 1e6).usd == 0
    assert costs.backing_up(TABLE).usd == pytest.approx(10.0)


def test_nothing_to_do_costs_nothing_and_says_so():
    assert "was given" in str(costs.card("Ahead", [], size_bytes=0, nothing="A copy was given."))
