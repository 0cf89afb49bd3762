"""Whereabouts: the account that calls go to, as a sign that cannot be taken for another account's.

Production is red and says so, the sandbox is striped. A named account has a colour of its own, spread over the wheel in
the order of the settings; one that nobody has named is only outlined, in a colour that its number decides. The colour
never stands alone: the words beside it say the same.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pitrkit.runbook import settings
from pitrkit.runbook.place import Place, PlaceKind

if TYPE_CHECKING:
    from pitrkit.dynamodb.session import Caller
    from pitrkit.runbook.settings import Settings

_FIRST_HUE, _HUES = 45, 275
"""Hues from yellow to violet: what is near red is kept for production."""


def sign(caller: Caller, endpoint_url: str = "", known: Settings | None = None) -> Place:
    """Return the sign of where *caller* works.

    Args:
        caller: Who is asking.
        endpoint_url: Where calls go if not to AWS.
        known: The team's settings; those that count in the current folder if absent.

    Raises:
        BadInput: The settings cannot be read.
    """
    known = known if known is not None else settings.read()
    account = known.accounts.get(caller.account)
    kind: PlaceKind = "unnamed"
    if endpoint_url:
        kind = "sandbox"
    elif account is not None:
        kind = "production" if account.production else "named"
    return Place(
        kind=kind,
        name=account.name if account else "",
        account=caller.account or "unknown",
        region=caller.region or "unknown",
        who=_who(caller.arn),
        arn=caller.arn or "unknown",
        endpoint=endpoint_url,
        hue=_hue(caller.account, known),
    )


def _hue(account: str, known: Settings) -> int:
    harmless = [one.id for one in known.accounts.values() if not one.production]
    if account in harmless:
        return _FIRST_HUE + harmless.index(account) * _HUES // len(harmless)
    number = int.from_bytes(hashlib.sha256(account.encode("utf-8", "replace")).digest()[:4])
    return _FIRST_HUE + number % _HUES


def _who(arn: str) -> str:
    """Return who an ARN is, in short: `oncall / kim` of an assumed role, `kim` of a user."""
    kind, _, rest = arn.rpartition(":")[2].partition("/")
    if kind == "assumed-role":
        return rest.replace("/", " / ")
    return rest.rpartition("/")[2] or kind or "unknown"
