"""How often the planted number of segments is found: synthetic customers, from clearly apart to overlapping.

python -m benchmarks.planted            # 40 data sets, a few minutes
python -m benchmarks.planted --first 40 # 40 others, on which nothing was ever chosen
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np

KS = range(2, 13)
LOOP_SAMPLE = 10_000


class Planted(NamedTuple):
    """Standardised columns of synthetic customers, the segment each was drawn from, and what the set is like."""

    points: np.ndarray
    truth: np.ndarray
    k: int
    gap: float
    noise_columns: int
    correlation: float

    @property
    def smallest_share(self) -> float:
        """Share of the smallest planted segment."""
        return float(np.bincount(self.truth).min() / len(self.truth))


def planted(seed: int) -> Planted:
    """One data set; everything about it is drawn from the seed.

    3-10 normal segments of 3-40 % of 5,000-50,000 customers in 8-30 columns. Mean distance between centres: 2.5 (they
    overlap) to 7 (clearly apart) standard deviations of a column inside a segment; every segment has spreads of its
    own. In half of the sets 10-40 % of the columns hold noise alone; in half the columns of a segment correlate.
    """
    rng = np.random.default_rng([seed, 20_260])
    k, columns = int(rng.integers(3, 11)), int(rng.integers(8, 31))
    rows = int(np.exp(rng.uniform(np.log(5_000), np.log(50_000))))
    gap = rng.uniform(2.5, 7.0)
    noise = int(columns * rng.uniform(0.1, 0.4)) if rng.random() < 0.5 else 0
    correlation = rng.uniform(0.2, 0.6) if rng.random() < 0.5 else 0.0
    informative = columns - noise
    centres = rng.normal(size=(k, informative))
    apart = np.sqrt(((centres[:, None] - centres[None]) ** 2).sum(axis=2))
    centres *= gap / apart[np.triu_indices(k, 1)].mean()
    truth = rng.choice(k, rows, p=_shares(k, rng))
    own = rng.normal(size=(rows, informative))
    # one factor behind all columns of a segment, each column with its own sign
    factor, signs = rng.normal(size=(rows, 1)), rng.choice([-1.0, 1.0], (k, informative))
    spread = rng.uniform(0.7, 1.3, (k, informative))
    inside = np.sqrt(1 - correlation) * own + np.sqrt(correlation) * factor * signs[truth]
    points = np.concatenate([centres[truth] + spread[truth] * inside, rng.normal(size=(rows, noise))], axis=1)
    points = points[:, rng.permutation(columns)]
    points = ((points - points.mean(axis=0)) / points.std(axis=0)).astype(np.float32)
    return Planted(points, truth, k, gap, noise, correlation)


def _shares(k: int, rng: np.random.Generator) -> np.ndarray:
    while True:
        shares = rng.dirichlet(np.full(k, 2.0))
        if shares.min() >= 0.03 and shares.max() <= 0.40:
            return shares


class Found(NamedTuple):
    """What the sweep and scikit-learn's loop found in one data set; agreement is with the planted segments."""

    seed: int
    rows: int
    columns: int
    planted: int
    gap: float
    loop: int
    chosen: int
    tie_set: tuple[int, ...]
    agreement: float

    @property
    def covered(self) -> bool:
        """Whether the planted number or the loop's lies in the tie set."""
        return self.planted in self.tie_set or self.loop in self.tie_set


def found(seed: int) -> Found:
    """Both on one data set: the sweep with its own defaults but no least share, k from 2 to 12."""
    from sklearn.metrics import adjusted_rand_score

    from segmentation.sweep import SegmentSweep

    made = planted(seed)
    sweep = SegmentSweep(k_range=KS, smallest=0, cores=2).fit(made.points)
    agreement = float(adjusted_rand_score(made.truth, sweep.labels_))
    rows, columns = made.points.shape
    return Found(seed, rows, columns, made.k, made.gap, loop_k(made.points, seed), sweep.k_, sweep.tie_set_, agreement)


def loop_k(points: np.ndarray, seed: int) -> int:
    """The number scikit-learn's usual loop takes: KMeans with five starts for each k, silhouette on 10,000 rows.

    The silhouettes are ours, which are scikit-learn's to the ninth digit (tests/segmentation/test_silhouettes.py).
    """
    from sklearn.cluster import KMeans

    from segmentation.silhouettes import silhouettes

    some = np.random.default_rng(seed).permutation(len(points))[:LOOP_SAMPLE]
    labels = np.array([KMeans(k, n_init=5, random_state=seed).fit(points).labels_[some] for k in KS])
    return KS[int(silhouettes(points[some], labels, cores=2).mean(axis=1).argmax())]


HEADER = (
    "| set | rows × columns | gap | planted k | loop's k | tie set | chosen | agreement |\n"
    "|---|---|---|---|---|---|---|---|"
)


def line(one: Found) -> str:
    """A result as a row of a Markdown table."""
    ties = ", ".join(map(str, one.tie_set)) + ("" if one.covered else " (missed)")
    return (
        f"| {one.seed} | {one.rows:,} × {one.columns} | {one.gap:.1f} | {one.planted} | {one.loop} | {ties} "
        f"| {one.chosen} | {one.agreement:.2f} |"
    )


def summary(results: list[Found]) -> str:
    """Coverage and size of the tie sets in one sentence."""
    sizes = [len(one.tie_set) for one in results]
    covered, planted_in, loop_in = (
        sum(hits)
        for hits in (
            (one.covered for one in results),
            (one.planted in one.tie_set for one in results),
            (one.loop in one.tie_set for one in results),
        )
    )
    return (
        f"Planted or loop's k in the tie set: {covered} of {len(results)} (planted {planted_in}, loop's {loop_in}); "
        f"tie sets hold {np.median(sizes):g} k in the median, {max(sizes)} at most; the loop itself takes the planted "
        f"k in {sum(one.loop == one.planted for one in results)}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planted", description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="seed of the first data set")
    parser.add_argument("--sets", type=int, default=40, help="how many")
    asked = parser.parse_args()
    results = []
    print(HEADER)
    for seed in range(asked.first, asked.first + asked.sets):
        results.append(found(seed))
        print(line(results[-1]), flush=True)
    print("\n" + summary(results))


if __name__ == "__main__":
    main()
