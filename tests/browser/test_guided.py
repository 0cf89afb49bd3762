"""The guided recovery in JupyterLab, by clicks and keys in a real browser."""

import json
from datetime import UTC, datetime

import pytest

from pitrkit.sandbox import Sandbox
from pitrkit.sandbox.scenario.shop import orders
from pitrkit.sandbox.scenario.truth import check

pytestmark = [pytest.mark.browser, pytest.mark.takes(45)]


def test_a_person_recovers_the_table_by_clicks_and_keys_and_nothing_leaves_the_machine(tmp_path):
    import guided
    from jupyter import barriers, browser_page, lab

    scenario = orders(11, now=datetime.now(UTC), orders=500)
    with Sandbox(restore_seconds=1) as sandbox:
        scenario.lay_into(sandbox)
        with lab(tmp_path, sandbox.environment()) as address, browser_page() as page:
            met = {}
            guided.recover(page, address, scenario.truth, lambda _, stop: met.update({stop: barriers(page)}))
            assert page.outside == []
            assert page.complaints == []
            assert len(met) >= 9
            assert not any(met.values()), met
        pages = sandbox.client("dynamodb").get_paginator("scan").paginate(TableName="Orders")
        assert check([item for found in pages for item in found["Items"]], scenario.truth).none
    (state,) = (tmp_path / "work" / "incidents").glob("*/incident.json")
    data = json.loads(state.read_text())
    assert data["approval"]["how"] == "click"
    assert data["verify"]["ok"] is True
