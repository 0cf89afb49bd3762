"""The shop: an `Orders` table with six hours of traffic, a bad deploy in it, and a shop that goes on selling."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from pitrkit.sandbox.scenario.deploys import deploys
from pitrkit.sandbox.scenario.scenario import (
    DELETED_SHARE,
    HOURS_OF_PAST,
    MANGLED_SHARE,
    IncidentTimes,
    Scenario,
    ScenarioEvent,
    build_scenario,
)
from pitrkit.sandbox.store.values import Image, Value, number

TABLE = "Orders"
MANGLED = ("currency", "lines", "shipping", "total")
"""Attributes the bad deploy mangles; the shop itself writes them once, when an order is placed."""

WHERE = (
    "(kind == 'removed' && before.status != 'cancelled') || "
    "(kind == 'modified' && before.currency != '' && after.currency == '')"
)
"""Selects the damage: the shop purges cancelled orders only, and never blanks a currency."""

FEWEST_ORDERS = 100
NEW_SINCE_SHARE = 1 / 12
MANGLED_UPDATED_SHARE = 1 / 3
CANCELLED_SHARE = 0.04
PURGED_SHARE = 8 / 3000
FORGOTTEN_SHARE = 45 / 3000
FORGOTTEN_AMID_SHARE = 6 / 3000
FORGOTTEN_AFTER = timedelta(minutes=25)
"""Cancelled orders of guests are kept for so long; TTL deletes them some time later."""

_GOODS = (
    ("MUG-01", "Enamel mug", 1450),
    ("TEA-07", "Assam tea, 250 g", 899),
    ("LMP-12", "Desk lamp", 6490),
    ("NTB-03", "Notebook, squared", 725),
    ("CHR-21", "Oak chair", 21900),
    ("PEN-02", "Fountain pen", 3380),
    ("BAG-05", 'Canvas bag, 15"', 4999),
    ("CLK-09", "Wall clock <silent>", 5710),
)
_PEOPLE = ("Zoë Müller", "Brian O'Connor", "Ana & Rui Sousa", "Priya Nair", "山田 花子", "Jan de Vries", "Ifeoma Obi")
_PLACES = (
    ("Berlin", "DE", "10115", "52.532", "13.3849"),
    ("Lisboa", "PT", "1100-148", "38.7139", "-9.1334"),
    ("London", "GB", "E1 6AN", "51.5171", "-0.0706"),
    ("Bengaluru", "IN", "560001", "12.9763", "77.6033"),
    ("大阪", "JP", "530-0001", "34.7025", "135.4959"),
)
_CURRENCIES = ("EUR", "EUR", "GBP", "USD")
_TAGS = ("gift", "express", "fragile", "first-order", "b2b")
_NOTES = ("", "", "Ring twice", "Leave it with <neighbour>", 'He said "back door"')

CREATE_TABLE: dict[str, Any] = {
    "TableName": TABLE,
    "AttributeDefinitions": [
        {"AttributeName": "customer_id", "AttributeType": "S"},
        {"AttributeName": "order_id", "AttributeType": "S"},
        {"AttributeName": "status", "AttributeType": "S"},
        {"AttributeName": "placed_at", "AttributeType": "S"},
    ],
    "KeySchema": [
        {"AttributeName": "customer_id", "KeyType": "HASH"},
        {"AttributeName": "order_id", "KeyType": "RANGE"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by_status",
            "KeySchema": [
                {"AttributeName": "status", "KeyType": "HASH"},
                {"AttributeName": "placed_at", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
    "BillingMode": "PAY_PER_REQUEST",
    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    "DeletionProtectionEnabled": False,
}


class Order(NamedTuple):
    """An order's life: the event that places it and the good updates that follow."""

    placed: ScenarioEvent
    steps: list[ScenarioEvent]

    def status_at(self, at: datetime) -> str:
        """Its status at *at*, by the shop's own doing."""
        seen = [step.values["status"]["S"] for step in self.steps if step.at <= at]
        return seen[-1] if seen else "placed"


def orders(seed: int = 7, *, now: datetime, orders: int = 3000) -> Scenario:
    """The `Orders` scenario: six hours of shop traffic that end at *now*, damaged 43 minutes before.

    Args:
        seed: Same seed, *now* and *orders*: same scenario, byte for byte.
        now: End of the past; aware.
        orders: How many orders are placed in all, at least 100.
    """
    if orders < FEWEST_ORDERS:
        raise ValueError(f"{orders} orders make no shop: ask for at least {FEWEST_ORDERS}")
    now = now.astimezone(UTC) if now.tzinfo else now
    incident = IncidentTimes.before(now)
    rng = random.Random(seed)  # noqa: S311 - a story, not a secret
    opened_at = now - HOURS_OF_PAST
    since = round(orders * NEW_SINCE_SHARE)
    moments = sorted(_between(rng, opened_at, incident.good_at) for _ in range(orders - since))
    moments += sorted(_between(rng, incident.started_at, now) for _ in range(since))
    placed = [place_order(rng, count, at) for count, at in enumerate(moments, start=1)]
    lives = [Order(event, [step for step in _steps(rng, event) if step.at < now]) for event in placed]
    events = list(_damaged(rng, lives, incident, now))
    return build_scenario(
        events,
        incident=incident,
        create_table=CREATE_TABLE,
        created_at=opened_at - timedelta(minutes=5),
        where=WHERE,
        attributes=MANGLED,
        ttl_attribute="expires_at",
        tags={"team": "shop", "environment": "production"},
        trail=deploys(incident),
    )


def _damaged(rng: random.Random, lives: list[Order], incident: IncidentTimes, now: datetime) -> Iterator[ScenarioEvent]:
    """Everything that happens: the orders' lives, what becomes of cancelled ones, and the deploy's damage."""
    old = [life for life in lives if life.placed.at <= incident.good_at]
    purges = max(2, round(len(lives) * PURGED_SHARE))
    cancelled = [life for life in old if life.status_at(incident.good_at) == "cancelled"]
    rng.shuffle(cancelled)
    for life in cancelled[:purges]:
        yield ScenarioEvent(_between(rng, life.steps[-1].at, incident.good_at), "delete", life.placed.key)
    for life in cancelled[purges : 2 * purges]:
        yield ScenarioEvent(_between(rng, incident.ended_at, now), "delete", life.placed.key)
    off = {id(life) for life in cancelled[: 2 * purges]}
    for life, at in _forgotten(rng, cancelled[2 * purges :], incident, now, cancelled_count=len(lives)):
        off.add(id(life))
        # It expires by what its last update, the cancellation, says.
        life.steps[-1].values["expires_at"] = {"N": str(int(at.timestamp()) - rng.randint(1, 300))}
        yield ScenarioEvent(at, "delete", life.placed.key, by="ttl")

    standing = [life for life in old if id(life) not in off]
    rng.shuffle(standing)
    mangled = _to_mangle(standing, round(len(lives) * MANGLED_SHARE), incident)
    spared = {id(life) for life in mangled} | {id(life) for life in cancelled}
    deleted = [life for life in standing if id(life) not in spared][: round(len(lives) * DELETED_SHARE)]

    gone = {id(life) for life in deleted}
    for life in lives:
        yield life.placed
        # The shop's later updates of a deleted order fail their condition: they write nothing.
        yield from (step for step in life.steps if id(life) not in gone or step.at <= incident.good_at)

    damage = [_mangle(rng, life) for life in mangled]
    damage += [ScenarioEvent(now, "delete", life.placed.key, damage=True) for life in deleted]
    rng.shuffle(damage)
    for at, event in zip(incident.moments([rng.random() for _ in damage]), damage, strict=True):
        yield ScenarioEvent(at, event.action, event.key, event.values, event.dropped, damage=True)


def _forgotten(
    rng: random.Random, cancelled: list[Order], incident: IncidentTimes, now: datetime, *, cancelled_count: int
) -> Iterator[tuple[Order, datetime]]:
    """Cancelled orders that TTL deletes, and when: some of them while the deploy runs or close to it."""
    early = [life for life in cancelled if life.steps[-1].at + FORGOTTEN_AFTER < incident.started_at]
    amid = round(cancelled_count * FORGOTTEN_AMID_SHARE)
    for count, life in enumerate(early[: round(cancelled_count * FORGOTTEN_SHARE)]):
        if count >= amid:
            yield life, _between(rng, life.steps[-1].at + FORGOTTEN_AFTER, now)
        elif count % 2:
            yield life, _between(rng, incident.started_at, incident.ended_at)
        else:
            yield life, incident.started_at + timedelta(seconds=rng.uniform(-90, 180))


def _to_mangle(standing: list[Order], count: int, incident: IncidentTimes) -> list[Order]:
    """*count* orders to mangle, of which a third sees good updates after the damage."""
    moving = [life for life in standing if life.steps and life.steps[-1].at > incident.ended_at]
    moving = moving[: round(count * MANGLED_UPDATED_SHARE)]
    chosen = {id(life) for life in moving}
    settled = [life for life in standing if id(life) not in chosen and life.steps]
    settled = [life for life in settled if life.steps[-1].at <= incident.ended_at]
    return moving + settled[: count - len(moving)]


def _mangle(rng: random.Random, life: Order) -> ScenarioEvent:
    """What the bad deploy writes over an order: no lines, no total, no currency, mostly no address."""
    values: Image = {"total": {"N": "0"}, "lines": {"L": []}, "currency": {"S": ""}}
    dropped = ("shipping",) if rng.random() < 0.6 else ()  # noqa: PLR2004 - one path of two
    return ScenarioEvent(life.placed.at, "update", life.placed.key, values, dropped, damage=True)


def place_order(rng: random.Random, count: int, at: datetime) -> ScenarioEvent:
    """A new order: the *count*-th of the shop, placed at *at*."""
    customer = rng.randrange(1, 900) if rng.random() < 0.7 else rng.randrange(1, 60)  # noqa: PLR2004 - regulars
    order_id = f"{at:%Y-%m-%d}#{count:07d}"
    lines = [(*rng.choice(_GOODS), rng.choice((1, 1, 1, 2, 3, 6))) for _ in range(rng.randint(1, 4))]
    cents = sum(price * quantity for _, _, price, quantity in lines)
    item: Image = {
        "customer_id": {"S": f"c-{customer:05d}"},
        "order_id": {"S": order_id},
        "placed_at": {"S": stamp(at)},
        "updated_at": {"S": stamp(at)},
        "status": {"S": "placed"},
        "currency": {"S": rng.choice(_CURRENCIES)},
        "total": _money(cents),
        "lines": {"L": [_line(*line) for line in lines]},
        "shipping": _address(rng),
        "warehouses": {"NS": sorted({str(rng.randrange(1, 20)) for _ in range(2)}, key=int)},
        "signature": {"B": base64.b64encode(hashlib.sha256(order_id.encode()).digest()).decode("ascii")},
        "gift": {"BOOL": rng.random() < 0.15},  # noqa: PLR2004 - a share
        "coupon": {"NULL": True} if rng.random() < 0.8 else {"S": f"SPRING-{rng.randrange(10, 40)}"},  # noqa: PLR2004
        "note": {"S": rng.choice(_NOTES)},
    }
    tags = sorted(rng.sample(_TAGS, rng.randrange(4)))
    if tags:
        item["tags"] = {"SS": tags}
    if rng.random() < 0.25:  # noqa: PLR2004 - orders of guests
        item["expires_at"] = _expiry(at, days=90)
    return ScenarioEvent(at, "put", {name: item[name] for name in ("customer_id", "order_id")}, item)


def _steps(rng: random.Random, placed: ScenarioEvent) -> Iterator[ScenarioEvent]:
    """What the shop does to an order by itself: paid, packed, shipped, or cancelled on the way."""
    at = placed.at + timedelta(seconds=rng.uniform(20, 300))
    yield update(placed.key, at, "paid", {"payment": {"M": {"reference": {"S": f"p-{rng.randrange(10**9):09d}"}}}})
    if rng.random() < CANCELLED_SHARE:
        at += timedelta(minutes=rng.uniform(2, 15))
        yield update(placed.key, at, "cancelled", {"expires_at": _expiry(at, days=30)})
        return
    at += timedelta(minutes=rng.uniform(6, 30))
    weights = {str(rng.randrange(150, 9000)) for _ in range(rng.randint(1, 2))}
    yield update(placed.key, at, "packed", {"parcel_grams": {"NS": sorted(weights, key=int)}})
    at += timedelta(minutes=rng.uniform(6, 40))
    yield update(placed.key, at, "shipped", {"tracking": {"S": f"TRK{rng.randrange(10**10):010d}"}})


def update(key: Image, at: datetime, status: str, values: Image | None = None) -> ScenarioEvent:
    """A good update: the order's new status and what comes with it."""
    return ScenarioEvent(at, "update", key, {"status": {"S": status}, "updated_at": {"S": stamp(at)}, **(values or {})})


def stamp(at: datetime) -> str:
    """A time as the shop writes it into orders: `2026-11-23T07:02:11.412Z`."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _between(rng: random.Random, start_at: datetime, end_at: datetime) -> datetime:
    # Neither end: an order is cancelled before it is purged, and nothing happens at *now* or later.
    return start_at + (end_at - start_at) * rng.uniform(0.001, 0.999)


def _money(cents: int) -> Value:
    return {"N": number(f"{cents // 100}.{cents % 100:02d}")}


def _line(sku: str, title: str, cents: int, quantity: int) -> Value:
    return {"M": {"sku": {"S": sku}, "title": {"S": title}, "quantity": {"N": str(quantity)}, "price": _money(cents)}}


def _address(rng: random.Random) -> Value:
    city, country, postcode, latitude, longitude = rng.choice(_PLACES)
    return {
        "M": {
            "name": {"S": rng.choice(_PEOPLE)},
            "street": {"S": f"{rng.choice(('Mill', 'Station', 'Garden', 'Harbour'))} Street {rng.randint(1, 180)}"},
            "city": {"S": city},
            "country": {"S": country},
            "postcode": {"S": postcode},
            "geo": {"M": {"lat": {"N": latitude}, "lon": {"N": longitude}}},
        }
    }


def _expiry(at: datetime, *, days: int) -> Value:
    return {"N": str(int((at + timedelta(days=days)).timestamp()))}
