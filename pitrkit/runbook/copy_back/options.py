"""An operator's options as a `Policy` for each kind of change and as brakes: alarms, a ceiling, a stop file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pitrkit.aws.client.client import Aws
from pitrkit.options import choose
from pitrkit.recovery.apply import brakes
from pitrkit.recovery.apply.brakes import Brake
from pitrkit.recovery.plan.policy import Policy


@dataclass(frozen=True, slots=True)
class Braking:
    """What may slow a copy down or stop it besides its pace; what is left at its default does not.

    Attributes:
        alarms: Names of CloudWatch alarms, with commas between: one in ALARM pauses the copy.
        ceiling: Write units a second that the table may consume in all, others' writes among them; 0 for no ceiling.
        stop_file: Path of a file that ends the run while it exists.
    """

    alarms: str = ""
    ceiling: float = 0.0
    stop_file: str = ""

    def brakes(self, aws: Aws, table: str) -> list[Brake]:
        """Return them, each seen to work.

        Raises:
            BadInput: There is no such alarm, or the ceiling allows nothing.
            AccessDenied: Alarms or metrics may not be read.
        """
        names = list(dict.fromkeys(name.strip() for name in self.alarms.split(",") if name.strip()))
        stop = Path(whole_path(self.stop_file)) if self.stop_file else None
        return brakes.chosen(aws, table, alarms=names, ceiling=self.ceiling, stop_file=stop)

    def to_parameters(self) -> dict[str, str | float]:
        """Return them as parameters of a notebook that is run from any folder; blank where there is none."""
        return {"alarms": self.alarms, "ceiling": self.ceiling or "", "stop_file": whole_path(self.stop_file)}


def whole_path(path: str) -> str:
    """Return a path that means the same file from any folder; blank stays blank."""
    return str(Path(path).expanduser().absolute()) if path.strip() else ""


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
    choose("modified", modified, "ask")
    choose("inserted", inserted)
    choose("guard", guard)
    choose("expired", expired)
    choose("mixed", mixed)
    names = tuple(name.strip() for name in attributes.split(",") if name.strip())
    return Policy(
        modified=modified or "ask",  # type: ignore[arg-type]
        inserted=inserted or "keep",  # type: ignore[arg-type]
        attributes=names,
        guard=guard or "item",  # type: ignore[arg-type]
        expired=expired or "keep",  # type: ignore[arg-type]
        mixed=mixed or "ask",  # type: ignore[arg-type]
    )
