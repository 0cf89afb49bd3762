"""Lives of a table, made up: a day's amount of traffic and events, with damage after one of the deploys."""

import math
import random
from datetime import UTC, datetime, timedelta

from pitrkit.aws.services.cloudtrail import TrailEvent
from pitrkit.aws.services.cloudwatch import Activity, Minute
from pitrkit.recovery.advice.candidates import propose
from pitrkit.runbook.timeline.table_history import HistoryGap, TableHistory
from pitrkit.times import Window

NOW = datetime(2026, 11, 23, 5, 20, tzinfo=UTC)
HOSTILE = "</text></svg><script>alert(1)</script>\u202e\x1b[31m\u200b&amp;\"'"
DEPLOYS = (
    ("UpdateFunctionCode", "lambda", "orders-service"), ("PublishVersion", "lambda", "orders-service"),
    ("UpdateFunctionConfiguration", "lambda", "mailer"), ("CreateDeployment", "codedeploy", "shop/production"),
    ("ExecuteChangeSet", "cloudformation", "shop-backend"), ("UpdateService", "ecs", "main/basket"),
)  # fmt: skip
PEOPLE = ("ci (deployer)", "kim.berger@example.com (admin)", "maria (on-call)", "root", HOSTILE)


def life(minutes=1440, events=200, *, end_at=NOW, seed=3, damage=True, gaps=(), expired=True):
    """Return a day in the life of a busy table; the damage came 70 minutes before its end."""
    rng = random.Random(seed)
    start_at = end_at - timedelta(minutes=minutes)
    hit = minutes - 70
    calls, units, gone, refused = [], [], [], []
    for n in range(minutes):
        at = start_at + timedelta(minutes=n)
        tide = 1 + 0.5 * math.sin(2 * math.pi * n / 1440)
        counts = {
            "PutItem": round(rng.gauss(40 * tide, 6)), "UpdateItem": round(rng.gauss(110 * tide, 11)),
            "BatchWriteItem": round(rng.gauss(6 * tide, 2)), "DeleteItem": int(rng.random() < 0.2),
        }  # fmt: skip
        if damage and hit <= n < hit + 4:
            counts["DeleteItem"] += 420 - 100 * (n - hit)
            counts["UpdateItem"] += 260
            refused.append((at, 30))
        calls += [Minute(at, name, count) for name, count in sorted(counts.items()) if count > 0]
        units.append((at, float(sum(counts.values())) * 1.4))
        if expired and rng.random() < 0.5:
            gone.append((at, rng.randrange(1, 9)))
    done = [
        TrailEvent(start_at + timedelta(seconds=rng.uniform(0, minutes * 60 - 4500)), *what, kind="deploy", id=str(n))
        if (what := _deploy(rng)) and n % 8
        else TrailEvent(start_at + timedelta(seconds=rng.uniform(0, minutes * 60 - 4500)), "UpdateTable", "dynamodb",
                        "autoscaling by dynamodb.application-autoscaling.amazonaws.com", "Orders", str(n), "table")
        for n in range(max(0, events - 2))
    ]  # fmt: skip
    if events:
        before = start_at + timedelta(minutes=hit, seconds=-9)
        done.append(TrailEvent(before, *DEPLOYS[0][:2], PEOPLE[0], DEPLOYS[0][2], "bad", "deploy"))
        done.append(TrailEvent(before + timedelta(hours=1), "UpdateTimeToLive", "dynamodb", PEOPLE[1],
                               "Orders: TTL on, attribute expires_at", "ttl", "table"))  # fmt: skip
    known = Activity(start_at, end_at, timedelta(minutes=1), tuple(calls), tuple(units), tuple(gone), tuple(refused))
    done.sort(key=lambda event: (event.at, event.id))
    window = Window(end_at - timedelta(days=9), end_at - timedelta(minutes=5))
    gaps = tuple(HistoryGap(what, "Allow it.") for what in gaps)
    return TableHistory("Orders", start_at, end_at, window, known, tuple(done), tuple(propose(known, done)), gaps)


def _deploy(rng):
    name, source, what = rng.choice(DEPLOYS)
    return name, source, rng.choice(PEOPLE), what
