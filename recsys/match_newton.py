"""Prices of limits by Newton's method on the smoothed dual, over shards of customers.

The dual is Σ_i max(0, best reduced value) + prices · totals. Its maximum is smoothed by a temperature that falls step
by step (entropy smoothing: Nesterov 2005, Smooth minimization of non-smooth functions); few prices make the Hessian
small, so a pass over all customers per step is all it costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

# of the typical worth of a served customer; the colder the end, the fewer customers are left torn
TEMPERATURES = (0.4, 0.1, 0.025, 0.006, 0.0015)
NEAR = (0.006, 0.0015)  # from prices of other totals
LAST = (0.0015, 0.0004)  # from prices of a sample
STEPS = 8
ROUGH = 1e-4
HALVINGS = 12
SUFFICIENT = 1e-4  # Armijo's share of the promised decrease
RIDGE = 1e-4  # of the diagonal: limits that nobody is torn by have no curvature


class Slope(NamedTuple):
    """Smoothed dual at some prices, its gradient and Hessian by price, and the exact dual there."""

    smoothed: float
    gradient: np.ndarray
    hessian: np.ndarray
    exact: float


Smooth = Callable[[np.ndarray, float, bool], Slope]


class Descent(NamedTuple):
    """The prices with the least exact dual seen, those the method ended at, and the passes it took."""

    best: np.ndarray
    last: np.ndarray
    exact: float
    passes: int


def descent(smooth: Smooth, prices: np.ndarray, temperatures: Sequence[float], most: np.ndarray, tol: float) -> Descent:
    """Projected Newton steps at each temperature; prices stay within 0 … `most`."""
    best, least, passes = prices, np.inf, 0
    for tau in temperatures:
        # a warmer step only has to lead to the next
        close = tol if tau == temperatures[-1] else max(tol, ROUGH)
        here = smooth(prices, tau, True)
        passes += 1
        for _ in range(STEPS):
            if here.exact < least:
                best, least = prices, here.exact
            step = _step(here, prices, most)
            length, found = 1.0, None
            for _ in range(HALVINGS):
                there = np.clip(prices + length * step, 0.0, most)
                found = smooth(there, tau, True)
                passes += 1
                if found.smoothed <= here.smoothed + SUFFICIENT * float(here.gradient @ (there - prices)):
                    break
                length, found = length * 0.4, None
            if found is None:
                break
            gained = here.smoothed - found.smoothed
            prices, here = there, found
            if gained < close * abs(here.smoothed):
                break
        if here.exact < least:
            best, least = prices, here.exact
    return Descent(best, prices, least, passes)


def _step(here: Slope, prices: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Newton's step on the prices that may move."""
    gradient, hessian = here.gradient, here.hessian
    bound = ((prices <= 1e-12) & (gradient > 0)) | ((prices >= most) & (gradient < 0))
    free = ~bound
    step = np.zeros(len(prices))
    diagonal = np.maximum(np.diag(hessian), 0.0)
    # a limit that nobody is torn by moves by its own scale
    floor = np.maximum(diagonal * RIDGE, np.abs(gradient) / np.maximum(most, 1e-300) * 10 + 1e-12)
    for _ in range(5):
        at = np.flatnonzero(free)
        if not len(at):
            return step
        matrix = hessian[np.ix_(at, at)]
        # rounding may leave a diagonal a little below nothing
        np.fill_diagonal(matrix, diagonal[at] + floor[at])
        # rows of very different size (counts, money) are brought to one
        scale = 1.0 / np.sqrt(np.diag(matrix))
        step[:] = 0.0
        step[at] = -scale * np.linalg.solve(matrix * np.outer(scale, scale), scale * gradient[at])
        stuck = free & (prices <= 1e-12) & (step < 0)
        if not stuck.any():
            return step
        free &= ~stuck
    return step
