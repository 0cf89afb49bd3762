"""The settings of a team: `pitrkit.toml`, typed and checked, beside the incidents or in a folder above.

    [accounts.123456789012]
    name = "shop production"
    production = true

Every key is known, and one that is not is refused: a misspelt `prodution` must not turn an account harmless.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pitrkit.errors import BadInput

NAME = "pitrkit.toml"
VARIABLE = "PITRKIT_SETTINGS"
"""Environment variable that names the file; otherwise the nearest `pitrkit.toml` from the current folder upwards."""

_ACCOUNT = re.compile(r"\d{12}\Z")
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Account:
    """An AWS account that the team has named.

    Attributes:
        id: Its twelve digits.
        name: What people call it.
        production: Whether a mistake there hurts.
    """

    id: str
    name: str
    production: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """What `pitrkit.toml` says.

    Attributes:
        accounts: Accounts by id, in the file's order.
        path: The file; None where there is none.
    """

    accounts: Mapping[str, Account] = field(default_factory=dict)
    path: Path | None = None


def find(start: Path | None = None) -> Path | None:
    """Return the settings file that counts in *start* (the current folder if absent), None where there is none."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    here = (start or Path.cwd()).absolute()
    return next((path for folder in (here, *here.parents) if (path := folder / NAME).is_file()), None)


def read(path: Path | None = None) -> Settings:
    """Return the settings in *path*, or in the file that counts here; without a file there are none.

    Raises:
        BadInput: The file cannot be read, or says something that is not known.
    """
    path = path or find()
    if path is None:
        return Settings()
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path} cannot be read: {error}", fix=f"Mend it, or set {VARIABLE} to another settings file."
        ) from error
    _known(path, "", said, ("accounts",))
    accounts = _table(path, "accounts", said.get("accounts", {}))
    return Settings({name: _account(path, name, value) for name, value in accounts.items()}, path)


def _account(path: Path, name: str, value: Any) -> Account:
    where = f"accounts.{name}"
    if not _ACCOUNT.match(name):
        raise _bad(path, f"[{where}] is no account", "An account's id has twelve digits.")
    said = _table(path, where, value)
    _known(path, where, said, ("name", "production"))
    title, production = said.get("name"), said.get("production", False)
    if not isinstance(title, str) or not 0 < len(title.strip()) <= _LONGEST_NAME:
        raise _bad(path, f"[{where}] has no name", f"Give `name`, a text of up to {_LONGEST_NAME} characters.")
    if not isinstance(production, bool):
        raise _bad(path, f"[{where}] production is {production!r}", "Write production = true, or false.")
    return Account(name, title.strip(), production)


def _table(path: Path, where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _bad(path, f"{where} is no table", f"Write [{where}] on a line of its own, and its keys below.")
    return value


def _known(path: Path, where: str, said: Mapping[str, Any], names: tuple[str, ...]) -> None:
    if unknown := sorted(said.keys() - set(names)):
        place = f"[{where}] has" if where else "there are"
        raise _bad(path, f"{place} unknown keys: {', '.join(unknown)}", f"Known are: {', '.join(names)}.")


def _bad(path: Path, what: str, fix: str) -> BadInput:
    return BadInput(f"{path}: {what}", fix=fix)
