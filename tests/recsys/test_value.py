"""What an offer is worth, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import recsys.value
from recsys.value import Terms, discounted_margin, expected_value

# lent 10,000 and 2,000; earned 900 and 300 before losses; 50 and nothing paid to takers
TERMS = Terms(np.array([10_000.0, 2_000.0]), np.array([900.0, 300.0]), np.array([50.0, 0.0]))


def test_margin_and_loss_and_incentive_count_for_takers_and_contact_for_all():
    found = expected_value(np.array([[0.1, 0.2]]), TERMS, np.array([0.05]), np.array([1.5]), lgd=0.6)
    # a taker of the first loses .05 * .6 * 10,000 = 300 on average, of the second 60
    assert found.expected_loss[0].tolist() == pytest.approx([0.1 * 300, 0.2 * 60])
    assert found.expected_incentive[0].tolist() == pytest.approx([0.1 * 50, 0.0])
    assert found.value[0].tolist() == pytest.approx([0.1 * (900 - 300 - 50) - 1.5, 0.2 * (300 - 60) - 1.5])


def test_who_never_takes_costs_the_contact_only():
    found = expected_value(np.zeros((1, 2)), TERMS, np.array([0.9]), np.array([1.5]), lgd=1.0)
    assert found.value.tolist() == [[-1.5, -1.5]]
    assert not found.expected_loss.any()
    assert not found.expected_incentive.any()


def test_what_would_be_taken_anyway_is_not_earned_by_offering_yet_its_incentive_is_paid():
    found = expected_value(
        np.array([[0.1, 0.2]]), TERMS, np.array([0.05]), np.array([1.5]), 0.6, p_unoffered=np.array([0.04, 0.2])
    )
    assert found.value[0].tolist() == pytest.approx([0.06 * 600 - 0.1 * 50 - 1.5, -1.5])
    # the loss limit still counts everybody who borrows
    assert found.expected_loss[0].tolist() == pytest.approx([30, 12])


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_riskier_taker_is_never_worth_more(low, high):
    low, high = sorted((low, high))
    safe, risky = (expected_value(np.array([[0.3, 0.3]]), TERMS, np.array([p]), np.zeros(1), 0.6) for p in (low, high))
    assert (safe.value >= risky.value).all()


def by_month(amount, apr, funding, months, rate):
    """The loan month by month: interest margin on what is owed, then the instalment."""
    i = apr / 12
    instalment = amount * i / (1 - (1 + i) ** -months) if i else amount / months
    owed, worth = amount, 0.0
    for month in range(1, months + 1):
        worth += owed * (apr - funding) / 12 / (1 + rate) ** (month / 12)
        owed -= instalment - owed * i
    assert owed == pytest.approx(0, abs=1e-6 * amount)
    return worth


@given(st.floats(100, 1e6), st.floats(0, 0.36), st.floats(0, 0.1), st.integers(1, 120), st.floats(0, 0.2))
def test_the_margin_is_what_a_loan_earns_month_by_month(amount, apr, funding, months, rate):
    # below a hundredth of a percent the month-by-month instalment itself loses its digits
    apr = 0.0 if apr < 1e-4 else apr
    values = (np.array([v]) for v in (amount, apr, funding, months))
    expected = by_month(amount, apr, funding, months, rate)
    assert discounted_margin(*values, rate)[0] == pytest.approx(expected, rel=1e-6, abs=1e-6 * amount)


def test_loans_of_different_length_are_worth_what_they_are_alone():
    amount, apr, funding, months = (
        np.array(v) for v in ([5e3, 2e4, 8e3], [0.1, 0.15, 0.0], [0.03, 0.02, 0.03], [3, 36, 12])
    )
    together = discounted_margin(amount, apr, funding, months, 0.05)
    alone = [discounted_margin(*(v[[i]] for v in (amount, apr, funding, months)), 0.05)[0] for i in range(3)]
    np.testing.assert_allclose(together, alone)
    assert together[2] < 0, "money lent for nothing costs its funding"


def test_a_bad_risk_unlikely_to_take_is_worth_no_more_than_nothing():
    """p below the own rate and a loss above the margin must not multiply into a gain."""
    one = Terms(np.array([10_000.0]), np.array([300.0]), np.array([0.0]))
    found = expected_value(
        np.array([[0.001]]), one, np.array([0.15]), np.array([0.05]), lgd=0.6, p_unoffered=np.array([0.03])
    )
    assert found.value.item() == pytest.approx(-0.05)


def test_contact_costs_what_the_channel_of_the_offer_costs():
    both = (np.array([[0.1, 0.2], [0.1, 0.2]]), TERMS, np.array([0.05, 0.0]))
    by_offer = expected_value(*both, np.array([[0.05, 1.5]]), lgd=0.6).value
    free = expected_value(*both, np.zeros(2), lgd=0.6).value
    np.testing.assert_allclose(free - by_offer, [[0.05, 1.5], [0.05, 1.5]])
    by_customer = expected_value(*both, np.array([0.05, 1.5]), lgd=0.6).value
    np.testing.assert_allclose(free - by_customer, [[0.05, 0.05], [1.5, 1.5]])


def test_valued_block_by_block_is_valued_as_at_once(monkeypatch):
    rng = np.random.default_rng(0)
    p, risk, cost = rng.random((50, 2)).astype(np.float32), rng.random(50), rng.random((50, 2))
    whole = expected_value(p, TERMS, risk, cost, lgd=0.6)
    monkeypatch.setattr(recsys.value, "BLOCK", 14)
    blocks = expected_value(p, TERMS, risk, cost, lgd=0.6)
    assert [part.tobytes() for part in blocks] == [part.tobytes() for part in whole]
