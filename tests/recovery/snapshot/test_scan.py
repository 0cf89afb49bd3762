"""A scan goes on where it stopped, at the pace it is given, in as many processes as it is given."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from pitrkit.aws.client.error_mapping import Throttled
from pitrkit.aws.client.transport import Answer
from pitrkit.aws.items import KeyAttribute, KeySchema, canonical
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import AwsError, BadInput
from pitrkit.recovery.snapshot import scan
from pitrkit.recovery.snapshot.snapshot import RESUMABLE, Snapshot, take
from pitrkit.recovery.token_bucket import Bucket, Pace
from tests.snapshots import from_items

TABLE = Table(
    name="Orders",
    arn="arn:aws:dynamodb:eu-west-1:123456789012:table/Orders",
    id="id",
    status="ACTIVE",
    key_schema=KeySchema((KeyAttribute("pk", "S", "HASH"),)),
    item_count=0,
    size_bytes=0,
    billing_mode="PAY_PER_REQUEST",
    indexes=(),
    stream_arn="",
    deletion_protection=False,
    replicas=(),
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    restored=None,
)
PAGES = 6
STOPPED = AwsError("no", code="AccessDeniedException", operation="Scan")


def item(segment, page):
    return {"pk": {"S": f"{segment}-{page}"}, "n": {"N": "1.0"}}


class Scans:
    """A wire to a table with `PAGES` pages a segment, one item and one read unit each, that fails at *fails*."""

    def __init__(self, *, fails=(), wait=0.0):
        self.fails = fails
        self.wait = wait
        self.asked = []
        self.limits = []

    def call(self, _, body, **__):
        time.sleep(self.wait)
        asked = orjson.loads(body)
        segment = asked["Segment"]
        page = int(asked.get("ExclusiveStartKey", {"page": {"N": "0"}})["page"]["N"])
        self.asked.append((segment, page))
        self.limits.append(asked.get("Limit"))
        if (segment, page) in self.fails:
            raise STOPPED
        answer = {"Items": [item(segment, page)], "Count": 1, "ConsumedCapacity": {"CapacityUnits": 1.0}}
        if page + 1 < PAGES:
            answer["LastEvaluatedKey"] = {"page": {"N": str(page + 1)}}
        return Answer(orjson.dumps(answer), "R")


def scanned(wire, folder, table=TABLE, **options):
    return take(None, table, folder, wire=wire, **{"segments": 2, "processes": 1, **options})


def images(snapshot):
    return sorted(image for file in snapshot.files for image in pq.read_table(file)["item"].to_pylist())


ALL = sorted(canonical(item(segment, page)) for segment in range(2) for page in range(PAGES))


@pytest.fixture(autouse=True)
def a_part_a_page(monkeypatch):
    monkeypatch.setattr(scan, "_HELD", 1)
    monkeypatch.setattr(scan, "_LEAST_PART", 1)


def stopped(folder, **options):
    """A scan that failed late in one segment, after parts of both were written."""
    with pytest.raises(AwsError):
        scanned(Scans(fails=[(1, 4)]), folder, **options)
    assert not (folder / "snapshot.json").exists()


def test_a_stopped_scan_is_gone_on_with_after_the_parts_that_are_there(tmp_path):
    stopped(tmp_path)
    there = {path.name: path.read_bytes() for path in tmp_path.glob("segment-*")}
    wire = Scans()
    before = datetime.now(UTC)
    told = []
    snapshot = scanned(wire, tmp_path, on_progress=told.append)
    assert images(snapshot) == ALL
    assert snapshot.items == snapshot.read_units == told[-1].items == 2 * PAGES
    assert told[-1].new_items == len(wire.asked) == 2 * PAGES - len(there)
    assert min(page for segment, page in wire.asked if segment == 1) >= 3
    assert all((tmp_path / name).read_bytes() == content for name, content in there.items())
    assert snapshot.started_at < before < snapshot.finished_at
    assert Snapshot.open(tmp_path) == snapshot
    assert not (tmp_path / "scan.json").exists()


def test_a_complete_snapshot_is_read_anew_not_gone_on_with(tmp_path):
    scanned(Scans(), tmp_path)
    wire = Scans()
    scanned(wire, tmp_path)
    assert len(wire.asked) == 2 * PAGES


@pytest.mark.parametrize(
    "otherwise",
    [
        {"segments": 3},
        {"consistent": True},
        {"table": replace(TABLE, id="made anew")},
        {"table": replace(TABLE, arn="arn:aws:dynamodb:eu-west-1:123456789012:table/Others")},
    ],
    ids=["segments", "consistency", "table made anew", "another table"],
)
def test_a_stopped_scan_of_another_kind_is_replaced(tmp_path, otherwise):
    stopped(tmp_path)
    wire = Scans()
    scanned(wire, tmp_path, **otherwise)
    assert len(wire.asked) == PAGES * otherwise.get("segments", 2)


def test_a_scan_that_began_long_ago_is_replaced(tmp_path):
    stopped(tmp_path)
    begun = orjson.loads((tmp_path / "scan.json").read_bytes())
    begun["started_at"] = (datetime.now(UTC) - RESUMABLE - timedelta(seconds=1)).isoformat()
    (tmp_path / "scan.json").write_bytes(orjson.dumps(begun))
    wire = Scans()
    scanned(wire, tmp_path)
    assert len(wire.asked) == 2 * PAGES


@pytest.mark.parametrize("how", ["gone", "torn"])
def test_what_follows_a_part_that_is_gone_or_torn_is_read_again(tmp_path, how):
    stopped(tmp_path)
    part = tmp_path / "segment-000001-000001.parquet"
    part.unlink() if how == "gone" else part.write_bytes(part.read_bytes()[:-8])
    wire = Scans()
    assert images(scanned(wire, tmp_path)) == ALL
    assert {page for segment, page in wire.asked if segment == 1} == {1, 2, 3, 4, 5}


def test_a_snapshot_of_given_items_is_never_taken_for_a_stopped_scan(tmp_path):
    stopped(tmp_path)

    def torn():
        yield canonical(item(9, 9))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        from_items(torn(), tmp_path, table="Orders", table_arn=TABLE.arn, key_schema=TABLE.key_schema)
    wire = Scans()
    assert images(scanned(wire, tmp_path)) == ALL
    assert len(wire.asked) == 2 * PAGES


def test_other_processes_make_the_same_snapshot(tmp_path, monkeypatch):
    monkeypatch.setattr(scan, "_WORTH_PROCESSES", 0)
    assert images(scanned(Scans(), tmp_path, processes=2)) == ALL
    assert Snapshot.open(tmp_path).items == 2 * PAGES


def test_what_another_process_cannot_write_is_bad_input(tmp_path, monkeypatch):
    monkeypatch.setattr(scan, "_WORTH_PROCESSES", 0)
    monkeypatch.setattr(scan, "mkdtemp", lambda dir: str(dir / "gone"))  # noqa: A006
    with pytest.raises(BadInput, match="No such file"):
        scanned(Scans(), tmp_path, processes=2)


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_scan as tests
tests.scan._HELD = tests.scan._LEAST_PART = 1
tests.scan._WORTH_PROCESSES = 0
print("begun", flush=True)
tests.scanned(tests.Scans(wait=0.02), Path(sys.argv[2]), processes=int(sys.argv[3]))
"""


@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_scan_leaves_no_process_and_is_gone_on_with(tmp_path, processes):
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(tmp_path), str(processes)]
    for _ in range(2):
        running = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        running.stdout.readline()
        deadline = time.monotonic() + 20
        parts = len(list(tmp_path.glob("segment-*")))
        while len(list(tmp_path.glob("segment-*"))) <= parts and time.monotonic() < deadline:
            time.sleep(0.005)
        running.kill()
        running.wait()
        running.stdout.close()
        while time.monotonic() < deadline:
            try:
                os.killpg(running.pid, 0)
            except ProcessLookupError:
                break
            time.sleep(0.02)
        else:
            os.killpg(running.pid, signal.SIGKILL)
            pytest.fail("a process was left behind")
    wire = Scans()
    assert images(scanned(wire, tmp_path)) == ALL
    assert len(wire.asked) < 2 * PAGES


class Clock:
    def __init__(self):
        self.now = 0.0
        self.lock = threading.Lock()

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        with self.lock:
            self.now += seconds


@pytest.mark.parametrize("units", [0.5, 5, 50])
def test_a_pace_is_kept_as_the_service_counts_it(tmp_path, units):
    clock = Clock()
    pace = Bucket(Pace(units, burst=0, kind="read"), clock=clock, sleep=clock.sleep)
    wire = Scans()
    snapshot = scanned(wire, tmp_path, segments=1, pace=pace)
    pace.take(0)  # until the last page is paid for
    assert clock.now == pytest.approx(snapshot.read_units / units, rel=0.05, abs=0.3)
    assert all(limit >= 1 for limit in wire.limits)


def test_a_slow_pace_asks_for_small_pages_and_none_for_full_ones(tmp_path):
    slow, none = Scans(), Scans()
    scanned(slow, tmp_path / "slow", segments=1, pace=Bucket(Pace(4, kind="read"), sleep=lambda _: True))
    scanned(none, tmp_path / "none", segments=1)
    assert max(slow.limits) <= 2 * 8192 // 1024
    assert set(none.limits) == {None}


def test_throttling_slows_the_pace_down_and_progress_says_so(tmp_path):
    class Busy(Scans):
        def call(self, operation, body, *, on_failure, **_):
            refused = Throttled("busy", code="ThrottlingException", operation="Scan")
            refused.reasons = ("TableReadProvisionedThroughputExceeded",)
            on_failure(refused)
            return super().call(operation, body)

    pace = Bucket(Pace(1e6, kind="read"))
    told = []
    scanned(Busy(), tmp_path, pace=pace, on_progress=told.append)
    assert pace.units < 1e6
    assert "TableReadProvisionedThroughputExceeded" in told[-1].why


def test_progress_tells_rate_and_time_to_go():
    read = scan.Read(items=700, bytes=10, read_units=1.0, seconds=5.0, new_items=500)
    assert read.rate == 100
    assert read.eta_seconds(1000) == 3.0
    assert read.eta_seconds(0) is None
