"""Whether one model is better than another on the same customers: paired intervals, corrected for many looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError, EmptyArm

RESAMPLES = 2_000
# customers resampled one by one; more are first put into as many equal groups at random
UNITS = 20_000
DRAWN = 4_000_000  # draws held at once


class Difference(NamedTuple):
    """Mean of a − b per customer with its interval, and the chance of one as far from 0 if there were none."""

    mean: float
    low: float
    high: float
    p: float
    customers: int
    resamples: int


def compare(
    a: np.ndarray, b: np.ndarray, rng: np.random.Generator, level: float = 0.95, resamples: int = RESAMPLES
) -> Difference:
    """How much better a is than b on the same customers, by a paired bootstrap over customers.

    Parameters
    ----------
    a, b : shape (customers,), the same metric of the same customers
    level : of the interval (percentiles of the resampled means)

    Raises
    ------
    ContractError : shapes differ, a value is missing, or fewer than 1,000 resamples are asked for.
    EmptyArm : fewer than two customers.

    Notes
    -----
    Efron & Tibshirani (1993), chapter 13. The two-sided p-value is twice the smaller share of resampled means on the
    other side of 0, (1 + count) / (1 + resamples). Above 20,000 customers groups of customers are resampled instead:
    the spread of the mean is the same.
    """
    if a.shape != b.shape or a.ndim != 1 or resamples < 1_000:
        raise ContractError(
            f"compare: shapes {a.shape} and {b.shape}, {resamples:,} resamples; give both models' values of the same "
            "customers, and 1,000 resamples or more"
        )
    if np.isnan(a).any() or np.isnan(b).any():
        raise ContractError("compare: a value is NaN; leave customers without a target out on both sides")
    n = len(a)
    if n < 2:
        raise EmptyArm(f"compare: {n} customers; a difference needs two or more")
    apart = np.asarray(a, np.float64) - b
    units = min(n, UNITS)
    group = np.arange(n) if n == units else rng.permutation(n) % units
    sums, sizes = np.bincount(group, apart), np.bincount(group)
    means = _resampled(sums, sizes, rng, resamples)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    aside = min(int((means <= 0).sum()), int((means >= 0).sum()))
    p = min(1.0, 2 * (1 + aside) / (1 + resamples))
    return Difference(float(apart.mean()), float(low), float(high), p, n, resamples)


def holm(p: np.ndarray) -> np.ndarray:
    """p-values corrected for looking several times (Holm 1979): below α, all are right at once with 1 − α.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, np.float64)
    if np.isnan(values).any() or ((values < 0) | (values > 1)).any():
        raise ContractError(f"holm: p-values {values.tolist()}; each must lie in [0, 1]")
    order = np.argsort(values, kind="stable")
    corrected = np.empty(len(values))
    corrected[order] = np.maximum.accumulate(np.minimum(values[order] * np.arange(len(values), 0, -1), 1))
    return corrected


def better_than(
    ours: np.ndarray,
    others: Mapping[str, np.ndarray],
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> pd.DataFrame:
    """Whether a model beats each of several others on the same customers, one row per opponent.

    Columns: model (the opponent), mean (ours − theirs), low, high, p, customers, resamples, holm (corrected p),
    verdict "better", "worse" or "not told apart". The verdict follows the corrected p; the interval is of that
    comparison alone.
    """
    found = {name: compare(ours, values, rng, level, resamples) for name, values in others.items()}
    table = pd.DataFrame(list(found.values()), columns=list(Difference._fields))
    table.insert(0, "model", list(found))
    table["holm"] = holm(table["p"].to_numpy(float))
    certain = table["holm"] < 1 - level
    table["verdict"] = np.select([certain & (table["mean"] > 0), certain], ["better", "worse"], "not told apart")
    return table


def _resampled(sums: np.ndarray, sizes: np.ndarray, rng: np.random.Generator, resamples: int) -> np.ndarray:
    """Means over units drawn with replacement, one per resample."""
    units = len(sums)
    step = max(1, DRAWN // units)
    means = []
    for start in range(0, resamples, step):
        drawn = rng.integers(0, units, (min(step, resamples - start), units), dtype=np.int32)
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    return np.concatenate(means)
