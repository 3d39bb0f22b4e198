"""Silhouettes of many labelings of the same customers, exactly, from one pass over their distances."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from scenefit.runtime.parallel import Backend, pmap
from segmentation.kernels import fill_distances, writable

# rows of one task
ROWS = 512
# summed in float32 at a stretch, then in float64: keeps the error of a mean below 1e-6
STRETCH = 1024


class Labelings(NamedTuple):
    """Points, their weights, and many labelings laid out as columns: membership (n, K) holds weights."""

    points: np.ndarray
    weights: np.ndarray
    labels: np.ndarray
    membership: np.ndarray
    held: np.ndarray
    offsets: np.ndarray


def silhouettes(
    points: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray | None = None,
    backend: Backend = "local",
    cores: int = 1,
) -> np.ndarray:
    """Silhouette of each row under each labeling: shape (labelings, n), in [-1, 1].

    The mean of a line is scikit-learn's `silhouette_score` of that labeling; a weight of 2 counts as the row twice
    (Rousseeuw 1987, Journal of Computational and Applied Mathematics 20, 53). 0 where a row is alone in its segment,
    or where there is but one segment.

    Parameters
    ----------
    points : shape (n, d), float32
    labels : shape (labelings, n), whole numbers from 0
    """
    heavy = np.ones(len(points)) if weights is None else weights
    sizes = labels.max(axis=1).astype(np.int64) + 1
    offsets = np.r_[0, np.cumsum(sizes)]
    membership = np.zeros((len(points), offsets[-1]), dtype=np.float32)
    for line, first in zip(labels, offsets, strict=False):
        membership[np.arange(len(points)), first + line] = heavy
    held = np.concatenate(
        [np.bincount(line, weights=heavy, minlength=k) for line, k in zip(labels, sizes, strict=True)]
    )
    shared = Labelings(points, heavy, np.ascontiguousarray(labels, dtype=np.int32), membership, held, offsets)
    starts = list(range(0, len(points), ROWS))
    # a task costs milliseconds, so a single thread gets a single one
    tasks = [starts] if backend == "local" and cores == 1 else [[start] for start in starts]
    return np.concatenate(pmap(_widths_of_blocks, tasks, shared, backend=backend, cores=cores), axis=1)


def _widths_of_blocks(starts: list[int], shared: Labelings, rng: np.random.Generator) -> np.ndarray:  # noqa: ARG001
    return np.concatenate([_widths_of_rows(start, shared) for start in starts], axis=1)


def _widths_of_rows(start: int, shared: Labelings) -> np.ndarray:
    points, weights, labels, held, offsets = map(
        writable, (shared.points, shared.weights, shared.labels, shared.held, shared.offsets)
    )
    rows = min(ROWS, len(points) - start)
    apart = np.zeros((rows, shared.membership.shape[1]))
    distances = np.empty((rows, STRETCH), dtype=np.float32)
    for first in range(0, len(points), STRETCH):
        stop = min(first + STRETCH, len(points))
        fill_distances(points, start, first, stop, distances)
        apart += distances[:, : stop - first] @ shared.membership[first:stop]
    widths = np.empty((len(labels), rows))
    fill_widths(apart, start, labels, weights, held, offsets, widths)
    return widths


@numba.njit(nogil=True, cache=True)
def fill_widths(
    apart: np.ndarray,
    start: int,
    labels: np.ndarray,
    weights: np.ndarray,
    held: np.ndarray,
    offsets: np.ndarray,
    widths: np.ndarray,
) -> None:
    for m in range(len(labels)):
        for i in range(len(apart)):
            own = offsets[m] + labels[m, start + i]
            others = held[own] - min(1.0, weights[start + i])
            nearest = np.inf
            for j in range(offsets[m], offsets[m + 1]):
                if j != own and held[j] > 0:
                    nearest = min(nearest, apart[i, j] / held[j])
            inside = apart[i, own] / others if others > 1e-9 else 0.0
            larger = max(inside, nearest)
            known = others > 1e-9 and np.isfinite(nearest) and larger > 0
            widths[m, i] = (nearest - inside) / larger if known else 0.0
