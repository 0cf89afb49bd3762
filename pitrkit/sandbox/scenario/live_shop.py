"""A shop that goes on selling while somebody recovers its table: good writes only, and the truth grows with them."""

from __future__ import annotations

import base64
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Self

from botocore.exceptions import ClientError

from pitrkit.sandbox.scenario.scenario import Scenario, ScenarioEvent, apply_event
from pitrkit.sandbox.scenario.shop import place_order, update
from pitrkit.sandbox.scenario.truth import Truth, identity
from pitrkit.sandbox.store.values import Image, Value

_NEXT = {"placed": "paid", "paid": "packed", "packed": "shipped", "shipped": "delivered"}
_NEW_SHARE = 0.4


class LiveShop:
    """Places new orders and moves undamaged ones on, one write at a time.

    Args:
        scenario: The `Orders` scenario that the sandbox was seeded with.
        client: A DynamoDB client of the sandbox.
        now: The sandbox's clock.
        seed: Chooses what is written.
        every_seconds: Pause between writes of the thread that `start` runs.
    """

    def __init__(
        self,
        scenario: Scenario,
        client: Any,
        now: Callable[[], datetime],
        *,
        seed: int = 7,
        every_seconds: float = 2.0,
    ) -> None:
        self._truth = scenario.truth
        self._client = client
        self._now = now
        self._rng = random.Random(seed)  # noqa: S311 - a story, not a secret
        self._every_seconds = every_seconds
        self._expected = {identity(self._truth.key(item)): item for item in self._truth.expected}
        self._writes = self._truth.writes
        self._new: dict[Any, Image] = {}
        self._updated: dict[Any, Image] = {}
        damaged = {identity(key) for key in (*self._truth.deleted, *self._truth.mangled)}
        self._open = {
            key for key, item in self._expected.items() if key not in damaged and item["status"]["S"] in _NEXT
        }
        self._orders = max(int(write.key["order_id"]["S"].rpartition("#")[2]) for write in scenario.writes)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sell, name="live shop", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Sell in a thread of its own until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Stop selling, and return when the last write is done: from then on the truth stands still."""
        self._stopped.set()
        self._thread.join()

    @property
    def truth(self) -> Truth:
        """The scenario's truth, with every write of this shop in it."""
        with self._lock:
            known_keys = {identity(key) for key in (*self._truth.new, *self._truth.updated)}
            return replace(
                self._truth,
                new=(*self._truth.new, *self._new.values()),
                updated=(
                    *self._truth.updated,
                    *(key for name, key in self._updated.items() if name not in known_keys and name not in self._new),
                ),
                expected=tuple(self._expected.values()),
                writes=self._writes,
            )

    def truth_json(self) -> dict[str, Any]:
        """The truth as JSON, for the sandbox to serve."""
        return self.truth.to_dict()

    def trade(self) -> bool:
        """Make one good write; False when the table refused it."""
        with self._lock:
            event = self._choose()
            item = apply_event(event, self._expected.get(identity(event.key)))
            assert item is not None
            try:
                self._write(event)
            except ClientError as error:
                # An operator may have taken the order or the table away: the shop shrugs, as the real one does.
                if error.response["Error"]["Code"] in ("ConditionalCheckFailedException", "ResourceNotFoundException"):
                    return False
                raise
            key = identity(event.key)
            self._writes += 1
            self._expected[key] = item
            (self._new if event.action == "put" else self._updated)[key] = event.key
            if item["status"]["S"] in _NEXT:
                self._open.add(key)
            else:
                self._open.discard(key)
            return True

    def _sell(self) -> None:
        while not self._stopped.wait(self._every_seconds):
            self.trade()

    def _choose(self) -> ScenarioEvent:
        at = self._now()
        if not self._open or self._rng.random() < _NEW_SHARE:
            self._orders += 1
            return place_order(self._rng, self._orders, at)
        item = self._expected[self._rng.choice(sorted(self._open))]
        return update(self._truth.key(item), at, _NEXT[item["status"]["S"]])

    def _write(self, event: ScenarioEvent) -> None:
        partition = {"#partition": self._truth.key_names[0]}
        if event.action == "put":
            self._client.put_item(
                TableName=self._truth.table,
                Item={name: _for_boto(value) for name, value in event.values.items()},
                ConditionExpression="attribute_not_exists(#partition)",
                ExpressionAttributeNames=partition,
            )
            return
        named = {f"#a{number}": name for number, name in enumerate(event.values)}
        self._client.update_item(
            TableName=self._truth.table,
            Key={name: _for_boto(value) for name, value in event.key.items()},
            UpdateExpression="SET " + ", ".join(f"{name} = {name.replace('#', ':')}" for name in named),
            ConditionExpression="attribute_exists(#partition)",
            ExpressionAttributeNames={**named, **partition},
            ExpressionAttributeValues={
                name.replace("#", ":"): _for_boto(event.values[attribute]) for name, attribute in named.items()
            },
        )


def _for_boto(value: Value) -> Value:
    """A value as boto3's low-level client takes it: binary as bytes."""
    ((kind, content),) = value.items()
    match kind:
        case "B":
            return {"B": base64.b64decode(content)}
        case "M":
            return {"M": {name: _for_boto(member) for name, member in content.items()}}
        case "L":
            return {"L": [_for_boto(member) for member in content]}
    return value
