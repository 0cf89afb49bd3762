"""Kinesis streams that tables send their changes to, as far as tables tell of them: nothing is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pitrkit.sandbox.tables import PastTable
from pitrkit.sandbox.wire import Handler, Native, Request, ServiceError, invalid

_ON = "ACTIVE"
_OFF = "DISABLED"


@dataclass
class KinesisDestinations:
    """The Kinesis destinations of all tables of one sandbox, by table id and stream."""

    _of: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def operations(self) -> dict[str, Native]:
        """Return what is answered here, by the operation's name."""
        return {
            "DescribeKinesisStreamingDestination": self.describe,
            "EnableKinesisStreamingDestination": self.enable,
            "DisableKinesisStreamingDestination": self.disable,
        }

    def describe(self, request: Request, _inner: Handler) -> dict[str, Any]:
        """Tell a table's destinations, those that were switched off, too."""
        table = _table(request)
        return {"TableName": table.name, "KinesisDataStreamDestinations": list(self._of.get(table.id, {}).values())}

    def enable(self, request: Request, _inner: Handler) -> dict[str, Any]:
        """Switch a destination on."""
        table, arn = _table(request), str(request.body.get("StreamArn", ""))
        if not arn.startswith("arn:") or ":kinesis:" not in arn:
            raise invalid(f"Invalid StreamArn: {arn}")
        its = self._of.setdefault(table.id, {})
        if its.get(arn, {}).get("DestinationStatus") == _ON:
            raise ServiceError("ResourceInUseException", f"Table is already streaming to {arn}")
        settings = request.body.get("EnableKinesisStreamingConfiguration") or {}
        its[arn] = {"StreamArn": arn, "DestinationStatus": _ON, **settings}
        return {**request.body, "TableName": table.name, "DestinationStatus": "ENABLING"}

    def disable(self, request: Request, _inner: Handler) -> dict[str, Any]:
        """Switch a destination off."""
        table, arn = _table(request), str(request.body.get("StreamArn", ""))
        its = self._of.get(table.id, {})
        if its.get(arn, {}).get("DestinationStatus") != _ON:
            raise ServiceError("ResourceNotFoundException", f"Table is not streaming to {arn}")
        its[arn]["DestinationStatus"] = _OFF
        return {"TableName": table.name, "StreamArn": arn, "DestinationStatus": "DISABLING"}


def _table(request: Request) -> PastTable:
    table = request.table(str(request.body.get("TableName", "")))
    if table is None:
        raise ServiceError("ResourceNotFoundException", "Requested resource not found")
    return table
