"""A freeze as a part of an incident: intended on disk before it is done, and undone whatever ends the copy.

What a process that was killed has left in force is in `incident.json`: the next run of a notebook that copies undoes
it first, and so does `pitrkit unfreeze`. A lock says whether the run that holds others off is still alive.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from threading import Thread
from typing import Any

from pitrkit import files
from pitrkit.aws.client.client import Aws
from pitrkit.aws.tables import resource_policy
from pitrkit.aws.tables.resource_policy import PolicyChanged
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import AccessDenied, AwsError, BadInput, PitrkitError
from pitrkit.incident.incident import Incident
from pitrkit.recovery.plan import freeze as freezes
from pitrkit.recovery.plan.freeze import Freeze, Lifted
from pitrkit.recovery.plan.preflight import TargetFinding
from pitrkit.runbook.session.session import Session
from pitrkit.times import iso, now
from pitrkit.ui.text import duration_estimate

KEPT = "freeze"
"""Where `incident.json` holds it."""

LOCK = "freeze.lock"

_IN_FORCE = ("intended", "frozen")


def finding(aws: Aws, table: Table, *, incident: str, seconds: float) -> TargetFinding:
    """Return what holding others off will do, once it is seen that it can be done; nothing is changed.

    Raises:
        BadInput: It cannot be done with the policy that the table has.
        AccessDenied: The policy may not be read.
    """
    would = _intend(aws, table, incident)
    but = would.principals[0].partition(":role/")
    others = "callers of the same role are not blocked" if but[1] else "this user's other programs are not blocked"
    elsewhere = f", nor are writers in {', '.join(table.replicas)}" if table.replicas else ""
    return TargetFinding(
        "freeze",
        "warning",
        f"while this copy writes, for {duration_estimate(seconds)}, everybody's writes to the table except those of "
        f"{would.principals[0]} are refused with AccessDenied: the shop stops writing; {others}{elsewhere}",
        "Tell those who write. It is undone when the copy ends, however it ends; after a crash by the next run, or by "
        f"pitrkit unfreeze {incident}",
    )


@contextmanager
def frozen(session: Session, table: Table) -> Iterator[None]:
    """Hold other writers off the table for as long as the block lasts.

    Raises:
        PitrkitError: It could not be done, and nothing was; or it could not be undone, and may be in force.
    """
    with _alive(session.incident):
        _held_off_by_none(session)
        would = _intend(session.aws, table, session.incident.id)
        session.keep("freeze_intended", freeze={"state": "intended", **would.to_dict(), "by": session.aws.caller().arn})
        try:
            done = _put(session, would)
            session.keep("freeze_put", into={KEPT: {"state": "frozen", "frozen_at": iso(now()), **done.to_dict()}})
            yield
        except _Refused as refused:
            raise refused.error from None
        except BaseException as error:
            _undo(session, error)
            raise
        _undo(session, None)


def left_over(session: Session) -> Lifted | None:
    """Undo a freeze that an earlier run of this incident has left, and return how; None where there is none.

    Raises:
        BadInput: The run that froze the table is still alive.
        PitrkitError: It could not be undone, and may be in force.
    """
    if not is_in_force(session.data):
        return None
    with _alive(session.incident):
        return _lift(session)


def is_in_force(data: dict[str, Any]) -> bool:
    """Return whether an incident, as its `incident.json` has it, may hold others off its table."""
    return (data.get(KEPT) or {}).get("state") in _IN_FORCE


def to_text(data: dict[str, Any]) -> str:
    """Return what became of the freeze of an incident, as its `incident.json` has it; blank if there was none."""
    record = data.get(KEPT) or {}
    match record.get("state"):
        case "lifted":
            return Lifted(record["how"]).words
        case "intended" | "frozen":
            return f"Other writers may still be blocked: pitrkit unfreeze {data.get('incident', '')}"
        case "refused":
            return "Other writers were not blocked: the table's policy could not be changed."
    return ""


def _intend(aws: Aws, table: Table, incident: str) -> Freeze:
    policy = resource_policy.read(aws, table.name, table.arn)
    return freezes.intend(policy, table, incident=incident, caller=aws.caller().arn)


class _Refused(Exception):
    """The freeze was refused, so there is nothing to undo."""

    def __init__(self, error: AwsError) -> None:
        super().__init__()
        self.error = error


def _put(session: Session, would: Freeze) -> Freeze:
    try:
        return freezes.apply_freeze(session.aws, would)
    except (AccessDenied, PolicyChanged) as error:
        session.keep("freeze_refused", into={KEPT: {"state": "refused", "why": error.what}})
        raise _Refused(error) from error


def _held_off_by_none(session: Session) -> None:
    if is_in_force(session.data):
        _lift(session)


def _undo(session: Session, error: BaseException | None) -> None:
    """Undo the freeze, whatever interrupts: what is asked for twice at most ends the copy sooner."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            _lift(session)
        except BaseException as problem:  # noqa: BLE001 (raised below)
            failed.append(problem)

    thread = Thread(target=work, name="unfreeze")
    thread.start()
    while thread.is_alive():
        with suppress(KeyboardInterrupt):
            thread.join(0.2)
    if failed:
        failure_text = failed[0].what if isinstance(failed[0], PitrkitError) else str(failed[0])
        session.note("freeze_not_lifted", why=failure_text)
        ended = f"; the copy ended with: {error}" if error is not None else ""
        raise PitrkitError(
            f"other writers are still blocked, as that could not be undone: {failure_text}{ended}",
            table=str(session.data.get("table", "")),
            fix=f"pitrkit unfreeze {session.incident.id}",
        ) from failed[0]


def _lift(session: Session) -> Lifted:
    freeze = Freeze.from_dict(session.data[KEPT])
    lifted = freezes.lift(session.aws, freeze)
    record = {"state": "lifted", "lifted_at": iso(now()), "how": lifted.how, "lifted_by": session.aws.caller().arn}
    session.keep("freeze_lifted", into={KEPT: {**record, "lift_request_id": lifted.request_id}})
    confirmed = True
    with suppress(AwsError):  # it is undone; only when that is told is not known
        confirmed = freezes.await_lifted(session.aws, freeze)
    return replace(lifted, told=confirmed)


@contextmanager
def _alive(incident: Incident) -> Iterator[None]:
    """Hold the lock that says that a run of this incident is at work on its freeze."""
    with ExitStack() as stack:
        try:
            stack.enter_context(files.locked(incident.path(LOCK), wait=False))
        except BlockingIOError:
            raise BadInput(
                "a run of this incident is writing and holds other writers off",
                fix="Let it end, or end it: it undoes that itself.",
            ) from None
        yield
