"""Did it work: extra takers per customer treated, with an interval, and whether the arms were mixed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from scenefit.contracts.errors import ContractError, EmptyArm


class Lift(NamedTuple):
    """Difference of two shares with its 95 % interval."""

    rate: float
    rate_control: float
    lift: float
    low: float
    high: float
    customers: int
    control: int


def lift(takers: int, customers: int, takers_control: int, control: int) -> Lift:
    """Extra takers per customer of an arm against its control.

    Raises
    ------
    EmptyArm : an arm has no customer.
    ContractError : fewer than 0 takers, or more than customers.

    Notes
    -----
    Interval for a difference of two proportions: Newcombe (1998), Statistics in Medicine 17, 873, method 10 (Wilson).

    >>> round(lift(56, 70, 48, 80).low, 4), round(lift(56, 70, 48, 80).high, 4)
    (0.0524, 0.3339)
    """
    if customers <= 0 or control <= 0:
        raise EmptyArm(f"lift: {customers:,} customers treated and {control:,} in control; both arms need at least one")
    for got, of in ((takers, customers), (takers_control, control)):
        if not 0 <= got <= of:
            raise ContractError(f"lift: {got:,} takers among {of:,} customers; count each customer once")
    p, q = takers / customers, takers_control / control
    low_p, high_p = _wilson(takers, customers)
    low_q, high_q = _wilson(takers_control, control)
    low = p - q - float(np.hypot(p - low_p, high_q - q))
    high = p - q + float(np.hypot(high_p - p, q - low_q))
    return Lift(p, q, p - q, low, high, customers, control)


def sample_ratio_p(counts: np.ndarray, shares: np.ndarray) -> float:
    """Probability of arm sizes this uneven when customers are truly mixed by `shares` (chi-square).

    A tiny value is a sample ratio mismatch: the assignment or the data is broken, no effect may be read.

    Raises
    ------
    EmptyArm : nobody was assigned.
    ContractError : fewer than two arms, or a share that is not positive.

    >>> sample_ratio_p(np.array([500, 500]), np.array([0.5, 0.5]))
    1.0
    """
    if len(counts) != len(shares) or len(counts) < 2 or not (shares > 0).all():
        raise ContractError(
            f"sample ratio: {len(counts)} arms with planned shares {shares.tolist()}; "
            "give at least two arms and a positive share for each"
        )
    if counts.sum() <= 0:
        raise EmptyArm(f"sample ratio: none of the {len(counts)} arms has a customer; assign some first")
    expected = counts.sum() * shares / shares.sum()
    return float(stats.chisquare(counts, expected).pvalue)


def _wilson(successes: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return float(centre - half), float(centre + half)
