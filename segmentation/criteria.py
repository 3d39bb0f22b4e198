"""How well each labeling separates its customers: criteria of many models from two passes over any shards of rows.

Distances in float32, everything summed on grids in float64 (see segmentation.sums), so that the figures depend neither
on the order of rows nor on how they are split.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from segmentation.kernels import add_scatter, add_tally, writable
from segmentation.lloyd import Stack
from segmentation.sums import carry


class Tally(NamedTuple):
    """First pass: weighted sums and weights of each segment (K, d + 1); folded inertia and simplified silhouette."""

    sums: np.ndarray
    folds: np.ndarray


class Criteria(NamedTuple):
    """Figures of each model, one line per model; all but `counts` as in scikit-learn where it has them."""

    counts: list[np.ndarray]
    inertia: np.ndarray
    simplified: np.ndarray
    calinski_harabasz: np.ndarray
    davies_bouldin: np.ndarray

    @property
    def smallest_share(self) -> np.ndarray:
        """Share of customers in the smallest segment of each model."""
        return np.array([held.min() / held.sum() for held in self.counts])


class Grids(NamedTuple):
    """Grids of the sums: columns and weights (d + 1,), squared distances, distances, shares."""

    columns: np.ndarray
    squared: float
    distance: float
    share: float


def grids(columns: np.ndarray, largest: np.ndarray, weight: float) -> Grids:
    """Grids for rows whose columns reach `largest` and whose weights sum up to `weight`."""
    reach = float((4 * largest.astype(np.float64) ** 2).sum())
    return Grids(columns, carry(reach * weight), carry(np.sqrt(reach) * weight), carry(weight))


def tally(points: np.ndarray, weights: np.ndarray, stack: Stack, grid: Grids) -> Tally:
    """First pass over some rows: sums of each segment, inertia and simplified silhouette of each model."""
    found = Tally(np.zeros((len(stack.centres), points.shape[1] + 1)), np.zeros((len(stack.offsets) - 1, 2, 2)))
    centres, offsets = map(writable, stack)
    columns = writable(grid.columns)
    add_tally(points, writable(weights), centres, offsets, *found, columns, grid.squared, grid.share)
    return found


def scatter(points: np.ndarray, weights: np.ndarray, stack: Stack, means: np.ndarray, grid: Grids) -> np.ndarray:
    """Second pass: folded sums of distances and of squared distances to each segment's mean: shape (K, 2, 2)."""
    folds = np.zeros((len(means), 2, 2))
    centres, offsets = map(writable, stack)
    add_scatter(points, writable(weights), centres, offsets, writable(means), folds, grid.squared, grid.distance)
    return folds


def segment_means(sums: np.ndarray) -> np.ndarray:
    """Mean of each segment; zeros where it is empty."""
    held = sums[:, -1:]
    means: np.ndarray = sums[:, :-1] / np.where(held > 0, held, 1.0)
    return means


def criteria(stack: Stack, first: Tally, spread: np.ndarray) -> Criteria:
    """Criteria of each model, from both passes summed over all rows.

    Calinski and Harabasz (1974), Communications in Statistics 3, 1; Davies and Bouldin (1979), IEEE PAMI 1, 224;
    simplified silhouette: Hruschka, de Castro and Campello (2004), ICDM, 403.
    """
    models = range(len(stack.offsets) - 1)
    sums, means = first.sums, segment_means(first.sums)
    apart, squared = spread.sum(axis=2).T
    parts = [(sums[rows, -1], means[rows], apart[rows], squared[rows]) for rows in map(stack.model, models)]
    inertia, simplified = first.folds.sum(axis=2).T
    return Criteria(
        [part[0] for part in parts],
        inertia,
        simplified / np.array([part[0].sum() for part in parts]),
        np.array([_calinski_harabasz(held, mean, within) for held, mean, _, within in parts]),
        np.array([_davies_bouldin(held, mean, apart) for held, mean, apart, _ in parts]),
    )


def criteria_of(points: np.ndarray, weights: np.ndarray, stack: Stack, grid: Grids) -> Criteria:
    """Criteria of each model on rows at hand."""
    first = tally(points, weights, stack, grid)
    return criteria(stack, first, scatter(points, weights, stack, segment_means(first.sums), grid))


def _calinski_harabasz(held: np.ndarray, means: np.ndarray, squared: np.ndarray) -> float:
    full = held > 0
    k, total, within = int(full.sum()), held.sum(), squared.sum()
    if k < 2:
        return 0.0
    if within == 0:
        return 1.0
    centre = held @ means / total
    between = held @ ((means - centre) ** 2).sum(axis=1)
    return float(between * (total - k) / (within * (k - 1)))


def _davies_bouldin(held: np.ndarray, means: np.ndarray, apart: np.ndarray) -> float:
    full = held > 0
    if full.sum() < 2:
        return np.inf
    width = apart[full] / held[full]
    between = np.sqrt(((means[full][:, None] - means[full][None]) ** 2).sum(axis=2))
    between[between == 0] = np.inf
    return float(((width[:, None] + width[None]) / between).max(axis=1).mean())
