"""The account that calls go to, shown so that it cannot be taken for another account.

Production is red and says so, the sandbox is striped. A named account has a colour of its own, spread over the wheel in
the order of the settings; one that nobody has named is only outlined, in a colour that its number decides. The colour
never stands alone: the words beside it say the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pitrkit.config import team_settings

if TYPE_CHECKING:
    from pitrkit.aws.client.client import Caller
    from pitrkit.config.team_settings import Settings


PlaceKind = Literal["sandbox", "production", "named", "unnamed"]
_PLACES: dict[PlaceKind, str] = {"sandbox": "sandbox", "production": "PRODUCTION", "named": "AWS", "unnamed": "AWS"}


@dataclass(frozen=True, slots=True)
class AccountBadge:
    """Who is at work in which account.

    Attributes:
        kind: What mistakes cost there.
        name: What the team calls the account, blank if it has no name.
        who: Who is asking, in short.
        endpoint: Where calls go if not to AWS.
        hue: Of the account's colour, in degrees.
    """

    block: ClassVar[str] = "place"
    kind: PlaceKind
    name: str
    account: str
    region: str
    who: str
    arn: str
    endpoint: str = ""
    hue: int = 210

    @property
    def title(self) -> str:
        """The kind in a word."""
        return _PLACES[self.kind]

    @property
    def number(self) -> str:
        """The account's digits in groups, to be compared by eye."""
        text = self.account
        return " ".join(text[at : at + 4] for at in range(0, len(text), 4)) if text.isdigit() else text

    def lines(self) -> list[str]:
        """Return the account and the region, then the caller."""
        first = [f"[{self.title}]", self.name, f"account {self.number}", f"region {self.region}"]
        second = [self.who, self.arn, f"calls go to {self.endpoint}, not to AWS" if self.endpoint else ""]
        return ["  ".join(filter(None, first)), "  ".join(filter(None, second))]


_FIRST_HUE, _HUES = 45, 275
"""Hues from yellow to violet: what is near red is kept for production."""


def sign(caller: Caller, endpoint_url: str = "", settings: Settings | None = None) -> AccountBadge:
    """Return the sign of where *caller* works.

    Args:
        caller: Who is asking.
        endpoint_url: Where calls go if not to AWS.
        settings: The team's settings; those that count in the current folder if absent.

    Raises:
        BadInput: The settings cannot be read.
    """
    settings = settings if settings is not None else team_settings.read()
    account = settings.accounts.get(caller.account)
    kind: PlaceKind = "unnamed"
    if endpoint_url:
        kind = "sandbox"
    elif account is not None:
        kind = "production" if account.production else "named"
    return AccountBadge(
        kind=kind,
        name=account.name if account else "",
        account=caller.account or "unknown",
        region=caller.region or "unknown",
        who=_who(caller.arn),
        arn=caller.arn or "unknown",
        endpoint=endpoint_url,
        hue=_hue(caller.account, settings),
    )


def _hue(account: str, settings: Settings) -> int:
    harmless = [named_account.id for named_account in settings.accounts.values() if not named_account.production]
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
