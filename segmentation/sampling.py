"""A sample of customers that does not change when customers are shuffled: different rows, each with its weight."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from segmentation.distances import key_order

# each seed leaves out one fold of the sample, so that seeds disagree where the data does not decide
FOLDS = 5


class Sample(NamedTuple):
    """Different rows in an order that content decides, and how many customers each stands for."""

    points: np.ndarray
    weights: np.ndarray

    def part(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions of about `rows` of the rows, drawn in proportion to their weights, and their new weights."""
        if len(self.points) <= rows:
            return np.arange(len(self.points)), self.weights
        positions, counts = np.unique(_systematic(self.weights, rows), return_counts=True)
        return positions, counts.astype(np.float64)

    def without_fold(self, fold: int) -> np.ndarray:
        """Weights without one fifth of the customers; equal customers are spread over the fifths."""
        whole = np.floor(self.weights)
        # customers of row i stand in fifths i, i + 1, i + 2, …; a broken one comes last
        first = (fold - np.arange(len(whole))) % FOLDS
        out = np.floor((whole - first + FOLDS - 1) / FOLDS)
        out += np.where((whole - first) % FOLDS == 0, self.weights - whole, 0)
        return self.weights - out


def sample_positions(keys: np.ndarray, weights: np.ndarray | None, size: int) -> np.ndarray:
    """Positions of the rows of a random sample; a heavy row may come several times. All rows when they are few.

    Parameters
    ----------
    keys : `content_keys` of all rows
    weights : a row is drawn in proportion to its weight
    """
    if len(keys) <= size:
        return np.arange(len(keys))
    order = key_order(keys, weights)
    return order[:size] if weights is None else order[_systematic(weights[order], size)]


def distinct_sample(points: np.ndarray, keys: np.ndarray, weights: np.ndarray) -> Sample:
    """Equal rows put together, in the random order of their keys."""
    order = np.lexsort((weights, keys))
    grouped = keys[order]
    first = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]])
    return Sample(np.ascontiguousarray(points[order[first]]), np.add.reduceat(weights[order], first))


def _systematic(weights: np.ndarray, size: int) -> np.ndarray:
    ladder = np.cumsum(weights)
    steps = (np.arange(size) + 0.5) * (ladder[-1] / size)
    return np.minimum(np.searchsorted(ladder, steps, side="right"), len(weights) - 1)
