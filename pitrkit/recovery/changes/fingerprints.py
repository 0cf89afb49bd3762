"""Prints: which attributes differ in each modified item, told once and then counted for any part of a change set.

Damage leaves the same print in many items: the same attributes, changed together. There are few different prints in
most change sets, so each is kept once, and each change holds a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pitrkit.aws.items import attributes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pitrkit.recovery.changes.change_set import ChangeSet


MOST = 20_000
"""Different prints that are kept. Where there are more, the changes with one of the others count as *varied*."""

NONE, VARIED = -1, -2
Mode = Literal["changed", "added", "removed"]


@dataclass(frozen=True, slots=True)
class Differing:
    """In how many modified items one attribute differs."""

    attribute: str
    changed: int
    added: int
    removed: int

    @property
    def total(self) -> int:
        """In how many, whichever way."""
        return self.changed + self.added + self.removed


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """The prints of a change set.

    Attributes:
        known: The different prints: which attribute differs how, sorted by name.
        of_change: For each change its print's place in *known*, NONE for other kinds, VARIED beyond `MOST`.
    """

    known: tuple[tuple[tuple[str, Mode], ...], ...]
    of_change: NDArray[np.int32]

    @classmethod
    def read(cls, changes: ChangeSet, *, most: int = MOST) -> Fingerprints:
        """Read the prints of *changes*: one pass over its modified items."""
        codes_by_print: dict[tuple[tuple[str, Mode], ...], int] = {}
        codes = np.full(len(changes), NONE, np.int32)
        place = 0
        for batch in changes.batches():
            columns = (batch.column(name).to_pylist() for name in ("before", "after"))
            for row, (before, after) in enumerate(zip(*columns, strict=True), start=place):
                if before is None or after is None:
                    continue
                print_ = _print(before, after)
                number = codes_by_print.get(print_)
                if number is None:
                    number = (
                        codes_by_print.setdefault(print_, len(codes_by_print)) if len(codes_by_print) < most else VARIED
                    )
                codes[row] = number
            place += batch.num_rows
        return cls(tuple(codes_by_print), codes)

    @property
    def varied(self) -> bool:
        """Whether there are more prints than are kept."""
        return bool((self.of_change == VARIED).any())

    def rows_of(self, names: Sequence[str]) -> NDArray[np.bool_] | None:
        """Return the changes in which exactly *names* differ; None where that cannot be told for all of them."""
        if self.varied:
            return None
        wanted_names = tuple(names)
        places = [place for place, print_ in enumerate(self.known) if names_of(print_) == wanted_names]
        return np.isin(self.of_change, np.array(places, np.int32))

    def sizes(self) -> NDArray[np.int32]:
        """Return for each change how many attributes differ, 0 where the item is there on one side only."""
        sizes = np.array([*map(len, self.known), 0, 0], np.int32)
        return sizes[self.of_change]

    def together(self, mask: NDArray[np.bool_], limit: int) -> list[tuple[tuple[str, ...], int]]:
        """Return which attributes differ together among the changes of *mask*, the most frequent first."""
        counts: dict[tuple[str, ...], int] = {}
        for place, count in self._counted(mask):
            names = names_of(self.known[place])
            counts[names] = counts.get(names, 0) + count
        return sorted(counts.items(), key=lambda mode_count: (-mode_count[1], mode_count[0]))[:limit]

    def differing(self, mask: NDArray[np.bool_]) -> list[Differing]:
        """Return the attributes that differ among the changes of *mask*, busiest first."""
        counts: dict[str, dict[Mode, int]] = {}
        for place, count in self._counted(mask):
            for name, mode in self.known[place]:
                entry = counts.setdefault(name, {"changed": 0, "added": 0, "removed": 0})
                entry[mode] += count
        differing_names = [Differing(name, **modes) for name, modes in counts.items()]
        return sorted(differing_names, key=lambda entry: (-entry.total, entry.attribute))

    def _counted(self, mask: NDArray[np.bool_]) -> Iterable[tuple[int, int]]:
        here = self.of_change[mask]
        counts = np.bincount(here[here >= 0], minlength=len(self.known))
        return ((int(place), int(counts[place])) for place in np.flatnonzero(counts))


def _print(before: str, after: str) -> tuple[tuple[str, Mode], ...]:
    then, now = attributes(before), attributes(after)
    modes_found: list[tuple[str, Mode]] = []
    for name, value in now.items():
        if name not in then:
            modes_found.append((name, "added"))
        elif then[name] != value:
            modes_found.append((name, "changed"))
    modes_found += [(name, "removed") for name in then if name not in now]
    return tuple(sorted(modes_found))


def names_of(print_: Iterable[tuple[str, Mode]]) -> tuple[str, ...]:
    """Return the names of the attributes that differ, sorted."""
    return tuple(name for name, _ in print_)
