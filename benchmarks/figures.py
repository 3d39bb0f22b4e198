"""Measured figures and how they are summed up: parts, spreads, ratios between sides."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmarks.processes import tree_cpu

WHOLE = "whole process"


class Part(NamedTuple):
    """Seconds of one part of a measured process; CPU is None where the process does not tell it."""

    name: str
    wall: float
    cpu: float | None


class Spread(NamedTuple):
    """Median, lowest and highest of repeated measurements."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Measurement:
    """One run of one side: seconds, peak memory (MB), the parts it told of, and what it answered."""

    side: str
    wall: float
    cpu: float
    peak: float
    parts: tuple[Part, ...]
    answer: dict[str, Any]

    def part(self, name: str) -> Part | None:
        """The part of that name; the whole process is a part as well."""
        whole = Part(WHOLE, self.wall, self.cpu)
        return next((part for part in (whole, *self.parts) if part.name == name), None)


@dataclass(frozen=True)
class Comparison:
    """Sides that did the same work in turns, with the machine's load (1 minute) before and after."""

    name: str
    sides: tuple[str, ...]
    commands: tuple[str, ...]
    rounds: tuple[tuple[Measurement, ...], ...]
    load_before: float
    load_after: float

    def of(self, side: str) -> list[Measurement]:
        """Measurements of one side, in the order of the rounds."""
        return [measured for round_ in self.rounds for measured in round_ if measured.side == side]

    def parts(self, side: str) -> list[str]:
        """Names of the parts of a side, the whole process last."""
        return [*(part.name for part in self.of(side)[0].parts), WHOLE]

    def wall(self, side: str, part: str = WHOLE) -> Spread:
        """Wall seconds of a part of a side."""
        return spread(p.wall for m in self.of(side) if (p := m.part(part)))

    def cpu(self, side: str, part: str = WHOLE) -> Spread | None:
        """CPU seconds of a part of a side, children included; None where the side does not tell."""
        values = [p.cpu for m in self.of(side) if (p := m.part(part)) and p.cpu is not None]
        return spread(values) if values else None

    def peak(self, side: str) -> Spread:
        """Peak memory of a side in MB."""
        return spread(m.peak for m in self.of(side))

    def ratio(self, side: str, other: str, part: str = WHOLE, figure: str = "wall") -> Spread | None:
        """How many times `other` one side took, round by round; None where it cannot be told."""
        return ratio(self._values(side, part, figure), self._values(other, part, figure))

    def _values(self, side: str, part: str, figure: str) -> list[float | None]:
        found = [m.part(part) for m in self.of(side)]
        return [None if p is None else p.wall if figure == "wall" else p.cpu for p in found]


def spread(values: Iterable[float]) -> Spread:
    """Median, lowest and highest.

    >>> spread([3, 1, 2])
    Spread(median=2, low=1, high=3)
    """
    ordered = sorted(values)
    return Spread(statistics.median(ordered), ordered[0], ordered[-1])


def ratio(values: list[float | None], others: list[float | None]) -> Spread | None:
    """Spread of values ÷ others, pair by pair: neighbours in time met the same load.

    >>> ratio([2.0, 9.0], [1.0, 3.0])
    Spread(median=2.5, low=2.0, high=3.0)
    """
    pairs = [(a, b) for a, b in zip(values, others, strict=True) if a is not None and b]
    return spread(a / b for a, b in pairs) if pairs and len(pairs) == len(values) else None


@contextmanager
def timed(name: str, parts: list[Part]) -> Iterator[None]:
    """Append wall and CPU seconds of the block, children included, to `parts`."""
    cpu, wall = tree_cpu(), time.perf_counter()
    yield
    wall = time.perf_counter() - wall
    parts.append(Part(name, wall, tree_cpu() - cpu))
