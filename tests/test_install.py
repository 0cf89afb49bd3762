"""What an installation brings is what the kit needs: declared, pinned, and refused where the kit cannot run."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCK, LOCK_DEV = ROOT / ".ci" / "requirements.txt", ROOT / ".ci" / "requirements-dev.txt"
LOCKED = {LOCK: PROJECT["dependencies"], LOCK_DEV: [*PROJECT["dependencies"], *EXTRAS["sandbox"], *EXTRAS["dev"][1:]]}
PLATFORMS = [
    {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": name, "platform_system": system}
    for python in ("3.11", "3.12", "3.13")
    for name, system in (("linux", "Linux"), ("darwin", "Darwin"))
]


def names(requirements):
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def imported(paths):
    """Return the distributions that modules import, at their tops or later."""
    roots = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                roots |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                roots.add(node.module.partition(".")[0])
    distributions = packages_distributions()
    return {canonicalize_name(distributions[root][0]) for root in roots - sys.stdlib_module_names - {"pitrkit"}}


def test_the_kit_declares_what_it_imports_and_no_more():
    outside = [path for path in (ROOT / "pitrkit").rglob("*.py") if "sandbox" not in path.relative_to(ROOT).parts]
    started_as_programs = {"ipykernel", "jupyterlab"}
    assert imported(outside) | started_as_programs == names(PROJECT["dependencies"])


def test_the_sandbox_declares_what_it_alone_imports_and_motos_server_with_it():
    inside = (ROOT / "pitrkit" / "sandbox").rglob("*.py")
    imported_by_motos_server = {"flask", "flask-cors"}
    alone = imported(inside) - names(PROJECT["dependencies"])
    assert alone | imported_by_motos_server == names(EXTRAS["sandbox"])


def test_each_upper_bound_says_what_private_thing_it_guards():
    for line in (ROOT / "pyproject.toml").read_text().splitlines():
        if re.fullmatch(r'  "[^"]*<[^"]*",.*', line):
            assert re.search(r'",\s+# \w*.{8,}$', line), line


def pins(path):
    """Return the requirements that a lock file pins, each with its hashes."""
    lines = path.read_text().replace("\\\n", "").splitlines()
    found = []
    for line in lines:
        if not line.startswith("#"):
            pinned, *hashes = line.split(" --hash=")
            found.append((Requirement(pinned), [text.strip() for text in hashes]))
    return found


def pinned_on(path, platform):
    """Return version by name of what a lock file has pip install on *platform*."""
    environment = default_environment() | platform
    versions = {}
    for pin, _ in pins(path):
        if pin.marker is None or pin.marker.evaluate(environment):
            name = canonicalize_name(pin.name)
            assert name not in versions, f"{name} is pinned twice for {platform}"
            (exact,) = pin.specifier
            assert exact.operator == "=="
            versions[name] = exact.version
    return versions


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda of: f"{of['python_version']}-{of['sys_platform']}")
@pytest.mark.parametrize("path", LOCKED, ids=lambda path: path.name)
def test_the_lock_satisfies_what_the_project_declares(path, platform):
    versions = pinned_on(path, platform)
    for requirement in map(Requirement, LOCKED[path]):
        name = canonicalize_name(requirement.name)
        assert name in versions, f"{name} is not pinned; run make lock"
        assert requirement.specifier.contains(versions[name]), f"{name} {versions[name]}; run make lock"


def test_both_locks_pin_the_same_releases_and_only_the_testers_has_a_web_server():
    for platform in PLATFORMS:
        kit, all_of_it = pinned_on(LOCK, platform), pinned_on(LOCK_DEV, platform)
        assert kit.items() <= all_of_it.items()
        assert not {"moto", "flask", "werkzeug", "docker", "pytest"} & kit.keys()


@pytest.mark.parametrize("path", LOCKED, ids=lambda path: path.name)
def test_each_pin_has_hashes_and_no_registry_is_named(path):
    assert all(hashes and all(re.fullmatch("sha256:[0-9a-f]{64}", text) for text in hashes) for _, hashes in pins(path))
    assert not re.search(r"://|^\s*-(?!-hash=)|index-url", path.read_text(), re.MULTILINE)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_demo_after_test_installs_nothing_again_and_alone_no_tools_of_the_tests(tmp_path):
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    variables = {name: value for name, value in os.environ.items() if name not in {"LOCKED", "MAKEFLAGS", "MFLAGS"}}

    def would_run(goal):
        words = ["make", "--dry-run", goal]
        return subprocess.run(words, cwd=tmp_path, env=variables, check=True, capture_output=True, text=True).stdout

    assert "'.[sandbox]'" in would_run("demo")
    assert "'.[sandbox]'" in would_run("lab")
    assert "[dev]" not in would_run("demo")
    (stamps,) = re.findall(r"&& touch (.*)", would_run("test"))
    (tmp_path / ".venv").mkdir()
    for stamp in stamps.split():
        (tmp_path / stamp).touch()
    for goal in ("demo", "lab", "test", "lint"):
        assert " install " not in would_run(goal), goal


def first_imports():
    """Return what each notebook imports of the kit first."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        source = "\n".join("".join(cell["source"]) for cell in json.loads(path.read_text())["cells"])
        yield re.search(r"^(from|import) pitrkit.*$", source, re.MULTILINE).group()


AS_ON_WINDOWS = """
import sys
sys.platform = "win32"
sys.modules |= dict.fromkeys(("fcntl", "pwd", "resource", "termios"))  # None: no such module
sys.argv = ["pitrkit", "--help"]
"""
COMMAND = 'import runpy; runpy.run_module("pitrkit", run_name="__main__")'


@pytest.mark.parametrize("entrance", [COMMAND, "from pitrkit.cli import main", *sorted(set(first_imports()))])
def test_on_windows_it_says_where_it_runs_instead(entrance):
    ended = subprocess.run(
        [sys.executable, "-c", AS_ON_WINDOWS + entrance], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    what, to_do = ended.stderr.splitlines()
    assert what == "pitrkit runs on Linux, macOS and WSL (Windows Subsystem for Linux), not on Windows itself."
    assert to_do.startswith("-> Run `wsl --install`")
