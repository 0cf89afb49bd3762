"""What an export holds, out of a table's history: items at a time, or one record for each item written in a window.

A record is compacted as the service does it: the item right before the window, and right after its last write in it. An
item that was neither there before nor after leaves none. One that is after as it was before was written all the same,
and leaves one.

What a filtered incremental export does with an item of which only one image meets the filter is not documented. Here it
is exported.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple, Self

from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.parsing.key_condition_expression import parse_expression
from moto.dynamodb.responses import ProjectionExpressionParser

from pitrkit.sandbox.protocol.protocol import invalid
from pitrkit.sandbox.store import queries
from pitrkit.sandbox.store.history import ItemVersion
from pitrkit.sandbox.store.rows import Position
from pitrkit.sandbox.store.tables import PastTable
from pitrkit.sandbox.store.values import Image, image_of, normalised, normalised_image, stored_size, value_of

_ROOT = re.compile(r"(?<![\w.:#])#?[A-Za-z_]\w*(?!\w*\s*\()")


class ExportedItem(NamedTuple):
    """One item of an export.

    Attributes:
        position: Where the item stands in the table.
        key: Its key attributes.
        before: The item before the window; None where it was absent, and in a full export.
        after: The item at its end, or at the time of a full export.
        written_at: Its last write in the window; None in a full export.
    """

    position: Position
    key: Image
    before: Image | None
    after: Image | None
    written_at: datetime | None


def state_at(table: PastTable, at: datetime) -> list[ExportedItem]:
    """Return the items as they were after the last write at or before *at*, as a restore to *at* has them."""
    items = sorted(table.history.state_at(at).items())
    return [ExportedItem(position, _key(table, image), None, image, None) for position, image in items]


def written_in(table: PastTable, from_at: datetime, to_at: datetime) -> list[ExportedItem]:
    """Return what became of each item that was written at *from_at* or later, but before *to_at*."""
    changes_by_position: dict[Position, tuple[Image | None, ItemVersion]] = {}
    for change in _changes(table, from_at, to_at):
        before = changes_by_position[change.position][0] if change.position in changes_by_position else change.before
        changes_by_position[change.position] = before, change
    records = []
    for position, (before, last) in sorted(changes_by_position.items()):
        image = last.after or before
        if image is not None:
            records.append(ExportedItem(position, _key(table, image), before, last.after, last.at))
    return records


def log_bytes(table: PastTable, from_at: datetime, to_at: datetime) -> int:
    """Return the stored bytes of all writes in a window."""
    return sum(stored_size(change.after or change.before or {}) for change in _changes(table, from_at, to_at))


def _changes(table: PastTable, from_at: datetime, to_at: datetime) -> list[ItemVersion]:
    changes = table.history.changes
    start, end = (bisect_left(changes, at, key=attrgetter("at")) for at in (from_at, to_at))
    return changes[start:end]


def _key(table: PastTable, image: Image) -> Image:
    return {name: image[name] for name in table.table_key_attrs}


@dataclass(frozen=True, slots=True)
class Filter:
    """A FilterSpecification.

    Attributes:
        keeps: Whether an item is exported.
        projected: What is exported of it.
    """

    keeps: Callable[[Image], bool]
    projected: Callable[[Image], Image]

    @classmethod
    def of(cls, specification: dict[str, Any], table: PastTable) -> Self:
        """Return the filter of a request for *table*.

        Raises:
            ServiceError: As the service answers. moto's parsers raise errors of their own.
        """
        names, values = (specification.get(f"ExpressionAttribute{what}") or {} for what in ("Names", "Values"))
        where, key = specification.get("FilterExpression"), specification.get("KeyConditionExpression")
        if not (where or key or specification.get("ProjectionExpression")):
            raise invalid("FilterSpecification must contain at least one expression")
        if key and where:
            _refuse_keys(where, names, table)
        conditions = _key_conditions(key, names, values, table) if key else []
        condition = _condition(where, names, values) if where else None
        paths = ProjectionExpressionParser(specification.get("ProjectionExpression"), names).parse()

        def keeps(image: Image) -> bool:
            return all(queries.holds(image, *filter_condition) for filter_condition in conditions) and (
                condition is None or bool(condition.expr(table.item(image)))
            )

        def projected(image: Image) -> Image:
            return image_of(queries.project(table.item(image), image, paths)) if paths else image

        return cls(keeps, projected)

    def applied(self, records: Iterable[ExportedItem]) -> list[ExportedItem]:
        """Return those of *records* that are exported, with what is exported of them."""
        kept_records = []
        for record in records:
            images = [image for image in (record.before, record.after) if image is not None]
            if any(map(self.keeps, images)):
                before, after = (image and self.projected(image) for image in (record.before, record.after))
                kept_records.append(record._replace(before=before, after=after))
        return kept_records


def _condition(text: str, names: dict[str, str], values: dict[str, Any]) -> Any:
    try:
        return get_filter_expression(text, names, normalised_image(values))
    except KeyError as missing:
        raise invalid(
            "Invalid FilterExpression: An expression attribute value used in expression is not defined; "
            f"attribute value: {missing.args[0]}"
        ) from None
    except ValueError as error:  # of moto's parser, and values that are none
        raise invalid(f"Invalid FilterExpression: {error}") from None


def _key_conditions(
    text: str, names: dict[str, str], values: dict[str, Any], table: PastTable
) -> list[tuple[str, str, list[Any]]]:
    partition, sort, _ = parse_expression(
        key_condition_expression=text,
        expression_attribute_names=names,
        expression_attribute_values=values,
        schema=table.schema,
    )
    return [(name, "=", [normalised(value_of(value))]) for name, value in partition] + [
        (name, comparison, [normalised(value_of(value)) for value in operands]) for name, comparison, operands in sort
    ]


def _refuse_keys(where: str, names: dict[str, str], table: PastTable) -> None:
    for root in _ROOT.findall(where):
        name = names.get(root, root)
        if name in table.table_key_attrs:
            raise invalid(
                "Filter Expression can only contain non-primary key attributes when a KeyConditionExpression is "
                f"given: Primary key attribute: {name}"
            )
