"""A recovery under every fault there is, all at once: each write is accounted for, and the table is right."""

from __future__ import annotations

import os
import resource
from collections import Counter
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.aws.items import attributes, canonical, key_of
from pitrkit.aws.tables import tables
from pitrkit.errors import PitrkitError
from pitrkit.recovery.apply.apply import apply
from pitrkit.recovery.apply.journal import Journal, journal_changes, journal_path
from pitrkit.recovery.apply.verify import verify
from pitrkit.recovery.changes.change import Change
from pitrkit.recovery.changes.change_set import diff, from_changes
from pitrkit.recovery.plan.plan import build
from pitrkit.recovery.plan.policy import Policy
from pitrkit.recovery.snapshot import snapshot
from pitrkit.recovery.token_bucket import OneProcess, Pace
from pitrkit.sandbox import FaultRule, PastWrite
from tests.snapshots import from_items

ITEMS = 5_000 if os.environ.get("PITRKIT_PROVE") else 600
RUNS = 60
"""More runs of one plan than an operator has patience for; each ends at expired credentials or a full disk, or done."""

TABLE = {
    "TableName": "Orders",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "N"},
    ],
    "BillingMode": "PAY_PER_REQUEST",
}
WRITES = ("PutItem", "UpdateItem", "DeleteItem", "BatchExecuteStatement")
FAULTS = [
    FaultRule("throttle", share=0.03, reasons=("TableWriteKeyRangeThroughputExceeded",), operations=WRITES, seed=1),
    FaultRule("throttle", share=0.02, code="ThrottlingException", seed=2),
    FaultRule("throttle", share=0.02, code="RequestLimitExceeded", seed=3),
    FaultRule("unprocessed", share=0.2, seed=4),
    FaultRule("unprocessed", share=0.1, done=True, operations=("BatchExecuteStatement",), seed=5),
    FaultRule("error500", share=0.02, seed=6),
    FaultRule("error500", share=0.02, done=True, seed=7),
    FaultRule("error503", share=0.02, seed=8),
    FaultRule("error503", share=0.02, done=True, seed=9),
    FaultRule("slow", share=0.02, seconds=0.05, seed=10),
    FaultRule("drop_before", share=0.02, seed=11),
    FaultRule("drop_after", share=0.02, seed=12),
    FaultRule("truncate", share=0.02, seed=13),
    FaultRule("bad_checksum", share=0.02, seed=14),
]


def order(number, **changed):
    item = {
        "pk": {"S": f"customer-{number % 97}"},
        "sk": {"N": str(number)},
        "status": {"S": "paid"},
        "total": {"N": "129.95"},
        "proof": {"B": b"\x00\xff"},
        "lines": {"L": [{"M": {"sku": {"S": "A-1"}, "count": {"N": "2"}}}]},
    }
    return canonical(item | changed)


@contextmanager
def full_disk(after):
    """No file gets larger than *after* bytes: what a full disk does, to this process alone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Operator:
    """Runs each step again until it is through, signs in when credentials expire, and makes room on the disk."""

    def __init__(self, sandbox, folder):
        self.sandbox, self.folder = sandbox, folder
        self.signed_in = self.interrupted = 0
        self.sign_in()

    def sign_in(self):
        """Get credentials that are good for a while."""
        self.signed_in += 1
        name = f"session-{self.signed_in}"
        self.sandbox.faults.add(FaultRule("expired_credentials", access_key=name, skip=20 * 2**self.signed_in))
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in (self.sandbox.environment() | {"AWS_ACCESS_KEY_ID": name}).items():
                patch.setenv(variable, value)
            self.aws = Aws.connect(endpoint_url=self.sandbox.url)
            self.aws.caller()

    def do(self, step):
        """Do *step* until it is through."""
        for _ in range(RUNS):
            try:
                return step(self.aws)
            except PitrkitError:
                self.interrupted += 1
                self.sign_in()
        raise AssertionError(f"{step} did not come through in {RUNS} runs")

    def applied(self, plan):
        """Apply *plan* in as many runs as it takes; every third is on a disk that fills up."""
        journal = journal_path(self.folder / "journal", plan)
        for run in range(RUNS):
            room = 3_000 if run % 3 == 0 else 10**9
            size = journal.stat().st_size if journal.exists() else 0
            done = None
            with suppress(PitrkitError), full_disk(size + room):
                table = tables.describe(self.aws, plan.table)
                done = apply(self.aws, table, plan, journal, pace=Pace(1e6), timeline=OneProcess(), pause=_at_once)
            if done is not None and done.complete:
                return done, journal
            self.interrupted += 1
            self.sign_in()
        raise AssertionError(f"not complete after {RUNS} runs: {done}")


def _at_once(_attempt):
    return 0.0


def history(sandbox):
    """How often each item of the table was changed with effect."""
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.dynamodb.models import dynamodb_backends

    changes = dynamodb_backends[DEFAULT_ACCOUNT_ID][sandbox.region].tables["Orders"].history.changes
    return Counter(change.position for change in changes)


def accounted(plan, journal, done):
    """Whether each write of *plan* has come to one end, and none of them to a conflict: nobody else was writing."""
    assert (done.applied + done.already, done.conflicts, done.failed, done.unsent) == (plan.total, 0, 0, 0)
    settled = Counter(line["number"] for line in Journal(journal, plan).lines() if line["is"] == "outcome")
    assert set(settled) == set(range(1, plan.total + 1))


def test_a_recovery_under_all_faults_at_once_loses_nothing_and_so_does_its_undo(sandbox, tmp_path):
    then = {n: order(n) for n in range(ITEMS) if n % 3 < 2}
    now = {n: order(n, status={"S": "bad"}, extra={"N": "1"}) if n in then else order(n) for n in range(ITEMS) if n % 3}
    keys = {n: key_of(attributes(order(n)), ("pk", "sk")) for n in range(ITEMS)}
    begun_at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    past = [PastWrite(begun_at, attributes(keys[n]), attributes(image)) for n, image in now.items()]
    sandbox.seed(TABLE, past, created_at=begun_at)
    before = history(sandbox)
    kinds = {(True, False): "removed", (True, True): "modified", (False, True): "inserted"}
    changes = [
        Change(keys[n], kinds[n in then, n in now], then.get(n), now.get(n))
        for n in sorted(range(ITEMS), key=keys.__getitem__)
    ]

    sandbox.faults.add(*FAULTS)
    operator = Operator(sandbox, tmp_path)
    table = operator.do(lambda aws: tables.describe(aws, "Orders"))
    change_set = from_changes(
        changes,
        tmp_path / "changes",
        table="Orders",
        key_schema=table.key_schema,
        source="test",
        before_at="then",
        after_at="now",
    )

    def planned(what, folder):
        return operator.do(lambda aws: build(aws, table, what, Policy.UNDO, tmp_path / folder, scope={}))

    def differences(images, folder):
        wanted = from_items(
            images.values(),
            tmp_path / f"{folder}-wanted",
            table="Orders",
            table_arn=table.arn,
            key_schema=table.key_schema,
        )
        found = operator.do(lambda aws: snapshot.take(aws, table, tmp_path / f"{folder}-found"))
        counts = diff(wanted, found, tmp_path / f"{folder}-diff", before_at="then", after_at="now").counts
        return counts.same, counts.changes

    plan = planned(change_set, "plan")
    assert (plan.total, plan.left) == (ITEMS, {})
    done, journal = operator.applied(plan)
    accounted(plan, journal, done)
    assert differences(then, "then") == (len(then), 0)
    assert operator.do(lambda aws: verify(aws, table, plan, journal)).ok
    assert set((history(sandbox) - before).values()) == {1}, "something was written twice with effect"

    undo = planned(journal_changes(plan, journal, tmp_path / "taken-back"), "undo")
    undone, journal = operator.applied(undo)
    accounted(undo, journal, undone)
    assert differences(now, "now") == (len(now), 0)
    assert set((history(sandbox) - before).values()) == {2}

    assert operator.signed_in > 2, "no credentials expired on the way"
    assert all(rule["struck"] for rule in sandbox.faults.report()[: len(FAULTS)]), "a fault struck nothing"
