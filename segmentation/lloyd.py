"""Lloyd's iterations for many models at once: a block of rows is read once and serves every k and seed.

Sums lie on grids (see segmentation.sums), so a row that changes side is carried over without an error that would grow,
and rows and models can be split in any way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from segmentation.distances import column_blocks
from segmentation.kernels import add_row_sums, relabel, writable
from segmentation.sums import carries

ROUNDS = 100
# of the mean variance of a column: centres that move less have settled (scikit-learn's own default)
TOLERANCE = 1e-4


class Stack(NamedTuple):
    """Centres of many models below each other; model m holds rows offsets[m] to offsets[m + 1]."""

    centres: np.ndarray
    offsets: np.ndarray

    def model(self, m: int) -> slice:
        """Rows of one model."""
        return slice(int(self.offsets[m]), int(self.offsets[m + 1]))


class Bounds(NamedTuple):
    """What is known of each row under each model, all (models, n); distances in float32.

    labels : the nearest centre
    upper : at least the distance to it
    other : at most the distance to any other
    """

    labels: np.ndarray
    upper: np.ndarray
    other: np.ndarray

    @staticmethod
    def empty(models: int, rows: int) -> Bounds:
        """Nothing known yet: every row has to be measured."""
        return Bounds(
            np.full((models, rows), -1, dtype=np.int16),
            np.full((models, rows), np.inf, dtype=np.float32),
            np.zeros((models, rows), dtype=np.float32),
        )


def stacked(models: Sequence[np.ndarray]) -> Stack:
    """Models as one stack, float32."""
    offsets = np.r_[0, np.cumsum([len(model) for model in models])].astype(np.int64)
    return Stack(np.concatenate(models).astype(np.float32), offsets)


def sum_grid(largest: np.ndarray, weight: float) -> np.ndarray:
    """Grids (see segmentation.sums) for sums of d columns and of the weights: shape (d + 1,)."""
    return carries(np.r_[largest.astype(np.float64), 1.0] * weight)


def settled_centres(
    points: np.ndarray,
    weights: np.ndarray,
    which: np.ndarray,
    starts: Sequence[np.ndarray],
    grid: np.ndarray,
    tolerance: float,
) -> list[np.ndarray]:
    """Centres of each model once they have settled, float32.

    Rows that cannot have changed side are skipped (Hamerly 2010, SDM, 130); the centres are those of plain Lloyd.

    Parameters
    ----------
    points : shape (n, d), float32
    weights : shape (w, n); rows of weight 0 decide nothing
    which : shape (models,), the line of `weights` that each model takes
    starts : first centres of each model
    grid : see `sum_grid`; one grid for all models, so that any of them alone comes out the same
    tolerance : squared movement of a model's centres that counts as none
    """
    points, weights, grid = writable(points), writable(weights), writable(grid)
    stack = stacked(starts)
    blocks, bounds = column_blocks(points), Bounds.empty(len(starts), len(points))
    sums = np.zeros((len(stack.centres), points.shape[1] + 1))
    moving, step = np.arange(len(starts)), np.zeros(len(stack.centres))
    for _ in range(ROUNDS):
        relabel(points, blocks, weights, which, *stack, *bounds, sums, grid, moving, step)
        before = stack.centres.astype(np.float64)
        moving = np.array([m for m in moving.tolist() if recentre(stack, m, sums) > tolerance], dtype=np.int64)
        if not moving.size:
            break
        step = np.sqrt(((stack.centres - before) ** 2).sum(axis=1))
    return [stack.centres[stack.model(m)].copy() for m in range(len(starts))]


def recentre(stack: Stack, m: int, sums: np.ndarray) -> float:
    """Put a model's centres on the means of their rows, in place; the squared distance they moved.

    A centre without rows stays where it is.
    """
    rows = stack.model(m)
    held = sums[rows, -1:]
    before = stack.centres[rows]
    after = np.where(held > 0, sums[rows, :-1] / np.where(held > 0, held, 1.0), before).astype(np.float32)
    moved = float(((after.astype(np.float64) - before) ** 2).sum())
    stack.centres[rows] = after
    return moved


def row_sums(points: np.ndarray, weights: np.ndarray, stack: Stack, grid: np.ndarray) -> np.ndarray:
    """Weighted sums of the rows nearest to each centre, and of their weights: shape (centres, d + 1).

    Added over any shards of the rows, they are the sums of all rows to the last bit.
    """
    sums = np.zeros((len(stack.centres), points.shape[1] + 1))
    centres, offsets = map(writable, stack)
    add_row_sums(points, writable(weights), centres, offsets, sums, writable(grid))
    return sums
