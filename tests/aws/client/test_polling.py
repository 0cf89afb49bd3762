"""Waiting looks until the end, shows each look, and pauses only in between."""

import pytest

from pitrkit.aws.client.polling import poll


def test_it_looks_until_the_end_and_pauses_in_between():
    found, seen, paused = iter(["CREATING", "CREATING", "ACTIVE", "too late"]), [], []

    def ended(status, seconds):
        seen.append(status)
        assert seconds >= 0
        return status == "ACTIVE"

    assert poll(lambda: next(found), ended, every=5.0, sleep=paused.append) == "ACTIVE"
    assert (seen, paused) == (["CREATING", "CREATING", "ACTIVE"], [5.0, 5.0])


def test_after_the_longest_time_the_last_look_is_the_end():
    clock = [0.0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.monotonic", lambda: clock[0])
        found = poll(
            lambda: clock[0], lambda *_: False, every=4.0, at_most=10.0, sleep=lambda s: clock.append(clock.pop() + s)
        )
    assert found == 12.0


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupt_and_a_failure_end_it(error):
    def look():
        raise error

    with pytest.raises(error):
        poll(look, lambda *_: False, every=1.0)
