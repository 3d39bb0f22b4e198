"""A value's place among everybody, as rules ask for the top or bottom of a column."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError
from segmentation.rule_values import Held, amounts, held, instants, known


def placed(series: pd.Series, low: float, high: float) -> np.ndarray:
    """Which values stand from the share `low` to below the share `high` among all known ones, bool of shape (n,).

    A value's place is the share of known values that are smaller. Equal values share one place, that of the first of
    them: a top fifth never holds more than a fifth, a bottom fifth never less, and neighbouring bands share nobody.
    A gap has no place.
    """
    holds = held(series)
    require_order(str(series.name), holds)
    found = np.zeros(len(series), dtype=bool)
    if holds == "empty":
        return found
    has = known(series)
    values = (instants(series) if holds in ("moment", "local moment") else amounts(series))[has]
    n = len(values)
    first, last = _least(low, n), _least(high, n)
    # at least k values are smaller than v just where the k-th smallest is
    edges = np.partition(values, [max(k - 1, 0) for k in (first, last)]) if n else values
    inside = np.ones(n, dtype=bool)
    if first > 0:
        inside &= values > edges[first - 1]
    if last < n:
        inside &= values <= edges[last - 1] if last > 0 else False
    found[has] = inside
    return found


def require_order(name: str, holds: Held) -> None:
    """Refuse to rank values that have no order."""
    if holds in ("text", "bool"):
        raise ContractError(
            f"rule: column {name!r} holds {holds} values, which have no order; "
            "ask for a percentage of numbers or moments"
        )


def _least(share: float, n: int) -> int:
    """The least count that is at least this share of n; the quotient decides, as it does in SQL."""
    count = min(max(int(share * n) - 1, 0), n)
    while count < n and count / n < share:
        count += 1
    return count
