"""Strongly consistent reads of chosen keys: what is true now, for planning and for proving."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from pitrkit.aws.client.backoff import Backoff
from pitrkit.aws.client.error_mapping import Throttled
from pitrkit.aws.client.transport import Wire
from pitrkit.aws.items import Image, Key, KeySchema
from pitrkit.aws.tables import item_calls
from pitrkit.aws.tables.item_calls import KEYS_PER_CALL
from pitrkit.aws.tables.tables import Table
from pitrkit.recovery.plan.guard import Write

READERS = 4
_ATTEMPTS_WITHOUT_PROGRESS = 12
_BACKOFF = Backoff(first=0.05, longest=10.0)

Batch = TypeVar("Batch")


def current_items(
    wire: Wire,
    table: str,
    keys: Sequence[Key],
    key_schema: KeySchema,
    *,
    sleep: Callable[[float], object] = time.sleep,
) -> dict[Key, Image]:
    """Return the items that exist now under *keys* (at most 100), without the service's replication attributes.

    A key that is missing in the answer is absent from the table: what the service left unprocessed is asked again.

    Raises:
        Throttled: The service went on leaving keys unprocessed.
    """
    images_by_key: dict[Key, Image] = {}
    left = [key.encode() for key in keys]
    fruitless = 0
    while left:
        batch = item_calls.read_keys(wire, table, left, key_schema)
        images_by_key |= batch.items
        unprocessed_keys = batch.left
        fruitless = fruitless + 1 if len(unprocessed_keys) == len(left) else 0
        if fruitless == _ATTEMPTS_WITHOUT_PROGRESS:
            raise Throttled(
                f"{len(unprocessed_keys)} keys stay unread after {fruitless} attempts",
                code="UnprocessedKeys",
                operation=item_calls.BATCH_READ,
                table=table,
                fix="Wait until the table has read capacity again, or give it more, and run this step again.",
            )
        if unprocessed_keys:
            sleep(_BACKOFF.pause(fruitless + 1))
        left = unprocessed_keys
    return images_by_key


def in_calls(writes: Iterable[Write]) -> Iterator[tuple[Write, ...]]:
    """Yield *writes* in batches whose keys are read by one call each."""
    rest = iter(writes)
    while batch := tuple(islice(rest, KEYS_PER_CALL)):
        yield batch


def keys_of(writes: Iterable[Write]) -> list[Key]:
    """Return the keys of *writes*."""
    return [write.key for write in writes]


def in_parallel(
    wire: Wire, table: Table, batches: Iterable[Batch], keys: Callable[[Batch], Sequence[Key]]
) -> Iterator[tuple[Batch, dict[Key, Image]]]:
    """Yield each batch with the items that exist now under its *keys*, in order; only a few batches are ever held."""

    def read(batch: Batch) -> dict[Key, Image]:
        return current_items(wire, table.name, keys(batch), table.key_schema)

    with ThreadPoolExecutor(READERS, thread_name_prefix="reread") as pool:
        under_way: deque[tuple[Batch, Future[dict[Key, Image]]]] = deque()
        try:
            for batch in batches:
                under_way.append((batch, pool.submit(read, batch)))
                if len(under_way) > READERS:
                    first, reading = under_way.popleft()
                    yield first, reading.result()
            for first, reading in under_way:
                yield first, reading.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
