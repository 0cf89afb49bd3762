"""The wheel carries all it needs: the kit works installed as well as from a checkout."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.build import build_wheel

from pitrkit.cli import lab

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the wheel's contents and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        wheel = build_wheel(str(folder))
    finally:
        os.chdir(before)
    with zipfile.ZipFile(folder / wheel) as packed:
        packed.extractall(folder / "site")
    return folder / "site"


def run(installed, folder, *words):
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout


def test_the_notebooks_and_templates_travel_in_it(installed):
    assert sorted(path.name for path in (installed / "pitrkit" / "_notebooks").glob("*.ipynb")) == NAMES
    templates = {path.name for path in (ROOT / "pitrkit").rglob("*.j2")}
    assert templates == {path.name for path in installed.rglob("*.j2")}
    for ending in ("js", "css"):
        scripts = {path.name for path in (ROOT / "pitrkit" / "ui").rglob(f"*.{ending}")}
        assert scripts == {path.name for path in (installed / "pitrkit").rglob(f"*.{ending}")}


def test_installed_it_lays_a_working_copy_into_the_current_folder(installed, tmp_path):
    said = run(
        installed,
        tmp_path,
        "-c",
        "import pathlib, pitrkit.cli.lab as lab; print(lab.__file__); print(lab.lay_out(pathlib.Path.cwd()))",
    )
    assert str(installed) in said
    assert sorted(path.name for path in (tmp_path / "runbook").glob("*.ipynb")) == NAMES


def test_a_working_copy_keeps_what_the_operator_changed_unless_told_otherwise(tmp_path):
    place = lab.lay_out(tmp_path)
    mine = json.loads((place / NAMES[0]).read_text())
    mine["cells"][0]["source"] = ["mine"]
    (place / NAMES[0]).write_text(json.dumps(mine))
    lab.lay_out(tmp_path)
    assert json.loads((place / NAMES[0]).read_text()) == mine
    lab.lay_out(tmp_path, fresh=True)
    assert json.loads((place / NAMES[0]).read_text()) != mine
