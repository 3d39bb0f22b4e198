"""The compiled loops of the sweep, all in one file: numba's cache watches only the file in which a function lies.

Rows are worked on in blocks that are laid out as columns, so that one coordinate of many rows is handled at a time. A
row's distances add up one coordinate after the other: they never depend on its place, on other centres or on threads,
and nearby points lose no digits. With a few dozen columns this costs no more than a matrix product. No fastmath:
reordered operations would differ between the body and the end of a block. Arguments are those of the public functions
that call the loops.
"""

from __future__ import annotations

import numba
import numpy as np

# rows at once: their columns and squared distances stay in the first-level cache
CHUNK = 256
# bounds are loosened by far more than float32 can round
SLACK = 1e-5
# rows laid together are measured in steps of whole vectors
STEP = 32
# two grids of a folded sum lie 2^-26 apart
FINER = 2.0**-26


def writable(array: np.ndarray) -> np.ndarray:
    """The array, or a copy where it may not be written to: numba would compile every loop a second time for it."""
    return array if array.flags.writeable else array.copy()


@numba.njit(nogil=True, cache=True, inline="always")
def add_folded(sums: np.ndarray, value: float, first: float) -> None:
    """Add a value to two sums: the part on the coarse grid and the part on the fine one."""
    kept = (value + first) - first
    second = first * FINER
    sums[0] += kept
    sums[1] += ((value - kept) + second) - second


@numba.njit(nogil=True, cache=True)
def carry_over(sums: np.ndarray, row: np.ndarray, weight: float, sign: float, grid: np.ndarray) -> None:
    """Add a row times its weight, and the weight itself, to a segment's sums, or take them away (sign -1)."""
    wide = len(row)
    for t in range(wide):
        value = weight * np.float64(row[t])
        sums[t] += sign * ((value + grid[t]) - grid[t])
    sums[wide] += sign * ((weight + grid[wide]) - grid[wide])


@numba.njit(nogil=True, cache=True)
def fill_columns(points: np.ndarray, start: int, width: int, columns: np.ndarray) -> None:
    """Turn `width` rows from `start` into columns."""
    for i in range(width):
        for t in range(points.shape[1]):
            columns[t, i] = points[start + i, t]


@numba.njit(nogil=True, cache=True)
def fill_squared(columns: np.ndarray, width: int, centre: np.ndarray, squared: np.ndarray) -> None:
    """Squared distances of `width` rows, laid out as columns, to one centre."""
    wide = len(centre)
    even = wide - wide % 2
    for i in range(width):
        squared[i] = 0
    for t in range(0, even, 2):
        one, two = centre[t], centre[t + 1]
        for i in range(width):
            a = columns[t, i] - one
            b = columns[t + 1, i] - two
            squared[i] = (squared[i] + a * a) + b * b
    if even < wide:
        one = centre[even]
        for i in range(width):
            a = columns[even, i] - one
            squared[i] = squared[i] + a * a


@numba.njit(nogil=True, cache=True)
def fill_nearest(
    columns: np.ndarray, width: int, centres: np.ndarray, squared: np.ndarray, best: np.ndarray, label: np.ndarray
) -> None:
    """Nearest centre of each row of a block and the squared distance to it; the first of equals."""
    for i in range(width):
        best[i] = np.inf
        label[i] = 0
    for j in range(len(centres)):
        fill_squared(columns, width, centres[j], squared)
        for i in range(width):
            nearer = squared[i] < best[i]
            best[i] = squared[i] if nearer else best[i]
            label[i] = j if nearer else label[i]


@numba.njit(nogil=True, cache=True)
def fill_nearest_two(
    columns: np.ndarray,
    width: int,
    centres: np.ndarray,
    squared: np.ndarray,
    best: np.ndarray,
    second: np.ndarray,
    label: np.ndarray,
) -> None:
    """As `fill_nearest`, with the squared distance to the second nearest centre."""
    for i in range(width):
        best[i] = np.inf
        second[i] = np.inf
        label[i] = 0
    for j in range(len(centres)):
        fill_squared(columns, width, centres[j], squared)
        for i in range(width):
            value = squared[i]
            nearer = value < best[i]
            other = best[i] if nearer else value
            second[i] = other if other < second[i] else second[i]
            best[i] = value if nearer else best[i]
            label[i] = j if nearer else label[i]


@numba.njit(nogil=True, cache=True)
def label_rows(points: np.ndarray, centres: np.ndarray, labels: np.ndarray) -> None:
    columns = np.empty((points.shape[1], CHUNK))
    squared, best, label = np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK, np.int32)
    for start in range(0, len(points), CHUNK):
        width = min(CHUNK, len(points) - start)
        fill_columns(points, start, width, columns)
        fill_nearest(columns, width, centres, squared, best, label)
        labels[start : start + width] = label[:width]


@numba.njit(nogil=True, cache=True)
def label_rows_two(
    points: np.ndarray, centres: np.ndarray, labels: np.ndarray, distance: np.ndarray, further: np.ndarray
) -> None:
    columns = np.empty((points.shape[1], CHUNK))
    squared, best, second = np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK)
    label = np.empty(CHUNK, np.int32)
    for start in range(0, len(points), CHUNK):
        width = min(CHUNK, len(points) - start)
        fill_columns(points, start, width, columns)
        fill_nearest_two(columns, width, centres, squared, best, second, label)
        labels[start : start + width] = label[:width]
        distance[start : start + width] = np.sqrt(best[:width])
        further[start : start + width] = np.sqrt(second[:width])


@numba.njit(nogil=True, cache=True)
def relabel(
    points: np.ndarray,
    blocks: np.ndarray,
    weights: np.ndarray,
    which: np.ndarray,
    centres: np.ndarray,
    offsets: np.ndarray,
    labels: np.ndarray,
    upper: np.ndarray,
    other: np.ndarray,
    sums: np.ndarray,
    grid: np.ndarray,
    moving: np.ndarray,
    step: np.ndarray,
) -> None:
    """Label rows anew for the models that still move, and carry over the sums of rows that changed side.

    step : shape (K,), how far each centre moved since the last time
    """
    packed = np.zeros((points.shape[1], CHUNK), points.dtype)
    squared, best = np.empty(CHUNK, points.dtype), np.empty(CHUNK, points.dtype)
    second = np.empty(CHUNK, points.dtype)
    label, asked = np.empty(CHUNK, np.int32), np.empty(CHUNK, np.uint32)
    for start in range(0, len(points), CHUNK):
        width = min(CHUNK, len(points) - start)
        rows = slice(start, start + width)
        columns = blocks[start // CHUNK]
        for m in moving:
            first, last = offsets[m], offsets[m + 1]
            mine, most, least = labels[m, rows], upper[m, rows], other[m, rows]
            count = fill_asked(mine, most, least, step[first:last], asked)
            if not count:
                continue
            # laying rows together costs about as much as measuring them against eight centres
            if count * (last - first + 8) < width * (last - first):
                for t in range(len(packed)):
                    for q in range(count):
                        packed[t, q] = columns[t, asked[q]]
                padded = min(CHUNK, (count + STEP - 1) // STEP * STEP)
                fill_nearest_two(packed, padded, centres[first:last], squared, best, second, label)
            else:
                count = width
                for q in range(count):
                    asked[q] = q
                fill_nearest_two(columns, width, centres[first:last], squared, best, second, label)
            for q in range(count):
                i = asked[q]
                most[i], least[i] = np.sqrt(best[q]), np.sqrt(second[q])
            part = sums[first:last]
            carry_changes(points[rows], weights[which[m], rows], mine, label, asked, count, part, grid)


@numba.njit(nogil=True, cache=True)
def carry_changes(
    points: np.ndarray,
    weights: np.ndarray,
    mine: np.ndarray,
    label: np.ndarray,
    asked: np.ndarray,
    count: int,
    sums: np.ndarray,
    grid: np.ndarray,
) -> None:
    """Take over the new labels of the rows asked for, and carry their sums over."""
    for q in range(count):
        i = asked[q]
        was, now = mine[i], label[q]
        if was == now:
            continue
        mine[i] = now
        if weights[i] > 0:
            if was >= 0:
                carry_over(sums[was], points[i], weights[i], -1.0, grid)
            carry_over(sums[now], points[i], weights[i], 1.0, grid)


@numba.njit(nogil=True, cache=True)
def fill_asked(mine: np.ndarray, most: np.ndarray, least: np.ndarray, step: np.ndarray, asked: np.ndarray) -> int:
    """Loosen the bounds of a block by what centres moved; rows whose nearest centre is open, and how many."""
    if mine[0] < 0:
        for i in range(len(mine)):
            asked[i] = i
        return len(mine)
    largest, runner_up, at = 0.0, 0.0, -1
    for j in range(len(step)):
        if step[j] > largest:
            largest, runner_up, at = step[j], largest, j
        elif step[j] > runner_up:
            runner_up = step[j]
    looser = np.float32(1 + SLACK)
    farthest, next_farthest = np.float32(largest) * looser, np.float32(runner_up) * looser
    count = 0
    for i in range(len(mine)):
        own = mine[i]
        most[i] = (most[i] + np.float32(step[own]) * looser) * np.float32(1 + 1e-7)
        least[i] = least[i] - (next_farthest if own == at else farthest)
        asked[count] = i
        count += most[i] * looser >= least[i]
    return count


@numba.njit(nogil=True, cache=True)
def add_row_sums(
    points: np.ndarray,
    weights: np.ndarray,
    centres: np.ndarray,
    offsets: np.ndarray,
    sums: np.ndarray,
    grid: np.ndarray,
) -> None:
    columns = np.empty((points.shape[1], CHUNK), points.dtype)
    squared, best = np.empty(CHUNK, points.dtype), np.empty(CHUNK, points.dtype)
    label = np.empty(CHUNK, np.int32)
    for start in range(0, len(points), CHUNK):
        width = min(CHUNK, len(points) - start)
        fill_columns(points, start, width, columns)
        for m in range(len(offsets) - 1):
            first = offsets[m]
            fill_nearest(columns, width, centres[first : offsets[m + 1]], squared, best, label)
            for i in range(width):
                carry_over(sums[first + label[i]], points[start + i], weights[start + i], 1.0, grid)


@numba.njit(nogil=True, cache=True)
def add_tally(
    points: np.ndarray,
    weights: np.ndarray,
    centres: np.ndarray,
    offsets: np.ndarray,
    sums: np.ndarray,
    folds: np.ndarray,
    column_grid: np.ndarray,
    squared_grid: float,
    share_grid: float,
) -> None:
    wide = points.shape[1]
    columns = np.empty((wide, CHUNK), points.dtype)
    squared, best = np.empty(CHUNK, points.dtype), np.empty(CHUNK, points.dtype)
    second = np.empty(CHUNK, points.dtype)
    label = np.empty(CHUNK, np.int32)
    for start in range(0, len(points), CHUNK):
        width = min(CHUNK, len(points) - start)
        fill_columns(points, start, width, columns)
        for m in range(len(offsets) - 1):
            first = offsets[m]
            fill_nearest_two(columns, width, centres[first : offsets[m + 1]], squared, best, second, label)
            for i in range(width):
                weight = weights[start + i]
                near, far = np.float64(best[i]), np.float64(second[i])
                add_folded(folds[m, 0], weight * near, squared_grid)
                if far > 0:
                    add_folded(folds[m, 1], weight * (1 - np.sqrt(near / far)), share_grid)
                held = sums[first + label[i]]
                for t in range(wide):
                    value = weight * np.float64(points[start + i, t])
                    held[t] += (value + column_grid[t]) - column_grid[t]
                held[wide] += (weight + column_grid[wide]) - column_grid[wide]


@numba.njit(nogil=True, cache=True)
def add_scatter(
    points: np.ndarray,
    weights: np.ndarray,
    centres: np.ndarray,
    offsets: np.ndarray,
    means: np.ndarray,
    folds: np.ndarray,
    squared_grid: float,
    distance_grid: float,
) -> None:
    wide = points.shape[1]
    columns = np.empty((wide, CHUNK), points.dtype)
    squared, best = np.empty(CHUNK, points.dtype), np.empty(CHUNK, points.dtype)
    label = np.empty(CHUNK, np.int32)
    for start in range(0, len(points), CHUNK):
        width = min(CHUNK, len(points) - start)
        fill_columns(points, start, width, columns)
        for m in range(len(offsets) - 1):
            first = offsets[m]
            fill_nearest(columns, width, centres[first : offsets[m + 1]], squared, best, label)
            for i in range(width):
                own = first + label[i]
                away = 0.0
                for t in range(wide):
                    step = np.float64(points[start + i, t]) - means[own, t]
                    away += step * step
                weight = weights[start + i]
                add_folded(folds[own, 0], weight * np.sqrt(away), distance_grid)
                add_folded(folds[own, 1], weight * away, squared_grid)


@numba.njit(nogil=True, cache=True)
def fill_distances(points: np.ndarray, start: int, first: int, stop: int, distances: np.ndarray) -> None:
    columns = np.empty((points.shape[1], CHUNK), points.dtype)
    squared = np.empty(CHUNK, points.dtype)
    for chunk in range(first, stop, CHUNK):
        width = min(CHUNK, stop - chunk)
        fill_columns(points, chunk, width, columns)
        for i in range(len(distances)):
            fill_squared(columns, width, points[start + i], squared)
            for j in range(width):
                distances[i, chunk - first + j] = np.sqrt(squared[j])
