"""Lets the tests here import `loopback`, and gives them a sandbox."""

import sys
from pathlib import Path

import pytest

from pitrkit.sandbox import Sandbox

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def sandbox(monkeypatch):
    with Sandbox() as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running
