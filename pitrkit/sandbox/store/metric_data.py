"""What CloudWatch counts about tables: a datum a minute for each metric and its dimensions.

A seeded past is counted when somebody asks for the first time: most sandboxes are never asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

MINUTE = 60


class Series(NamedTuple):
    """A metric of AWS/DynamoDB with its dimensions in the order of their names."""

    metric: str
    dimensions: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, metric: str, dimensions: Mapping[str, str]) -> Series:
        """Return the series of a metric's name and dimensions."""
        return cls(metric, tuple(sorted(dimensions.items())))


class Datum(NamedTuple):
    """What is kept of some samples, the service's StatisticSet."""

    samples: float
    total: float
    low: float
    high: float

    def plus(self, other: Datum) -> Datum:
        """Return the datum of both their samples."""
        return Datum(
            self.samples + other.samples,
            self.total + other.total,
            min(self.low, other.low),
            max(self.high, other.high),
        )


class Meter:
    """All metrics of one account's and region's tables. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._data: dict[Series, dict[int, Datum]] = {}
        self._uncounted: list[Callable[[Meter], None]] = []

    def add(self, metric: str, at: datetime, value: float, **dimensions: str) -> None:
        """Take one sample."""
        minute = int(at.timestamp()) // MINUTE * MINUTE
        datum = Datum(1, value, value, value)
        with self._lock:
            minutes = self._data.setdefault(Series.of(metric, dimensions), {})
            minutes[minute] = minutes[minute].plus(datum) if minute in minutes else datum

    def count(self, metric: str, at: datetime, times: int, **dimensions: str) -> None:
        """Count something that happened some *times*."""
        for _ in range(times):
            self.add(metric, at, 1.0, **dimensions)

    def consumed(
        self, way: str, at: datetime, units: Mapping[str, float], *, table: str, global_indexes: frozenset[str]
    ) -> None:
        """Take note of the capacity that a request consumed of a table and its global indexes.

        Args:
            way: `Read` or `Write`.
            at: When.
            units: By index name; the table's own are under the empty name. A local index's are the table's.
            table: The table's name.
            global_indexes: Names of its global indexes, each of which has a metric of its own.
        """
        metric = f"Consumed{way}CapacityUnits"
        own = sum(value for name, value in units.items() if name not in global_indexes)
        if own or not units.keys() & global_indexes:
            self.add(metric, at, own, TableName=table)
        for name in units.keys() & global_indexes:
            self.add(metric, at, units[name], TableName=table, GlobalSecondaryIndexName=name)

    def later(self, count: Callable[[Meter], None]) -> None:
        """Have *count* count something before anybody is told anything."""
        with self._lock:
            self._uncounted.append(count)

    def minutes(self, series: Series) -> dict[int, Datum]:
        """Return a series' data by the beginning of their minutes, in seconds since 1970."""
        self._catch_up()
        with self._lock:
            return dict(self._data.get(series, {}))

    def series(self) -> list[Series]:
        """Return what has been counted, by name."""
        self._catch_up()
        with self._lock:
            return sorted(self._data)

    def _catch_up(self) -> None:
        with self._lock:
            uncounted, self._uncounted = self._uncounted, []
            for count in uncounted:
                count(self)
