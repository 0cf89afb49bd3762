"""The layer for PartiQL statements: one by one or in batches, with what a batch refuses as a whole."""

from __future__ import annotations

from typing import Any

from moto.dynamodb.exceptions import DynamodbException

from pitrkit.sandbox.protocol import metering
from pitrkit.sandbox.protocol.protocol import Handler, ServiceReply, ServiceRequest, invalid
from pitrkit.sandbox.store import capacity, partiql
from pitrkit.sandbox.store.tables import PastTable
from pitrkit.sandbox.store.values import Image, stored_size

BATCH_STATEMENTS = 25


def statements(request: ServiceRequest, inner: Handler) -> ServiceReply:
    """Layer that does PartiQL statements; transactions of them are moto's."""
    match request.operation:
        case "ExecuteStatement":
            return _single(request)
        case "BatchExecuteStatement":
            return _batch(request)
    return inner(request)


def _single(request: ServiceRequest) -> ServiceReply:
    spent = _Spent(request)
    found = spent.on(request.body)
    return ServiceReply.json({"Items": found, **spent.single()})


def _batch(request: ServiceRequest) -> ServiceReply:
    asked = request.body.get("Statements", [])
    _check(request, asked)
    spent = _Spent(request)
    answers: list[dict[str, Any]] = []
    for one in asked:
        name = partiql.table_of(one["Statement"])
        answer: dict[str, Any] = {"TableName": name} if request.table(name) else {}
        try:
            found = spent.on(one)
        except DynamodbException as error:
            answer["Error"] = partiql.in_batch(error)
        else:
            answer |= {"Item": found[0]} if found else {}
        answers.append(answer)
    return ServiceReply.json({"Responses": answers, **spent.batch()})


def _check(request: ServiceRequest, asked: list[dict[str, Any]]) -> None:
    """Refuse what the service refuses before it does any of the statements."""
    if not asked:
        raise invalid("The statement was empty.")
    if len(asked) > BATCH_STATEMENTS:
        raise invalid(f"Member must have length less than or equal to {BATCH_STATEMENTS}")
    values = [partiql.checked(one["Statement"], one.get("Parameters", [])) for one in asked]
    if len({partiql.is_read(one["Statement"]) for one in asked}) > 1:
        raise invalid("Read and write requests together in the same batch is not supported.")
    targets = [
        found
        for one, parameters in zip(asked, values, strict=True)
        if (found := partiql.target(request.backend.tables, one["Statement"], parameters))
    ]
    if len(set(targets)) != len(targets):
        raise invalid("Provided list of item keys contains duplicates")


class _Spent:
    """Does statements, and adds up the capacity that they consume."""

    def __init__(self, request: ServiceRequest) -> None:
        self._request = request
        self._level = request.body.get("ReturnConsumedCapacity", "NONE")
        self._units: dict[str, dict[str, float]] = {}

    def on(self, one: dict[str, Any]) -> list[Image]:
        """Do one statement and return what it found."""
        statement = one["Statement"]
        table = self._request.table(partiql.table_of(statement))
        before = len(table.history.changes) if table else 0
        found: list[Image] = []
        try:
            found = self._request.backend.execute_statement(statement, one.get("Parameters", []))
            return found
        finally:
            if table is not None:
                reading = partiql.is_read(statement)
                units = _read(found) if reading else _written(table, before)
                metering.consumed("Read" if reading else "Write", table, units)
                self._units[table.name] = capacity.added(self._units.get(table.name, {}), units)

    def single(self) -> dict[str, Any]:
        """Return the answer's part about capacity, of a single statement."""
        return {} if self._level == "NONE" else {"ConsumedCapacity": self._consumed()[0]}

    def batch(self) -> dict[str, Any]:
        """Return the same, of a batch."""
        return {} if self._level == "NONE" else {"ConsumedCapacity": self._consumed()}

    def _consumed(self) -> list[dict[str, Any]]:
        tables = self._request.backend.tables
        return [capacity.consumed(tables[name], units, self._level) for name, units in self._units.items()]


def _read(found: list[Image]) -> dict[str, float]:
    return {"": capacity.read_units(sum(map(stored_size, found)), consistent=False)}


def _written(table: PastTable, before: int) -> dict[str, float]:
    """Return the units of what was written since the *before*-th change; a write that changed nothing costs one."""
    units: dict[str, float] = {}
    for change in table.history.changes[before:]:
        units = capacity.added(units, capacity.write_units(table, change.before, change.after))
    return units or {"": 1.0}
