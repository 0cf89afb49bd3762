"""Incremental exports of the sandbox: what they hold, and what windows there are."""

from __future__ import annotations

import gzip
from datetime import timedelta

import pytest

from pitrkit.sandbox import EXPORTS_BUCKET, ExportSettings, Sandbox
from tests.sandbox.exports.exporting import NOON, Shop, code_of, item, minutes

SECOND = timedelta(seconds=1)


@pytest.fixture
def sandbox():
    with Sandbox(ticking=False) as sandbox:
        sandbox.clock.set(NOON)
        sandbox.bucket()
        yield sandbox


@pytest.fixture
def shop(sandbox):
    """Items a to e at noon; what is done with them half an hour later; now it is one o'clock."""
    shop = Shop(sandbox)
    for pk in "abcde":
        shop.put(pk, n={"N": "0"})
    sandbox.clock.set(minutes(30))
    shop.put("a", n={"N": "1"})
    shop.delete("b")
    shop.put("c", n={"N": "1"})
    shop.put("new")
    shop.put("gone")
    shop.delete("d")
    sandbox.clock.advance(90.25)
    shop.put("c", n={"N": "0"})
    shop.delete("gone")
    shop.put("d", n={"N": "2"})
    sandbox.clock.set(minutes(60))
    return shop


def micros(at):
    return str(int(at.timestamp() * 1_000_000))


def records(read):
    return {record["Keys"]["pk"]["S"]: record for record in read.lines}


def test_there_is_one_record_for_each_item_with_how_it_was_before_and_how_it_ended(shop):
    read = shop.read(shop.start_window(minutes(20), minutes(40)))
    first, last = ({"N": micros(at)} for at in (minutes(30), minutes(30) + timedelta(seconds=90.25)))

    def record(pk, written, **images):
        return {"Metadata": {"WriteTimestampMicros": written}, "Keys": item(pk), **images}

    zero, one, two = ({"n": {"N": str(number)}} for number in range(3))
    assert records(read) == {
        "a": record("a", first, OldImage=item("a", **zero), NewImage=item("a", **one)),
        "b": record("b", first, OldImage=item("b", **zero)),
        "c": record("c", last, OldImage=item("c", **zero), NewImage=item("c", **zero)),
        "d": record("d", last, OldImage=item("d", **zero), NewImage=item("d", **two)),
        "new": record("new", first, NewImage=item("new")),
    }
    assert len(read.lines) == read.summary["itemCount"] == 5


def test_the_window_includes_its_beginning_and_not_its_end(shop):
    assert set(records(shop.read(shop.start_window(minutes(30), minutes(60))))) == {"a", "b", "c", "d", "new"}
    assert shop.read(shop.start_window(minutes(10), minutes(30))).lines == []
    upto = records(shop.read(shop.start_window(minutes(10), minutes(30) + SECOND)))
    assert upto["d"].keys() == {"Metadata", "Keys", "OldImage"}
    assert upto["gone"]["NewImage"] == item("gone")
    since = records(shop.read(shop.start_window(minutes(30) + SECOND, minutes(60))))
    assert set(since) == {"c", "gone", "d"}
    assert since["c"]["OldImage"]["n"] == {"N": "1"}
    assert since["d"].keys() == {"Metadata", "Keys", "NewImage"}


def test_the_view_of_new_images_leaves_the_old_ones_out(shop):
    started = shop.start_window(minutes(20), minutes(40), view="NEW_IMAGE")
    read = shop.read(started)
    assert read.summary["outputView"] == "NEW_IMAGE"
    assert all("OldImage" not in record for record in read.lines)
    assert records(read)["b"].keys() == {"Metadata", "Keys"}
    assert records(read)["a"]["NewImage"]["n"] == {"N": "1"}


def test_the_write_time_can_be_spelt_as_plain_text(sandbox, shop):
    sandbox.exports.settings = ExportSettings(plain_timestamps=True)
    read = shop.read(shop.start_window(minutes(20), minutes(40)))
    assert records(read)["b"]["Metadata"] == {"WriteTimestampMicros": micros(minutes(30))}


def test_data_files_go_into_the_folder_that_incremental_exports_share(shop):
    read = shop.read(shop.start_window(minutes(20), minutes(40), S3Prefix="p"))
    other = shop.read(shop.start_window(minutes(20), minutes(41), S3Prefix="p"))
    files = {file["dataFileS3Key"] for one in (read, other) for file in one.files}
    assert len(files) == len(read.files) + len(other.files)
    listing = shop.s3.list_objects_v2(Bucket=EXPORTS_BUCKET, Prefix="p/AWSDynamoDB/data/")["Contents"]
    assert {one["Key"] for one in listing} == files
    assert any(file["itemCount"] == 0 for file in read.files)
    summary = read.summary
    assert summary["version"] == "2023-08-01"
    assert summary["exportFromTime"] == "2026-11-20T12:20:00.000Z"
    assert summary["exportToTime"] == "2026-11-20T12:40:00.000Z"
    assert "exportTime" not in summary
    assert summary["outputView"] == "NEW_AND_OLD_IMAGES"
    assert summary["exportType"] == "INCREMENTAL_EXPORT"


def test_it_is_billed_by_the_log_and_not_under_10_megabytes(shop):
    assert shop.described(shop.start_window(minutes(20), minutes(40)))["BilledSizeBytes"] == 10 * 1024 * 1024


def test_ion_records_have_keys_and_images(shop):
    described = shop.described(shop.start_window(minutes(20), minutes(40), ExportFormat="ION"))
    assert described["ItemCount"] == 5
    listing = shop.s3.list_objects_v2(Bucket=EXPORTS_BUCKET, Prefix="AWSDynamoDB/data/")["Contents"]
    files = [shop.s3.get_object(Bucket=EXPORTS_BUCKET, Key=one["Key"])["Body"].read() for one in listing]
    lines = b"".join(map(gzip.decompress, files)).decode().splitlines()
    assert (
        f"$ion_1_0 {{Record:{{Metadata:{{WriteTimestampMicros:{micros(minutes(30))}.}},"
        'Keys:{pk:"a",sk:1.},NewImage:{pk:"a",sk:1.,n:1.},OldImage:{pk:"a",sk:1.,n:0.}}}'
    ) in lines
    assert len(lines) == 5


def test_a_filtered_window_has_the_items_of_which_an_image_meets_the_filter(shop):
    started = shop.start_window(
        minutes(20),
        minutes(40),
        FilterSpecification={
            "FilterExpression": "n = :one",
            "ProjectionExpression": "n",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        },
    )
    assert records(shop.read(started)) == {
        "a": {
            "Metadata": {"WriteTimestampMicros": {"N": micros(minutes(30))}},
            "Keys": item("a"),
            "OldImage": {"n": {"N": "0"}},
            "NewImage": {"n": {"N": "1"}},
        }
    }


def test_a_window_without_an_end_goes_to_the_latest_restorable_second(sandbox, shop):
    sandbox.clock.set(minutes(61) + timedelta(seconds=0.7))
    spec = shop.described(shop.start_window(minutes(20)))["IncrementalExportSpecification"]
    assert spec == {
        "ExportFromTime": minutes(20),
        "ExportToTime": minutes(61),
        "ExportViewType": "NEW_AND_OLD_IMAGES",
    }


def test_a_window_is_15_minutes_to_24_hours_long(sandbox, shop):
    sandbox.clock.set(minutes(24 * 60 + 30))
    for begin, end in ((20, 34.99), (40, 40), (40, 20), (20, 24 * 60 + 20.1)):
        assert code_of(shop.start_window, minutes(begin), minutes(end)) == "ValidationException"
    for begin, end in ((20, 35), (20, 24 * 60 + 20)):
        assert shop.read(shop.start_window(minutes(begin), minutes(end))).summary["itemCount"] == 5


def test_a_window_lies_within_the_restorable_one(shop):
    for begin, end in ((-10, 20), (40, 61)):
        assert code_of(shop.start_window, minutes(begin), minutes(end)) == "InvalidExportTimeException"
    assert shop.start_window(minutes(0), minutes(60))


def test_parameters_of_one_kind_do_not_go_with_the_other(shop):
    window = {"ExportFromTime": minutes(20), "ExportToTime": minutes(40)}
    for wrong in (
        {"ExportType": "INCREMENTAL_EXPORT"},
        {"ExportType": "INCREMENTAL_EXPORT", "IncrementalExportSpecification": {"ExportToTime": minutes(40)}},
        {"IncrementalExportSpecification": window},
        {"ExportType": "INCREMENTAL_EXPORT", "IncrementalExportSpecification": window, "ExportTime": minutes(20)},
        {"ExportType": "INCREMENTAL_EXPORT", "IncrementalExportSpecification": {**window, "ExportViewType": "OLD"}},
        {"ExportType": "PARTIAL_EXPORT"},
        {"ExportFormat": "CSV"},
        {"S3SseAlgorithm": "ROT13"},
    ):
        assert code_of(shop.start, **wrong) == "ValidationException"
