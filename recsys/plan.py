"""What a plan is, and the proof of how far it is from the best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from recsys.limits import PAIRS, Limit
from recsys.ranking import unpack

BLOCK = 50_000  # customers of a sample


@dataclass(frozen=True)
class Plan:
    """A plan: offer index per customer or −1, its value, and how far at most the best plan is from it.

    `assignment` is (n,), or (n, K) with −1 behind the last offer where up to K > 1 are planned. `gap` is
    (upper_bound − value) / |upper_bound|. `usage` and `shadow_prices` are by limit name; a shadow price is what one
    more unit of the limit would earn: not negative for a ceiling, not positive for a floor.
    """

    assignment: np.ndarray
    value: float
    upper_bound: float
    gap: float
    usage: dict[str, float]
    shadow_prices: dict[str, float]


def upper_bound(
    values: np.ndarray,
    eligible: np.ndarray,
    limits: Sequence[Limit],
    prices: np.ndarray,
    per_customer: int = 1,
    group: np.ndarray | None = None,
) -> float:
    """No plan that keeps the limits is worth more: the Lagrangian bound at these prices, in float64.

    Σ_i max(0, best up to K of v_ij − Σ_l price_l · w_lij) + Σ_l price_l · total_l, prices ≥ 0 for "<=", ≤ 0 for ">=".
    """
    group = np.arange(values.shape[1]) if group is None else group
    total = sum(price * limit.total for price, limit in zip(prices, limits, strict=True))
    sums = [float(best_of(reduced, per_customer, group).sum()) for _, reduced in reduced_blocks(
        values, eligible, limits, prices)]  # fmt: skip
    return float(np.sum(sums) + total)


def reduced_blocks(
    values: np.ndarray, eligible: np.ndarray, limits: Sequence[Limit], prices: np.ndarray
) -> Iterator[tuple[slice, np.ndarray]]:
    """Values less the prices of what each pair uses, float64, −inf where not eligible; block by block of customers."""
    n, m = values.shape
    priced = [(limit, price) for limit, price in zip(limits, prices, strict=True) if price]
    same = np.zeros(m)
    for limit, price in priced:
        if limit.where is None and limit.weight.shape[0] == 1:
            same += price * np.broadcast_to(limit.weight, (1, m))[0]
    block = max(PAIRS // m, 1)
    for first in range(0, n, block):
        part = slice(first, min(first + block, n))
        reduced = np.where(unpack(eligible[part], m), values[part].astype(np.float64) - same, -np.inf)
        for limit, price in priced:
            if limit.where is None and limit.weight.shape[0] == 1:
                continue
            weight = limit.weight if limit.weight.shape[0] == 1 else limit.weight[part]
            if limit.where is None:
                reduced -= price * weight
            else:
                inside = np.flatnonzero(limit.where[part])
                reduced[inside] -= price * (weight if len(weight) == 1 else weight[inside])
        yield part, reduced


def best_of(reduced: np.ndarray, most: int, group: np.ndarray) -> np.ndarray:
    """Per row the sum of the best up to `most` positive values, one of a group."""
    if most == 1:
        return np.maximum(reduced.max(axis=1, initial=-np.inf), 0.0)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    best = np.maximum(np.maximum.reduceat(reduced[:, order], starts, axis=1), 0.0)
    if best.shape[1] > most:
        best = np.partition(best, best.shape[1] - most, axis=1)[:, -most:]
    return best.sum(axis=1)
