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
    images = spent.on(request.body)
    return ServiceReply.json({"Items": images, **spent.single()})


def _batch(request: ServiceRequest) -> ServiceReply:
    statement_bodies = request.body.get("Statements", [])
    _check(request, statement_bodies)
    spent = _Spent(request)
    answers: list[dict[str, Any]] = []
    for statement_fields in statement_bodies:
        name = partiql.table_of(statement_fields["Statement"])
        answer: dict[str, Any] = {"TableName": name} if request.table(name) else {}
        try:
            images = spent.on(statement_fields)
        except DynamodbException as error:
            answer["Error"] = partiql.in_batch(error)
        else:
            answer |= {"Item": images[0]} if images else {}
        answers.append(answer)
    return ServiceReply.json({"Responses": answers, **spent.batch()})


def _check(request: ServiceRequest, asked: list[dict[str, Any]]) -> None:
    """Refuse what the service refuses before it does any of the statements."""
    if not asked:
        raise invalid("The statement was empty.")
    if len(asked) > BATCH_STATEMENTS:
        raise invalid(f"Member must have length less than or equal to {BATCH_STATEMENTS}")
    values = [
        partiql.checked(statement_fields["Statement"], statement_fields.get("Parameters", []))
        for statement_fields in asked
    ]
    if len({partiql.is_read(statement_fields["Statement"]) for statement_fields in asked}) > 1:
        raise invalid("Read and write requests together in the same batch is not supported.")
    targets = [
        target_table
        for statement_fields, parameters in zip(asked, values, strict=True)
        if (target_table := partiql.target(request.backend.tables, statement_fields["Statement"], parameters))
    ]
    if len(set(targets)) != len(targets):
        raise invalid("Provided list of item keys contains duplicates")


class _Spent:
    """Does statements, and adds up the capacity that they consume."""

    def __init__(self, request: ServiceRequest) -> None:
        self._request = request
        self._level = request.body.get("ReturnConsumedCapacity", "NONE")
        self._units: dict[str, dict[str, float]] = {}

    def on(self, statement_fields: dict[str, Any]) -> list[Image]:
        """Do one statement and return what it found."""
        statement = statement_fields["Statement"]
        table = self._request.table(partiql.table_of(statement))
        before = len(table.history.changes) if table else 0
        images: list[Image] = []
        try:
            images = self._request.backend.execute_statement(statement, statement_fields.get("Parameters", []))
            return images
        finally:
            if table is not None:
                reading = partiql.is_read(statement)
                units = _read(images) if reading else _written(table, before)
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


def _read(images: list[Image]) -> dict[str, float]:
    return {"": capacity.read_units(sum(map(stored_size, images)), consistent=False)}


def _written(table: PastTable, before: int) -> dict[str, float]:
    """Return the units of what was written since the *before*-th change; a write that changed nothing costs one."""
    units: dict[str, float] = {}
    for change in table.history.changes[before:]:
        units = capacity.added(units, capacity.write_units(table, change.before, change.after))
    return units or {"": 1.0}
