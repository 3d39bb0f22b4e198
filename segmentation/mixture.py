"""Segments that may overlap and differ in spread: a Gaussian mixture behind the same door as the sweep's segments."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from scenefit.contracts.errors import ContractError, NotFitted, SettingsError
from segmentation.distances import content_order, nearest
from segmentation.fits import tolerance
from segmentation.lloyd import settled_centres, sum_grid
from segmentation.points import checked_points
from segmentation.starts import start_path

ROWS = 8192


class DiagonalMixture:
    """Customers in k segments, each with its own centre and its own spread in every column.

    scikit-learn's GaussianMixture with diagonal covariances, started from the tightest of a few k-means fits. Where
    segments differ in spread it draws borders that k-means cannot; it takes no sample weights.

    Parameters
    ----------
    k : number of segments
    n_seeds : k-means fits of which the one of least inertia is the start
    sample : rows from which the mixture is learned; every row is labelled
    rounds : most iterations; `notes_` says when they did not suffice
    seed : one seed, one result, whatever the order of the rows and the number of threads

    Attributes
    ----------
    labels_ : shape (n,), 0 for the largest segment
    confidence_ : shape (n,), probability of the segment named, above 1 / k
    centers_ : shape (k, d), float32
    spreads_ : shape (k, d), standard deviations
    shares_ : shape (k,), how many customers the mixture expects in each segment
    bic_ : Bayesian information criterion on the sample; lower is better
    notes_ : what was not as asked
    """

    labels_: np.ndarray
    confidence_: np.ndarray
    centers_: np.ndarray
    spreads_: np.ndarray
    shares_: np.ndarray
    bic_: float
    notes_: tuple[str, ...]

    def __init__(self, k: int = 5, n_seeds: int = 5, sample: int = 50_000, rounds: int = 200, seed: int = 0) -> None:
        self.k = k
        self.n_seeds = n_seeds
        self.sample = sample
        self.rounds = rounds
        self.seed = seed

    def fit(self, X: Any) -> DiagonalMixture:
        """Segments of encoded customers, shape (n, d)."""
        if self.k < 2 or min(self.n_seeds, self.sample, self.rounds) < 1:
            raise SettingsError(
                f"k {self.k}, n_seeds {self.n_seeds}, sample {self.sample}, rounds {self.rounds}: "
                "k must be at least 2, the others at least 1"
            )
        points = checked_points(X)
        head = points[content_order(points, self.seed)[: self.sample]]
        different = len(np.unique(head, axis=0))
        if different < self.k:
            raise ContractError(
                f"{len(head):,} customers, of whom {different} differ, cannot make {self.k} segments; "
                "give more customers or a smaller k"
            )
        self._learn(head)
        self.labels_, self.confidence_ = self._named(points)
        order = np.argsort(-np.bincount(self.labels_, minlength=self.k), kind="stable")
        self.centers_, self.spreads_, self.shares_ = self.centers_[order], self.spreads_[order], self.shares_[order]
        self.labels_, self.confidence_ = self._named(points)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Segment of each customer, int32 of shape (n,)."""
        return self._named(self._known(X))[0]

    def confidence(self, X: Any) -> np.ndarray:
        """Probability that each customer belongs to the segment named, in [1 / k, 1]."""
        return self._named(self._known(X))[1]

    def _learn(self, head: np.ndarray) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture
        from threadpoolctl import threadpool_limits

        exact = head.astype(np.float64)
        means = _tightest(head, self.k, self.n_seeds, self.seed)
        labels = nearest(head, means)
        held = np.maximum(np.bincount(labels, minlength=self.k), 1)
        inside = exact.var(axis=0) + 1e-6
        mixture = GaussianMixture(
            self.k, covariance_type="diag", max_iter=self.rounds, means_init=means, weights_init=held / held.sum(),
            precisions_init=np.tile(1 / inside, (self.k, 1)), random_state=0,
        )  # fmt: skip
        with threadpool_limits(1), warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", ConvergenceWarning)
            mixture.fit(exact)
            self.bic_ = float(mixture.bic(exact))
        self.notes_ = (f"not settled after {self.rounds} rounds; allow more",) if told else ()
        self.centers_ = mixture.means_.astype(np.float32)
        self.spreads_ = np.sqrt(mixture.covariances_)
        self.shares_ = mixture.weights_

    def _named(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Segment and its probability, one coordinate after the other: a row's place never matters."""
        labels, sure = np.empty(len(points), dtype=np.int32), np.empty(len(points))
        level = np.log(self.shares_) - np.log(self.spreads_).sum(axis=1)
        for start in range(0, len(points), ROWS):
            rows = slice(start, start + ROWS)
            likely = np.repeat(level[:, None], len(points[rows]), axis=1)
            for values, centre, spread in zip(points[rows].T, self.centers_.T, self.spreads_.T, strict=True):
                step = (values[None, :].astype(np.float64) - centre[:, None]) / spread[:, None]
                likely -= 0.5 * step * step
            labels[rows] = likely.argmax(axis=0)
            sure[rows] = 1 / np.exp(likely - likely.max(axis=0)).sum(axis=0)
        return labels, sure

    def _known(self, X: Any) -> np.ndarray:
        if not hasattr(self, "centers_"):
            raise NotFitted("this DiagonalMixture has no segments yet; call fit first")
        points = checked_points(X)
        if points.shape[1] != self.centers_.shape[1]:
            raise ContractError(
                f"{points.shape[1]} columns given, but the segments were found in {self.centers_.shape[1]}; "
                "encode with the encoder that was fitted with them"
            )
        return points


def _tightest(head: np.ndarray, k: int, seeds: int, seed: int) -> np.ndarray:
    """Centres of the k-means fit of least inertia."""
    weights = np.ones((1, len(head)))
    rngs = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(seeds)]
    starts = [head[start_path(head, weights[0], k, rng)] for rng in rngs]
    grid = sum_grid(np.abs(head).max(axis=0), len(head))
    models = settled_centres(head, weights, np.zeros(seeds, dtype=np.int64), starts, grid, tolerance(head))
    inertia = [float(((head - model[nearest(head, model)]) ** 2).sum(dtype=np.float64)) for model in models]
    return models[int(np.argmin(inertia))]
