"""The working copy: an incident's own notebooks, in which its name stands already.

JupyterLab shows a folder `runbook`. In it each incident has a folder of its own with a copy of every notebook, so a
link from one to the next carries the incident, two incidents never share a notebook, and one that is opened tomorrow
still shows what it showed. The copies are the operator's: what is there is never replaced. They lie outside of the
incident's record, which is sealed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pitrkit.errors import BadInput
from pitrkit.incident.incident import WORKING_COPY_VARIABLE, Incident


def notebooks_folder() -> Path:
    """Return where the runbook's notebooks are: in the installed package, or beside it in a checkout.

    Raises:
        BadInput: They are in neither place.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_notebooks", package.parent / "notebooks"):
        if any(folder.glob("*.ipynb")):
            return folder
    raise BadInput("the runbook's notebooks are missing", fix="Install pitrkit again, or run from its checkout.")


_NAMED = ("01_select_table", "11_deleted_table")
"""Notebooks that begin an incident: they are given its table as well."""


def folder() -> Path | None:
    """Return the folder with the notebooks that JupyterLab shows, None outside of it."""
    path_text = os.environ.get(WORKING_COPY_VARIABLE)
    return Path(path_text).resolve() if path_text and Path(path_text).is_dir() else None


def lay_out(incident: Incident) -> Path | None:
    """Make the incident's notebooks where they are missing and return their folder; None outside of JupyterLab.

    A drill has none: the next one is another run of the same notebook. A folder that cannot be written is no reason to
    stop a recovery: then links lead to the notebooks without a name.
    """
    lab_folder = folder()
    if lab_folder is None or incident.data.get("drill"):
        return None
    place = lab_folder / incident.id
    missing = [path for path in sorted(notebooks_folder().glob("*.ipynb")) if not (place / path.name).exists()]
    if not missing:
        return place
    try:
        place.mkdir(exist_ok=True)
        table = str(incident.data.get("table") or "")
        for path in missing:
            values = {"incident": incident.id, **({"table": table} if path.stem in _NAMED and table else {})}
            if (notebook := filled(json.loads(path.read_bytes()), values)) is not None:
                _put(place / path.name, notebook)
    except OSError:
        return None
    return place


def renew(lab_folder: Path, at: datetime) -> None:
    """Replace the notebooks of every incident that another version has laid out.

    What was there is kept in the incident's folder, in one named after the time.

    Args:
        lab_folder: The folder with the notebooks that JupyterLab shows.
        at: What time it is.

    Raises:
        OSError: A folder cannot be written.
    """
    for place in sorted(path for path in lab_folder.iterdir() if path.is_dir()):
        older = place / f"older-{at:%Y%m%d-%H%M%S}"
        for path in sorted(notebooks_folder().glob("*.ipynb")):
            own = place / path.name
            if not own.is_file():
                continue
            previous = _read(own)
            current = filled(json.loads(path.read_bytes()), {"incident": place.name} | _values(previous))
            if current is None or _code(previous) == _code(current):
                continue
            older.mkdir(exist_ok=True)
            own.replace(older / path.name)
            _put(own, current)


def _put(path: Path, notebook: Mapping[str, Any]) -> None:
    """Write a notebook so that it is there whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    fresh.replace(path)


def _read(path: Path) -> dict[str, Any]:
    """Return a notebook, one without cells where it is none."""
    try:
        notebook = json.loads(path.read_bytes())
    except ValueError:
        return {"cells": []}
    return notebook if isinstance(notebook, dict) and isinstance(notebook.get("cells"), list) else {"cells": []}


def _values(notebook: Mapping[str, Any]) -> dict[str, str]:
    """Return the incident and table that a working copy names in its parameters."""
    source = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if _is_parameters(cell))
    assignments = re.findall(r'^(incident|table): str = ("(?:[^"\\]|\\.)*")', source, re.MULTILINE)
    return {name: value for name, text in assignments if (value := json.loads(text))}


def _code(notebook: Mapping[str, Any]) -> list[str]:
    """Return the code of a notebook without its parameters, which an operator may have changed."""
    cells = (cell for cell in notebook["cells"] if cell["cell_type"] == "code" and not _is_parameters(cell))
    return ["".join(cell["source"]) for cell in cells]


def _is_parameters(cell: Mapping[str, Any]) -> bool:
    return "parameters" in cell["metadata"].get("tags", ())


def filled(notebook: dict[str, Any], values: Mapping[str, str]) -> dict[str, Any] | None:
    """Return *notebook* with *values* as its parameters' defaults; None if it does not declare `incident`.

    Only blank text parameters are filled.
    """
    for cell in notebook["cells"]:
        if not _is_parameters(cell):
            continue
        source = "".join(cell["source"])
        if not re.search(r"^incident: str = ", source, re.MULTILINE):
            return None
        for name, value in values.items():
            blank = re.compile(rf'^({re.escape(name)}: str = )""', re.MULTILINE)
            source = blank.sub(lambda match, value=value: match[1] + json.dumps(value), source)  # type: ignore[misc]
        cell["source"] = source.splitlines(keepends=True)
        return notebook
    return None


def link(notebook: str, incident: str = "") -> str:
    """Return the relative path from the running notebook to *notebook*, the incident's own copy where there is one."""
    lab_folder = folder()
    current_folder = Path.cwd()
    if lab_folder is None or not current_folder.is_relative_to(lab_folder):
        return f"{notebook}.ipynb"
    own = lab_folder / incident / f"{notebook}.ipynb" if incident else None
    target = own if own is not None and own.is_file() else lab_folder / f"{notebook}.ipynb"
    return os.path.relpath(target, current_folder)
