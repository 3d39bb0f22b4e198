"""The compiled pass where a customer may get several offers, at most one of a group."""

from __future__ import annotations

import numba
import numpy as np

from recsys.match_kernels import FAR, FAST, add_moment, reduced_row, take_square, used_by
from recsys.match_layout import Laid, Prices


@numba.njit(cache=True, inline="always")
def _shares_of_several(
    a: np.ndarray, tau: float, most: int, group: np.ndarray, groups: int, z: np.ndarray, y: np.ndarray,
    idx: np.ndarray, x: np.ndarray,
) -> tuple[int, float, float, float]:  # fmt: skip
    """Shares of the offers where up to `most` groups may be served, one offer of a group; the threshold's part too.

    Entropy-smoothed: y_g = σ((z_g − t)/τ), z_g the soft best of group g, t ≥ 0 such that Σ y ≤ most.
    """
    best = np.full(groups, np.float32(-3e38))
    for j in range(len(a)):
        best[group[j]] = max(best[group[j]], a[j])
    exact, low, high = 0.0, 0.0, 0.0
    for g in range(groups):
        z[g] = 0.0
        high = max(high, best[g])
    for j in range(len(a)):
        g = group[j]
        if best[g] > -FAR * tau and a[j] > best[g] - FAR * tau:
            z[g] += np.exp((a[j] - best[g]) / tau)
    served = 0.0
    for g in range(groups):
        z[g] = best[g] + tau * np.log(z[g]) if z[g] > 0 else -1e30
        y[g] = 1.0 / (1.0 + np.exp(-max(-500.0, min(500.0, z[g] / tau))))
        served += y[g]
    t = 0.0
    if served > most:
        high += 30 * tau
        for _ in range(60):
            t = 0.5 * (low + high)
            served = 0.0
            for g in range(groups):
                served += 1.0 / (1.0 + np.exp(-max(-500.0, min(500.0, (z[g] - t) / tau))))
            if served > most:
                low = t
            else:
                high = t
    smoothed = most * t
    for g in range(groups):
        v = (z[g] - t) / tau
        y[g] = 1.0 / (1.0 + np.exp(-max(-500.0, min(500.0, v))))
        smoothed += tau * (max(v, 0.0) + np.log1p(np.exp(-abs(v))))
    for _ in range(most):
        top, place = 0.0, -1
        for g in range(groups):
            if best[g] > top:
                top, place = best[g], g
        if place < 0:
            break
        exact += top
        best[place] = np.float32(-3e38)
    count = 0
    for j in range(len(a)):
        g = group[j]
        if y[g] > 1e-7 and a[j] > z[g] - FAR * tau:
            x[count] = y[g] * np.exp((a[j] - z[g]) / tau)
            idx[count] = j
            count += 1
    return count, smoothed, exact, t


@numba.njit(cache=True, nogil=True, fastmath=FAST)
def smooth_pass_of_several(
    first: int, last: int, laid: Laid, prices: Prices, tau: float, curved: bool, most: int, group: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `smooth_pass`, for up to `most` offers each and at most one of a group."""
    m = laid.values.shape[1]
    blocks = len(prices.block)
    groups = group.max() + 1
    size = m + blocks + len(prices.own)
    worth = np.zeros(2)
    use = np.zeros(size)
    h = np.zeros((size, size)) if curved else np.zeros((1, 1))
    a = np.empty(m, np.float32)
    idx = np.empty(m, np.int64)
    x = np.empty(m)
    f = np.empty(size)
    z = np.empty(groups)
    y = np.empty(groups)
    where = np.empty(size, np.int64)
    part = np.empty(size)
    ends = np.empty(m)
    tops = np.empty(m, np.int64)
    for b in range(blocks):
        where[b] = m + b
    for i in range(first, last):
        reduced_row(i, a, laid, prices)
        count, smoothed, exact, t = _shares_of_several(a, tau, most, group, groups, z, y, idx, x)
        worth[0] += smoothed
        worth[1] += exact
        if count == 0:
            continue
        d = blocks
        for e in range(laid.own_indptr[i], laid.own_indptr[i + 1]):
            where[d] = m + blocks + laid.own_limit[e]
            d += 1
        for s in range(count):
            used_by(i, idx[s], f, laid)
            use[idx[s]] += x[s]
            for p in range(d):
                use[where[p]] += x[s] * f[p]
            if curved:
                add_moment(h, x[s], idx[s], f, where, d)
        if not curved:
            continue
        # each group's own square, then the one that ties groups to the threshold
        spread = 0.0
        for g in range(groups):
            spread += y[g] * (1.0 - y[g])
        for g in range(groups):
            inside = 0
            for p in range(d):
                part[p] = 0.0
            for s in range(count):
                if group[idx[s]] == g:
                    tops[inside] = idx[s]
                    ends[inside] = x[s]
                    inside += 1
                    used_by(i, idx[s], f, laid)
                    for p in range(d):
                        part[p] += x[s] * f[p]
            if inside:
                take_square(h, 1.0, inside, tops, ends, part, where, d)
        if t > 0 and spread > 1e-12:
            for p in range(d):
                part[p] = 0.0
            for s in range(count):
                ends[s] = x[s] * (1.0 - y[group[idx[s]]])
                used_by(i, idx[s], f, laid)
                for p in range(d):
                    part[p] += ends[s] * f[p]
            take_square(h, 1.0 / spread, count, idx, ends, part, where, d)
    return worth, use, h
