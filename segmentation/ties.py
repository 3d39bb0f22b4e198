"""The numbers of segments that the data cannot tell apart, and how far labelings agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def tie_set(ks: Sequence[int], values: np.ndarray, errors: np.ndarray, eligible: np.ndarray) -> tuple[int, ...]:
    """Every eligible k whose criterion (higher is better) is within one standard error of the best eligible one.

    The error is that of the difference: the root of both squared errors added. NaN errors (one seed) count as 0.
    After Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees, section 3.4.3.

    >>> tie_set([3, 4, 5], np.array([.40, .50, .51]), np.array([.01, .00, .02]), np.array([True, True, True]))
    (4, 5)
    """
    open_to = np.where(eligible, values, -np.inf)
    best = int(np.argmax(open_to))
    known = np.nan_to_num(errors, nan=0.0)
    within = open_to >= open_to[best] - np.hypot(known, known[best])
    return tuple(k for k, tied in zip(ks, within, strict=True) if tied)


def error_of_one_fit(figures: np.ndarray) -> np.ndarray:
    """Standard error of the fit that stands for a k: its deviation over seeds, shape (ks, seeds) to (ks,).

    Not divided by the root of the number of seeds: one fit stands for its k, not the mean of all. NaN for one seed.
    """
    if figures.shape[1] < 2:
        return np.full(len(figures), np.nan)
    deviation: np.ndarray = figures.std(axis=1, ddof=1)
    return deviation


def error_over_rows(figures: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Standard error of weighted means, because other rows might have been drawn: shape (..., rows) to (...)."""
    share = weights / weights.sum()
    around = figures - (figures @ share)[..., None]
    error: np.ndarray = np.sqrt((around * around) @ (share * share))
    return error


def agreement(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> float:
    """Adjusted Rand index of two labelings, a row of weight 2 counting as two customers.

    1 when they are the same, 0 as expected of chance (Hubert and Arabie 1985, Journal of Classification 2, 193).
    """
    k, other_k = int(one.max()) + 1, int(other.max()) + 1
    joint = np.bincount(one.astype(np.int64) * other_k + other, weights=weights, minlength=k * other_k)
    table = joint.reshape(k, other_k)
    inside, first, second = (_pairs(held) for held in (table, table.sum(axis=1), table.sum(axis=0)))
    expected = first * second / max(_pairs(np.array([table.sum()])), 1e-300)
    most = (first + second) / 2
    return 1.0 if most == expected else float((inside - expected) / (most - expected))


def agreement_of_seeds(labels: np.ndarray, weights: np.ndarray) -> float:
    """Mean agreement over all pairs of labelings, shape (seeds, n); NaN for a single one."""
    pairs = [(a, b) for i, a in enumerate(labels) for b in labels[:i]]
    return float(np.mean([agreement(a, b, weights) for a, b in pairs])) if pairs else float("nan")


def _pairs(held: np.ndarray) -> float:
    return float((held * (held - 1) / 2).sum())
