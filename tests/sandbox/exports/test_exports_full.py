"""Full exports of the sandbox, seen through plain boto3."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import json
import urllib.error
import urllib.request
from datetime import timedelta

import pytest
from botocore.config import Config

from pitrkit.sandbox import EXPORTS_BUCKET, ExportFault, ExportSettings, Sandbox
from tests.sandbox.exports.exporting import NOON, Shop, code_of, item, minutes


@pytest.fixture
def sandbox():
    with Sandbox(ticking=False) as sandbox:
        sandbox.clock.set(NOON)
        sandbox.bucket()
        yield sandbox


@pytest.fixture
def shop(sandbox):
    return Shop(sandbox)


def keys(shop, prefix=""):
    return [one["Key"] for one in shop.s3.list_objects_v2(Bucket=EXPORTS_BUCKET, Prefix=prefix).get("Contents", [])]


def items(read):
    return sorted((line["Item"] for line in read.lines), key=lambda one: (one["pk"]["S"], int(one["sk"]["N"])))


def test_a_full_export_holds_the_table_as_it_was_at_that_second(sandbox, shop):
    shop.put("a", n={"N": "1"})
    shop.put("b", raw={"B": b"\x00\xff"}, tags={"SS": ["y", "x"]}, deep={"M": {"l": {"L": [{"NULL": True}]}}})
    sandbox.clock.advance(60)
    shop.put("a", n={"N": "2"})
    shop.delete("b")
    sandbox.clock.advance(60)

    then, now = shop.read(shop.start(ExportTime=NOON + timedelta(seconds=59))), shop.read(shop.start())

    assert items(then) == [
        item("a", n={"N": "1"}),
        item("b", raw={"B": "AP8="}, tags={"SS": ["x", "y"]}, deep={"M": {"l": {"L": [{"NULL": True}]}}}),
    ]
    assert items(now) == [item("a", n={"N": "2"})]
    assert items(shop.read(shop.start(ExportTime=minutes(1)))) == items(now), "a write in that very second counts"


def test_the_files_lie_where_the_service_puts_them_and_the_manifests_say_what_they_hold(sandbox, shop):
    for number in range(20):
        shop.put(f"o{number}")
    sandbox.clock.advance(60)
    started = shop.start(ExportTime=minutes(1), S3Prefix="2026/nov", S3SseAlgorithm="KMS", S3SseKmsKeyId="key-1")
    export_id = started["ExportArn"].rpartition("/export/")[2]
    described, read = shop.described(started), shop.read(started)

    folder = f"2026/nov/AWSDynamoDB/{export_id}/"
    data = [file["dataFileS3Key"] for file in read.files]
    manifests = [f"manifest-{name}.{ending}" for name in ("files", "summary") for ending in ("json", "checksum")]
    assert keys(shop) == sorted([folder + "_started", *(folder + name for name in manifests), *data])
    assert all(key.startswith(folder + "data/") and key.endswith(".json.gz") for key in data)
    assert sum(file["itemCount"] > 0 for file in read.files) > 1
    assert sum(file["itemCount"] == 0 for file in read.files) > 0
    assert described["ExportManifest"] == folder + "manifest-summary.json"
    assert described["ItemCount"] == read.summary["itemCount"] == 20
    assert read.summary == {
        "version": "2020-06-30",
        "exportArn": started["ExportArn"],
        "startTime": "2026-11-20T12:01:00.000Z",
        "endTime": "2026-11-20T12:01:00.000Z",
        "tableArn": shop.arn,
        "tableId": shop.dynamodb.describe_table(TableName=shop.name)["Table"]["TableId"],
        "exportTime": "2026-11-20T12:01:00.000Z",
        "s3Bucket": EXPORTS_BUCKET,
        "s3Prefix": "2026/nov",
        "s3SseAlgorithm": "KMS",
        "s3SseKmsKeyId": "key-1",
        "manifestFilesS3Key": folder + "manifest-files.json",
        "billedSizeBytes": described["BilledSizeBytes"],
        "itemCount": 20,
        "outputFormat": "DYNAMODB_JSON",
        "exportType": "FULL_EXPORT",
    }
    for name in ("summary", "files"):
        digest = hashlib.md5(read.get(f"{folder}manifest-{name}.json")).digest()
        assert read.get(f"{folder}manifest-{name}.checksum") == base64.b64encode(digest)
    head = shop.s3.head_object(Bucket=EXPORTS_BUCKET, Key=data[0])
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "key-1")


def test_what_is_asked_for_is_told_again(sandbox, shop):
    asked = {"S3Prefix": "p", "S3BucketOwner": "123456789012", "ClientToken": "token", "ExportTime": NOON}
    sandbox.clock.advance(5)
    started = shop.start(**asked)
    for described, status in ((started, "IN_PROGRESS"), (shop.described(started), "COMPLETED")):
        assert described["ExportStatus"] == status
        assert asked.items() <= described.items()
        assert described["TableArn"] == shop.arn
        assert described["StartTime"] == NOON + timedelta(seconds=5)
        assert (described["ExportType"], described["ExportFormat"]) == ("FULL_EXPORT", "DYNAMODB_JSON")
        assert described["S3SseAlgorithm"] == "AES256"


def test_without_a_prefix_the_layout_begins_at_the_buckets_root(shop):
    read = shop.read(shop.start())
    assert all(key.startswith("AWSDynamoDB/") for key in keys(shop))
    assert read.summary["s3Prefix"] is None


def test_both_spellings_of_checksums_and_keys_can_be_had(sandbox, shop):
    shop.put("a")
    sandbox.exports.settings = ExportSettings(checksum_suffix=".md5", keys_with_prefix=False)
    described = shop.described(shop.start(S3Prefix="p"))
    folder = described["ExportManifest"].removesuffix("manifest-summary.json")
    assert {folder + "manifest-files.md5", folder + "manifest-summary.md5"} <= set(keys(shop))
    assert not [key for key in keys(shop) if key.endswith(".checksum")]
    summary = json.loads(shop.s3.get_object(Bucket=EXPORTS_BUCKET, Key=described["ExportManifest"])["Body"].read())
    assert folder.endswith(summary["manifestFilesS3Key"].removesuffix("manifest-files.json"))
    assert summary["manifestFilesS3Key"].startswith("AWSDynamoDB/")
    listed = shop.s3.get_object(Bucket=EXPORTS_BUCKET, Key="p/" + summary["manifestFilesS3Key"])["Body"].read()
    for line in listed.splitlines():
        key = json.loads(line)["dataFileS3Key"]
        assert key.startswith("AWSDynamoDB/")
        assert shop.s3.head_object(Bucket=EXPORTS_BUCKET, Key="p/" + key)


def test_a_file_holds_the_items_of_one_range_of_the_keys_hash(sandbox, shop):
    for number in range(40):
        shop.put("same", number)
    read = shop.read(shop.start())
    assert sorted(file["itemCount"] for file in read.files)[-2:] == [0, 40]


def test_ion_text_has_the_types_that_json_has_not(shop):
    shop.put(
        "a'\n",
        n={"L": [{"N": "600"}, {"N": "-0.5"}, {"N": "103"}, {"N": "0"}, {"N": "1" * 38}]},
        s={"NS": ["1", "20"]},
        t={"SS": ["x"]},
        b={"B": b"\x00"},
        m={"M": {"not a symbol": {"BOOL": True}, "null": {"NULL": True}, "it's": {"S": '"'}}},
    )
    described = shop.described(shop.start(ExportFormat="ION"))
    folder = described["ExportManifest"].removesuffix("manifest-summary.json")
    lines = b"".join(
        gzip.decompress(shop.s3.get_object(Bucket=EXPORTS_BUCKET, Key=key)["Body"].read())
        for key in keys(shop, folder + "data/")
    )
    assert described["ExportFormat"] == "ION"
    assert all(key.endswith(".ion.gz") for key in keys(shop, folder + "data/"))
    ones = "1" * 38
    assert lines.decode() == (
        '$ion_1_0 {Item:{pk:"a\'\\n",sk:1.,n:[6d2,-0.5,103.,0.,' + ones + ".],s:$dynamodb_NS::[1.,2d1],"
        "t:$dynamodb_SS::[\"x\"],b:{{AA==}},m:{'not a symbol':true,'null':null,'it\\'s':\"\\\"\"}}}\n"
    )


def test_a_filter_on_the_key_finds_one_item_as_it_was(sandbox, shop):
    for sort in range(5):
        shop.put("a", sort, n={"N": str(sort)}, who={"S": "me"})
    shop.put("b", 3)
    sandbox.clock.advance(60)
    shop.delete("a", 3)
    asked = {
        "KeyConditionExpression": "pk = :p AND sk BETWEEN :low AND :high",
        "FilterExpression": "#n <> :two",
        "ProjectionExpression": "pk, sk, #n",
        "ExpressionAttributeNames": {"#n": "n"},
        "ExpressionAttributeValues": {
            ":p": {"S": "a"},
            ":low": {"N": "2"},
            ":high": {"N": "3.0"},
            ":two": {"N": "2"},
        },
    }
    started = shop.start(ExportTime=NOON, FilterSpecification=asked)
    described = shop.described(started)
    assert described["FilterSpecification"] == asked
    assert described["ItemCount"] == 1
    assert items(shop.read(started)) == [item("a", 3, n={"N": "3"})]
    assert shop.read(shop.start(FilterSpecification=asked)).lines == []


def test_a_filter_without_a_key_may_be_on_any_attribute(shop):
    for number in range(6):
        shop.put(f"o{number}", n={"N": str(number)})
    started = shop.start(
        FilterSpecification={
            "FilterExpression": "begins_with(pk, :o) AND n > :n",
            "ExpressionAttributeValues": {":o": {"S": "o"}, ":n": {"N": "3"}},
        }
    )
    assert [one["pk"]["S"] for one in items(shop.read(started))] == ["o4", "o5"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"KeyConditionExpression": "sk = :v", "ExpressionAttributeValues": {":v": {"N": "1"}}},
        {
            "KeyConditionExpression": "pk = :v",
            "FilterExpression": "#sk > :v",
            "ExpressionAttributeNames": {"#sk": "sk"},
            "ExpressionAttributeValues": {":v": {"S": "a"}},
        },
        {"FilterExpression": "n ="},
        {"FilterExpression": "n = :missing"},
        {"KeyConditionExpression": "pk = :missing"},
        {"KeyConditionExpression": "pk"},
        {"FilterExpression": "n = :v", "ExpressionAttributeValues": {":v": {"N": "one"}}},
        {},
    ],
)
def test_a_filter_that_is_none_is_refused(shop, wrong):
    assert code_of(shop.start, FilterSpecification=wrong) == "ValidationException"


def test_an_export_outlives_its_table(shop):
    shop.put("a")
    started = shop.start()
    shop.dynamodb.delete_table(TableName=shop.name)
    assert items(shop.read(started)) == [item("a")]


def test_a_bucket_is_reached_by_its_name_in_the_host_as_well(sandbox, shop):
    manifest = shop.described(shop.start())["ExportManifest"]
    signed = "AWS4-HMAC-SHA256 Credential=sandbox/20261120/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    headers = {"Host": f"{EXPORTS_BUCKET}.localhost:{sandbox.port}", "Authorization": signed}

    def status():
        connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
        try:
            connection.request("GET", f"/{manifest}", headers=headers)
            return connection.getresponse().status
        finally:
            connection.close()

    assert status() == 200
    sandbox.faults.add(ExportFault("s3_denied", bucket=EXPORTS_BUCKET, operations=("GetObject",)))
    assert status() == 403


def test_a_link_to_a_file_works_and_can_be_denied(sandbox, shop):
    manifest = shop.described(shop.start())["ExportManifest"]
    for version in ("s3", "s3v4"):
        s3 = sandbox.client("s3", config=Config(signature_version=version))
        link = s3.generate_presigned_url("get_object", Params={"Bucket": EXPORTS_BUCKET, "Key": manifest})
        with urllib.request.urlopen(link) as reply:
            assert json.load(reply)["itemCount"] == 0
        sandbox.faults.add(ExportFault("s3_denied"))
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(link)
        sandbox.faults.clear()
