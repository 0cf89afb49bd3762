"""Gives the tests here a sandbox."""

import pytest

from pitrkit.sandbox import Sandbox


@pytest.fixture
def sandbox(monkeypatch):
    with Sandbox() as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running
