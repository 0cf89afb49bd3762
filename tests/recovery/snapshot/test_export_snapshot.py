"""A full export read as a snapshot is what a scan of the table at that second would have been."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitrkit.aws.backups import pitr
from pitrkit.aws.change_data import export, exports
from pitrkit.aws.items import to_boto
from pitrkit.aws.tables import tables
from pitrkit.errors import AccessDenied, BadInput
from pitrkit.recovery.snapshot import scan
from pitrkit.recovery.snapshot.export_snapshot import from_export
from pitrkit.recovery.snapshot.snapshot import Snapshot, take
from pitrkit.sandbox import ExportFault
from pitrkit.sandbox.store.history import PastWrite
from tests.proving import examples

AT = (datetime.now(UTC) - timedelta(hours=2)).replace(microsecond=0)
BUCKET = "exports"
SEVERAL = 40
_numbers = count()


@pytest.fixture(scope="module", autouse=True)
def bucket(sandbox):
    return sandbox.bucket(BUCKET)


@pytest.fixture(autouse=True)
def no_faults_left(sandbox):
    yield
    sandbox.faults.clear()


def table_of(sandbox, aws, items, *, later=()):
    name = f"Past-{next(_numbers)}"
    sandbox.seed(
        {
            "TableName": name,
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "N"},
            ],
            "BillingMode": "PAY_PER_REQUEST",
        },
        [PastWrite(AT - timedelta(hours=1), item, item) for item in items]
        + [PastWrite(AT + timedelta(seconds=1), item, item) for item in later],
        created_at=AT - timedelta(days=1),
    )
    return tables.describe(aws, name)


def exported(aws, table, at=AT, **options):
    return exports.wait(aws, exports.start_full(aws, table, at, bucket=BUCKET, **options), poll_seconds=0.01)


def rows(snapshot):
    return sorted(
        (row["key"], row["item"], row["size"], row["digest"])
        for file in snapshot.files
        for row in pq.read_table(file).to_pylist()
    )


def plain_items(count, make_order):
    """Orders as the service's JSON would have them."""
    import base64

    def spelt(typed):
        ((kind, value),) = typed.items()
        match kind:
            case "B":
                return {kind: base64.b64encode(value).decode()}
            case "BS":
                return {kind: [base64.b64encode(one).decode() for one in value]}
            case "M":
                return {kind: {name: spelt(one) for name, one in value.items()}}
            case "L":
                return {kind: [spelt(one) for one in value]}
        return typed

    return [
        {name: spelt(typed) for name, typed in to_boto(make_order(number)).items()} for number in range(1, count + 1)
    ]


@pytest.mark.parametrize("items", [0, 1, SEVERAL])
def test_it_is_byte_for_byte_what_a_scan_of_a_restored_copy_gives(sandbox, aws, tmp_path, make_order, items):
    made = plain_items(items, make_order)
    changed = [item | {"status": {"S": "later"}} for item in made[:1]]
    table = table_of(sandbox, aws, made, later=changed)
    told = []
    snapshot = from_export(aws, exported(aws, table), table, tmp_path / "export", on_progress=told.append)
    pitr.restore(aws, table, f"{table.name}-copy", AT)
    copy = pitr.wait(aws, f"{table.name}-copy", poll_seconds=0.01)
    scanned = take(aws, copy, tmp_path / "scan")
    assert rows(snapshot) == rows(scanned)
    assert (snapshot.items, snapshot.bytes) == (scanned.items, scanned.bytes) == (items, snapshot.bytes)
    assert snapshot.read_units == 0
    assert snapshot.started_at == snapshot.finished_at == AT
    assert (snapshot.table, snapshot.table_arn, snapshot.key_schema) == (table.name, table.arn, table.key_schema)
    assert Snapshot.open(tmp_path / "export") == snapshot
    assert told[-1].items == items
    assert told[-1].read_units == 0


numbers = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=3).map(str)
values = st.recursive(
    st.one_of(
        st.text(max_size=8).map(lambda value: {"S": value}),
        numbers.map(lambda value: {"N": value}),
        st.booleans().map(lambda value: {"BOOL": value}),
        st.just({"NULL": True}),
        st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=3, unique=True).map(lambda v: {"SS": v}),
        st.lists(st.integers(-999, 999).map(str), min_size=1, max_size=3, unique=True).map(lambda v: {"NS": v}),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda value: {"L": value}),
        st.dictionaries(st.text(min_size=1, max_size=4), inner, max_size=3).map(lambda value: {"M": value}),
    ),
    max_leaves=6,
)
bodies = st.lists(st.dictionaries(st.sampled_from(["a", "ü", "aws:rep:x", "z"]), values), max_size=6)


@settings(max_examples=examples(25))
@given(bodies=bodies)
def test_values_of_every_type_are_canonical_as_a_scan_makes_them(sandbox, aws, tmp_path_factory, bodies):
    items = [{"pk": {"S": "p"}, "sk": {"N": str(number)}, **body} for number, body in enumerate(bodies)]
    table = table_of(sandbox, aws, items)
    folder = tmp_path_factory.mktemp("snapshot")
    snapshot = from_export(aws, exported(aws, table), table, folder / "export")
    assert rows(snapshot) == rows(take(aws, table, folder / "scan"))


def test_other_processes_make_the_same_snapshot(sandbox, aws, tmp_path, make_order, monkeypatch):
    monkeypatch.setattr(scan, "_WORTH_PROCESSES", 0)
    table = table_of(sandbox, aws, plain_items(SEVERAL, make_order))
    snapshot = from_export(aws, exported(aws, table), table, tmp_path / "export", processes=2)
    assert rows(snapshot) == rows(take(aws, table, tmp_path / "scan", processes=1))


def test_reading_that_was_stopped_goes_on_after_the_files_it_had_read(sandbox, aws, tmp_path, make_order):
    table = table_of(sandbox, aws, plain_items(SEVERAL, make_order))
    export = exported(aws, table)

    def stop(read):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        from_export(aws, export, table, tmp_path, on_progress=stop)
    with pytest.raises(BadInput, match="no complete snapshot"):
        Snapshot.open(tmp_path)
    had = {path: path.stat().st_mtime_ns for path in tmp_path.glob("segment-*")}
    assert had
    snapshot = from_export(aws, export, table, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in had} == had
    assert snapshot.items == SEVERAL
    assert rows(snapshot) == rows(from_export(aws, export, table, tmp_path.with_name("whole")))


def test_what_another_export_left_is_replaced(sandbox, aws, tmp_path, make_order):
    items = plain_items(SEVERAL, make_order)
    table = table_of(sandbox, aws, items, later=[item | {"status": {"S": "later"}} for item in items])

    def stop(read):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        from_export(aws, exported(aws, table), table, tmp_path, on_progress=stop)
    later = exported(aws, table, AT + timedelta(seconds=1))
    assert all('"later"' in item for _, item, _, _ in rows(from_export(aws, later, table, tmp_path)))


@pytest.mark.parametrize("kind", ["file_missing", "file_changed", "file_torn", "file_foreign", "manifest_changed"])
def test_a_missing_damaged_or_foreign_file_stops_it_with_its_name(sandbox, aws, tmp_path, make_order, kind):
    table = table_of(sandbox, aws, plain_items(SEVERAL, make_order))
    sandbox.faults.add(ExportFault(kind, table=table.name))
    export = exported(aws, table)
    with pytest.raises(BadInput, match=r"AWSDynamoDB/\S+ is (missing|damaged|foreign)"):
        from_export(aws, export, table, tmp_path)
    with pytest.raises(BadInput):
        Snapshot.open(tmp_path)


def test_an_export_of_changes_of_some_items_or_of_another_table_is_no_snapshot(sandbox, aws, tmp_path, make_order):
    table = table_of(sandbox, aws, plain_items(1, make_order))
    changes = exports.start_incremental(aws, table, AT - timedelta(hours=1), AT, bucket=BUCKET)
    with pytest.raises(BadInput, match="contains changes"):
        from_export(aws, changes, table, tmp_path)
    answer = aws.call(
        "dynamodb",
        "export_table_to_point_in_time",
        TableArn=table.arn,
        S3Bucket=BUCKET,
        FilterSpecification={"ProjectionExpression": "pk, sk"},
    )
    filtered = export.describe(aws, answer["ExportDescription"]["ExportArn"])
    with pytest.raises(BadInput, match="was filtered"):
        from_export(aws, filtered, table, tmp_path)
    other = table_of(sandbox, aws, [])
    with pytest.raises(BadInput, match="not of this table"):
        from_export(aws, exported(aws, table), other, tmp_path)


def test_a_bucket_that_denies_reading_is_explained(sandbox, aws, tmp_path, make_order):
    table = table_of(sandbox, aws, plain_items(1, make_order))
    export = exported(aws, table)
    sandbox.faults.add(ExportFault("s3_denied", bucket=BUCKET, operations=("GetObject",)))
    with pytest.raises(AccessDenied, match="s3:GetObject on exports's objects, and s3:ListBucket"):
        from_export(aws, export, table, tmp_path)
