"""The place: who is at work in which account, as a block that cannot be mistaken for another account's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

PlaceKind = Literal["sandbox", "production", "named", "unnamed"]
_PLACES: dict[PlaceKind, str] = {"sandbox": "sandbox", "production": "PRODUCTION", "named": "AWS", "unnamed": "AWS"}


@dataclass(frozen=True, slots=True)
class Place:
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
