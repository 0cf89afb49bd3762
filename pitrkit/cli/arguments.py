"""The command line's arguments, out of the table of options."""

from __future__ import annotations

import argparse
from typing import Any

from pitrkit import options
from pitrkit.options import Option

_TYPES = {"int": int, "float": float, "str": str}


def add(parser: argparse.ArgumentParser, command: str) -> None:
    """Add the options of *command* to its parser.

    What notebooks take as well is passed on to them as text, blank where it is not given.
    """
    for option in options.of_command(command):
        parser.add_argument(option.flag, **_how(option))


def _how(option: Option) -> dict[str, Any]:
    if option.positional:
        return {"help": option.help}
    if option.kind == "pairs":
        return {
            "help": option.help, "dest": option.name, "nargs": 2, "action": "append", "default": [],
            "metavar": ("NAME", "VALUE"),
        }  # fmt: skip
    keywords: dict[str, Any] = {"help": option.help, "dest": option.name}
    if option.kind == "bool":
        return keywords | (
            {"action": "store_const", "const": "true", "default": ""} if option.notebooks else {"action": "store_true"}
        )
    keywords |= {"metavar": option.value or None, "choices": option.choices or None}
    if option.required:
        return keywords | {"required": True}
    if option.notebooks:
        return keywords | {"default": ""}
    return keywords | {"type": _TYPES[option.kind], "default": option.default}
