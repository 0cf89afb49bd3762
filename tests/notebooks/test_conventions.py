"""The notebooks hold no logic and no outputs, and whoever knows one finds the way in all."""

import ast
import json
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
FORBIDDEN = (ast.FunctionDef, ast.ClassDef, ast.Try, ast.For, ast.While, ast.With, ast.If, ast.Lambda)
PARAMETER = re.compile(r'(?P<name>[a-z_]+): (?P<kind>str|int|float|bool) = ("[^"#=]*"|\d+(\.\d+)?|True|False)  # [^=]+')


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return request.param, json.loads(request.param.read_text())


def source(cell):
    return "".join(cell["source"])


def code_cells(cells):
    return [cell for cell in cells if cell["cell_type"] == "code"]


def tags(cell):
    return cell["metadata"].get("tags", [])


def test_there_are_notebooks():
    assert {path.stem for path in NOTEBOOKS} >= {
        "00_start_here", "01_select_table", "02_pick_timestamp", "03_restore", "04_diff", "05_copy_back", "06_report",
        "11_deleted_table", "12_undo", "14_clean_up",
    }  # fmt: skip


def test_it_is_named_by_two_digits_and_snake_case(notebook):
    assert re.fullmatch(r"\d\d_[a-z_]+", notebook[0].stem)


def test_it_is_committed_without_outputs(notebook):
    for cell in code_cells(notebook[1]["cells"]):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
    assert set(notebook[1]["metadata"]) == {"kernelspec", "language_info"}


def test_it_names_the_kernel_papermill_needs(notebook):
    assert notebook[1]["metadata"]["kernelspec"]["name"] == "python3"


def test_it_begins_with_what_it_does_what_it_touches_and_whether_to_run_it_again(notebook):
    first, second = notebook[1]["cells"][:2]
    lines = source(first).splitlines()
    assert lines[0].startswith("# ")
    assert [line[:6] for line in lines[2:]] == ["- **Wh", "- **Re", "- **Ru"]
    assert tags(second) == ["parameters"]


def test_its_parameters_are_of_the_form_that_papermill_reads_safely(notebook):
    for line in source(notebook[1]["cells"][1]).splitlines():
        assert PARAMETER.fullmatch(line), line


def test_its_cells_are_single_calls_without_logic(notebook):
    for cell in code_cells(notebook[1]["cells"])[1:]:
        tree = ast.parse(source(cell))
        assert len(source(cell).splitlines()) <= 6
        assert not [node for node in ast.walk(tree) if isinstance(node, FORBIDDEN)]
        assert isinstance(tree.body[-1], ast.Expr), "the last expression shows itself"


def test_a_cell_that_writes_follows_a_gate(notebook):
    opened = False
    for cell in code_cells(notebook[1]["cells"]):
        if "gate" in tags(cell):
            opened = True
        if "writes" in tags(cell):
            assert opened


def test_its_links_lead_to_notebooks(notebook):
    for cell in notebook[1]["cells"]:
        for target in re.findall(r"\]\((\w+\.ipynb)\)", source(cell)):
            assert (FOLDER / target).exists()
