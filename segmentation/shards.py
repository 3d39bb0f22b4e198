"""Customers in shards, in memory or in files, so that no process ever holds them all.

Every step maps over the shards and adds up what they return on grids (see segmentation.sums): how the rows are cut,
how many workers there are and which of them dies changes no bit of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np

from scenefit.contracts.errors import ContractError, StoreError
from scenefit.runtime.parallel import pmap
from segmentation.criteria import Criteria, Grids, Tally, criteria, scatter, segment_means, tally
from segmentation.distances import NearestTwo, content_keys, nearest_two
from segmentation.fits import Workplace
from segmentation.lloyd import ROUNDS, Stack, of_models, recentre, row_sums, stacked
from segmentation.points import checked_points, checked_weights
from segmentation.sums import total


class Rows(Protocol):
    """A shard: it knows how to get its rows wherever a task runs; it must survive pickling."""

    def points(self) -> np.ndarray:
        """Encoded customers, float32, shape (n, d)."""

    def weights(self) -> np.ndarray | None:
        """How many customers each row stands for; None when each stands for one."""


class ArrayRows(NamedTuple):
    """Rows in memory."""

    values: np.ndarray
    heavy: np.ndarray | None = None

    def points(self) -> np.ndarray:
        """The rows."""
        return self.values

    def weights(self) -> np.ndarray | None:
        """Their weights."""
        return self.heavy


class NpyRows(NamedTuple):
    """Rows start <= row < stop of an .npy file that every worker can read; weights from a second one."""

    path: str
    start: int
    stop: int
    weights_path: str | None = None

    def points(self) -> np.ndarray:
        """The rows, read where they are needed."""
        return self._part(self.path)

    def weights(self) -> np.ndarray | None:
        """Their weights."""
        return None if self.weights_path is None else self._part(self.weights_path)

    def _part(self, path: str) -> np.ndarray:
        try:
            whole = np.load(path, mmap_mode="c")
        except (OSError, ValueError) as error:
            raise StoreError(f"rows of {path} cannot be read: {error}; give an .npy file every worker sees") from error
        if not 0 <= self.start < self.stop <= len(whole):
            raise StoreError(f"{path} has {len(whole):,} rows, but rows {self.start}-{self.stop} were asked for")
        return np.asarray(whole[self.start : self.stop])


class ParquetRows(NamedTuple):
    """Columns of a Parquet file that every worker can read, as rows."""

    path: str
    columns: tuple[str, ...]
    weight: str | None = None

    def points(self) -> np.ndarray:
        """The rows, read where they are needed."""
        return np.column_stack([self._column(name) for name in self.columns]).astype(np.float32)

    def weights(self) -> np.ndarray | None:
        """Their weights."""
        return None if self.weight is None else self._column(self.weight)

    def _column(self, name: str) -> np.ndarray:
        import pyarrow.parquet as pq

        try:
            return pq.read_table(self.path, columns=[name]).column(0).to_numpy()
        except (OSError, ValueError, IndexError) as error:
            raise StoreError(f"column {name!r} of {self.path} cannot be read: {error}") from error


class Shards(NamedTuple):
    """All shards, where their tasks run, and about how many rows each holds (only backend "auto" reads that)."""

    rows: Sequence[Rows]
    place: Workplace = Workplace()
    size: int = 0

    def map(self, task: Any, items: Sequence[Any], shared: Any = None) -> list[Any]:
        """Results of a task on items that name shards, in their order."""
        return pmap(task, items, shared, size=self.size, **self.place._asdict())


class Facts(NamedTuple):
    """What must be known of all rows: keys and weights in the order of the shards, rows of each, largest values."""

    keys: np.ndarray
    weights: np.ndarray | None
    lengths: np.ndarray
    largest: np.ndarray

    @property
    def weight(self) -> float:
        """Customers in all."""
        return float(len(self.keys)) if self.weights is None else total(self.weights)


def array_shards(points: np.ndarray, weights: np.ndarray | None, cores: int) -> Shards:
    """Rows in memory, one shard for each core: threads share them without a copy."""
    edges = np.linspace(0, len(points), min(cores, len(points)) + 1).astype(int)
    parts = [slice(a, b) for a, b in pairwise(edges.tolist())]
    rows = [ArrayRows(points[part], None if weights is None else weights[part]) for part in parts]
    return Shards(rows, Workplace("local", cores))


def facts(shards: Shards, seed: int) -> Facts:
    """Every row looked at once: refused where it is no customer, known by its content from then on.

    Raises
    ------
    ContractError : no shard, shards with different columns or some of them with weights, and as `checked_points`.
    """
    if not len(shards.rows):
        raise ContractError("no shards given; give at least one")
    found = shards.map(_facts, shards.rows, seed)
    widths, weighted = {len(largest) for _, _, largest in found}, {heavy is not None for _, heavy, _ in found}
    if len(widths) > 1 or len(weighted) > 1:
        raise ContractError(
            f"shards have {sorted(widths)} columns, and weights: {sorted(weighted)}; all shards must be alike"
        )
    return Facts(
        np.concatenate([keys for keys, _, _ in found]),
        np.concatenate([heavy for _, heavy, _ in found]) if weighted == {True} else None,
        np.array([len(keys) for keys, _, _ in found]),
        np.max([largest for _, _, largest in found], axis=0),
    )


def rows_at(shards: Shards, known: Facts, positions: np.ndarray) -> np.ndarray:
    """Rows by their positions among all rows, in the order of the positions."""
    ends = np.cumsum(known.lengths)
    shard = np.searchsorted(ends, positions, side="right")
    first = ends - known.lengths
    order = np.argsort(shard, kind="stable")
    items = [(shards.rows[at], positions[order[shard[order] == at]] - first[at]) for at in np.unique(shard).tolist()]
    taken = np.concatenate(shards.map(_rows_at, items))
    found = np.empty_like(taken)
    found[order] = taken
    return found


def refined_centres(
    shards: Shards, starts: Sequence[np.ndarray], grid: np.ndarray, tolerance: float
) -> list[np.ndarray]:
    """Centres of each model after Lloyd's iterations over all rows: sums and counts of the shards are added up."""
    models = [start.astype(np.float32) for start in starts]
    moving = list(range(len(models)))
    for _ in range(ROUNDS):
        stack = stacked([models[m] for m in moving])
        sums = sum(shards.map(_row_sums, shards.rows, (stack, grid)))
        steps = of_models(stack, recentre(stack, sums)).tolist()
        for place, m in enumerate(moving):
            models[m] = stack.centres[stack.model(place)].copy()
        moving = [m for m, step in zip(moving, steps, strict=True) if step > tolerance]
        if not moving:
            break
    return models


def criteria_of_shards(shards: Shards, models: Sequence[np.ndarray], grid: Grids) -> Criteria:
    """Criteria of each model on all rows."""
    stack = stacked(models)
    parts = shards.map(_tally, shards.rows, (stack, grid))
    first = Tally(sum(part.sums for part in parts), sum(part.folds for part in parts))
    means = segment_means(first.sums)
    return criteria(stack, first, sum(shards.map(_scatter, shards.rows, (stack, means, grid))))


def labels_of_shards(shards: Shards, centres: np.ndarray) -> NearestTwo:
    """Segment of every row with its distances, in the order of the shards."""
    parts = shards.map(_labels, shards.rows, centres)
    return NearestTwo(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _facts(rows: Rows, seed: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:  # noqa: ARG001
    points = checked_points(rows.points())
    return content_keys(points, seed), checked_weights(rows.weights(), len(points)), _largest(points)


def _largest(points: np.ndarray) -> np.ndarray:
    # not np.abs(points): that would copy the whole shard
    return np.maximum(points.max(axis=0), -points.min(axis=0))


def _rows_at(item: tuple[Rows, np.ndarray], shared: None, rng: np.random.Generator) -> np.ndarray:  # noqa: ARG001
    rows, positions = item
    taken: np.ndarray = rows.points()[positions]
    return taken


def _row_sums(rows: Rows, shared: tuple[Stack, np.ndarray], rng: np.random.Generator) -> np.ndarray:  # noqa: ARG001
    points = rows.points()
    return row_sums(points, _heavy(rows, points), *shared)


def _tally(rows: Rows, shared: tuple[Stack, Grids], rng: np.random.Generator) -> Tally:  # noqa: ARG001
    points = rows.points()
    return tally(points, _heavy(rows, points), *shared)


def _scatter(rows: Rows, shared: tuple[Stack, np.ndarray, Grids], rng: np.random.Generator) -> np.ndarray:  # noqa: ARG001
    points = rows.points()
    return scatter(points, _heavy(rows, points), *shared)


def _labels(rows: Rows, centres: np.ndarray, rng: np.random.Generator) -> NearestTwo:  # noqa: ARG001
    return nearest_two(rows.points(), centres)


def _heavy(rows: Rows, points: np.ndarray) -> np.ndarray:
    weights = rows.weights()
    return np.ones(len(points)) if weights is None else np.asarray(weights, dtype=np.float64)
