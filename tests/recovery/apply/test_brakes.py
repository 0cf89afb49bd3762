"""Brakes: what slows a copy down or stops it besides its pace, and that the status line says which."""

from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from pitrkit.aws.client.error_mapping import Ambiguous
from pitrkit.errors import BadInput
from pitrkit.recovery.apply.brakes import AlarmBrake, BrakeWatch, Ceiling, Hold, StopFile, chosen
from pitrkit.recovery.token_bucket import Bucket, Pace

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def plan(bench, make_order):
    return bench.plan([bench.change(make_order(n), None) for n in range(30)])


@pytest.fixture
def alarm(aws):
    """A CloudWatch alarm, set to a state when called with it."""

    def put(state):
        aws.call("cloudwatch", "set_alarm_state", AlarmName="checkout", StateValue=state, StateReason="test")

    aws.call(
        "cloudwatch",
        "put_metric_alarm",
        AlarmName="checkout",
        Namespace="Shop",
        MetricName="Errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    put("OK")
    return put


class Metrics:
    """An Aws that knows how much a table consumed in each minute."""

    def __init__(self):
        self.minutes = {}

    def paginate(self, *what, **parameters):
        assert what == ("cloudwatch", "get_metric_data", "MetricDataResults")
        metric = parameters["MetricDataQueries"][0]["MetricStat"]["Metric"]
        assert metric["MetricName"] == "ConsumedWriteCapacityUnits"
        yield {"Id": "units", "Timestamps": list(self.minutes), "Values": list(self.minutes.values())}


def minute(ago):
    return AT - timedelta(minutes=ago)


def test_a_stop_file_ends_the_run_in_good_order_and_the_next_goes_on_without_it(bench, plan, tmp_path):
    stop = tmp_path / "STOP"
    sent = []

    def meddle(_operation, _parameters, send):
        sent.append(1)
        if len(sent) == 5:
            stop.touch()
        return send()

    done = bench.meddled(plan, meddle, pace=20, workers=1, brakes=[StopFile(stop)])
    assert 5 <= done.applied < 30
    assert done.failed == 0
    assert done.applied + done.unsent == 30
    assert str(stop) in done.why
    assert bench.apply(plan, brakes=[StopFile(stop)]).applied == done.applied
    stop.unlink()
    done = bench.apply(plan, brakes=[StopFile(stop)])
    assert (done.applied, done.why) == (30, "")


def test_nothing_is_sent_while_an_alarm_is_in_alarm_and_the_status_says_so(aws, bench, plan, alarm):
    alarm("ALARM")
    brake = AlarmBrake(aws, ["checkout"])
    brake.every = 0.05
    notes = []

    def note(done, _total, words):
        notes.append(words)
        if len(notes) == 2:
            assert bench.state() == {}
            assert done == 0
            alarm("OK")

    assert bench.apply(plan, brakes=[brake], on_progress=note).applied == 30
    assert notes[0].endswith("paused: the alarm checkout is in ALARM")
    assert "ALARM" not in notes[-1]


def test_an_alarm_that_does_not_exist_is_refused_before_anything_is_sent(aws):
    with pytest.raises(BadInput, match="no CloudWatch alarm nosuch"):
        AlarmBrake(aws, ["nosuch"])


@pytest.mark.parametrize(
    ("theirs", "left"),
    [
        ({}, 100),
        ({2: 1200.0}, 80),
        ({3: 600.0, 2: 2400.0}, 60),
        ({2: 60_000.0}, 0),
        ({9: 6000.0}, 100),
        ({1: 6000.0}, 100),
    ],
)
def test_a_ceiling_leaves_what_others_do_not_consume_in_the_last_minute_that_is_known(theirs, left):
    metrics = Metrics()
    metrics.minutes = {minute(ago): units for ago, units in theirs.items()}
    assert Ceiling(metrics, "Orders", 100, now=lambda: AT).look().units == left


def test_what_the_copy_itself_consumes_does_not_count_as_others():
    metrics = Metrics()
    now = [minute(2)]
    ceiling = Ceiling(metrics, "Orders", 100, now=lambda: now[0])
    for _ in range(10):
        ceiling.consumed(300)
    now[0] = AT
    metrics.minutes = {minute(2): 4200.0}
    hold = ceiling.look()
    assert hold.units == 80
    assert hold.why == "others consume 20 of the 100 write units a second that the table may consume"


@pytest.mark.parametrize("units", [0, -1, float("nan")])
def test_a_ceiling_that_allows_nothing_is_refused(units):
    with pytest.raises(BadInput, match="allows nothing"):
        Ceiling(Metrics(), "Orders", units)


class Fixed:
    every = 3600.0

    def __init__(self, hold):
        self.hold = hold

    def look(self):
        if isinstance(self.hold, Exception):
            raise self.hold
        return self.hold

    def consumed(self, units):
        pass


def test_the_pace_is_held_down_to_what_the_tightest_brake_leaves():
    bucket = Bucket(Pace(100))
    with BrakeWatch([Fixed(Hold(60, "sixty")), Fixed(Hold(20, "twenty")), Fixed(Hold())], bucket, Event()):
        assert bucket.units == 20
        assert bucket.why.endswith("twenty")


def test_a_brake_that_cannot_be_looked_at_pauses_the_copy_and_says_so():
    bucket = Bucket(Pace(100))
    blind = Fixed(Ambiguous("no answer to cloudwatch", code="ReadTimeoutError", operation="DescribeAlarms"))
    with BrakeWatch([blind], bucket, Event()) as watch:
        assert bucket.units == 0
        assert "cannot be looked at: no answer to cloudwatch" in bucket.why
        blind.hold = Hold()
        watch.look("Fixed 0", blind)
        assert bucket.units == 100


def test_a_ceiling_below_the_pace_slows_the_copy_down(bench, plan):
    notes = []
    ceiling = Ceiling(Metrics(), bench.name, 25)
    done = bench.apply(plan, pace=1000, brakes=[ceiling], on_progress=lambda _done, _total, note: notes.append(note))
    assert done.applied == 30
    assert any("the table may consume 25 write units a second" in note for note in notes)


def test_only_the_brakes_that_are_asked_for_are_there(aws, alarm, tmp_path):
    assert chosen(aws, "Orders") == []
    made = chosen(aws, "Orders", alarms=["checkout"], ceiling=100, stop_file=tmp_path / "STOP")
    assert [type(brake) for brake in made] == [StopFile, AlarmBrake, Ceiling]
