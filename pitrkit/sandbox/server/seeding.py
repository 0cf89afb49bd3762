"""Laying a past into a new table directly, without sending it over HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pitrkit.sandbox.protocol import metering
from pitrkit.sandbox.store.backend import PastBackend
from pitrkit.sandbox.store.history import ItemVersion, PastWrite
from pitrkit.sandbox.store.rows import ItemStore, Position
from pitrkit.sandbox.store.tables import PastTable
from pitrkit.sandbox.store.values import Image, normalised_image


def seed(
    backend: PastBackend,
    create_table: dict[str, Any],
    writes: Iterable[PastWrite],
    *,
    created_at: datetime,
    pitr: bool,
    ttl_attribute: str,
    tags: dict[str, str],
) -> PastTable:
    """Create the table as of *created_at* and write *writes*, each at its own time.

    Args:
        backend: Where the table goes.
        create_table: Parameters of CreateTable.
        writes: What happened, in the order of time.
        created_at: When the table was created, aware.
        pitr: Whether point-in-time recovery has been on from the beginning.
        ttl_attribute: Attribute of the TTL setting; empty leaves TTL off.
        tags: Tags of the table.

    Raises:
        ValueError: A time is naive, in the future, or out of order.
    """
    table = backend.create_table(
        create_table["TableName"],
        born_at=created_at.astimezone(UTC),
        schema=create_table["KeySchema"],
        attr=create_table["AttributeDefinitions"],
        throughput=create_table.get("ProvisionedThroughput"),
        billing_mode=create_table.get("BillingMode", "PROVISIONED"),
        global_indexes=create_table.get("GlobalSecondaryIndexes"),
        indexes=create_table.get("LocalSecondaryIndexes"),
        streams=create_table.get("StreamSpecification"),
        sse_specification=create_table.get("SSESpecification"),
        tags=[{"Key": key, "Value": value} for key, value in tags.items()] or create_table.get("Tags"),
        deletion_protection_enabled=create_table.get("DeletionProtectionEnabled", False),
    )
    try:
        last_at = _lay(table, writes, created_at.astimezone(UTC), backend.clock.now())
    except BaseException:
        del backend.tables[table.name]
        raise
    backend.clock.stamp(last_at)
    backend.meter.later(partial(metering.count_history, table, tuple(table.history.changes)))
    if pitr:
        table.protected_at = created_at.astimezone(UTC)
    if ttl_attribute:
        backend.update_time_to_live(table.name, {"Enabled": True, "AttributeName": ttl_attribute})
        table.ttl_changed_at = created_at.astimezone(UTC)
    return table


def _lay(table: PastTable, writes: Iterable[PastWrite], begun_at: datetime, now: datetime) -> datetime:
    """Write *writes* into the table's history, and what remains into its rows; return the time of the last one."""
    last_at = begun_at
    items: dict[Position, Image] = {}
    for at, key, image, by in writes:
        if at.tzinfo is None or not last_at <= at <= now:
            raise ValueError(
                f"the past of {table.name} is out of order at {at.isoformat()}: times are aware, in order, "
                f"not before {begun_at.isoformat()} and not after {now.isoformat()}"
            )
        last_at = at.astimezone(UTC)
        after = None if image is None else normalised_image(image)
        position = table.position(key if after is None else after)
        before = items.get(position)
        if before == after:
            continue
        if after is None:
            del items[position]
        else:
            items[position] = after
        table.history.changes.append(ItemVersion(last_at, position, before, after, by))
    table.rows = ItemStore(items)
    return last_at
