"""Models of every k and seed on a sample, and models of its bootstrap resamples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from scenefit.runtime.parallel import Backend, pmap
from segmentation.criteria import criteria_of, grids
from segmentation.distances import nearest
from segmentation.lloyd import TOLERANCE, settled_centres, stacked, sum_grid
from segmentation.sampling import Sample
from segmentation.starts import start_path

# tasks per seed: few models with many centres weigh as much as many with few
PARTS = 2
# Lloyd first settles on one row in four, where that leaves enough rows per segment
COARSE = 4
COARSE_FROM = 100


class Fits(NamedTuple):
    """Models [k][seed], and figures of shape (ks, seeds) on the whole sample; labels (ks, seeds, rows) on `rows`."""

    centres: list[list[np.ndarray]]
    labels: np.ndarray
    inertia: np.ndarray
    simplified: np.ndarray
    calinski_harabasz: np.ndarray
    davies_bouldin: np.ndarray
    smallest_share: np.ndarray


class Workplace(NamedTuple):
    """Where tasks run (see `pmap`)."""

    backend: Backend = "local"
    cores: int = 1
    address: str | None = None


class _Path(NamedTuple):
    points: np.ndarray
    weights: np.ndarray
    k: int


class _Shared(NamedTuple):
    sample: Sample
    weights: np.ndarray  # one line per model family: a seed's fold, or a resample
    paths: list[np.ndarray]
    rows: np.ndarray


def tolerance(points: np.ndarray) -> float:
    """Squared movement of centres that counts as none."""
    return TOLERANCE * float(points.astype(np.float64).var(axis=0).mean())


def fits(sample: Sample, ks: Sequence[int], seeds: int, rows: np.ndarray, seed: int, place: Workplace) -> Fits:
    """Every k and seed on the sample; each seed leaves out another fifth of the customers.

    Parameters
    ----------
    rows : positions whose labels are wanted
    """
    weights = np.stack([sample.without_fold(position) for position in range(seeds)])
    shared = _Shared(sample, weights, _paths(sample, weights, max(ks), seed, place), rows)
    parts = [list(ks[part::PARTS]) for part in range(min(PARTS, len(ks)))]
    units = [(line, part) for line in range(seeds) for part in parts]
    found = _mapped(_fitted, units, shared, place)
    at = {(k, line): found[i][j] for i, (line, part) in enumerate(units) for j, k in enumerate(part)}
    lines = range(seeds)
    figures = np.array([[at[k, line].figures for line in lines] for k in ks])
    return Fits(
        [[at[k, line].centres for line in lines] for k in ks],
        np.array([[at[k, line].labels for line in lines] for k in ks]),
        *np.moveaxis(figures, 2, 0),
    )


def resampled_labels(
    sample: Sample, ks: Sequence[int], resamples: int, rows: np.ndarray, seed: int, place: Workplace
) -> np.ndarray:
    """Labels of `rows` by models of bootstrap resamples of the sample: shape (ks, resamples, rows)."""
    whole, share = max(1, round(float(sample.weights.sum()))), sample.weights / sample.weights.sum()
    # a stream of its own: the first resample must not repeat the first seed
    rngs = [np.random.default_rng(child) for child in np.random.SeedSequence([seed, 1]).spawn(resamples)]
    weights = np.stack([rng.multinomial(whole, share).astype(np.float64) for rng in rngs])
    shared = _Shared(sample, weights, _paths(sample, weights, max(ks), seed + 1, place), rows)
    found = _mapped(_settled_labels, [(line, list(ks)) for line in range(resamples)], shared, place)
    return np.array(found).swapaxes(0, 1)


class _Fit(NamedTuple):
    centres: np.ndarray
    labels: np.ndarray
    figures: tuple[float, float, float, float, float]


def _paths(sample: Sample, weights: np.ndarray, k: int, seed: int, place: Workplace) -> list[np.ndarray]:
    # a stream for each line, whatever the tasks
    rngs = [np.random.default_rng(child) for child in np.random.SeedSequence([seed, 0]).spawn(len(weights))]
    units = list(zip(range(len(weights)), rngs, strict=True))
    return _mapped(_path, units, _Path(sample.points, weights, k), place)


def _path(unit: tuple[int, np.random.Generator], shared: _Path) -> np.ndarray:
    line, rng = unit
    return shared.points[start_path(shared.points, shared.weights[line], shared.k, rng)]


def _fitted(unit: tuple[int, list[int]], shared: _Shared) -> list[_Fit]:
    sample = shared.sample
    models = _models(unit, shared)
    columns = _columns_grid(shared)
    largest, weight = np.abs(sample.points).max(axis=0), float(sample.weights.sum())
    scores = criteria_of(sample.points, sample.weights, stacked(models), grids(columns, largest, weight))
    figures = zip(
        scores.inertia, scores.simplified, scores.calinski_harabasz, scores.davies_bouldin, scores.smallest_share,
        strict=True,
    )  # fmt: skip
    kept = sample.points[shared.rows]
    return [_Fit(m, nearest(kept, m).astype(np.int16), f) for m, f in zip(models, figures, strict=True)]


def _settled_labels(unit: tuple[int, list[int]], shared: _Shared) -> np.ndarray:
    kept = shared.sample.points[shared.rows]
    return np.array([nearest(kept, model).astype(np.int16) for model in _models(unit, shared)])


def _models(unit: tuple[int, list[int]], shared: _Shared) -> list[np.ndarray]:
    line, ks = unit
    points, still = shared.sample.points, tolerance(shared.sample.points)
    which, grid = np.full(len(ks), line), _columns_grid(shared)
    models = [shared.paths[line][:k] for k in ks]
    few = len(points) // COARSE
    if few >= COARSE_FROM * max(ks):
        # most of the way is gone on a part of the rows: the order of a sample is random
        models = settled_centres(points[:few], shared.weights[:, :few], which, models, grid, still)
    return settled_centres(points, shared.weights, which, models, grid, still)


def _columns_grid(shared: _Shared) -> np.ndarray:
    heaviest = float(np.maximum(shared.weights.sum(axis=1).max(), shared.sample.weights.sum()))
    return sum_grid(np.abs(shared.sample.points).max(axis=0), heaviest)


def _mapped(task: Callable[[Any, Any], Any], units: Sequence[Any], shared: Any, place: Workplace) -> list[Any]:
    """Results of task(unit, shared), in their order; no result depends on how units are put into tasks."""
    # a task costs milliseconds, so a single thread gets a single one
    alone = place.backend == "local" and place.cores == 1
    batches = [list(units)] if alone else [[unit] for unit in units]
    size = len(shared.points if isinstance(shared, _Path) else shared.sample.points)
    found = pmap(_each, [(task, batch) for batch in batches], shared, size=size, **place._asdict())
    return [result for batch in found for result in batch]


def _each(batch: tuple[Callable[[Any, Any], Any], list[Any]], shared: Any, rng: np.random.Generator) -> list[Any]:  # noqa: ARG001
    task, units = batch
    return [task(unit, shared) for unit in units]
