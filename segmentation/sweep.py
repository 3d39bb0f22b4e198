"""How many segments, and who is in which: a sweep over k that reports every k it cannot tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError, NotFitted, SettingsError
from scenefit.runtime.parallel import Backend, pmap
from segmentation.distances import content_order, nearest_two

# each seed leaves out one fold of the sample, so that seeds disagree where the data does not decide
FOLDS = 5
ROUNDS = 100
HIGHER_IS_BETTER = {"silhouette": True, "calinski_harabasz": True, "davies_bouldin": False}


class PathFits(NamedTuple):
    """What one seed found for every k: centres, labels of the whole sample, criteria."""

    centres: list[np.ndarray]
    labels: list[np.ndarray]
    inertia: list[float]
    silhouette: list[float]
    calinski_harabasz: list[float]
    davies_bouldin: list[float]


class SegmentSweep:
    """Customers in segments, with the numbers of segments that the data cannot tell apart.

    A sample is clustered for every k and seed, and the fit of least inertia stands for its k. The k whose criterion is
    within one standard error of the best form the tie set; its smallest k is refined on all rows (fewer segments
    serve as well and are easier to staff).

    Parameters
    ----------
    k_range : numbers of segments to try, each at least 2
    n_seeds : independent starts per k; standard errors and stability need at least 2
    criteria : the first decides the tie set, each further one narrows it where it leaves anything; of "silhouette",
        "calinski_harabasz" and "davies_bouldin"
    smallest : least share of customers in the smallest segment; a k that misses it is not eligible
    sample : rows clustered for every k
    max_k : most segments the team can staff
    backend, cores : where the seeds run (see `pmap`); labels are the same everywhere
    seed : one seed, one result, whatever the order of the rows and the number of threads

    Attributes
    ----------
    k_ : chosen number of segments
    tie_set_ : every k not clearly worse than the best
    labels_ : shape (n,), 0 for the largest segment
    confidence_ : shape (n,), 0 half-way between two segments, 1 at a centre
    centers_ : shape (k_, d), float32
    report_ : one row per k, columns of the table segment_criteria without scene_id; measured on the sample
    criteria_ : one row per k: Calinski-Harabasz and Davies-Bouldin, as in scikit-learn, of the same fits
    notes_ : what was not as asked, such as a k above the number of different customers

    Notes
    -----
    Start: one greedy k-means++ path per seed, whose first k centres start every k (Arthur and Vassilvitskii 2007, SODA,
    1027). Criterion: simplified silhouette, distances to centres instead of to all rows (Hruschka, de Castro and
    Campello 2004, ICDM, 403). Tie rule: one standard error, over seeds and of the difference to the best (after
    Breiman et al. 1984, Classification and Regression Trees, section 3.4.3). Each seed leaves out another fifth of the
    sample, so that the standard error holds the choice of rows as well as the start.
    """

    def __init__(
        self,
        k_range: Iterable[int] = range(3, 9),
        n_seeds: int = 4,
        criteria: Sequence[str] = ("silhouette",),
        smallest: float = 0.03,
        sample: int = 20_000,
        max_k: int | None = None,
        backend: Backend = "local",
        cores: int = 1,
        seed: int = 0,
    ) -> None:
        self.k_range = k_range
        self.n_seeds = n_seeds
        self.criteria = criteria
        self.smallest = smallest
        self.sample = sample
        self.max_k = max_k
        self.backend = backend
        self.cores = cores
        self.seed = seed

    def fit(self, X: Any) -> SegmentSweep:
        """Segments of encoded customers, shape (n, d)."""
        asked = self._asked()
        points = _points(X)
        order = content_order(points, self.seed)
        ordered = points[order]
        head = ordered[: self.sample]
        ks, self.notes_ = _possible(asked, head)
        fits = pmap(_path_fits, range(self.n_seeds), (head, ks), seed=self.seed, backend=self.backend, cores=self.cores)
        best = np.argmin([fit.inertia for fit in fits], axis=0)
        shares = [_smallest_share(fits[s].labels[i], k) for i, (s, k) in enumerate(zip(best, ks, strict=True))]
        eligible = np.asarray(shares) >= self.smallest
        if not eligible.any():
            eligible = np.asarray(shares) == max(shares)
            self.notes_ += (
                f"no k has every segment above {self.smallest:g} of the customers; "
                f"the k with the largest smallest segment ({max(shares):.3f}) stands in",
            )
        self.tie_set_ = self._tied(ks, fits, best, eligible)
        self.k_ = min(self.tie_set_)
        at = ks.index(self.k_)
        self.report_ = _report(ks, fits, best, shares, self.tie_set_)
        self.criteria_ = pd.DataFrame(
            {
                "k": ks,
                "calinski_harabasz": _of_best(fits, best, "calinski_harabasz"),
                "davies_bouldin": _of_best(fits, best, "davies_bouldin"),
            }
        )
        self.centers_ = _refined(ordered, fits[best[at]].centres[at])
        nearest = nearest_two(points, self.centers_)
        self.labels_, self.confidence_ = nearest.labels, nearest.confidence
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Segment of each customer, int32 of shape (n,)."""
        return nearest_two(self._known(X), self.centers_).labels

    def confidence(self, X: Any) -> np.ndarray:
        """How clearly each customer belongs to the segment: 1 - distance to it / distance to the next, in [0, 1]."""
        return nearest_two(self._known(X), self.centers_).confidence

    def _known(self, X: Any) -> np.ndarray:
        if not hasattr(self, "centers_"):
            raise NotFitted("this SegmentSweep has no segments yet; call fit first")
        points = _points(X)
        if points.shape[1] != self.centers_.shape[1]:
            raise ContractError(
                f"{points.shape[1]} columns given, but the segments were found in {self.centers_.shape[1]}; "
                "encode with the encoder that was fitted with them"
            )
        return points

    def _asked(self) -> list[int]:
        """The k to try, after checking every setting."""
        ks = sorted({int(k) for k in self.k_range if self.max_k is None or k <= self.max_k})
        if not ks or ks[0] < 2:
            raise SettingsError(
                f"k_range {self.k_range!r} with max_k {self.max_k!r} leaves {ks}; give at least one k, none below 2"
            )
        if self.n_seeds < 1 or self.sample < 1 or not 0 <= self.smallest <= 1:
            raise SettingsError(
                f"n_seeds {self.n_seeds}, sample {self.sample}, smallest {self.smallest}: "
                "the first two must be at least 1, the last a share in [0, 1]"
            )
        unknown = [name for name in self.criteria if name not in HIGHER_IS_BETTER]
        if unknown or not self.criteria:
            raise SettingsError(f"criteria {list(self.criteria)!r}: choose at least one of {list(HIGHER_IS_BETTER)}")
        return ks

    def _tied(self, ks: list[int], fits: list[PathFits], best: np.ndarray, eligible: np.ndarray) -> tuple[int, ...]:
        tied: tuple[int, ...] = ()
        for name in self.criteria:
            sign = 1 if HIGHER_IS_BETTER[name] else -1
            found = tie_set(ks, sign * _of_best(fits, best, name), _error_of(fits, name), eligible)
            both = tuple(k for k in tied if k in found)
            tied = both or tied or found
        return tied


def tie_set(ks: Sequence[int], values: np.ndarray, errors: np.ndarray, eligible: np.ndarray) -> tuple[int, ...]:
    """Every eligible k whose criterion (higher is better) is within one standard error of the best eligible one.

    The error is that of the difference: the root of both squared errors added. NaN errors (one seed) count as 0.

    >>> tie_set([3, 4, 5], np.array([.40, .50, .51]), np.array([.01, .00, .02]), np.array([True, True, True]))
    (4, 5)
    """
    open_to = np.where(eligible, values, -np.inf)
    best = int(np.argmax(open_to))
    known = np.nan_to_num(errors, nan=0.0)
    within = open_to >= open_to[best] - np.hypot(known, known[best])
    return tuple(k for k, tied in zip(ks, within, strict=True) if tied)


def _points(X: Any) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # too large for float32 becomes infinite and is refused below
            points = np.ascontiguousarray(X, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ContractError(
            f"not a table of numbers: {error}; encode the customers with CustomerEncoder first"
        ) from error
    if points.ndim != 2 or not points.size:
        raise ContractError(f"points of shape {points.shape} given; one row per customer and one column each needed")
    wild = ~np.isfinite(points)
    if wild.any():
        row, column = np.argwhere(wild)[0]
        raise ContractError(
            f"{int(wild.sum()):,} values are missing or infinite (first: row {row}, column {column}); "
            "encode the customers with CustomerEncoder first"
        )
    return points + np.float32(0)  # -0.0 and 0.0 are one value but not one bit pattern


def _possible(asked: list[int], head: np.ndarray) -> tuple[list[int], tuple[str, ...]]:
    """The k that the sample's different customers allow, and a note on those left out."""
    most = min(len(np.unique(head[_kept(len(head), fold)], axis=0)) for fold in range(FOLDS))
    ks = [k for k in asked if k <= most]
    if not ks:
        raise ContractError(
            f"{len(head):,} customers, of whom {most} differ in four fifths of the sample, cannot make "
            f"{asked[0]} segments; give more customers or a smaller k_range"
        )
    if len(ks) == len(asked):
        return ks, ()
    return ks, (f"only {most} customers differ in four fifths of the sample; k above {most} not tried",)


def _kept(n: int, fold: int) -> np.ndarray:
    return np.arange(n) % FOLDS != fold % FOLDS


def _path_fits(position: int, shared: tuple[np.ndarray, list[int]], rng: np.random.Generator) -> PathFits:
    """One seed's fits for every k; module level so that Ray can run it."""
    from sklearn.cluster import kmeans_plusplus
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score
    from threadpoolctl import threadpool_limits

    head, ks = shared
    rows = head[_kept(len(head), position)]
    exact = head.astype(np.float64)
    found = PathFits([], [], [], [], [], [])
    with threadpool_limits(1):
        path, _ = kmeans_plusplus(rows, max(ks), random_state=int(rng.integers(2**31)))
        for k in ks:
            centres = _lloyd(rows, path[:k])
            near = nearest_two(head, centres)
            split = len(np.unique(near.labels)) > 1
            found.centres.append(centres)
            found.labels.append(near.labels)
            found.inertia.append(float((near.distance**2).sum()))
            found.silhouette.append(float(near.confidence.mean()))
            found.calinski_harabasz.append(calinski_harabasz_score(exact, near.labels) if split else 0.0)
            found.davies_bouldin.append(davies_bouldin_score(exact, near.labels) if split else np.inf)
    return found


def _lloyd(rows: np.ndarray, start: np.ndarray) -> np.ndarray:
    from sklearn.cluster import KMeans

    model = KMeans(len(start), init=start, n_init=1, max_iter=ROUNDS, algorithm="lloyd", random_state=0)
    centres: np.ndarray = model.fit(rows).cluster_centers_.astype(np.float32)
    return centres


def _refined(ordered: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Centres on all rows, the largest segment first; ties by the centre's own values."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        centres = _lloyd(ordered, start)
    sizes = np.bincount(nearest_two(ordered, centres).labels, minlength=len(centres))
    return centres[np.lexsort((*centres.T[::-1], -sizes))]


def _smallest_share(labels: np.ndarray, k: int) -> float:
    return float(np.bincount(labels, minlength=k).min() / len(labels))


def _of_best(fits: list[PathFits], best: np.ndarray, name: str) -> np.ndarray:
    """A criterion of the fit that stands for each k."""
    return np.asarray([getattr(fits[seed], name)[i] for i, seed in enumerate(best)])


def _error_of(fits: list[PathFits], name: str) -> np.ndarray:
    values = np.asarray([getattr(fit, name) for fit in fits])
    if len(fits) < 2:
        return np.full(values.shape[1], np.nan)
    return values.std(axis=0, ddof=1) / np.sqrt(len(fits))


def _report(
    ks: list[int], fits: list[PathFits], best: np.ndarray, shares: list[float], tied: tuple[int, ...]
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "k": np.asarray(ks, dtype=np.int64),
            "inertia": _of_best(fits, best, "inertia"),
            "silhouette": _of_best(fits, best, "silhouette"),
            "silhouette_se": _error_of(fits, "silhouette"),
            "stability": [_stability([fit.labels[i] for fit in fits]) for i in range(len(ks))],
            "smallest_share": shares,
            "tied": [k in tied for k in ks],
            "chosen": [k == min(tied) for k in ks],
        }
    )


def _stability(labelings: list[np.ndarray]) -> float:
    """Mean adjusted Rand index over all pairs of seeds; NaN for a single seed."""
    from sklearn.metrics import adjusted_rand_score

    pairs = [(a, b) for i, a in enumerate(labelings) for b in labelings[:i]]
    return float(np.mean([adjusted_rand_score(a, b) for a, b in pairs])) if pairs else float("nan")
