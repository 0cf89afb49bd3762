"""The boundary: accounts, Regions and tables that the team's settings hold the kit to (`[guard]` in `pitrkit.toml`).

It is asked when the kit connects and when it takes up a table: before an incident comes to be, and so before anything
could be written. Copies are not held to the tables' names: a restore makes a new table, whatever it is called, and
nothing is written into one. A sandbox is held to the settings as AWS is; one that the kit starts itself has none.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pitrkit.config import team_settings
from pitrkit.errors import BadInput

if TYPE_CHECKING:
    from pitrkit.aws.client.client import Caller
    from pitrkit.config.team_settings import Settings


WITHOUT_SETTINGS = {team_settings.VARIABLE: os.devnull}
"""Environment of what works in a sandbox of the kit's own: no settings, so nothing to be held to."""


def check(caller: Caller, *, table: str = "", endpoint_url: str = "", settings: Settings | None = None) -> None:
    """Let pass what is within the boundary.

    Args:
        caller: Who would work, and where.
        table: The table that is meant, blank if none is yet.
        endpoint_url: Where calls go if not to AWS.
        settings: The team's settings; those that count in the current folder if absent.

    Raises:
        BadInput: The account, the Region or the table is outside, or the settings cannot be read.
    """
    settings = settings if settings is not None else team_settings.read()
    place = f" at {endpoint_url}" if endpoint_url else ""
    elsewhere = f" For a sandbox, set {team_settings.VARIABLE}={os.devnull}." if endpoint_url else ""
    guard = settings.guard
    if guard.accounts and caller.account not in guard.accounts:
        allowed_accounts = ", ".join(_named(account, settings) for account in guard.accounts)
        raise BadInput(
            f"this is account {_named(caller.account, settings)}{place}, and the kit may run in "
            f"{allowed_accounts} only: [guard] accounts in {settings.path}",
            table=table,
            fix=f"Use that account's credentials, or add this one to the list.{elsewhere}",
        )
    if guard.regions and caller.region not in guard.regions:
        raise BadInput(
            f"this is Region {caller.region}{place}, and the kit may run in {', '.join(guard.regions)} only: "
            f"[guard] regions in {settings.path}",
            table=table,
            fix=f"Set AWS_REGION to one of these, or add this one to the list.{elsewhere}",
        )
    check_table(table, settings)


def check_table(table: str, settings: Settings | None = None) -> None:
    """Let pass a table within the boundary, or a blank name; nobody is asked anything.

    Raises:
        BadInput: It is outside, or the settings cannot be read.
    """
    settings = settings if settings is not None else team_settings.read()
    if table and not holds(table, settings):
        raise BadInput(
            f"the table {table} is none of those that the kit may work on, {', '.join(settings.guard.tables)}: "
            f"[guard] tables in {settings.path}",
            table=table,
            fix="Check the table's name, or add it to the list.",
        )


def holds(table: str, settings: Settings | None = None) -> bool:
    """Return whether *table* is within the boundary."""
    patterns = (settings if settings is not None else team_settings.read()).guard.tables
    return not patterns or any(fnmatchcase(table, pattern) for pattern in patterns)


def to_text(settings: Settings | None = None) -> str:
    """Return what the settings hold the kit to, in a sentence."""
    settings = settings if settings is not None else team_settings.read()
    guard_limits = [(name, getattr(settings.guard, name)) for name in ("accounts", "regions", "tables")]
    limits_text = "; ".join(f"{name} {', '.join(values)}" for name, values in guard_limits if values)
    if not limits_text:
        return "No guardrails set: any account, Region or table is allowed. Set them in [guard] of pitrkit.toml."
    return f"The kit runs for {limits_text} only: [guard] in {settings.path}."


def _named(account: str, settings: Settings) -> str:
    named = settings.accounts.get(account)
    return f"{account} ({named.name})" if named else account
