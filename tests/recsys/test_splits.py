"""Cuts of the past: by time, by scene, the last ones, by chance with a warning."""

import numpy as np
import pandas as pd
import pytest

from recsys.splits import at_random, by_time, leave_last
from scenefit.contracts.errors import ContractError, SettingsError


def days(*numbers):
    return pd.Series(pd.to_datetime([f"2026-01-{n:02d}" for n in numbers], utc=True))


CUT = pd.Timestamp("2026-01-10", tz="UTC")


def test_what_happens_at_the_cut_is_judged_on_and_what_happens_at_the_end_is_not():
    split = by_time(days(1, 9, 10, 11, 20), CUT, until=pd.Timestamp("2026-01-20", tz="UTC"))
    assert split.train.tolist() == [True, True, False, False, False]
    assert split.test.tolist() == [False, False, True, True, False]
    assert split.warning is None
    assert split.how.startswith("by time, at 2026-01-10")


def test_each_scene_has_its_own_cut():
    split = by_time(
        days(1, 5, 5, 11), {"travel": pd.Timestamp("2026-01-03", tz="UTC"), "food": CUT},
        scene=pd.Series(["travel", "travel", "food", "food"]),
    )  # fmt: skip
    assert split.train.tolist() == [True, False, True, False]
    assert split.how == "by time, 2 scenes each at its own cut"


def test_the_last_of_each_customer_is_judged_on_and_a_single_one_is_learned_from():
    who, order = np.array([1, 2, 1, 2, 3, 1]), np.array([5, 1, 9, 1, 4, 7])
    assert leave_last(who, order).test.tolist() == [False, False, True, True, False, False]
    assert leave_last(who, order, 2).test.tolist() == [False, False, True, False, False, True]
    assert not (leave_last(who, order).train & leave_last(who, order).test).any()


def test_a_split_by_chance_says_what_it_flatters():
    split = at_random(10_000, 0.2, np.random.default_rng(0))
    assert 0.18 < split.test.mean() < 0.22
    assert (split.train ^ split.test).all()
    assert "item models look better than they are" in split.warning
    assert (split.test == at_random(10_000, 0.2, np.random.default_rng(0)).test).all()


@pytest.mark.parametrize(
    ("cut", "scene", "message"),
    [
        (pd.Timestamp("2025-01-01", tz="UTC"), None, "0 events before the cut and 2 after"),
        ({"food": CUT}, pd.Series(["food", "travel"]), "no cut for scene 'travel'"),
        ({"food": CUT}, None, "give `scene`"),
    ],
)
def test_cuts_that_leave_nothing_are_refused(cut, scene, message):
    with pytest.raises(ContractError, match=message):
        by_time(days(1, 12), cut, scene=scene)


def test_shares_outside_are_refused():
    with pytest.raises(SettingsError, match="share 1"):
        at_random(3, 1, np.random.default_rng(0))
    with pytest.raises(ContractError, match="last 0"):
        leave_last(np.array([1]), np.array([1]), 0)
