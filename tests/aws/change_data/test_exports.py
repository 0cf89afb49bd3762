"""Exports are started once, waited for, and explained; what cannot work is refused before anything is paid for."""

import gzip
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from pitrkit.aws.change_data import export, export_files, export_item, exports
from pitrkit.aws.client.client import Aws
from pitrkit.aws.items import canonical
from pitrkit.aws.tables import tables
from pitrkit.errors import AccessDenied, AwsError, BadInput, Exit, InputNeeded
from pitrkit.sandbox import ExportFault
from pitrkit.sandbox.exports.export_files import ExportSettings
from pitrkit.sandbox.protocol.faults import FaultRule
from pitrkit.sandbox.store.history import PastWrite

AT = (datetime.now(UTC) - timedelta(hours=2)).replace(microsecond=0)
FROM = AT - timedelta(minutes=15)
BUCKET = "exports"
DESIGN = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "data", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "data", "AttributeType": "B"},
    ],
    "BillingMode": "PAY_PER_REQUEST",
}
_numbers = count()


@pytest.fixture
def aws(sandbox):
    return Aws.connect()


@pytest.fixture(autouse=True)
def bucket(sandbox):
    return sandbox.bucket(BUCKET)


def item(number, state="a"):
    return {"pk": {"S": f"customer-{number}"}, "data": {"B": "AP8="}, "state": {"S": state}}


def seeded(sandbox, aws, *, items=3, **options):
    name = f"Orders-{next(_numbers)}"
    first, second = AT - timedelta(hours=1), AT - timedelta(minutes=5)
    writes = [PastWrite(first, item(number), item(number)) for number in range(items)]
    writes += [PastWrite(second, item(0), item(0, "b"))] if items else []
    sandbox.seed({"TableName": name, **DESIGN}, writes, created_at=AT - timedelta(days=2), **options)
    return tables.describe(aws, name)


@pytest.fixture
def table(sandbox, aws):
    return seeded(sandbox, aws)


def wait(aws, export, **options):
    return exports.wait(aws, export, poll_seconds=0.01, **options)


def full(aws, table, at=AT, **options):
    return exports.start_full(aws, table, at, **{"bucket": BUCKET, **options})


def incremental(aws, table, from_at=FROM, to_at=AT, **options):
    return exports.start_incremental(aws, table, from_at, to_at, **{"bucket": BUCKET, **options})


def test_a_full_export_is_started_waited_for_and_says_what_it_is(aws, bucket, table):
    export = wait(aws, full(aws, table, prefix="recovery/today/"))
    assert (export.kind, export.status, export.at, export.from_at, export.to_at) == (
        "full",
        "COMPLETED",
        AT,
        None,
        None,
    )
    assert (export.table_arn, export.table_id, export.table) == (table.arn, table.id, table.name)
    assert (export.bucket, export.prefix, export.view, export.filtered) == (BUCKET, "recovery/today", "", False)
    assert (export.item_count, export.format) == (3, "DYNAMODB_JSON")
    assert export.to_dict()["at"] == AT.strftime("%Y-%m-%dT%H:%M:%SZ")
    manifest = export_files.manifest(aws, export)
    assert manifest.items == 3
    assert all(file.name.startswith("recovery/today/AWSDynamoDB/") for file in manifest.files)


def test_an_incremental_export_has_old_and_new_images(aws, bucket, table, tmp_path):
    export = wait(aws, incremental(aws, table))
    assert (export.kind, export.from_at, export.to_at, export.view) == ("incremental", FROM, AT, "new-and-old")
    assert export.item_count == 1
    text = b""
    for file in export_files.manifest(aws, export).files:
        export_files.fetch(aws, export, file, tmp_path / "file")
        text += gzip.decompress((tmp_path / "file").read_bytes())
    assert b'"OldImage"' in text
    assert b'"NewImage"' in text


@pytest.mark.parametrize("start", [full, incremental])
@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_an_export_of_the_same_time_is_adopted_complete_or_in_progress(sandbox, aws, table, start, seconds):
    sandbox.exports.settings = ExportSettings(export_seconds=seconds)
    first = start(aws, table)
    assert start(aws, table, bucket="elsewhere").arn == first.arn
    assert exports.find(aws, table, first.when).arn == first.arn
    assert len(exports.earlier(aws, table)) == 1


def test_an_adopted_export_needs_neither_recovery_nor_its_window_any_more(aws, bucket, table):
    first = wait(aws, full(aws, table))
    aws.call(
        "dynamodb",
        "update_continuous_backups",
        TableName=table.name,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
    )
    assert full(aws, table).arn == first.arn


def test_the_same_request_is_the_same_export_even_where_exports_may_not_be_listed(aws, bucket, table, monkeypatch):
    client = aws._client("dynamodb", retry=True)
    denied = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized to perform: dynamodb:ListExports"}}

    def refuse(**_):
        raise client.exceptions.ClientError(denied, "ListExports")

    first = full(aws, table)
    monkeypatch.setattr(client, "list_exports", refuse)
    assert full(aws, table).arn == first.arn
    assert full(aws, table, prefix="other").arn != first.arn
    assert full(aws, table, AT - timedelta(seconds=1)).arn != first.arn
    with pytest.raises(AccessDenied, match="dynamodb:ListExports"):
        full(aws, table, bucket="")


def test_what_is_not_the_same_is_not_adopted(sandbox, aws, bucket, table):
    def asked(**parameters):
        aws.call(
            "dynamodb",
            "export_table_to_point_in_time",
            TableArn=table.arn,
            S3Bucket=BUCKET,
            **{"ExportTime": AT} | parameters,
        )

    asked(ExportFormat="ION")
    asked(FilterSpecification={"ProjectionExpression": "pk"})
    asked(ExportTime=AT - timedelta(seconds=1))
    window = {"ExportFromTime": FROM, "ExportToTime": AT, "ExportViewType": "NEW_IMAGE"}
    aws.call(
        "dynamodb",
        "export_table_to_point_in_time",
        TableArn=table.arn,
        S3Bucket=BUCKET,
        ExportType="INCREMENTAL_EXPORT",
        IncrementalExportSpecification=window,
    )
    assert exports.find(aws, table, AT) is None
    assert exports.find(aws, table, (FROM, AT)) is None
    assert len(exports.earlier(aws, table)) == 4


def test_an_export_of_an_earlier_table_of_the_same_name_is_not_adopted(sandbox, aws, bucket, table):
    wait(aws, full(aws, table))
    aws.call("dynamodb", "delete_table", TableName=table.name)
    sandbox.seed({"TableName": table.name, **DESIGN}, [], created_at=AT - timedelta(days=1))
    again = tables.describe(aws, table.name)
    assert again.arn == table.arn
    assert exports.find(aws, again, AT) is None


def test_an_export_whose_files_are_gone_is_made_again(sandbox, aws, bucket, table):
    first = wait(aws, full(aws, table))
    sandbox.client("s3").delete_object(Bucket=BUCKET, Key=first.manifest)
    again = wait(aws, full(aws, table))
    assert again.arn != first.arn
    assert export_files.manifest(aws, again).items == 3


def test_more_exports_than_a_page_are_all_looked_at(aws, bucket, table):
    first = full(aws, table)
    for number in range(1, 30):
        full(aws, table, AT - timedelta(seconds=number), earlier_exports=())
    assert len(exports.earlier(aws, table)) == 30
    assert full(aws, table).arn == first.arn


def test_without_a_bucket_the_last_export_says_where_to_and_else_it_is_asked_for(aws, bucket, table):
    with pytest.raises(InputNeeded, match="bucket") as caught:
        full(aws, table, bucket="")
    assert (caught.value.parameter, caught.value.exit_code) == ("bucket", Exit.INPUT_NEEDED)
    full(aws, table, prefix="recovery")
    found = incremental(aws, table, bucket="")
    assert (found.bucket, found.prefix) == (BUCKET, "recovery")


def test_times_are_cut_to_whole_seconds_and_naive_ones_are_refused(aws, bucket, table):
    assert full(aws, table, AT + timedelta(microseconds=999_999)).at == AT
    for start in (lambda at: full(aws, table, at), lambda at: incremental(aws, table, at, AT)):
        with pytest.raises(BadInput, match="has no time zone"):
            start(FROM.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("from_at", "to_at", "said"),
    [
        (AT - timedelta(minutes=15) + timedelta(seconds=1), AT, "15 minutes to 24 hours"),
        (AT - timedelta(hours=24, seconds=1), AT, "15 minutes to 24 hours"),
        (AT, AT - timedelta(hours=1), "15 minutes to 24 hours"),
        (AT + timedelta(hours=1), AT + timedelta(hours=3), "later than the latest"),
        (AT - timedelta(hours=49), AT - timedelta(hours=47), "earlier than the earliest"),
    ],
)
def test_a_window_that_cannot_be_exported_is_refused_before_anything_is_started(aws, table, from_at, to_at, said):
    with pytest.raises(BadInput, match=said):
        incremental(aws, table, from_at, to_at)
    assert exports.earlier(aws, table) == []


def test_a_table_without_recovery_is_refused_with_what_to_do(sandbox, aws, bucket):
    with pytest.raises(BadInput, match="point-in-time recovery is off"):
        full(aws, seeded(sandbox, aws, pitr=False))


def test_waiting_tells_how_long_and_what_the_estimate_rests_on(sandbox, aws, bucket, table):
    sandbox.exports.settings = ExportSettings(export_seconds=0.1)
    told = []
    wait(aws, full(aws, table), size_bytes=10 * 1024**3, on_progress=told.append)
    assert [one.status for one in told][-1] == "COMPLETED"
    assert told[0].status == "IN_PROGRESS"
    assert told[0].eta_seconds == pytest.approx(300 + 102.4, abs=1)
    assert "AWS gives no estimate" in told[0].basis
    assert [one.seconds for one in told] == sorted(one.seconds for one in told)
    known = exports.earlier(aws, table)
    wait(aws, full(aws, table, AT - timedelta(seconds=1)), earlier_exports=known, on_progress=told.append)
    assert told[-1].basis == "the longest of 1 earlier exports"
    assert exports.Waiting("IN_PROGRESS", 400, 300, "").eta_seconds is None


def test_a_failed_export_says_why_and_the_next_run_starts_a_new_one(sandbox, aws, bucket, table):
    sandbox.faults.add(ExportFault("export_fails", count=1, code="InternalServerError", message="it broke"))
    first = full(aws, table)
    with pytest.raises(AwsError, match=r"the full export as of .* failed: it broke") as caught:
        wait(aws, first)
    assert (caught.value.code, caught.value.operation) == ("InternalServerError", "ExportTableToPointInTime")
    assert "starts a new export" in caught.value.fix
    again = full(aws, table)
    assert again.arn != first.arn
    assert wait(aws, again).status == "COMPLETED"


def test_a_bucket_that_denies_or_does_not_exist_is_explained(sandbox, aws, bucket, table):
    sandbox.faults.add(ExportFault("s3_denied", bucket=BUCKET, operations=("PutObject",)))
    with pytest.raises(AwsError, match="s3:PutObject, s3:AbortMultipartUpload and s3:PutObjectAcl on exports"):
        wait(aws, full(aws, table))
    sandbox.faults.clear()
    with pytest.raises(AwsError, match="The bucket nowhere does not exist"):
        wait(aws, full(aws, table, bucket="nowhere"))


def test_a_refusal_names_the_action_that_is_missing_and_all_that_an_export_takes(sandbox, aws, bucket, table):
    sandbox.faults.add(ExportFault("export_refused", message="User is not authorized to perform: s3:PutObjectAcl on x"))
    with pytest.raises(AccessDenied) as caught:
        full(aws, table)
    assert "Allow the action s3:PutObjectAcl" in caught.value.fix
    assert "dynamodb:ExportTableToPointInTime on the table, and s3:PutObject" in caught.value.fix


def test_a_complete_export_that_may_not_be_read_is_no_reason_to_pay_again(sandbox, aws, bucket, table):
    first = wait(aws, full(aws, table))
    sandbox.bucket("other")
    sandbox.faults.add(ExportFault("s3_denied", bucket=BUCKET, operations=("GetObject",)))
    with pytest.raises(AccessDenied, match="s3:GetObject on exports"):
        full(aws, table)
    assert full(aws, table, bucket="other").arn != first.arn


def test_one_item_at_one_time_is_exported_alone(aws, bucket, table):
    key, absent = (canonical({name: item(number)[name] for name in ("pk", "data")}) for number in (0, 99))
    assert export_item.offered(aws)
    for at, state in ((AT, "b"), (AT - timedelta(minutes=10), "a")):
        export = wait(aws, export_item.start_filtered(aws, table, key, at, bucket=BUCKET))
        assert export.filtered
        assert export_item.read(aws, export, key, table.key_schema) == canonical(item(0, state))
        assert export_item.start_filtered(aws, table, key, at).arn == export.arn
        with pytest.raises(BadInput, match="is of another item"):
            export_item.read(aws, export, absent, table.key_schema)
    export = wait(aws, export_item.start_filtered(aws, table, absent, AT, bucket=BUCKET))
    assert export_item.read(aws, export, absent, table.key_schema) is None
    assert exports.find(aws, table, AT) is None
    whole = wait(aws, full(aws, table))
    assert export_item.read(aws, whole, key, table.key_schema) == canonical(item(0, "b"))


def test_an_sdk_without_filters_is_told_apart_and_explained(aws, bucket, table):
    model = aws._client("dynamodb", retry=True).meta.service_model.operation_model("ExportTableToPointInTime")
    members = model.input_shape.members
    was = members.pop("FilterSpecification")
    try:
        assert not export_item.offered(aws)
        with pytest.raises(BadInput, match="Update boto3"):
            export_item.start_filtered(aws, table, "{}", AT, bucket=BUCKET)
    finally:
        members["FilterSpecification"] = was


def manifest_of(aws, export):
    return export_files.manifest(aws, export)


def test_an_export_that_is_not_complete_or_not_in_json_is_refused(sandbox, aws, bucket, table):
    sandbox.exports.settings = ExportSettings(export_seconds=60)
    with pytest.raises(BadInput, match="is IN_PROGRESS"):
        manifest_of(aws, full(aws, table))
    sandbox.exports.settings = ExportSettings()
    answer = aws.call(
        "dynamodb", "export_table_to_point_in_time", TableArn=table.arn, S3Bucket=BUCKET, ExportFormat="ION"
    )
    with pytest.raises(BadInput, match="Export it as DYNAMODB_JSON"):
        manifest_of(aws, export.describe(aws, answer["ExportDescription"]["ExportArn"]))


def test_manifests_that_are_of_another_export_or_not_proved_are_refused_by_name(sandbox, aws, bucket, table):
    export, other = wait(aws, full(aws, table)), wait(aws, full(aws, table, AT - timedelta(seconds=1)))
    s3 = sandbox.client("s3")
    folder = export.manifest.removesuffix("manifest-summary.json")
    checksum = f"{folder}manifest-summary.checksum"

    def copied(key, name):
        s3.put_object(Bucket=BUCKET, Key=name, Body=s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    copied(checksum, "kept")
    s3.delete_object(Bucket=BUCKET, Key=checksum)
    with pytest.raises(BadInput, match=r"the checksum of .*manifest-summary.json is missing"):
        manifest_of(aws, export)
    s3.put_object(Bucket=BUCKET, Key=checksum, Body=b"AAAAAAAAAAAAAAAAAAAAAA==")
    with pytest.raises(BadInput, match=r"manifest-summary.json is damaged"):
        manifest_of(aws, export)
    for end in ("json", "checksum"):
        copied(f"{other.manifest.removesuffix('json')}{end}", f"{folder}manifest-summary.{end}")
    with pytest.raises(BadInput, match=r"manifest-summary.json is foreign: its exportArn"):
        manifest_of(aws, export)
    s3.delete_object(Bucket=BUCKET, Key=export.manifest)
    with pytest.raises(BadInput, match=r"manifest-summary.json is missing"):
        manifest_of(aws, export)


def test_a_reply_that_breaks_off_is_asked_for_again(aws, table, tmp_path, monkeypatch):
    export = wait(aws, full(aws, table))
    client = aws._client("s3", retry=True)
    ask, breaks = client.get_object, count()

    class Torn:
        def __init__(self, body):
            self.body = body

        def read(self, size):
            if next(breaks) < 2:
                raise ConnectionResetError
            return self.body.read(size)

    def torn(**asked):
        answer = ask(**asked)
        return {**answer, "Body": Torn(answer["Body"])} if "/data/" in asked["Key"] else answer

    manifest = manifest_of(aws, export)
    monkeypatch.setattr(client, "get_object", torn)
    sizes = [export_files.fetch(aws, export, file, tmp_path / "file") for file in manifest.files]
    assert all(sizes)


def test_a_busy_service_only_takes_longer(sandbox, aws, bucket, table):
    operations = ("ExportTableToPointInTime", "DescribeExport", "ListExports")
    sandbox.faults.add(FaultRule("error500", count=3, operations=operations))
    assert wait(aws, full(aws, table)).status == "COMPLETED"
