"""Long proofs: whole with PITRKIT_PROVE=1 (`make prove`), else a sample of the same code.

PITRKIT_PROVE is the share of the whole that is run, e.g. 0.1.
"""

import os
from collections.abc import Callable

import pytest

from tests.engine.conftest import local_url
from tests.recovery.conftest import aws, bench, engine, make_bench, make_order, pytest_generate_tests, sandbox

__all__ = ["aws", "bench", "engine", "local_url", "make_bench", "make_order", "pytest_generate_tests", "sandbox"]

SAMPLE = 0.02


@pytest.fixture(scope="session")
def sample() -> Callable[[int], int]:
    """How many of *whole* are to be run now; at least one."""
    share = float(os.environ.get("PITRKIT_PROVE") or SAMPLE)
    return lambda whole: max(1, round(whole * share))
