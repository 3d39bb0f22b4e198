"""Quality of mining in synthetic worlds: chance is not mistaken for a group, planted groups are found."""

import numpy as np
import pytest

from benchmarks.planted_subgroups import DIFFICULTIES, SAME, measured, overlaps, permuted, world

pytestmark = pytest.mark.slow


def test_shuffled_outcomes_confirm_nothing_in_95_of_100_worlds():
    assert permuted(100, n=10_000) <= 5


@pytest.fixture(scope="module")
def found():
    """Planted groups found, by difficulty, in worlds of 200,000 customers."""
    return {name: measured(name) for name in DIFFICULTIES}


@pytest.mark.xfail(strict=True, reason="the goal is 90 %; 84 % are found on these seeds, see docs/subgroups.md")
def test_nine_of_ten_planted_groups_are_found(found):
    shares = [share for worlds in found.values() for share in worlds["shares"]]
    assert np.mean(shares) >= 0.9


@pytest.mark.xfail(strict=True, reason="87 % of the clear groups are found on these seeds, see docs/subgroups.md")
def test_clear_groups_are_nearly_always_found(found):
    assert np.mean(found["clear"]["shares"]) >= 0.9


def test_usual_and_faint_groups_are_mostly_found(found):
    assert np.mean(found["usual"]["shares"]) >= 0.8
    assert np.mean(found["faint"]["shares"]) >= 0.6


def test_no_group_is_confirmed_by_mistake(found):
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
