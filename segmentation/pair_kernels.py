"""The compiled loops over tables of two columns, all in one file: numba's cache watches only the file of a function.

A table has a row per cell of the first column and a column per cell of the second; the last of each holds gaps and
stands in no condition. Counts are whole numbers: nothing depends on threads or on the order of rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

# two sets are told each other's best partner until they stay
ROUNDS = 6


class Bar(NamedTuple):
    """What a rectangle must do: stand out by more than `floor` and by `level_cost` more for each further level."""

    floor: float
    level_cost: float
    purity: float  # at 0 the widest of two equally sharp rectangles wins, at 1 the purest
    support: int


class Whole(NamedTuple):
    """Everybody in a table."""

    size: int
    hits: int
    single: bool  # the first column says nothing: only the second has a condition


@numba.njit(nogil=True, cache=True)
def add_rows(
    codes: np.ndarray, outcome: np.ndarray, rows: np.ndarray, pairs: np.ndarray, start: np.ndarray, cells: np.ndarray,
    sign: int, size: np.ndarray, hits: np.ndarray,
) -> None:  # fmt: skip
    """Count these rows in the table of every pair, in place; a `sign` of -1 takes them out."""
    for p in range(len(pairs)):
        first, second, at, wide = codes[pairs[p, 0]], codes[pairs[p, 1]], start[p], cells[pairs[p, 1]]
        for row in rows:
            cell = at + first[row] * wide + second[row]
            size[cell] += sign
            if outcome[row]:
                hits[cell] += sign


@numba.njit(nogil=True, cache=True)
def log_likelihood(hits: float, size: float) -> float:
    if hits <= 0 or hits >= size:
        return 0.0
    share = hits / size
    return hits * np.log(share) + (size - hits) * np.log1p(-share)


@numba.njit(nogil=True, cache=True)
def strength_of(hits: float, size: float, all_hits: float, all_size: float) -> float:
    """`qualities.strength` of one group of counts."""
    if size == 0 or hits * all_size <= size * all_hits:
        return 0.0
    apart = log_likelihood(hits, size) + log_likelihood(all_hits - hits, all_size - size)
    return 2.0 * (apart - log_likelihood(all_hits, all_size))


@numba.njit(nogil=True, cache=True)
def hopeless(size: int, hits: int, whole: Whole, bar: Bar) -> bool:
    """Too few, or surely no sharper than the floor: no ratio is above (seen - expected)² / expected."""
    expected = size * whole.hits / whole.size
    over = hits - expected
    return size < bar.support or over <= 0 or over * over <= bar.floor * expected


@numba.njit(nogil=True, cache=True)
def value_of(
    size: int, hits: int, row: tuple[int, int], column: tuple[int, int], further: int, whole: Whole, bar: Bar
) -> float:
    """How sharply the idler condition sets the rectangle off, beyond the floor and for its size; 0 at the floor.

    `row` and `column` are the members and outcomes of each condition alone.
    """
    least = strength_of(hits, size, whole.hits, whole.size)
    if not whole.single:
        least = min(least, strength_of(hits, size, row[1], row[0]), strength_of(hits, size, column[1], column[0]))
    beyond = least - bar.level_cost * further - bar.floor
    return beyond / size**bar.purity if beyond > 0 else 0.0


@numba.njit(nogil=True, cache=True)
def best_levels(
    line_size: np.ndarray, line_hits: np.ndarray, sizes: np.ndarray, hits: np.ndarray, most: int, whole: Whole, bar: Bar
) -> tuple[float, np.uint64]:
    """The best set of levels and its value: those of the highest rates in this line (Breiman 1984).

    `sizes` and `hits` are those of each level in all lines.
    """
    levels = len(line_size) - 1
    rates = np.full(levels, 2.0)
    for level in range(levels):
        if line_size[level] > 0:
            rates[level] = -line_hits[level] / line_size[level]
    row = (line_size.sum(), line_hits.sum())
    best, chosen, bits = 0.0, np.uint64(0), np.uint64(0)
    size = hit = column_size = column_hits = 0
    order = np.argsort(rates, kind="mergesort")
    for i in range(most):
        level = order[i]
        if line_size[level] == 0:
            break
        size, hit = size + line_size[level], hit + line_hits[level]
        column_size, column_hits = column_size + sizes[level], column_hits + hits[level]
        bits |= np.uint64(1) << np.uint64(level)
        if hopeless(size, hit, whole, bar):
            continue
        value = value_of(size, hit, row, (column_size, column_hits), i, whole, bar)
        if value > best:
            best, chosen = value, bits
    return best, chosen


@numba.njit(nogil=True, cache=True)
def best_interval(
    line_size: np.ndarray, line_hits: np.ndarray, sizes: np.ndarray, hits: np.ndarray, whole: Whole, bar: Bar
) -> tuple[float, int, int]:
    """The best interval of a line, its value and its ends."""
    cells = len(line_size) - 1
    row = (line_size.sum(), line_hits.sum())
    best, low, high = 0.0, 0, 0
    for i in range(cells):
        size = hit = column_size = column_hits = 0
        for j in range(i, cells):
            size, hit = size + line_size[j], hit + line_hits[j]
            column_size, column_hits = column_size + sizes[j], column_hits + hits[j]
            # the whole column is no condition
            if (i == 0 and j == cells - 1) or hopeless(size, hit, whole, bar):
                continue
            value = value_of(size, hit, row, (column_size, column_hits), 0, whole, bar)
            if value > best:
                best, low, high = value, i, j + 1
    return best, low, high


@numba.njit(nogil=True, cache=True)
def scan_intervals(
    size: np.ndarray, hits: np.ndarray, most: int, whole: Whole, bar: Bar, found: np.ndarray
) -> tuple[float, int]:
    """Every interval of the first column with the best of the second, an interval or, with `most`, a set."""
    rows, cells = size.shape[0] - 1, size.shape[1] - 1
    sizes, all_hits = size.sum(axis=0), hits.sum(axis=0)
    best, looks = 0.0, 0
    for i in range(rows):
        line_size, line_hits = np.zeros(cells + 1, np.int64), np.zeros(cells + 1, np.int64)
        for j in range(i, rows):
            line_size += size[j]
            line_hits += hits[j]
            if i == 0 and j == rows - 1 and not whole.single:
                continue
            if most:
                # to sort them, each level was looked at too
                looks += most + cells
                value, bits = best_levels(line_size, line_hits, sizes, all_hits, most, whole, bar)
                ends = (bits, np.uint64(0))
            else:
                looks += cells * (cells + 1) // 2 - 1
                value, start, end = best_interval(line_size, line_hits, sizes, all_hits, whole, bar)
                ends = (np.uint64(start), np.uint64(end))
            if value > best:
                best = value
                found[0, 0], found[0, 1], found[1, 0], found[1, 1] = i, j + 1, ends[0], ends[1]
    return best, looks


@numba.njit(nogil=True, cache=True)
def lines(counts: np.ndarray, bits: np.uint64) -> np.ndarray:
    """The rows of a table that a set names, added up."""
    total = np.zeros(counts.shape[1], np.int64)
    for i in range(counts.shape[0] - 1):
        if (bits >> np.uint64(i)) & np.uint64(1):
            total += counts[i]
    return total


@numba.njit(nogil=True, cache=True)
def scan_sets(
    size: np.ndarray, hits: np.ndarray, most: tuple[int, int], whole: Whole, bar: Bar, found: np.ndarray
) -> tuple[float, int]:
    """From every level of the first column: the best set of the second for it, the best of the first for that, …"""
    easy = Bar(0.0, bar.level_cost, 0.0, bar.support)
    down_sizes, down_hits = size.sum(axis=1), hits.sum(axis=1)
    sizes, all_hits = size.sum(axis=0), hits.sum(axis=0)
    best, looks = 0.0, 0
    for start in range(size.shape[0] - 1):
        first = np.uint64(1) << np.uint64(start)
        for _ in range(ROUNDS):
            line = (lines(size, first), lines(hits, first))
            # a first guess need not stand out by the floor yet
            _, second = best_levels(line[0], line[1], sizes, all_hits, most[1], whole, easy)
            down = (lines(size.T, second), lines(hits.T, second))
            _, again = best_levels(down[0], down[1], down_sizes, down_hits, most[0], whole, easy)
            looks += most[0] + most[1] + size.shape[0] + size.shape[1]
            if again == 0:
                break
            line = (lines(size, again), lines(hits, again))
            value, second = best_levels(line[0], line[1], sizes, all_hits, most[1], whole, bar)
            if value > best:
                best = value
                found[0, 0], found[0, 1], found[1, 0], found[1, 1] = again, 0, second, 0
            if again == first:
                break
            first = again
    return best, looks


@numba.njit(nogil=True, cache=True)
def scan(
    pairs: np.ndarray, start: np.ndarray, cells: np.ndarray, most: np.ndarray, size: np.ndarray, hits: np.ndarray,
    bar: Bar, values: np.ndarray, found: np.ndarray,
) -> int:  # fmt: skip
    """The sharpest rectangle of every pair: its value and sides, in place; returns the looks.

    Parameters
    ----------
    most : levels of a set at most; 0 for numbers, which stand before texts in every pair
    found : uint64 (pairs, 2, 2), first cell and the one after the last of an interval, or a bit per level and 0
    """
    looks = 0
    for p in range(len(pairs)):
        first, second = pairs[p]
        area = slice(start[p], start[p] + cells[first] * cells[second])
        table, hit = size[area].reshape(cells[first], cells[second]), hits[area].reshape(cells[first], cells[second])
        whole = Whole(table.sum(), hit.sum(), cells[first] == 2)
        if whole.hits == 0:
            continue
        if most[first] > 0:
            values[p], looked = scan_sets(table, hit, (most[first], most[second]), whole, bar, found[p])
        else:
            values[p], looked = scan_intervals(table, hit, most[second], whole, bar, found[p])
        looks += looked
    return looks
