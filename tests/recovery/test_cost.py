"""Cost: an estimate that says how it came about."""

from datetime import date

import pytest

from pitrkit.errors import BadInput
from pitrkit.recovery.cost import Prices, estimate

GB = 1024**3


def test_an_estimate_says_its_amount_currency_day_and_sum():
    found = estimate(write_units=2_000_000, prices=Prices(priced_at=date(2026, 11, 1)))
    assert found.usd == pytest.approx(1.25)
    assert (found.currency, found.priced_at) == ("USD", date(2026, 11, 1))
    assert str(found) == (
        "USD 1.25 (2,000,000 write units x 0.625 a million, us-east-1, on demand; prices of 2026-11-01)"
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
    assert str(estimate()).startswith("USD 0.00 (nothing is charged for")


def test_a_price_file_replaces_what_it_names(tmp_path):
    file = tmp_path / "prices.json"
    file.write_text('{"region": "eu-west-1", "priced_at": "2026-12-01", "write_units_million": 0.7}')
    prices = Prices.open(file)
    assert prices == Prices(region="eu-west-1", priced_at=date(2026, 12, 1), write_units_million=0.7)
    assert estimate(write_units=1_000_000, prices=prices).usd == pytest.approx(0.7)


@pytest.mark.parametrize("text", ["", "[]", '{"write": 1}', '{"restore_gb": "much"}', '{"priced_at": "today"}'])
def test_a_price_file_that_cannot_be_used_is_bad_input(tmp_path, text):
    file = tmp_path / "prices.json"
    file.write_text(text)
    with pytest.raises(BadInput, match="price file"):
        Prices.open(file)
