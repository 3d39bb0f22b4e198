"""The rungs of the look-alike ladder, all on vectors of length 1, so that products are cosines."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

PROTOTYPES = 16
# fewer seeds than this make no prototype of their own
SEEDS_PER_PROTOTYPE = 20
ROUNDS = 15
# more seeds, or more strangers, move the third digit only
MOST_SEEDS = 20_000
STRANGERS = 20_000
LANDMARKS = 256
# nearness halves at a cosine of 0.91; 4 found as many on planted customers
SHARPNESS = np.float32(8.0)
# inverse penalty of 320 weights learned from some hundred seeds
CURVED_FREEDOM = 0.01


class Probe(NamedTuple):
    """A named way to score everybody: the largest of the products with `directions` (m, d), float32.

    With `bumps` (landmarks,) nearness to each landmark counts as well, so that several groups far apart can be meant.
    """

    method: str
    directions: np.ndarray
    bumps: np.ndarray | None = None


def centroid(seeds: np.ndarray) -> Probe:
    """Likeness to the mean seed: Rocchio's classifier without strangers, the rung that others must beat."""
    return Probe("centroid", _unit(seeds.mean(axis=0, dtype=np.float64)[None]))


def prototypes(seeds: np.ndarray, rng: np.random.Generator) -> Probe:
    """Likeness to the nearest of a few typical seeds: as many as there are 20 seeds for, 16 at most."""
    some = _some(seeds, MOST_SEEDS, rng)
    count = max(1, min(PROTOTYPES, len(some) // SEEDS_PER_PROTOTYPE))
    return Probe("prototypes", typical(some, count, rng))


def positive_unlabelled(seeds: np.ndarray, strangers: np.ndarray, rng: np.random.Generator) -> Probe:
    """Seeds against random strangers by logistic regression, some of whom are like seeds and do not know it.

    Positive-unlabelled learning: with labels missing at random the order of scores is that of the true chances
    (Elkan and Noto 2008, KDD, 213), so the intercept does not matter.
    """
    some = _some(seeds, MOST_SEEDS, rng)
    scale = np.sqrt(seeds.shape[1])
    weights = _weights(some.astype(np.float64) * scale, strangers.astype(np.float64) * scale, 1.0)
    return Probe("positive-unlabelled", weights[None])


def landmarks(strangers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Typical customers of all kinds, float32 (landmarks, d); nothing is known of who is a seed."""
    return typical(strangers, max(1, min(LANDMARKS, len(strangers) // SEEDS_PER_PROTOTYPE)), rng)


def nearness(rows: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """How near each row is to each landmark, in (0, 1]: a bump around it.

    Moody and Darken (1989), Neural Computation 1, 281.
    """
    products = rows @ marks.T
    products -= 1
    products *= SHARPNESS
    near: np.ndarray = np.exp(products, out=products)
    return near


def curved(seeds: np.ndarray, strangers: np.ndarray, marks: np.ndarray, rng: np.random.Generator) -> Probe:
    """As `positive_unlabelled`, with nearness to landmarks beside the vector itself."""
    some = _some(seeds, MOST_SEEDS, rng)
    near = nearness(np.concatenate([some, strangers]), marks).astype(np.float64)
    centre, spread = near.mean(axis=0), np.maximum(near.std(axis=0), 1e-9)
    scale, count = np.sqrt(seeds.shape[1]), len(some)
    near = (near - centre) / spread
    weights = _weights(
        np.hstack([some * scale, near[:count]]), np.hstack([strangers * scale, near[count:]]), CURVED_FREEDOM
    )
    d = seeds.shape[1]
    return Probe("landmarks", (weights[:d] * scale)[None].astype(np.float32), (weights[d:] / spread).astype(np.float32))


def typical(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Typical directions, float32 (count, d): spherical k-means (Dhillon and Modha 2001, Machine Learning 42, 143)."""
    centres = rows[rng.choice(len(rows), count, replace=False)]
    for _ in range(ROUNDS):
        nearest = (rows @ centres.T).argmax(axis=1)
        sums = np.zeros((count, rows.shape[1]))
        np.add.at(sums, nearest, rows)
        # one that lost its rows stays where it was
        lost = np.linalg.norm(sums, axis=1) < 1e-9
        sums[lost] = centres[lost]
        centres = _unit(sums)
    return centres


def _weights(seeds: np.ndarray, strangers: np.ndarray, freedom: float) -> np.ndarray:
    """Weights of a logistic regression of seeds against strangers, both counting alike; float32."""
    from sklearn.linear_model import LogisticRegression

    labels = np.repeat([1, 0], [len(seeds), len(strangers)])
    model = LogisticRegression(C=freedom, max_iter=500, tol=1e-3, class_weight="balanced")
    weights: np.ndarray = model.fit(np.concatenate([seeds, strangers]), labels).coef_[0].astype(np.float32)
    return weights


def _some(rows: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= most else rows[np.sort(rng.choice(len(rows), most, replace=False))]


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.ascontiguousarray(rows / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)
