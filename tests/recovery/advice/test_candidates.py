"""Candidates for T: what a person would point at is found, just before its cause, and noise is left alone."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitrkit.aws.services.cloudtrail import TrailEvent
from pitrkit.aws.services.cloudwatch import Activity, Minute
from pitrkit.recovery.advice.anomalies import rises
from pitrkit.recovery.advice.candidates import MOST, propose

START = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
RATES = {"PutItem": 12.0, "UpdateItem": 30.0, "DeleteItem": 0.2}
CODE = "UpdateFunctionCode"


def poisson(rng, rate):
    count, left = 0, rng.expovariate(1)
    while left < rate:
        count, left = count + 1, left + rng.expovariate(1)
    return count


def traffic(seed, minutes=720, *, rates=RATES, extra=(), bursts=0.0, expired=(), period=timedelta(minutes=1)):
    """Return a table's activity: steady noise, and what *extra* adds as (operation, minute, calls)."""
    rng = random.Random(seed)
    calls = {}
    for n in range(minutes):
        for operation, rate in rates.items():
            here = rate * rng.gammavariate(1 / bursts, bursts) if bursts else rate
            calls[operation, n] = poisson(rng, here)
    for operation, n, count in extra:
        calls[operation, n] = calls.get((operation, n), 0) + count
    found = [Minute(START + n * period, name, count) for (name, n), count in calls.items() if count]
    units = [(START + n * period, float(sum(calls.get((name, n), 0) for name in rates))) for n in range(minutes)]
    return Activity(
        START, START + minutes * period, period, tuple(sorted(found, key=lambda one: one.at)), tuple(units),
        tuple((START + n * period, count) for n, count in expired),
    )  # fmt: skip


def deploy(minute, name=CODE, what="orders", seconds=0.0, kind="deploy"):
    at = START + timedelta(minutes=minute, seconds=seconds)
    return TrailEvent(at, name, "lambda", "ci (deployer)", what, f"{name}-{minute}-{seconds}", kind)


def burst(operation, minute, *counts):
    return [(operation, minute + n, count) for n, count in enumerate(counts)]


@pytest.mark.parametrize("bursts", [0.0, 0.3])
def test_steady_noise_gives_no_candidate_in_most_days(bursts):
    days = [propose(traffic(seed, 1440, bursts=bursts)) for seed in range(12)]
    assert sum(1 for found in days if found) <= 1


def test_noise_with_a_long_tail_gives_few():
    days = [propose(traffic(seed, 1440, bursts=1.0)) for seed in range(12)]
    assert sum(1 for found in days if found) <= 2


@given(st.integers(0, 10**6), st.integers(100, 700), st.integers(20, 400))
def test_a_burst_of_deletes_is_the_first_candidate_and_never_too_late(seed, minute, count):
    found = propose(traffic(seed, extra=burst("DeleteItem", minute, count, count // 2)))
    assert found[0].kind == "deletes"
    begins_at = START + timedelta(minutes=minute)
    assert begins_at - timedelta(minutes=2) <= found[0].at <= begins_at
    assert "DeleteItem rose to" in found[0].evidence[0]


@given(st.integers(0, 10**6), st.integers(100, 700), st.floats(0, 59), st.integers(0, 14 * 60))
def test_a_deploy_right_before_sets_the_second_just_before_itself(seed, minute, second, before):
    event = deploy(minute, seconds=second - before)
    found = propose(traffic(seed, extra=burst("UpdateItem", minute, 200, 220)), [event])
    assert found[0].at == event.at.replace(microsecond=0) - timedelta(seconds=1)
    assert "UpdateFunctionCode orders" in found[0].title
    assert any("ci (deployer)" in words for words in found[0].evidence)


def test_a_damage_that_begins_late_in_a_minute_is_not_proposed_too_late():
    extra = [*burst("DeleteItem", 299, 2), *burst("DeleteItem", 300, 150, 90)]
    (found, *_) = propose(traffic(3, rates={"PutItem": 8.0}, extra=extra))
    assert found.at == START + timedelta(minutes=299)


def test_deploys_that_belong_together_are_taken_from_the_first_of_them():
    events = [deploy(299, seconds=5), deploy(299, "PublishVersion", seconds=9), deploy(299, "UpdateAlias", seconds=40)]
    (found, *_) = propose(traffic(4, extra=burst("DeleteItem", 300, 100)), [*events, deploy(120)])
    assert found.at == START + timedelta(minutes=299, seconds=4)


def test_of_two_changes_the_one_after_a_deploy_comes_first():
    extra = [*burst("UpdateItem", 200, 300), *burst("UpdateItem", 500, 300)]
    found = propose(traffic(5, extra=extra), [deploy(499, seconds=30)])
    assert found[0].at == START + timedelta(minutes=499, seconds=29)
    assert START + timedelta(minutes=198) <= found[1].at <= START + timedelta(minutes=200)


def test_what_a_table_does_regularly_is_no_candidate():
    nightly = [part for hour in range(1, 12) for part in burst("DeleteItem", hour * 60, 80, 80)]
    found = propose(traffic(6, extra=[*nightly, *burst("DeleteItem", 450, 400)]))
    assert START + timedelta(minutes=448) <= found[0].at <= START + timedelta(minutes=450)
    assert len(found) <= 3, "the first of them may have been one"


def test_ttl_deletions_after_ttl_was_turned_on_lead_to_before_that():
    on = deploy(100, "UpdateTimeToLive", "Orders: TTL on, attribute created", kind="table")
    found = propose(traffic(7, expired=burst_of(400, 30, 60)), [on, deploy(398)])
    assert found[0].at == on.at - timedelta(seconds=1)
    assert "TTL deletions rose" in found[0].evidence[0]


def burst_of(minute, length, count):
    return [(minute + n, count) for n in range(length)]


def test_writes_that_stop_are_a_candidate_though_not_the_best():
    rates = {"PutItem": 40.0}
    activity = traffic(8, rates=rates)
    kept = tuple(one for one in activity.calls if not 300 <= (one.at - START) // timedelta(minutes=1) < 400)
    (found, *_) = propose(Activity(activity.start_at, activity.end_at, activity.period, kept))
    assert found.at == START + timedelta(minutes=300)
    assert "fell to 0" in found.evidence[0]


def test_the_latest_minutes_are_still_coming_in_and_prove_nothing():
    activity = traffic(9, rates={"PutItem": 40.0})
    kept = tuple(one for one in activity.calls if one.at < activity.end_at - timedelta(minutes=6))
    assert propose(Activity(activity.start_at, activity.end_at, activity.period, kept)) == []


def test_without_any_change_the_latest_deploys_are_all_there_is_to_propose():
    found = propose(traffic(10), [deploy(60), deploy(300), deploy(301), deploy(600)])
    assert [one.at for one in found] == [deploy(minute).at - timedelta(seconds=1) for minute in (600, 300)]
    assert {one.kind for one in found} == {"deploy"}


def test_changes_of_the_table_alone_propose_nothing_but_turning_ttl_on():
    assert propose(None, [deploy(60, "UpdateTable", kind="table")]) == []
    (found,) = propose(None, [deploy(60, "UpdateTimeToLive", "Orders: TTL on, attribute x", kind="table")])
    assert found.at == deploy(60).at - timedelta(seconds=1)


def test_the_beginning_of_a_tables_life_is_no_change():
    activity = traffic(11)
    kept = tuple(one for one in activity.calls if one.at >= START + timedelta(minutes=300))
    assert propose(Activity(activity.start_at, activity.end_at, activity.period, kept)) == []


def test_nothing_known_proposes_nothing():
    assert propose(None) == []
    assert propose(Activity(START, START, timedelta(minutes=1))) == []


@given(
    st.lists(
        st.tuples(st.sampled_from(["PutItem", "DeleteItem", "Odd"]), st.integers(-5, 90), st.integers(1, 10**7))
    ),
    st.lists(st.tuples(st.integers(-100, 200), st.sampled_from([CODE, "UpdateTimeToLive", "DeleteTable"]))),
    st.sampled_from([60, 300, 3600]),
)  # fmt: skip
def test_whatever_is_known_there_are_few_candidates_ranked_in_whole_seconds(calls, events, seconds):
    period = timedelta(seconds=seconds)
    minutes = sorted((Minute(START + n * period, name, count) for name, n, count in calls), key=lambda one: one.at)
    told = [deploy(minute, name, kind="deploy" if name == CODE else "table", seconds=0.7) for minute, name in events]
    found = propose(Activity(START, START + 90 * period, period, tuple(minutes)), told)
    assert len(found) <= MOST
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert len({one.at for one in found}) == len(found)
    for one in found:
        assert one.at.microsecond == 0
        assert one.evidence
        assert one.to_dict()["at"].endswith("Z")


@given(st.lists(st.integers(0, 1000), max_size=200), st.integers(1, 5))
def test_a_surprise_lies_in_its_series_and_is_higher_than_usual(values, stretch):
    series = [value for value in values for _ in range(stretch)]
    for found in rises(series):
        assert 0 <= found.first <= found.last < len(series)
        assert found.peak == max(series[found.first : found.last + 1])
        assert found.peak > found.usual
