"""The compiled loops of the sweep, all in one file: numba's cache watches only the file in which a function lies.

Rows are worked on in blocks that are laid out as columns, so that one coordinate of many rows is handled at a time. A
row's distances add up one coordinate after the other: they never depend on its place, on other centres or on threads,
and nearby points lose no digits. With a few dozen columns this costs no more than a matrix product. Squares are fused
with the sum they join ("contract"), but nothing is reordered: that would differ between the body and the end of a
block. Arguments are those of the public functions that call the loops.
"""

from __future__ import annotations

import numba
import numpy as np

# rows at once: their columns and squared distances stay in the first-level cache
CHUNK = 256
# rows at once where many models share them: their columns stay in the second-level cache
BLOCK = 1024
# centres measured at once: a coordinate of a row is read once for all of them
GROUP = 4
# bounds are loosened by far more than float32 can round
SLACK = 1e-5
# rows laid together are measured in steps of whole vectors
STEP = 16
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
def add_row(sums: np.ndarray, at: int, points: np.ndarray, i: int, weight: float, grid: np.ndarray) -> None:
    """Add a row times its weight, and the weight itself, to the sums of one segment."""
    wide = points.shape[1]
    for t in range(wide):
        value = weight * np.float64(points[i, t])
        sums[at, t] += (value + grid[t]) - grid[t]
    sums[at, wide] += (weight + grid[wide]) - grid[wide]


@numba.njit(nogil=True, cache=True)
def fill_columns(points: np.ndarray, start: int, width: int, columns: np.ndarray) -> None:
    """Turn `width` rows from `start` into columns."""
    for i in range(width):
        for t in range(points.shape[1]):
            columns[t, i] = points[start + i, t]


@numba.njit(nogil=True, cache=True)
def column_blocks(points: np.ndarray) -> np.ndarray:
    """Rows in blocks of BLOCK, each laid out as columns: shape (blocks, d, BLOCK); the last one padded with zeros."""
    # made here and not by NumPy: memory aligned for whole vectors is read in half of the time
    blocks = np.zeros(((len(points) + BLOCK - 1) // BLOCK, points.shape[1], BLOCK), points.dtype)
    for start in range(0, len(points), BLOCK):
        fill_columns(points, start, min(BLOCK, len(points) - start), blocks[start // BLOCK])
    return blocks


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def fill_squared(columns: np.ndarray, width: int, centre: np.ndarray, squared: np.ndarray) -> None:
    """Squared distances of `width` rows, laid out as columns, to one centre."""
    wide = len(centre)
    whole = wide - wide % 4
    for i in range(width):
        squared[i] = 0
    for t in range(0, whole, 4):
        one, two, three, four = centre[t], centre[t + 1], centre[t + 2], centre[t + 3]
        for i in range(width):
            a, b = columns[t, i] - one, columns[t + 1, i] - two
            c, d = columns[t + 2, i] - three, columns[t + 3, i] - four
            squared[i] = (((squared[i] + a * a) + b * b) + c * c) + d * d
    for t in range(whole, wide):
        for i in range(width):
            a = columns[t, i] - centre[t]
            squared[i] = squared[i] + a * a


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def fill_squared_four(columns: np.ndarray, width: int, centres: np.ndarray, first: int, squared: np.ndarray) -> None:
    """As `fill_squared` for four centres at once, digit by digit the same."""
    wide = centres.shape[1]
    whole = wide - wide % 4
    one, two, three, four = centres[first], centres[first + 1], centres[first + 2], centres[first + 3]
    p, q, r, s = squared[0], squared[1], squared[2], squared[3]
    for i in range(width):
        p[i], q[i], r[i], s[i] = 0, 0, 0, 0
    for t in range(0, whole, 4):
        p0, p1, p2, p3 = one[t], one[t + 1], one[t + 2], one[t + 3]
        q0, q1, q2, q3 = two[t], two[t + 1], two[t + 2], two[t + 3]
        r0, r1, r2, r3 = three[t], three[t + 1], three[t + 2], three[t + 3]
        s0, s1, s2, s3 = four[t], four[t + 1], four[t + 2], four[t + 3]
        for i in range(width):
            x, y, z, u = columns[t, i], columns[t + 1, i], columns[t + 2, i], columns[t + 3, i]
            a, b, c, d = x - p0, y - p1, z - p2, u - p3
            p[i] = (((p[i] + a * a) + b * b) + c * c) + d * d
            a, b, c, d = x - q0, y - q1, z - q2, u - q3
            q[i] = (((q[i] + a * a) + b * b) + c * c) + d * d
            a, b, c, d = x - r0, y - r1, z - r2, u - r3
            r[i] = (((r[i] + a * a) + b * b) + c * c) + d * d
            a, b, c, d = x - s0, y - s1, z - s2, u - s3
            s[i] = (((s[i] + a * a) + b * b) + c * c) + d * d
    for t in range(whole, wide):
        p0, q0, r0, s0 = one[t], two[t], three[t], four[t]
        for i in range(width):
            x = columns[t, i]
            a, b, c, d = x - p0, x - q0, x - r0, x - s0
            p[i] = p[i] + a * a
            q[i] = q[i] + b * b
            r[i] = r[i] + c * c
            s[i] = s[i] + d * d


@numba.njit(nogil=True, cache=True)
def fill_group(columns: np.ndarray, width: int, centres: np.ndarray, first: int, squared: np.ndarray) -> int:
    """Squared distances to the next few centres, one line each, and how many lines these are."""
    if first + GROUP <= len(centres):
        fill_squared_four(columns, width, centres, first, squared)
        return GROUP
    fill_squared(columns, width, centres[first], squared[0])
    return 1


@numba.njit(nogil=True, cache=True)
def fill_nearest(
    columns: np.ndarray, width: int, centres: np.ndarray, squared: np.ndarray, best: np.ndarray, label: np.ndarray
) -> None:
    """Nearest centre of each row of a block and the squared distance to it; the first of equals.

    squared : room for GROUP lines of the block
    """
    for i in range(width):
        best[i], label[i] = np.inf, 0
    j = 0
    while j < len(centres):
        got = fill_group(columns, width, centres, j, squared)
        for g in range(got):
            for i in range(width):
                nearer = squared[g, i] < best[i]
                best[i] = squared[g, i] if nearer else best[i]
                label[i] = j + g if nearer else label[i]
        j += got


@numba.njit(nogil=True, cache=True)
def fill_nearest_two(
    columns: np.ndarray, width: int, centres: np.ndarray, squared: np.ndarray,
    best: np.ndarray, second: np.ndarray, label: np.ndarray,
) -> None:  # fmt: skip
    """As `fill_nearest`, with the squared distance to the second nearest centre."""
    for i in range(width):
        best[i], second[i], label[i] = np.inf, np.inf, 0
    j = 0
    while j < len(centres):
        got = fill_group(columns, width, centres, j, squared)
        for g in range(got):
            for i in range(width):
                value = squared[g, i]
                nearer = value < best[i]
                other = best[i] if nearer else value
                second[i] = other if other < second[i] else second[i]
                best[i] = value if nearer else best[i]
                label[i] = j + g if nearer else label[i]
        j += got


@numba.njit(nogil=True, cache=True)
def label_rows(points: np.ndarray, centres: np.ndarray, labels: np.ndarray) -> None:
    columns = np.empty((points.shape[1], CHUNK))
    squared, best, label = np.empty((GROUP, CHUNK)), np.empty(CHUNK), np.empty(CHUNK, np.int32)
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
    squared, best, second = np.empty((GROUP, CHUNK)), np.empty(CHUNK), np.empty(CHUNK)
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
    points: np.ndarray, blocks: np.ndarray, weights: np.ndarray, centres: np.ndarray, offsets: np.ndarray,
    labels: np.ndarray, until: np.ndarray, sums: np.ndarray, grid: np.ndarray, moving: np.ndarray, drift: np.ndarray,
) -> None:  # fmt: skip
    """Label rows anew for the models that still move, and carry over the sums of rows that changed side."""
    packed = np.zeros((points.shape[1], BLOCK), points.dtype)
    squared, best = np.empty((GROUP, BLOCK), points.dtype), np.empty(BLOCK, points.dtype)
    second, cut = np.empty(BLOCK, points.dtype), np.empty(len(grid))
    label, asked = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.uint32)
    for start in range(0, len(points), BLOCK):
        rows, columns = slice(start, min(start + BLOCK, len(points))), blocks[start // BLOCK]
        width = rows.stop - start
        for m in moving:
            first, last = offsets[m], offsets[m + 1]
            mine, due, far = labels[m, rows], until[m, rows], drift[first:last]
            count = fill_asked(mine, due, far, asked)
            # laying rows together costs about as much as measuring them against eight centres
            if count * (last - first + 8) < width * (last - first):
                for t in range(len(packed)):
                    for q in range(count):
                        packed[t, q] = columns[t, asked[q]]
                padded = (count + STEP - 1) // STEP * STEP
                fill_nearest_two(packed, padded, centres[first:last], squared, best, second, label)
            else:
                count = width
                asked[:count] = np.arange(count)
                fill_nearest_two(columns, width, centres[first:last], squared, best, second, label)
            for q in range(count):
                near, other = np.sqrt(best[q]), np.sqrt(second[q])
                due[asked[q]] = far[label[q]] * (1 - SLACK / 10) + (other - near) - SLACK * (other + near)
            carry_changes(points[rows], weights[rows], mine, label, asked, count, sums[first:last], grid, cut)


@numba.njit(nogil=True, cache=True)
def fill_asked(mine: np.ndarray, until: np.ndarray, drift: np.ndarray, asked: np.ndarray) -> int:
    """Rows of a block whose nearest centre is open again, and how many; all of them the first time."""
    count = 0
    for i in range(len(mine)):
        asked[count] = i
        count += drift[max(mine[i], 0)] >= until[i]
    return count


@numba.njit(nogil=True, cache=True)
def carry_changes(
    points: np.ndarray, weights: np.ndarray, mine: np.ndarray, label: np.ndarray, asked: np.ndarray, count: int,
    sums: np.ndarray, grid: np.ndarray, cut: np.ndarray,
) -> None:  # fmt: skip
    """Take over the new labels of the rows asked for, and carry their sums over; cut: room for a row on its grid."""
    wide = points.shape[1]
    for q in range(count):
        i, was, now = asked[q], mine[asked[q]], label[q]
        if was == now:
            continue
        mine[i] = now
        for t in range(wide):
            cut[t] = (weights[i] * np.float64(points[i, t]) + grid[t]) - grid[t]
        cut[wide] = (weights[i] + grid[wide]) - grid[wide]
        for t in range(wide + 1):
            sums[now, t] += cut[t]
        if was >= 0:
            for t in range(wide + 1):
                sums[was, t] -= cut[t]


@numba.njit(nogil=True, cache=True)
def add_row_sums(
    points: np.ndarray, weights: np.ndarray, centres: np.ndarray, offsets: np.ndarray,
    sums: np.ndarray, grid: np.ndarray,
) -> None:  # fmt: skip
    columns = np.empty((points.shape[1], CHUNK), points.dtype)
    squared, best = np.empty((GROUP, CHUNK), points.dtype), np.empty(CHUNK, points.dtype)
    label = np.empty(CHUNK, np.int32)
    for start in range(0, len(points), CHUNK):
        width = min(CHUNK, len(points) - start)
        fill_columns(points, start, width, columns)
        for m in range(len(offsets) - 1):
            first = offsets[m]
            fill_nearest(columns, width, centres[first : offsets[m + 1]], squared, best, label)
            for i in range(width):
                add_row(sums, first + label[i], points, start + i, weights[start + i], grid)


@numba.njit(nogil=True, cache=True)
def add_tally(
    points: np.ndarray, weights: np.ndarray, centres: np.ndarray, offsets: np.ndarray, sums: np.ndarray,
    folds: np.ndarray, column_grid: np.ndarray, squared_grid: float, share_grid: float,
) -> None:  # fmt: skip
    wide = points.shape[1]
    columns = np.empty((wide, CHUNK), points.dtype)
    squared, best = np.empty((GROUP, CHUNK), points.dtype), np.empty(CHUNK, points.dtype)
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
                add_row(sums, first + label[i], points, start + i, weight, column_grid)


@numba.njit(nogil=True, cache=True)
def add_scatter(
    points: np.ndarray, weights: np.ndarray, centres: np.ndarray, offsets: np.ndarray, means: np.ndarray,
    folds: np.ndarray, squared_grid: float, distance_grid: float,
) -> None:  # fmt: skip
    wide = points.shape[1]
    columns = np.empty((wide, CHUNK), points.dtype)
    squared, best = np.empty((GROUP, CHUNK), points.dtype), np.empty(CHUNK, points.dtype)
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
