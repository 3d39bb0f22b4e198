"""Recall of hidden seeds by hand, and who wins."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.lookalike_trial import SHARES, found_seeds, paired_gain, trial


def test_hidden_seeds_compete_with_everybody_but_the_known_ones() -> None:
    scores = np.array([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], dtype=np.float32)

    # without the known seeds 0 and 1 the best quarter of eight is 2 and 3
    assert found_seeds(scores, np.array([2, 3, 4]), np.array([0, 1]), [0.25]).tolist() == [[True, True, False]]


def test_a_tie_at_the_border_is_not_found() -> None:
    scores = np.array([5, 5, 5, 5, 1, 1, 1, 1], dtype=np.float32)

    assert not found_seeds(scores, np.array([0, 1]), np.array([], dtype=int), [0.25]).any()
    assert found_seeds(scores, np.array([0, 1]), np.array([], dtype=int), [0.5]).all()


def hits(*shares: float, n: int = 400) -> np.ndarray:
    """Found seeds of each method, the same at every share: the first seeds of each."""
    return np.array([[np.arange(n) < share * n] * len(SHARES) for share in shares])


@pytest.mark.parametrize(
    ("recalls", "chosen"),
    [
        ((0.4, 0.5), "b"),
        ((0.4, 0.4), "a"),
        ((0.4, 0.3), "a"),
        ((0.4, 0.5, 0.6), "c"),
        ((0.4, 0.402), "a"),
        ((0.4,), "a"),
    ],
)
def test_a_challenger_wins_by_more_than_chance(recalls: tuple[float, ...], chosen: str) -> None:
    found = trial(list("abc")[: len(recalls)], hits(*recalls), np.random.default_rng(0))

    assert found.chosen == chosen
    assert found.report.loc[found.report["chosen"], "method"].unique().tolist() == [chosen]


def test_the_interval_of_a_gain_is_that_of_paired_shares() -> None:
    base = np.arange(1000) < 500
    better = (np.arange(1000) < 600) & (np.arange(1000) >= 20)
    gain, low, high = paired_gain(better, base, 0.025, np.random.default_rng(1))

    # 100 won, 20 lost: standard error of the difference of paired shares (McNemar)
    error = np.sqrt((0.1 + 0.02 - 0.08**2) / 1000)
    assert gain == pytest.approx(0.08)
    assert (low, high) == pytest.approx((0.08 - 1.96 * error, 0.08 + 1.96 * error), abs=0.002)


def test_a_worse_challenger_is_shipped_in_less_than_one_of_forty_trials() -> None:
    rng, shipped = np.random.default_rng(4), 0
    for _ in range(150):
        drawn = rng.random((4, 1, 300)) < 0.3
        shipped += trial(list("abcd"), np.repeat(drawn, len(SHARES), axis=1), rng).chosen != "a"

    # equal rungs, three challengers, 2.5 % in all; five standard deviations of a binomial above
    assert shipped / 150 < 0.025 + 5 * np.sqrt(0.025 * 0.975 / 150)
