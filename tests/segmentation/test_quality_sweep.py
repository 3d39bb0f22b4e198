"""Planted numbers of segments are found, measured on synthetic customers of every difficulty."""

import numpy as np
import pytest

from benchmarks.planted import Found, found, planted, summary
from segmentation.sweep import SegmentSweep


@pytest.mark.parametrize("seed", range(12))
def test_planted_sets_are_what_they_say(seed):
    made = planted(seed)
    shares = np.bincount(made.truth, minlength=made.k) / len(made.truth)
    assert 3 <= made.k <= 10
    assert shares.min() > 0.02  # drawn from shares of 3 % and more
    assert shares.max() < 0.42
    assert 5_000 <= len(made.points) <= 50_000
    assert 8 <= made.points.shape[1] <= 30
    assert np.array_equal(planted(seed).points, made.points)


def test_segments_clearly_apart_are_found_as_planted():
    made = planted(34)
    sweep = SegmentSweep(k_range=range(2, 13), resamples=0).fit(made.points)
    assert made.k in sweep.tie_set_


def test_the_summary_by_hand():
    hit = Found(0, 10, 2, planted=4, gap=3.0, loop=2, chosen=4, tie_set=(4, 5), agreement=0.9)
    summed = summary([hit, hit._replace(tie_set=(3,)), hit._replace(tie_set=(2,))])
    assert summed.startswith("Planted or loop's k in the tie set: 2 of 3 (planted 1, loop's 1); tie sets hold 1 k")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_planted_or_the_loops_number_is_in_the_tie_set():
    results = [found(seed) for seed in range(40)]
    assert np.mean([one.covered for one in results]) >= 0.95, summary(results)
    assert np.median([len(one.tie_set) for one in results]) <= 3, summary(results)
