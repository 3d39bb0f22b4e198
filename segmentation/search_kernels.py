"""The compiled loops of the subgroup search, all in one file: numba's cache watches only the file of a function.

Counts are whole numbers and every place of an output is written by one thread, so the number of threads changes
nothing. Arguments are those of the public functions that call the loops.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

# words of one block: those of a rule stay in the first-level cache, those of all selectors in the second
BLOCK = 512
# pieces of work handed to threads; more than threads, so that none waits long for another
PARTS = 32
# terms of a tail below this share of the largest one are left out above, where they are asked for, and below
TINY = 1e-290
UNSEEN = 1e-22


@intrinsic
def ones_of(typing_context: Any, word: Any) -> Any:  # noqa: ARG001
    """Bits set in a word, by the processor's own instruction."""

    def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generated


@numba.njit(nogil=True, cache=True)
def shared_ones(one: np.ndarray, other: np.ndarray) -> int:
    found = np.uint64(0)
    for w in range(len(one)):
        # an intrinsic takes a typing context of its own, which only a type checker misses
        found += ones_of(one[w] & other[w])  # type: ignore[call-arg]
    return int(found)


@numba.njit(nogil=True, cache=True)
def fill_inside(
    fits: np.ndarray, planes: np.ndarray, head: np.ndarray, start: int, width: int, inside: np.ndarray
) -> None:
    """Members of a rule's head in one block of words, and those of them in each plane; −1 stands for no condition."""
    members = inside[0, :width]
    members[:] = ~np.uint64(0)
    for selector in head:
        if selector >= 0:
            members &= fits[selector, start : start + width]
    for plane in range(len(planes)):
        inside[plane + 1, :width] = members & planes[plane, start : start + width]


@numba.njit(nogil=True, cache=True)
def fill_part(
    fits: np.ndarray,
    planes: np.ndarray,
    heads: np.ndarray,
    head: np.ndarray,
    last: np.ndarray,
    first: int,
    stop: int,
    counts: np.ndarray,
) -> None:
    """Count the rules from `first` to `stop`: `heads[head[r]]` and the selector `last[r]`."""
    words = fits.shape[1]
    inside = np.empty((len(planes) + 1, BLOCK), np.uint64)
    for start in range(0, words, BLOCK):
        width = min(BLOCK, words - start)
        now = -1
        for r in range(first, stop):
            if head[r] != now:
                now = head[r]
                fill_inside(fits, planes, heads[now], start, width, inside)
            # rows of one slice each are known to lie together, so that the compiler counts several words at once
            row = fits[last[r], start : start + width]
            for plane in range(len(inside)):
                counts[r, plane] += shared_ones(inside[plane, :width], row)


@numba.njit(nogil=True, cache=True, parallel=True)
def fill_counts(
    fits: np.ndarray, planes: np.ndarray, heads: np.ndarray, head: np.ndarray, last: np.ndarray, counts: np.ndarray
) -> None:
    rules = len(head)
    for part in numba.prange(PARTS):
        fill_part(fits, planes, heads, head, last, rules * part // PARTS, rules * (part + 1) // PARTS, counts)


@numba.njit(nogil=True, cache=True)
def fill_joins(
    last: np.ndarray, ends: np.ndarray, allowed: np.ndarray, first: int, stop: int, one: np.ndarray, other: np.ndarray
) -> int:
    """Pairs of rules that differ in their last condition alone and whose last conditions may stand together."""
    found = 0
    for r in range(first, stop):
        for s in range(r + 1, ends[r]):
            if allowed[last[r], last[s]]:
                one[found], other[found] = r, s
                found += 1
    return found


@numba.njit(nogil=True, cache=True)
def fill_tail(size: int, positives: int, rows: int, tail: np.ndarray) -> tuple[int, int, float]:
    """Upper tails of one rule, unscaled: P(H > h) + P(H = h) / 2 is tail[h] / total for h from `low` to `high`.

    Terms grow from the mode by their ratios and are scaled by their sum: no factorial, no lost digit.
    """
    least, most = max(0, size + positives - rows), min(size, positives)
    mode = min(max((size + 1) * (positives + 1) // (rows + 2), least), most)
    tail[mode] = 1.0
    high, term = mode, 1.0
    while high < most and term > TINY:
        term *= float(positives - high) * float(size - high)
        term /= float(high + 1) * float(rows - positives - size + high + 1)
        high += 1
        tail[high] = term
    low, term = mode, 1.0
    while low > least and term > UNSEEN:
        term *= float(low) * float(rows - positives - size + low)
        term /= float(positives - low + 1) * float(size - low + 1)
        low -= 1
        tail[low] = term
    total = 0.0
    for h in range(high, low - 1, -1):
        term = tail[h]
        tail[h] = total + term / 2
        total += term
    return low, high, total


@numba.njit(nogil=True, cache=True)
def tail_at(hits: int, tail: np.ndarray, low: int, high: int, total: float) -> float:
    return 1.0 if hits < low else tail[min(hits, high)] / total


@numba.njit(nogil=True, cache=True, parallel=True)
def fill_hits(
    drawn: np.ndarray, no_planes: np.ndarray, heads: np.ndarray, head: np.ndarray, last: np.ndarray, hits: np.ndarray
) -> None:
    """Count rules among those whom each permutation draws, one permutation per turn."""
    for b in numba.prange(len(drawn)):
        fill_part(drawn[b], no_planes, heads, head, last, 0, len(head), hits[b])


@numba.njit(nogil=True, cache=True)
def fill_mid_p_part(
    sizes: np.ndarray,
    hits: np.ndarray,
    order: np.ndarray,
    positives: int,
    rows: int,
    first: int,
    stop: int,
    p: np.ndarray,
) -> None:
    """p of the rules from `first` to `stop` of an order by size: those of one size share a tail."""
    tail = np.empty(positives + 1)
    size, low, high, total = -1, 0, 0, 1.0
    for r in order[first:stop]:
        if sizes[r] != size:
            size = sizes[r]
            low, high, total = fill_tail(size, positives, rows, tail)
        p[r] = tail_at(hits[r], tail, low, high, total)


@numba.njit(nogil=True, cache=True, parallel=True)
def fill_mid_p(
    sizes: np.ndarray, hits: np.ndarray, order: np.ndarray, positives: int, rows: int, p: np.ndarray
) -> None:
    rules = len(sizes)
    for part in numba.prange(PARTS):
        first, stop = rules * part // PARTS, rules * (part + 1) // PARTS
        fill_mid_p_part(sizes, hits, order, positives, rows, first, stop, p)


@numba.njit(nogil=True, cache=True)
def fill_least_part(
    sizes: np.ndarray,
    hits: np.ndarray,
    order: np.ndarray,
    positives: int,
    rows: int,
    first: int,
    stop: int,
    least: np.ndarray,
) -> None:
    """Lower `least`, one place per permutation, to the smallest p of the rules from `first` to `stop` of an order."""
    tail = np.empty(positives + 1)
    size, low, high, total = -1, 0, 0, 1.0
    for r in order[first:stop]:
        if sizes[r] != size:
            size = sizes[r]
            low, high, total = fill_tail(size, positives, rows, tail)
        for b in range(len(least)):
            least[b] = min(least[b], tail_at(hits[b, r], tail, low, high, total))


@numba.njit(nogil=True, cache=True, parallel=True)
def fill_least(
    sizes: np.ndarray, hits: np.ndarray, order: np.ndarray, positives: int, rows: int, least: np.ndarray
) -> None:
    rules = len(sizes)
    for part in numba.prange(PARTS):
        first, stop = rules * part // PARTS, rules * (part + 1) // PARTS
        fill_least_part(sizes, hits, order, positives, rows, first, stop, least[part])
