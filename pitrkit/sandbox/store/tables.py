"""moto's DynamoDB with its storage replaced: tables that keep their past.

moto goes on doing what it does well (parsing requests and expressions, validating, updating, describing). What it reads
and writes goes through `PastTable.read` and `PastTable.write`: images are normalised as the service does it, a write
is dated and recorded, and moto only ever gets copies, so that an update that fails half-way leaves nothing behind.
Writes of one request or transaction are collected in a `PastBackend.atomic` block: they take effect together or not
at all.
"""

from __future__ import annotations

import time
import uuid
from datetime import datetime, timedelta
from typing import Any

from moto.dynamodb.exceptions import ItemSizeTooLarge, MockValidationException
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import Table

from pitrkit.sandbox.store import queries
from pitrkit.sandbox.store.history import History, ItemVersion
from pitrkit.sandbox.store.interfaces import TableBackend
from pitrkit.sandbox.store.rows import ItemStore, Position, position
from pitrkit.sandbox.store.stream_shards import TableStream
from pitrkit.sandbox.store.values import (
    MAX_ITEM_BYTES,
    BadValue,
    Image,
    Value,
    image_of,
    normalised,
    normalised_image,
    stored_size,
    value_of,
)

MAX_PARTITION_KEY_BYTES = 2048
MAX_SORT_KEY_BYTES = 1024
TTL_REACHES_BACK = timedelta(days=5 * 365)
"""What expired longer ago than this is not deleted: such a number is rather no time."""


def _check_key_size(value: Value, name: str, kind: str, most: int) -> None:
    """Refuse an empty key value, or one that is too long."""
    size = stored_size({"": value})
    if not size:
        key_type = "string" if "S" in value else "binary"
        raise MockValidationException(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            f"empty {key_type} value. Key: {name}"
        )
    if size > most:
        raise MockValidationException(
            f"One or more parameter values were invalid: Size of {kind} has exceeded the maximum size limit of"
            f"{most} bytes"
        )


def _expired(value: Value | None, now: datetime) -> bool:
    """Whether a TTL attribute's value is past. Source: Developer Guide, "Using time to live"."""
    if value is None or "N" not in value:
        return False
    return 0 < now.timestamp() - float(value["N"]) < TTL_REACHES_BACK.total_seconds()


class PastTable(Table):  # type: ignore[misc] # moto is untyped
    """A moto table over `ItemStore` and `History`.

    Attributes:
        rows: The items now.
        history: Every change so far.
        born_at: When it was created.
        bytes_read: Stored bytes that the latest Scan or Query evaluated.
        id: The service's TableId; a re-created table has another one.
        protected_at: Since when point-in-time recovery is on, or None.
        period_days: How many days recovery reaches back.
        restored: RestoreSummary of a restored table, or None.
        on_demand: Most request units of an on-demand table, or None.
        stream: Its latest stream, or None.
        table_class: `STANDARD` or `STANDARD_INFREQUENT_ACCESS`.
        on_demand_limits: OnDemandThroughput, empty without limits.
        destinations: Kinesis streams that its changes go to, by ARN.
        insights: Modes of Contributor Insights by index, blank for the table itself.
        ttl_changed_at: When its TTL was last changed, or None.
    """

    def __init__(self, *args: Any, backend: TableBackend, born_at: datetime | None = None, **kwargs: Any) -> None:
        # What moto's constructor needs already, because it switches the stream on.
        self.backend = backend
        self.born_at = born_at or backend.clock.stamp()
        self.history = History()
        self.stream: TableStream | None = None
        super().__init__(*args, **kwargs)
        self.id = str(uuid.uuid4())
        self.rows = ItemStore()
        self.created_at = self.born_at.replace(tzinfo=None)
        self.bytes_read = 0
        self.protected_at: datetime | None = None
        self.period_days = 35
        self.restored: dict[str, Any] | None = None
        self.table_class = "STANDARD"
        self.on_demand_limits: dict[str, int] = {}
        self.destinations: dict[str, dict[str, Any]] = {}
        self.insights: dict[str, str] = {}
        self.ttl_changed_at: datetime | None = None
        self._active_at = 0.0
        self._pending: dict[Position, Image | None] = {}

    # -- status

    @property
    def active(self) -> bool:
        """Whether the table may be used: a restored one takes its real time first."""
        return time.monotonic() >= self._active_at

    def creating_for(self, seconds: float) -> None:
        """Be CREATING for the next *seconds* of real time."""
        self._active_at = time.monotonic() + seconds

    def fill(self, images: dict[Position, Image]) -> None:
        """Begin with *images*, which are normalised: the state a table is restored from."""
        self.rows, self.history = ItemStore(images), History(images)

    def describe(self, base_key: str = "TableDescription") -> dict[str, Any]:
        """Return moto's description with what it lacks: id, size, status and restore summary."""
        described: dict[str, Any] = super().describe(base_key=base_key)
        about = described[base_key]
        about["TableId"] = self.id
        about["TableSizeBytes"] = self.rows.bytes
        about["TableStatus"] = "ACTIVE" if self.active else "CREATING"
        for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
            if not about[kind]:
                del about[kind]
        if self.table_class != "STANDARD":
            about["TableClassSummary"] = {"TableClass": self.table_class}
        if self.on_demand_limits:
            about["OnDemandThroughput"] = self.on_demand_limits
        if self.restored is not None:
            about["RestoreSummary"] = {**self.restored, "RestoreInProgress": not self.active}
        return described

    def __len__(self) -> int:
        return len(self.rows)

    def __deepcopy__(self, memo: dict[int, Any]) -> PastTable:
        # moto copies whole tables before a transaction, to put them back when it fails. `atomic` does that here.
        return self

    # -- the one way in and the one way out

    def position(self, attrs: Image) -> Position:
        """Return where the item with the key attributes in *attrs* stands."""
        try:
            partition = normalised(value_of(attrs[self.hash_key_attr]))
            sort = normalised(value_of(attrs[self.range_key_attr])) if self.range_key_attr else None
        except KeyError:
            raise MockValidationException("The provided key element does not match the schema") from None
        except BadValue as bad:
            raise MockValidationException(str(bad)) from None
        if self.hash_key_type not in partition or (sort is not None and self.range_key_type not in sort):
            raise MockValidationException("The provided key element does not match the schema")
        _check_key_size(partition, self.hash_key_attr, "hashkey", MAX_PARTITION_KEY_BYTES)
        if sort is not None:
            _check_key_size(sort, self.range_key_attr, "rangekey", MAX_SORT_KEY_BYTES)
        return position(partition, sort)

    def place(self, attrs: Image) -> Position | None:
        """Return where the item with the key attributes in *attrs* stands, or None if they are no key."""
        try:
            return self.position(attrs)
        except MockValidationException:
            return None

    def read(self, at: Position) -> Image | None:
        """Return the image at a position, as the running request sees it."""
        if at in self._pending:
            return self._pending[at]
        row = self.rows.get(at)
        return row.image if row else None

    def write(self, at: Position, image: Image | None) -> None:
        """Put *image* (or nothing) at a position, with the running request's other writes."""
        if image is not None:
            try:
                image = normalised_image(image)
            except BadValue as bad:
                raise MockValidationException(str(bad)) from None
            if stored_size(image) > MAX_ITEM_BYTES:
                raise ItemSizeTooLarge
            self.check_index_keys(image)
        with self.backend.atomic():
            self._pending[at] = image

    def check_index_keys(self, image: Image) -> None:
        """Refuse what an index could not hold: a key attribute that is of the wrong type, or empty."""
        types = queries.key_types(self)
        for index in self.all_indexes():
            for name in index.schema_key_attrs:
                if name not in image:
                    continue
                ((kind, content),) = image[name].items()
                if kind != types[name]:
                    raise MockValidationException(
                        f"One or more parameter values were invalid: Type mismatch for Index Key {name} "
                        f"Expected: {types[name]} Actual: {kind} IndexName: {index.name}"
                    )
                if not content:
                    raise MockValidationException(
                        "One or more parameter values are not valid. A value specified for a secondary index key is "
                        "not supported. The AttributeValue for a key attribute cannot contain an empty string value. "
                        f"IndexName: {index.name}, IndexKey: {name}"
                    )

    def forget_pending(self) -> None:
        """Drop what the running request wrote."""
        self._pending.clear()

    def commit(self, at: datetime) -> None:
        """Make the running request's writes real, dated *at*. Writes that change nothing leave no trace."""
        for where, after in self._pending.items():
            row = self.rows.get(where)
            before = row.image if row else None
            if before == after:
                continue
            self.rows.put(where, after)
            self.history.changes.append(ItemVersion(at, where, before, after))
        self._pending.clear()

    def expire(self) -> int:
        """Delete what has expired by the table's TTL setting, as the service does, and return how many items."""
        name, now = self.ttl.get("AttributeName"), self.backend.clock.now()
        if name is None:
            return 0
        expired = [where for where, image in self.rows.images().items() if _expired(image.get(name), now)]
        at = self.backend.clock.stamp()
        for where in expired:
            row = self.rows.get(where)
            assert row is not None
            self.rows.put(where, None)
            self.history.changes.append(ItemVersion(at, where, row.image, None, "ttl"))
        return len(expired)

    def set_stream_specification(self, streams: dict[str, Any] | None) -> None:
        """Switch the stream on or off. Each time that it is switched on, it is another stream."""
        on = bool(streams and (streams.get("StreamEnabled") or streams.get("StreamViewType")))
        self.stream_specification = {**(streams or {}), "StreamEnabled": True} if on else {"StreamEnabled": False}
        if streams and on:
            begun = hasattr(self, "rows")  # a seeded table's stream is as old as the table
            self.stream = self.backend.new_stream(
                self, streams["StreamViewType"], self.backend.clock.stamp() if begun else self.born_at
            )
            self.latest_stream_label = self.stream.label
        elif self.stream is not None:
            self.stream.disable(self.backend.clock.stamp())

    def item(self, image: Image) -> Item:
        """Return a new moto item of an image, for moto to do with as it likes."""
        attrs = LimitedSizeDict()
        for name, value in image.items():
            dict.__setitem__(attrs, name, DynamoType(value))
        item = Item.__new__(Item)
        item.hash_key = attrs[self.hash_key_attr]
        item.range_key = attrs[self.range_key_attr] if self.range_key_attr else None
        item.attrs = attrs
        return item

    # -- moto's own interface, over the above

    def get_item(
        self,
        hash_key: DynamoType,
        range_key: DynamoType | None = None,
        projection_expression: list[list[str]] | None = None,
    ) -> Item | None:
        """Return a copy of an item, or None."""
        image = self.read(self._position(hash_key, range_key))
        if image is None:
            return None
        if projection_expression:
            return queries.project(self.item(image), image, projection_expression)
        return self.item(image)

    def put_item(self, item_attrs: Image, *args: Any, **kwargs: Any) -> Item:
        """Let moto validate and check conditions, then write."""
        item = super().put_item(item_attrs, *args, **kwargs)
        self.items.clear()  # moto's own storage stays empty
        self.write(self.position(item_attrs), image_of(item))
        return item

    def delete_item(self, hash_key: DynamoType, range_key: DynamoType | None) -> Item | None:
        """Remove an item and return what it was."""
        where = self._position(hash_key, range_key)
        image = self.read(where)
        self.write(where, None)
        return None if image is None else self.item(image)

    def all_items(self) -> list[Item]:
        """Return copies of all items in scan order."""
        return [self.item(row.image) for row in self.rows]

    def has_idx_items(self, index_name: str) -> list[Item]:
        """Return copies of the items that an index holds."""
        return [self.item(row.image) for _, row in queries.entries(self, index_name)]

    def query(self, *args: Any, **kwargs: Any) -> Any:
        """Answer a Query from the rows in key order."""
        return queries.query(self, super().query, *args, **kwargs)

    def scan(self, *args: Any, **kwargs: Any) -> Any:
        """Answer a Scan page from the rows in scan order."""
        return queries.scan(self, super().scan, *args, **kwargs)

    def _position(self, hash_key: DynamoType, range_key: DynamoType | None) -> Position:
        attrs = {self.hash_key_attr: hash_key}
        if self.range_key_attr and range_key is not None:
            attrs[self.range_key_attr] = range_key
        return self.position(attrs)
