"""Widgets: what they let an operator choose, and that nothing is chosen or approved by accident."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from ipywidgets import widget_serialization
from traitlets.config import Config

from pitrkit.aws.backups.pitr import ContinuousBackups
from pitrkit.aws.items import KeyAttribute, KeySchema, canonical
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import BadInput
from pitrkit.recovery.apply.journal import Conflict
from pitrkit.recovery.changes.change import Change
from pitrkit.recovery.changes.change_set import from_changes
from pitrkit.runbook.copy_back.conflicts_widget import ConflictBox
from pitrkit.runbook.diff.explorer import Explorer
from pitrkit.runbook.session.gate_views import ApproveBox
from pitrkit.runbook.start.table_overview import Overview
from pitrkit.runbook.start.table_picker import TablePicker
from pitrkit.runbook.timeline.time_picker import TimePicker
from pitrkit.times import Window
from pitrkit.ui.cards import note
from pitrkit.ui.controls import Choice

EARLIEST = datetime(2026, 10, 24, 12, 0, 0, tzinfo=UTC)
LATEST = datetime(2026, 11, 23, 5, 14, 5, tzinfo=UTC)
WINDOW = Window(EARLIEST, LATEST)
ZURICH = ZoneInfo("Europe/Zurich")
KEY = KeySchema((KeyAttribute("pk", "S", "HASH"), KeyAttribute("no", "N", "RANGE")))
ODD = "<script>alert(1)</script>\u202e"
DIGEST = "3f9a1c77be02d4415a6e8c90b7f2d1e8a4c5b6978012345f6789abcdeffedcba"


def overviews(*names: str) -> list[Overview]:
    return [
        Overview(
            name,
            Table(name, f"arn:{name}", "id", "ACTIVE", KEY, 1, 1, "PAY_PER_REQUEST", (), "", False, (), EARLIEST, None),
            {"Logs": ContinuousBackups(name, False, None, 35), "Secrets": None}.get(
                name, ContinuousBackups(name, True, WINDOW, 35)
            ),
        )
        for name in names
    ]


def outputs(control) -> list[dict]:
    """Show a control as a notebook would, and return what it published."""
    shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    shell.display_formatter.active_types = shell.display_formatter.format_types  # a terminal takes plain text alone
    try:
        with capture_output() as captured:
            control._ipython_display_()
    finally:
        InteractiveShell.clear_instance()
    return [output.data for output in captured.outputs]


def image(pk: str, number: int, **attributes) -> str:
    return canonical({"pk": {"S": pk}, "no": {"N": str(number)}, **attributes})


def change(kind: str, pk: str, number: int, then: str = "PAID", now: str = "CANCELLED") -> Change:
    before, after = image(pk, number, status={"S": then}), image(pk, number, status={"S": now})
    return Change(image(pk, number), kind, None if kind == "inserted" else before, None if kind == "removed" else after)


def changes(folder, more=()):
    found = [
        change("removed", "ann", 1),
        change("removed", "bob", 22),
        change("modified", "cyd", 3),
        change("modified", "dan", 4, now="SHIPPED"),
        change("inserted", "zoë`'\"\\", 5),
        *more,
    ]
    times = {"before_at": "2026-11-23T02:14:05Z", "after_at": "2026-11-23T05:20:00Z"}
    return from_changes(found, folder / "set", table="Orders", key_schema=KEY, source="restored copy", **times)


# What a reader of the saved notebook sees


def controls(folder) -> list:
    return [
        TablePicker(overviews("Orders", "Logs", "Secrets")),
        TimePicker(WINDOW, local_tz=ZURICH),
        Choice("modified items", [("keep", "keep"), ("revert", "revert")]),
        Explorer(changes(folder)),
        ApproveBox(DIGEST, "Orders", summary={"puts": 3}, on_approve=print),
        conflict_box([]),
    ]


def conflict_box(settled: list, count: int = 12) -> ConflictBox:
    """A box over conflicts, every third of them about an item that is gone; decisions end up in *settled*."""
    met = [
        Conflict(
            n + 1, image("ann", n), image("ann", n, v={"S": "a"}), image("ann", n, v={"S": "b"}),
            None if n % 3 == 0 else image("ann", n, v={"S": ODD}), unsure=False,
        )
        for n in range(count)
    ]  # fmt: skip
    return ConflictBox(met, settled.append, digest=DIGEST)


def test_a_control_publishes_a_card_that_needs_no_kernel_and_then_the_widget(tmp_path):
    for control in controls(tmp_path):
        card, widget = outputs(control)
        assert card.keys() == {"text/html", "text/plain"}
        assert "<script" not in card["text/html"]
        model = f"IPY_MODEL_{widget['application/vnd.jupyter.widget-view+json']['model_id']}"
        assert widget_serialization["from_json"](model, None).children == (control.box, control.failure)
        assert "headless" in widget["text/plain"], "where the widget cannot be drawn, its text says how to do without"


def test_a_control_works_as_before_once_it_was_shown_and_its_card_can_be_replaced(tmp_path):
    for control in controls(tmp_path):
        outputs(control)
        control.show(note("another card"))
        assert "another card" in str(control)
    explorer = controls(tmp_path / "again")[3]
    outputs(explorer)
    explorer.filters.where.value = "kind == 'removed'"
    explorer.use.click()
    assert explorer.scope.where == "kind == 'removed'"
    assert "items where kind == 'removed'" in str(explorer), "the saved notebook shows what was taken"


@pytest.mark.parametrize(("place", "words"), [
    (0, ["Orders", "2026-10-24 12:00", "Logs", "off", "no permission"]),
    (1, ["2026-10-24 12:00:00 UTC", "2026-11-23 05:14:05 UTC", "`at`"]),
    (2, ["keep", "revert"]),
    (3, ["2 removed", "`where`"]),
    (4, ["3 puts", "Orders", "3f9a1c77be02"]),
    (5, ["12 conflicts", "gone meanwhile", "written again: v", "keep theirs"]),
])  # fmt: skip
def test_the_card_holds_what_the_widget_offers(tmp_path, place, words):
    card = outputs(controls(tmp_path)[place])[0]
    assert all(word in card["text/plain"] for word in words)


def test_every_input_has_a_label_and_the_comm_can_carry_it(tmp_path):
    def inside(widget):
        yield widget
        for child in getattr(widget, "children", ()):
            yield from inside(child)

    for control in controls(tmp_path):
        for widget in inside(control.box):
            json.dumps(widget.get_state(), default=str)
            if hasattr(widget, "description") and type(widget).__name__ != "HTML":
                assert widget.description, f"a {type(widget).__name__} of {type(control).__name__} has no label"


# TablePicker


def test_no_table_is_chosen_until_one_is_clicked():
    picker = TablePicker(overviews("Orders", "Logs"))
    assert picker.value == ""
    picker.list.value = "Logs"
    assert picker.value == "Logs"


def test_what_was_chosen_stays_chosen_while_the_list_fills_itself():
    picker = TablePicker([Overview(name, None, None, known=False) for name in ("Logs", "Orders")])
    assert "still being read" in str(picker)
    picker.list.value = "Orders"
    picker.fill(overviews("Logs", "Orders"))
    assert picker.value == "Orders"
    assert "still being read" not in str(picker)
    assert "1 protected" in str(picker)


def test_a_row_shows_protection_window_items_size_and_last_writes():
    one = overviews("Orders")[0]
    written = replace(one, last_write_at=LATEST - timedelta(hours=3), writes_known=True)
    silent = replace(overviews("Logs")[0], writes_known=True)
    picker = TablePicker([written, silent, *overviews("Secrets")], at=LATEST)
    shown = [[cell["text"] for cell in row["cells"]] for row in picker.list.rows]
    assert shown[0] == ["Orders", "on", "2026-10-24 12:00 to 2026-11-23 05:14", "1", "1 B", "3 h ago", "ACTIVE"]
    assert shown[1][1:3] + shown[1][5:6] == ["off", "-", "more than 7 d ago"]
    assert shown[2][1] == "no permission"
    assert shown[2][5] == ""


def test_numbers_and_times_sort_by_value_and_what_is_unknown_comes_first():
    rows = TablePicker(
        [
            replace(one, writes_known=True, last_write_at=at)
            for one, at in zip(overviews("A", "B"), (LATEST, None), strict=True)
        ],
        at=LATEST,
    ).list.rows
    assert rows[1]["cells"][5]["sort"] < rows[0]["cells"][5]["sort"]
    assert all(isinstance(row["cells"][place]["sort"], (int, float)) for row in rows for place in (2, 3, 4, 5))


def test_an_unprotected_table_may_be_chosen_and_is_said_to_have_no_past():
    picker = TablePicker(overviews("Logs"))
    picker.list.value = "Logs"
    assert "cannot be restored to an earlier time" in picker.status_line.value
    assert picker.value == "Logs"


def test_a_given_table_is_kept_and_an_unknown_one_is_named():
    assert TablePicker(overviews("Orders"), value="Orders").list.value == "Orders"
    unknown = TablePicker(overviews("Orders"), value="Ordrs")
    assert unknown.value == "Ordrs"
    assert "There is no table" in unknown.status_line.value


def test_a_picker_over_no_tables_says_so():
    assert "no tables" in str(TablePicker([]))


# TimePicker


def test_no_time_is_chosen_until_it_is_touched():
    picker = TimePicker(WINDOW)
    assert picker.value == ""
    assert "No time is chosen yet" in picker.status_line.value


def test_use_this_time_chooses_what_is_shown():
    picker = TimePicker(WINDOW)
    picker.use.click()
    assert picker.value == "2026-11-23T05:14:05Z"


def test_all_fields_show_the_same_second_in_utc_and_local():
    picker = TimePicker(WINDOW, local_tz=ZURICH)
    picker.utc.value = "2026-11-20 10:00:00"
    assert picker.value == "2026-11-20T10:00:00Z"
    assert picker.local.value == "2026-11-20 11:00:00"
    assert picker.slider.value == int((datetime(2026, 11, 20, 10, tzinfo=UTC) - EARLIEST).total_seconds())
    picker.local.value = "2026-11-20 12:30:01"
    assert picker.value == "2026-11-20T11:30:01Z"
    assert picker.utc.value == "2026-11-20 11:30:01"
    picker.slider.value = 61
    assert picker.value == "2026-10-24T12:01:01Z"
    assert picker.local.value == "2026-10-24 14:01:01", "summer time, by the zone's rules for that day"
    assert "UTC+0200" in picker.status_line.value


@pytest.mark.parametrize(("button", "value"), [
    ("-1 h", "2026-11-20T09:00:00Z"),
    ("-1 min", "2026-11-20T09:59:00Z"),
    ("-1 s", "2026-11-20T09:59:59Z"),
    ("+1 s", "2026-11-20T10:00:01Z"),
    ("+1 min", "2026-11-20T10:01:00Z"),
    ("+1 h", "2026-11-20T11:00:00Z"),
])  # fmt: skip
def test_buttons_move_by_what_they_say(button, value):
    picker = TimePicker(WINDOW, value="2026-11-20T10:00:00Z")
    picker.buttons[button].click()
    assert picker.value == value


@pytest.mark.parametrize(("typed", "value"), [
    ("2026-11-20T10:00:00Z", "2026-11-20T10:00:00Z"),
    ("2026-11-20T10:00:00.75+02:00", "2026-11-20T08:00:00Z"),
    ("2026-11-20 10:00:00 UTC", "2026-11-20T10:00:00Z"),
    ("2026-11-20 10:00", "2026-11-20T10:00:00Z"),
    ("latest", "2026-11-23T05:14:05Z"),
])  # fmt: skip
def test_the_field_reads_what_people_paste(typed, value):
    picker = TimePicker(WINDOW)
    picker.utc.value = typed
    assert picker.value == value


@pytest.mark.parametrize(("typed", "end"), [
    ("2026-11-24 00:00:00", "2026-11-23T05:14:05Z"),
    ("2020-01-01 00:00:00", "2026-10-24T12:00:00Z"),
])  # fmt: skip
def test_a_time_outside_is_clamped_and_waits_for_confirmation(typed, end):
    picker = TimePicker(WINDOW)
    picker.utc.value = typed
    assert picker.value == ""
    assert "outside the restore window" in picker.status_line.value
    assert picker.utc.value == end.replace("T", " ").removesuffix("Z")
    picker.use.click()
    assert picker.value == end


@pytest.mark.parametrize("typed", ["tomorrow", "", "2026-13-01 00:00:00", "0001-01-01 00:00:00", "9999999999d", "<b>"])
def test_what_is_no_time_takes_the_choice_back(typed):
    picker = TimePicker(WINDOW, value="2026-11-20T10:00:00Z", local_tz=ZURICH)
    assert picker.value
    picker.local.value = typed
    assert picker.value == ""
    assert "<b>" not in picker.status_line.value


def test_an_hour_that_comes_twice_is_said_and_the_earlier_taken():
    picker = TimePicker(WINDOW, local_tz=ZURICH)
    picker.local.value = "2026-10-25 02:30:00"
    assert picker.value == "2026-10-25T00:30:00Z"
    assert "occurred twice" in picker.status_line.value


def test_where_local_time_is_utc_there_is_one_field():
    assert len(TimePicker(WINDOW, local_tz=UTC).box.children[1].children) == 1
    assert len(TimePicker(WINDOW, local_tz=ZURICH).box.children[1].children) == 2


def test_a_window_of_one_second_can_be_chosen():
    picker = TimePicker(Window(LATEST, LATEST))
    picker.buttons["-1 h"].click()
    assert picker.value == "2026-11-23T05:14:05Z"


moves = st.lists(
    st.one_of(
        st.tuples(st.just("button"), st.sampled_from(["-1 h", "-1 min", "-1 s", "+1 s", "+1 min", "+1 h"])),
        st.tuples(st.just("slider"), st.integers(-(10**7), 10**7)),
        st.tuples(st.sampled_from(["utc", "local"]), st.datetimes().map(lambda at: at.isoformat(" ", "seconds"))),
        st.tuples(st.sampled_from(["utc", "local"]), st.text(max_size=12)),
        st.tuples(st.just("use"), st.none()),
    ),
    max_size=8,
)


@given(
    moves, st.integers(0, 4000), st.sampled_from([ZURICH, UTC, ZoneInfo("Asia/Kolkata"), ZoneInfo("America/St_Johns")])
)
def test_no_move_leaves_the_window(made, span, zone):
    window = Window(LATEST - timedelta(seconds=span), LATEST)
    picker = TimePicker(window, local_tz=zone)
    for what, how in made:
        if what == "button":
            picker.buttons[how].click()
        elif what == "use":
            picker.use.click()
        else:
            getattr(picker, what).value = how
        if picker.value:
            at = datetime.fromisoformat(picker.value)
            assert window.holds(at)
            assert picker.utc.value == at.strftime("%Y-%m-%d %H:%M:%S")
            assert picker.local.value == at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
            assert picker.slider.value == (at - window.earliest_at).total_seconds()


# Choice


def test_a_choice_is_blank_until_made():
    choice = Choice("incident", [("one", "1"), ("two", "2")])
    assert choice.value == ""
    choice.list.value = "2"
    assert choice.value == "2"


def test_a_choice_may_have_blank_as_an_option():
    choice = Choice("modified", [("leave them", ""), ("revert", "revert")], required=False)
    assert [value for _, value in choice.list.options] == ["", "revert"]
    assert choice.value == ""


def test_a_given_value_is_kept_even_if_it_is_not_offered():
    assert Choice("modified", [("revert", "revert")], value="ask").value == "ask"


def test_a_choice_of_nothing_says_so():
    choice = Choice("incident", [])
    assert choice.list.disabled
    assert "nothing to choose" in str(choice)


# ApproveBox


def box(approved: list, **changed) -> ApproveBox:
    values = {"summary": {"puts": 3, "updates": 1}, "clock": lambda: LATEST} | changed
    return ApproveBox(DIGEST, "Orders", on_approve=approved.append, **values)


def test_the_exact_name_opens_the_button_and_a_click_approves_this_digest():
    approved: list[str] = []
    made = box(approved)
    made.typed.value = "Orders"
    assert not made.button.disabled
    made.button.click()
    assert approved == [DIGEST]
    assert "until 2026-11-23 05:29:05 UTC" in made.status_line.value


@given(
    st.one_of(
        st.text(max_size=12), st.sampled_from(["orders", "Orders ", " Orders", "Order", "Orderss", "O\u0433ders"])
    )
)
def test_no_other_text_approves(text):
    approved: list[str] = []
    made = box(approved)
    made.typed.value = text
    assert made.button.disabled == (text != "Orders")
    made.button.click()
    assert approved == ([DIGEST] if text == "Orders" else [])


def test_a_name_that_was_changed_again_closes_the_button():
    approved: list[str] = []
    made = box(approved)
    made.typed.value = "Orders"
    made.typed.value = "Orders2"
    assert made.button.disabled
    made.button.click()
    assert not approved


def test_nothing_to_approve_offers_nothing():
    approved: list[str] = []
    made = ApproveBox("", "", summary={}, on_approve=approved.append, needed=False)
    made.button.click()
    assert not approved
    assert "nothing to approve" in str(made)


def test_an_approval_that_fails_is_shown_and_not_claimed():
    def refuse(_digest: str) -> None:
        raise BadInput("the plan is gone", fix="Plan again.")

    made = ApproveBox(DIGEST, "Orders", summary={}, on_approve=refuse)
    made.typed.value = "Orders"
    made.button.click()
    assert made.approved_at is None
    assert "the plan is gone" in made.status_line.value


# ConflictBox


def test_conflicts_are_decided_page_by_page_and_only_what_is_pressed_counts():
    settled: list[dict] = []
    box = conflict_box(settled)
    assert "Page 1 of 3, 12 conflicts" in box.where.value
    box._rows[0].choice.value = "theirs"
    box.after.click()
    assert "Page 2 of 3" in box.where.value
    assert box._rows[0].choice.value == ""
    box._rows[4].choice.value = "ours"
    box.before.click()
    assert box._rows[0].choice.value == "theirs"
    assert settled == []
    box.make.click()
    assert settled == [{1: "theirs", 10: "ours"}]
    assert "take ours" in str(box)


def test_a_group_is_decided_at_once_and_what_is_filtered_out_stays_open():
    settled: list[dict] = []
    box = conflict_box(settled)
    box.group.value = "gone meanwhile"
    assert box.ours.description == "Take ours: all 4 listed"
    box.ours.click()
    box.make.click()
    assert settled == [dict.fromkeys((1, 4, 7, 10), "ours")]
    box.find.value = "nothing like it"
    assert box.ours.disabled
    assert "Page 1 of 1, 0 conflicts" in box.where.value


def test_conflicts_that_cannot_be_settled_stay_decided_and_say_why():
    def refuse(_decisions):
        raise BadInput("the table is gone", fix="Look.")

    box = ConflictBox(conflict_box([])._conflicts, refuse)
    box.theirs.click()
    box.make.click()
    assert "the table is gone" in box.status_line.value
    assert len(box.decisions) == 12
    assert not box.make.disabled


@given(st.lists(st.tuples(st.sampled_from(["row", "group", "find", "page", "all"]), st.integers(0, 9)), max_size=12))
def test_whatever_is_pressed_only_listed_conflicts_are_decided_and_the_counts_are_right(pressed):
    box = conflict_box([], count=7)
    expected: dict[int, str] = {}
    for what, number in pressed:
        shown = box._listed[box._page * 5 : box._page * 5 + 5]
        if what == "row" and number < len(shown):
            choice = ("", "theirs", "ours")[number % 3]
            box._rows[number].choice.value = choice
            key = box._conflicts[shown[number]].number
            expected.pop(key, None)
            expected |= {key: choice} if choice else {}
        elif what == "group":
            box.group.value = ("", "gone meanwhile", "written again: v")[number % 3]
        elif what == "find":
            box.find.value = ("", "no = 1", "zzz")[number % 3]
        elif what == "page" and not (box.after.disabled if number % 2 else box.before.disabled):
            (box.after if number % 2 else box.before).click()
        elif what == "all" and box._listed:
            (box.ours if number % 2 else box.theirs).click()
            expected |= {box._conflicts[place].number: "ours" if number % 2 else "theirs" for place in box._listed}
        assert box.decisions == expected
