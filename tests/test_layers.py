"""The house: imports point downwards only, in no circle; AWS is called in `aws/` alone; a module is read at once."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import pitrkit

PACKAGE = Path(pitrkit.__file__).parent
TOO_LONG = 500
"""Lines of a module: past that nobody reads it in one go. A lower limit splits one thought over several files, each of
which can only be understood with the others: that has been tried, at 400."""

GROUND = {"documents", "files", "times", "errors", "options"}
AWS = {"aws", "aws/client", "aws/tables", "aws/backups", "aws/change_data", "aws/services", "aws/settings"}
RECOVERY = {
    "recovery", "recovery/snapshot", "recovery/changes", "recovery/plan", "recovery/apply", "recovery/changelog",
    "recovery/advice",
}  # fmt: skip
INCIDENT = {"incident"}
BASE = GROUND | AWS | RECOVERY | INCIDENT | {"config", "ui", "record"}
RUNBOOK = [  # top to bottom
    "drill", "finish", "timeline", "change_log", "copy_back", "adopt", "diff", "restore", "start", "session",
]  # fmt: skip
BESIDE = {
    ("runbook/adopt", "runbook/diff"),
    ("runbook/copy_back", "runbook/adopt"),
    ("runbook/timeline", "runbook/adopt"),
}
"""Rooms that stand beside each other, although one is named above the other."""

BELOW = {
    "errors": set(),
    "documents": {"errors"},
    "options": {"errors"},
    "files": {"errors"},
    "times": {"errors"},
    "aws": GROUND,
    "aws/client": GROUND | {"aws"},
    "aws/tables": GROUND | {"aws", "aws/client"},
    "aws/settings": GROUND | {"aws", "aws/client", "aws/tables"},
    "aws/backups": GROUND | {"aws", "aws/client", "aws/tables"},
    "aws/change_data": GROUND | {"aws", "aws/client", "aws/tables", "aws/backups"},
    "aws/services": GROUND | {"aws", "aws/client", "aws/tables", "aws/backups"},
    "recovery": GROUND,
    "recovery/advice": GROUND | AWS,
    "recovery/snapshot": GROUND | AWS | {"recovery"},
    "recovery/changes": GROUND | AWS | {"recovery", "recovery/snapshot"},
    "recovery/changelog": GROUND | AWS | {"recovery", "recovery/changes"},
    "recovery/plan": GROUND | AWS | {"recovery", "recovery/snapshot", "recovery/changes"},
    "recovery/apply": GROUND | AWS | {"recovery", "recovery/snapshot", "recovery/changes", "recovery/plan"},
    "incident": GROUND | AWS,
    "config": GROUND | AWS | RECOVERY | INCIDENT,
    "ui": GROUND | AWS | {"config"},
    "record": GROUND | AWS | INCIDENT | {"config", "ui"},
    "runbook": {"ui"},
    **{
        f"runbook/{room}": BASE
        | {f"runbook/{lower}" for lower in RUNBOOK[at + 1 :] if (f"runbook/{room}", f"runbook/{lower}") not in BESIDE}
        for at, room in enumerate(RUNBOOK)
    },
    "runner": BASE | {f"runbook/{room}" for room in RUNBOOK},
    "sandbox": {"sandbox/exports", "sandbox/protocol", "sandbox/server", "sandbox/store"},
    "sandbox/store": set(),
    "sandbox/protocol": {"sandbox/store"},
    "sandbox/access": {"sandbox/store", "sandbox/protocol"},
    "sandbox/services": {"sandbox/store", "sandbox/protocol"},
    "sandbox/exports": {"sandbox/store", "sandbox/protocol", "sandbox/access", "sandbox/services"},
    "sandbox/server": {
        "sandbox/store", "sandbox/protocol", "sandbox/access", "sandbox/services", "sandbox/exports",
    },
    "sandbox/scenario": {
        "sandbox/store", "sandbox/protocol", "sandbox/access", "sandbox/services", "sandbox/exports", "sandbox/server",
    },
}  # fmt: skip
BELOW["cli"] = set(BELOW) | {"cli"}
ONLY_IN = {
    "boto3": {"aws", "sandbox"},
    "botocore": {"aws", "sandbox"},
    "moto": {"sandbox"},
    "flask": {"sandbox"},
    "anywidget": {"ui", "runbook"},
    "ipywidgets": {"ui", "runbook"},
    "IPython": {"ui", "runbook"},
    "papermill": {"runner"},
    "duckdb": {"recovery"},
    "fcntl": {"files"},
}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "_notebooks" not in path.parts)


def name_of(path: Path) -> str:
    parts = ("pitrkit", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path): path for path in MODULES}
PACKAGES = {name for name, path in NAMES.items() if path.name == "__init__.py"}


def room_of(module: str) -> str:
    """The room that a module is in: its folder, or the module itself on the ground."""
    parts = module.split(".")[1:]
    return "/".join(parts if module in PACKAGES else parts[:-1] or parts)


def imports(path: Path):
    """What a module imports, wherever in it: modules of the kit by their names, others by their package's."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for name in node.names:
                full = f"{node.module}.{name.name}"
                yield full if full in NAMES else node.module


@pytest.mark.parametrize("module", NAMES)
def test_a_module_imports_only_from_its_own_room_and_those_below(module):
    room = room_of(module)
    for name in imports(NAMES[module]):
        root = name.split(".")[0]
        if root != "pitrkit":
            assert room.split("/")[0] in ONLY_IN.get(root, {room.split("/")[0]}), f"{module} imports {root}"
        elif name != "pitrkit" and module not in {"pitrkit", "pitrkit.__main__"}:
            assert room_of(name) in BELOW[room] | {room}, f"{module} of {room} imports {name} of {room_of(name)}"


ABOVE_AWS = sorted(name for name in NAMES if room_of(name).split("/")[0] not in {"aws", "sandbox"})

AWS_CALLS = {"call", "paginate", "client", "get_paginator", "prepared", "send_all"}
"""Methods that name an operation of AWS, or what leads to one; `send` is one where a module has the transport."""

OWN_CLIENT = {"pitrkit.cli.demo"}
"""Looks at the sandbox's tables past the kit, to check what the kit says of them."""


@pytest.mark.parametrize("module", ABOVE_AWS)
def test_aws_is_called_by_the_modules_of_its_rooms_alone(module):
    imported = set(imports(NAMES[module]))
    modules = {name.rpartition(".")[2] for name in imported if name in NAMES}
    calls = AWS_CALLS | ({"send"} if "pitrkit.aws.client.transport" in imported else set())
    found = [
        f"{module}:{node.lineno} calls .{node.func.attr}()"
        for node in ast.walk(ast.parse(NAMES[module].read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in calls
        and not (isinstance(node.func.value, ast.Name) and node.func.value.id in modules)
    ]
    assert bool(found) == (module in OWN_CLIENT), found


@pytest.mark.parametrize("module", sorted(NAMES.keys() - {"pitrkit.files"}))
def test_locks_and_what_is_brought_onto_the_disk_are_left_to_one_module(module):
    named = {node.attr for node in ast.walk(ast.parse(NAMES[module].read_text())) if isinstance(node, ast.Attribute)}
    assert not named & {"fsync", "fdatasync", "flock", "lockf", "O_EXCL"}


OF_OTHERS = {"pitrkit.documents", "pitrkit.record.run_record", "pitrkit.incident.working_copy"}
"""Reads the kit's documents for all others; read notebooks, which are Jupyter's."""


@pytest.mark.parametrize("module", ABOVE_AWS)
def test_a_document_is_read_in_one_way(module):
    loads = [
        node
        for node in ast.walk(ast.parse(NAMES[module].read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"json.load", "json.loads", "orjson.loads"}
    ]
    reads = {"read", "read_bytes", "read_text"}
    read = [
        f"{module}:{call.lineno}"
        for call in loads
        if any(isinstance(node, ast.Attribute) and node.attr in reads for node in ast.walk(call))
    ]
    assert not read or module in OF_OTHERS, read


def test_every_room_has_its_place():
    assert {room_of(name) for name in NAMES} - {"", "__main__"} == set(BELOW)


def test_no_module_and_no_room_is_in_a_circle():
    modules = {name: {other for other in imports(path) if other in NAMES} for name, path in NAMES.items()}
    rooms = {room: set() for room in BELOW}
    for name, others in modules.items():
        if room_of(name) in rooms:
            rooms[room_of(name)] |= {room_of(other) for other in others} & set(rooms) - {room_of(name)}
    for graph in (modules, rooms):
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as circle:
            pytest.fail(" -> ".join(circle.args[1]))


def test_the_layers_themselves_are_in_no_circle():
    TopologicalSorter({room: below - {room} for room, below in BELOW.items()}).prepare()


@pytest.mark.parametrize("room", sorted(BELOW.keys() - GROUND))
def test_a_room_says_what_it_is_for_and_runs_nothing(room):
    face = ast.parse((PACKAGE / room / "__init__.py").read_text())
    text = ast.get_docstring(face)
    assert text, "a room's face says what it is for, what to open first, what it may import"
    if room not in {"runbook", "sandbox", "cli"}:
        assert len(face.body) == 1, "importing a module of a room imports none of its neighbours"


def test_a_class_name_stands_for_one_thing():
    places = {}
    for module, path in NAMES.items():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(module)
    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}


@pytest.mark.parametrize("module", NAMES)
def test_a_module_is_short_enough_to_be_read_at_once(module):
    assert len(NAMES[module].read_text().splitlines()) <= TOO_LONG
