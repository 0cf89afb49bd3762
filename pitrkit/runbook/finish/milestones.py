"""The timeline of an incident: its milestones in order, with the time that lies between them.

A restore goes back hours and the work takes minutes, so a true scale would show one dot far left and a heap of dots
far right. Milestones are evenly spaced instead, and each gap says how long it was. Geometry is computed here, in
the units of the drawing; the template only draws it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from pitrkit.ui.text import duration

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


WIDTH, EDGE = 980.0, 52.0
LINE_Y = 40.0

Tone = Literal["past", "step", "decision", "write", "good", "bad"]


@dataclass(frozen=True, slots=True)
class Milestone:
    """Something that happened, as the timeline names it."""

    at: datetime
    label: str
    tone: Tone = "step"


@dataclass(frozen=True, slots=True)
class Point:
    """A milestone where it is drawn; *day* is blank where it is that of the point before."""

    x: float
    label: str
    time: str
    day: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class MilestoneGap:
    """What lies between two points; *past* where it leads away from the second that was gone back to."""

    x1: float
    x2: float
    words: str
    past: bool

    @property
    def middle(self) -> float:
        """Where its words stand."""
        return (self.x1 + self.x2) / 2


@dataclass(frozen=True, slots=True)
class Timeline:
    """A drawn timeline; times are UTC."""

    points: tuple[Point, ...]
    gaps: tuple[MilestoneGap, ...]
    width: float = WIDTH
    height: float = 112.0
    line_y: float = LINE_Y


def draw(milestones: Iterable[Milestone]) -> Timeline:
    """Return the timeline of *milestones*, whatever order they come in."""
    ordered = sorted(milestones, key=lambda milestone: milestone.at)
    step = (WIDTH - 2 * EDGE) / max(1, len(ordered) - 1)
    places = [round(EDGE + number * step, 1) for number in range(len(ordered))]
    points: list[Point] = []
    day = ""
    for x, milestone in zip(places, ordered, strict=True):
        date_text = f"{milestone.at:%Y-%m-%d}"
        label, time = milestone.label, f"{milestone.at:%H:%M:%S}"
        points.append(Point(x, label, time, date_text if date_text != day else "", milestone.tone))
        day = date_text
    gaps = [
        MilestoneGap(
            point.x, other.x, duration((after.at - before.at).total_seconds()), "past" in (point.tone, other.tone)
        )
        for (point, other), (before, after) in zip(pairwise(points), pairwise(ordered), strict=True)
    ]
    return Timeline(tuple(points), tuple(gaps))
