"""Imports point downwards only: cli, runbook, recovery, dynamodb, errors. The sandbox imports none of them."""

import ast
from pathlib import Path

import pytest

import pitrkit

PACKAGE = Path(pitrkit.__file__).parent
BELOW = {
    "errors": set(),
    "dynamodb": {"errors"},
    "recovery": {"errors", "dynamodb"},
    "runbook": {"errors", "dynamodb", "recovery"},
    "sandbox": set(),
    "top": {"errors", "dynamodb", "recovery", "runbook", "sandbox"},
}
ONLY_IN = {
    "boto3": {"dynamodb", "sandbox"},
    "botocore": {"dynamodb", "sandbox"},
    "moto": {"sandbox"},
    "anywidget": {"runbook"},
    "ipywidgets": {"runbook"},
    "papermill": {"runbook"},
    "IPython": {"runbook"},
    "duckdb": {"recovery"},
}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "_notebooks" not in path.parts)


def layer_of(path):
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return part if part in BELOW else "top"


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_its_own_layer_and_those_below(path):
    layer = layer_of(path)
    for name in imports(path):
        root, *rest = name.split(".")
        if root == "pitrkit":
            found = rest[0] if rest and rest[0] in BELOW else "top"
            if found == "top" and rest[:1] == ["__version__"]:
                continue
            assert found == layer or found in BELOW[layer], f"{path.name} of {layer} imports {name}"
        else:
            assert layer in ONLY_IN.get(root, {layer}), f"{path.name} of {layer} imports {root}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_small_enough_to_be_read_at_once(path):
    assert len(path.read_text().splitlines()) <= 400
