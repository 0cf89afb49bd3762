"""Strongly consistent reads of chosen keys: what is true now, for planning and for proving."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from pitrkit.aws.client.client import Aws
from pitrkit.aws.client.error_mapping import Throttled
from pitrkit.aws.items import Image, Key, KeySchema, canonical, key_of, owned, to_boto

KEYS_PER_CALL = 100
"""Keys in one BatchGetItem call. Source: the API reference."""

READERS = 4
_ATTEMPTS_WITHOUT_PROGRESS = 12
_LONGEST_PAUSE = 10.0

Batch = TypeVar("Batch")


def current_items(
    aws: Aws,
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
    boto_keys = [to_boto(key) for key in keys]
    fruitless = 0
    while boto_keys:
        request = {table: {"Keys": boto_keys, "ConsistentRead": True}}
        answer = aws.call("dynamodb", "batch_get_item", table=table, RequestItems=request)
        for item in answer.get("Responses", {}).get(table, ()):
            image = owned(canonical(item))
            assert image is not None
            images_by_key[key_of(item, key_schema.names)] = image
        left = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
        fruitless = fruitless + 1 if len(left) == len(boto_keys) else 0
        if fruitless == _ATTEMPTS_WITHOUT_PROGRESS:
            raise Throttled(
                f"{len(left)} keys stay unread after {fruitless} attempts",
                code="UnprocessedKeys",
                operation="BatchGetItem",
                table=table,
                fix="Wait until the table has read capacity again, or give it more, and run this step again.",
            )
        if left:
            sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.05 * 2**fruitless)))  # noqa: S311 -- jitter, no secret
        boto_keys = left
    return images_by_key


def in_parallel(
    batches: Iterable[Batch], read: Callable[[Batch], dict[Key, Image]]
) -> Iterator[tuple[Batch, dict[Key, Image]]]:
    """Yield each batch with what *read* found for it, in order; only a few batches are ever held."""
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
