"""Notices: telling a webhook or an SNS topic how a headless run ended. They hold counts and names, never an item.

A notice that cannot be delivered is said where the run says everything else, and changes nothing about the recovery.
The address of a webhook is a secret, as a rule, so it is never repeated.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pitrkit import __version__
from pitrkit.aws.services import sns
from pitrkit.config.team_settings import Notify
from pitrkit.errors import Exit, PitrkitError
from pitrkit.incident import account_log
from pitrkit.runbook.session.verdict import verdict_of
from pitrkit.times import now

Happened = Literal["gate_closed", "done", "left", "failed"]
EVENTS: dict[Exit, Happened] = {Exit.DONE: "done", Exit.LEFT: "left", Exit.GATE_CLOSED: "gate_closed"}
"""What is told, by how the run ended; everything else has failed."""

SECONDS = 5.0
"""How long a webhook may take to answer."""

PAUSES = (1.0, 3.0)
"""Seconds before it is tried again."""

_TITLES = {
    "gate_closed": "waits for an approval",
    "done": "done",
    "left": "done, and something is left for a person",
    "failed": "did not come to its end",
}
_BUSY = 429
_FAULT = 500


def notice(exit_code: Exit, incident: str, table: str, data: Mapping[str, Any], *, error: str = "") -> dict[str, Any]:
    """Return what is told of a run.

    Args:
        exit_code: How it ended.
        incident: The incident.
        table: Its table.
        data: What its `incident.json` says; empty if it did not come to be.
        error: Name of the error that ended it, if one did.
    """
    event = EVENTS.get(exit_code, "failed")
    title = f"{table}, incident {incident}: {_TITLES[event]}"
    plan, done = data.get("plan") or {}, data.get("apply") or {}
    text = verdict_of(data).words if data else ""
    if event == "failed":
        text = f"Exit code {int(exit_code)}{f' ({error})' if error else ''}. {text}".strip()
    counted = {name: plan[name] for name in ("puts", "updates", "deletes") if name in plan}
    counted |= {name: done[name] for name in ("applied", "already", "conflicts", "failed", "unsent") if name in done}
    return {
        "event": event,
        "at": now().isoformat(timespec="seconds"),
        "text": f"{title}. {text}".strip(),
        "title": title,
        "incident": incident,
        "table": table,
        "account": data.get("account", ""),
        "region": data.get("region", ""),
        "exit_code": int(exit_code),
        "plan": plan.get("digest", ""),
        "counts": counted,
        "pitrkit": __version__,
    }


def send(
    content: Mapping[str, Any], to: Notify, *, sleep: Callable[[float], object] = time.sleep
) -> tuple[list[str], list[str]]:
    """Tell whoever is to be told, and return who was, and who could not be, with why."""
    ways: list[tuple[str, Callable[[], object]]] = []
    if to.webhook:
        ways.append((f"the webhook at {urlsplit(to.webhook).hostname}", lambda: _post(to.webhook, content, sleep)))
    if to.topic:
        ways.append((to.topic, lambda: _publish(to.topic, content)))
    delivered, failed = [], []
    for name, way in ways:
        try:
            way()
        except (OSError, http.client.HTTPException, ValueError, PitrkitError) as error:
            failed.append(f"{name}: {_why(error)}")
        else:
            delivered.append(name)
    return delivered, failed


def _publish(topic: str, content: Mapping[str, Any]) -> None:
    aws = account_log.connect(topic.split(":")[3])
    sns.publish(aws, topic, str(content["title"]), json.dumps(content, indent=1))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nowhere: what was checked is the address in the settings."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(url: str, content: Mapping[str, Any], sleep: Callable[[float], object]) -> None:
    body = json.dumps(content).encode()
    head = {"Content-Type": "application/json", "User-Agent": f"pitrkit/{__version__}"}
    opener = urllib.request.build_opener(_NoRedirect)
    for pause in (*PAUSES, None):
        try:
            with opener.open(urllib.request.Request(url, body, head), timeout=SECONDS) as answer:  # noqa: S310
                answer.read(1)
        except urllib.error.HTTPError as error:
            error.close()
            if pause is None or (error.code < _FAULT and error.code != _BUSY):
                raise
        except (OSError, http.client.HTTPException):
            if pause is None:
                raise
        else:
            return
        sleep(pause)


def _why(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"it answered {error.code}"
    if isinstance(error, urllib.error.URLError):
        error = error.reason if isinstance(error.reason, OSError) else error
    if isinstance(error, PitrkitError):
        return error.what
    text = getattr(error, "strerror", "") or ""
    return f"{type(error).__name__}{f' ({text})' if text else ''}"
