"""The compiled loop of iALS: one customer's (or item's) vector at a time, each on one thread from start to end.

A row's sums run in one order whatever the number of threads, so equal input gives equal bytes. `reassoc` lets the
compiler add whole vectors at once; it decides that when compiling, not when running.
"""

from __future__ import annotations

import numba
import numpy as np

FAST = {"reassoc", "contract", "nsz", "arcp"}
# items gathered at once: their vectors stay in the first-level cache while they are read twice
GROUP = 4


@numba.njit(nogil=True, cache=True, fastmath=FAST)
def fill_product(
    p: np.ndarray,
    gram: np.ndarray,
    penalty: float,
    items: np.ndarray,
    weights: np.ndarray,
    others: np.ndarray,
    out: np.ndarray,
) -> None:
    """out = (gram + penalty · I + Σ weight · h hᵀ) p over the row's items."""
    wide = len(p)
    for a in range(wide):
        out[a] = penalty * p[a]
    for b in range(wide):
        scale = p[b]
        line = gram[b]
        for a in range(wide):
            out[a] += scale * line[a]
    whole = len(items) - len(items) % GROUP
    for at in range(0, whole, GROUP):
        h0, h1, h2, h3 = others[items[at]], others[items[at + 1]], others[items[at + 2]], others[items[at + 3]]
        t0, t1, t2, t3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for a in range(wide):
            value = p[a]
            t0 += h0[a] * value
            t1 += h1[a] * value
            t2 += h2[a] * value
            t3 += h3[a] * value
        t0, t1, t2, t3 = t0 * weights[at], t1 * weights[at + 1], t2 * weights[at + 2], t3 * weights[at + 3]
        for a in range(wide):
            out[a] += (t0 * h0[a] + t1 * h1[a]) + (t2 * h2[a] + t3 * h3[a])
    for at in range(whole, len(items)):
        h = others[items[at]]
        t = np.float32(0)
        for a in range(wide):
            t += h[a] * p[a]
        t *= weights[at]
        for a in range(wide):
            out[a] += t * h[a]


@numba.njit(nogil=True, cache=True, fastmath=FAST)
def dot(left: np.ndarray, right: np.ndarray) -> np.float32:
    """Sum of products."""
    total = np.float32(0)
    for a in range(len(left)):
        total += left[a] * right[a]
    return total


@numba.njit(nogil=True, cache=True, fastmath=FAST)
def solve_rows(
    first: int,
    last: int,
    indptr: np.ndarray,
    indices: np.ndarray,
    weights: np.ndarray,
    others: np.ndarray,
    gram: np.ndarray,
    penalties: np.ndarray,
    steps: int,
    vectors: np.ndarray,
) -> None:
    """Bring rows first … last − 1 of `vectors` nearer to (gram + penalty · I + Σ w h hᵀ) x = Σ w h.

    Parameters
    ----------
    indptr, indices, weights : which of `others` a row touched (CSR), float32 weights
    others : vectors h of the other side, shape (m, d), float32
    gram : unobserved weight · Σ h hᵀ over all of them, shape (d, d), float32
    penalties : ridge of each row
    steps : of conjugate gradients, from where `vectors` stands now; rows that touched nothing become zero
    """
    wide = others.shape[1]
    r, p, ap = np.empty(wide, np.float32), np.empty(wide, np.float32), np.empty(wide, np.float32)
    for u in range(first, last):
        x = vectors[u]
        if indptr[u] == indptr[u + 1]:
            x[:] = 0
            continue
        items, weight = indices[indptr[u] : indptr[u + 1]], weights[indptr[u] : indptr[u + 1]]
        fill_product(x, gram, penalties[u], items, weight, others, ap)
        for a in range(wide):
            r[a] = -ap[a]
        for at in range(len(items)):
            h, w = others[items[at]], weight[at]
            for a in range(wide):
                r[a] += w * h[a]
        for a in range(wide):
            p[a] = r[a]
        squared = dot(r, r)
        enough = squared * np.float32(1e-12)
        for _ in range(steps):
            if squared <= enough:
                break
            fill_product(p, gram, penalties[u], items, weight, others, ap)
            length = squared / dot(p, ap)
            for a in range(wide):
                x[a] += length * p[a]
                r[a] -= length * ap[a]
            before = squared
            squared = dot(r, r)
            ratio = squared / before
            for a in range(wide):
                p[a] = r[a] + ratio * p[a]
