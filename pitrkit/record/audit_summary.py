"""What a record says of its incident, in a page: who did what, when, with whose approval, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pitrkit import documents
from pitrkit.incident.event_log import CALL, LogEvent
from pitrkit.incident.incident import STATE
from pitrkit.incident.provenance import WORKED_IN
from pitrkit.incident.state import SHORTEST
from pitrkit.record.manifest import SEALED, Holding

_OUTCOMES = ("applied", "already", "conflicts", "failed")


@dataclass(frozen=True, slots=True)
class Summary:
    """What a record says. Times are ISO 8601, in UTC.

    Attributes:
        table: The damaged table, its ARN if that is known.
        account: The account.
        region: The region.
        opened_at: When the incident was opened.
        last_at: When the last thing was recorded.
        people: Who worked on it: `by` (ARN), `user`, `host`, `since`.
        versions: What was worked with last.
        runs: Notebooks that ran headless: `notebook`, `at`, `ended`, `parameters`.
        approvals: What was approved: `digest`, `approved_at`, `how`, `by`, `user`, `action`.
        copies: What came of each plan that was written: `plan`, and how many writes ended how.
        calls: Calls that changed something in AWS: `at`, `operation`, `table`, `outcome`, `request_id`.
        seals: `at`, `manifest`, and the `signature`'s key or why there is none.
    """

    table: str = ""
    account: str = ""
    region: str = ""
    opened_at: str = ""
    last_at: str = ""
    people: Sequence[dict[str, str]] = ()
    versions: dict[str, str] | None = None
    runs: Sequence[dict[str, Any]] = ()
    approvals: Sequence[dict[str, str]] = ()
    copies: Sequence[dict[str, Any]] = ()
    calls: Sequence[dict[str, str]] = ()
    seals: Sequence[dict[str, str]] = ()

    @classmethod
    def of(cls, holding: Holding, happened: Sequence[LogEvent]) -> Summary:
        """Return what the record in *holding* says, as far as it can be read."""
        state = _state(holding.read(STATE))
        worked = [event for event in happened if event.event == WORKED_IN]
        people: dict[tuple[str, ...], dict[str, str]] = {}
        for event in worked:
            who = {name: str(event.data.get(name, "")) for name in ("by", "user", "host")}
            people.setdefault(tuple(who.values()), {**who, "since": _at(event)})
        return cls(
            table=str(state.get("table_arn") or state.get("table") or ""),
            account=str(state.get("account") or ""),
            region=str(state.get("region") or ""),
            opened_at=_at(happened[0]) if happened else "",
            last_at=_at(happened[-1]) if happened else "",
            people=tuple(people.values()),
            versions=dict(worked[-1].data.get("versions") or {}) if worked else {},
            runs=tuple(_runs(happened)),
            approvals=tuple(_approvals(happened)),
            copies=tuple(_copies(happened)),
            calls=tuple(
                {"at": _at(event), **{name: str(value) for name, value in event.data.items()}}
                for event in happened
                if event.event == CALL
            ),
            seals=tuple(_seals(happened)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return it for a terminal."""
        about = f"{self.table}, account {self.account}, {self.region}" if self.table else "no table yet"
        lines = [f"table      {about}", f"from       {self.opened_at} to {self.last_at}"]
        lines += [f"worked on  by {person['by']}, user {person['user']} on {person['host']}" for person in self.people]
        if self.versions:
            lines.append(f"with       {', '.join(f'{name} {number}' for name, number in self.versions.items())}")
        lines += [f"ran        {run['at']}  {run['notebook']}: {run['ended']}" for run in self.runs]
        for approval in self.approvals:
            action = approval["action"] or "the plan's writes"
            who = f"{approval['by']}, user {approval['user'] or 'not recorded'}"
            lines.append(
                f"approved   {approval['approved_at']}  {approval['digest'][:SHORTEST]} "
                f"({action}) by {approval['how']}, {who}"
            )
        for copy in self.copies:
            counts = ", ".join(f"{copy.get(name, 0):,} {name}" for name in _OUTCOMES)
            lines.append(
                f"wrote      plan {copy['plan'][:SHORTEST]}: {counts}{'' if copy['finished'] else '; unfinished'}"
            )
        for call in self.calls:
            operation = f"{call.get('service')}:{call.get('operation')}"
            lines.append(
                f"called     {call['at']}  {operation} {call.get('table')}: {call.get('outcome')}, "
                f"request {call.get('request_id') or 'without an answer'}"
            )
        return lines + [f"sealed     {seal['at']}  {seal['manifest']}{seal['signature']}" for seal in self.seals]


def _state(raw: bytes) -> dict[str, Any]:
    try:
        return documents.from_json(raw, dict[str, Any])
    except ValueError:
        return {}


def _runs(happened: Sequence[LogEvent]) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = []
    for event in happened:
        if event.event == "notebook_started":
            started_run = {"notebook": str(event.data.get("notebook")), "at": _at(event), "ended": "not known"}
            runs.append(
                started_run | {"parameters": event.data.get("parameters"), "running": event.data.get("running")}
            )
        elif event.event == "notebook_ended":
            ended, running = str(event.data.get("ended")), event.data.get("running")
            started_run = next((run for run in runs if run["running"] == running and run["ended"] == "not known"), {})
            if not started_run:
                at, name = str(event.data.get("started_at") or _at(event)), Path(str(event.data.get("notebook"))).stem
                parameters = event.data.get("parameters") or {}
                runs.append({"notebook": name, "at": at, "ended": ended, "parameters": parameters, "running": running})
            else:
                started_run["ended"] = ended
    return [{name: value for name, value in run.items() if name != "running"} for run in runs]


def _approvals(happened: Sequence[LogEvent]) -> list[dict[str, str]]:
    names = ("digest", "approved_at", "how", "by", "user", "action")
    approvals = []
    for event in happened:
        if event.event == "gate_opened":
            undo = event.data.get("undo")
            approval = event.data.get("approval") or (undo or {}).get("approval") or event.data
            action = {"action": "undo"} if undo else {}
            approvals.append({name: str({**approval, **action}.get(name, "")) for name in names})
    return approvals


def _copies(happened: Sequence[LogEvent]) -> list[dict[str, Any]]:
    copies: dict[str, dict[str, Any]] = {}
    digest = ""
    for event in happened:
        data = event.data.get("undo") or event.data
        if event.event == "gate_opened":
            digest = str((data.get("approval") or data).get("digest", ""))
        elif event.event == "apply_started":
            copies[digest] = {**copies.get(digest, {}), "plan": digest, "finished": False}
        elif event.event == "apply_finished":
            counts = {name: (data.get("apply") or {}).get(name, 0) for name in _OUTCOMES}
            copies[digest] = {"plan": digest, "finished": True, **counts}
    return list(copies.values())


def _seals(happened: Sequence[LogEvent]) -> list[dict[str, str]]:
    seals = []
    for event in happened:
        if event.event == SEALED:
            signed = event.data.get("signature") or {}
            signature_text = f", signed by {signed['key']}" if "key" in signed else ", NOT signed" if signed else ""
            seals.append({"at": _at(event), "manifest": str(event.data.get("manifest")), "signature": signature_text})
    return seals


def _at(event: LogEvent) -> str:
    return event.at.strftime("%Y-%m-%dT%H:%M:%SZ")
