"""Which exports are refused, which are the same, and how they are listed."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from pitrkit.sandbox import EXPORTS_BUCKET, Sandbox
from pitrkit.sandbox.scenario.process import serving
from tests.sandbox.exports.exporting import NOON, Shop, code_of, minutes


@pytest.fixture
def sandbox():
    with Sandbox(ticking=False) as sandbox:
        sandbox.clock.set(NOON)
        sandbox.bucket()
        yield sandbox


@pytest.fixture
def shop(sandbox):
    return Shop(sandbox)


def found(shop):
    listing = shop.s3.list_objects_v2(Bucket=EXPORTS_BUCKET).get("Contents", [])
    return [one["Key"].rpartition("/")[2] for one in listing]


def listed(shop, **parameters):
    return [one["ExportArn"] for one in shop.dynamodb.list_exports(**parameters)["ExportSummaries"]]


def test_a_table_must_exist_and_be_protected(shop):
    assert code_of(shop.start, TableArn=shop.arn + "x") == "TableNotFoundException"
    assert code_of(shop.start, TableArn=shop.arn.replace("us-east-1", "eu-west-1")) == "TableNotFoundException"
    assert code_of(shop.start, TableArn=shop.name) == "ValidationException"
    shop.protect(on=False)
    assert code_of(shop.start) == "PointInTimeRecoveryUnavailableException"


def test_a_time_lies_within_the_restorable_window():
    with Sandbox(ticking=False, latest_lag_seconds=300) as sandbox:
        sandbox.clock.set(NOON)
        sandbox.bucket()
        shop = Shop(sandbox)
        sandbox.clock.set(minutes(10))
        for at in (NOON - timedelta(seconds=1), minutes(5) + timedelta(seconds=1)):
            assert code_of(shop.start, ExportTime=at) == "InvalidExportTimeException"
        assert shop.start(ExportTime=minutes(5))["ExportTime"] == minutes(5)
        assert shop.start()["ExportTime"] == minutes(10)


def test_a_token_returns_the_same_export_for_eight_hours_and_refuses_another(sandbox, shop):
    first = shop.start(ClientToken="one", S3Prefix="p")
    sandbox.clock.advance(8 * 3600 - 1)
    assert shop.start(ClientToken="one", S3Prefix="p")["ExportArn"] == first["ExportArn"]
    assert shop.start(ClientToken="one", S3Prefix="p")["ExportStatus"] == "COMPLETED"
    assert code_of(shop.start, ClientToken="one", S3Prefix="q") == "ExportConflictException"
    assert shop.start(ClientToken="two", S3Prefix="q")["ExportArn"] != first["ExportArn"]
    sandbox.clock.advance(1)
    again = shop.start(ClientToken="one", S3Prefix="q")
    assert again["ExportArn"] != first["ExportArn"]
    assert shop.start(ClientToken="one", S3Prefix="q")["ExportArn"] == again["ExportArn"]


def test_an_export_is_known_in_its_region_for_90_days_by_its_arn(sandbox, shop):
    started = shop.start()
    elsewhere = sandbox.client("dynamodb", region_name="eu-west-1")
    assert code_of(elsewhere.describe_export, ExportArn=started["ExportArn"]) == "ExportNotFoundException"
    assert elsewhere.list_exports()["ExportSummaries"] == []
    assert code_of(shop.described, {"ExportArn": started["ExportArn"] + "x"}) == "ExportNotFoundException"
    sandbox.clock.advance(90 * 86400)
    assert code_of(shop.described, started) == "ExportNotFoundException"
    assert listed(shop) == []


def test_exports_are_listed_by_table_the_latest_first_25_a_page(sandbox, shop):
    arns = []
    for _ in range(60):
        sandbox.clock.advance(1)
        arns.insert(0, shop.start()["ExportArn"])
    other = Shop(sandbox)
    there = other.start()["ExportArn"]
    assert listed(shop, TableArn=other.arn) == [there]
    assert listed(shop) == [there, *arns[:24]]
    pages, more = [], {}
    while True:
        page = shop.dynamodb.list_exports(TableArn=shop.arn, **more)
        pages.append([one["ExportArn"] for one in page["ExportSummaries"]])
        if "NextToken" not in page:
            break
        more = {"NextToken": page["NextToken"]}
    assert pages == [arns[:25], arns[25:50], arns[50:]]
    assert listed(shop, TableArn=shop.arn, MaxResults=3) == arns[:3]
    assert code_of(shop.dynamodb.list_exports, NextToken="nonsense") == "ValidationException"
    (summary,) = shop.dynamodb.list_exports(TableArn=other.arn)["ExportSummaries"]
    assert summary == {"ExportArn": there, "ExportStatus": "COMPLETED", "ExportType": "FULL_EXPORT"}


def test_an_export_is_in_progress_until_its_time_has_passed():
    with Sandbox(ticking=False, export_seconds=600) as sandbox:
        sandbox.bucket()
        shop = Shop(sandbox)
        started = shop.start()
        described = shop.described(started)
        assert described["ExportStatus"] == "IN_PROGRESS"
        assert not {"ExportManifest", "EndTime", "ItemCount"} & described.keys()
        assert found(shop) == ["_started"]


def test_whoever_waits_for_the_manifest_finds_it_without_asking_dynamodb():
    with Sandbox(ticking=False, export_seconds=0.3) as sandbox:
        sandbox.bucket()
        shop = Shop(sandbox)
        shop.put("a")
        started = shop.start()
        shop.put("b")
        while "manifest-summary.json" not in found(shop):
            time.sleep(0.05)
        described = shop.described(started)
        assert described["EndTime"] - described["StartTime"] == timedelta(seconds=0.3)
        assert shop.read(started).summary["itemCount"] == 1, "what is written while it runs is not in it"


def test_300_exports_run_at_a_time():
    with Sandbox(ticking=False, export_seconds=600) as sandbox:
        sandbox.bucket()
        shop = Shop(sandbox)
        for _ in range(300):
            shop.start()
        assert code_of(shop.start) == "LimitExceededException"


def test_a_bucket_that_is_missing_or_somebody_elses_fails_the_export(shop):
    missing = shop.described(shop.start(S3Bucket="no-such-bucket"))
    assert missing["ExportStatus"] == "FAILED"
    assert missing["FailureCode"] == "S3NoSuchBucket"
    assert "no-such-bucket" in missing["FailureMessage"]
    assert "ExportManifest" not in missing
    owned = shop.described(shop.start(S3BucketOwner="999999999999"))
    assert (owned["ExportStatus"], owned["FailureCode"]) == ("FAILED", "S3AccessDenied")


@pytest.mark.parametrize("empty", [False, True])
def test_a_sandbox_with_a_story_has_a_bucket_ready(empty):
    with serving(empty=empty) as told:
        buckets = [bucket["Name"] for bucket in told.client("s3").list_buckets()["Buckets"]]
        assert buckets == ([] if empty else [EXPORTS_BUCKET])
