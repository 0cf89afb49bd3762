"""A notebook's parameters: what its cell tagged `parameters` declares, and values that fit.

papermill takes whatever it is given: an unknown name is a warning, `1e5` becomes a number. Here names must be
known, and a value is read as the type that the notebook declares.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pitrkit.errors import BadInput

_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that a notebook declares: `name: kind = default  # help`."""

    name: str
    kind: Literal["str", "int", "float", "bool"]
    default: str
    help: str

    def __str__(self) -> str:
        return f"{self.name}: {self.kind} = {self.default}" + (f"  # {self.help}" if self.help else "")


def parameters_of(notebook: Path) -> dict[str, Parameter]:
    """Return the parameters that a notebook declares in its cell tagged `parameters`.

    Raises:
        BadInput: The file is not a notebook.
    """
    import papermill  # noqa: PLC0415 (two seconds that `pitrkit --help` need not take)

    try:
        inspected = papermill.inspect_notebook(literal_path(notebook))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise BadInput(
            f"{notebook} cannot be read as a notebook: {error}",
            fix="Give a Jupyter notebook whose metadata name the kernel python3.",
        ) from error
    return {name: _declared(name, inspected[name]) for name in inspected}


def typed(given: dict[str, str], declared: dict[str, Parameter], notebook: str) -> dict[str, Any]:
    """Return the values of parameters as the types that the notebook declares.

    Raises:
        BadInput: A parameter is unknown, or its value does not fit its type.
    """
    unknown = sorted(given.keys() - declared.keys())
    if unknown:
        declared_names = "".join(f"\n     {parameter}" for parameter in declared.values()) or " none"
        names = ", ".join(unknown)
        raise BadInput(f"{notebook} has no parameter {names}", fix=f"Its parameters are:{declared_names}")
    return {name: _value(text, declared[name]) for name, text in given.items()}


def _value(text: str, parameter: Parameter) -> Any:
    try:
        match parameter.kind:
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "bool":
                if text.lower() in (*_TRUE, *_FALSE):
                    return text.lower() in _TRUE
                raise ValueError(text)
            case _:
                return text
    except ValueError as error:
        expected_type = {"int": "a whole number", "float": "a number", "bool": "true or false"}[parameter.kind]
        raise BadInput(f"parameter {parameter.name} is {text!r}", fix=f"Give {expected_type}.") from error


def _declared(name: str, declared: dict[str, Any]) -> Parameter:
    kind, default = declared["inferred_type_name"], declared["default"]
    if kind not in ("str", "int", "float", "bool"):
        # Without an annotation its default tells; what that cannot tell stays text.
        try:
            kind = type(ast.literal_eval(default)).__name__
        except (ValueError, SyntaxError):
            kind = "str"
    return Parameter(name, kind if kind in ("int", "float", "bool") else "str", default, declared["help"])


def literal_path(path: Path) -> str:
    """Return the path as papermill wants it: it takes braces for places to fill."""
    return str(path).replace("{", "{{").replace("}", "}}")
