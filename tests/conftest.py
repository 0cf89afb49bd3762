"""What all tests share: hypothesis without deadlines (machines are shared), and no way to a real AWS account."""

import contextlib
import os
import resource
import signal
import sys
import time

import pytest
from hypothesis import HealthCheck, settings

from pitrkit.ui.text import duration
from tests.proving import examples
from tests.warm_kernels import remember_models, warm_kernels

BEGAN = time.monotonic()
remember_models()

settings.register_profile("kit", deadline=None, max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kit")

OF_TESTS = ("PITRKIT_TESTS_MAY_NOT_SKIP", "PITRKIT_DYNAMODB_LOCAL", "PITRKIT_PROVE")
"""Settings of the tests themselves: nothing may skip, where DynamoDB Local is, long proofs run whole."""

for name in list(os.environ):
    if name.startswith("AWS_") or (name.startswith("PITRKIT_") and name not in OF_TESTS):
        del os.environ[name]
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull


@pytest.fixture(scope="module")
def sandbox_aws():
    """A sandbox that the environment names."""
    from pitrkit.sandbox import Sandbox  # takes a second, and most tests do without

    with Sandbox() as sandbox, pytest.MonkeyPatch.context() as environment:
        for name, value in sandbox.environment().items():
            environment.setenv(name, value)
        yield sandbox


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest, so that none is left for one process while the others have nothing."""
    seconds = {item.path: mark.args[0] for item in items if (mark := item.get_closest_marker("takes"))}
    items.sort(key=lambda item: -seconds.get(item.path, 0))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """Say what it took; by now the processes that ran the tests have ended and are counted."""
    if hasattr(config, "workerinput"):
        return
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(one.ru_utime + one.ru_stime for one in used)
    wall = time.monotonic() - BEGAN
    config.get_terminal_writer().line(f"took {duration(wall)}, and {duration(cpu)} of CPU time in all its processes")


@pytest.fixture(autouse=True, scope="session")
def _signals():
    """Heed what a shell or `nohup` had this process ignore, so that what tests start begins as from a terminal."""
    heeded = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: lambda *_: None}
    ignored = [number for number in heeded if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, heeded[number])
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session")
def nest():
    """Where kernels are started warm from; None where all of them are cold."""
    with contextlib.ExitStack() as stack:
        yield None if os.environ.get("PITRKIT_PROVE") else stack.enter_context(warm_kernels())


@pytest.fixture(autouse=True, scope="module")
def _masks():
    """Leave no masks in force: errors of a file's tests say what they say, whichever file came before it."""
    yield
    if (masking := sys.modules.get("pitrkit.config.masking")) is not None:
        masking.set_masks(None)


@pytest.fixture(autouse=True, scope="module")
def _kernels(nest, request):
    """Start the kernels of files marked `cold_kernels` as users' are started."""
    if nest is not None:
        nest.cold = request.node.get_closest_marker("cold_kernels") is not None
