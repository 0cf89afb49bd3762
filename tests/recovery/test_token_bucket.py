"""The pace: units a second, exactly, over any number of threads and processes, and what slows it down."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import pytest

from pitrkit.errors import BadInput
from pitrkit.recovery.token_bucket import LOOKS_AGAIN, Bucket, ManyProcesses, Pace, units_for


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 0.0
        self.lock = Lock()

    def clock(self):
        return self.now

    def sleep(self, seconds):
        with self.lock:
            self.now += seconds


def bucket(pace):
    time = Time()
    return Bucket(pace, clock=time.clock, sleep=time.sleep), time


@pytest.mark.parametrize("rate", [5, 37, 400, 4000])
@pytest.mark.parametrize("size", [1, 3, 400])
def test_units_go_out_at_the_rate_whatever_their_size(rate, size):
    allowance, time = bucket(Pace(rate))
    for _ in range(1000):
        allowance.take(size)
    assert 1000 * size / rate == pytest.approx(time.now, rel=0.05, abs=size / rate)


def test_nothing_goes_out_ahead_of_time_at_the_start():
    allowance, time = bucket(Pace(10, burst=300))
    allowance.take(10)
    allowance.take(10)
    assert time.now == pytest.approx(1)


def test_unused_allowance_is_kept_for_the_burst_only():
    allowance, time = bucket(Pace(10, burst=2))
    time.now = 100
    for _ in range(30):
        allowance.take(1)
    assert time.now == pytest.approx(100.9)


def test_what_the_service_consumed_beyond_the_estimate_is_waited_for():
    allowance, time = bucket(Pace(10))
    allowance.take(1)
    allowance.correct(19)
    allowance.take(1)
    assert time.now == pytest.approx(2)


@pytest.mark.parametrize(("rate", "size"), [(10, 1), (5, 1), (4000, 25), (4000, 3), (100, 400)])
def test_threads_share_one_allowance(rate, size):
    allowance, time = bucket(Pace(rate))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(allowance.take, [size] * 100))
    assert time.now == pytest.approx(99 * size / rate)


def shared(path, count=2, rates=(100, 100)):
    """Buckets as *count* processes have them that share one timeline, and their clock."""
    time = Time()
    made = [
        Bucket(Pace(rate), timeline=ManyProcesses(path), clock=time.clock, sleep=time.sleep) for rate in rates[:count]
    ]
    return made, time


def test_processes_share_one_allowance(tmp_path):
    (one, other), time = shared(tmp_path / "pace")
    for _ in range(500):
        one.take(1)
        other.take(3)
    assert time.now == pytest.approx(2000 / 100, rel=0.05)


def test_processes_of_different_paces_together_never_exceed_the_higher_one(tmp_path):
    (fast, slow), time = shared(tmp_path / "pace", rates=(400, 100))
    for _ in range(200):
        fast.take(1)
        slow.take(1)
    assert time.now == pytest.approx(200 / 400 + 200 / 100, rel=0.05)


def test_what_one_process_is_throttled_for_slows_the_others_down(tmp_path):
    (one, other), _ = shared(tmp_path / "pace")
    one.throttled(["TableWriteAccountLimitExceeded"])
    assert other.units == pytest.approx(50)
    assert other.why.startswith("slowed down to 50%")


def test_the_timeline_of_a_machine_that_was_started_anew_begins_anew(tmp_path):
    (before, _), time = shared(tmp_path / "pace")
    time.now = 5000
    before.take(100_000)
    (after, _), time = shared(tmp_path / "pace")
    after.take(1)
    assert time.now == 0


def test_a_timeline_cut_short_begins_anew(tmp_path):
    (tmp_path / "pace").write_bytes(b"half")
    (one, _), time = shared(tmp_path / "pace")
    for _ in range(101):
        one.take(1)
    assert time.now == pytest.approx(1)


def test_a_link_in_the_place_of_a_timeline_is_not_followed(tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "pace").symlink_to(tmp_path / "precious")
    with pytest.raises(BadInput, match="cannot be used"):
        ManyProcesses(tmp_path / "pace")
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_each_table_has_a_timeline_of_its_own(tmp_path):
    for arn in ("arn:a", "arn:b", "arn:a"):
        ManyProcesses.of(arn, folder=tmp_path).close()
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("reasons", "left"),
    [
        (["TableWriteAccountLimitExceeded"], 50),
        (["TableWriteProvisionedThroughputExceeded"], 200 / 3),
        (["IndexWriteMaxOnDemandThroughputExceeded"], 200 / 3),
        (["TableWriteKeyRangeThroughputExceeded"], 90),
        (["TableWriteKeyRangeThroughputExceeded", "IndexWriteProvisionedThroughputExceeded"], 200 / 3),
        ([], 200 / 3),
    ],
)
def test_it_slows_down_by_the_reason_of_the_throttling_and_says_so(reasons, left):
    allowance, _ = bucket(Pace(100))
    allowance.throttled(reasons)
    assert allowance.units == pytest.approx(left)
    assert all(reason in allowance.why for reason in reasons)
    assert "throttles" in allowance.why


def test_many_requests_throttled_at_once_slow_it_down_once():
    allowance, time = bucket(Pace(100))
    for _ in range(30):
        allowance.throttled(["TableWriteProvisionedThroughputExceeded"])
    assert allowance.units == pytest.approx(200 / 3)
    time.now += 1
    allowance.throttled(["TableWriteProvisionedThroughputExceeded"])
    assert allowance.units == pytest.approx(400 / 9)


def test_it_comes_back_once_nothing_is_throttled_any_more():
    allowance, time = bucket(Pace(100))
    allowance.throttled(["TableWriteAccountLimitExceeded"])
    time.now += 2
    assert allowance.units == pytest.approx(50)
    time.now += 5
    assert allowance.units == pytest.approx(75)
    time.now += 100
    assert allowance.units == 100
    assert allowance.why == ""


def test_a_service_that_takes_less_than_the_pace_is_not_sent_much_more_than_it_takes():
    """A table that takes 40 units a second, asked for 100: what it refuses stays a small part, what it takes, most."""
    allowance, time = bucket(Pace(100))
    second, room, taken, refused = 0, 40.0, 0, 0
    while time.now < 300:
        allowance.take(1)
        if int(time.now) > second:
            second, room = int(time.now), 40.0
        if room:
            room, taken = room - 1, taken + 1
        else:
            refused += 1
            allowance.throttled(["TableWriteProvisionedThroughputExceeded"])
    assert taken > 0.75 * 300 * 40
    assert refused < 0.1 * taken


def test_those_who_wait_feel_a_change_of_the_pace_at_once():
    allowance, time = bucket(Pace(1))
    allowance.take(10)

    def sleep(seconds):
        time.sleep(seconds)
        if time.now >= 5:
            allowance.correct(-5)
            allowance._sleep = time.sleep

    allowance._sleep = sleep
    allowance.take(1)
    assert time.now == pytest.approx(5, abs=LOOKS_AGAIN)


def test_nobody_waits_on_when_the_run_is_called_off():
    allowance = Bucket(Pace(1), clock=lambda: 0.0, sleep=lambda _: True)
    allowance.take(100)
    allowance.take(100)


def test_a_brake_pauses_and_lets_go():
    allowance, time = bucket(Pace(100))
    allowance.limit("alarm", 0.0, "the alarm checkout is in ALARM")
    assert allowance.why == "paused: the alarm checkout is in ALARM"
    assert allowance.units == 0

    def sleep(seconds):
        time.sleep(seconds)
        if time.now > 30:
            allowance.limit("alarm", 1.0)

    allowance._sleep = sleep
    allowance.take(1)
    assert time.now == pytest.approx(30, abs=2 * LOOKS_AGAIN)
    assert allowance.units == 100


def test_of_several_brakes_the_tightest_holds_at_its_rate():
    allowance, time = bucket(Pace(100))
    allowance.limit("one", 0.5, "half")
    allowance.limit("other", 0.2, "a fifth")
    assert allowance.why == "slowed down to 20% of 100 write units a second: a fifth"
    for _ in range(401):
        allowance.take(1)
    assert time.now == pytest.approx(20, rel=0.05)


def test_a_pace_that_is_waited_for_is_the_reason_given():
    allowance, _ = bucket(Pace(2500))
    assert allowance.why == ""
    allowance.take(5000)
    allowance.take(1)
    assert allowance.why == "at the set pace of 2,500 write units a second"


@pytest.mark.parametrize("pace", [(0, 1), (-5, 1), (5, -1), (float("nan"), 1)])
def test_a_pace_that_writes_nothing_is_refused(pace):
    with pytest.raises(BadInput, match="writes nothing"):
        Pace(*pace)


def test_each_started_kib_is_a_unit():
    assert [units_for(size) for size in (0, 1, 1024, 1025, 400 * 1024)] == [1, 1, 1, 2, 400]
