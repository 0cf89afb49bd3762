"""Five million pairs are compared in less than 1 GiB of memory, also where every one of them differs."""

import sys
from functools import partial

import pytest

from tests.bench.diff import by_us, make, opened
from tests.bench.spent import in_a_process

PAIRS = 5_000_000
GIB = 1024**3


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from Linux's /proc")
@pytest.mark.parametrize("percent", [1, 100])
def test_a_diff_of_five_million_pairs_keeps_to_a_gibibyte_whatever_differs(tmp_path, sample, percent):
    pairs = sample(PAIRS)
    make(tmp_path, pairs, percent)
    spent = in_a_process(by_us, tmp_path / "changes", prepare=partial(opened, tmp_path))
    assert spent.result == pairs
    assert spent.peak_mb * 1e6 < GIB
