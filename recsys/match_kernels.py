"""The compiled passes over all customers: prices in, offers and what they use of every limit out.

Everything a limit weighs is one of three things, so that no pass looks at a weight that is zero: a count per offer, a
block of weights per pair, or an entry of the customer (`match_layout.Layout`). Every pass goes over a range of
customers and lets go of the interpreter; `match_passes` runs ranges side by side.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from recsys.match_layout import Laid, Prices

# an offer worth this many temperatures less than the best has no share: exp(-14) is below the error of float32
FAR = 14.0
FAST = {"contract", "reassoc", "nsz", "arcp"}


@numba.njit(cache=True, fastmath=FAST, inline="always")
def reduced_row(i: int, a: np.ndarray, laid: Laid, prices: Prices) -> None:
    """Write the customer's values less the prices of what each offer uses into `a`."""
    m = len(a)
    same = np.float32(0.0)
    for e in range(laid.own_indptr[i], laid.own_indptr[i + 1]):
        limit = laid.own_limit[e]
        if laid.own_vector[limit] < 0:
            same += prices.own[limit] * laid.own_weight[e]
    for j in range(m):
        a[j] = laid.values[i, j] - prices.offer[j] - same
    for e in range(laid.own_indptr[i], laid.own_indptr[i + 1]):
        limit = laid.own_limit[e]
        vector = laid.own_vector[limit]
        if vector >= 0:
            paid = prices.own[limit] * laid.own_weight[e]
            if paid != 0:
                for j in range(m):
                    a[j] -= paid * laid.vectors[vector, j]
    for b in range(len(prices.block)):
        price = prices.block[b]
        if price != 0:
            first = laid.block_start[b]
            if laid.block_full[b]:
                for j in range(m):
                    a[j] -= price * laid.pair[i, first + j]
            else:
                for c in range(first, laid.block_start[b + 1]):
                    a[laid.block_offer[c]] -= price * laid.pair[i, c]


@numba.njit(cache=True, inline="always")
def used_by(i: int, j: int, f: np.ndarray, laid: Laid) -> None:
    """What offering j to customer i uses of the pair blocks, then of the customer's own entries."""
    blocks = len(laid.block_start) - 1
    for b in range(blocks):
        place = laid.block_place[b, j]
        f[b] = laid.pair[i, place] if place >= 0 else 0.0
    first = laid.own_indptr[i]
    for e in range(first, laid.own_indptr[i + 1]):
        vector = laid.own_vector[laid.own_limit[e]]
        f[blocks + e - first] = laid.own_weight[e] * (laid.vectors[vector, j] if vector >= 0 else 1.0)


@numba.njit(cache=True, inline="always")
def add_moment(h: np.ndarray, x: float, j: int, f: np.ndarray, where: np.ndarray, d: int) -> None:
    """h += x · a aᵀ, where a is 1 at offer j and f at the customer's d limits."""
    h[j, j] += x
    for p in range(d):
        xf = x * f[p]
        h[j, where[p]] += xf
        for q in range(p + 1):
            h[where[p], where[q]] += xf * f[q]


@numba.njit(cache=True, inline="always")
def take_square(
    h: np.ndarray, weight: float, count: int, idx: np.ndarray, x: np.ndarray, total: np.ndarray, where: np.ndarray,
    d: int,
) -> None:  # fmt: skip
    """h -= weight · ā āᵀ, where ā is x at the offers idx[:count] and `total` at the customer's d limits."""
    for s in range(count):
        ws = weight * x[s]
        for t in range(count):
            h[idx[s], idx[t]] -= ws * x[t]
        for p in range(d):
            h[idx[s], where[p]] -= ws * total[p]
    for p in range(d):
        for q in range(p + 1):
            h[where[p], where[q]] -= weight * total[p] * total[q]


@numba.njit(cache=True, inline="always")
def _softmax(a: np.ndarray, tau: float, idx: np.ndarray, x: np.ndarray) -> tuple[int, Any, Any]:
    """Shares of the offers under a temperature, "none" among them; how many have one, the smoothed and exact best."""
    best = np.float32(0.0)
    for j in range(len(a)):
        best = max(best, a[j])
    inverse = np.float32(1.0) / tau
    cut = best - np.float32(FAR) * tau
    count = 0
    z = np.exp(-best * inverse)
    for j in range(len(a)):
        if a[j] > cut:
            e = np.exp((a[j] - best) * inverse)
            z += e
            idx[count] = j
            x[count] = e
            count += 1
    for s in range(count):
        x[s] /= z
    return count, best + tau * np.log(z), best


@numba.njit(cache=True, nogil=True, fastmath=FAST)
def smooth_pass(
    first: int, last: int, laid: Laid, prices: Prices, tau: float, curved: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smoothed worth of everybody's best choice, its slope and (when `curved`) curvature in the prices.

    Returns of customers first … last − 1: (smoothed, exact) worth; use of (offers, pair limits, own limits);
    curvature of the same.
    """
    m = laid.values.shape[1]
    blocks = len(prices.block)
    size = m + blocks + len(prices.own)
    worth = np.zeros(2)
    use = np.zeros(size)
    h = np.zeros((size, size)) if curved else np.zeros((1, 1))
    a = np.empty(m, np.float32)
    idx = np.empty(m, np.int64)
    x = np.empty(m)
    f = np.empty(size)
    total = np.empty(size)
    where = np.empty(size, np.int64)
    for b in range(blocks):
        where[b] = m + b
    for i in range(first, last):
        reduced_row(i, a, laid, prices)
        count, smoothed, best = _softmax(a, tau, idx, x)
        worth[0] += smoothed
        worth[1] += best
        if count == 0:
            continue
        d = blocks
        for e in range(laid.own_indptr[i], laid.own_indptr[i + 1]):
            where[d] = m + blocks + laid.own_limit[e]
            d += 1
        for p in range(d):
            total[p] = 0.0
        clear = count == 1 and x[0] > 0.9999
        for s in range(count):
            j = idx[s]
            used_by(i, j, f, laid)
            use[j] += x[s]
            for p in range(d):
                total[p] += x[s] * f[p]
            if curved and not clear:
                add_moment(h, x[s], j, f, where, d)
        for p in range(d):
            use[where[p]] += total[p]
        if curved and not clear:
            take_square(h, 1.0, count, idx, x, total, where, d)
    return worth, use, h


@numba.njit(cache=True, inline="always")
def _chosen(
    a: np.ndarray, most: int, group: np.ndarray, groups: int, best: np.ndarray, second: np.ndarray,
    picked: np.ndarray,
) -> tuple[int, Any, Any]:  # fmt: skip
    """The best up to `most` offers, one of a group, worth more than nothing: how many, the margin, the threshold."""
    never = np.float32(-3e38)
    if most == 1:
        top, next_, place = np.float32(0.0), never, -1
        for j in range(len(a)):
            if a[j] > top:
                next_ = top
                top, place = a[j], j
            elif a[j] > next_:
                next_ = a[j]
        picked[0] = place
        return (1 if place >= 0 else 0), top - next_ if place >= 0 else -next_, top
    owner = np.full(groups, -1, np.int64)
    for g in range(groups):
        best[g] = never
        second[g] = never
    for j in range(len(a)):
        g = group[j]
        if a[j] > best[g]:
            second[g] = best[g]
            best[g] = a[j]
            owner[g] = j
        elif a[j] > second[g]:
            second[g] = a[j]
    count, margin, least = 0, np.float32(3e38), np.float32(0.0)
    for k in range(most):
        place = -1
        top = np.float32(0.0)
        for g in range(groups):
            if best[g] > top:
                top, place = best[g], g
        if place < 0:
            break
        picked[k] = owner[place]
        margin = min(margin, top - max(second[place], np.float32(0.0)))
        least = top
        best[place] = never
        count += 1
    rest = never
    for g in range(groups):
        rest = max(rest, best[g])
    if count == most:
        margin = min(margin, least - max(rest, np.float32(0.0)))
        return count, margin, least
    return count, min(margin, -rest), np.float32(0.0)


@numba.njit(cache=True, nogil=True, fastmath=FAST)
def choice_pass(
    first: int, last: int, laid: Laid, prices: Prices, most: int, group: np.ndarray, picked: np.ndarray,
    margin: np.ndarray,
) -> None:  # fmt: skip
    """Everybody's best offers at the prices into `picked` (n, most), −1 for none, by what margin into `margin`."""
    m = laid.values.shape[1]
    groups = group.max() + 1
    a = np.empty(m, np.float32)
    best = np.empty(groups, np.float32)
    second = np.empty(groups, np.float32)
    own = np.empty(most, np.int64)
    for i in range(first, last):
        reduced_row(i, a, laid, prices)
        count, margin[i], _ = _chosen(a, most, group, groups, best, second, own)
        for k in range(most):
            picked[i, k] = own[k] if k < count else -1


@numba.njit(cache=True, nogil=True, fastmath=FAST)
def near_offers(
    rows: np.ndarray, laid: Laid, prices: Prices, most: int, group: np.ndarray, width: float
) -> tuple[np.ndarray, np.ndarray]:
    """For each of `rows`, the offers within `width` of those chosen: (numbers of rows, offers)."""
    m = laid.values.shape[1]
    groups = group.max() + 1
    a = np.empty(m, np.float32)
    best = np.empty(groups, np.float32)
    second = np.empty(groups, np.float32)
    own = np.empty(most, np.int64)
    room = 4 * len(rows) + m
    number = np.empty(room, np.int64)
    offer = np.empty(room, np.int64)
    count = 0
    for place in range(len(rows)):
        i = rows[place]
        reduced_row(i, a, laid, prices)
        _, _, threshold = _chosen(a, most, group, groups, best, second, own)
        if count + m > room:
            room = 2 * room
            wider, other = np.empty(room, np.int64), np.empty(room, np.int64)
            wider[:count] = number[:count]
            other[:count] = offer[:count]
            number, offer = wider, other
        for j in range(m):
            if a[j] >= threshold - width and a[j] > np.float32(-1e29):
                number[count] = place
                offer[count] = j
                count += 1
    return number[:count].copy(), offer[:count].copy()
