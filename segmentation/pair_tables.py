"""Where two columns meet: the counts of every pair, and the rule in each that sets people off most sharply.

The search takes texts level by level and numbers by few edges. Here sets and fine intervals are tried together, so
that a group is found of which no single level stands out enough to start from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from segmentation.refinement import LEVEL_COST, Column, most_levels
from segmentation.rules import Compare
from segmentation.selectors import Selector, interval, level_set, readable

# finer cells cost more looks than they sharpen; tuned, like the floor, on planted worlds of other seeds than reported
BINS = 16
LEVELS = 60  # a set is a word of bits
# chi-squared of one degree by which the idler condition must set its members off: 1 in 16,000
FLOOR = 16.0
PURITY = 0.5


class Axis(NamedTuple):
    """A column in cells; the last one holds gaps and rare levels."""

    name: str
    codes: np.ndarray  # uint8 (rows,)
    cells: int
    cuts: np.ndarray  # inner edges of a number
    values: np.ndarray | None  # of a number of few different ones
    levels: tuple[str, ...] | None  # of a text

    def inside(self, side: np.ndarray) -> np.ndarray:
        """Cells of one side of a rectangle."""
        low, high = int(side[0]), int(side[1])
        if self.levels is None:
            return np.arange(low, high)
        return np.array([i for i in range(len(self.levels)) if low >> i & 1], dtype=np.int64)

    def condition(self, side: np.ndarray) -> Selector:
        """One side of a rectangle: first cell and the one after the last, or a bit per level."""
        low, high = int(side[0]), int(side[1])
        if self.levels is not None:
            return level_set(self.name, [level for i, level in enumerate(self.levels) if low >> i & 1])
        if not len(self.cuts):
            return Compare(column=self.name, op="==", value=low == 1)
        if self.values is not None and high == low + 1:
            value = float(self.values[low])
            return Compare(column=self.name, op="==", value=int(value) if value.is_integer() else value)
        bounds = [-np.inf, *self.cuts, np.inf]
        return interval(self.name, bounds[low], bounds[high])


class Tables(NamedTuple):
    """Members and outcomes in the cells of every pair of columns; a column alone is paired with `EVERYBODY`."""

    axes: tuple[Axis, ...]
    codes: np.ndarray  # uint8 (axes, rows)
    cells: np.ndarray  # of each axis
    pairs: np.ndarray  # (pairs, 2), numbers before texts
    start: np.ndarray  # place of each pair in `size` and `hits`
    outcome: np.ndarray
    size: np.ndarray
    hits: np.ndarray

    def add(self, rows: np.ndarray, sign: int) -> None:
        """Count these rows in, or out with a `sign` of -1."""
        from segmentation.pair_kernels import add_rows

        add_rows(
            self.codes, self.outcome, rows, self.pairs, self.start, self.cells, sign, self.size, self.hits
        )  # fmt: skip


class Meetings(NamedTuple):
    """The rules, sharpest first, and how many were looked at."""

    rules: list[tuple[Selector, ...]]
    looks: int


def tables(columns: Mapping[str, Column], outcome: np.ndarray, support: int, depth: int) -> Tables:
    """Everybody counted; at a depth of 1 no two columns meet."""
    cut = [axis for axis in (_axis(name, held, support) for name, held in columns.items()) if axis.cells > 2]
    everybody = Axis("", np.zeros(len(outcome), dtype=np.uint8), 2, np.zeros(0), None, None)
    axes = (everybody, *sorted(cut, key=lambda axis: axis.levels is not None))
    several = [(i, j) for j in range(1, len(axes)) for i in range(j if depth > 1 else 1)]
    pairs = np.array(several, dtype=np.int64).reshape(-1, 2)
    cells = np.array([axis.cells for axis in axes], dtype=np.int64)
    area = cells[pairs].prod(axis=1)
    counts = np.zeros((2, int(area.sum())), dtype=np.int64)
    made = Tables(axes, np.stack([axis.codes for axis in axes]), cells, pairs, np.cumsum(area) - area, outcome, *counts)
    made.add(np.arange(len(outcome)), 1)
    return made


def meetings(made: Tables, support: int) -> Meetings:
    """The sharpest rule of each pair of columns, both conditions paying, and of each column alone.

    A rule counts for as much as its idler condition: twice the log likelihood ratio of its members against the others
    who fit one condition, the smaller of both, less `FLOOR`, over the root of its size. The rules of different pairs
    are put in order by how sharply they stand out from everybody.
    """
    from segmentation.pair_kernels import Bar, scan

    most = np.array([most_levels(axis.cells - 1) if axis.levels else 0 for axis in made.axes], dtype=np.int64)
    values, found = np.zeros(len(made.pairs)), np.zeros((len(made.pairs), 2, 2), dtype=np.uint64)
    looks = scan(
        made.pairs, made.start, made.cells, most, made.size, made.hits, Bar(FLOOR, LEVEL_COST, PURITY, support), values,
        found,
    )  # fmt: skip
    stands = np.flatnonzero(values > 0)
    sharp = np.array([_sharpness(made, int(p), found[p]) for p in stands])
    order = stands[np.argsort(-sharp, kind="stable")]
    return Meetings([_rule(made, made.pairs[p], found[p]) for p in order], int(looks))


def _sharpness(made: Tables, pair: int, sides: np.ndarray) -> float:
    """Twice the log likelihood ratio of a rule against everybody else, over the root of its size."""
    from segmentation.pair_kernels import strength_of

    first, second = made.pairs[pair]
    area = slice(made.start[pair], made.start[pair] + made.cells[first] * made.cells[second])
    rows, columns = (made.axes[i].inside(side) for i, side in ((first, sides[0]), (second, sides[1])))
    size, hits = (part[area].reshape(made.cells[first], made.cells[second]) for part in (made.size, made.hits))
    members = int(size[rows][:, columns].sum())
    strength = strength_of(hits[rows][:, columns].sum(), members, hits.sum(), size.sum())
    return float(strength / members**PURITY)


def _rule(made: Tables, pair: np.ndarray, sides: np.ndarray) -> tuple[Selector, ...]:
    return tuple(made.axes[i].condition(side) for i, side in zip(pair, sides, strict=True) if i)


def _axis(name: str, held: Column, support: int) -> Axis:
    if held.levels is not None:
        sizes = np.bincount(held.values[held.values >= 0], minlength=len(held.levels))
        kept = np.sort(np.argsort(-sizes, kind="stable")[: min(LEVELS, int((sizes >= support).sum()))])
        place = np.full(len(held.levels) + 1, len(kept), dtype=np.uint8)
        place[kept] = np.arange(len(kept))
        # a gap has code -1: the last place
        return Axis(name, place[held.values], len(kept) + 1, np.zeros(0), None, tuple(held.levels[i] for i in kept))
    known = ~np.isnan(held.values)
    seen = held.values[known]
    different = np.unique(seen)
    truth = not len(held.edges) and set(different.tolist()) == {0.0, 1.0}
    few = len(different) <= BINS
    cuts = different[1:] if few else readable(np.quantile(seen, np.arange(1, BINS) / BINS))
    if not truth and not len(held.edges):
        cuts = cuts[:0]
    elif not few:
        cuts = cuts[(cuts > different[0]) & (cuts <= different[-1])]
    codes = np.where(known, np.searchsorted(cuts, held.values, side="right"), len(cuts) + 1).astype(np.uint8)
    return Axis(name, codes, len(cuts) + 2, cuts[:0] if truth else cuts, different if few else None, None)
