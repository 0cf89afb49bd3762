"""Exports that go wrong on demand, and buckets that deny."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import urllib.error
import urllib.request

import pytest

from pitrkit.sandbox import EXPORTS_BUCKET, ExportFault, FaultRule, Sandbox
from tests.sandbox.exports.exporting import NOON, Shop, code_of


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(ticking=False) as sandbox:
        sandbox.clock.set(NOON)
        sandbox.bucket()
        yield sandbox


@pytest.fixture(scope="module")
def shop(sandbox):
    shop = Shop(sandbox)
    for number in range(20):
        shop.put(f"o{number}")
    return shop


@pytest.fixture(autouse=True)
def _as_it_was(sandbox):
    before = sandbox.exports.settings
    yield
    sandbox.faults.clear()
    sandbox.exports.settings = before


def ask(sandbox, path, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"{sandbox.url}/_sandbox/{path}", data=data, method=method)
        ) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def get(shop, key):
    return shop.s3.get_object(Bucket=EXPORTS_BUCKET, Key=key)["Body"].read()


def listed(shop, started):
    """Summary, and files listed with how each is: `whole`, `missing`, `changed`, `torn`."""
    summary = json.loads(get(shop, shop.described(started)["ExportManifest"]))
    files = [json.loads(line) for line in get(shop, summary["manifestFilesS3Key"]).splitlines()]
    return summary, [(file, state(shop, file)) for file in files]


def state(shop, file):
    try:
        content = get(shop, file["dataFileS3Key"])
    except shop.s3.exceptions.NoSuchKey:
        return "missing"
    if base64.b64encode(hashlib.md5(content).digest()).decode() == file["md5Checksum"]:
        return "whole"
    try:
        lines = gzip.decompress(content).splitlines()
    except (EOFError, gzip.BadGzipFile):
        return "torn"
    assert len(lines) == file["itemCount"] - 1
    return "changed"


def test_an_export_is_refused_or_fails_with_a_code(sandbox, shop):
    sandbox.faults.add(ExportFault("export_refused", count=1), ExportFault("export_fails", count=1))
    assert code_of(shop.start) == "AccessDeniedException"
    assert shop.described(shop.start())["ExportStatus"] == "COMPLETED", "a refused one is struck by both rules"
    sandbox.faults.add(ExportFault("export_fails", count=1, code="S3KmsDenied", message="no key", table=shop.name))
    started = shop.start()
    assert started["ExportStatus"] == "IN_PROGRESS"
    described = shop.described(started)
    assert described["ExportStatus"] == "FAILED"
    assert (described["FailureCode"], described["FailureMessage"]) == ("S3KmsDenied", "no key")
    assert described["EndTime"]


def test_rules_are_about_a_table_or_a_bucket(sandbox, shop):
    sandbox.faults.add(ExportFault("export_refused", table="Other"), ExportFault("export_refused", bucket="other"))
    assert shop.start()
    assert code_of(shop.start, S3Bucket="other") == "AccessDeniedException"


def test_requests_for_exports_meet_the_common_faults_too(sandbox, shop):
    sandbox.faults.add(FaultRule("throttle", table=shop.name, operations=("ExportTableToPointInTime",), count=1))
    assert code_of(shop.start) == "ProvisionedThroughputExceededException"
    assert shop.start()


def test_a_slow_export_takes_longer(sandbox, shop):
    sandbox.faults.add(ExportFault("export_slow", seconds=600, count=1))
    assert shop.described(shop.start())["ExportStatus"] == "IN_PROGRESS"
    assert shop.described(shop.start())["ExportStatus"] == "COMPLETED"


@pytest.mark.parametrize("kind", ["missing", "changed", "torn"])
def test_one_data_file_is_damaged(sandbox, shop, kind):
    sandbox.faults.add(ExportFault(f"file_{kind}", count=1))
    summary, files = listed(shop, shop.start())
    assert [how for _, how in files if how != "whole"] == [kind]
    assert summary["itemCount"] == sum(file["itemCount"] for file, _ in files) == 20
    assert {how for _, how in listed(shop, shop.start())[1]} == {"whole"}


def test_a_foreign_file_is_listed_and_whole(sandbox, shop):
    sandbox.faults.add(ExportFault("file_foreign", count=1))
    started = shop.start()
    summary, files = listed(shop, started)
    assert {how for _, how in files} == {"whole"}
    assert summary["itemCount"] == 20
    (foreign,) = [file for file, _ in files if started["ExportArn"].rpartition("/")[2] not in file["dataFileS3Key"]]
    assert gzip.decompress(get(shop, foreign["dataFileS3Key"])).splitlines()
    assert sum(file["itemCount"] for file, _ in files) == 21


def test_the_list_of_files_loses_its_last_line(sandbox, shop):
    _, whole = listed(shop, shop.start())
    sandbox.faults.add(ExportFault("manifest_changed", count=1))
    started = shop.start()
    summary, files = listed(shop, started)
    assert len(files) == len(whole) - 1
    manifest = summary["manifestFilesS3Key"]
    digest = base64.b64encode(hashlib.md5(get(shop, manifest)).digest())
    assert get(shop, manifest.replace(".json", ".checksum")) != digest


def test_a_bucket_denies_what_it_is_told_to_and_exports_into_it_fail(sandbox, shop):
    started = shop.start()
    manifest = shop.described(started)["ExportManifest"]
    sandbox.faults.add(ExportFault("s3_denied", bucket=EXPORTS_BUCKET, operations=("GetObject",)))
    assert code_of(get, shop, manifest) == "AccessDenied"
    assert shop.s3.list_objects_v2(Bucket=EXPORTS_BUCKET)["KeyCount"]
    assert shop.described(shop.start())["ExportStatus"] == "COMPLETED", "it only puts"
    sandbox.faults.clear()
    sandbox.faults.add(ExportFault("s3_denied", bucket=EXPORTS_BUCKET, operations=("PutObject", "ListBucket")))
    assert get(shop, manifest)
    assert code_of(shop.s3.list_objects_v2, Bucket=EXPORTS_BUCKET) == "AccessDenied"
    assert code_of(shop.s3.put_object, Bucket=EXPORTS_BUCKET, Key="k", Body=b"") == "AccessDenied"
    described = shop.described(shop.start())
    assert (described["ExportStatus"], described["FailureCode"]) == ("FAILED", "S3AccessDenied")
    sandbox.faults.clear()
    assert shop.described(shop.start())["ExportStatus"] == "COMPLETED"


def test_a_bucket_may_deny_one_caller_only(sandbox, shop):
    manifest = shop.described(shop.start())["ExportManifest"]
    sandbox.faults.add(ExportFault("s3_denied", access_key="somebody"))
    assert get(shop, manifest)
    assert shop.described(shop.start())["ExportStatus"] == "COMPLETED"
    other = sandbox.client("s3", aws_access_key_id="somebody")
    assert code_of(other.get_object, Bucket=EXPORTS_BUCKET, Key=manifest) == "AccessDenied"


def test_faults_of_exports_are_put_in_force_and_lifted_where_all_are(sandbox, shop):
    rules = [{"kind": "export_fails", "count": 1, "code": "S3AccessDenied"}, {"kind": "slow", "seconds": 0}]
    assert ask(sandbox, "faults", rules)[0] == 200
    assert shop.described(shop.start())["FailureCode"] == "S3AccessDenied"
    _, told = ask(sandbox, "faults")
    assert [(one["kind"], one["struck"] > 0) for one in told["faults"]] == [("export_fails", True), ("slow", True)]
    assert ask(sandbox, "faults", method="DELETE") == (200, {"faults": []})
    for wrong in (
        {"kind": "export_explodes"},
        {"kind": "export_fails", "reasons": ["x"]},
        {"kind": "export_slow", "seconds": -1},
        {"kind": "s3_denied", "operations": "GetObject"},
        {"kind": "file_torn", "share": 2},
    ):
        status, answer = ask(sandbox, "faults", wrong)
        assert status == 400
        assert answer["error"]


def test_how_exports_go_is_told_and_set_over_http(sandbox, shop):
    usual = {
        "export_seconds": 0.0,
        "checksum_suffix": ".checksum",
        "keys_with_prefix": True,
        "plain_timestamps": False,
    }
    assert ask(sandbox, "exports") == (200, usual)
    other = {"checksum_suffix": ".md5", "keys_with_prefix": False}
    assert ask(sandbox, "exports", other) == (200, {**usual, **other})
    assert ask(sandbox, "exports", {"plain_timestamps": True}) == (200, {**usual, **other, "plain_timestamps": True})
    for wrong in ({"checksum_suffix": ".sha1"}, {"export_seconds": "5"}, {"export_seconds": -1}, {"speed": 1}, []):
        status, answer = ask(sandbox, "exports", wrong)
        assert status == 400
        assert answer["error"]


def test_a_rule_says_what_is_wrong_with_it():
    for wrong in ({"kind": "explodes"}, {"kind": "export_slow", "seconds": -1}, {"kind": "file_torn", "count": -1}):
        with pytest.raises(ValueError):
            ExportFault(**wrong)
