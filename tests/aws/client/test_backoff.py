"""Pauses are drawn from all of a span that doubles up to a longest one."""

from pitrkit.aws.client.backoff import Backoff


def test_the_span_doubles_and_ends_at_the_longest(monkeypatch):
    monkeypatch.setattr("random.uniform", lambda low, high: (low, high))
    backoff = Backoff(first=0.1, longest=1.0)
    assert [backoff.pause(attempt) for attempt in range(1, 7)] == [(0, span) for span in (0.1, 0.2, 0.4, 0.8, 1.0, 1.0)]


def test_no_two_pauses_come_together():
    pauses = [Backoff(first=1.0).pause(3) for _ in range(200)]
    assert all(0 <= pause <= 4 for pause in pauses)
    assert min(pauses) < 1
    assert max(pauses) > 3
