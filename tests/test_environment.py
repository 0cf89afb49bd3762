"""environment.yml gives conda users all that pyproject.toml names: the kit, the sandbox and the tests' tools."""

import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
OTHER_NAMES = {"python-duckdb": "duckdb"}


def bounds(requirements):
    found = {}
    for requirement in map(Requirement, requirements):
        found[canonicalize_name(OTHER_NAMES.get(requirement.name, requirement.name))] = requirement.specifier
    return found


def test_the_conda_environment_holds_the_same_packages_with_the_same_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert extras["dev"][0] == "pitrkit[sandbox]"
    wanted = bounds(project["dependencies"] + extras["sandbox"] + extras["dev"][1:])
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    by_pip = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    given = bounds(
        [entry for entry in listed if isinstance(entry, str) and entry != "pip"]
        + [entry for entry in by_pip if not entry.startswith("--")]
    )
    assert str(given.pop("python")) == project["requires-python"]
    assert given == wanted
    assert "--editable ." in by_pip


def test_moto_is_in_the_conda_environment_and_brings_what_its_dynamodb_needs():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    by_pip = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    moto = [Requirement(entry) for entry in (*listed[:-1], *by_pip) if str(entry).startswith("moto")]
    assert [sorted(entry.extras) for entry in moto] == [[], ["dynamodb"]]
    assert moto[0].specifier == moto[1].specifier
