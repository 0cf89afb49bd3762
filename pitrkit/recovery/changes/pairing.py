"""Finding the rows that are the same in two snapshots, without reading keys or items.

A row's digest (see `parts`) begins with eight bytes of its key's hash, so sorting the digests of both sides brings the
two rows of an item together, in whatever files and order they are. A pair whose digests are equal to the last byte is
the same item. All others are left for a comparison by key: what differs, but also the few whose prefixes meet by
chance, and any key that a snapshot holds twice. In most tables that is next to nothing, which is why this comes first.

Digests are sorted as 64-bit integers, each with its row's number in its low bits, because nothing sorts faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

Rows = NDArray[np.bool_]
"""For each row of a side, numbered through its files: whether it is meant."""

_Records = NDArray[np.uint64]
"""A row each: the digest's four words and the row's number."""

_WORDS = 4
_HELD = 1 << 22
"""Rows of both sides that are held at a time: 40 bytes each, and as much again while they are sorted."""

_NUMBER_BITS = 24
_NUMBER = np.uint64((1 << _NUMBER_BITS) - 1)
_READ = 1 << 16
_COMPARED = 1 << 18


def unpaired(
    before: Sequence[str], after: Sequence[str], work: Path, *, rows_in_memory: int = _HELD
) -> tuple[Rows, Rows]:
    """Return which rows of each side are not known to be the same in the other: nearly all that differ, hardly more.

    It takes a byte of memory for each row, besides what is held at a time.

    Args:
        before: Parquet files of the earlier side, with a digest column.
        after: Those of the later side.
        work: A folder for files that are needed meanwhile, if not all rows can be held.
        rows_in_memory: About how many rows of both sides may be held at a time.
    """
    sides = (before, after)
    counts = [sum(pq.read_metadata(file).num_rows for file in files) for files in sides]
    bits = max(0, -(-sum(counts) // rows_in_memory) - 1).bit_length()
    with ThreadPoolExecutor(2) as pool:
        reading = [
            pool.submit(_divided, files, count, bits, work / f"digests-{number}")
            for number, (files, count) in enumerate(zip(sides, counts, strict=True))
        ]
        parts = [each.result() for each in reading]
        unpaired_masks = (np.ones(counts[0], np.bool_), np.ones(counts[1], np.bool_))
        for part in range(1 << bits):
            then, now = pool.map(lambda read, part=part: read(part), parts)
            for pairs in _same(then, now, bits):
                for rows, same in zip(unpaired_masks, pairs, strict=True):
                    rows[same] = False
    return unpaired_masks


def _divided(files: Sequence[str], count: int, bits: int, stem: Path) -> Callable[[int], _Records]:
    """Read a side's digests, and return what gives those that begin with certain *bits*: held, or from files."""
    if not bits:
        records = np.empty((count, _WORDS + 1), np.uint64)
        for first, words in _digests(files):
            records[first : first + len(words), :_WORDS] = words
        records[:, _WORDS] = np.arange(count, dtype=np.uint64)
        return lambda _: records

    def path(part: int) -> Path:
        return stem.with_name(f"{stem.name}-{part}")

    for first, words in _digests(files):
        part_of = (words[:, 0] >> np.uint64(64 - bits)).astype(np.uint16)
        order = np.argsort(part_of, kind="stable")
        records = np.column_stack([words[order], order.astype(np.uint64) + np.uint64(first)])
        parts, starts = np.unique(part_of[order], return_index=True)
        for part, some in zip(parts, np.split(records, starts[1:]), strict=True):
            with path(int(part)).open("ab") as file:
                some.tofile(file)

    def read(part: int) -> _Records:
        if not path(part).exists():
            return np.empty((0, _WORDS + 1), np.uint64)
        records = np.fromfile(path(part), np.uint64).reshape(-1, _WORDS + 1)
        path(part).unlink()
        return records

    return read


def _digests(files: Sequence[str]) -> Iterator[tuple[int, _Records]]:
    """Yield the words of a side's digests in batches, each with the number of its first row."""
    first = 0
    for path in files:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(_READ, columns=["digest"], use_threads=False):
                column = batch.column(0)
                words = np.frombuffer(column.buffers()[1], np.uint64).reshape(-1, _WORDS)
                yield first, words[column.offset : column.offset + len(column)]
                first += len(column)


def _same(before: _Records, after: _Records, bits: int) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.uint64]]]:
    """Yield the numbers of the rows of each side that are the same, in batches. All begin with the same *bits*."""
    prefixes = np.concatenate([before[:, 0], after[:, 0]])
    if len(prefixes) > _NUMBER:
        raise ValueError(f"{len(prefixes):,} digests are too many at a time")
    prefixes <<= np.uint64(bits)
    prefixes &= ~_NUMBER
    prefixes |= np.arange(len(prefixes), dtype=np.uint64)
    prefixes.sort()
    meets = np.zeros(len(prefixes) + 1, np.bool_)  # whether a prefix is that of the one before
    meets[1:-1] = (prefixes[1:] ^ prefixes[:-1]) <= _NUMBER
    (at,) = np.nonzero(meets[1:-1] & ~meets[:-2] & ~meets[2:])
    prefixes &= _NUMBER
    numbers = prefixes.view(np.int64)
    then, now = numbers[at], numbers[at + 1] - len(before)
    both = (then < len(before)) & (now >= 0)
    then, now = then[both], now[both]
    for start in range(0, len(then), _COMPARED):
        some = slice(start, start + _COMPARED)
        ours, theirs = before.take(then[some], axis=0), after.take(now[some], axis=0)
        same = (ours[:, :_WORDS] == theirs[:, :_WORDS]).all(axis=1)
        yield ours[same, _WORDS], theirs[same, _WORDS]
