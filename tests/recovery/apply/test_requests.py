"""Requests: the bytes of images, in the very request that the guard asks for."""

import base64
import re

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitrkit.aws.items import KeyAttribute, KeySchema, attributes, canonical
from pitrkit.recovery.apply import requests
from pitrkit.recovery.plan.guard import Write, request

SCHEMA = KeySchema((KeyAttribute("pk", "S", "HASH"), KeyAttribute("sk", "N", "RANGE")))
KEY = {"pk": {"S": "a"}, "sk": {"N": "1"}}
NAMES = st.text(min_size=1, max_size=5).filter(lambda name: name not in KEY) | st.sampled_from(
    ['{"S":"@00@"}', '"@11@"', ":0", "#0", "size", "x.y", "a'b", 'a"b', "a\\b", "🦜", " "]
)
VALUES = st.one_of(
    st.text(max_size=5).map(lambda value: {"S": value}),
    st.sampled_from([{"S": "@00@"}, {"S": '{"S":"@10@"}'}, {"NULL": True}, {"N": "1"}, {"L": [{"S": "@00@"}]}]),
    st.binary(max_size=4).map(lambda value: {"B": value}),
)
ITEMS = st.dictionaries(NAMES, VALUES, max_size=8).map(lambda attrs: canonical(attrs | KEY))


@given(seen=ITEMS, goal=ITEMS | st.none(), guard=st.sampled_from(["item", "attributes"]))
@settings(max_examples=300)
def test_a_guarded_write_is_sent_as_its_guard_asks(seen, goal, guard):
    write = Write(1, canonical(KEY), seen, goal, guard)
    sent = orjson.loads(requests.single("Orders", write, SCHEMA))
    assert sent == {"TableName": "Orders", **request(write, SCHEMA)}


@given(first=ITEMS, other=ITEMS)
def test_writes_of_the_same_shape_do_not_get_each_others_values(first, other):
    writes = [Write(1, canonical(KEY), seen, goal) for seen, goal in ((first, other), (other, first), (first, other))]
    for write in writes:
        sent = orjson.loads(requests.single("Orders", write, SCHEMA))
        assert sent == {"TableName": "Orders", **request(write, SCHEMA)}


@given(ITEMS)
def test_a_put_carries_the_image_and_asks_for_absence(image):
    sent = orjson.loads(requests.single("Orders", Write(1, canonical(KEY), None, image), SCHEMA))
    assert canonical(sent["Item"]) == image
    assert sent["ConditionExpression"] == "attribute_not_exists(#k)"
    assert sent["ExpressionAttributeNames"] == {"#k": "pk"}
    assert sent["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"


@given(st.lists(ITEMS.filter(requests.insertable), min_size=1, max_size=25))
def test_each_insert_carries_its_values_in_the_order_of_its_names(images):
    sent = orjson.loads(requests.inserts("Orders", images))
    for statement, image in zip(sent["Statements"], images, strict=True):
        head, _, fields = statement["Statement"].partition("{")
        assert head == 'INSERT INTO "Orders" VALUE '
        names = re.findall(r"'([^']*)':\?", fields)
        assert dict(zip(names, statement["Parameters"], strict=True)) == attributes(image)


@pytest.mark.parametrize("name", ["it's", 'say "so"', "back\\slash", "line\nbreak", "nul\x00"])
def test_a_name_that_the_grammar_might_take_in_another_way_goes_alone(name):
    assert not requests.insertable(canonical({**KEY, name: {"S": "x"}}))


def test_an_item_with_more_names_than_a_statement_holds_goes_alone():
    assert requests.insertable(canonical({**KEY, **{f"a{n:03}": {"S": "x"} for n in range(600)}}))
    assert not requests.insertable(canonical({**KEY, **{f"a{n:03}": {"S": "x"} for n in range(1000)}}))


def test_what_came_of_each_statement_is_read_with_the_item_in_the_way():
    found = {**KEY, "n": {"N": "1.0"}, "aws:rep:time": {"N": "5"}}
    body = {
        "Responses": [
            {"TableName": "Orders"},
            {"Error": {"Code": "DuplicateItem", "Message": "exists"}, "TableName": "Orders"},
            {"Error": {"Code": "DuplicateItem", "Message": "exists", "Item": found}, "TableName": "Orders"},
        ],
        "ConsumedCapacity": [{"CapacityUnits": units, "TableName": "Orders"} for units in (1.0, 2.0, 3.0)],
    }
    done, unseen, seen = requests.inserted(orjson.dumps(body))
    assert (done.code, done.units) == ("", 1.0)
    assert (unseen.code, unseen.found, unseen.units) == ("DuplicateItem", None, 2.0)
    assert seen.found == canonical({**KEY, "n": {"N": "1"}})


def test_consumption_told_for_the_call_as_a_whole_is_shared_out():
    body = {"Responses": [{}, {}], "ConsumedCapacity": [{"CapacityUnits": 7.0}]}
    assert [result.units for result in requests.inserted(orjson.dumps(body))] == [3.5, 3.5]


@pytest.mark.parametrize(
    ("replaced", "told"),
    [
        ({**KEY, "n": {"N": "1"}, "s": {"SS": ["b", "a"]}}, None),
        ({**KEY, "n": {"N": "1.00"}, "s": {"SS": ["a", "b"]}}, None),
        ({**KEY, "n": {"N": "1"}, "s": {"SS": ["a", "b"]}, "aws:rep:x": {"N": "1"}}, None),
        ({**KEY, "n": {"N": "1"}, "s": {"SS": ["a", "b"]}, "more": {"B": base64.b64encode(b"x").decode()}}, "more"),
    ],
)
def test_only_a_replaced_image_other_than_the_one_seen_is_told(replaced, told):
    seen = canonical({**KEY, "n": {"N": "1"}, "s": {"SS": ["a", "b"]}})
    body = orjson.dumps({"Attributes": replaced, "ConsumedCapacity": {"CapacityUnits": 4.0}})
    units, image = requests.replaced(Write(1, canonical(KEY), seen, canonical(KEY)), body)
    assert units == 4
    assert (image is not None) == (told is not None)
    assert told is None or told in attributes(image)


def test_an_absent_item_is_looked_at_as_none():
    assert requests.item_of(b"{}") is None
    assert requests.item_of(b'{"Item":{}}') is None
