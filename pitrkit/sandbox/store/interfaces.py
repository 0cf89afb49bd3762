"""What the store's modules ask of a table and of the backend, so that queries and statements need not import these."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from pitrkit.sandbox.store.clock import Clock
from pitrkit.sandbox.store.metric_data import Meter
from pitrkit.sandbox.store.rows import ItemStore, Position
from pitrkit.sandbox.store.stream_shards import TableStream
from pitrkit.sandbox.store.values import Image


class StoredTable(Protocol):
    """A table as queries and statements see it; `tables.PastTable` is the one there is."""

    rows: ItemStore
    bytes_read: int

    @property
    def name(self) -> str:
        """The table's name."""

    @property
    def active(self) -> bool:
        """Whether the table may be used."""

    @property
    def attr(self) -> Sequence[dict[str, str]]:
        """AttributeDefinitions."""

    @property
    def table_key_attrs(self) -> Sequence[str]:
        """The names of the key attributes, the partition key's first."""

    @property
    def global_indexes(self) -> Sequence[Any]:
        """The global secondary indexes, moto's objects."""

    def all_indexes(self) -> Sequence[Any]:
        """Return moto's indexes, global and local."""

    def position(self, attrs: Image) -> Position:
        """Return where the item with the key attributes in *attrs* is."""

    def place(self, attrs: Image) -> Position | None:
        """Return where the item with the key attributes in *attrs* is, or None if they are no key."""

    def read(self, at: Position) -> Image | None:
        """Return the item at a position, writes of the request under way included."""

    def write(self, at: Position, image: Image | None) -> None:
        """Write or delete the item at a position."""

    def check_index_keys(self, image: Image) -> None:
        """Refuse key attributes of an index that have another type or no value."""

    def item(self, image: Image) -> Any:
        """Return moto's item of *image*."""


class TableBackend(Protocol):
    """The backend as its tables see it; `backend.PastBackend` is the one there is."""

    @property
    def clock(self) -> Clock:
        """What time it is."""

    @property
    def meter(self) -> Meter:
        """What CloudWatch counts."""

    def atomic(self) -> AbstractContextManager[Any]:
        """Collect writes and make them real together at the end of the outermost block."""

    def new_stream(self, table: Any, view: str, at: datetime) -> TableStream:
        """Return a new stream of *table* that is switched on at *at*."""
