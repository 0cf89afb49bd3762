"""The tables of options in the guide and the parameter cells of the notebooks, written from `pitrkit.options`.

    python -m tests.option_tables

writes them into `notebooks/guide/headless.md`, between the lines that mark their places, and into the notebooks.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from pitrkit import options
from pitrkit.options import Option

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
PAGE = NOTEBOOKS / "guide" / "headless.md"
PLACE = re.compile(r"(<!-- options: (\w+) -->\n)(.*?)(<!-- /options -->)", re.DOTALL)


def table(command: str) -> str:
    """Return a command's options as a table: option, value, default, what it does, notebooks that take it as well."""
    head = ["| option | value | default | what it does | notebooks |", "|---|---|---|---|---|"]
    return "\n".join([*head, *map(_row, options.of_command(command))]) + "\n"


def _row(option: Option) -> str:
    name = option.name.upper() if option.positional else option.flag
    if option.required or option.positional:
        default = "required"
    else:
        default = "" if option.default in {"", False} else f"`{option.default}`"
    takers = ", ".join(taker.partition(":")[0] for taker in option.notebooks)
    cells = (f"`{name}`", _value(option), default, option.help, takers)
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def _value(option: Option) -> str:
    if option.kind == "bool" or option.positional:
        return ""
    if option.choices:
        return ", ".join(f"`{choice}`" for choice in option.choices)
    return f"`{'NAME VALUE' if option.kind == 'pairs' else option.value or option.name.upper()}`"


def filled(text: str) -> str:
    """Return a page with its tables of options as they have to be."""
    return PLACE.sub(lambda place: f"{place[1]}{table(place[2])}{place[4]}", text)


def cell(notebook: Path) -> str:
    """Return the parameters cell of a notebook as it has to be."""
    number = notebook.stem[:2]
    return "\n".join(option.line_for(number) for option in options.of_notebook(number))


def with_cell(notebook: Path) -> str:
    """Return a notebook's file with its parameters cell as it has to be."""
    made = json.loads(notebook.read_text())
    made["cells"][1]["source"] = cell(notebook)
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        path.write_text(with_cell(path))
