"""Searching a change set: a query finds exactly what its scope holds, in the order that was asked for."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from pitrkit.dynamodb.items import attributes, canonical
from pitrkit.dynamodb.tables import KeyAttribute, KeySchema
from pitrkit.recovery.changes import Change, from_changes
from pitrkit.recovery.query import HOWS, Query, Term
from pitrkit.recovery.scope import KINDS
from pitrkit.recovery.search import Search, Sort

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


@settings(max_examples=300, deadline=None)
@given(searches())
def test_a_query_finds_exactly_the_changes_in_its_scope(drawn):
    changes, query = drawn
    with TemporaryDirectory() as folder:
        found_in = Search(change_set(changes, folder))
        found = found_in.find(query)
        scope = query.scope()
        wanted = [change for change in found_in.changes if scope.holds(change)]
        assert list(found_in.each(found)) == wanted
        assert len(found) == len(wanted)
        assert found.whole
        assert [change for _, change in found_in.page(found, Sort(), 0, 99)] == wanted
