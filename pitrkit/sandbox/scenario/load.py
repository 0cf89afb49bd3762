"""A rehearsal on a team's own data: a loaded table with a past and the shop's kind of incident in it."""

from __future__ import annotations

import base64
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from pitrkit.sandbox.scenario.deploys import deploys
from pitrkit.sandbox.scenario.dump import KeySpec, LoadError, parse_keys, read
from pitrkit.sandbox.scenario.scenario import (
    DELETED_SHARE,
    HOURS_OF_PAST,
    MANGLED_SHARE,
    IncidentTimes,
    Scenario,
    ScenarioEvent,
    build_scenario,
)
from pitrkit.sandbox.scenario.truth import identity
from pitrkit.sandbox.store.values import Image, Value

LOADING = timedelta(hours=3)
ITEMS_A_BATCH = 25  # of BatchWriteItem, with which such tables are filled
MANGLED_ATTRIBUTES = 2
TOUCHED_BEFORE_SHARE = 0.2
TOUCHED_SINCE_SHARE = 0.1
MANGLED_TOUCHED_SHARE = 1 / 3
NEW_SHARE = 1 / 12
RETIRED_SHARE = 8 / 3000

_TABLE_NAME = re.compile(r"[a-zA-Z0-9_.-]{3,255}")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BLANKS: dict[str, Value] = {
    "S": {"S": ""},
    "N": {"N": "0"},
    "B": {"B": ""},
    "M": {"M": {}},
    "L": {"L": []},
    "BOOL": {"BOOL": False},
}


@dataclass(frozen=True, slots=True)
class _Names:
    """Attribute names of the rehearsal: those it mangles, and two that no loaded item has.

    Attributes:
        mangled: Attributes the bad deploy blanks.
        touched: Attribute that good updates set.
        retired: Attribute that marks items which are deleted for good reasons later.
    """

    mangled: tuple[str, ...]
    touched: str
    retired: str

    @classmethod
    def of(cls, items: Sequence[Image], keys: Sequence[KeySpec]) -> _Names:
        name_counts = Counter(name for item in items for name in item)
        for key in keys:
            del name_counts[key.name]
        common = sorted(name_counts, key=lambda name: (-name_counts[name], name))[:MANGLED_ATTRIBUTES]
        return cls(tuple(sorted(common)), _free("touched_at", name_counts), _free("retired", name_counts))

    @property
    def where(self) -> str:
        """JMESPath that selects the damage: no good write deletes an unmarked item or touches what was mangled."""
        removed = f"(kind == 'removed' && !(before.{self.retired}))"
        if not self.mangled:
            return removed
        blanked = " || ".join(f"before.{name} != after.{name}" for name in map(_quoted, self.mangled))
        return f"{removed} || (kind == 'modified' && ({blanked}))"


def load(source: Path, *, table: str, keys: str, seed: int = 7, now: datetime) -> Scenario:
    """A scenario on the items in *source*: six hours that end at *now*, damaged 43 minutes before.

    Args:
        source: A file of DynamoDB-JSON lines, plain or gzipped, or the folder of a full export.
        table: Name the table gets.
        keys: Its key attributes, e.g. `year:N,title:S`.
        seed: Chooses which items the incident hits; same arguments, same scenario.
        now: End of the past; aware.

    Raises:
        LoadError: The source, the name or the keys cannot be used.
    """
    if not _TABLE_NAME.fullmatch(table):
        raise LoadError(
            f"{table!r} is no table name", fix="give --table 3 to 255 letters, digits, dots, dashes and underscores"
        )
    specs = parse_keys(keys)
    items = [line.item for line in read(source, specs)]
    now = now.astimezone(UTC) if now.tzinfo else now
    incident = IncidentTimes.before(now)
    names = _Names.of(items, specs)
    rng = random.Random(seed)  # noqa: S311 - a story, not a secret
    return build_scenario(
        _events(rng, items, specs, names, incident=incident, now=now),
        incident=incident,
        create_table=_create_table(table, specs),
        created_at=now - HOURS_OF_PAST - timedelta(minutes=5),
        where=names.where,
        attributes=names.mangled,
        trail=deploys(incident),
    )


def _events(
    rng: random.Random,
    items: list[Image],
    specs: Sequence[KeySpec],
    names: _Names,
    *,
    incident: IncidentTimes,
    now: datetime,
) -> Iterator[ScenarioEvent]:
    opened_at = now - HOURS_OF_PAST
    loaded_at = opened_at + LOADING
    batches = [items[start : start + ITEMS_A_BATCH] for start in range(0, len(items), ITEMS_A_BATCH)]
    for number, batch in enumerate(batches):
        at = opened_at + LOADING * ((number + 0.5) / len(batches))
        yield from (ScenarioEvent(at, "put", _key(item, specs), item) for item in batch)

    def touch(item: Image, after_at: datetime, before_at: datetime) -> ScenarioEvent:
        at = _between(rng, after_at, before_at)
        return ScenarioEvent(at, "update", _key(item, specs), {names.touched: {"S": at.isoformat()}})

    for item in rng.sample(items, _share(items, TOUCHED_BEFORE_SHARE)):
        yield touch(item, loaded_at, incident.good_at)

    order = rng.sample(items, len(items))
    deleted, order = _split(order, max(1, _share(items, DELETED_SHARE)))
    blanks = [(item, blank) for item in order if (blank := _blanked(item, names.mangled))]
    mangled = blanks[: max(1, _share(items, MANGLED_SHARE))]
    hit = {identity(_key(item, specs)) for item, _ in mangled}
    order = [item for item in order if identity(_key(item, specs)) not in hit]
    retired, order = _split(order, max(1, _share(items, RETIRED_SHARE)))
    touched, _ = _split(order, _share(items, TOUCHED_SINCE_SHARE))

    for item in retired:
        marked_at = _between(rng, loaded_at, incident.good_at)
        yield ScenarioEvent(marked_at, "update", _key(item, specs), {names.retired: {"BOOL": True}})
        yield ScenarioEvent(_between(rng, incident.ended_at, now), "delete", _key(item, specs))
    for item in touched:
        yield touch(item, incident.started_at, now)
    for item, _ in mangled[: _share(mangled, MANGLED_TOUCHED_SHARE)]:
        yield touch(item, incident.ended_at, now)
    for item in _new(rng, items, specs, max(1, _share(items, NEW_SHARE))):
        at = _between(rng, incident.started_at, now)
        yield ScenarioEvent(at, "put", _key(item, specs), item)

    damage = [ScenarioEvent(now, "delete", _key(item, specs), damage=True) for item in deleted]
    for item, (values, dropped) in mangled:
        damage.append(ScenarioEvent(now, "update", _key(item, specs), values, dropped, damage=True))
    rng.shuffle(damage)
    for at, event in zip(incident.moments([rng.random() for _ in damage]), damage, strict=True):
        yield ScenarioEvent(at, event.action, event.key, event.values, event.dropped, damage=True)


def _blanked(item: Image, attributes: Sequence[str]) -> tuple[Image, tuple[str, ...]] | None:
    """What blanking *attributes* sets and drops on *item*; None where they are blank already."""
    values: Image = {}
    dropped: list[str] = []
    for name in attributes:
        kind = next(iter(item.get(name, {"NULL": True})))
        if kind in _BLANKS and _BLANKS[kind] != item[name]:
            values[name] = _BLANKS[kind]
        elif kind.endswith("S") and kind != "S":  # a set has no blank
            dropped.append(name)
    return (values, tuple(dropped)) if values or dropped else None


def _new(rng: random.Random, items: Sequence[Image], specs: Sequence[KeySpec], wanted: int) -> Iterator[Image]:
    """*wanted* new items: copies of loaded ones under keys that nobody has."""
    taken = {identity(_key(item, specs)) for item in items}
    name, kind = specs[-1]
    numbers = count(1)
    while wanted:
        item = rng.choice(items)
        number = next(numbers)
        fresh = _fresh(kind, item[name][kind], number)
        item = {**item, name: {kind: fresh}}
        if identity(_key(item, specs)) not in taken:
            wanted -= 1
            yield item


def _fresh(kind: str, old: str, number: int) -> str:
    match kind:
        case "S":
            return f"{old[:200]} (new {number})"
        case "N":
            return str(1_000_000_000 + number)
    return base64.b64encode(number.to_bytes(16)).decode("ascii")


def _create_table(table: str, specs: Sequence[KeySpec]) -> dict[str, Any]:
    return {
        "TableName": table,
        "AttributeDefinitions": [{"AttributeName": key.name, "AttributeType": key.type} for key in specs],
        "KeySchema": [
            {"AttributeName": key.name, "KeyType": role} for key, role in zip(specs, ("HASH", "RANGE"), strict=False)
        ],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        "DeletionProtectionEnabled": False,
    }


def _key(item: Image, specs: Sequence[KeySpec]) -> Image:
    return {key.name: item[key.name] for key in specs}


def _share(items: Sequence[Any], share: float) -> int:
    return round(len(items) * share)


def _split(items: list[Image], at: int) -> tuple[list[Image], list[Image]]:
    return items[:at], items[at:]


def _between(rng: random.Random, start_at: datetime, end_at: datetime) -> datetime:
    return start_at + (end_at - start_at) * rng.uniform(0.001, 0.999)


def _free(name: str, taken: Counter[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _quoted(name: str) -> str:
    """An attribute name as JMESPath reads it."""
    return name if _PLAIN_NAME.fullmatch(name) else json.dumps(name)
