"""moto's DynamoDB backend with tables that keep their past, and writes that take effect together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, ClassVar

from moto.dynamodb.exceptions import (
    MockValidationException,
    MultipleTransactionsException,
    ResourceInUseException,
    StreamAlreadyEnabledException,
)
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import Item

from pitrkit.sandbox.store import partiql
from pitrkit.sandbox.store.clock import Clock
from pitrkit.sandbox.store.metric_data import Meter
from pitrkit.sandbox.store.stream_shards import TableStream
from pitrkit.sandbox.store.tables import PastTable
from pitrkit.sandbox.store.trail_events import EventTrail
from pitrkit.sandbox.store.values import BadValue, Image, image_of, normalised_image

TTL_STAYS = timedelta(hours=1)
"""How long a change of TTL takes in the service, and keeps another one off."""


class PastBackend(DynamoDBBackend):  # type: ignore[misc] # moto is untyped
    """moto's DynamoDB backend with `PastTable`s.

    Attributes:
        clock: What time it is.
        busy_records: As many records as a stream's shard takes before it is split.
        transactions: When and what was done, by the client's token: a request repeated with it does nothing.
        streams: Every table's streams, by ARN, those that were switched off and of deleted tables, too.
        meter: What CloudWatch counts.
        trail: What CloudTrail records.
    """

    clock: ClassVar[Clock]
    busy_records: ClassVar[int]

    @classmethod
    def dated(cls, clock: Clock, *, busy_records: int) -> type[PastBackend]:
        """Return the class of the backends whose clock is *clock*; moto makes one for each account and region."""
        # moto finds a service's URLs by the name of the module that its backend was defined in.
        its = {"clock": clock, "busy_records": busy_records, "__module__": DynamoDBBackend.__module__}
        return type("DatedBackend", (cls,), its)

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.tables: dict[str, PastTable] = {}
        self.transactions: dict[str, tuple[datetime, bytes]] = {}
        self.streams: dict[str, TableStream] = {}
        self.meter = Meter()
        self.trail = EventTrail()
        self._depth = 0

    @contextmanager
    def atomic(self) -> Iterator[PastBackend]:
        """Collect writes and make them real together at the end of the outermost block; drop them on an error."""
        self._depth += 1
        try:
            yield self
        except BaseException:
            if self._depth == 1:
                self.drop()
            raise
        else:
            if self._depth == 1:
                at = self.clock.stamp()
                for table in self.tables.values():
                    table.commit(at)
        finally:
            self._depth -= 1

    def drop(self) -> None:
        """Forget the writes collected so far."""
        for table in self.tables.values():
            table.forget_pending()

    def create_table(self, name: str, **settings: Any) -> PastTable:
        """Create a table that keeps its past."""
        if name in self.tables:
            raise ResourceInUseException(f"Table already exists: {name}")
        table = PastTable(name, backend=self, account_id=self.account_id, region=self.region_name, **settings)
        self.tables[name] = table
        return table

    def delete_table(self, name: str) -> PastTable:
        """Delete a table. Its stream stays readable for a while."""
        table: PastTable = super().delete_table(name)
        self.resource_policies.pop(table.table_arn, None)
        if table.stream is not None:
            table.stream.disable(self.clock.stamp())
        return table

    def update_table_streams(self, table: PastTable, stream_specification: dict[str, Any]) -> None:
        """Switch a table's stream on or off."""
        on = table.stream is not None and table.stream.disabled_at is None
        if stream_specification.get("StreamEnabled") and on:
            raise StreamAlreadyEnabledException
        if not stream_specification.get("StreamEnabled") and not on:
            raise MockValidationException(f"Table already has a disabled stream: {table.name}")
        table.set_stream_specification(stream_specification)

    def new_stream(self, table: PastTable, view: str, at: datetime) -> TableStream:
        """Return a new stream of *table* that is switched on at *at*, under an ARN that no other stream has."""
        while True:
            stream = TableStream(table.table_arn, table.schema, view, table.history, at, busy_records=self.busy_records)
            if stream.arn not in self.streams:
                self.streams[stream.arn] = stream
                return stream
            at += timedelta(milliseconds=1)

    def expire(self) -> dict[str, int]:
        """Have the service delete what has expired, and return how many items it deleted by table."""
        deleted: dict[str, int] = {}
        for name, table in self.tables.items():
            count = table.expire()
            if count:
                deleted[name] = count
                self.meter.count("TimeToLiveDeletedItemCount", self.clock.now(), count, TableName=name)
        return deleted

    def put_item(self, *args: Any, **kwargs: Any) -> Item:
        """Put one item, or leave no trace."""
        with self.atomic():
            return super().put_item(*args, **kwargs)

    def update_item(self, table_name: str, key: Image, **kwargs: Any) -> Item:
        """Let moto update a copy of the item, then write it."""
        table = self.get_table(table_name)
        values = kwargs.get("expression_attribute_values") or {}
        try:
            kwargs["expression_attribute_values"] = normalised_image(values)
        except BadValue as bad:
            raise MockValidationException(str(bad)) from None
        if not kwargs.get("attribute_updates"):
            kwargs["attribute_updates"] = {}  # without any change, an update only sees to it that the item exists
        with self.atomic():
            item = super().update_item(table_name, key, **kwargs)
            table.write(table.position(key), image_of(item))
            return item

    def transact_write_items(self, transact_items: list[dict[str, Any]]) -> None:
        """Do all of a transaction's writes at one time, or none."""
        with self.atomic():
            self._refuse_two_on_one_item(transact_items)
            super().transact_write_items(transact_items)

    def _refuse_two_on_one_item(self, transact_items: list[dict[str, Any]]) -> None:
        seen = set()
        for (action,) in (item.values() for item in transact_items):
            table = self.get_table(action["TableName"])
            target = (table.name, table.position(action.get("Key") or action["Item"]))
            if target in seen:
                raise MultipleTransactionsException
            seen.add(target)

    def describe_time_to_live(self, table_name: str) -> dict[str, Any]:
        """Return the TTL setting."""
        ttl: dict[str, Any] = self.get_table(table_name).ttl
        return ttl

    def update_time_to_live(self, table_name: str, ttl_spec: dict[str, Any]) -> None:
        """Switch TTL on or off; what has expired is deleted by `expire` only."""
        enabled = bool(ttl_spec["Enabled"])
        table, now = self.get_table(table_name), self.clock.now()
        ttl = table.ttl
        if enabled == (ttl["TimeToLiveStatus"] == "ENABLED"):
            raise MockValidationException(f"TimeToLive is already {'enabled' if enabled else 'disabled'}")
        if table.ttl_changed_at is not None and now - table.ttl_changed_at < TTL_STAYS:
            raise MockValidationException("Time to live has been modified multiple times within a fixed interval")
        table.ttl_changed_at = now
        ttl.clear()
        ttl["TimeToLiveStatus"] = "ENABLED" if enabled else "DISABLED"
        if enabled:
            ttl["AttributeName"] = ttl_spec["AttributeName"]

    def execute_statement(self, statement: str, parameters: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Do one PartiQL statement."""
        with self.atomic():
            return partiql.execute(self.tables, statement, parameters)

    def execute_transaction(self, statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Do all PartiQL statements at one time, or none."""
        with self.atomic():
            answer: list[dict[str, Any]] = super().execute_transaction(statements)
            return answer
