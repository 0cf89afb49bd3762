"""Browser tests skip on a machine without Chromium, saying so; in CI they may not."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_collection_modifyitems(items):
    from jupyter import CHROMIUM

    if CHROMIUM is not None:
        return
    if os.environ.get("PITRKIT_TESTS_MAY_NOT_SKIP"):
        raise pytest.UsageError("no chromium on PATH, and PITRKIT_TESTS_MAY_NOT_SKIP is set")
    for item in items:
        if "browser" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="needs chromium on PATH, e.g. apt-get install chromium"))
