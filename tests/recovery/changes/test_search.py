"""Searching a change set: a query finds exactly what its scope holds, in the order that was asked for."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitrkit.aws.items import KeyAttribute, KeySchema, attributes, canonical
from pitrkit.errors import BadInput
from pitrkit.recovery.changes.change import KINDS, Change
from pitrkit.recovery.changes.change_set import from_changes
from pitrkit.recovery.changes.fingerprints import Fingerprints
from pitrkit.recovery.changes.query import HOWS, Query, Term
from pitrkit.recovery.changes.search import Search, Sort
from tests.proving import examples

KEY = KeySchema((KeyAttribute("pk", "S", "HASH"),))

names = st.one_of(
    st.sampled_from(["a", "status", "/", "~1", "a/b", "$.a", "q\"`'\\", "0", "é", "S", "\x00", "*", "\u202e"]),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=3),
).filter(lambda name: name != "pk")
words = st.one_of(
    st.sampled_from(["", "a", "A", "12", "12.50", "-0", "true", "null", '"', "\\", '"a"', "{", ":", "s", "bool", "N",
                     "é", "É", "\n", "\x00", "`", "'", "\u212a", "\u017f", "\u0131", "1e2", "100", "a\\"]),
    st.text(st.characters(codec="utf-8"), max_size=4),
)  # fmt: skip
numbers = st.sampled_from(["0", "12", "12.5", "-3", "100", "0.0000001", "1234567890123456789012345678901234567"])
scalars = st.one_of(
    words.map(lambda text: {"S": text}),
    numbers.map(lambda text: {"N": text}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.just({"NULL": True}),
    st.binary(max_size=4).map(lambda value: {"B": value}),
    st.sets(words, min_size=1, max_size=2).map(lambda value: {"SS": sorted(value)}),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda value: {"L": value}),
        st.dictionaries(words, inner, max_size=2).map(lambda value: {"M": value}),
    ),
    max_leaves=4,
)
items = st.dictionaries(names, values, max_size=3)


@st.composite
def change_lists(draw):
    """Return changes of items, and the names that are in them."""
    found = []
    for number in range(draw(st.integers(0, 6))):
        key = {"pk": {"S": draw(words) + str(number)}}
        kind = draw(st.sampled_from(KINDS))
        before = {**draw(items), **key}
        after = {**(before if draw(st.booleans()) else {}), **draw(items), **key}
        if kind == "modified" and canonical(before) == canonical(after):
            kind = "removed"
        found.append(
            Change(
                canonical(key),
                kind,
                None if kind == "inserted" else canonical(before),
                None if kind == "removed" else canonical(after),
            )
        )
    return found


@st.composite
def searches(draw):
    changes = draw(change_lists())
    held = sorted({name for one in changes for name in attributes(one.before or one.after)} - {"pk"})
    held_names = st.sampled_from(held) if held else names
    scalars_held = [
        str(value)
        for one in changes
        for side in (one.before, one.after)
        for typed in attributes(side or "{}").values()
        for kind, value in typed.items()
        if kind in {"S", "N", "B"}
    ]
    value = st.one_of(words, st.sampled_from(scalars_held)) if scalars_held else words
    value = st.one_of(value, value.map(json.dumps))
    term = st.builds(Term, st.one_of(held_names, names), st.sampled_from(HOWS), value, st.sampled_from(["then", "now"]))
    keyed = st.builds(Term, st.just("pk"), st.sampled_from(HOWS[1:]), value, st.just("key"))
    prints = [tuple(sorted(n for n in attributes(o.before) | attributes(o.after)
                           if attributes(o.before).get(n) != attributes(o.after).get(n)))
              for o in changes if o.kind == "modified"]  # fmt: skip
    query = Query(
        kinds=tuple(draw(st.lists(st.sampled_from(KINDS), unique=True, max_size=2))),
        text=draw(st.one_of(st.just(""), words, held_names)),
        terms=tuple(draw(st.lists(st.one_of(term, keyed), max_size=2))),
        fingerprint=draw(st.sampled_from([(), *prints])),
        keys=tuple(draw(st.lists(st.sampled_from([one.key for one in changes]), max_size=2))) if changes else (),
        where=draw(st.sampled_from(["", "", "kind != 'inserted'", "before.a || after.a"])),
    )
    return changes, query


def change_set(changes, folder):
    return from_changes(
        changes, Path(folder), table="T", key_schema=KEY, source="restored copy", before_at="then", after_at="now"
    )


@settings(max_examples=examples(100), deadline=None)
@given(searches())
def test_a_query_finds_exactly_the_changes_in_its_scope(drawn):
    changes, query = drawn
    with TemporaryDirectory() as folder:
        found_in = Search(change_set(changes, folder))
        found = found_in.find(query)
        scope = query.scope()
        wanted = [change for change in found_in.changes if scope.holds(change)]
        assert list(found_in.matches(found)) == wanted
        assert len(found) == len(wanted)
        assert found.whole
        assert [change for _, change in found_in.page(found, Sort(), 0, 99)] == wanted


def item(pk, **given):
    return canonical({"pk": {"S": pk}, **given})


def changed(pk, before, after):
    kind = "removed" if after is None else "inserted" if before is None else "modified"
    images = [None if side is None else item(pk, **side) for side in (before, after)]
    return Change(item(pk), kind, *images)


CHANGES = [
    changed("a", {"no": {"N": "10"}, "st": {"S": "PAID"}}, {"no": {"N": "10"}, "st": {"S": "GONE"}}),
    changed("b", {"no": {"N": "9"}, "st": {"S": "PAID"}}, {"no": {"N": "-3"}, "st": {"S": "GONE"}, "by": {"S": "x"}}),
    changed("c", {"no": {"N": "9.5"}}, None),
    changed("d", None, {"st": {"S": "NEW"}}),
    changed("e", {"st": {"S": "x" * 900}}, {"st": {"S": "y" * 900}}),
]


@pytest.fixture
def search(tmp_path):
    return Search(change_set(CHANGES, tmp_path / "set"))


def keys(page):
    return [attributes(change.key)["pk"]["S"] for _, change in page]


@pytest.mark.parametrize(("sort", "order"), [
    (Sort(), "abcde"),
    (Sort(descending=True), "edcba"),
    (Sort("then", "no"), "bcade"),
    (Sort("then", "no", descending=True), "acbde"),
    (Sort("now", "no"), "bacde"),
    (Sort("key", "pk", descending=True), "edcba"),
    (Sort("kind"), "cabed"),
    (Sort("changed"), "aebcd"),
    (Sort("changed", descending=True), "baecd"),
    (Sort("now", 'odd"/~name'), "abcde"),
])  # fmt: skip
def test_numbers_are_sorted_by_value_and_what_has_none_comes_last(search, sort, order):
    found = search.find(Query())
    assert "".join(keys(search.page(found, sort, 0, 9))) == order


@settings(max_examples=examples(15), deadline=None)
@given(st.integers(1, 7), st.sampled_from([Sort(), Sort("then", "no"), Sort("changed", descending=True)]))
def test_pages_laid_side_by_side_are_everything_once(length, sort):
    with TemporaryDirectory() as folder:
        search = Search(change_set(CHANGES, folder))
        found = search.find(Query())
        pages = [search.page(found, sort, first, length) for first in range(0, len(CHANGES) + length, length)]
        assert sorted(keys([one for page in pages for one in page])) == list("abcde")
        assert all(search.change(place) == change for page in pages for place, change in page)


def test_which_attributes_changed_is_counted_for_what_was_found(search):
    found = search.find(Query(terms=(Term("st", "is", "GONE"),)))
    told = {one.attribute: (one.changed, one.added, one.removed) for one in search.prints.differing(found.mask)}
    assert told == {"st": (2, 0, 0), "no": (1, 0, 0), "by": (0, 1, 0)}
    assert search.prints.together(found.mask, 5) == [(("by", "no", "st"), 1), (("st",), 1)]


def test_what_an_attribute_went_from_and_to_is_counted_and_long_values_are_told_as_long(search):
    shifts = [(one.then, one.now, one.count, one.long) for one in search.shifts(search.find(Query()), "st")]
    assert shifts == [
        ('{"S":"PAID"}', '{"S":"GONE"}', 2, False),
        (None, '{"S":"NEW"}', 1, False),
        (None, None, 1, True),
    ]


def test_more_prints_than_are_kept_are_told_apart_by_the_condition_instead(search):
    few = Fingerprints.read(search.changes, most=1)
    assert few.varied
    assert few.rows_of(("st",)) is None
    search.prints = few
    query = Query(fingerprint=("by", "no", "st"))
    assert [attributes(one.key)["pk"]["S"] for one in search.matches(search.find(query))] == ["b"]


def test_a_condition_is_tried_on_a_limited_number_of_changes_and_that_is_said(search):
    found = search.find(Query(kinds=("modified",), where="after.st"), tried=2)
    assert (len(found), found.tried, found.total, found.whole) == (2, 2, 5, False)
    assert search.find(Query(where="after.st"), tried=5).whole


def test_a_condition_that_fails_on_a_change_says_so(search):
    with pytest.raises(BadInput, match="where fails"):
        search.find(Query(where="contains(after.by, 'x')"))
    guarded = Query(terms=(Term("by", "exists"),), where="contains(after.by, 'x')")
    assert len(search.find(guarded)) == 1, "what the other filters leave out is not tried"


def test_a_query_says_itself_in_words():
    query = Query(("modified",), "kim", (Term("st", "is", "GONE"), Term("by", "is absent", side="then")), ("a", "b"))
    assert query.describe() == (
        "modified items where st now is GONE and by before is absent and exactly a and b changed "
        'and "kim" is in the item'
    )
    assert Query().describe() == "everything"
    assert Query(KINDS).describe() == "everything"
    assert Query(("removed", "inserted")).describe() == "removed and inserted items"


@pytest.mark.parametrize(
    "text", ["key", "KEY", "\u212aey", "is", "\u0131s", "i\u017f", "\u00cb", "\u00eb", "tru", "bool", '"', "S"]
)
def test_only_the_letters_a_to_z_have_two_cases(tmp_path, text):
    held = ["a KEY", "a \u212aey", "is", "\u0131s", "I\u017f", "zo\u00eb", "ZO\u00cb", 'a"b']
    found_in = Search(change_set([changed(str(n), None, {"t": {"S": one}}) for n, one in enumerate(held)], tmp_path))
    query = Query(text=text)
    wanted = [change for change in found_in.changes if query.scope().holds(change)]
    assert list(found_in.matches(found_in.find(query))) == wanted
