"""CSV for spreadsheets: whatever an item holds, no cell is a formula."""

import csv
import io
import re

from hypothesis import example, given
from hypothesis import strategies as st

from pitrkit.aws.items import canonical
from pitrkit.recovery.changes.change import Change
from pitrkit.runbook.diff.csv_export import FORMULA, cell, write


def written(changes, keys, names):
    text = io.StringIO()
    write(text, changes, keys, names)
    return text.getvalue(), list(csv.reader(io.StringIO(text.getvalue())))


@given(st.text(max_size=20), st.text(max_size=20))
@example("=cmd|' /C calc'!A0", "@SUM(1)")
@example("\t=1", "\r=1")
@example("\uff1d1", '";=1')
@example("-1+1", "+41 44")
@example("-5", "-5\n")
def test_no_cell_begins_a_formula_and_each_stays_one_cell(then, name):
    change = Change(
        canonical({"pk": {"S": "a"}}),
        "removed",
        canonical({"pk": {"S": "a"}, (name or "x"): {"S": then}}),
        None,
    )
    text, rows = written([change], ["pk"], [name or "x"])
    assert [len(row) for row in rows] == [4, 4]
    assert text.isprintable() or text.replace("\r\n", "").isprintable()
    for row in rows:
        for one in row:
            assert not one.startswith(FORMULA) or re.fullmatch(r"-\d+(\.\d+)?", one)


def test_numbers_stay_numbers_with_every_digit():
    long = "12345678901234567890123456789.012345678"
    image = canonical({"pk": {"S": "-5"}, "n": {"N": long}, "m": {"M": {"x": {"N": "-1.5"}}}, "z": {"N": "-7"}})
    _, rows = written([Change(canonical({"pk": {"S": "-5"}}), "inserted", None, image)], ["pk"], ["n", "m", "z"])
    assert rows[1] == ["inserted", "-5", "", long, "", '{"x": "-1.5"}', "", "-7"]


def test_plain_values_are_cells_a_person_can_read():
    assert [cell(one) for one in (None, True, [1, "a"], "é")] == ["null", "true", '[1, "a"]', "é"]
