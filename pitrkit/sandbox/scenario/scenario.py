"""A scenario: a table's past with good writes and an incident in it, and what is true about both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from pitrkit.sandbox.scenario.truth import Truth, identity
from pitrkit.sandbox.store.history import By, PastWrite
from pitrkit.sandbox.store.trail_events import ManagementEvent
from pitrkit.sandbox.store.values import Image

if TYPE_CHECKING:
    from pitrkit.sandbox.server.sandbox import Sandbox


HOURS_OF_PAST = timedelta(hours=6)
DAMAGE_BEFORE_NOW = timedelta(minutes=43)
DAMAGE_INTO_THE_SECOND = timedelta(milliseconds=412)
DAMAGE_LASTS = timedelta(seconds=90)

# Of a table's items; the same incident for the shop and for loaded tables, so that they rehearse alike.
DELETED_SHARE = 0.08
MANGLED_SHARE = 0.06


@dataclass(frozen=True, slots=True)
class ScenarioEvent:
    """Something that happened to one item; an update of an item that does not exist has no effect.

    Attributes:
        at: When, aware, in UTC.
        action: `put` replaces the item, `update` sets and drops attributes, `delete` removes the item.
        key: Key in wire JSON.
        values: Attributes that are set, in wire JSON; a put's may hold the key, too.
        dropped: Attributes an update removes.
        damage: True for the bad deploy's events, False for good ones.
        by: Who did it.
    """

    at: datetime
    action: Literal["put", "update", "delete"]
    key: Image
    values: Image = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    damage: bool = False
    by: By = ""


@dataclass(frozen=True, slots=True)
class IncidentTimes:
    """When the damage happens, seen from the scenario's *now*.

    Attributes:
        good_at: The last whole second before the damage.
        started_at: Moment of the first damaging write: a fraction into that second.
        ended_at: Moment of the last damaging write.
    """

    good_at: datetime
    started_at: datetime
    ended_at: datetime

    @classmethod
    def before(cls, now: datetime) -> IncidentTimes:
        """The incident of a scenario that ends at *now* (aware)."""
        if now.tzinfo is None:
            raise ValueError("a scenario needs an aware time for now: give it an offset, e.g. datetime.now(UTC)")
        good_at = (now - DAMAGE_BEFORE_NOW).replace(microsecond=0)
        started_at = good_at + DAMAGE_INTO_THE_SECOND
        return cls(good_at=good_at, started_at=started_at, ended_at=started_at + DAMAGE_LASTS)

    def moments(self, fractions: Sequence[float]) -> list[datetime]:
        """A moment for each of *fractions* (0 to 1), in time order; the first and last are the incident's ends."""
        span = self.ended_at - self.started_at
        moments = sorted(self.started_at + span * fraction for fraction in fractions)
        if moments:
            moments[0] = self.started_at
            moments[-1] = self.ended_at if len(moments) > 1 else self.started_at
        return moments


@dataclass(frozen=True, slots=True)
class Scenario:
    """A table with a past, ready to be seeded.

    Attributes:
        create_table: Parameters of CreateTable.
        writes: The table's history in time order.
        created_at: When the table was created, and its PITR enabled.
        ttl_attribute: Name of the TTL attribute, empty when TTL is off.
        tags: Tags of the table.
        truth: What happened and what must be true after a recovery.
        trail: What else happened in the account.
    """

    create_table: dict[str, Any]
    writes: tuple[PastWrite, ...]
    created_at: datetime
    ttl_attribute: str
    tags: dict[str, str]
    truth: Truth
    trail: tuple[ManagementEvent, ...] = ()

    def lay_into(self, sandbox: Sandbox) -> None:
        """Seed *sandbox* with the table and its past, make a bucket for exports, and have it serve the truth."""
        sandbox.seed(
            self.create_table,
            self.writes,
            created_at=self.created_at,
            ttl_attribute=self.ttl_attribute,
            tags=self.tags,
        )
        sandbox.bucket()
        sandbox.trail.add(*self.trail)
        sandbox.truth = self.truth.to_dict


def replay(events: Iterable[ScenarioEvent], *, damage: bool = True) -> tuple[list[PastWrite], list[Image]]:
    """What *events* write, and the items the table holds in the end.

    Args:
        events: In time order.
        damage: False leaves the damaging events out, as if they had never happened.
    """
    table: dict[Any, Image] = {}
    writes: list[PastWrite] = []
    for event in events:
        if event.damage and not damage:
            continue
        key = identity(event.key)
        item = apply_event(event, table.get(key))
        if item is None and key not in table:
            continue
        if item is None:
            del table[key]
        else:
            table[key] = item
        writes.append(PastWrite(event.at, event.key, item, event.by))
    return writes, list(table.values())


def apply_event(event: ScenarioEvent, item: Image | None) -> Image | None:
    """What *event* makes of *item*; None is an item that does not exist."""
    match event.action:
        case "put":
            return {**event.key, **event.values}
        case "delete":
            return None
        case "update":
            if item is None:
                return None
            kept_attributes = {name: value for name, value in item.items() if name not in event.dropped}
            return {**kept_attributes, **event.values}


def build_scenario(
    events: Iterable[ScenarioEvent],
    *,
    incident: IncidentTimes,
    create_table: dict[str, Any],
    created_at: datetime,
    where: str,
    attributes: tuple[str, ...],
    ttl_attribute: str = "",
    tags: dict[str, str] | None = None,
    trail: Iterable[ManagementEvent] = (),
) -> Scenario:
    """The scenario that *events* (in any order) make, with its truth.

    Args:
        events: Everything that happens to the table; those marked as damage are what a recovery takes back.
        incident: When the damage happens.
        create_table: Parameters of CreateTable.
        created_at: When the table was created.
        where: JMESPath that selects the damage among the changes since `incident.good_at`.
        attributes: Attributes the damage mangles.
        ttl_attribute: Name of the TTL attribute, if any.
        tags: Tags of the table.
        trail: What else happened in the account.
    """
    ordered = sorted(events, key=lambda event: event.at)
    writes, _ = replay(ordered)
    _, expected = replay(ordered, damage=False)
    since: dict[tuple[bool, str], dict[Any, Image]] = defaultdict(dict)
    for event in ordered:
        if event.at > incident.good_at:
            since[event.damage, event.by or event.action][identity(event.key)] = event.key
    new, cancelled, expired = since[False, "put"], since[False, "delete"], since[False, "ttl"]
    truth = Truth(
        table=create_table["TableName"],
        key_names=tuple(key["AttributeName"] for key in create_table["KeySchema"]),
        damage_started_at=incident.started_at,
        damage_ended_at=incident.ended_at,
        good_at=incident.good_at,
        where=where,
        attributes=attributes,
        deleted=tuple(since[True, "delete"].values()),
        mangled=tuple(since[True, "update"].values()),
        new=tuple(new.values()),
        updated=tuple(
            key
            for identified, key in since[False, "update"].items()
            if identified not in new and identified not in cancelled and identified not in expired
        ),
        cancelled=tuple(cancelled.values()),
        expired=tuple(expired.values()),
        expected=tuple(expected),
        writes=len(writes),
    )
    return Scenario(
        create_table=create_table,
        writes=tuple(writes),
        created_at=created_at,
        ttl_attribute=ttl_attribute,
        tags=tags or {},
        truth=truth,
        trail=tuple(trail),
    )
