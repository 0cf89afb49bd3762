"""The rows that are the same in two snapshots are found whatever order, files and portions they come in."""

import random
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitrkit.recovery.changes.pairing import unpaired
from pitrkit.recovery.snapshot.parts import digest

ITEMS = st.dictionaries(st.integers(0, 40).map(b"key %d".__mod__), st.sampled_from([b"one", b"two"]), max_size=25)


def side(folder, name, digests, files=1):
    paths = [folder / f"{name}-{number}.parquet" for number in range(files)]
    for number, path in enumerate(paths):
        column = pa.array(digests[number * len(digests) // files : (number + 1) * len(digests) // files], pa.binary(32))
        pq.write_table(pa.table({"digest": column}), path, row_group_size=3)
    return [str(path) for path in paths]


def left(folder, before, after, **options):
    """What is left of two lists of digests."""
    sides = (side(folder, "before", before), side(folder, "after", after, files=2))
    found = unpaired(*sides, folder, **options)
    return tuple(
        [each for each, is_left in zip(all_, rows, strict=True) if is_left]
        for all_, rows in zip((before, after), found, strict=True)
    )


@given(ITEMS, ITEMS, st.sampled_from([1, 4, 1000]), st.randoms(use_true_random=False))
def test_what_is_left_is_what_differs_however_little_is_held(then, now, held, chance):
    before, after = (
        [digest(*item) for item in chance.sample(sorted(state.items()), len(state))] for state in (then, now)
    )
    with tempfile.TemporaryDirectory() as folder:
        found = left(Path(folder), before, after, rows_in_memory=held)
    assert found == ([each for each in before if each not in after], [each for each in after if each not in before])


@pytest.mark.parametrize("held", [1, 1000])
def test_all_rows_of_a_key_that_is_there_twice_are_left(tmp_path, held):
    one, other = digest(b"key", b"one"), digest(b"key", b"two")
    alone = digest(b"another", b"one")
    assert left(tmp_path, [one, alone, other], [alone, one], rows_in_memory=held) == ([one, other], [one])
    assert left(tmp_path, [one, one], [one], rows_in_memory=held) == ([one, one], [one])


def test_rows_whose_digests_begin_alike_but_are_not_alike_are_left(tmp_path):
    assert left(tmp_path, [b"\x01" * 31 + b"\x02"], [b"\x01" * 31 + b"\x03"]) == (
        [b"\x01" * 31 + b"\x02"],
        [b"\x01" * 31 + b"\x03"],
    )


def test_pairs_are_found_among_many(tmp_path):
    before = [digest(b"%d" % number, b"") for number in range(30_000)]
    after = random.Random(1).sample(before, len(before))
    after[7] = digest(b"new", b"")
    gone = set(before) - set(after)
    for held in (1000, 1_000_000):
        rows = unpaired(
            side(tmp_path, "before", before), side(tmp_path, "after", after, files=3), tmp_path, rows_in_memory=held
        )
        assert [before[row] for row in np.flatnonzero(rows[0])] == list(gone)
        assert list(np.flatnonzero(rows[1])) == [7]
        assert not list(tmp_path.glob("digests-*"))
