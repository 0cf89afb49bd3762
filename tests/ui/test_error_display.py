"""What a failing cell shows in a real kernel: a card that says what to do, with the traceback folded away."""

import io
import json

import nbformat
import pytest

from pitrkit.errors import AccessDenied, BadInput, Exit, GateClosed
from pitrkit.runner import notebook_run
from pitrkit.ui import error_display
from pitrkit.ui.cards import note
from pitrkit.ui.error_display import Interrupted, card_of, failure_meaning

DENIED = (
    "raise errors.AccessDenied('the caller may not do dynamodb:Scan', code='AccessDeniedException', operation='Scan', "
    "request_id='Q1W2E3', table='Orders', fix='Allow the action dynamodb:Scan to this role.')"
)


def failed(folder, cell):
    """Run a notebook whose second cell fails; return how it ended, what the front said, and that cell's outputs."""
    made = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    made.cells = [
        nbformat.v4.new_code_cell(text) for text in ("from pitrkit.runbook.session import session", cell, "print('on')")
    ]
    nbformat.write(made, folder / "05_step.ipynb")
    echo = io.StringIO()
    result = notebook_run.run(folder / "05_step.ipynb", {}, root=folder / "i", echo=echo)
    cells = json.loads(result.path.read_text())["cells"]
    (found,) = [one for one in cells if "".join(one["source"]) == cell]
    assert "on\n" not in json.dumps(cells), "the cells below do not run"
    return result, echo.getvalue(), found["outputs"]


def words(output):
    return "".join(output["data"]["text/plain"])


def test_an_error_of_ours_is_a_card_then_one_line_and_the_front_says_all_of_it(tmp_path):
    result, said, (card, error) = failed(tmp_path, f"from pitrkit import errors\n{DENIED}")
    assert result.exit_code is Exit.ERROR
    for part in ("the caller may not do dynamodb:Scan", "No item was written or changed", "Q1W2E3", "Allow the action"):
        assert part in words(card)
    html = "".join(card["data"]["text/html"])
    assert "<details" in html
    assert "Traceback" in html.partition("<details")[2]
    assert "Traceback" not in html.partition("<details")[0]
    assert "Traceback" not in words(card)
    assert error["traceback"] == ["AccessDenied: the caller may not do dynamodb:Scan"]
    assert "-> Allow the action dynamodb:Scan" in said


def test_a_closed_gate_and_a_missing_choice_are_no_faults(tmp_path):
    result, _, (card, _) = failed(
        tmp_path, "from pitrkit.errors import InputNeeded\nraise InputNeeded('at', fix='Pick.')"
    )
    assert result.exit_code is Exit.INPUT_NEEDED
    assert words(card).startswith("Input needed")
    closed = str(card_of(GateClosed("gate closed", digest="d", table="Orders", fix="pitrkit run 05 -p approve d")))
    assert closed.startswith("Waiting for approval")
    assert "pitrkit run 05 -p approve d" in closed


def test_an_unexpected_error_is_a_card_too_and_the_front_still_calls_it_unexpected(tmp_path):
    result, said, (card, error) = failed(tmp_path, "{}['<b>k</b>']")
    assert result.exit_code is Exit.ERROR
    assert words(card).startswith("Unexpected error")
    assert "the journal records each write" in words(card)
    assert "<b>k" not in "".join(card["data"]["text/html"])
    assert len(error["traceback"]) == 1
    assert "unexpected error, with its traceback in the notebook\nKeyError: '<b>k</b>'" in said


@pytest.mark.parametrize(("cell", "title"), [
    ("raise KeyboardInterrupt", "Interrupted"),
    (
        "from pitrkit.ui import cards, error_display\nraise error_display.Interrupted(cards.note('3 of 5 written'))",
        "3 of 5",
    ),
])  # fmt: skip
def test_an_interrupt_says_that_it_is_safe_and_ends_as_one(tmp_path, cell, title):
    result, _, (card, error) = failed(tmp_path, cell)
    assert result.exit_code is Exit.INTERRUPTED
    assert title in words(card)
    assert len(error["traceback"]) == 1


@pytest.mark.parametrize("cell", [
    "from pitrkit.runbook import book, select",  # as the notebooks of the first version have it
    "from pitrkit.runbook.passage import Passage",
    "session.Book.open('night')",
])  # fmt: skip
def test_a_notebook_of_another_version_says_how_to_get_this_ones(tmp_path, cell):
    result, said, (card, error) = failed(tmp_path, cell)
    assert result.exit_code is Exit.ERROR
    for part in ("laid out by another version of pitrkit", "pitrkit lab --fresh", "The incident continues"):
        assert part in words(card)
    assert "pitrkit lab --fresh" in said
    assert "unexpected" not in said
    assert error["ename"] == "BadInput"
    assert len(error["traceback"]) == 1


def test_what_is_missing_elsewhere_is_no_notebook_of_another_version(tmp_path):
    result, said, (card, _) = failed(tmp_path, "import pitrkit_plans")
    assert result.exit_code is Exit.ERROR
    assert "another version" not in words(card) + said


def test_outside_of_a_kernel_nothing_is_installed():
    assert error_display.install() is False


def test_a_step_that_writes_says_what_a_failure_means():
    for error in (BadInput("no", fix="Do."), ValueError("no")):
        with pytest.raises(type(error)), failure_meaning("Half of it is there."):
            raise error
        assert "Half of it is there." in str(card_of(error))


def test_a_card_of_its_own_goes_first():
    card = note("own")
    error = AccessDenied("x", code="c", operation="o")
    error.card = card
    assert card_of(error) is card
    assert card_of(Interrupted(card)) is card
