"""What a policy would have earned on another policy's past: known answers, coverage, refusals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.offpolicy import effective_sample, estimate, gain
from scenefit.contracts.errors import ContractError, EmptyArm, NotFitted

REWARD = np.array([1.0, 0.0, 1.0, 0.0, 1.0, 1.0])
SHOWN = np.array([1, 1, 1, 0, 0, 0])
HALF = np.full(6, 0.5)
ALWAYS = np.tile([0.0, 1.0], (6, 1))


def test_inverse_propensity_by_hand():
    # Σ over the three contacted of 1/0.5 · reward, over six people: (2 + 0 + 2) / 6
    assert estimate(REWARD, SHOWN, HALF, ALWAYS, "ips", least=1).value == pytest.approx(4 / 6)


def test_self_normalised_is_the_weighted_mean():
    propensity = np.array([0.5, 0.25, 0.5, 0.5, 0.75, 0.5])
    found = estimate(REWARD, SHOWN, propensity, ALWAYS, "snips", least=1)
    assert found.value == pytest.approx((2 + 0 + 2) / (2 + 4 + 2))
    assert found.effective == pytest.approx(64 / 24)


def test_doubly_robust_by_hand():
    model = np.tile([0.3, 0.6], (6, 1))
    # 0.6 for everybody, plus 2·(1−0.6), 2·(0−0.6), 2·(1−0.6) over six people
    expected = 0.6 + (0.8 - 1.2 + 0.8) / 6
    assert estimate(REWARD, SHOWN, HALF, ALWAYS, "dr", model, least=1).value == pytest.approx(expected)


def test_a_policy_that_repeats_the_past_earns_what_the_past_did():
    policy = np.full((6, 2), 0.5)
    found = gain(REWARD, SHOWN, HALF, policy, "ips", least=1)
    assert found.value == pytest.approx(0)
    assert found.error == pytest.approx(0)
    assert estimate(REWARD, SHOWN, HALF, policy, "ips", least=1).effective == pytest.approx(6)


def test_cut_weights_are_reported():
    propensity = np.array([0.5, 0.125, 0.5, 0.5, 0.5, 0.5])
    found = estimate(REWARD, SHOWN, propensity, ALWAYS, "snips", clip=4, least=1)
    assert found.clipped == pytest.approx(1 / 3)
    assert found.value == pytest.approx(4 / 8)


def _past(rng, n=4_000):
    """Random contact with known propensities; contact pays for some people, not for others."""
    kind = rng.random(n)
    p = 0.2 + 0.5 * rng.random(n)
    shown = (rng.random(n) < p).astype(int)
    rate = np.column_stack([np.full(n, 0.05), 0.05 + 0.2 * kind])
    reward = (rng.random(n) < rate[np.arange(n), shown]).astype(float)
    policy = np.column_stack([kind < 0.5, kind >= 0.5]).astype(float)
    truth = 0.5 * 0.05 + 0.5 * (0.05 + 0.2 * 0.75)
    return reward, shown, np.where(shown == 1, p, 1 - p), policy, rate, truth


@pytest.mark.parametrize("method", ["ips", "snips", "dr"])
def test_unbiased_and_covered_over_seeds(method):
    values, covered = [], 0
    for seed in range(120):
        reward, shown, p, policy, rate, truth = _past(np.random.default_rng(seed))
        found = estimate(reward, shown, p, policy, method, rate if method == "dr" else None)
        values.append(found.value)
        covered += found.low <= truth <= found.high
    assert np.mean(values) == pytest.approx(truth, abs=3.5 * np.std(values) / np.sqrt(120))
    assert 0.88 <= covered / 120 <= 0.99


def test_doubly_robust_stays_unbiased_under_a_wrong_model():
    values = []
    for seed in range(80):
        reward, shown, p, policy, rate, truth = _past(np.random.default_rng(seed))
        values.append(estimate(reward, shown, p, policy, "dr", rate + 0.3).value)
    assert np.mean(values) == pytest.approx(truth, abs=3.5 * np.std(values) / np.sqrt(80))


def test_the_bootstrap_agrees_with_the_normal_interval():
    reward, shown, p, policy, _, _ = _past(np.random.default_rng(1))
    normal = gain(reward, shown, p, policy)
    drawn = gain(reward, shown, p, policy, rng=np.random.default_rng(5))
    assert drawn.value == normal.value
    assert drawn.high - drawn.low == pytest.approx(normal.high - normal.low, rel=0.15)
    assert drawn == gain(reward, shown, p, policy, rng=np.random.default_rng(5))


def test_what_was_randomised_together_counts_once():
    reward, shown, p, policy, _, _ = _past(np.random.default_rng(2), 500)
    alone = estimate(reward, shown, p, policy)
    twice = [np.repeat(part, 2, axis=0) for part in (reward, shown, p, policy)]
    together = estimate(*twice, clusters=np.repeat(np.arange(500), 2))
    assert together.error == pytest.approx(alone.error, rel=1e-9)
    assert estimate(*twice).error == pytest.approx(alone.error / np.sqrt(2), rel=0.01)


def test_propensities_are_judged_by_what_was_randomised_together():
    """Few large areas: the share contacted strays from one half by chance, and that is no misfit."""
    areas = np.repeat(np.arange(20), 200)
    shown = (areas < 13).astype(int)
    policy = np.tile([0.0, 1.0], (4_000, 1))
    took, half = np.tile([1.0, 0.0], 2_000), np.full(4_000, 0.5)
    with pytest.raises(NotFitted, match=r"is 1\.300 ±"):
        estimate(took, shown, half, policy)
    assert estimate(took, shown, half, policy, clusters=areas).value == pytest.approx(0.5)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_self_normalised_stays_between_the_smallest_and_largest_reward(seed, actions):
    rng = np.random.default_rng(seed)
    n = 60
    policy = rng.dirichlet(np.ones(actions), n)
    past = rng.dirichlet(3 * np.ones(actions), n) * 0.9 + 0.1 / actions
    shown = (past.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    reward = rng.normal(size=n)
    found = estimate(reward, shown, past[np.arange(n), shown], policy, least=1)
    assert reward.min() <= found.value <= reward.max()
    assert 1 <= found.effective <= n + 1e-9


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.2, np.nan])
def test_propensities_outside_0_to_1_are_refused(bad):
    p = HALF.copy()
    p[2] = bad
    with pytest.raises(ContractError, match=r"outside \(0, 1\].*row 2"):
        estimate(REWARD, SHOWN, p, ALWAYS)


def test_refuses_where_nobody_was_shown_it():
    with pytest.raises(EmptyArm, match="none of 6 people was shown"):
        estimate(REWARD, np.zeros(6, int), HALF, ALWAYS)


def test_refuses_a_thin_sample():
    with pytest.raises(NotFitted, match="effective sample is 3 of 6 rows, at least 100"):
        estimate(REWARD, SHOWN, HALF, ALWAYS)


def test_refuses_propensities_that_do_not_fit():
    reward, shown, p, policy, _, _ = _past(np.random.default_rng(3))
    with pytest.raises(NotFitted, match=r"mean of policy / propensity is .* and not 1"):
        estimate(reward, shown, p / 2, policy)


def test_bad_shapes_rewards_and_methods_are_named():
    with pytest.raises(ContractError, match="5 rows shown"):
        estimate(REWARD, SHOWN[:5], HALF, ALWAYS)
    with pytest.raises(ContractError, match="1 of them not finite"):
        estimate(np.where(SHOWN.cumsum() == 1, np.nan, 1.0), SHOWN, HALF, ALWAYS)
    with pytest.raises(ContractError, match=r"add up to 0\.5"):
        estimate(REWARD, SHOWN, HALF, ALWAYS / 2, least=1)
    with pytest.raises(NotFitted, match="'dr' needs a model"):
        estimate(REWARD, SHOWN, HALF, ALWAYS, "dr", least=1)
    with pytest.raises(EmptyArm, match="no row was logged"):
        estimate(REWARD[:0], SHOWN[:0], HALF[:0], ALWAYS[:0])
    with pytest.raises(ContractError, match="'magic' is unknown"):
        estimate(REWARD, SHOWN, HALF, ALWAYS, "magic", least=1)


def test_effective_sample_of_nothing_is_nothing():
    assert effective_sample(np.zeros(3)) == 0


@pytest.mark.data
def test_a_bandits_log_tells_what_random_display_earns(datasets):
    """Open Bandit: the click rate of the uniform policy, told from the bandit's log, fits that of its own log."""
    folder = datasets / "open_bandit"
    log, uniform = (pd.read_parquet(folder / f"{name}_men_log.parquet") for name in ("bts", "random"))
    actions = int(max(log["item_id"].max(), uniform["item_id"].max())) + 1
    policy = np.full((len(log), actions), 1 / actions)
    shown, p = log["item_id"].to_numpy(), log["propensity_score"].to_numpy()
    found = estimate(log["click"].to_numpy(float), shown, p, policy)
    rate = uniform["click"].mean()
    own = np.sqrt(rate * (1 - rate) / len(uniform))
    assert found.effective < len(log) / 4
    assert abs(found.value - rate) < 2.5 * np.hypot(found.error, own)
    # display by a lottery over 34 items that a bandit hardly showed: the log of one cannot tell it
    rare = np.zeros_like(policy)
    rare[:, np.argmin(np.bincount(shown, minlength=actions))] = 1
    with pytest.raises((NotFitted, EmptyArm)):
        estimate(log["click"].to_numpy(float), shown, p, rare)
