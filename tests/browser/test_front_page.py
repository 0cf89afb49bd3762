"""The front page in a real browser: the way from it into an incident's own notebooks, by keys, and back tomorrow."""

import re
from datetime import UTC, datetime

import pytest

from pitrkit.sandbox import Sandbox
from pitrkit.sandbox.scenario.shop import orders
from pitrkit.times import iso

pytestmark = [pytest.mark.browser, pytest.mark.takes(60)]

KEYED = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_from_the_front_page_into_the_incident_and_back_tomorrow(tmp_path, theme):
    from front_page import way_in
    from jupyter import browser_page, lab

    dark = theme == "dark"
    scenario = orders(11, now=datetime.now(UTC), orders=300)
    with Sandbox(restore_seconds=2) as sandbox:
        scenario.lay_into(sandbox)
        client = sandbox.client("dynamodb")
        client.create_table(TableName="Logs", **KEYED)
        with (
            lab(tmp_path, sandbox.environment(), dark=dark) as address,
            browser_page(dark=dark) as page,
        ):
            way_in(page, address, iso(scenario.truth.good_at), dark=dark)
            assert page.outside == []
            assert page.complaints == []
    (state,) = (tmp_path / "work" / "incidents").glob("*/incident.json")
    assert re.fullmatch(r"Orders-\d{8}-\d{6}", state.parent.name), "one incident, however often its cells were run"


def test_hundreds_of_tables_are_searched_and_sorted_in_the_browser(tmp_path):
    from jupyter import Notebook, browser_page, lab

    with Sandbox() as sandbox:
        client = sandbox.client("dynamodb")
        for number in range(400):
            client.create_table(TableName=f"Table-{number:03}", **KEYED)
        with lab(tmp_path, sandbox.environment()) as address, browser_page() as page:
            select = Notebook(page, address, "01_select_table")
            select.run_all()
            rows = select.panel.locator(".pk-tables tbody tr")
            said = select.panel.locator(".pk-tables-said")
            assert said.inner_text() == "400 of 400 tables, the first 200 shown: search to narrow it down"
            select.panel.get_by_label("Find a table").press_sequentially("e-39")
            assert said.inner_text() == "10 of 400 tables"
            select.panel.get_by_role("button", name="Table", exact=True).click()
            assert rows.first.inner_text().startswith("Table-399"), "the other way round"
            select.panel.get_by_role("radio").first.focus()
            page.keyboard.press("ArrowDown")
            select.wait()
            assert "Chosen: Table-398" in select.text()
            assert page.outside == []
