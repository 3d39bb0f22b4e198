"""What offers rank by: declared factors with switches, and no weight makes a loss a gain."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.case import case_value
from recsys.coarse import coarse
from recsys.value import Terms
from recsys.value_factors import Factors, context_weights, contributions, lever_weights, priority
from scenefit.contracts.errors import ContractError
from tests.recsys.made_case import made_case

CASE = made_case(60)
VALUE = case_value(CASE).value
WEIGHTS = st.floats(0, 20)


def by_hand():
    """One customer, whose first offer is worth 0.06 * (900 - 0.05 * 0.6 * 10,000) - 0.1 * 50 - 1.5 = 29.5."""
    small = made_case(1)
    p = np.full((1, 6), 0.1)
    terms = Terms(np.full(6, 10_000.0), np.full(6, 900.0), np.full(6, 50.0))
    return replace(
        small, p_take=p, p_unoffered=np.full(6, 0.04), pd_given_take=np.array([0.05]), terms=terms,
        contact_cost=np.full(6, 1.5), lgd=0.6,
    )  # fmt: skip


def test_with_nothing_declared_offers_rank_by_value():
    np.testing.assert_array_equal(priority(CASE, Factors()), VALUE)


def test_weights_multiply_what_gains_and_leave_what_loses():
    lever = lever_weights(CASE, "product_id", {"p1": 2.0})
    context = context_weights(CASE, "scene_id", {"travel": 3.0})
    found = priority(CASE, Factors(context, lever))
    travels = (CASE.groups["scene_id"] == "travel").to_numpy()
    weight = np.where(travels, 3.0, 1.0)[:, None] * np.array([2.0, 2, 1, 1, 1, 1])
    np.testing.assert_allclose(found, np.where(VALUE > 0, VALUE * weight, VALUE))


@given(WEIGHTS, WEIGHTS, st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_a_losing_offer_never_comes_out_above_zero(context, lever, propensity, with_context, value, with_lever):
    factors = Factors(context, lever, propensity, with_context, value, with_lever)
    found = priority(CASE, factors)
    np.testing.assert_array_equal(found[VALUE <= 0], VALUE[VALUE <= 0])
    np.testing.assert_array_equal(case_value(CASE).value, VALUE)


def test_switched_off_weights_are_one():
    off = Factors(np.full((60, 1), 5.0), np.full(6, 7.0), use_context=False, use_lever=False)
    np.testing.assert_array_equal(priority(CASE, off), VALUE)


def test_without_value_offers_rank_by_how_often_they_are_taken():
    found = priority(CASE, Factors(use_value=False))
    gains = VALUE > 0
    np.testing.assert_array_equal(found[gains], CASE.p_take[gains])


def test_without_propensity_everybody_takes_as_often():
    # risk still differs between people; with equal risk all rank alike
    alike = replace(CASE, pd_given_take=np.full(60, 0.02))
    value = case_value(alike).value
    found = priority(alike, Factors(use_propensity=False))
    mean = alike.p_take[:, 2].mean(dtype=float)
    terms = [part[2] for part in alike.terms]
    expected = mean * (terms[1] - 0.02 * 0.6 * terms[0] - terms[2]) - alike.contact_cost[2]
    np.testing.assert_allclose(found[value[:, 2] > 0, 2], expected)


def test_every_factor_of_a_decision_by_hand():
    found = {one.code: one for one in contributions(by_hand(), Factors(2.0, 1.5), 0, 0, risk=True)}
    amounts = {code: one.amount for code, one in found.items()}
    assert amounts == pytest.approx({
        "p_take": 0.1, "p_unoffered": 0.04, "extra": 0.06, "margin": 54.0, "loss": -18.0, "incentive": -5.0,
        "contact": -1.5, "value": 29.5, "context": 2.0, "lever": 1.5, "priority": 88.5,
    })  # fmt: skip
    assert amounts["value"] == pytest.approx(sum(amounts[c] for c in ("margin", "loss", "incentive", "contact")))
    assert all(one.low <= one.amount <= one.high for one in found.values())
    # log-odds of 1/9 moved by 1.96 standard errors of 0.15
    odds = np.exp(1.959964 * 0.15) / 9
    assert found["p_take"].high == pytest.approx(odds / (1 + odds))
    assert found["priority"].low == pytest.approx(3 * found["value"].low)


def test_a_marketer_sees_margin_and_loss_as_one_and_two_digits():
    found = {one.code: one for one in contributions(CASE, Factors(1.25), 3, 1)}
    exact = {one.code: one for one in contributions(CASE, Factors(1.25), 3, 1, risk=True)}
    assert not {"margin", "loss"} & set(found)
    after = exact["margin"].amount + exact["loss"].amount
    assert found["margin_after_loss"].amount == coarse(after) != after
    assert found["context"].amount == 1.25
    for code in ("p_take", "extra", "incentive", "value", "priority"):
        assert (found[code].amount, found[code].low, found[code].high) == tuple(map(coarse, exact[code][4:7]))
        assert found[code].amount != exact[code].amount


@pytest.mark.parametrize("propensity", [True, False])
@pytest.mark.parametrize("value", [True, False])
def test_what_a_decision_ranks_by_is_what_the_matrix_says(propensity, value):
    factors = Factors(1.5, np.arange(6) / 2, use_propensity=propensity, use_value=value)
    matrix = priority(CASE, factors)
    for customer in range(10):
        for offer in range(6):
            ranked = contributions(CASE, factors, customer, offer, risk=True)[-1]
            assert ranked.amount == pytest.approx(matrix[customer, offer])
            assert ranked.low <= ranked.amount <= ranked.high


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: Factors(context=-1.0), "context holds a weight that is negative or not a number"),
        (lambda: Factors(lever=np.array([1.0, np.nan])), "lever holds a weight"),
        (lambda: priority(CASE, Factors(lever=np.ones(5))), "one for each of the 6 offers"),
        (lambda: priority(CASE, Factors(np.ones(60))), r"context has shape \(60,\); give a number, \(60, 1\)"),
        (lambda: context_weights(CASE, "mood", {}), "groups have no column 'mood'; there are scene_id"),
        (lambda: lever_weights(CASE, "channel", {"fax": 2.0}), "offers have no channel 'fax'; there are call, sms"),
        (lambda: contributions(CASE, Factors(), 60, 0), "customer 60 of 60, offer 0 of 6; count both from 0"),
    ],
)
def test_what_does_not_fit_is_named(ask, said):
    with pytest.raises(ContractError, match=said):
        ask()
