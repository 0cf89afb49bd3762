"""Two engines for the same tests: the sandbox, and DynamoDB Local, AWS's own, which nobody here wrote."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pitrkit.aws.client.client import Aws
from pitrkit.sandbox import Sandbox

JARS = "PITRKIT_DYNAMODB_LOCAL"
HOW = (
    f"set {JARS} to the folder with DynamoDBLocal's jars and libraries, which `.ci/dynamodb-local.sh` fetches, "
    "and have java on the PATH"
)
SERVER = Path(__file__).with_name("Loopback.java")
"""Starts it on loopback only; by its own main class it listens on every address."""
START_SECONDS = 60


@dataclass(frozen=True)
class Engine:
    """An engine that answers, and the environment that leads an AWS client to it."""

    name: str
    environment: dict[str, str]

    @property
    def aws(self) -> Aws:
        """Our own way to it."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            return Aws.connect()


@contextmanager
def dynamodb_local() -> Iterator[str]:
    """DynamoDB Local in a process of its own, in memory; yields its URL. Skips where it is not to be had."""
    folder = Path(os.environ.get(JARS, ""))
    java = shutil.which("java")
    if java is None or not list(folder.glob("DynamoDBLocal-*.jar")) or not os.environ.get(JARS):
        if os.environ.get("PITRKIT_TESTS_MAY_NOT_SKIP"):
            pytest.fail(f"DynamoDB Local is not here, and no test may be skipped: {HOW}")
        pytest.skip(f"to run this on DynamoDB Local as well, {HOW}")
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    options = ["-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(port)]
    process = subprocess.Popen(
        [java, "-Xmx512m", f"-Djava.library.path={folder}", "-cp", f"{folder}/*", str(SERVER), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"DynamoDB Local did not start (exit code {process.poll()})")


@pytest.fixture(scope="session")
def local_url() -> Iterator[str]:
    with dynamodb_local() as url:
        yield url


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def own(sandbox: Sandbox) -> Engine:
    """The sandbox."""
    return Engine("sandbox", sandbox.environment())


@pytest.fixture(scope="module")
def local(sandbox: Sandbox, local_url: str) -> Engine:
    """DynamoDB Local; who is asking is told by the sandbox, because DynamoDB Local is DynamoDB alone."""
    return Engine("DynamoDB Local", sandbox.environment() | {"AWS_ENDPOINT_URL_DYNAMODB": local_url})


@pytest.fixture(scope="module", params=["own", "local"], ids=["sandbox", "DynamoDB-Local"])
def engine(request: pytest.FixtureRequest) -> Any:
    """Each of the two."""
    return request.getfixturevalue(request.param)
