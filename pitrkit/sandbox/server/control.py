"""The sandbox's own HTTP interface under `/_sandbox/`: clock, faults, callers, exports, expiry, truth, health."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from pitrkit.sandbox.access.authority import Authority
from pitrkit.sandbox.exports.export_faults import ExportFault
from pitrkit.sandbox.exports.export_files import ExportSettings
from pitrkit.sandbox.exports.exports import Exports
from pitrkit.sandbox.protocol.faults import FaultRule, Faults, checked, read
from pitrkit.sandbox.protocol.protocol import BAD_REQUEST, OK, ServiceReply
from pitrkit.sandbox.store.clock import Clock

PREFIX = "/_sandbox/"
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class SandboxControl:
    """Answers the sandbox's own requests.

    Attributes:
        clock: The sandbox's clock.
        truth: Returns what a scenario knows to be true, or None if it knows nothing.
        faults: What goes wrong.
        exports: How exports go.
        expire: Has the service delete what has expired, and returns how many items by table.
        authority: Whose policies count.
        region: Region that callers are registered in.
    """

    clock: Clock
    truth: Callable[[], dict[str, Any] | None]
    faults: Faults
    exports: Exports
    expire: Callable[[], dict[str, int]]
    authority: Authority
    region: str

    def answer(self, method: str, path: str, content: bytes) -> ServiceReply:
        """Answer: `GET health|truth`, `GET|POST clock|exports|callers`, `GET|POST|DELETE faults`, `POST expire`."""
        known = self.truth()
        answers: dict[tuple[str, str], Callable[[], ServiceReply]] = {
            ("GET", "health"): lambda: _json({"status": "ok"}),
            ("GET", "clock"): lambda: _json({"now": self.clock.now().isoformat()}),
            ("POST", "clock"): lambda: self._set(content),
            ("GET", "faults"): self._faults,
            ("POST", "faults"): lambda: self._add(content),
            ("DELETE", "faults"): self._clear,
            ("GET", "exports"): lambda: _json(asdict(self.exports.settings)),
            ("POST", "exports"): lambda: self._spell(content),
            ("GET", "callers"): lambda: _json(
                {"callers": [registered.to_dict() for registered in self.authority.known()]}
            ),
            ("POST", "callers"): lambda: self._register(content),
            ("POST", "expire"): lambda: _json({"deleted": self.expire()}),
            **({("GET", "truth"): lambda: _json(known)} if known is not None else {}),
        }
        answer = answers.get((method, path.removeprefix(PREFIX)))
        return answer() if answer else _json({"error": f"nothing at {method} {path}"}, status=_NOT_FOUND)

    def _set(self, content: bytes) -> ServiceReply:
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

    def _register(self, content: bytes) -> ServiceReply:
        try:
            match orjson.loads(content):
                case {"name": str(name), "policies": list(policies)} if re.fullmatch(r"[\w+=,.@-]{1,64}", name):
                    made = self.authority.register(name, policies, self.region)
                case _:
                    raise ValueError('send {"name": "recovery", "policies": [{"Version": ..., "Statement": [...]}]}')
        except (ValueError, TypeError) as error:
            return _json({"error": str(error)}, status=BAD_REQUEST)
        return _json(made.to_dict())

    def _add(self, content: bytes) -> ServiceReply:
        try:
            settings_body = orjson.loads(content)
            settings_body = settings_body if isinstance(settings_body, list) else [settings_body]
            self.faults.add(*(read(entry, (FaultRule, ExportFault)) for entry in settings_body))
        except ValueError as error:
            return _json({"error": str(error)}, status=BAD_REQUEST)
        return self._faults()

    def _spell(self, content: bytes) -> ServiceReply:
        try:
            match orjson.loads(content):
                case dict(given):
                    given = checked(ExportSettings, given, what="the settings of exports")
                    self.exports.settings = replace(self.exports.settings, **given)
                case _:
                    raise ValueError('send {"export_seconds": 5} or {"checksum_suffix": ".md5"}')
        except ValueError as error:
            return _json({"error": str(error)}, status=BAD_REQUEST)
        return _json(asdict(self.exports.settings))

    def _clear(self) -> ServiceReply:
        self.faults.clear()
        return self._faults()

    def _faults(self) -> ServiceReply:
        return _json({"faults": self.faults.report()})


def _json(body: dict[str, Any], *, status: int = OK) -> ServiceReply:
    return ServiceReply(status, (("Content-Type", "application/json"),), orjson.dumps(body))
