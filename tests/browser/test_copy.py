"""Copying back in a real browser: a closed gate, a stale plan, an interrupted copy gone on with, conflicts decided."""

import json

import pytest

from pitrkit.sandbox import Sandbox

pytestmark = [pytest.mark.browser, pytest.mark.takes(20)]


def test_whatever_comes_in_between_the_copy_ends_right_and_nothing_of_anybody_else_is_overwritten(tmp_path):
    from copying import ITEMS, Shop, story
    from jupyter import barriers, browser_page, lab

    with Sandbox() as sandbox:
        shop = Shop(sandbox, tmp_path)
        with lab(tmp_path, shop.environment, dark=True) as address, browser_page(dark=True) as page:
            met = {}
            ours, theirs = sorted(story(page, address, shop, lambda stop: met.update({stop: barriers(page)})))
            assert met
            assert not any(met.values()), met
            assert page.outside == []
            assert page.complaints == []
            assert page.evaluate("() => document.body.dataset.jpThemeLight") == "false"
        found = shop.statuses()
        assert found.pop(1) == "SHIPPED", "written before the plan that was approved"
        assert found.pop(theirs) == "SHIPPED", "kept on purpose"
        assert found == {number: "PAID" for number in range(ITEMS) if number not in (1, theirs)}
        assert ours in found
    state = json.loads((tmp_path / "incidents" / "night" / "incident.json").read_text())
    assert len(state["copies"]) == 2
    assert state["verify"]["ok"] is True
