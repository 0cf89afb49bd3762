"""Stop signals outside of notebooks: which ones stop, and what was ignored before."""

import os
import signal

import pytest

from pitrkit.runner import stop_signals


@pytest.fixture
def before():
    """Set what is done about a signal, and set it back afterwards."""
    handlers = {}

    def handle(number, handler):
        handlers[number] = signal.signal(number, handler)

    yield handle
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("context", [stop_signals.as_interrupt, stop_signals.deferred])
def test_a_signal_that_was_ignored_stops_and_is_ignored_again_afterwards(before, context, number):
    before(number, signal.SIG_IGN)
    with pytest.raises(KeyboardInterrupt), context():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is signal.SIG_IGN


@pytest.mark.parametrize("context", [stop_signals.as_interrupt, stop_signals.deferred])
def test_a_hangup_stops_unless_it_was_ignored(before, context):
    before(signal.SIGHUP, signal.SIG_IGN)
    with context():
        os.kill(os.getpid(), signal.SIGHUP)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with pytest.raises(KeyboardInterrupt), context():
        os.kill(os.getpid(), signal.SIGHUP)
