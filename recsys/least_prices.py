"""Shadow prices that say what one more unit earns, where a programme leaves them open.

A limit that nobody can use, such as a capacity of 0, or a floor that takes everybody has many valid prices: any that
keeps all away, or all in, proves the same bound. The one that people mean is the least.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recsys.limits import Limit
from recsys.plan import reduced_blocks, upper_bound

WORSE = 1e-12  # of the bound, by which rounding may differ


def least_prices(
    values: np.ndarray,
    eligible: np.ndarray,
    limits: Sequence[Limit],
    prices: np.ndarray,
    suspects: Sequence[int],
    bound: float,
    per_customer: int,
    group: np.ndarray,
) -> np.ndarray:
    """The prices (signed: ceilings ≥ 0, floors ≤ 0) with those of `suspects` brought down to what a unit can be worth.

    No price changes that would loosen the bound.
    """
    found = prices.copy()
    for number in suspects:
        trial = found.copy()
        trial[number] = 0.0
        most = _worth_of_a_unit(values, eligible, limits, trial, number, per_customer)
        trial[number] = np.sign(prices[number]) * min(abs(prices[number]), max(most, 0.0))
        if upper_bound(values, eligible, limits, trial, per_customer, group) <= bound + WORSE * max(1.0, abs(bound)):
            found = trial
    return found


def _worth_of_a_unit(
    values: np.ndarray, eligible: np.ndarray, limits: Sequence[Limit], prices: np.ndarray, number: int, most: int
) -> float:
    """The dearest that anybody pays for a unit of a ceiling, or asks for a unit of a floor, at the other prices."""
    limit, top = limits[number], 0.0
    for part, reduced in reduced_blocks(values, eligible, limits, prices):
        rows = limit.weight if limit.weight.shape[0] == 1 else limit.weight[part]
        inside = np.ones(len(reduced), bool) if limit.where is None else limit.where[part]
        weight = np.broadcast_to(rows, reduced.shape) * inside[:, None]
        uses = (weight > 0) & np.isfinite(reduced)
        # with several offers each, the place taken may be an empty one
        other = np.maximum(np.where(uses, -np.inf, reduced).max(axis=1), 0.0) if most == 1 else np.zeros(len(reduced))
        gain = np.where(uses, reduced, 0.0) - other[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            unit = np.where(uses, gain / np.where(uses, weight, 1.0), -np.inf)
        if limit.sense == "<=":
            top = max(top, float(unit.max(initial=-np.inf)))
        else:
            best = unit.max(axis=1)
            top = max(top, float(-best[np.isfinite(best)].min(initial=0.0)))
    return top
