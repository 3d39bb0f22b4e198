"""Did it work: published intervals, edges, and intervals that hold the truth as often as they say."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.effect import lift, sample_ratio_p
from scenefit.contracts.errors import ContractError, EmptyArm


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17, 873, table II, method 10
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((10, 10, 0, 20), 0.6791, 1.0),
        ((10, 10, 0, 10), 0.6075, 1.0),
    ],
)
def test_intervals_are_newcombes(counts, low, high):
    found = lift(*counts)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_nobody_took_anywhere():
    found = lift(0, 100, 0, 100)
    assert found.lift == 0
    assert found.low == pytest.approx(-found.high)
    assert found.high > 0


def test_everybody_took_everywhere():
    found = lift(100, 100, 50, 50)
    assert (found.lift, found.rate, found.rate_control) == (0, 1, 1)
    assert found.low < 0 < found.high


@given(st.integers(1, 500), st.integers(1, 500), st.data())
def test_the_interval_holds_the_difference_and_turns_with_the_arms(n, m, data):
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    found, turned = lift(a, n, b, m), lift(b, m, a, n)
    assert -1 - 1e-9 <= found.low <= found.lift + 1e-12
    assert found.lift - 1e-12 <= found.high <= 1 + 1e-9
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=1e-12)


@pytest.mark.parametrize(
    ("p", "q", "n", "m"), [(0.02, 0.01, 4_000, 1_000), (0.3, 0.3, 200, 200), (0.05, 0.0, 300, 100)]
)
def test_nineteen_of_twenty_intervals_hold_the_truth(p, q, n, m):
    rng = np.random.default_rng(0)
    found = [
        lift(int(a), n, int(b), m) for a, b in zip(rng.binomial(n, p, 3_000), rng.binomial(m, q, 3_000), strict=True)
    ]
    assert np.mean([x.low <= p - q <= x.high for x in found]) >= 0.93


def test_an_arm_without_customers_is_said_so():
    with pytest.raises(EmptyArm, match="0 customers treated and 10 in control; both arms need at least one"):
        lift(0, 0, 1, 10)
    with pytest.raises(EmptyArm, match="10 customers treated and 0 in control"):
        lift(1, 10, 0, 0)


def test_more_takers_than_customers_are_refused():
    with pytest.raises(ContractError, match="11 takers among 10 customers; count each customer once"):
        lift(11, 10, 1, 10)
    with pytest.raises(ContractError, match="-1 takers"):
        lift(1, 10, -1, 10)


def test_a_sample_ratio_by_hand():
    # chi-square (60 - 50)² / 50 · 2 = 4 with one degree of freedom
    assert sample_ratio_p(np.array([60, 40]), np.array([0.5, 0.5])) == pytest.approx(0.0455, abs=1e-4)
    assert sample_ratio_p(np.array([5_000, 45_000]), np.array([0.2, 1.8])) == pytest.approx(1)
    assert sample_ratio_p(np.array([5_300, 44_700]), np.array([0.1, 0.9])) < 1e-5


def test_customers_mixed_truly_rarely_look_mismatched():
    rng = np.random.default_rng(0)
    shares = np.array([0.05, 0.475, 0.475])
    p = [sample_ratio_p(counts, shares) for counts in rng.multinomial(20_000, shares, 1_000)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize(
    ("counts", "shares", "error", "message"),
    [
        ([0, 0], [0.5, 0.5], EmptyArm, "none of the 2 arms has a customer"),
        ([10], [1.0], ContractError, "at least two arms"),
        ([10, 10], [1.0, 0.0], ContractError, "a positive share for each"),
        ([10, 10], [0.2, 0.3, 0.5], ContractError, "2 arms with planned shares"),
    ],
)
def test_a_sample_ratio_that_cannot_be_judged_is_refused(counts, shares, error, message):
    with pytest.raises(error, match=message):
        sample_ratio_p(np.array(counts), np.array(shares))


@pytest.mark.data
def test_the_womens_mail_of_hillstrom_brought_visits(datasets):
    """All customers of the women's e-mail against a random half of the controls; published 15.14 % against 10.62 %."""
    mail = pd.read_parquet(datasets / "hillstrom_womens" / "womens_email_vs_half_control.parquet")
    control = mail["segment"].str.contains("No").to_numpy(bool)
    visited = mail["visit"].astype(int).to_numpy()
    found = lift(int(visited[~control].sum()), int((~control).sum()), int(visited[control].sum()), int(control.sum()))
    assert found.rate == pytest.approx(0.1514, abs=1e-4)
    assert found.lift == pytest.approx(0.045, abs=0.004)
    assert found.low > 0.035
