"""The sandbox's own HTTP interface under `/_sandbox/`: clock, faults, expiry, truth, health."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from pitrkit.sandbox.clock import Clock
from pitrkit.sandbox.faults import Fault, Faults
from pitrkit.sandbox.wire import BAD_REQUEST, OK, Reply

PREFIX = "/_sandbox/"
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Control:
    """Answers the sandbox's own requests.

    Attributes:
        clock: The sandbox's clock.
        truth: Returns what a scenario knows to be true, or None if it knows nothing.
        faults: What goes wrong.
        expire: Has the service delete what has expired, and returns how many items by table.
    """

    clock: Clock
    truth: Callable[[], dict[str, Any] | None]
    faults: Faults
    expire: Callable[[], dict[str, int]]

    def answer(self, method: str, path: str, content: bytes) -> Reply:
        """Answer one request: `GET health`, `GET|POST clock`, `GET|POST|DELETE faults`, `POST expire`, `GET truth`."""
        match method, path.removeprefix(PREFIX):
            case "GET", "health":
                return _json({"status": "ok"})
            case "GET", "clock":
                return _json({"now": self.clock.now().isoformat()})
            case "POST", "clock":
                return self._set(content)
            case "GET", "faults":
                return self._faults()
            case "POST", "faults":
                return self._add(content)
            case "DELETE", "faults":
                self.faults.clear()
                return self._faults()
            case "POST", "expire":
                return _json({"deleted": self.expire()})
            case "GET", "truth" if (truth := self.truth()) is not None:
                return _json(truth)
        return _json({"error": f"nothing at {method} {path}"}, status=_NOT_FOUND)

    def _set(self, content: bytes) -> Reply:
        try:
            match orjson.loads(content):
                case {"now": str(text)}:
                    now = self.clock.set(datetime.fromisoformat(text))
                case {"advance": int() | float() as seconds}:
                    now = self.clock.advance(seconds)
                case _:
                    raise ValueError('send {"now": "2026-11-20T12:00:00Z"} or {"advance": 60}')
        except (ValueError, OverflowError) as error:
            return _json({"error": str(error)}, status=BAD_REQUEST)
        return _json({"now": now.isoformat()})

    def _add(self, content: bytes) -> Reply:
        try:
            given = orjson.loads(content)
            self.faults.add(*map(Fault.from_dict, given if isinstance(given, list) else [given]))
        except ValueError as error:
            return _json({"error": str(error)}, status=BAD_REQUEST)
        return self._faults()

    def _faults(self) -> Reply:
        return _json({"faults": self.faults.report()})


def _json(body: dict[str, Any], *, status: int = OK) -> Reply:
    return Reply(status, (("Content-Type", "application/json"),), orjson.dumps(body))
