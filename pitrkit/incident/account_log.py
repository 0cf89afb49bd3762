"""What is done to an account outside of any incident, in a log of its own: `_account/events.jsonl`."""

from __future__ import annotations

from typing import Any

from pitrkit import files
from pitrkit.aws.client.client import Aws, Called
from pitrkit.incident import event_log
from pitrkit.incident.event_log import CALL
from pitrkit.incident.incident import EVENTS, LOCK, root_folder
from pitrkit.times import now

FOLDER = "_account"


def note(event: str, **data: Any) -> None:
    """Record that something happened; it is on disk when this returns.

    Raises:
        PitrkitError: It could not be written.
    """
    folder = root_folder() / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with files.locked(folder / LOCK):
        event_log.append(folder / EVENTS, event, data, now())


def connect(region: str = "") -> Aws:
    """Return the account that the environment names; what is changed by it is recorded here."""
    aws = Aws.connect(region=region)
    aws.on_change = called
    return aws


def called(call: Called) -> None:
    """Record a call that changed something."""
    note(CALL, **call.to_dict())
