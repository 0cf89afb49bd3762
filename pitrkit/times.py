"""UTC times: reading what operators write, rounding to the service's whole seconds, and windows of time.

The service restores to a whole second: a beginning is rounded down to the second, an end up. Only aware times
are accepted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pitrkit.errors import BadInput


def utc(moment: datetime) -> datetime:
    """Return botocore's aware local time in UTC."""
    return moment.astimezone(UTC)


_AGO = re.compile(r"(\d+)\s*([smhd])")

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Window:
    """The restorable seconds of a table, both ends included."""

    earliest_at: datetime
    latest_at: datetime

    def holds(self, at: datetime) -> bool:
        """Return whether *at* can be restored."""
        return self.earliest_at <= at <= self.latest_at


def parse_time(text: str, *, now: datetime, window: Window | None = None) -> datetime:
    """Return the whole second in UTC that *text* names.

    Args:
        text: ISO 8601 with `Z` or an offset, `latest`, or a duration ago such as `90m`, `2h`, `1d`.
        now: What durations count back from.
        window: What `latest` is read from.

    Raises:
        BadInput: Not a time, or a time without an offset.
    """
    text = text.strip()
    if text.lower() == "latest":
        if window is None:
            raise BadInput("'latest' needs a table with a restorable window", fix="Give an ISO 8601 time.")
        return window.latest_at
    try:
        if ago := _AGO.fullmatch(text):
            return _floored(now.astimezone(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])}))
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return _floored(moment.astimezone(UTC))
    except (ValueError, OverflowError):
        raise BadInput(
            f"{text!r} is not a time",
            fix="Write ISO 8601 with Z or an offset (2026-11-23T02:14:05Z), 'latest', or a duration ago (90m, 2h, 1d).",
        ) from None
    spelt = moment.isoformat()
    raise BadInput(
        f"the time {text!r} does not say in which zone it is",
        fix=f"Write {spelt}Z for UTC, or add your offset, for example {spelt}+01:00.",
    )


def parse_duration(text: str) -> timedelta:
    """Return the length of time that *text* names, such as `90s`, `10m`, `2h` or `1d`.

    Raises:
        BadInput: It names none.
    """
    if match := _AGO.fullmatch(text.strip()):
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    raise BadInput(f"{text!r} is not a length of time", fix="Write 90s, 10m, 2h or 1d.")


def iso(moment: datetime) -> str:
    """Return *moment* as people and files of the kit write it: UTC, whole seconds, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _floored(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _ceiled(moment: datetime) -> datetime:
    return _floored(moment) + timedelta(seconds=1) if moment.microsecond else moment


Clock = Callable[[], datetime]


def now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(UTC)
