"""Pages become rows that are exactly what the slow way makes of their items."""

import json
from base64 import b64encode
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitrkit.aws.items import canonical, canonicalise_in_place, key_of, stored_size
from pitrkit.aws.tables.scan_pages import Page, Scan, rows, slices
from pitrkit.errors import BadInput

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
base64 = st.binary(max_size=9).map(lambda raw: b64encode(raw).decode())
digits = st.integers(-(10**37), 10**37)
numbers = st.one_of(
    st.sampled_from(["0", "-0", "0.0", "1.0", "1e3", "1E-130", "-9.90", "100", "007", "0.5", "-0.5", "1" + "0" * 50]),
    digits.map(str),
    st.builds(lambda value, places: str(Decimal(value).scaleb(-places)), digits, st.integers(0, 60)),
)
scalars = st.one_of(
    st.builds(lambda value: {"S": value}, text),
    st.builds(lambda value: {"N": value}, numbers),
    st.builds(lambda value: {"B": value}, base64),
    st.builds(lambda value: {"BOOL": value}, st.booleans()),
    st.just({"NULL": True}),
    st.builds(lambda value: {"SS": value}, st.lists(text, min_size=1, max_size=4, unique=True)),
    st.builds(lambda value: {"NS": value}, st.lists(numbers, min_size=1, max_size=4, unique=True)),
    st.builds(lambda value: {"BS": value}, st.lists(base64, min_size=1, max_size=4, unique=True)),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.builds(lambda value: {"L": value}, st.lists(inner, max_size=3)),
        st.builds(lambda value: {"M": value}, st.dictionaries(text, inner, max_size=3)),
    ),
    max_leaves=8,
)
items = st.builds(lambda rest, key: {**rest, "pk": {"S": key}}, st.dictionaries(text, values, max_size=5), text)


@given(st.lists(items, max_size=4), st.booleans(), st.booleans())
def test_a_row_is_what_canonical_and_stored_size_say(page, spaced, escaped):
    separators = (", ", ": ") if spaced else (",", ":")
    body = json.dumps({"Count": len(page), "Items": page}, separators=separators, ensure_ascii=escaped).encode()
    wanted = [(key_of(item, ["pk"]), canonical(item), stored_size(canonical(item))) for item in page]
    assert [(key.decode(), image.decode(), size) for key, image, size in rows(body, ["pk"])] == wanted


def test_nesting_as_deep_as_the_service_allows_is_no_matter():
    value = {"N": "1.0"}
    for _ in range(31):
        value = {"L": [value]}
    item = {"pk": {"S": "a"}, "deep": value}
    ((_, image, size),) = rows(orjson.dumps({"Items": [item]}), ["pk"])
    assert image.decode() == canonical(item)
    assert size == stored_size(canonical(item))


def test_a_key_of_two_attributes_is_sorted_as_keys_are():
    item = {"sort": {"N": "10.0"}, "part": {"S": "a"}, "more": {"S": ""}}
    ((key, _, _),) = rows(orjson.dumps({"Items": [item]}), ["sort", "part"])
    assert key.decode() == key_of(item, ["part", "sort"]) == '{"part":{"S":"a"},"sort":{"N":"10"}}'


def test_attributes_that_global_tables_keep_for_themselves_are_left_out():
    item = {"pk": {"S": "a"}, "aws:rep:deleting": {"BOOL": False}}
    ((_, image, size),) = rows(orjson.dumps({"Items": [item]}), ["pk"])
    assert (image, size) == (b'{"pk":{"S":"a"}}', 3)
    mentions = {"pk": {"S": "aws:rep:"}}
    ((_, image, _),) = rows(orjson.dumps({"Items": [mentions]}), ["pk"])
    assert image.decode() == canonical(mentions)


def test_slices_are_the_services_own_bytes():
    body = b'{"Items":[{"pk":{"S":"b"},"a":{"N":"1.0"}} , {}],"Count":2}'
    assert [bytes(item) for item in slices(body)] == [b'{"pk":{"S":"b"},"a":{"N":"1.0"}}', b"{}"]


@pytest.mark.parametrize("value", [{"N": "NaN"}, {"X": "1"}, {"N": "1" * 39}, {"NS": ["1", "x"]}])
def test_what_is_no_dynamodb_value_is_refused(value):
    with pytest.raises(BadInput):
        canonicalise_in_place({"pk": value})


def test_a_page_tells_of_itself_without_its_items():
    page = Page.read(
        b'{"ConsumedCapacity":{"TableName":"T","CapacityUnits":128.5},"Count":2,"Items":[{},{}],'
        b'"LastEvaluatedKey":{"pk":{"S":"\\u00fc"}},"ScannedCount":2}'
    )
    assert page == Page(2, b'{"pk":{"S":"\\u00fc"}}', 128.5)
    assert Page.read(b'{"Count":0,"Items":[]}') == Page(0, b"", 0.0)
    with pytest.raises(ValueError, match="truncated"):
        Page.read(b'{"Count":1,"Items":[{')


def test_a_request_asks_for_the_page_after_a_key():
    first = orjson.loads(Scan("Orders", 2, 7, consistent=True).request())
    assert first == {
        "TableName": "Orders",
        "Segment": 2,
        "TotalSegments": 7,
        "ConsistentRead": True,
        "ReturnConsumedCapacity": "TOTAL",
    }
    next_one = orjson.loads(Scan("Orders").request(b'{"pk":{"S":"a"}}', limit=5))
    assert next_one["ExclusiveStartKey"] == {"pk": {"S": "a"}}
    assert next_one["Limit"] == 5
