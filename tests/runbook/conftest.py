"""Lets the tests here import `synthetic`, and gives them an AWS."""

import sys
from pathlib import Path

import pytest

from pitrkit.sandbox import Sandbox

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def aws():
    """A sandbox that the environment names."""
    with Sandbox() as sandbox, pytest.MonkeyPatch.context() as environment:
        for name, value in sandbox.environment().items():
            environment.setenv(name, value)
        yield sandbox
