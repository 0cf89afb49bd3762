"""What to do with each kind of change, as an operator writes it: text that becomes a `Policy`."""

from __future__ import annotations

from pitrkit.recovery.policy import Policy
from pitrkit.runbook.book import flag


def policy(
    modified: str, inserted: str, attributes: str, *, guard: str = "", expired: str = "", mixed: str = ""
) -> Policy:
    """Return the policy an operator wrote as text.

    Args:
        modified: `keep`, `revert`, or blank to leave modified items for a person.
        inserted: `keep` or `delete`.
        attributes: Of modified items put back only these, with commas between; blank for all.
        guard: `item` or `attributes`: how much of a modified item must be unchanged since; blank for `item`.
        expired: `keep` or `put`: what to do with items that have expired; blank for `keep`.
        mixed: `ask` or `revert`: what to do with damaged items that others wrote as well; blank for `ask`.

    Raises:
        BadInput: A word is not known.
    """
    flag(modified, "modified", ("", "ask", "keep", "revert"))
    flag(inserted, "inserted", ("", "keep", "delete"))
    flag(guard, "guard", ("", "item", "attributes"))
    flag(expired, "expired", ("", "keep", "put"))
    flag(mixed, "mixed", ("", "ask", "revert"))
    names = tuple(name.strip() for name in attributes.split(",") if name.strip())
    return Policy(
        modified=modified or "ask",  # type: ignore[arg-type]
        inserted=inserted or "keep",  # type: ignore[arg-type]
        attributes=names,
        guard=guard or "item",  # type: ignore[arg-type]
        expired=expired or "keep",  # type: ignore[arg-type]
        mixed=mixed or "ask",  # type: ignore[arg-type]
    )
