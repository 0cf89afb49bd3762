"""An incident's own notebooks: its name stands in them, links between them carry it, and nothing there is replaced."""

import json

import pytest

from pitrkit.cli import lab
from pitrkit.incident import working_copy
from pitrkit.incident.incident import Incident
from pitrkit.incident.working_copy import notebooks_folder
from pitrkit.runner.parameters import parameters_of

NAMES = {path.stem for path in notebooks_folder().glob("*.ipynb")}


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """A folder `runbook` as JupyterLab shows it, which is the kernel's folder."""
    place = lab.lay_out(tmp_path)
    monkeypatch.setenv("PITRKIT_WORKING_COPY", str(place))
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def incident(tmp_path):
    return Incident.open("night-1", root=tmp_path / "incidents", create=True, table="Orders")


def test_every_notebook_of_an_incident_names_it(shown, incident):
    place = working_copy.lay_out(incident)
    assert {path.stem for path in place.glob("*.ipynb")} == NAMES - {"00_start_here"}
    for path in place.glob("*.ipynb"):
        declared = parameters_of(path)
        assert declared["incident"].default == '"night-1"'
        if path.stem in {"01_select_table", "11_deleted_table"}:
            assert declared["table"].default == '"Orders"'
    assert not list(place.glob(".*")), "nothing half written is left"


def test_what_the_operator_has_in_a_copy_stays_and_what_is_missing_comes_back(shown, incident):
    place = working_copy.lay_out(incident)
    (place / "04_diff.ipynb").write_text("mine")
    (place / "05_copy_back.ipynb").unlink()
    working_copy.lay_out(incident)
    assert (place / "04_diff.ipynb").read_text() == "mine"
    assert "night-1" in (place / "05_copy_back.ipynb").read_text()


def test_copies_lie_outside_of_the_sealed_record(shown, incident):
    assert not working_copy.lay_out(incident).is_relative_to(incident.folder)


def test_links_lead_from_anywhere_in_the_runbook_to_the_incidents_own_copy(shown, incident, monkeypatch):
    assert working_copy.link("04_diff", "night-1") == "04_diff.ipynb", "there is no copy yet"
    place = working_copy.lay_out(incident)
    assert working_copy.link("04_diff", "night-1") == "night-1/04_diff.ipynb"
    assert working_copy.link("04_diff") == "04_diff.ipynb"
    monkeypatch.chdir(place)
    assert working_copy.link("04_diff", "night-1") == "04_diff.ipynb"
    assert working_copy.link("00_start_here", "night-1") == "../00_start_here.ipynb"


def test_headless_there_is_no_working_copy_and_links_are_plain_names(incident, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert working_copy.lay_out(incident) is None
    assert working_copy.link("04_diff", "night-1") == "04_diff.ipynb"


def test_a_folder_that_cannot_be_made_stops_nothing(shown, incident):
    (shown / "night-1").write_text("a file, where a folder belongs")
    assert working_copy.lay_out(incident) is None
    assert working_copy.link("04_diff", "night-1") == "04_diff.ipynb"


def test_only_blank_text_parameters_are_filled():
    def notebook(source):
        return {"cells": [{"metadata": {"tags": ["parameters"]}, "source": source}]}

    made = working_copy.filled(
        notebook('incident: str = ""  # x\ntable: str = "Mine"\n'), {"incident": "a", "table": "b"}
    )
    assert "".join(made["cells"][0]["source"]) == 'incident: str = "a"  # x\ntable: str = "Mine"\n'
    assert working_copy.filled(notebook('table: str = ""\n'), {"incident": "a"}) is None
    assert json.dumps(made)


def older(path, names):
    """Make a working copy one of another version: its cells call what is called otherwise now."""
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and "parameters" not in cell["metadata"].get("tags", ()):
            cell["source"] = "".join(cell["source"]).replace(*names)
    path.write_text(json.dumps(notebook))
    return path.read_text()


def test_fresh_renews_an_incidents_notebooks_and_keeps_what_was_there(shown, incident, tmp_path):
    place = working_copy.lay_out(incident)
    before = older(place / "05_copy_back.ipynb", ("copy_back.plan", "copying.plan"))
    mine = (place / "04_diff.ipynb").read_text().replace("segments: int = 4", "segments: int = 9")
    (place / "04_diff.ipynb").write_text(mine)
    (place / "06_report.ipynb").write_text("half a file")
    (place / "notes.ipynb").write_text("mine")
    lab.lay_out(tmp_path, fresh=True)
    (kept,) = place.glob("older-*")
    assert {path.name for path in kept.iterdir()} == {"05_copy_back.ipynb", "06_report.ipynb"}
    assert (kept / "05_copy_back.ipynb").read_text() == before
    assert "copy_back.plan" in (place / "05_copy_back.ipynb").read_text()
    for name in ("05_copy_back", "06_report"):
        assert parameters_of(place / f"{name}.ipynb")["incident"].default == '"night-1"'
    assert (place / "04_diff.ipynb").read_text() == mine, "only its parameters differ"
    assert (place / "notes.ipynb").read_text() == "mine"
    lab.lay_out(tmp_path, fresh=True)
    assert len(list(place.glob("older-*"))) == 1, "what is current is left as it is"


def test_fresh_keeps_the_table_that_a_copy_names(shown, incident, tmp_path):
    place = working_copy.lay_out(incident)
    older(place / "01_select_table.ipynb", ("select_table.select", "select.select"))
    lab.lay_out(tmp_path, fresh=True)
    declared = parameters_of(place / "01_select_table.ipynb")
    assert (declared["incident"].default, declared["table"].default) == ('"night-1"', '"Orders"')


def test_fresh_names_the_incident_where_a_copy_names_its_table_alone(shown, incident, tmp_path):
    place = working_copy.lay_out(incident)
    path = place / "01_select_table.ipynb"
    notebook = json.loads(older(path, ("select_table.select", "select.select")))
    cell = next(cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", ()))
    cell["source"] = "".join(cell["source"]).replace('incident: str = "night-1"', 'incident: str = ""')
    path.write_text(json.dumps(notebook))
    lab.lay_out(tmp_path, fresh=True)
    declared = parameters_of(path)
    assert (declared["incident"].default, declared["table"].default) == ('"night-1"', '"Orders"')
