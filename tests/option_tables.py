"""Tables of a command's options for the guide, as the command line's parser has them.

    python -m tests.option_tables

writes them into `notebooks/guide/headless.md`, between the lines that mark their places.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from pitrkit.cli import parser

PAGE = Path(__file__).parents[1] / "notebooks" / "guide" / "headless.md"
PLACE = re.compile(r"(<!-- options: (\w+) -->\n)(.*?)(<!-- /options -->)", re.DOTALL)


def commands() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command."""
    (choices,) = [action.choices for action in parser()._actions if isinstance(action.choices, dict)]
    return choices


def table(command: argparse.ArgumentParser) -> str:
    """Return a command's options as a table: option, value, default, what it does."""
    actions = [action for action in command._actions if not isinstance(action, argparse._HelpAction)]
    return "\n".join(["| option | value | default | what it does |", "|---|---|---|---|", *map(_row, actions)]) + "\n"


def _row(action: argparse.Action) -> str:
    name = f"`{action.option_strings[0] if action.option_strings else action.dest.upper()}`"
    default = (
        "required" if action.required else "" if action.default in (None, "", [], False) else f"`{action.default}`"
    )
    return f"| {name} | {_value(action)} | {default} | {action.help} |".replace("|  |", "| |").replace("|  |", "| |")


def _value(action: argparse.Action) -> str:
    if action.nargs == 0 or not action.option_strings:
        return ""
    if action.choices:
        return ", ".join(f"`{choice}`" for choice in action.choices)
    metavar = action.metavar or action.dest.upper()
    return f"`{metavar if isinstance(metavar, str) else ' '.join(metavar)}`"


def filled(text: str) -> str:
    """Return a page with its tables of options as they have to be."""
    known = commands()
    return PLACE.sub(lambda place: f"{place[1]}{table(known[place[2]])}{place[4]}", text)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
