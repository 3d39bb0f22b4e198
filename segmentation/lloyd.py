"""Lloyd's iterations for many models at once: a block of rows is read once and serves every k and seed.

Sums lie on grids (see segmentation.sums), so a row that changes side is carried over without an error that would grow,
and rows and models can be split in any way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from segmentation.kernels import SLACK, add_row_sums, column_blocks, relabel, writable
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

    Rows that cannot have changed side are skipped (after Hamerly 2010, SDM, 130): a row is looked at again once its
    centre and the others have moved by the gap between its two nearest. The centres are those of plain Lloyd.

    Parameters
    ----------
    points : shape (n, d), float32
    weights : shape (w, n); rows of weight 0 decide nothing
    which : shape (models,), the line of `weights` that each model takes
    starts : first centres of each model
    grid : see `sum_grid`; one grid for all models, so that any of them alone comes out the same
    tolerance : squared movement of a model's centres that counts as none
    """
    found: dict[int, np.ndarray] = {}
    for line in np.unique(which).tolist():
        models = np.flatnonzero(which == line).tolist()
        heavy = weights[line] > 0
        rows, kept = (points, weights[line]) if heavy.all() else (points[heavy], weights[line, heavy])
        stack = stacked([starts[m] for m in models])
        _settle(writable(rows), writable(kept), stack, writable(grid), tolerance)
        found |= {m: stack.centres[stack.model(place)].copy() for place, m in enumerate(models)}
    return [found[m] for m in range(len(starts))]


def _settle(points: np.ndarray, weights: np.ndarray, stack: Stack, grid: np.ndarray, tolerance: float) -> None:
    models, blocks = len(stack.offsets) - 1, column_blocks(points)
    labels = np.full((models, len(points)), -1, dtype=np.int16)
    # how far centres may have moved in all before a row has to be looked at again
    until = np.full(labels.shape, -np.inf, dtype=np.float32)
    sums, drift = np.zeros((len(stack.centres), len(grid))), np.zeros(len(stack.centres))
    moving = np.arange(models)
    for _ in range(ROUNDS):
        far = drift.astype(np.float32)
        relabel(points, blocks, weights, *stack, labels, until, sums, grid, moving, far)
        # models that have settled have their old sums, so their centres stay
        moved = recentre(stack, sums)
        moving = moving[of_models(stack, moved)[moving] > tolerance]
        if not moving.size:
            return
        drift += _drift(stack, np.sqrt(moved)) * (1 + SLACK)


def _drift(stack: Stack, step: np.ndarray) -> np.ndarray:
    """How far each centre moved, and how far at most another centre of its model did: what a gap may shrink by."""
    first, sizes = stack.offsets[:-1], np.diff(stack.offsets)
    largest = np.repeat(np.maximum.reduceat(step, first), sizes)
    at_top = step == largest
    runner_up = np.repeat(np.maximum.reduceat(np.where(at_top, 0.0, step), first), sizes)
    alone = at_top & (np.repeat(np.add.reduceat(at_top, first, dtype=np.int64), sizes) == 1)
    drift: np.ndarray = step + np.where(alone, runner_up, largest)
    return drift


def recentre(stack: Stack, sums: np.ndarray) -> np.ndarray:
    """Put centres on the means of their rows, in place; the squared distance each of them moved.

    A centre without rows stays where it is.
    """
    held = sums[:, -1:]
    after = np.where(held > 0, sums[:, :-1] / np.where(held > 0, held, 1.0), stack.centres).astype(np.float32)
    moved: np.ndarray = ((after.astype(np.float64) - stack.centres) ** 2).sum(axis=1)
    stack.centres[:] = after
    return moved


def of_models(stack: Stack, moved: np.ndarray) -> np.ndarray:
    """Squared distance that the centres of each model moved together."""
    total: np.ndarray = np.add.reduceat(moved, stack.offsets[:-1])
    return total


def row_sums(points: np.ndarray, weights: np.ndarray, stack: Stack, grid: np.ndarray) -> np.ndarray:
    """Weighted sums of the rows nearest to each centre, and of their weights: shape (centres, d + 1).

    Added over any shards of the rows, they are the sums of all rows to the last bit.
    """
    sums = np.zeros((len(stack.centres), points.shape[1] + 1))
    centres, offsets = map(writable, stack)
    add_row_sums(points, writable(weights), centres, offsets, sums, writable(grid))
    return sums
