"""A frozen copy in a process of its own, to be killed at any moment."""

from pitrkit.aws.client.client import Aws
from pitrkit.runbook.copy_back import copy_back
from pitrkit.runbook.session.session import Session


def copying(incident: str, pace: float) -> None:
    """Plan, approve and write, while others are held off."""
    session = Session.open(incident, aws=Aws.connect())
    copy = copy_back.plan(session, modified="revert", accept="no-pitr", write_units=pace, freeze=True)
    copy.gate(copy.plan.digest)
    copy.apply()
