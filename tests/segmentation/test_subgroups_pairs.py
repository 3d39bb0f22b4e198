"""Where two columns meet: groups of which no single level stands out, and the part of a band that is the group."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from segmentation.pair_tables import meetings, tables
from segmentation.qualities import Design, Tally, strength
from segmentation.refinement import column
from segmentation.selectors import selectors


def columns(frame: pd.DataFrame) -> dict:
    return {name: column(frame[name], selectors(frame[name], 5, 50)) for name in frame}


def sharpest(frame: pd.DataFrame, outcome: np.ndarray) -> list[str]:
    rules = meetings(tables(columns(frame), outcome, support=50, depth=2), 50).rules
    return [" and ".join(condition.sentence("en") for condition in rule) for rule in rules]


def people(n: int = 20_000) -> tuple[np.random.Generator, pd.DataFrame]:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "age": rng.integers(20, 36, n).astype(float),
            "town": rng.choice([f"t{i:02d}" for i in range(20)], n),
            "job": rng.choice(["cook", "nurse", "smith", "clerk", "baker", "driver"], n),
            "owner": rng.random(n) < 0.5,
        }
    )
    return rng, frame


def test_a_set_of_small_levels_and_a_band_are_found_together():
    rng, frame = people()
    planted = frame["town"].isin(["t01", "t05", "t09", "t13"]) & frame["age"].between(24, 27)
    outcome = rng.random(len(frame)) < np.where(planted, 0.2, 0.05)
    assert sharpest(frame, outcome)[0] == "age from 24 to below 28 and town is t01 or t05 or t09 or t13"


def test_two_sets_are_found_together():
    rng, frame = people()
    planted = frame["town"].isin(["t01", "t05", "t09", "t13"]) & frame["job"].isin(["cook", "nurse"])
    outcome = rng.random(len(frame)) < np.where(planted, 0.2, 0.05)
    assert sharpest(frame, outcome)[0] == "town is t01 or t05 or t09 or t13 and job is cook or nurse"


def test_a_truth_value_is_told_as_yes_or_no_and_one_year_as_one_year():
    rng, frame = people()
    planted = frame["owner"] & (frame["age"] == 30)
    outcome = rng.random(len(frame)) < np.where(planted, 0.3, 0.05)
    assert sharpest(frame, outcome)[0] == "age is 30 and owner is yes"


def test_a_condition_that_adds_nothing_is_in_no_rule():
    rng, frame = people()
    outcome = rng.random(len(frame)) < np.where(frame["owner"], 0.2, 0.05)
    assert sharpest(frame, outcome) == ["owner is yes"]


def test_members_taken_out_are_counted_no_more():
    rng, frame = people()
    outcome = rng.random(len(frame)) < np.where(frame["owner"], 0.2, 0.05)
    made = tables(columns(frame), outcome, support=50, depth=2)
    made.add(np.flatnonzero(frame["owner"]), -1)
    assert made.size.min() == 0
    assert meetings(made, 50).rules == []


def test_gaps_stand_in_no_condition_but_count_among_the_others():
    rng, frame = people()
    frame["age"] = frame["age"].mask(rng.random(len(frame)) < 0.3)
    planted = (frame["age"] >= 30) & frame["owner"]
    outcome = rng.random(len(frame)) < np.where(planted, 0.2, 0.05)
    assert sharpest(frame, outcome)[0] == "age at least 30 and owner is yes"


@pytest.mark.parametrize(("hits", "size"), [(30, 200), (1, 10), (5, 1000), (10, 10)])
def test_the_compiled_strength_is_that_of_the_qualities(hits, size):
    from segmentation.pair_kernels import strength_of

    def group(size: int, hits: int) -> Tally:
        return Tally(np.array([size]), np.array([[size]]), np.array([[hits]]), np.array([0]))

    design = Design("counts", np.ones(1), np.ones(1), np.ones(1, dtype=bool))
    expected = strength(group(size, hits), group(5000, 250), design)[0]
    assert_allclose(strength_of(hits, size, 250, 5000), expected, rtol=1e-9)
