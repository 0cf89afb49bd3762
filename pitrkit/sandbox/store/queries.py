"""Scan and Query over a table's rows: pages, segments, start keys, indexes.

moto sorts and copies the whole table for every page. Here a page touches the rows it reads. What moto parsed out of the
request (filters, key conditions, projections) arrives ready to use. Requests in the old style of 2011 (ScanFilter,
QueryFilter) are still answered by moto's own code, over all items.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from moto.dynamodb.exceptions import InvalidIndexNameError, MockValidationException
from moto.dynamodb.models.dynamo_type import DynamoType, Item

from pitrkit.sandbox.store.interfaces import StoredTable
from pitrkit.sandbox.store.rows import Position, StoredItem
from pitrkit.sandbox.store.values import Image, Value, normalised, sortable

PAGE_BYTES = 1024 * 1024

Found = tuple[Position, StoredItem]
Page = tuple[list[Item], int, dict[str, DynamoType] | None]
"""Items, how many were evaluated, and the key to go on from."""

_LIST_STEP = re.compile(r"([^\[\]]+)|\[(\d+)\]")


def _index(table: StoredTable, name: str, *, consistent: bool = False) -> Any:
    for index in table.all_indexes():
        if index.name == name:
            if consistent and index in table.global_indexes:
                raise MockValidationException("Consistent reads are not supported on global secondary indexes")
            return index
    raise InvalidIndexNameError(f"The table does not have the specified index: {name}")


def key_types(table: StoredTable) -> dict[str, str]:
    """Return the declared type of each key attribute of a table and its indexes."""
    return {attribute["AttributeName"]: attribute["AttributeType"] for attribute in table.attr}


def in_index(image: Image, names: Iterable[str], types: dict[str, str]) -> bool:
    """Return whether an index over *names* holds this item: it has them all, with the declared types."""
    return all(name in image and types.get(name, "") in image[name] for name in names)


def entries(table: StoredTable, index_name: str) -> list[Found]:
    """Return the rows that an index holds, in scan order."""
    names, types = _index(table, index_name).schema_key_attrs, key_types(table)
    return [row for row in table.rows.segment(0, 1) if in_index(row[1].image, names, types)]


def _start(table: StoredTable, key: dict[str, Any] | None) -> Position | None:
    return None if key is None else table.position(key)


def scan(  # noqa: PLR0917 - moto's signature
    table: StoredTable,
    old_style: Callable[..., Page],
    filters: dict[str, Any],
    limit: int | None,
    exclusive_start_key: dict[str, Any] | None,
    filter_expression: Any = None,
    index_name: str | None = None,
    consistent_read: bool = False,
    projection_expression: list[list[str]] | None = None,
    segments: tuple[int | None, int | None] = (None, None),
) -> Page:
    """Answer one Scan page; the parameters are those of moto's `Table.scan`."""
    if filters:
        return old_style(
            filters,
            limit,
            exclusive_start_key,
            filter_expression,
            index_name,
            consistent_read,
            projection_expression,
            segments=segments,
        )
    found_entries: Iterator[Found] = table.rows.segment(
        segments[0] or 0, segments[1] or 1, _start(table, exclusive_start_key)
    )
    index = None
    if index_name:
        index, types = _index(table, index_name, consistent=consistent_read), key_types(table)
        found_entries = (entry for entry in found_entries if in_index(entry[1].image, index.schema_key_attrs, types))
    page, last = page_of(found_entries, limit)
    return _answer(table, page, last, index=index, condition=filter_expression, paths=projection_expression)


def query(  # noqa: PLR0917 - moto's signature
    table: StoredTable,
    old_style: Callable[..., Page],
    hash_key: DynamoType | None,
    range_comparison: str | None,
    range_objs: list[DynamoType],
    limit: int | None,
    exclusive_start_key: dict[str, Any] | None,
    scan_index_forward: bool,
    projection_expressions: list[list[str]] | None,
    index_name: str | None = None,
    consistent_read: bool = False,
    filter_expression: Any = None,
    hash_key_conditions: list[tuple[str, DynamoType]] | None = None,
    range_key_conditions: list[tuple[str, str, list[DynamoType]]] | None = None,
    **filter_kwargs: Any,
) -> Page:
    """Answer one Query page; the parameters are those of moto's `Table.query`."""
    if filter_kwargs:
        return old_style(
            hash_key,
            range_comparison,
            range_objs,
            limit,
            exclusive_start_key,
            scan_index_forward,
            projection_expressions,
            index_name,
            consistent_read,
            filter_expression,
            hash_key_conditions,
            range_key_conditions,
            **filter_kwargs,
        )
    conditions = [(name, "=", [_wire(value)]) for name, value in hash_key_conditions or []]
    conditions += [
        (name, comparison, [_wire(value) for value in values])
        for name, comparison, values in range_key_conditions or []
    ]
    index, ordered = None, []
    if index_name:
        index = _index(table, index_name, consistent=consistent_read)
        ordered = [key["AttributeName"] for key in index.schema if key["KeyType"] == "RANGE"]
        found_entries = entries(table, index_name)
    else:
        found_entries = [] if hash_key is None else table.rows.partition(_wire(hash_key))
    found_entries = [
        entry for entry in found_entries if all(holds(entry[1].image, *condition) for condition in conditions)
    ]

    def place(position: Position, image: Image) -> tuple[Any, ...]:
        return (*(sortable(image[name]) for name in ordered), position)

    found_entries.sort(key=lambda entry: place(entry[0], entry[1].image), reverse=not scan_index_forward)
    if exclusive_start_key is not None:
        start_key = {name: _wire(value) for name, value in exclusive_start_key.items()}
        start = place(table.position(start_key), start_key)
        found_entries = [
            entry
            for entry in found_entries
            if (
                place(entry[0], entry[1].image) > start
                if scan_index_forward
                else place(entry[0], entry[1].image) < start
            )
        ]
    page, last = page_of(iter(found_entries), limit)
    return _answer(table, page, last, index=index, condition=filter_expression, paths=projection_expressions)


def _wire(value: Any) -> Value:
    from pitrkit.sandbox.store.values import value_of  # noqa: PLC0415 - the two modules are halves of one table

    return normalised(value_of(value))


def page_of(entries_found: Iterator[Found], limit: int | None) -> tuple[list[StoredItem], StoredItem | None]:
    """Return the rows of one page, and the last of them if the page ended because it was full.

    As in the service, a page that reached its limit names a key to go on from even if nothing follows.
    """
    page: list[StoredItem] = []
    size = 0
    for _, row in entries_found:
        if page and size + row.size > PAGE_BYTES:
            return page, page[-1]
        page.append(row)
        size += row.size
        if len(page) == limit:
            return page, row
    return page, None


def _answer(
    table: StoredTable,
    page: list[StoredItem],
    last: StoredItem | None,
    *,
    index: Any,
    condition: Any,
    paths: list[list[str]] | None,
) -> Page:
    table.bytes_read = sum(row.size for row in page)
    items = []
    for row in page:
        item = table.item(row.image)
        if index is not None:
            item = index.project(item)
        if condition is not None and not condition.expr(item):
            continue
        items.append(project(item, row.image, paths) if paths else item)
    names = [*table.table_key_attrs, *(index.schema_key_attrs if index else [])]
    key = None if last is None else {name: DynamoType(last.image[name]) for name in names}
    return items, len(page), key


def holds(image: Image, name: str, comparison: str, operands: list[Value]) -> bool:
    """Return whether a key condition holds for an item, e.g. `sk`, `BETWEEN`, two values."""
    value = image.get(name)
    if value is None or any(value.keys() != operand.keys() for operand in operands):
        return False
    here, (there, *more) = sortable(value), [sortable(operand) for operand in operands]
    return _COMPARE[comparison.upper()](here, there, *more)


_COMPARE: dict[str, Callable[..., bool]] = {
    "=": lambda a, b: bool(a == b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
    "BETWEEN": lambda a, b, c: bool(b <= a <= c),
    "BEGINS_WITH": lambda a, b: bool(a.startswith(b)),
}


def project(item: Item, image: Image, paths: list[list[str]]) -> Item:
    """Return *item* with only what *paths* name, e.g. `[["a"], ["b", "c[0]"]]`."""
    projection: dict[str | int, Any] = {}
    for path in paths:
        steps = [name or int(number) for part in path for name, number in _LIST_STEP.findall(part)]
        _graft(projection, steps)
    projected = _prune({"M": image}, projection)
    return Item(item.hash_key, item.range_key, {} if projected is None else projected["M"])


def _graft(tree: dict[str | int, Any], steps: list[str | int]) -> None:
    for step in steps[:-1]:
        branch = tree.setdefault(step, {})
        if branch is None:
            return
        tree = branch
    tree[steps[-1]] = None


def _prune(value: Value, wanted: dict[str | int, Any] | None) -> Value | None:
    if wanted is None:
        return value
    if "M" in value:
        projected_values = {
            name: part
            for name, below in wanted.items()
            if name in value["M"] and (part := _prune(value["M"][name], below)) is not None
        }
        return {"M": projected_values} if projected_values else None
    if "L" in value:
        parts = [
            part
            for step in sorted(s for s in wanted if isinstance(s, int))
            if step < len(value["L"]) and (part := _prune(value["L"][step], wanted[step])) is not None
        ]
        return {"L": parts} if parts else None
    return None
