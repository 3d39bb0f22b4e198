"""Where the search for segments starts: one path of centres per seed, whose first k start every k."""

from __future__ import annotations

import numpy as np

from segmentation.kernels import fill_squared, writable


def start_path(points: np.ndarray, weights: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of k rows, each far from those before it: shape (k,).

    Greedy k-means++ (Arthur and Vassilvitskii 2007, SODA, 1027): each step draws a few rows in proportion to weight
    times squared distance to the nearest row so far, and keeps the one that leaves least. It never looks ahead, so
    the first j rows are a start for j segments.

    Parameters
    ----------
    points : shape (n, d), float32, in an order that content decides
    weights : shape (n,), at least k of them positive
    """
    points = writable(points)
    columns = np.ascontiguousarray(points.T)
    trials = 2 + int(np.log(k))
    draws = rng.random((k, trials))
    remaining = np.full(len(points), np.inf, dtype=points.dtype)
    squared = np.empty_like(remaining)
    chosen: list[int] = []
    for step in range(k):
        ladder = np.cumsum(weights * remaining if chosen else weights)
        tried = np.searchsorted(ladder, draws[step, : trials if chosen else 1] * ladder[-1], side="right")
        best = np.inf
        for position in np.minimum(tried, len(points) - 1):
            fill_squared(columns, len(points), points[position], squared)
            left = np.minimum(squared, remaining)
            potential = float((weights * left).sum())
            if potential < best:
                best, keep, after = potential, int(position), left
        chosen.append(keep)
        remaining = after
    return np.asarray(chosen)
