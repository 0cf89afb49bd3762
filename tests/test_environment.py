"""environment.yml gives conda users what pyproject.toml gives everybody else."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
OTHER_NAMES = {"python-duckdb": "duckdb"}


def bounds(requirements):
    found = {}
    for requirement in requirements:
        name, bound = re.fullmatch(r"([A-Za-z0-9_-]+)(?:\[[a-z,]+\])?(>=[\d.]+)", requirement).groups()
        found[OTHER_NAMES.get(name, name)] = bound
    return found


def test_the_conda_environment_holds_the_same_packages_with_the_same_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = bounds(project["dependencies"] + project["optional-dependencies"]["dev"])
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    by_pip = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    given = bounds(
        [entry for entry in listed if isinstance(entry, str) and entry != "pip"]
        + [entry for entry in by_pip if not entry.startswith("--")]
    )
    assert given.pop("python") == project["requires-python"]
    assert given == wanted
    assert "--editable ." in by_pip
