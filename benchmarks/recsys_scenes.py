"""Recommenders of many scenes at once, on Ray and one after the other; and what a scene's own popularity adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.figures import Comparison, Part, timed
from benchmarks.harness import check_same, compare, python_side
from benchmarks.report import Report, Table

if TYPE_CHECKING:
    from scipy import sparse

SCENES, CUSTOMERS, ITEMS, VISITS = 8, 40_000, 1_500, 25
FACTORS, ROUNDS = 64, 15
WORKERS = 2
GOAL, LEAST_SECONDS = 1.7, 2.0
START, FITS = "Ray start-up and first task of each worker", "fits"
SIDES = {"one after the other": ("local", 1), "Ray, two workers": ("ray", WORKERS)}

# the planted case of groups: scenes differ much, segments inside a scene a little, many segments are small
GROUP_SCENES, GROUP_SEGMENTS, GROUP_PEOPLE, GROUP_OFFERS, SEEDS = 12, 6, 30_000, 40, 5


def report(repeats: int | None = None) -> Report:
    """Fits of eight scenes in turns, with equal results; then popularity by scene and segment on a planted case."""
    sides = [
        python_side(name, "benchmarks.recsys_scenes:fitted", {"backend": backend, "cores": cores})
        for name, (backend, cores) in SIDES.items()
    ]
    comparison = compare(f"ALS of {SCENES} scenes, {CUSTOMERS:,} customers × {ITEMS:,} items each", sides, repeats or 3)
    check_same([measured for round_ in comparison.rounds for measured in round_], lambda answer: answer["found"])
    return Report(
        "recsys_scenes", "Per-scene training on Ray, and popularity by scene and segment", (comparison,),
        (by_group(),), (speed(comparison), "Every fit was equal to the byte on both sides in every round."),
    )  # fmt: skip


def speed(comparison: Comparison) -> str:
    """How many times faster the fits are on two workers, against the goal."""
    one, two = SIDES
    ratio = comparison.ratio(one, two, FITS)
    each = comparison.wall(one, FITS).median / SCENES
    told = f"{SCENES} fits of {each:.1f} s each"
    if each < LEAST_SECONDS:
        told += f" (the goal speaks of fits of at least {LEAST_SECONDS:.0f} s)"
    start = comparison.wall(two, START).median
    if ratio is None:
        return f"{told}: the clock gives no ratio"
    kept = "kept" if ratio.median >= GOAL else "not kept"
    return (
        f"{told}: two Ray workers take 1/{ratio.median:.2f} of the wall time (1/{ratio.low:.2f} to 1/{ratio.high:.2f} "
        f"over rounds; goal ≥ {GOAL}: {kept}), start-up of {start:.1f} s apart"
    )


def fitted(backend: str, cores: int) -> dict[str, Any]:
    """ALS of every scene; a digest of each one's vectors."""
    from scenefit.runtime.parallel import pmap, start_ray, stop_ray

    parts: list[Part] = []
    chosen: Any = backend
    with timed(START, parts):
        if backend == "ray":
            start_ray(cores).result()
        # a worker's first task pays for its imports
        pmap(fit_scene, [-1] * cores, backend=chosen, cores=cores)
    with timed(FITS, parts):
        found = pmap(fit_scene, range(SCENES), backend=chosen, cores=cores)
    stop_ray()
    return {"parts": parts, "found": found}


def fit_scene(scene: int, shared: None, rng: np.random.Generator) -> str:  # noqa: ARG001
    """Visits of one scene, learned; a digest of the item vectors. Scene −1 is tiny and only loads the libraries."""
    import hashlib

    from recsys.models import AlternatingLeastSquares

    size = (200, 50) if scene < 0 else (CUSTOMERS, ITEMS)
    model = AlternatingLeastSquares(factors=FACTORS, iterations=1 if scene < 0 else ROUNDS, seed=0)
    model.fit(visits(np.random.default_rng([7, scene + 1]), *size))
    return hashlib.sha256(model.item_factors_.tobytes()).hexdigest()


def visits(rng: np.random.Generator, customers: int, items: int) -> sparse.csr_matrix:
    """Synthetic visits: items of uneven fame, about as many visits for everybody."""
    from scipy import sparse

    who = np.repeat(np.arange(customers), VISITS)
    what = (items * rng.random(len(who)) ** 2.5).astype(np.int64)
    matrix = sparse.csr_matrix((np.ones(len(who), np.float32), (who, what)), shape=(customers, items))
    matrix.sum_duplicates()
    return matrix


def by_group() -> Table:
    """NDCG@10 of popularity for all, by scene, and by scene and segment, where groups differ by plan."""
    kinds = ("of everybody", "by scene", "by scene and segment", "by segment, unshrunken", "oracle")
    found = np.array([planted_groups(seed) for seed in range(SEEDS)])
    rows = [
        [kind, f"{values.mean():.4f} ± {values.std(ddof=1):.4f}", f"{(values / found[:, -1]).mean():.3f}"]
        for kind, values in zip(kinds, found.T, strict=True)
    ]
    return Table(
        f"Synthetic: {GROUP_PEOPLE:,} people in {GROUP_SCENES} scenes of {GROUP_SEGMENTS} segments, {GROUP_OFFERS} "
        f"offers; a twentieth of the people teaches, mean and deviation over {SEEDS} seeds",
        ("popularity", "NDCG@10", "share of the oracle's"), tuple(tuple(row) for row in rows),
    )  # fmt: skip


def planted_groups(seed: int) -> list[float]:
    """NDCG@10 of each kind of popularity for people of a planted scene and segment; the last one knows the truth."""
    from scipy import sparse

    from recsys.evaluate import ranking_quality
    from recsys.models import GroupPopularity, Popularity

    rng = np.random.default_rng(seed)
    everybody = rng.normal(0, 1.0, GROUP_OFFERS)
    of_scene = everybody + rng.normal(0, 0.7, (GROUP_SCENES, GROUP_OFFERS))
    of_segment = of_scene[:, None, :] + rng.normal(0, 0.4, (GROUP_SCENES, GROUP_SEGMENTS, GROUP_OFFERS))
    scene = rng.integers(0, GROUP_SCENES, GROUP_PEOPLE)
    # segments are uneven: the smallest hold a fiftieth of a scene
    segment = rng.choice(GROUP_SEGMENTS, GROUP_PEOPLE, p=[0.4, 0.25, 0.18, 0.1, 0.05, 0.02])
    utility = of_segment[scene, segment]
    taken = (utility + rng.gumbel(size=utility.shape)).argmax(axis=1)
    teaches = rng.random(GROUP_PEOPLE) < 0.05
    ones = (np.ones(GROUP_PEOPLE, np.float32), (np.arange(GROUP_PEOPLE), taken))
    every = sparse.csr_matrix(ones, shape=(GROUP_PEOPLE, GROUP_OFFERS))
    train, test = every[teaches], every[~teaches]
    both = np.column_stack([scene, segment])
    flat = GroupPopularity(both[teaches], strength=1e-6).fit(train).rates(both[~teaches])
    scores = [
        Popularity().fit(train).scores(np.arange(test.shape[0]), test),
        GroupPopularity(scene[teaches]).fit(train).rates(scene[~teaches]),
        GroupPopularity(both[teaches]).fit(train).rates(both[~teaches]),
        flat,
        utility[~teaches],
    ]
    return [ranking_quality(one, test, 10).ndcg for one in scores]


def main() -> None:
    """Print the report."""
    from benchmarks.report import markdown

    print(markdown(report(), "python -m benchmarks.recsys_scenes"))


if __name__ == "__main__":
    main()
