"""PartiQL statements, with the service's outcomes.

INSERT, and what asks for whole attributes by equality (DELETE, SELECT of an item), are done here; the rest goes as far
as moto's parser does, which reads every table for any statement. A statement sees its own table only, an INSERT of
an existing key is a DuplicateItem, and an UPDATE or DELETE whose condition does not hold fails as conditions do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from moto.dynamodb.exceptions import (
    ConditionalCheckFailed,
    DynamodbException,
    MockValidationException,
)
from moto.dynamodb.parsing import partiql as moto_partiql
from py_partiql_parser.exceptions import ParserException

from pitrkit.sandbox.store import partiql_parser
from pitrkit.sandbox.store.interfaces import StoredTable
from pitrkit.sandbox.store.values import BadValue, Image, Value, normalised, normalised_image, value_of

MAX_STATEMENT = 8192
_TABLE = re.compile(
    r"""^\s*(?:SELECT\b.*?\bFROM|INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+"?([\w.-]+?)"?(?=[\s.]|$)""",
    re.IGNORECASE | re.DOTALL,
)
_INSERT = re.compile(r"^\s*INSERT\s+INTO\s+\S+\s+VALUE\s*(.*)$", re.IGNORECASE | re.DOTALL)
_DELETE = re.compile(r"^\s*DELETE\s+FROM\s+\S+\s+WHERE\s+(.*)$", re.IGNORECASE | re.DOTALL)
_SELECT = re.compile(r"^\s*SELECT\s+\*\s+FROM\s+[^\s.]+\s+WHERE\s+(.*)$", re.IGNORECASE | re.DOTALL)
_WRONG_NUMBER = "Number of parameters in request and statement don't match."
_MALFORMED = "Statement wasn't well formed, can't be processed"


class DuplicateItem(DynamodbException):  # type: ignore[misc] # moto is untyped
    """An INSERT of a key that exists."""

    def __init__(self) -> None:
        super().__init__(
            "com.amazonaws.dynamodb.v20120810#DuplicateItemException", "Duplicate primary key exists in table"
        )


class UnknownTable(DynamodbException):  # type: ignore[misc] # moto is untyped
    """A statement about a table that does not exist, or not yet."""

    def __init__(self) -> None:
        super().__init__("com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", "Requested resource not found")


def table_of(statement: str) -> str:
    """Return the name of the table that a statement is about, empty where it names none."""
    named = _TABLE.match(statement)
    return named.group(1) if named else ""


def is_read(statement: str) -> bool:
    """Return whether a statement reads."""
    return statement.lstrip()[:6].upper() == "SELECT"


def checked(statement: str, parameters: list[dict[str, Any]]) -> list[Value]:
    """Return the parameters as the service stores values.

    Raises:
        MockValidationException: One of them is no value, or the statement is too long.
    """
    if not 1 <= len(statement) <= MAX_STATEMENT:
        raise MockValidationException(f"Member must have length less than or equal to {MAX_STATEMENT}")
    try:
        return [normalised(value_of(parameter)) for parameter in parameters or []]
    except BadValue as bad:
        raise MockValidationException(str(bad)) from None


def target(tables: Mapping[str, StoredTable], statement: str, parameters: list[Value]) -> tuple[str, Any] | None:
    """Return table and position of the one item that a statement is about, None where that is not told."""
    table = tables.get(table_of(statement))
    if table is None:
        return None
    for pattern, read in (
        (_INSERT, partiql_parser.item),
        (_DELETE, partiql_parser.equalities),
        (_SELECT, partiql_parser.equalities),
    ):
        if match := pattern.match(statement):
            try:
                place = table.place(read(match.group(1), parameters))
            except ValueError:
                return None
            return None if place is None else (table.name, place)
    return None


def execute(
    tables: Mapping[str, StoredTable], statement: str, parameters: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Do one statement and return the items it selects.

    Raises:
        DynamodbException: As the service answers.
    """
    values = checked(statement, parameters)
    name = table_of(statement)
    if not name:
        raise MockValidationException(_MALFORMED)
    table = tables.get(name)
    if table is None or not table.active:
        raise UnknownTable
    try:
        matching_rows = _by_equality(table, statement, values)
    except partiql_parser.WrongNumber:
        raise MockValidationException(_WRONG_NUMBER) from None
    except BadValue as bad:
        raise MockValidationException(str(bad)) from None
    except partiql_parser.Unreadable:
        if _INSERT.match(statement):
            raise MockValidationException(_MALFORMED) from None
        matching_rows = None
    return _by_moto(table, statement, values) if matching_rows is None else matching_rows


def _by_equality(table: StoredTable, statement: str, values: list[Value]) -> list[Image] | None:
    """Do a statement that names whole attributes only and return what it finds; None for any other."""
    if insert := _INSERT.match(statement):
        _insert(table, partiql_parser.item(insert.group(1), values))
        return []
    if delete := _DELETE.match(statement):
        _delete(table, partiql_parser.equalities(delete.group(1), values))
        return []
    if select := _SELECT.match(statement):
        key_values = partiql_parser.equalities(select.group(1), values)
        if key_values.keys() == set(table.table_key_attrs):
            image = table.read(table.position(key_values))
            return [] if image is None else [image]
    return None


def _insert(table: StoredTable, item: Image) -> None:
    where, item = table.position(item), normalised_image(item)
    table.check_index_keys(item)  # what no index could hold is refused first, whether or not the key is taken
    if table.read(where) is not None:
        raise DuplicateItem
    table.write(where, item)


def _delete(table: StoredTable, conditions: Image) -> None:
    where = table.position(conditions)
    image = table.read(where)
    if image is None:
        return
    if any(image.get(name) != value for name, value in normalised_image(conditions).items()):
        raise ConditionalCheckFailed
    table.write(where, None)


def _by_moto(table: StoredTable, statement: str, parameters: list[dict[str, Any]]) -> list[dict[str, Any]]:
    images = [row.image for row in table.rows]
    sources = {table.name: images, **{f"{table.name}.{index.name}": images for index in table.all_indexes()}}
    try:
        selected, updates = moto_partiql.query(statement, sources, parameters)
    except (AssertionError, LookupError, StopIteration, TypeError, ValueError, ParserException) as beyond:
        raise MockValidationException("Statement wasn't well formed, or is more than moto's parser takes") from beyond
    changes = updates.get(table.name, [])
    if not changes and statement.lstrip()[:6].upper() == "UPDATE":
        raise ConditionalCheckFailed
    for before, after in changes:
        if before is None:
            _insert(table, after)
        else:
            table.write(table.position(before), after)
    matching: list[dict[str, Any]] = selected
    return matching


def in_batch(error: DynamodbException) -> dict[str, Any]:
    """Return what a batch's answer says about a statement that failed; its codes are not those of exceptions."""
    code = error.error_type.rpartition("#")[2].removesuffix("Exception")
    return {"Code": "ValidationError" if code == "Validation" else code, "Message": error.message}
