"""The explorer: what is seen in it is what will be in scope, and nothing that an item holds gets out of its cell."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitrkit.aws.items import KeyAttribute, KeySchema, canonical
from pitrkit.errors import BadInput
from pitrkit.recovery.changes.change import Change
from pitrkit.recovery.changes.change_set import ChangeSet, from_changes
from pitrkit.recovery.changes.scope import Scope
from pitrkit.runbook.diff.explorer import Explorer

KEY = KeySchema((KeyAttribute("pk", "S", "HASH"), KeyAttribute("no", "N", "RANGE")))
EVIL = "<img src=x onerror=alert(1)>\u202e\x1b=cmd()"


def image(pk, number, **attributes):
    return canonical({"pk": {"S": pk}, "no": {"N": str(number)}, **attributes})


def change(kind, pk, number, then="PAID", now="CANCELLED", **more):
    before, after = image(pk, number, status={"S": then}), image(pk, number, status={"S": now}, **more)
    return Change(image(pk, number), kind, None if kind == "inserted" else before, None if kind == "removed" else after)


FEW = [
    change("removed", "ann", 1),
    change("removed", "bob", 22),
    change("modified", "cyd", 3),
    change("modified", "dan", 4, now="SHIPPED", by={"S": "job"}),
    change("inserted", "zoë`'\"\\", 5),
]
FEW_KEYS = [json.loads(one.key)["pk"]["S"] for one in FEW]


def changes(folder, found=FEW):
    times = {"before_at": "2026-11-23T02:14:05Z", "after_at": "2026-11-23T05:20:00Z"}
    return from_changes(found, folder / "set", table="Orders", key_schema=KEY, source="restored copy", **times)


@pytest.fixture
def explorer(tmp_path):
    return Explorer(changes(tmp_path))


def shown(explorer):
    found = list(ChangeSet.open(explorer._changes.folder))
    return [json.loads(found[row["row"]].key)["pk"]["S"] for row in explorer.grid.rows]


def in_scope(explorer, folder):
    explorer.use.click()
    assert explorer.scope is not None
    return [json.loads(one.key)["pk"]["S"] for one in ChangeSet.open(folder / "set") if explorer.scope.holds(one)]


def filter_by(explorer, attribute, how, value="", side="now"):
    filters = explorer.filters
    filters.attribute.value, filters.how.value, filters.value.value, filters.side.value = attribute, how, value, side
    filters.add.click()


def bars(explorer, group):
    return {bar["label"]: bar for bar in explorer.facets.groups[group]["bars"]}


def press(explorer, group, label):
    times = explorer.facets.pressed.get("times", 0)
    explorer.facets.pressed = {"id": bars(explorer, group)[label]["id"], "times": times + 1}


# Filters and scope


def test_there_is_no_scope_until_it_is_used(explorer, tmp_path):
    explorer.filters.kinds["inserted"].value = False
    assert explorer.scope is None
    assert in_scope(explorer, tmp_path) == ["ann", "bob", "cyd", "dan"]


def test_filters_left_open_mean_everything(explorer):
    explorer.use.click()
    assert explorer.scope == Scope()
    assert explorer.words == "everything"


def test_every_filter_narrows_what_is_shown_and_the_scope_alike(explorer, tmp_path):
    filter_by(explorer, "status", "changed")
    assert shown(explorer) == in_scope(explorer, tmp_path) == ["cyd", "dan"]
    filter_by(explorer, "status", "is", "SHIPPED")
    assert shown(explorer) == in_scope(explorer, tmp_path) == ["dan"]
    assert explorer.words == "items where status changed and status now is SHIPPED"
    explorer.filters.where.value = "before.status == 'NEVER' || before.status == 'NOR'"
    assert shown(explorer) == in_scope(explorer, tmp_path) == [], "an `or` that was typed opens no other filter"


def test_a_filter_in_force_is_a_button_that_takes_it_away(explorer):
    filter_by(explorer, "status", "is", "SHIPPED")
    filter_by(explorer, "by", "exists")
    assert [chip.description for chip in explorer.filters.chips.children] == ["status now is SHIPPED", "by now exists"]
    explorer.filters.chips.children[0].click()
    assert [chip.description for chip in explorer.filters.chips.children] == ["by now exists"]
    explorer.clear.click()
    assert len(shown(explorer)) == 5
    assert explorer.filters.chips.children == ()


def test_a_key_is_filtered_like_an_attribute(explorer):
    filter_by(explorer, "no", "is", "22.0")
    assert shown(explorer) == ["bob"]
    filter_by(explorer, "pk", "changed")
    assert "A key never changes" in explorer.status_line.value


def test_values_to_choose_from_are_those_that_are_there(explorer):
    explorer.filters.attribute.value = "status"
    assert set(explorer.filters.value.options) == {'"PAID"', '"CANCELLED"', '"SHIPPED"'}


@settings(max_examples=20, deadline=None)
@given(text=st.one_of(st.sampled_from(["an", "22", "Ë", "`'", '"\\', "paid", "status"]), st.text(max_size=4)))
def test_the_search_looks_into_keys_names_and_values_whatever_is_typed(text):
    with TemporaryDirectory() as folder:
        explorer = Explorer(changes(Path(folder)))
        explorer.filters.text.value = text

        def lower(of):
            return of.encode("utf-8", "surrogatepass").lower()

        held = [
            one
            for one in FEW
            if any(
                lower(text) in lower(name) or lower(text) in lower(str(*typed.values()))
                for side in (one.before, one.after)
                for name, typed in json.loads(side or "{}").items()
            )
        ]
        assert in_scope(explorer, Path(folder)) == [json.loads(one.key)["pk"]["S"] for one in held] == shown(explorer)


def test_ticked_rows_become_the_keys(explorer, tmp_path):
    assert explorer.only.disabled
    explorer.grid.picked = [explorer.grid.rows[place]["row"] for place in (1, 4)]
    explorer.only.click()
    assert shown(explorer) == in_scope(explorer, tmp_path) == ["bob", FEW_KEYS[-1]]
    assert explorer.words == "items among 2 listed keys"


@pytest.mark.parametrize(("field", "typed"), [("where", "after.status =="), ("keys", "[{]"), ("where", "nope == 'x'")])
def test_a_filter_that_cannot_be_read_is_explained_and_cannot_be_used(explorer, field, typed):
    getattr(explorer.filters, field).value = typed
    assert explorer.use.disabled
    explorer.use.click()
    assert explorer.scope is None
    assert "This step failed" in explorer.found.value
    assert explorer.grid.rows == []
    getattr(explorer.filters, field).value = ""
    assert not explorer.use.disabled
    assert len(explorer.grid.rows) == 5


def test_no_kind_ticked_is_not_taken_for_all_kinds(explorer):
    for kind in explorer.filters.kinds.values():
        kind.value = False
    assert explorer.use.disabled
    assert "no kind" in explorer.found.value


def test_a_scope_that_cannot_be_kept_is_not_claimed(tmp_path):
    def refuse(_scope, _words):
        raise BadInput("the disk is full", fix="Make room.")

    explorer = Explorer(changes(tmp_path), on_use=refuse)
    explorer.use.click()
    assert explorer.scope is None
    assert "the disk is full" in explorer.status_line.value


def test_a_condition_on_a_large_set_is_tried_in_part_and_says_so(tmp_path):
    more = [*FEW, *(change("removed", f"x{n}", n) for n in range(50))]
    explorer = Explorer(changes(tmp_path, more), tried=20)
    assert "55 of 55 changes" in explorer.found.value
    explorer.filters.where.value = "kind == 'removed'"
    assert "first 20 of 55" in explorer.found.value


# Charts


def test_a_bar_of_what_changed_together_filters_and_pressed_again_does_not(explorer, tmp_path):
    press(explorer, 1, "by, status")
    assert shown(explorer) == in_scope(explorer, tmp_path) == ["dan"]
    assert bars(explorer, 1)["by, status"]["pressed"]
    press(explorer, 1, "by, status")
    assert len(shown(explorer)) == 5


def test_a_bar_of_an_attributes_way_filters_by_both_sides(explorer, tmp_path):
    (label,) = [one for one in bars(explorer, 2) if one.endswith('"CANCELLED"') and "PAID" in one]
    press(explorer, 2, label)
    assert shown(explorer) == in_scope(explorer, tmp_path) == ["cyd"]
    press(explorer, 2, label)
    assert len(shown(explorer)) == 5


def test_a_bar_of_an_attribute_shows_it_in_the_grid(explorer):
    def labels():
        return [column["label"] for column in explorer.grid.columns]

    assert "by now" in labels()
    press(explorer, 0, "by")
    assert "by now" not in labels()
    press(explorer, 0, "by")
    assert labels()[4:6] == ["by before", "by now"]
    assert explorer.facets.groups[2]["title"] == "by: before and now"


# The grid


def test_pages_hold_what_they_say_and_no_more_is_sent(tmp_path):
    many = [change("removed", f"x{n:03}", n) for n in range(95)]
    explorer = Explorer(changes(tmp_path, many))
    assert (explorer.grid.total, len(explorer.grid.rows)) == (95, 10)
    explorer.grid.page = 9
    assert shown(explorer) == [f"x{n:03}" for n in range(90, 95)]
    explorer.grid.length = 50
    assert explorer.grid.page == 1, "there is no tenth page any more"
    explorer.filters.text.value = "x00"
    assert (explorer.grid.page, shown(explorer)) == (0, [f"x{n:03}" for n in range(10)])


def test_a_heading_sorts_all_of_it_not_only_the_page(tmp_path):
    many = [change("removed", f"x{n:03}", 1000 - n) for n in range(30)]
    explorer = Explorer(changes(tmp_path, many))
    explorer.grid.page = 2
    explorer.grid.sort = ["key:no", False]
    assert shown(explorer)[0] == "x029", "from the first page on"
    explorer.grid.sort = ["key:no", True]
    assert shown(explorer)[0] == "x000"


def test_a_row_opens_into_the_item_then_and_now(explorer):
    explorer.grid.opened = explorer.grid.rows[3]["row"]
    assert "<mark>&#34;SHIPPED&#34;</mark>" in explorer.item.value
    explorer.grid.opened = -1
    assert explorer.item.value == ""
    explorer.grid.opened = 99
    assert explorer.item.value == "", "a row that does not exist opens nothing"


# Out of it


def test_the_frame_holds_what_is_shown(explorer):
    filter_by(explorer, "status", "changed")
    assert explorer.frame()["pk"].tolist() == ["cyd", "dan"]


def test_all_that_is_shown_can_be_saved_as_csv(explorer):
    filter_by(explorer, "status", "changed")
    explorer.save.click()
    (path,) = explorer._changes.folder.glob("explored-*.csv")
    rows = path.read_text("utf-8-sig").splitlines()
    assert rows[0] == '"kind","pk","no","by (before)","by (now)","status (before)","status (now)"'
    assert len(rows) == 3
    assert str(path) in explorer.status_line.value
    assert explorer.save_csv() != path, "nothing saved before is written over"


def test_what_is_copied_says_when_it_is_not_all(explorer, monkeypatch):
    sent = []
    monkeypatch.setattr(explorer.grid, "send", sent.append)
    monkeypatch.setattr("pitrkit.runbook.diff.explorer.COPIED", 2)
    explorer.copy.click()
    assert sent[0]["copy"].count("\r\n") == 3
    assert sent[0]["words"] == "2 changes copied as CSV, the first of 5; save as CSV to get all"


def test_hostile_items_stay_text_everywhere(tmp_path):
    key = {"pk": {"S": EVIL}, "no": {"N": "9"}}
    evil = [
        Change(canonical(key), "modified", canonical({**key, EVIL: {"S": EVIL}}), canonical({**key, EVIL: {"S": "x"}})),
        *FEW,
    ]
    explorer = Explorer(changes(tmp_path, evil))
    explorer.grid.opened = next(row["row"] for row in explorer.grid.rows if "img" in row["name"])
    filter_by(explorer, EVIL, "is", EVIL, "then")
    assert shown(explorer) == [EVIL]
    for page in (explorer.found.value, explorer.item.value, explorer.view._repr_html_()):
        assert "<img" not in page
        assert "\u202e" not in page
    grid, groups = explorer.grid, explorer.facets.groups
    labels = [column["label"] for column in grid.columns]  # the ids beside them are not shown
    bars_shown = [(bar["label"], bar["words"]) for group in groups for bar in group["bars"]]
    chips = [(chip.description, chip.tooltip) for chip in explorer.filters.chips.children]
    options = [label for label, _ in explorer.filters.attribute.options]
    given = json.dumps([grid.rows, labels, bars_shown, chips, options], ensure_ascii=False)
    assert "\u202e" not in given
    assert "\x1b" not in given


def test_an_empty_change_set_is_explored_without_complaint(tmp_path):
    explorer = Explorer(changes(tmp_path, []))
    assert explorer.grid.rows == []
    assert explorer.facets.groups == []
    assert "0 removed" in str(explorer.view)
    explorer.copy.click()


def test_the_still_picture_says_what_a_reader_of_the_saved_notebook_needs(explorer):
    text = str(explorer.view)
    for words in ("2 removed", "`where`", "Changed together", "by, status", '"cyd"', "All of them"):
        assert words in text


def test_what_goes_wrong_under_a_press_is_shown_below_the_controls_until_the_next_press_works(explorer, tmp_path):
    folder = tmp_path / "set"
    gone = folder.rename(tmp_path / "elsewhere")
    explorer.filters.text.value = "ann"
    assert "traceback" in explorer.failure.value
    assert "your data" in explorer.failure.value
    gone.rename(folder)
    explorer.clear.click()
    assert explorer.failure.value == ""
    assert len(shown(explorer)) == len(FEW)
