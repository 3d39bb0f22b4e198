"""What the sides of the segmentation benchmark do, each in a process of its own; all data is synthetic."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures import Part, timed
from benchmarks.harness import CACHE

KS = range(2, 21)
# the opponent that takes longest for least is measured on some k and scaled
FEW_KS = (2, 8, 14, 20)
SEEDS = 5
SAMPLE = 32_768
SILHOUETTE_ROWS = 10_000
COLUMNS = 30
CORES = 2
SHARES = (0.30, 0.20, 0.15, 0.12, 0.09, 0.07, 0.04, 0.03)
WRITTEN_AT_ONCE = 250_000


def customers(rows: int) -> Path:
    """A file of synthetic customers: eight planted segments in 20 of 30 columns, float32; made once."""
    path = CACHE / f"segmentation-{rows}.npy"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    informative = np.arange(COLUMNS) < 20
    centres = rng.normal(0, 1.1, (len(SHARES), COLUMNS)) * informative
    spreads = rng.uniform(0.5, 1.0, (len(SHARES), COLUMNS))
    half_made = path.with_suffix(".part")
    with half_made.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (rows, COLUMNS)})
        for start in range(0, rows, WRITTEN_AT_ONCE):
            count = min(WRITTEN_AT_ONCE, rows - start)
            segment = rng.choice(len(SHARES), count, p=SHARES)
            points = centres[segment] + spreads[segment] * rng.standard_normal((count, COLUMNS))
            file.write(points.astype("<f4").tobytes())
    half_made.rename(path)
    return path


def labelings(path: Path) -> Path:
    """Labels of 10,000 rows by every model of the sample, on which both sides measure silhouettes; made once."""
    from segmentation.fits import Workplace, fits

    kept = path.with_name(f"{path.stem}-labels.npz")
    if not kept.exists():
        sample, rows, _ = _sampled(path)
        found = fits(sample, list(KS), SEEDS, rows, 0, Workplace("local", CORES))
        np.savez(kept, labels=found.labels.reshape(-1, len(rows)), points=sample.points[rows])
    return kept


def sweep(path: str) -> dict[str, Any]:
    """Ours on all rows: the sweep, the bootstrap of its tie set, labels of new rows."""
    from segmentation.fits import Workplace, resampled_labels
    from segmentation.sweep import SegmentSweep

    parts: list[Part] = []
    points = np.load(path)
    settings: dict[str, Any] = {"k_range": KS, "n_seeds": SEEDS, "sample": SAMPLE, "cores": CORES, "resamples": 0}
    # the smallest planted segments hold 3 %: no k may be left out for business reasons here
    settings["smallest"] = 0.01
    with timed("first use: compiled loops loaded", parts):
        SegmentSweep(**settings).fit(points[:4096])
    with timed("sweep", parts):
        found = SegmentSweep(**settings).fit(points)
    with timed("predict, 3 × all rows", parts):
        for _ in range(3):
            labels = found.predict(points)
    sample, rows, _ = _sampled(Path(path))
    with timed("bootstrap of the tie set, 10 resamples", parts):
        resampled_labels(sample, found.tie_set_, 10, rows, 0, Workplace("local", CORES))
    inertia = dict(zip(found.report_["k"].tolist(), found.report_["inertia"].tolist(), strict=True))
    same = bool((labels == found.labels_).all())
    return {"parts": parts, "tie_set": found.tie_set_, "k": found.k_, "inertia": inertia, "predicted_as_fitted": same}


def equal_work_ours(path: str, labels: str) -> dict[str, Any]:
    """Our fits of the sample for every k and seed, twice; silhouettes of 95 labelings of the same rows."""
    from scenefit.runtime.parallel import pmap
    from segmentation.fits import Workplace, fits
    from segmentation.silhouettes import silhouettes

    parts: list[Part] = []
    sample, rows, _ = _sampled(Path(path))
    given = np.load(labels)
    points, lines = given["points"], given["labels"]
    starts = _starts(sample)
    with timed("first use: compiled loops loaded", parts):
        fits(sample._replace(points=sample.points[:4096], weights=sample.weights[:4096]), [2, 3], 1, rows[:9], 0,
             Workplace())  # fmt: skip
        silhouettes(points[:600], lines[:2, :600])
    with timed("fits", parts):
        found = fits(sample, list(KS), SEEDS, rows, 0, Workplace("local", CORES))
    with timed("fits from given starts", parts):
        units = [(seed, ks) for seed in range(SEEDS) for ks in (KS[::2], KS[1::2])]
        settled = pmap(_settled, units, (sample, starts), backend="local", cores=CORES)
    with timed("silhouettes", parts):
        means = silhouettes(points, lines, cores=CORES).mean(axis=1)
    from_starts = {(seed, k): m for (seed, ks), line in zip(units, settled, strict=True)
                   for k, m in zip(ks, line, strict=True)}  # fmt: skip
    return {
        "parts": parts,
        "silhouettes": means.tolist(),
        "inertia": found.inertia.min(axis=1).tolist(),
        "inertia_from_starts": [_inertia(_fold(sample, seed), from_starts[seed, k])
                                for seed in range(SEEDS) for k in KS],
    }  # fmt: skip


def _settled(unit: tuple[int, range], shared: Any, rng: np.random.Generator) -> list[np.ndarray]:  # noqa: ARG001
    """Plain Lloyd from the given starts on all rows of a seed's fold: no first stage on fewer rows."""
    from segmentation.fits import tolerance
    from segmentation.lloyd import settled_centres, sum_grid

    seed, ks = unit
    sample, starts = shared
    rows = _fold(sample, seed)
    grid = sum_grid(np.abs(rows).max(axis=0), len(rows))
    weights, which = np.ones((1, len(rows))), np.zeros(len(ks), dtype=np.int64)
    return settled_centres(rows, weights, which, [starts[seed][:k] for k in ks], grid, tolerance(rows))


def equal_work_scikit_learn(path: str, labels: str) -> dict[str, Any]:
    """The same by scikit-learn: KMeans with one start per k and seed, silhouette_score per labeling.

    Each seed gets the rows that ours clusters, a sample without a fifth; "fits" draw their own starts, as ours do;
    "fits from given starts" begin where ours do and stop by the same rule.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    from segmentation.lloyd import ROUNDS, TOLERANCE

    parts: list[Part] = []
    sample, _, _ = _sampled(Path(path))
    given = np.load(labels)
    points, lines = given["points"], given["labels"]
    starts = _starts(sample)
    folds = [_fold(sample, seed) for seed in range(SEEDS)]
    same: dict[str, Any] = {"n_init": 1, "max_iter": ROUNDS, "tol": TOLERANCE, "algorithm": "lloyd"}
    with timed("first use: compiled loops loaded", parts):
        KMeans(2, n_init=1).fit(points[:600])
        silhouette_score(points[:600], lines[0, :600])
    with timed("fits", parts):
        own = [[KMeans(k, random_state=seed, **same).fit(folds[seed]) for seed in range(SEEDS)] for k in KS]
    with timed("fits from given starts", parts):
        settled = [KMeans(k, init=starts[seed][:k], **same).fit(folds[seed]) for seed in range(SEEDS) for k in KS]
    with timed("silhouettes", parts):
        means = [silhouette_score(points, line) for line in lines]
    return {
        "parts": parts,
        "silhouettes": list(map(float, means)),
        "inertia": [min(_inertia(sample.points, model.cluster_centers_) for model in line) for line in own],
        "inertia_from_starts": [float(model.inertia_) for model in settled],
    }


def _fold(sample: Any, seed: int) -> np.ndarray:
    rows: np.ndarray = sample.points[sample.without_fold(seed) > 0]
    return rows


def _starts(sample: Any) -> list[np.ndarray]:
    """One path of centres per seed, in the rows of its fold; not timed on either side."""
    from segmentation.starts import start_path

    folds = [_fold(sample, seed) for seed in range(SEEDS)]
    return [
        fold[start_path(fold, np.ones(len(fold)), max(KS), np.random.default_rng(seed))]
        for seed, fold in enumerate(folds)
    ]


def _inertia(points: np.ndarray, centres: np.ndarray) -> float:
    from segmentation.distances import nearest_two

    return float((nearest_two(points, centres).distance ** 2).sum())


def sampled_loop(path: str) -> dict[str, Any]:
    """A careful user's loop, one seed: KMeans and silhouette on a sample, the best k fitted on all rows."""
    from sklearn.cluster import KMeans

    points = np.load(path)
    some = points[np.random.default_rng(0).choice(len(points), SAMPLE, replace=False)]
    parts: list[Part] = []
    with timed("loop, one seed", parts):
        found = _scored(lambda k: KMeans(k, n_init=1, random_state=0).fit(some), some, KS)
    with timed("best k on all rows", parts):
        KMeans(max(found, key=lambda k: found[k][0]), n_init=1, random_state=0).fit(points)
    return {"parts": parts, "silhouettes": {k: score for k, (score, _) in found.items()}}


def mini_batches(path: str) -> dict[str, Any]:
    """MiniBatchKMeans on all rows, one seed and few of the k; silhouette on 10,000 rows."""
    from sklearn.cluster import MiniBatchKMeans

    return _whole(path, lambda points, k: MiniBatchKMeans(k, n_init=1, random_state=0).fit(points), FEW_KS)


def plain_loop(path: str) -> dict[str, Any]:
    """The loop users write, one seed: KMeans on all rows for every k; silhouette on 10,000 rows."""
    from sklearn.cluster import KMeans

    return _whole(path, lambda points, k: KMeans(k, n_init=1, random_state=0).fit(points), KS)


def sharded(path: str, rows: int, backend: str) -> dict[str, Any]:
    """One k over shards of a file, on Ray or on threads; the sample's models run there as well."""
    from scenefit.runtime.parallel import pmap, start_ray, stop_ray
    from segmentation.shards import NpyRows
    from segmentation.sweep import SegmentSweep

    parts: list[Part] = []
    settings: dict[str, Any] = {"k_range": [8], "n_seeds": SEEDS, "resamples": 0, "backend": backend, "cores": CORES}
    if backend == "ray":
        with timed("Ray start-up", parts):
            start_ray(CORES).result()
    warm = [NpyRows(path, 0, 5000), NpyRows(path, 5000, 10_000)]
    with timed("first use: compiled loops loaded", parts):
        pmap(_nothing, range(CORES), backend="ray" if backend == "ray" else "local", cores=CORES)
        SegmentSweep(**settings).fit_shards(warm)
    edges = np.linspace(0, rows, max(2, rows // 250_000) + 1).astype(int)
    with timed("fit", parts):
        found = SegmentSweep(**settings).fit_shards([NpyRows(path, int(a), int(b)) for a, b in pairwise(edges)])
    stop_ray()
    return {"parts": parts, "sizes": np.bincount(found.labels_).tolist(), "centre": float(found.centers_.sum())}


def _nothing(item: int, shared: None, rng: np.random.Generator) -> int:  # noqa: ARG001
    return item


def _sampled(path: Path) -> Any:
    from segmentation.distances import content_keys
    from segmentation.sampling import distinct_sample, sample_positions

    points = np.load(path)
    keys = content_keys(points, 0)
    positions = sample_positions(keys, None, SAMPLE)
    sample = distinct_sample(points[positions], keys[positions], np.ones(len(positions)))
    return sample, *sample.part(SILHOUETTE_ROWS)


def _whole(path: str, fitted: Any, ks: Sequence[int]) -> dict[str, Any]:
    points = np.load(path)
    parts: list[Part] = []
    with timed("loop, one seed", parts):
        found = _scored(lambda k: fitted(points, k), points, ks)
    return {"parts": parts, "silhouettes": {k: score for k, (score, _) in found.items()},
            "inertia": {k: inertia for k, (_, inertia) in found.items()}}  # fmt: skip


def _scored(fitted: Any, points: np.ndarray, ks: Sequence[int]) -> dict[int, tuple[float, float]]:
    """Silhouette on 10,000 rows and inertia of each k."""
    from sklearn.metrics import silhouette_score

    some = np.random.default_rng(1).choice(len(points), SILHOUETTE_ROWS, replace=False)
    found = {}
    for k in ks:
        model = fitted(k)
        found[k] = float(silhouette_score(points[some], model.labels_[some])), float(model.inertia_)
    return found
