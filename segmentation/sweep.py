"""How many segments, and who is in which: a sweep over k that reports every k it cannot tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError, NotFitted, SettingsError
from scenefit.runtime.parallel import Backend
from segmentation.criteria import Criteria, grids
from segmentation.distances import nearest, nearest_two
from segmentation.fits import Fits, Workplace, fits, resampled_labels, tolerance
from segmentation.lloyd import sum_grid
from segmentation.points import checked_points, checked_weights
from segmentation.sampling import Sample, distinct_sample, sample_positions
from segmentation.shards import (
    Facts,
    Rows,
    Shards,
    array_shards,
    criteria_of_shards,
    facts,
    labels_of_shards,
    refined_centres,
    rows_at,
)
from segmentation.silhouettes import silhouettes
from segmentation.ties import agreement, agreement_of_seeds, error_of_one_fit, error_over_rows, tie_set

HIGHER_IS_BETTER = {
    "silhouette": True,
    "simplified_silhouette": True,
    "calinski_harabasz": True,
    "davies_bouldin": False,
}


class Judged(NamedTuple):
    """What the sample says of each k, for which the seed of least inertia stands; figures and errors: (ks, seeds)."""

    ks: list[int]
    fits: Fits
    best: np.ndarray
    figures: dict[str, np.ndarray]
    over_rows: dict[str, np.ndarray]

    def of_best(self, figure: np.ndarray) -> np.ndarray:
        """A figure of the fit that stands for each k."""
        chosen: np.ndarray = figure[np.arange(len(self.ks)), self.best]
        return chosen

    def error(self, name: str) -> np.ndarray:
        """Standard error of a figure of the fit that stands for each k: over seeds and, where known, over rows."""
        over_seeds = error_of_one_fit(self.figures[name])
        over_rows = self.over_rows.get(name)
        return over_seeds if over_rows is None else np.hypot(np.nan_to_num(over_seeds), self.of_best(over_rows))


class SegmentSweep:
    """Customers in segments, with the numbers of segments that the data cannot tell apart.

    A sample is clustered for every k and seed, and the fit of least inertia stands for its k. The k whose criterion is
    within one standard error of the best form the tie set. Each k of it is refined on all rows; its smallest k is taken
    (fewer segments serve as well and are easier to staff).

    Parameters
    ----------
    k_range : numbers of segments to try, each at least 2
    n_seeds : independent starts per k; standard errors and stability need at least 2
    criteria : the first decides the tie set, each further one narrows it where it leaves anything; of "silhouette",
        "simplified_silhouette", "calinski_harabasz" and "davies_bouldin"
    smallest : least share of customers in the smallest segment; a k that misses it is not eligible
    sample : rows clustered for every k
    silhouette_sample : rows of the sample whose silhouettes are measured, each against all of them
    resamples : bootstrap resamples in which each k of the tie set is found again; 0 for none
    max_k : most segments the team can staff
    backend, cores, address : where the tasks run (see `pmap`); labels are the same everywhere
    seed : one seed, one result, whatever the order of the rows and the number of threads

    Attributes
    ----------
    k_ : chosen number of segments
    tie_set_ : every k not clearly worse than the best
    labels_ : shape (n,), 0 for the largest segment
    confidence_ : shape (n,), 0 half-way between two segments, 1 at a centre
    centers_ : shape (k_, d), float32
    centers_by_k_ : centres for each k of the tie set, the largest segment first
    report_ : one row per k, columns of the table segment_criteria without scene_id
    criteria_ : one row per k, measured on all rows: calinski_harabasz, davies_bouldin (as in scikit-learn) and
        simplified_silhouette; measured on the sample: bootstrap_stability; refined: whether the centres are those of
        all rows or of the sample
    notes_ : what was not as asked, such as a k above the number of different customers

    Notes
    -----
    docs/segmentation-sweep.md tells the method, its sources and how often the planted number is found.
    """

    def __init__(
        self,
        k_range: Iterable[int] = range(3, 9),
        n_seeds: int = 5,
        criteria: Sequence[str] = ("silhouette",),
        smallest: float = 0.03,
        sample: int = 20_000,
        silhouette_sample: int = 10_000,
        resamples: int = 10,
        max_k: int | None = None,
        backend: Backend = "local",
        cores: int = 1,
        address: str | None = None,
        seed: int = 0,
    ) -> None:
        self.k_range = k_range
        self.n_seeds = n_seeds
        self.criteria = criteria
        self.smallest = smallest
        self.sample = sample
        self.silhouette_sample = silhouette_sample
        self.resamples = resamples
        self.max_k = max_k
        self.backend = backend
        self.cores = cores
        self.address = address
        self.seed = seed

    def fit(self, X: Any, sample_weight: Any = None) -> SegmentSweep:
        """Segments of encoded customers, shape (n, d); a row of weight 2 counts as two customers.

        Rows in memory are read by threads; on Ray run the models of the sample. `fit_shards` spreads the rows as well.
        """
        asked = self._asked()
        points = checked_points(X)
        return self._fitted(asked, array_shards(points, checked_weights(sample_weight, len(points)), self.cores))

    def fit_shards(self, rows: Sequence[Rows]) -> SegmentSweep:
        """Segments of customers that lie in shards; the same as those of all rows together."""
        return self._fitted(self._asked(), Shards(rows, self._place()))

    def predict(self, X: Any, k: int | None = None) -> np.ndarray:
        """Segment of each customer, int32 of shape (n,); k: another number of the tie set."""
        return nearest(*self._known(X, k))

    def confidence(self, X: Any, k: int | None = None) -> np.ndarray:
        """How clearly each customer belongs to the segment: 1 - distance to it / distance to the next, in [0, 1]."""
        return nearest_two(*self._known(X, k)).confidence

    def _fitted(self, asked: list[int], shards: Shards) -> SegmentSweep:
        known = facts(shards, self.seed)
        shards = shards._replace(size=len(known.keys) // len(shards.rows))
        sample = self._sample(shards, known)
        ks, self.notes_ = _possible(asked, sample, self.n_seeds)
        rows, weights = sample.part(self.silhouette_sample)
        judged = self._judged(sample, ks, rows, weights)
        eligible = self._eligible(judged)
        self.tie_set_ = self._tied(judged, eligible)
        self.k_ = min(self.tie_set_)
        models = [line[seed] for line, seed in zip(judged.fits.centres, judged.best, strict=True)]
        at = [ks.index(k) for k in self.tie_set_]
        columns = sum_grid(known.largest, known.weight)
        refined = refined_centres(shards, [models[i] for i in at], columns, tolerance(sample.points))
        for i, centres in zip(at, refined, strict=True):
            models[i] = centres
        scores = criteria_of_shards(shards, models, grids(columns, known.largest, known.weight))
        self.centers_by_k_ = {ks[i]: _largest_first(models[i], scores.counts[i]) for i in at}
        self.centers_ = self.centers_by_k_[self.k_]
        self._write_reports(judged, scores, weights, self._found_again(sample, judged, rows, weights))
        found = labels_of_shards(shards, self.centers_)
        self.labels_, self.confidence_ = found.labels, found.confidence
        return self

    def _sample(self, shards: Shards, known: Facts) -> Sample:
        positions = sample_positions(known.keys, known.weights, self.sample)
        heavy = np.ones(len(positions))
        if known.weights is not None and len(positions) == len(known.keys):
            heavy = known.weights[positions]
        return distinct_sample(rows_at(shards, known, positions), known.keys[positions], heavy)

    def _judged(self, sample: Sample, ks: list[int], rows: np.ndarray, weights: np.ndarray) -> Judged:
        found = fits(sample, ks, self.n_seeds, rows, self.seed, self._place())
        labels = found.labels.reshape(-1, len(rows))
        widths = silhouettes(sample.points[rows], labels, weights, self.backend, self.cores)
        widths = widths.reshape(len(ks), self.n_seeds, len(rows))
        figures = {
            "silhouette": widths @ (weights / weights.sum()),
            "simplified_silhouette": found.simplified,
            "calinski_harabasz": found.calinski_harabasz,
            "davies_bouldin": found.davies_bouldin,
        }
        over_rows = {"silhouette": error_over_rows(widths, weights)}
        return Judged(ks, found, found.inertia.argmin(axis=1), figures, over_rows)

    def _eligible(self, judged: Judged) -> np.ndarray:
        shares = judged.of_best(judged.fits.smallest_share)
        eligible: np.ndarray = (shares >= self.smallest) & (shares > 0)
        if not eligible.any():
            eligible = shares == shares.max()
            self.notes_ += (
                f"no k has every segment above {self.smallest:g} of the customers; "
                f"the k with the largest smallest segment ({shares.max():.3f}) stands in",
            )
        return eligible

    def _tied(self, judged: Judged, eligible: np.ndarray) -> tuple[int, ...]:
        tied: tuple[int, ...] = ()
        for name in self.criteria:
            figures = judged.figures[name] if HIGHER_IS_BETTER[name] else -judged.figures[name]
            found = tie_set(judged.ks, judged.of_best(figures), judged.error(name), eligible)
            both = tuple(k for k in tied if k in found)
            tied = both or tied or found
        return tied

    def _found_again(self, sample: Sample, judged: Judged, rows: np.ndarray, weights: np.ndarray) -> dict[int, float]:
        """Mean agreement of each k of the tie set with its bootstrap resamples."""
        if not self.resamples:
            return {}
        again = resampled_labels(sample, self.tie_set_, self.resamples, rows, self.seed, self._place())
        stable = {}
        for k, labelings in zip(self.tie_set_, again, strict=True):
            i = judged.ks.index(k)
            standing = judged.fits.labels[i, judged.best[i]]
            stable[k] = float(np.mean([agreement(standing, other, weights) for other in labelings]))
        return stable

    def _write_reports(self, judged: Judged, scores: Criteria, weights: np.ndarray, stable: dict[int, float]) -> None:
        silhouette = judged.figures["silhouette"]
        self.report_ = pd.DataFrame(
            {
                "k": np.asarray(judged.ks, dtype=np.int64),
                "inertia": scores.inertia,
                "silhouette": judged.of_best(silhouette),
                "silhouette_se": judged.error("silhouette"),
                "stability": [agreement_of_seeds(labelings, weights) for labelings in judged.fits.labels],
                "smallest_share": scores.smallest_share,
                "tied": [k in self.tie_set_ for k in judged.ks],
                "chosen": [k == self.k_ for k in judged.ks],
            }
        )
        self.criteria_ = pd.DataFrame(
            {
                "k": np.asarray(judged.ks, dtype=np.int64),
                "calinski_harabasz": scores.calinski_harabasz,
                "davies_bouldin": scores.davies_bouldin,
                "simplified_silhouette": scores.simplified,
                "bootstrap_stability": [stable.get(k, np.nan) for k in judged.ks],
                "refined": [k in self.tie_set_ for k in judged.ks],
            }
        )

    def _place(self) -> Workplace:
        return Workplace(self.backend, self.cores, self.address)

    def _known(self, X: Any, k: int | None) -> tuple[np.ndarray, np.ndarray]:
        if not hasattr(self, "centers_"):
            raise NotFitted("this SegmentSweep has no segments yet; call fit first")
        if k is not None and k not in self.centers_by_k_:
            raise ContractError(f"k = {k} is not in the tie set {self.tie_set_}, so it has no segments on all rows")
        points = checked_points(X)
        if points.shape[1] != self.centers_.shape[1]:
            raise ContractError(
                f"{points.shape[1]} columns given, but the segments were found in {self.centers_.shape[1]}; "
                "encode with the encoder that was fitted with them"
            )
        return points, self.centers_ if k is None else self.centers_by_k_[k]

    def _asked(self) -> list[int]:
        """The k to try, after checking every setting."""
        ks = sorted({int(k) for k in self.k_range if self.max_k is None or k <= self.max_k})
        if not ks or ks[0] < 2:
            raise SettingsError(
                f"k_range {self.k_range!r} with max_k {self.max_k!r} leaves {ks}; give at least one k, none below 2"
            )
        counts = {name: getattr(self, name) for name in ("n_seeds", "sample", "silhouette_sample", "cores")}
        if min(counts.values()) < 1 or self.resamples < 0 or not 0 <= self.smallest <= 1:
            raise SettingsError(
                f"n_seeds {self.n_seeds}, sample {self.sample}, smallest {self.smallest}, resamples {self.resamples}: "
                f"{', '.join(counts)} must be at least 1, resamples at least 0, smallest a share in [0, 1]"
            )
        unknown = [name for name in self.criteria if name not in HIGHER_IS_BETTER]
        if unknown or not self.criteria:
            raise SettingsError(f"criteria {list(self.criteria)!r}: choose at least one of {list(HIGHER_IS_BETTER)}")
        return ks


def _possible(asked: list[int], sample: Sample, seeds: int) -> tuple[list[int], tuple[str, ...]]:
    """The k that the sample's different customers allow, and a note on those left out."""
    most = min(int((sample.without_fold(line) > 0).sum()) for line in range(seeds))
    ks = [k for k in asked if k <= most]
    if not ks:
        raise ContractError(
            f"{sample.weights.sum():,.0f} customers, of whom {most} differ in four fifths of the sample, cannot make "
            f"{asked[0]} segments; give more customers or a smaller k_range"
        )
    if len(ks) == len(asked):
        return ks, ()
    return ks, (f"only {most} customers differ in four fifths of the sample; k above {most} not tried",)


def _largest_first(centres: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Centres by size of their segments; ties by the centre's own values."""
    ordered: np.ndarray = centres[np.lexsort((*centres.T[::-1], -counts))]
    return ordered
