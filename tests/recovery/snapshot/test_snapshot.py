"""A snapshot holds every item of a table once, or is no snapshot."""

import threading
from datetime import UTC, datetime

import orjson
import pyarrow.parquet as pq
import pytest

from pitrkit.aws.client.transport import Answer
from pitrkit.aws.items import KeyAttribute, KeySchema, attributes, canonical, key_of, stored_size
from pitrkit.aws.tables.tables import Table
from pitrkit.errors import AwsError, BadInput
from pitrkit.recovery.snapshot.snapshot import Snapshot, take
from tests.snapshots import from_items

SCHEMA = KeySchema((KeyAttribute("pk", "S", "HASH"), KeyAttribute("sk", "N", "RANGE")))
TABLE = Table(
    name="Orders",
    arn="arn:aws:dynamodb:eu-west-1:123456789012:table/Orders",
    id="id",
    status="ACTIVE",
    key_schema=SCHEMA,
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


def item(number, **more):
    return {"pk": {"S": "a"}, "sk": {"N": str(number)}, "body": {"B": "AP8="}, **more}


class Scans:
    """A wire that answers Scan from a list of pages a segment; an exception among the pages is raised."""

    def __init__(self, *segments):
        self.segments = segments
        self.asked = []
        self.lock = threading.Lock()

    def call(self, operation, body, *, table, **_):
        asked = orjson.loads(body)
        assert (operation, asked["TableName"], table) == ("Scan", "Orders", "Orders")
        with self.lock:
            self.asked.append(asked)
        return Answer(orjson.dumps(self.answer(asked)), "R")

    def answer(self, asked):
        assert asked["TotalSegments"] == len(self.segments)
        pages = self.segments[asked["Segment"]]
        number = int(asked.get("ExclusiveStartKey", {"page": {"N": "0"}})["page"]["N"])
        if isinstance(pages[number], BaseException):
            raise pages[number]
        page = {"Items": pages[number], "Count": len(pages[number]), "ConsumedCapacity": {"CapacityUnits": 0.5}}
        if number + 1 < len(pages):
            page["LastEvaluatedKey"] = {"page": {"N": str(number + 1)}}
        return page


def scanned(wire, folder, **options):
    options.setdefault("segments", len(wire.segments))
    return take(None, TABLE, folder, wire=wire, **options)


def images(snapshot):
    return sorted(image for file in snapshot.files for image in pq.read_table(file)["item"].to_pylist())


def test_every_page_of_every_segment_is_in_it_also_those_after_empty_pages(tmp_path):
    scans = Scans([[], [item(1), item(2)], [], [], [item(3)]], [[]], [[item(4)], []])
    snapshot = scanned(scans, tmp_path, segments=3)
    assert images(snapshot) == sorted(canonical(item(number)) for number in (1, 2, 3, 4))
    assert snapshot.items == 4
    assert snapshot.read_units == 0.5 * 8
    assert len(snapshot.files) == 3
    assert all(asked["ReturnConsumedCapacity"] == "TOTAL" and not asked["ConsistentRead"] for asked in scans.asked)


def test_a_row_is_the_key_the_image_and_the_stored_size(tmp_path):
    snapshot = scanned(Scans([[item(1)]]), tmp_path, segments=1)
    (row,) = pq.read_table(snapshot.files[0]).to_pylist()
    assert row["key"] == '{"pk":{"S":"a"},"sk":{"N":"1"}}' == key_of(attributes(row["item"]), SCHEMA.names)
    assert row["item"] == canonical(item(1))
    assert row["size"] == stored_size(row["item"]) == snapshot.bytes


def test_a_consistent_snapshot_reads_consistently(tmp_path):
    scans = Scans([[item(1)]])
    scanned(scans, tmp_path, segments=1, consistent=True)
    assert scans.asked[0]["ConsistentRead"] is True


def test_progress_is_the_number_of_items_so_far_told_in_the_callers_thread(tmp_path):
    told = []
    scanned(
        Scans([[item(1), item(2)], [item(3)]], [[item(4)]]),
        tmp_path,
        segments=2,
        on_progress=lambda read: told.append((read.items, threading.get_ident())),
    )
    assert [items for items, _ in told] == sorted(items for items, _ in told)
    assert told[-1][0] == 4
    assert len(told) == 3
    assert {thread for _, thread in told} == {threading.get_ident()}


def test_opening_gives_back_what_was_taken(tmp_path):
    taken = scanned(Scans([[item(1)]], [[item(2)]]), tmp_path / "deep" / "folder", segments=2)
    assert Snapshot.open(tmp_path / "deep" / "folder") == taken
    assert taken.started_at.tzinfo == UTC
    assert taken.started_at <= taken.finished_at


def test_a_scan_that_fails_leaves_nothing_that_opens_and_says_why(tmp_path):
    broken = AwsError("no", code="InternalServerError", operation="Scan")
    with pytest.raises(AwsError) as raised:
        scanned(Scans([[item(1)], broken], [[item(2)]]), tmp_path, segments=2)
    assert raised.value is broken
    with pytest.raises(BadInput, match="no complete snapshot") as refused:
        Snapshot.open(tmp_path)
    assert "Take the snapshot again" in refused.value.fix


def test_a_failing_segment_stops_the_others(tmp_path):
    broken = AwsError("no", code="AccessDeniedException", operation="Scan")
    failed = threading.Event()

    class Endless(Scans):
        def answer(self, asked):
            if asked["Segment"] == 0:
                failed.set()
                raise broken
            failed.wait()
            return {"Items": [], "Count": 0, "LastEvaluatedKey": {"page": {"N": "1"}}}

    with pytest.raises(AwsError) as raised:
        scanned(Endless([], []), tmp_path, segments=2)
    assert raised.value is broken


def test_an_interrupt_while_progress_is_shown_ends_the_scan(tmp_path):
    class Endless(Scans):
        def answer(self, _):
            return {"Items": [], "Count": 0, "LastEvaluatedKey": {"page": {"N": "1"}}}

    def interrupted(items):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scanned(Endless([]), tmp_path, segments=1, on_progress=interrupted)


def test_an_earlier_snapshot_in_the_folder_is_replaced_whole(tmp_path):
    scanned(Scans([[item(1)]], [[item(2)]], [[item(3)]]), tmp_path, segments=3)
    (tmp_path / "notes.txt").write_text("mine")
    again = scanned(Scans([[item(4)]]), tmp_path, segments=1)
    assert images(again) == [canonical(item(4))]
    assert (tmp_path / "notes.txt").read_text() == "mine"
    with pytest.raises(AwsError):
        scanned(Scans([AwsError("no", code="X", operation="Scan")]), tmp_path, segments=1)
    with pytest.raises(BadInput, match="no complete snapshot"):
        Snapshot.open(tmp_path)


def test_a_snapshot_that_lost_a_file_does_not_open(tmp_path):
    snapshot = scanned(Scans([[item(1)]], [[item(2)]]), tmp_path, segments=2)
    (tmp_path / "segment-000001-000000.parquet").unlink()
    with pytest.raises(BadInput, match="1 of its 2 items"):
        Snapshot.open(snapshot.folder)


def test_a_damaged_file_does_not_open(tmp_path):
    scanned(Scans([[item(1)]]), tmp_path, segments=1)
    (tmp_path / "segment-000000-000000.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadInput, match="cannot be read"):
        Snapshot.open(tmp_path)
    (tmp_path / "snapshot.json").write_text("{")
    with pytest.raises(BadInput, match="cannot be read"):
        Snapshot.open(tmp_path)


def test_attributes_that_global_tables_keep_for_themselves_are_left_out(tmp_path):
    ours = item(1, **{"aws:rep:updatetime": {"N": "1.5"}, "aws:rep:deleting": {"BOOL": False}})
    taken = scanned(Scans([[ours]]), tmp_path / "taken", segments=1)
    given = from_items([canonical(ours)], tmp_path / "given", table="Orders", table_arn="", key_schema=SCHEMA)
    assert images(taken) == images(given) == [canonical(item(1))]
    assert taken.bytes == given.bytes == stored_size(canonical(item(1)))


def test_a_snapshot_of_given_items_is_one_like_any_other(tmp_path):
    wanted = [canonical(item(number)) for number in range(20_000)]
    snapshot = from_items(iter(wanted), tmp_path, table="Orders", table_arn="arn", key_schema=SCHEMA)
    assert images(snapshot) == sorted(wanted)
    assert Snapshot.open(tmp_path) == snapshot
    assert pq.ParquetFile(snapshot.files[0]).num_row_groups > 1  # nobody ever has to hold all of it


def test_large_items_make_small_row_groups(tmp_path):
    wanted = [canonical(item(number, body={"S": "x" * 300_000})) for number in range(100)]
    snapshot = from_items(wanted, tmp_path, table="Orders", table_arn="arn", key_schema=SCHEMA)
    file = pq.ParquetFile(snapshot.files[0]).metadata
    assert max(file.row_group(group).total_byte_size for group in range(file.num_row_groups)) < 10_000_000


def test_an_empty_table_has_an_empty_snapshot(tmp_path):
    snapshot = scanned(Scans([[]], [[]]), tmp_path, segments=2)
    assert (snapshot.items, snapshot.bytes) == (0, 0)
    assert Snapshot.open(tmp_path) == snapshot


@pytest.mark.parametrize("segments", [0, -1, 1_000_001])
def test_a_number_of_segments_that_the_service_refuses_is_refused_here(tmp_path, segments):
    with pytest.raises(BadInput, match="segments"):
        scanned(Scans(), tmp_path, segments=segments)


def test_a_folder_that_cannot_be_made_is_bad_input(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written") as raised:
        scanned(Scans([[item(1)]]), tmp_path / "file", segments=1)
    assert "folder" in raised.value.fix


def test_a_snapshot_of_a_real_scan_is_the_table(bench, make_order, tmp_path):
    wanted = [make_order(number) for number in range(60)] + [
        make_order(number, bulk={"S": "x" * 200_000}) for number in range(60, 80)
    ]
    for image in wanted:
        bench.put(image)
    snapshot = take(bench.aws, bench.table, tmp_path, segments=3, consistent=True)  # some segments have several pages
    assert images(snapshot) == sorted(wanted) == sorted(bench.state().values())
    assert snapshot.read_units > 0
    assert snapshot.table_arn == bench.table.arn
