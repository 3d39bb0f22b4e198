"""Better by chance or not: intervals that cover, p-values that are uniform under no difference, Holm by hand."""

import numpy as np
import pytest

import recsys.significance
from recsys.significance import better_than, compare, holm
from scenefit.contracts.errors import ContractError, EmptyArm


def test_a_clear_gain_is_told_and_the_interval_is_that_of_the_mean():
    rng = np.random.default_rng(0)
    b = rng.random(2_000)
    a = b + rng.normal(0.05, 0.5, 2_000)
    found = compare(a, b, rng)
    error = (a - b).std() / np.sqrt(2_000)
    assert found.mean == pytest.approx((a - b).mean())
    assert found.low == pytest.approx(found.mean - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(found.mean + 1.96 * error, abs=0.15 * error)
    assert found.p < 0.01
    assert (found.customers, found.resamples) == (2_000, 2_000)


def test_equal_models_are_not_told_apart():
    found = compare(np.ones(50), np.ones(50), np.random.default_rng(0))
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_the_same_seed_gives_the_same_interval_and_pairs_matter():
    rng = np.random.default_rng(1)
    b = rng.normal(0, 5, 500)
    a = b + rng.normal(0.1, 0.1, 500)
    one, again = (compare(a, b, np.random.default_rng(3)) for _ in range(2))
    assert one == again
    assert one.low > 0
    # unpaired, the spread between customers hides the gain
    assert compare(a, rng.permutation(b), np.random.default_rng(3)).low < 0


def test_intervals_cover_and_false_alarms_keep_their_share():
    rng = np.random.default_rng(5)
    alarms = sum(
        compare(rng.exponential(1, 80), rng.exponential(1, 80), rng, resamples=1_000).p < 0.05 for _ in range(300)
    )
    assert 2 <= alarms <= 30


def test_many_customers_are_resampled_in_groups_with_the_same_spread(monkeypatch):
    rng = np.random.default_rng(2)
    b = rng.random(6_000)
    a = b + rng.normal(0.01, 0.3, 6_000)
    fine = compare(a, b, np.random.default_rng(0))
    monkeypatch.setattr(recsys.significance, "UNITS", 1_000)
    monkeypatch.setattr(recsys.significance, "DRAWN", 7_000)
    grouped = compare(a, b, np.random.default_rng(0))
    assert grouped.mean == fine.mean
    assert grouped.high - grouped.low == pytest.approx(fine.high - fine.low, rel=0.15)


def test_holm_by_hand():
    # .01 × 4, then .015 × 3, then .02 × 2 which may not fall below, then 1
    np.testing.assert_allclose(holm(np.array([0.02, 0.01, 0.9, 0.015])), [0.045, 0.04, 0.9, 0.045])
    assert holm(np.array([])).tolist() == []
    assert holm(np.array([0.7, 0.8])).tolist() == [1, 1]


def test_each_opponent_has_a_verdict_after_correction():
    rng = np.random.default_rng(0)
    ours = rng.random(1_000)
    noise = rng.normal(0, 0.3, 1_000)
    table = better_than(
        ours, {"weak": ours - 0.1 + noise, "strong": ours + 0.1 + noise, "twin": ours + noise - noise.mean()}, rng
    )
    assert table["verdict"].tolist() == ["better", "worse", "not told apart"]
    assert (table["holm"] >= table["p"]).all()
    assert table.loc[0, "mean"] == pytest.approx(0.1 - noise.mean())


@pytest.mark.parametrize(
    ("a", "b", "resamples", "error", "message"),
    [
        (np.ones(3), np.ones(4), 2_000, ContractError, "same customers"),
        (np.ones(3), np.ones(3), 10, ContractError, "1,000 resamples or more"),
        (np.array([1.0, np.nan]), np.ones(2), 2_000, ContractError, "NaN"),
        (np.ones(1), np.ones(1), 2_000, EmptyArm, "two or more"),
    ],
)
def test_what_cannot_be_compared_is_refused(a, b, resamples, error, message):
    with pytest.raises(error, match=message):
        compare(a, b, np.random.default_rng(0), resamples=resamples)


def test_impossible_p_values_are_refused():
    with pytest.raises(ContractError, match=r"each must lie in \[0, 1\]"):
        holm(np.array([0.5, 1.5]))
