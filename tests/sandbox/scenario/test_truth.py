"""Checking a table against what it must be."""

import base64
import json
from datetime import UTC, datetime

import pytest

from pitrkit.sandbox.scenario.shop import orders
from pitrkit.sandbox.scenario.truth import Truth, check

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def truth():
    return orders(now=NOW, orders=100).truth


def test_the_expected_items_in_any_order_are_the_expected_table(truth):
    found = check(reversed(truth.expected), truth)
    assert found.none
    assert str(found) == "the table is exactly as it must be"


def test_missing_wrong_and_extra_items_are_named_by_key(truth):
    missing, wrong, *others = truth.expected
    extra = {**wrong, "order_id": {"S": "nobody's"}}
    found = check([{**wrong, "total": {"N": "0"}}, extra, *others], truth)
    assert found.missing == (truth.key(missing),)
    assert found.wrong == (truth.key(wrong),)
    assert found.extra == (truth.key(extra),)
    assert not found.none
    assert str(found) == "1 missing, 1 wrong, 1 extra"


def test_an_attribute_too_many_is_a_difference(truth):
    first, *others = truth.expected
    assert len(check([{**first, "more": {"NULL": True}}, *others], truth).wrong) == 1


def test_items_are_compared_by_value_and_as_boto3_returns_them(truth):
    def otherwise(value):
        ((kind, held),) = value.items()
        match kind:
            case "N":
                return {"N": f"{held}.00" if "." not in held else f"{held}0"}
            case "B":
                return {"B": base64.b64decode(held)}
            case "SS" | "NS":
                return {kind: held[::-1]}
            case "M":
                return {"M": {name: otherwise(held[name]) for name in reversed(held)}}
            case "L":
                return {"L": [otherwise(member) for member in held]}
        return value

    items = [{name: otherwise(value) for name, value in item.items()} for item in truth.expected]
    assert items != list(truth.expected)
    assert check(items, truth).none


def test_the_truth_survives_its_json(truth):
    served = json.loads(json.dumps(truth.to_dict()))
    assert Truth.from_dict(served) == truth
    assert check(truth.expected, served).none
    assert served["counts"] == truth.counts
    assert set(served["good_since"]) == {"new", "updated", "cancelled", "expired"}
