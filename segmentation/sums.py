"""Sums that do not depend on the order of what is added, so that shards, threads and shuffled rows give equal bytes.

Each summand is cut to a grid so coarse that no partial sum is ever rounded; what was cut off goes to a second, finer
grid where that matters. After Demmel and Nguyen (2013), Fast Reproducible Floating-Point Summation, ARITH, 163.
"""

from __future__ import annotations

import math

import numpy as np

from segmentation.kernels import FINER


def carry(bound: float) -> float:
    """The number whose addition and subtraction cuts a summand to the grid for sums of magnitude up to `bound`."""
    exponent = math.frexp(max(bound, 1e-280))[1] + 1
    return 1.5 * 2.0**exponent


def carries(bounds: np.ndarray) -> np.ndarray:
    """`carry` of each bound."""
    return np.array([carry(float(bound)) for bound in bounds])


def total(values: np.ndarray) -> float:
    """Sum of values in any order: the grid follows from their number and the largest of them."""
    if not values.size:
        return 0.0
    first = carry(float(np.abs(values).max()) * values.size)
    kept = (values + first) - first
    second = first * FINER
    rest = ((values - kept) + second) - second
    return float(kept.sum()) + float(rest.sum())
