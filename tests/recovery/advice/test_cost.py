"""Cost: an estimate that says how it came about."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitrkit.recovery.advice.cost import PriceTable, estimate

GB = 1024**3


def test_an_estimate_says_its_amount_currency_day_and_sum():
    found = estimate(write_units=2_000_000, prices=PriceTable(priced_at=date(2026, 11, 1)))
    assert found.usd == pytest.approx(1.25)
    assert (found.currency, found.priced_at) == ("USD", date(2026, 11, 1))
    assert str(found) == (
        "USD 1.25 (2,000,000 write units x 0.625 a million = 1.25, us-east-1, on demand; prices of 2026-11-01)"
    )
    assert found.to_dict()["priced_at"] == "2026-11-01"


def test_restore_scan_and_keeping_add_up():
    found = estimate(restore_bytes=100 * GB, scan_bytes=100 * GB, kept_days=3)
    assert found.usd == pytest.approx(100 * 0.15 + 100 * GB / 8192 / 1e6 * 0.125 + 100 * 3 / 30 * 0.25)
    assert found.formula.count(" + ") == 2


def test_exports_are_charged_by_the_table_or_by_what_was_written_at_least_ten_megabytes_each():
    assert estimate(export_bytes=20 * GB).usd == pytest.approx(2.0)
    found = estimate(export_logs=[0, 0, 5 * GB])
    assert found.usd == pytest.approx((5 + 20 / 1024) * 0.10)
    assert "GB of changes exported x 0.1, at least 10 MB each" in found.formula


def test_small_amounts_are_not_shown_as_nothing():
    assert str(estimate(write_units=100)).startswith("under USD 0.01 (")
    assert str(estimate()).startswith("USD 0.00 (no charges")


def test_prices_of_the_team_replace_what_they_name():
    prices = PriceTable().with_values({"write_units_million": 0.7}, date(2026, 12, 1))
    found = estimate(write_units=1_000_000, restore_bytes=GB, prices=prices)
    assert found.usd == pytest.approx(0.7 + 0.15)
    assert (found.priced_at, prices.region) == (date(2026, 12, 1), "pitrkit.toml")
    assert PriceTable().with_values({}) == PriceTable()


def test_replicas_are_paid_for_each_and_provisioned_units_not_again():
    assert estimate(write_units=1_000_000, regions=3).usd == pytest.approx(3 * 0.625)
    assert "1,000,000 write units x 3 Regions x 0.625 a million = 1.88" in estimate(write_units=1e6, regions=3).formula
    found = estimate(write_units=1_000_000, scan_bytes=GB, provisioned=True)
    assert found.usd == 0
    assert "of those provisioned x 0" in found.formula


AMOUNTS = st.fixed_dictionaries(
    {
        "write_units": st.floats(0, 1e12),
        "restore_bytes": st.floats(0, 1e14),
        "scan_bytes": st.floats(0, 1e14),
        "kept_days": st.floats(0, 60),
        "export_bytes": st.floats(0, 1e14),
        "backup_bytes": st.floats(0, 1e14),
    }
)


@given(AMOUNTS)
def test_the_formula_adds_up_to_the_amount(of):
    found, prices = estimate(**of), PriceTable()
    assert found.usd == pytest.approx(
        of["write_units"] / 1e6 * prices.write_units_million
        + of["restore_bytes"] / GB * (prices.restore_gb + of["kept_days"] / 30 * prices.storage_gb_month)
        + of["scan_bytes"] / 8192 / 1e6 * prices.read_units_million
        + of["export_bytes"] / GB * prices.export_gb
        + of["backup_bytes"] / GB * prices.backup_gb_month
    )
    if found.usd:
        told = found.formula.split(" = ")[1].split(", us-")[0].replace(",", "")
        assert float(told) == pytest.approx(found.usd, rel=0.06, abs=0.01)
