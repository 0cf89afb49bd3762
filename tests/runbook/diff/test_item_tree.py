"""One item then and now: everything that differs is in sight and marked, and large or binary values stay readable."""

import base64
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from pitrkit.aws.items import canonical
from pitrkit.recovery.changes.change import Change
from pitrkit.runbook.diff.explorer_views import item_card
from pitrkit.runbook.diff.item_tree import tree
from pitrkit.ui.view import View

EVIL = "<img src=x onerror=alert(1)>\u202e\x1b"


def change(before, after):
    kind = "removed" if after is None else "inserted" if before is None else "modified"
    key = {"pk": {"S": "a"}}
    images = [None if side is None else canonical({**key, **side}) for side in (before, after)]
    return Change(canonical(key), kind, *images)


def lines(before, after):
    return tree(change(before, after)).lines()


def html(before, after):
    shown = item_card(change(before, after))._repr_html_()
    return re.sub(r"<style>.*?</style>", "", shown, flags=re.DOTALL)


def geo(*numbers):
    return {"M": {"geo": {"L": [{"N": one} for one in numbers]}, "zip": {"S": "8001"}}}


def test_what_differs_deep_inside_is_marked_where_it_is():
    shown = lines({"at": geo("1", "2"), "st": {"S": "a"}}, {"at": geo("1", "3"), "st": {"S": "a"}})
    assert shown == [
        "* at  map of 2 attributes",
        "*   geo  list of 2 members",
        "      [0]  1  ->  1",
        "*     [1]  2  ->  3",
        '    zip  "8001"  ->  "8001"',
        "  1 unchanged attribute: st",
    ]


def test_a_member_put_in_front_of_a_list_does_not_mark_the_others():
    shown = lines({"l": {"L": [{"S": "b"}, {"S": "c"}]}}, {"l": {"L": [{"S": "a"}, {"S": "b"}, {"S": "c"}]}})
    assert [line for line in shown if line.startswith("*")] == ["* l  list of 3 members", '*   [0]  (absent)  ->  "a"']


def test_members_of_a_set_come_and_go_by_themselves():
    shown = lines({"s": {"SS": ["a", "b"]}}, {"s": {"SS": ["b", "c"]}})
    assert [line.split("  ", 1)[1].strip() for line in shown if line.startswith("*")][1:] == [
        '1  "a"  ->  (absent)',
        '3  (absent)  ->  "c"',
    ]


def test_a_number_that_became_text_is_told_as_such():
    assert lines({"n": {"N": "12"}}, {"n": {"S": "12"}}) == ['* n (number → text)  12  ->  "12"']


def test_an_item_on_one_side_only_is_shown_whole_without_marks():
    shown = lines({"n": {"N": "12"}, "m": {"M": {"x": {"BOOL": True}}}}, None)
    assert shown == ["  m  map of 1 attribute", "    x  true", "  n  12"]


def test_a_large_value_is_folded_and_can_be_unfolded():
    then, now = "x" * 3000 + "A", "x" * 3000 + "B"
    shown = html({"t": {"S": then}}, {"t": {"S": now}})
    assert "<mark>A</mark>" in shown
    assert "<mark>B</mark>" in shown
    assert shown.count("all 3,003 characters</summary>") == 2
    assert "the first 20,000 characters" in html({"t": {"S": "y" * 50_000}}, None)


def test_binary_is_told_by_its_size_and_digest_and_can_be_unfolded():
    shown = html({"b": {"B": base64.b64encode(bytes(range(200))).decode()}}, None)
    assert "200 bytes, sha256" in shown
    assert "<details" in shown


def test_a_map_of_many_members_shows_the_changed_ones_and_counts_the_rest():
    many = {f"k{place:03}": {"N": str(place)} for place in range(300)}
    shown = lines({"m": {"M": many}}, {"m": {"M": {**many, "k250": {"N": "0"}}}})
    assert "*   k250  250  ->  0" in shown
    assert shown[-1].strip() == "291 unchanged attributes not shown"


values = st.recursive(
    st.one_of(
        st.text(max_size=5).map(lambda text: {"S": text}),
        st.integers(0, 3).map(lambda number: {"N": str(number)}),
        st.sets(st.sampled_from("abc"), min_size=1).map(lambda one: {"SS": sorted(one)}),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda one: {"L": one}),
        st.dictionaries(st.sampled_from("xyz"), inner, max_size=3).map(lambda one: {"M": one}),
    ),
    max_leaves=5,
)
items = st.dictionaries(st.sampled_from(["a", "b", EVIL]), values, max_size=3)


@settings(max_examples=150)
@given(items, items)
def test_there_is_a_mark_exactly_where_something_differs(before, after):
    shown = tree(change(before, after)) if canonical(before) != canonical(after) else None
    if shown is None:
        return
    differ = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert sum(row.depth == 0 and bool(row.state) for row in shown.rows) == len(differ)
    assert not any(row.state for row in shown.same)
    assert "<img" not in View("x", blocks=(shown,))._repr_html_()
