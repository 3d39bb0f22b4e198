"""Quality of mining in synthetic worlds: chance is not mistaken for a group, planted groups are found."""

import numpy as np
import pytest

from benchmarks.planted_subgroups import DIFFICULTIES, SAME, measured, overlaps, permuted, world

pytestmark = pytest.mark.slow


def test_shuffled_outcomes_confirm_nothing_in_95_of_100_worlds():
    assert permuted(100, n=10_000) <= 5


def test_planted_groups_are_found_in_200_000_customers():
    found = {name: measured(name) for name in DIFFICULTIES}
    shares = {name: np.mean(worlds["shares"]) for name, worlds in found.items()}
    # what is missed are two groups told as one, and faint ones; docs/subgroups.md has the figures
    assert shares["clear"] >= 0.8
    assert shares["usual"] >= 0.9
    assert shares["faint"] >= 0.6
    assert sum(sum(worlds["mistaken"]) for worlds in found.values()) == 0


def test_planted_worlds_are_hard_to_reach_and_of_known_truth():
    made = world(0, "usual", 50_000)
    for members in made.planted:
        assert made.reached[members].mean() <= 0.05
        assert made.outcome[members].mean() > 1.5 * made.outcome.mean()
    again = world(0, "usual", 50_000)
    assert again.frame.equals(made.frame)


def test_more_conditions_do_not_lose_what_two_find():
    made = world(2, "clear", 50_000)
    assert np.mean([value >= SAME for value in overlaps(made, 2, depth=3)[0]]) >= 2 / 3
