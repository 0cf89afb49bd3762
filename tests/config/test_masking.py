"""Attributes named sensitive are masked wherever an item is shown, and tell what they are, not what they hold."""

import io
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitrkit.aws.items import KeyAttribute, KeySchema, attributes, canonical, key_of
from pitrkit.config import masking
from pitrkit.config.masking import MARK, Masks
from pitrkit.recovery.apply.journal import Conflict
from pitrkit.recovery.changes import change_set
from pitrkit.recovery.changes.change import Change
from pitrkit.recovery.changes.change_set import from_changes
from pitrkit.recovery.changes.scope import Scope
from pitrkit.runbook.copy_back.conflicts_widget import ConflictBox
from pitrkit.runbook.diff import csv_export, explorer_views
from pitrkit.runbook.diff.explorer import Explorer
from pitrkit.runbook.diff.explorer_views import item_card
from pitrkit.runbook.diff.views import side_by_side
from pitrkit.ui.text import key_text
from pitrkit.ui.view import View

PATHS = ("email", "card.number", "friends.email")
IN_FORCE = Masks(PATHS, "night", b"secret")


@pytest.fixture(autouse=True)
def _in_force():
    masking.set_masks(IN_FORCE)
    yield
    masking.set_masks(None)


def canaries():
    return st.text("abcdefgh", min_size=6, max_size=6).map(lambda text: f"canary-{text}")


secret = st.one_of(
    canaries().map(lambda text: {"S": text}),
    canaries().map(lambda text: {"SS": [text, f"{text}-2"]}),
    canaries().map(lambda text: {"M": {"in": {"L": [{"S": text}]}}}),
    st.integers(777000000, 777999999).map(lambda number: {"N": str(number)}),
    st.booleans().map(lambda flag: {"BOOL": flag}),
)
plain = st.sampled_from([{"S": "visible"}, {"N": "5"}, {"L": [{"S": "seen"}]}])


@st.composite
def images(draw, email):
    item = {"id": {"N": "1"}, "email": email, "status": draw(plain)}
    if draw(st.booleans()):
        item["card"] = {"M": {"number": draw(secret), "brand": {"S": "Visa"}}}
    if draw(st.booleans()):
        item["friends"] = {
            "L": [{"M": {"email": draw(secret), "name": {"S": "Ann"}}} for _ in range(draw(st.integers(0, 3)))]
        }
    return canonical(item)


@st.composite
def changes(draw):
    email = {"S": draw(canaries())}
    before, after = (draw(st.none() | images(email)) for _ in range(2))
    if before is None and after is None:
        before = draw(images(email))
    key = key_of(attributes(before or after), ("email", "id"))
    kind = "inserted" if before is None else "removed" if after is None else "modified"
    return Change(key, kind, before, after)


def shown(change):
    """All that is shown of a change: as text, as HTML, as cells, as CSV, as a frame, as data."""
    text = io.StringIO()
    csv_export.write(text, [change], ["email", "id"], ["card", "friends", "status"])
    masked = IN_FORCE.change(change, text=True)
    view = View("samples", blocks=(side_by_side([change]),), data={"keys": [change.key]})
    card = item_card(change)
    return [
        text.getvalue(),
        *(str(one) + one._repr_html_() + json.dumps(one.to_dict(), ensure_ascii=False) for one in (view, card)),
        json.dumps(explorer_views.cells(change, ["email", "id"], ["card", "friends"]), ensure_ascii=False),
        change_set.frame([masked], ["email", "id"]).to_html(),
        key_text(change.key),
    ]


@given(changes())
def test_nothing_shown_of_a_change_holds_a_sensitive_value_and_everything_says_that_it_is_masked(change):
    for one in shown(change):
        assert "canary" not in one
        assert not re.search(r"777\d{6}", one)
        assert MARK in one


@given(changes())
def test_what_differs_still_differs_what_is_alike_still_is_and_the_rest_stays_as_it_was(change):
    masked = IN_FORCE.change(change)
    if change.before is not None and change.after is not None:
        then, now = attributes(change.before), attributes(change.after)
        seen_then, seen_now = attributes(masked.before), attributes(masked.after)
        for name in then.keys() | now.keys():
            assert (then.get(name) == now.get(name)) == (seen_then.get(name) == seen_now.get(name)), name
    for whole, part in ((change.before, masked.before), (change.after, masked.after)):
        assert (whole is None) == (part is None)
        if whole is not None:
            assert attributes(whole)["status"] == attributes(part)["status"]
            assert "Visa" in part or "card" not in whole
    assert IN_FORCE.change(masked) == masked


@given(st.lists(canaries(), min_size=2, max_size=8, unique=True))
def test_masked_keys_are_told_apart_within_an_incident_and_are_others_in_another(texts):
    keys = [canonical({"email": {"S": text}, "id": {"N": "1"}}) for text in texts]
    assert len({key_text(key) for key in keys}) == len(keys)
    assert [key_text(key) for key in keys] == [key_text(key) for key in keys]
    elsewhere = replace(IN_FORCE, incident="other")
    assert all(elsewhere.key(key) != IN_FORCE.key(key) for key in keys)


@pytest.mark.parametrize(
    ("where", "seen"),
    [
        ("before.email == 'canary'", f"before.email == '{MARK}'"),
        ('after."card"."number" == `"canary"`', f'after."card"."number" == `"{MARK}"`'),
        ("mentions([key, before], 'canary')", f"mentions([key, before], '{MARK}')"),
        ("contains(values(before), 'canary')", f"contains(values(before), '{MARK}')"),
        ("kind == 'removed' && before.status != 'cancelled'", "kind == 'removed' && before.status != 'cancelled'"),
        ('changed == `["email", "total"]`', 'changed == `["email", "total"]`'),
    ],
)
def test_a_condition_is_shown_without_what_it_compares_sensitive_attributes_with(where, seen):
    assert IN_FORCE.where(where) == seen
    assert Scope((), (), where).where == where
    assert "canary" not in IN_FORCE.words(Scope((), (), where), f"items where {where}")


def test_without_sensitive_attributes_everything_is_shown_as_it_is():
    none = Masks()
    change = Change('{"email":{"S":"a"}}', "removed", '{"email":{"S":"a"}}', None)
    assert none.change(change) is change
    assert none.where("before.email == 'a'") == "before.email == 'a'"


def synced(widget, seen):
    """Yield what a widget and all inside of it tell the browser."""
    if id(widget) in seen:
        return
    seen.add(id(widget))
    yield json.dumps(widget.get_state(), default=str, ensure_ascii=False)
    for child in getattr(widget, "children", ()):
        yield from synced(child, seen)


def test_the_explorer_and_the_conflict_grid_tell_the_browser_nothing_sensitive_and_still_scope_by_it(tmp_path):
    key = KeySchema((KeyAttribute("email", "S", "HASH"), KeyAttribute("id", "N", "RANGE")))
    found = []
    for number in range(6):
        then, now = (
            canonical({
                "email": {"S": f"canary-{number}"}, "id": {"N": str(number)}, "status": {"S": when},
                "card": {"M": {"number": {"S": f"canary {when} {number}"}}},
            })
            for when in ("then", "now")
        )  # fmt: skip
        kind = ("removed", "modified", "inserted")[number % 3]
        before, after = (then if kind != "inserted" else None), (now if kind != "removed" else None)
        found.append(Change(key_of(attributes(then), key.names), kind, before, after))
    times = {"before_at": "2026-11-23T02:14:05Z", "after_at": "2026-11-23T05:20:00Z"}
    whole = from_changes(found, tmp_path / "set", table="People", key_schema=key, source="restored copy", **times)
    scopes = []
    explorer = Explorer(whole, on_use=lambda scope, words: scopes.append((scope, words)) or "")
    for id_ in ("column:card", "column:status"):
        explorer.facets.pressed = {"id": id_, "times": id_}
    explorer.grid.opened = 1
    explorer.grid.picked = [0, 3]
    explorer.only.click()
    explorer.use.click()
    ((scope, words),) = scopes
    assert [one.key for one in whole if scope.holds(one)] == sorted(scope.keys)
    assert len(scope.keys) == 2
    explorer.copy.click()
    written = explorer.save_csv().read_text(encoding="utf-8-sig")
    conflicts = [
        Conflict(number, one.key, one.before, one.before, one.after, False) for number, one in enumerate(found)
    ]
    box = ConflictBox(conflicts, lambda _decisions: None)
    texts = [*synced(explorer.box, set()), *synced(box.box, set()), written, words, str(explorer.view), str(box)]
    assert sum(MARK in text for text in texts) > 3
    for text in texts:
        assert "canary" not in text
