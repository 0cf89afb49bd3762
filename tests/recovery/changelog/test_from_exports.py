"""What exports tell of a stretch of time is what happened in it, to the microsecond at both ends."""

import json
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitrkit.aws.change_data import exports
from pitrkit.aws.items import canonical
from pitrkit.aws.tables import tables
from pitrkit.errors import BadInput
from pitrkit.recovery.changelog import from_exports
from pitrkit.recovery.changelog.from_exports import windows
from pitrkit.recovery.changelog.short_windows import Undecided
from pitrkit.recovery.changes.change import ItemStep
from pitrkit.sandbox import ExportFault
from pitrkit.sandbox.exports.export_files import ExportSettings
from pitrkit.sandbox.store.history import PastWrite
from tests.proving import examples

L = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
MICRO = timedelta(microseconds=1)
UNTIL = (datetime.now(UTC) - timedelta(hours=2)).replace(microsecond=0)
CREATED = UNTIL - timedelta(days=5)
BUCKET = "exports"
_numbers = count()


@pytest.fixture(scope="module", autouse=True)
def bucket(sandbox):
    return sandbox.bucket(BUCKET)


def image(key, value):
    return {"pk": {"S": key}, "state": {"S": value}, "count": {"N": "1.50"}}


def text(key, value):
    return None if value is None else canonical(image(key, value))


def key_text(key):
    return canonical({"pk": {"S": key}})


def past(sandbox, aws, histories):
    """Make a table with these histories: key to its writes, each a time and a value or None."""
    name = f"Past-{next(_numbers)}"
    writes = sorted(
        (at, key, value)
        for key, own in histories.items()
        for at, value in own  # times of one key differ
    )
    sandbox.seed(
        {
            "TableName": name,
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
        [PastWrite(at, {"pk": {"S": key}}, None if value is None else image(key, value)) for at, key, value in writes],
        created_at=CREATED,
    )
    return tables.describe(aws, name)


def ran(aws, table, since_at, until_at, **options):
    needed = windows(since_at, until_at, latest_at=datetime.now(UTC), **options)
    return from_exports.wait(aws, from_exports.start(aws, table, needed, bucket=BUCKET), poll_seconds=0.01)


def told(aws, table, since_at, until_at, done=None, **options):
    undecided = []
    done = ran(aws, table, since_at, until_at, **options) if done is None else done
    steps = from_exports.steps(aws, done, table.key_schema, since_at, until_at, undecided=undecided)
    return list(steps), undecided


def effective(own):
    """The writes that change something: others leave no trace in the service's log."""
    now = None
    for at, value in own:
        if value != now:
            yield at, value
            now = value


def state(own, at):
    """A key's value right before *at*."""
    return next((value for when, value in reversed(own) if when < at), None)


def last_write(own, since_at, until_at):
    return max(at for at, _ in effective(own) if since_at <= at < until_at)


OFFSETS = (-MINUTE * 2, -MINUTE / 2, -MICRO, MICRO * 0, MICRO, MINUTE / 2, MINUTE + MICRO, MINUTE * 3, MINUTE * 7)


def histories_around(dice, anchors, keys=60):
    """Many keys with few writes each, at times where something may go wrong."""
    times = sorted({anchor + offset for anchor in anchors for offset in OFFSETS})
    return {
        f"key-{number}": [
            (at, dice.choice([None, None, "a", "b"])) for at in sorted(dice.sample(times, dice.randint(0, 6)))
        ]
        for number in range(keys)
    }


@st.composite
def short_stories(draw):
    since_at = UNTIL - timedelta(seconds=draw(st.sampled_from([1, 30, 60, 299, 600, 840, 899])))
    anchors = (since_at, UNTIL, UNTIL - L, since_at - L, UNTIL - 2 * L, since_at + (UNTIL - since_at) / 2)
    return since_at, histories_around(draw(st.randoms(use_true_random=False)), anchors)


@settings(max_examples=examples(50))
@given(story=short_stories())
def test_a_stretch_too_short_to_export_is_told_exactly_at_both_ends_or_said_to_be_undecided(sandbox, aws, story):
    since_at, histories = story
    steps, undecided = told(aws, past(sandbox, aws, histories), since_at, UNTIL)
    unsure = {one.key for one in undecided}
    expected = {
        key_text(key): (text(key, state(own, since_at)), text(key, state(own, UNTIL)))
        for key, own in histories.items()
        if state(own, since_at) != state(own, UNTIL)
    }
    assert {one.key: (one.before, one.after) for one in steps} == {
        key: images for key, images in expected.items() if key not in unsure
    }
    assert len(steps) == len({one.key for one in steps})
    for one in steps:
        own = histories[one.key.split('"')[5]]
        assert (one.before_at, one.single, one.by) == (since_at, False, "")
        made_at = last_write(own, UNTIL - L, UNTIL) if state(own, UNTIL - L) or state(own, UNTIL) else None
        assert one.at == made_at if made_at else since_at <= one.at < UNTIL
        assert one.undated == (made_at is None)
    for one in undecided:
        own = histories[one.key.split('"')[5]]
        assert one.why
        assert one.records
        assert any(edge <= at < edge + MINUTE for at, _ in effective(own) for edge in (UNTIL - L, since_at - L))


@st.composite
def long_stories(draw):
    long = draw(st.sampled_from([L, L + timedelta(seconds=1), L * 2 - timedelta(seconds=1), timedelta(hours=49)]))
    width = draw(st.sampled_from([None, L, timedelta(minutes=20), timedelta(hours=20)])) if long < 3 * L else None
    since_at = UNTIL - long
    anchors = (since_at, UNTIL, since_at + L, UNTIL - L, since_at + long / 2, since_at + long / 3)
    return since_at, width, histories_around(draw(st.randoms(use_true_random=False)), anchors)


@settings(max_examples=examples(30))
@given(story=long_stories())
def test_a_longer_stretch_is_told_window_by_window(sandbox, aws, story):
    since_at, width, histories = story
    steps, undecided = told(aws, past(sandbox, aws, histories), since_at, UNTIL, width=width)
    assert undecided == []
    needed = windows(since_at, UNTIL, latest_at=UNTIL, width=width)
    assert steps == sorted(steps, key=lambda one: one.before_at)
    assert {(one.key, one.before_at): one for one in steps} == {
        (key_text(key), begin): ItemStep(
            key_text(key),
            begin,
            last_write(own, begin, end),
            text(key, state(own, begin)),
            text(key, state(own, end)),
            single=False,
        )
        for begin, end in needed
        for key, own in histories.items()
        if state(own, begin) != state(own, end)
    }


@given(
    seconds=st.integers(1, 10 * 86_400),
    width=st.none() | st.integers(900, 200_000).map(lambda seconds: timedelta(seconds=seconds)),
)
def test_windows_are_of_15_minutes_to_24_hours_and_leave_nothing_out(seconds, width):
    since_at = UNTIL - timedelta(seconds=seconds)
    needed = windows(since_at, UNTIL, latest_at=UNTIL, width=width)
    assert all(L <= end - begin <= timedelta(hours=24) for begin, end in needed)
    assert all(begin.microsecond == end.microsecond == 0 for begin, end in needed)
    assert needed[-1][1] == UNTIL
    if seconds >= 900:
        assert needed[0][0] == since_at
        assert all(end == begin for (_, end), (begin, _) in pairwise(needed))
        longest = max(end - begin for begin, end in needed)
        assert width is None or longest < 2 * width or len(needed) == -(-seconds // 86_400)
    else:
        assert len(needed) == 3
        assert needed[1][1] == since_at


def test_a_stretch_is_widened_to_whole_seconds():
    assert from_exports.whole_seconds(UNTIL + MICRO, UNTIL + MINUTE + MICRO) == (
        UNTIL,
        UNTIL + MINUTE + timedelta(seconds=1),
    )


@pytest.mark.parametrize(
    ("since_at", "until_at", "options", "said"),
    [
        (UNTIL - MINUTE, UNTIL + MINUTE, {}, "later than the latest time that can be exported"),
        (UNTIL, UNTIL, {}, "is not before"),
        (UNTIL.replace(tzinfo=None), UNTIL, {}, "has no time zone"),
        (UNTIL - L, UNTIL, {"width": MINUTE}, "an export window of 0:01:00 is too short"),
        (UNTIL - L, UNTIL, {"earliest_at": UNTIL - MINUTE}, "restorable only from"),
        (UNTIL - MINUTE, UNTIL, {"earliest_at": UNTIL - 2 * L + MINUTE}, "needs exports from"),
    ],
)
def test_a_stretch_that_cannot_be_told_is_refused_before_anything_is_exported(since_at, until_at, options, said):
    with pytest.raises(BadInput, match=said):
        windows(since_at, until_at, latest_at=UNTIL, **options)


@pytest.fixture
def table(sandbox, aws):
    return past(sandbox, aws, {"kept": [(UNTIL - 3 * L, "a")], "hit": [(UNTIL - 4 * L, "a"), (UNTIL - MINUTE, None)]})


SINCE = UNTIL - 2 * MINUTE


def test_an_export_that_is_missing_is_named(aws, table):
    done = ran(aws, table, SINCE, UNTIL)
    with pytest.raises(BadInput, match=r"there is no export of .* to "):
        told(aws, table, SINCE, UNTIL, done[1:])
    with pytest.raises(BadInput, match="there is no export of "):
        told(aws, table, UNTIL - 3 * L, UNTIL, done)


def test_of_overlapping_chains_the_one_of_narrow_windows_is_read(aws, table):
    wide, narrow = (ran(aws, table, UNTIL - 4 * L, UNTIL, width=width) for width in (None, L))
    steps, _ = told(aws, table, UNTIL - 4 * L, UNTIL, [*wide, *narrow])
    assert [(one.key, one.before_at, one.after) for one in steps] == [
        (key_text("hit"), UNTIL - 4 * L, text("hit", "a")),
        (key_text("kept"), UNTIL - 3 * L, text("kept", "a")),
        (key_text("hit"), UNTIL - L, None),
    ]


def test_exports_without_old_images_filtered_or_full_make_no_log(sandbox, aws, table):
    def started(**asked):
        answer = aws.call("dynamodb", "export_table_to_point_in_time", TableArn=table.arn, S3Bucket=BUCKET, **asked)
        return exports.describe(aws, answer["ExportDescription"]["ExportArn"])

    window = {"ExportFromTime": UNTIL - L, "ExportToTime": UNTIL}
    new_only = started(
        ExportType="INCREMENTAL_EXPORT", IncrementalExportSpecification=window | {"ExportViewType": "NEW_IMAGE"}
    )
    only = {"FilterExpression": "#s = :s", "ExpressionAttributeNames": {"#s": "state"}}
    filtered = started(
        ExportType="INCREMENTAL_EXPORT",
        IncrementalExportSpecification=window,
        FilterSpecification=only | {"ExpressionAttributeValues": {":s": {"S": "a"}}},
    )
    for export, said in ((new_only, "no old images"), (filtered, "was filtered"), (started(), "contains items")):
        with pytest.raises(BadInput, match=said):
            told(aws, table, UNTIL - L, UNTIL, [export])
    other = past(sandbox, aws, {})
    mixed = [*ran(aws, table, UNTIL - 2 * L, UNTIL, width=L)[:1], *ran(aws, other, UNTIL - L, UNTIL)]
    with pytest.raises(BadInput, match="is of another table"):
        told(aws, table, UNTIL - 2 * L, UNTIL, mixed)


@pytest.mark.parametrize("suffix", [".checksum", ".md5"])
@pytest.mark.parametrize("plain", [True, False])
def test_both_spellings_of_the_service_are_read(sandbox, aws, table, plain, suffix):
    was = sandbox.exports.settings
    sandbox.exports.settings = ExportSettings(checksum_suffix=suffix, plain_timestamps=plain, keys_with_prefix=plain)
    try:
        needed = windows(SINCE, UNTIL, latest_at=UNTIL)
        done = from_exports.wait(
            aws, from_exports.start(aws, table, needed, bucket=BUCKET, prefix="a/b"), poll_seconds=0.01
        )
    finally:
        sandbox.exports.settings = was
    steps, undecided = told(aws, table, SINCE, UNTIL, done)
    assert steps == [ItemStep(key_text("hit"), SINCE, UNTIL - MINUTE, text("hit", "a"), None, single=False)]
    assert undecided == []


def test_a_deletion_of_what_was_just_made_is_told_without_its_time(sandbox, aws):
    histories = {"brief": [(SINCE - 3 * MINUTE, "a"), (UNTIL - MINUTE, None), (UNTIL + MINUTE, "b")]}
    steps, undecided = told(aws, past(sandbox, aws, histories), SINCE, UNTIL)
    brief = text("brief", "a")
    assert steps == [ItemStep(key_text("brief"), SINCE, UNTIL - MICRO, brief, None, single=False, undated=True)]
    assert undecided == []


def test_what_rests_on_a_minute_that_the_service_does_not_promise_is_undecided(sandbox, aws):
    histories = {
        "brief": [(UNTIL - L + MICRO, "a"), (UNTIL - MINUTE, None)],
        "again": [(SINCE - L + MICRO, "a"), (SINCE - MINUTE, None), (UNTIL - MINUTE, "b")],
    }
    steps, undecided = told(aws, past(sandbox, aws, histories), SINCE, UNTIL)
    assert steps == []
    assert {one.key for one in undecided} == {key_text("brief"), key_text("again")}
    assert all(isinstance(one, Undecided) and "too close" in one.why for one in undecided)


@pytest.mark.parametrize("kind", ["file_missing", "file_changed", "file_torn", "file_foreign", "manifest_changed"])
def test_a_damaged_export_stops_the_log_with_the_files_name(sandbox, aws, table, kind):
    sandbox.faults.add(ExportFault(kind, table=table.name))
    try:
        done = ran(aws, table, UNTIL - L, UNTIL)
    finally:
        sandbox.faults.clear()
    with pytest.raises(BadInput, match=r"AWSDynamoDB/.+ is (missing|damaged|foreign)"):
        told(aws, table, UNTIL - L, UNTIL, done)


def test_a_log_counts_what_exports_cannot_tell_and_names_it_beside_itself_only(sandbox, aws, tmp_path):
    histories = {"brief": [(UNTIL - L + MICRO, "a"), (UNTIL - MINUTE, None)], "hit": [(UNTIL - MINUTE, "b")]}
    table = past(sandbox, aws, histories)
    log = from_exports.read(aws, table, ran(aws, table, SINCE, UNTIL), tmp_path / "log", since_at=SINCE, until_at=UNTIL)
    assert [step.key for step in log] == [key_text("hit")]
    assert any(note.startswith("The exports do not show what happened to 1 item,") for note in log.notes)
    assert "brief" not in " ".join(log.notes)
    (line,) = (log.folder / from_exports.UNDECIDED).read_text().splitlines()
    assert json.loads(line)["key"] == key_text("brief")
