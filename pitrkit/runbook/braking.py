"""The brakes of a copy as an operator asks for them, as text: alarms, a ceiling, a stop file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pitrkit.dynamodb.session import Aws
from pitrkit.recovery import brakes
from pitrkit.recovery.brakes import Brake


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
