"""Items keep their value and type from read to write, and equality is by value."""

import base64
import string
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitrkit.aws import items
from pitrkit.aws.items import KeyAttribute, KeySchema
from pitrkit.errors import BadInput

NUMBERS = st.one_of(
    st.integers(-(10**38) + 1, 10**38 - 1).map(Decimal),
    st.builds(
        lambda digits, exponent: Decimal(digits).scaleb(exponent),
        st.integers(-(10**20), 10**20),
        st.integers(-120, 100),
    ),
)
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
BINARY = st.binary(max_size=20)
SCALARS = st.one_of(
    TEXT.map(lambda v: {"S": v}),
    NUMBERS.map(lambda v: {"N": str(v)}),
    BINARY.map(lambda v: {"B": v}),
    st.booleans().map(lambda v: {"BOOL": v}),
    st.just({"NULL": True}),
    st.lists(TEXT, min_size=1, max_size=4, unique=True).map(lambda v: {"SS": v}),
    st.lists(NUMBERS, min_size=1, max_size=4, unique_by=Decimal).map(lambda v: {"NS": [str(n) for n in v]}),
    st.lists(BINARY, min_size=1, max_size=4, unique=True).map(lambda v: {"BS": v}),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda v: {"L": v}),
        st.dictionaries(TEXT, inner, max_size=3).map(lambda v: {"M": v}),
    ),
    max_leaves=8,
)
ITEMS = st.dictionaries(TEXT.filter(bool), VALUES, max_size=5)


def respelled(typed, draw):
    """Return the same value written otherwise: numbers respelt, sets and maps reordered."""
    ((kind, value),) = typed.items()
    match kind:
        case "N":
            return {"N": draw(spellings(value))}
        case "NS":
            return {"NS": draw(st.permutations([draw(spellings(v)) for v in value]))}
        case "SS" | "BS":
            return {kind: draw(st.permutations(value))}
        case "L":
            return {"L": [respelled(v, draw) for v in value]}
        case "M":
            return {"M": {name: respelled(value[name], draw) for name in draw(st.permutations(list(value)))}}
    return typed


def spellings(text):
    value = Decimal(text)
    spelt = [text, format(value, "f"), format(value, "E")]
    if "." not in spelt[1]:
        spelt.append(f"{spelt[1]}.000")
    return st.sampled_from(spelt)


@given(item=ITEMS, data=st.data())
def test_the_same_item_written_otherwise_has_the_same_image(item, data):
    other = {name: respelled(item[name], data.draw) for name in data.draw(st.permutations(list(item)))}
    assert items.canonical(other) == items.canonical(item)


@given(item=ITEMS)
def test_an_image_survives_the_way_to_boto3_and_back(item):
    image = items.canonical(item)
    assert items.canonical(items.to_boto(image)) == image
    assert items.canonical(items.attributes(image)) == image
    assert items.image_of(items.attributes(image)) == image


@given(NUMBERS)
def test_numbers_keep_their_value_to_the_last_digit(value):
    text = items.number(str(value))
    assert Decimal(text) == value
    assert "E" not in text
    assert items.number(text) == text


@given(NUMBERS, NUMBERS)
def test_numbers_are_equal_exactly_when_their_values_are(one, other):
    assert (items.number(str(one)) == items.number(str(other))) == (one == other)


@pytest.mark.parametrize("text", ["", "NaN", "Infinity", "1" * 39, "0x10", "1.2.3", "one"])
def test_what_is_not_a_dynamodb_number_is_refused(text):
    with pytest.raises(BadInput):
        items.number(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"N": "1"}, {"S": "1"}),
        ({"S": ""}, {"NULL": True}),
        ({"L": []}, {"M": {}}),
        ({"SS": ["1"]}, {"NS": ["1"]}),
        ({"S": "YQ=="}, {"B": b"a"}),
        ({"BOOL": False}, {"NULL": True}),
        ({"L": [{"S": "a"}, {"S": "b"}]}, {"L": [{"S": "b"}, {"S": "a"}]}),
    ],
)
def test_values_of_different_types_or_order_differ(one, other):
    assert items.canonical({"a": one}) != items.canonical({"a": other})


@given(ITEMS, ITEMS)
def test_changed_attributes_are_those_that_differ(before, after):
    one, other = items.canonical(before), items.canonical(after)
    changed = items.changed_attributes(one, other)
    then, now = items.attributes(one), items.attributes(other)
    kept = (then.keys() | now.keys()) - set(changed)
    assert all(then[name] == now[name] for name in kept)
    assert all(then.get(name) != now.get(name) for name in changed)
    assert (not changed) == (one == other)


def test_plain_values_are_exact_and_readable():
    image = items.canonical(
        {
            "n": {"N": "0.1"},
            "i": {"N": "12345678901234567890123456789012345678"},
            "s": {"SS": ["b", "a"]},
            "b": {"B": b"\x00\xff"},
            "null": {"NULL": True},
            "m": {"M": {"l": {"L": [{"N": "1"}]}}},
        }
    )
    assert items.plain(image) == {
        "n": Decimal("0.1"),
        "i": 12345678901234567890123456789012345678,
        "s": ["a", "b"],
        "b": base64.b64encode(b"\x00\xff").decode(),
        "null": None,
        "m": {"l": [1]},
    }


def test_stored_size_counts_as_the_developer_guide_does():
    assert items.stored_size(items.canonical({"pk": {"S": "abc"}})) == 2 + 3
    assert items.stored_size(items.canonical({"n": {"N": "123456"}})) == 1 + 1 + 3
    assert items.stored_size(items.canonical({"b": {"B": b"12345"}})) == 1 + 5
    assert items.stored_size(items.canonical({"t": {"BOOL": True}})) == 1 + 1
    assert items.stored_size(items.canonical({"m": {"M": {"ab": {"S": "é"}}}})) == 1 + 3 + 1 + 2 + 2


SCHEMA = KeySchema((KeyAttribute("pk", "S", "HASH"), KeyAttribute("sk", "N", "RANGE")))


@given(pk=st.text(string.ascii_letters, min_size=1), sk=NUMBERS)
def test_a_key_a_person_wrote_is_the_items_key(pk, sk):
    key = items.key_of({"pk": {"S": pk}, "sk": {"N": str(sk)}, "x": {"S": "y"}}, SCHEMA.names)
    assert items.key_from_plain({"sk": sk, "pk": pk}, SCHEMA) == key
    assert items.key_from_plain({"pk": {"S": pk}, "sk": {"N": str(sk)}}, SCHEMA) == key


@pytest.mark.parametrize(
    "values",
    [{"pk": "a"}, {"pk": "a", "sk": "x"}, {"pk": 1, "sk": 1}, {"pk": "a", "sk": 1, "z": 1}, {"pk": "a", "sk": True}],
)
def test_a_key_that_does_not_fit_the_table_is_refused_with_advice(values):
    with pytest.raises(BadInput) as caught:
        items.key_from_plain(values, SCHEMA)
    assert caught.value.fix


def test_replication_attributes_are_set_apart():
    attrs = {"aws:rep:updatetime": {"N": "1"}, "a": {"S": "x"}}
    assert items.without_replication(attrs) == {"a": {"S": "x"}}
