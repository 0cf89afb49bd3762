"""Capacity that requests consume, as the service counts it.

Source: Amazon DynamoDB Developer Guide, "Capacity unit consumption for read and write operations". A write costs one
unit per started KiB of the larger of the old and new item, and as much again in each index it touches; a read costs
half a unit per started 4 KiB, and twice that when strongly consistent.
"""

from __future__ import annotations

from math import ceil
from typing import Any

from pitrkit.sandbox.store.queries import in_index, key_types
from pitrkit.sandbox.store.tables import PastTable
from pitrkit.sandbox.store.values import Image, stored_size

WRITE_BYTES = 1024
READ_BYTES = 4096


def write_units(table: PastTable, before: Image | None, after: Image | None) -> dict[str, float]:
    """Return the write units of changing one item, by index name; the table's own are under the empty name."""
    units = {"": _units(before, after)}
    types = key_types(table)
    for index in table.all_indexes():
        names = index.schema_key_attrs
        old, new = (
            _projected(index, table, image) if image is not None and in_index(image, names, types) else None
            for image in (before, after)
        )
        if old == new:
            continue
        if old and new and any(old[name] != new[name] for name in names):
            units[index.name] = _units(old, None) + _units(None, new)
        else:
            units[index.name] = _units(old, new)
    return units


def read_units(size: int, *, consistent: bool) -> float:
    """Return the read units of reading *size* bytes."""
    return max(1, ceil(size / READ_BYTES)) * (1.0 if consistent else 0.5)


def consumed(table: PastTable, units: dict[str, float], level: str) -> dict[str, Any]:
    """Return the service's ConsumedCapacity at *level* TOTAL or INDEXES."""
    answer: dict[str, Any] = {"TableName": table.name, "CapacityUnits": float(sum(units.values()))}
    if level == "INDEXES":
        answer["Table"] = {"CapacityUnits": units.get("", 0.0)}
        for kind, indexes in (
            ("GlobalSecondaryIndexes", table.global_indexes),
            ("LocalSecondaryIndexes", table.indexes),
        ):
            touched = {i.name: {"CapacityUnits": units[i.name]} for i in indexes if i.name in units}
            if touched:
                answer[kind] = touched
    return answer


def added(usage: dict[str, float], other: dict[str, float], times: int = 1) -> dict[str, float]:
    """Return the units of *usage* plus *times* those of *other*."""
    return {name: usage.get(name, 0.0) + times * other.get(name, 0.0) for name in usage.keys() | other.keys()}


def _units(before: Image | None, after: Image | None) -> float:
    size = max(stored_size(image) for image in (before or {}, after or {}))
    return float(max(1, ceil(size / WRITE_BYTES)))


def _projected(index: Any, table: PastTable, image: Image) -> Image:
    projection = index.projection or {}
    if projection.get("ProjectionType", "ALL") == "ALL":
        return image
    names = {*table.table_key_attrs, *index.schema_key_attrs, *projection.get("NonKeyAttributes", [])}
    return {name: value for name, value in image.items() if name in names}
