"""`make bench` fails where a promised figure is missed, and shows which."""

import sys
from types import SimpleNamespace

import pytest

from tests.bench import __main__ as bench
from tests.bench.rows import Row, Target, small


@pytest.mark.parametrize(("rate", "peak_mb", "code"), [(50, 10, 0), (9, 10, 1), (50, 1024, 1)])
def test_a_missed_target_is_marked_and_ends_with_1(monkeypatch, capsys, rate, peak_mb, code):
    row = Row("work", f"{rate}", "peer", 2.0, target=(Target(">= 10", rate >= 10), small(peak_mb)))
    monkeypatch.setitem(sys.modules, "tests.bench.stand_in", SimpleNamespace(measure=lambda: [row]))
    assert bench.main(["stand_in"]) == code
    printed = capsys.readouterr()
    assert ">= 10" in printed.out
    assert ("missed" in printed.out) == ("missed" in printed.err) == bool(code)
