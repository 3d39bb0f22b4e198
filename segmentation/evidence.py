"""Is a subgroup's rate more than chance? Exact tails, corrections for many looks, and an interval for the lift."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

# two-sided 95 %
Z95 = 1.959963984540054


class Interval(NamedTuple):
    """Lower and upper ends, one per rule."""

    low: np.ndarray
    high: np.ndarray


def chance_of_at_least(hits: ArrayLike, size: ArrayLike, positives: ArrayLike, rows: ArrayLike) -> np.ndarray:
    """P(a random group of `size` out of `rows`, `positives` of them with the outcome, holds `hits` or more).

    The exact one-sided hypergeometric tail (Fisher 1935), summed term by term for all rules at once; scipy's
    `hypergeom.sf` gives the same numbers one rule at a time.

    >>> float(chance_of_at_least(2, 2, 2, 4)[0].round(6))  # 1 of the 6 pairs
    0.166667
    """
    given = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (hits, size, positives, rows))
    )
    x, n, good, total = (values.ravel() for values in given)
    tail = np.ones(len(x))
    above = x > n * good / total
    tail[above] = _tail_sum(x[above], n[above], good[above], total[above], upwards=True)
    below = ~above & (x > np.maximum(0, n + good - total))
    tail[below] = 1 - _tail_sum(x[below] - 1, n[below], good[below], total[below], upwards=False)
    return np.clip(tail, 0.0, 1.0)


def _tail_sum(x: np.ndarray, n: np.ndarray, good: np.ndarray, total: np.ndarray, upwards: bool) -> np.ndarray:
    """P(H >= x) upwards or P(H <= x) downwards, for x on that side of the mean, where the terms shrink."""
    relative = np.ones(len(x))
    active = np.arange(len(x))
    j, term, size, hit, rows = x.copy(), np.ones(len(x)), n, good, total
    while len(active):
        if upwards:
            term = term * ((hit - j) * (size - j) / ((j + 1) * (rows - hit - size + j + 1)))
            j = j + 1
        else:
            term = term * (j * (rows - hit - size + j) / ((hit - j + 1) * (size - j + 1)))
            j = j - 1
        relative[active] += term
        going = term > 1e-17 * relative[active]
        active, j, term, size, hit, rows = (values[going] for values in (active, j, term, size, hit, rows))
    return np.exp(_log_mass(x, n, good, total)) * relative


def _log_mass(x: np.ndarray, n: np.ndarray, good: np.ndarray, total: np.ndarray) -> np.ndarray:
    from scipy.special import gammaln

    def ways(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        chosen: np.ndarray = gammaln(a + 1) - gammaln(b + 1) - gammaln(a - b + 1)
        return chosen

    return ways(good, x) + ways(total - good, n - x) - ways(total, n)


def benjamini_hochberg(p: np.ndarray, tests: int | None = None) -> np.ndarray:
    """Adjusted p: rejecting all at or below q keeps the expected share of false ones among them at or below q.

    Benjamini and Hochberg (1995), Journal of the Royal Statistical Society B 57, 289. `tests` is the number of looks
    where only the smallest p are handed over; the adjusted values of these are the same up to the largest p given.

    >>> benjamini_hochberg(np.array([.01, .04, .03, .5])).round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.5]
    >>> benjamini_hochberg(np.array([.01, .04, .03]), tests=4).round(4).tolist()
    [0.04, 0.0533, 0.0533]
    """
    order = np.argsort(p, kind="stable")
    scaled = p[order] * (len(p) if tests is None else tests) / np.arange(1, len(p) + 1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1)
    return adjusted


def holm(p: np.ndarray) -> np.ndarray:
    """Adjusted p: rejecting all at or below a keeps the chance of even one false rejection at or below a.

    Holm (1979), Scandinavian Journal of Statistics 6, 65.

    >>> holm(np.array([.01, .04, .03])).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    scaled = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return adjusted


def lift_interval(hits: np.ndarray, size: np.ndarray, positives: ArrayLike, rows: ArrayLike) -> Interval:
    """95 % interval of the lift: the subgroup's rate over the rate of everybody, itself included.

    The delta method on the log scale of Katz, Baptista, Azen and Pike (1978), Biometrics 34, 469, with the covariance
    of a part and its whole: log(r1 / r) moves with r1 by 1/r1 - w/r and with the others' rate r2 by -(1 - w)/r, where
    w is the subgroup's share. Needs at least one hit per rule.
    """
    positives, rows = np.asarray(positives, dtype=np.float64), np.maximum(np.asarray(rows, dtype=np.float64), 1)
    share = size / rows
    rate, base = hits / size, positives / rows
    others = np.maximum(rows - size, 1)
    # half a case more on either side: without it the interval has no width when the group holds every case
    rate_others = (positives - hits + 0.5) / (others + 1)
    variance = (1 / rate - share / base) ** 2 * rate * (1 - rate) / size
    variance += ((1 - share) / base) ** 2 * rate_others * (1 - rate_others) / others
    reach = np.exp(Z95 * np.sqrt(variance))
    return Interval(rate / base / reach, rate / base * reach)


def share_interval(hits: np.ndarray, size: np.ndarray) -> Interval:
    """95 % interval of a share, Wilson (1927), Journal of the American Statistical Association 22, 209.

    NaN where nobody was counted.

    >>> [float(end[0].round(3)) for end in share_interval(np.array([1]), np.array([10]))]
    [0.018, 0.404]
    """
    hits, size = np.asarray(hits, dtype=np.float64), np.asarray(size, dtype=np.float64)
    some = np.where(size > 0, size, np.nan)
    rate, square = hits / some, Z95 * Z95
    centre = (rate + square / (2 * some)) / (1 + square / some)
    reach = Z95 * np.sqrt(rate * (1 - rate) / some + square / (4 * some * some)) / (1 + square / some)
    return Interval(np.maximum(centre - reach, 0), np.minimum(centre + reach, 1))


def difference_interval(hits: np.ndarray, size: np.ndarray, others: np.ndarray, rest: np.ndarray) -> Interval:
    """95 % interval of the difference of two shares, hits / size less others / rest.

    Newcombe (1998), Statistics in Medicine 17, 873, method 10: built from Wilson's intervals, so that it stays
    inside [-1, 1] and holds for rare outcomes.

    >>> ends = difference_interval(np.array([56]), np.array([70]), np.array([48]), np.array([80]))
    >>> [float(end[0].round(4)) for end in ends]
    [0.0524, 0.3339]
    """
    inside, outside = share_interval(hits, size), share_interval(others, rest)
    rate = np.asarray(hits) / np.where(np.asarray(size) > 0, size, np.nan)
    other = np.asarray(others) / np.where(np.asarray(rest) > 0, rest, np.nan)
    below = np.sqrt((rate - inside.low) ** 2 + (outside.high - other) ** 2)
    above = np.sqrt((inside.high - rate) ** 2 + (other - outside.low) ** 2)
    return Interval(rate - other - below, rate - other + above)
