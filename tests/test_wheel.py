"""The wheel carries all it needs: the kit works installed as well as from a checkout."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pytest
from hatchling.build import build_wheel
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pitrkit.cli import lab
from pitrkit.sandbox import Sandbox
from pitrkit.sandbox.scenario.shop import orders

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, as pip would build it."""
    folder = tmp_path_factory.mktemp("wheel")
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        return folder / build_wheel(str(folder))
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def installed(wheel):
    """A folder with the wheel's contents and nothing of the checkout."""
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(wheel.parent / "site")
    return wheel.parent / "site"


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


def needed(requirements, extra="", found=None):
    """Return the distributions that pip would install for *requirements*, as they are installed here."""
    found = {} if found is None else found
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        for wanted in ("", *requirement.extras):
            key = (canonicalize_name(requirement.name), wanted)
            if key not in found:
                found[key] = metadata.distribution(requirement.name)
                needed(found[key].requires or (), wanted, found)
    return found


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory):
    """A virtual environment as `pip install pitrkit` leaves it: the wheel, what it requires, and no extra."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "--quiet"]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True, timeout=120)
    (site,) = (folder / "lib").glob("python*/site-packages")
    (kit,) = metadata.distributions(path=[str(site)])
    for distribution in needed(kit.requires).values():
        for name in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            if not (site / name).exists():
                (site / name).symlink_to(distribution.locate_file(name))
    return folder / "bin"


def run_bare(bare, folder, *words, **variables):
    """Run one of the bare environment's programs."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    program, *rest = words
    return subprocess.run(
        [str(bare / program), *rest],
        cwd=folder,
        env=kept | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


@pytest.mark.parametrize("words", [("demo",), ("sandbox", "--empty"), ("lab", "--sandbox")], ids=" ".join)
def test_without_the_extra_what_needs_the_sandbox_says_how_to_get_it(bare, tmp_path, words):
    ended = run_bare(bare, tmp_path, "pitrkit", *words)
    assert ended.returncode == 2
    assert ended.stdout == ""
    what, to_do = ended.stderr.splitlines()
    assert what.startswith("pitrkit: the sandbox needs packages that are not installed here, such as ")
    assert "pip install 'pitrkit[sandbox]'" in to_do
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("--help",), ("policy", "--table", "Orders"), ("lab", "--version")], ids=" ".join)
def test_without_the_extra_what_is_for_aws_works(bare, tmp_path, words):
    ended = run_bare(bare, tmp_path, "pitrkit", *words)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip()


IMPORT_ALL = """
import importlib, pkgutil, pitrkit

def failed(name):
    if name != "pitrkit.sandbox":
        raise

for module in pkgutil.walk_packages(pitrkit.__path__, "pitrkit.", onerror=failed):
    path = module.name.split(".")
    if path[1] != "sandbox" and path[-1] not in ("demo", "__main__"):
        importlib.import_module(module.name)
        print(module.name)
"""


def test_without_the_extra_every_module_but_the_sandboxs_can_be_imported(bare, tmp_path):
    ended = run_bare(bare, tmp_path, "python", "-c", IMPORT_ALL)
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stdout.splitlines()) > 100


def test_without_the_extra_a_notebook_runs_headless_against_a_real_endpoint(bare, tmp_path):
    scenario = orders(7, now=datetime.now(UTC))
    with Sandbox() as sandbox:
        scenario.lay_into(sandbox)
        words = ("pitrkit", "run", "01_select_table", "-p", "table", scenario.truth.table)
        ended = run_bare(bare, tmp_path, *words, **sandbox.environment())
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert list(tmp_path.glob("incidents/*/**/01_select_table.ipynb"))
