"""How sure the value is, against many draws of what the models leave open."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.case import case_value
from recsys.value import Terms, expected_value
from recsys.value_interval import Interval, pair_intervals, plan_totals, value_interval
from scenefit.contracts.errors import ContractError
from tests.recsys.made_case import made_case

CASE = made_case(80)
DRAWS = 20_000


def moved(share, by):
    """Shares with their log-odds moved."""
    with np.errstate(divide="ignore"):
        return 1 / (1 + np.exp(-(np.log(share / (1 - share)) + by)))


def drawn_values(case, customer, seed=0):
    """(draws, m) values of one customer with both log-odds drawn."""
    rng = np.random.default_rng(seed)
    by_take, by_risk = rng.normal(size=(2, DRAWS))
    p = moved(case.p_take[customer].astype(float)[None, :], case.logit_error[customer] * by_take[:, None])
    risk = moved(case.pd_given_take[customer], case.pd_error[customer] * by_risk)
    return expected_value(p, case.terms, risk, case.contact_cost[None, :], case.lgd, case.p_unoffered).value


@pytest.mark.parametrize("unoffered", [0.0, 0.01, 0.03])
def test_nineteen_in_twenty_draws_lie_inside(unoffered):
    """Also where the chance is about the own rate: below it an offer adds nothing."""
    case = replace(CASE, p_unoffered=np.full(6, unoffered))
    found = value_interval(case)
    inside = []
    for customer in range(0, 80, 4):
        values = drawn_values(case, customer, customer)
        inside.append(((values >= found.low[customer]) & (values <= found.high[customer])).mean(axis=0))
    covered = np.concatenate(inside)
    assert covered.mean() == pytest.approx(0.95, abs=0.02)
    assert covered.min() > 0.9


def test_the_ends_of_the_interval_are_those_of_the_draws():
    """At wide errors the skew shows: the upper end is farther away."""
    wide = replace(CASE, logit_error=np.full(80, 0.5), pd_error=np.full(80, 0.4))
    found = value_interval(wide)
    for customer in (1, 7, 33):
        low, high = np.quantile(drawn_values(wide, customer), [0.025, 0.975], axis=0)
        width = high - low
        assert np.abs((found.low[customer] - low) / width).max() < 0.08
        assert np.abs((found.high[customer] - high) / width).max() < 0.08


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 0.98), st.floats(0.01, 0.9), st.floats(0, 0.2), st.floats(0, 1), st.floats(0, 1))
def test_a_surer_interval_is_wider_and_holds_the_value(level, more, unoffered, p_error, risk_error):
    case = replace(
        CASE, p_unoffered=np.full(6, unoffered), logit_error=np.full(80, p_error), pd_error=np.full(80, risk_error)
    )
    narrow, wide = value_interval(case, level), value_interval(case, level + (1 - level) * more)
    np.testing.assert_array_equal(narrow.value, case_value(case).value)
    slack = 1e-9 * (1 + np.abs(narrow.value))
    for inner, outer in ((narrow, wide), (Interval(narrow.value, narrow.value, narrow.value), narrow)):
        assert (outer.low <= inner.low + slack).all()
        assert (inner.high <= outer.high + slack).all()


def test_no_error_leaves_no_doubt_and_the_value_is_the_value():
    sure = replace(CASE, logit_error=np.zeros(80), pd_error=np.zeros(80))
    found = value_interval(sure)
    for part in found:
        np.testing.assert_allclose(part, case_value(CASE).value, rtol=1e-12, atol=1e-9)


def test_below_the_own_rate_the_least_value_may_lie_inside():
    """p from 2.2 % to 4.2 % around an own rate of 3 %: at 3 % the incentive is paid for nothing extra."""
    one = made_case(1)
    case = replace(
        one, p_take=np.full((1, 6), 0.03), p_unoffered=np.full(6, 0.03), logit_error=np.array([0.15]),
        pd_given_take=np.zeros(1), terms=Terms(np.full(6, 1e4), np.full(6, 900.0), np.full(6, 10.0)),
    )  # fmt: skip
    found = value_interval(case)
    assert found.low[0, 0] == pytest.approx(-0.03 * 10 - case.contact_cost[0])
    assert found.high[0, 0] > found.value[0, 0]


def test_pairs_say_what_the_matrix_says():
    matrix = value_interval(CASE)
    who, what = np.arange(80), np.arange(80) % 6
    pairs = pair_intervals(CASE, who, what)
    for whole, part in zip(matrix, pairs.value, strict=True):
        np.testing.assert_array_equal(whole[who, what], part)
    adds = pairs.margin.value + pairs.loss.value + pairs.incentive.value - CASE.contact_cost[what]
    np.testing.assert_allclose(adds, pairs.value.value)
    for interval in pairs:
        assert (interval.low <= interval.value).all()
        assert (interval.value <= interval.high).all()


def plan():
    value = np.where(CASE.allowed, case_value(CASE).value, -np.inf)
    return np.where(value.max(axis=1) > 0, value.argmax(axis=1), -1)


def test_errors_that_all_customers_share_do_not_cancel_out():
    """Drawn with one common error per model, the total lies inside in nineteen of twenty draws; with errors of one's
    own in nearly all."""
    made = plan()
    found = plan_totals(CASE, made)
    chosen = np.flatnonzero(made >= 0)
    rng = np.random.default_rng(3)

    def totals(shared):
        sums = []
        for _ in range(2_000):
            size = 1 if shared else len(chosen)
            p = moved(CASE.p_take[chosen].astype(float), 0.15 * rng.normal(size=(size, 1)))
            risk = moved(CASE.pd_given_take[chosen], 0.2 * rng.normal(size=size))
            value = expected_value(p, CASE.terms, risk, CASE.contact_cost[None, :], CASE.lgd, CASE.p_unoffered)
            sums.append(value.value[np.arange(len(chosen)), made[chosen]].sum())
        return np.array(sums)

    inside = [((sums >= found.value.low) & (sums <= found.value.high)).mean() for sums in (totals(True), totals(False))]
    assert inside[0] == pytest.approx(0.95, abs=0.02)
    assert inside[1] > 0.999


def test_totals_add_up_and_can_be_narrowed():
    made = plan()
    found = plan_totals(CASE, made)
    chosen = np.flatnonzero(made >= 0)
    value = case_value(CASE)
    assert found.value.value == pytest.approx(value.value[chosen, made[chosen]].sum())
    assert found.loss.value == pytest.approx(value.expected_loss[chosen, made[chosen]].sum())
    assert found.takers.value == pytest.approx(CASE.p_take[chosen, made[chosen]].sum(dtype=float))
    first = np.arange(80) < 40
    halves = [plan_totals(CASE, made, where) for where in (first, ~first)]
    assert sum(half.value.value for half in halves) == pytest.approx(found.value.value)
    assert sum(half.takers.high for half in halves) == pytest.approx(found.takers.high)
    two = np.column_stack([made, np.full(80, -1)])
    assert plan_totals(CASE, two) == found
    assert plan_totals(CASE, np.full(80, -1)).value == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: value_interval(CASE, 1.0), "a level of 1.0; give a share between 0 and 1"),
        (lambda: value_interval(replace(CASE, pd_error=np.full(80, np.nan))), "pd_error of customer 0 is nan"),
        (
            lambda: plan_totals(replace(CASE, logit_error=np.full(80, -1.0)), plan()),
            "logit_error of customer 0 is -1.0",
        ),
        (lambda: plan_totals(CASE, np.zeros(3, int)), r"a plan of shape \(3,\) for 80 customers"),
        (lambda: plan_totals(CASE, np.full(80, 6)), "the plan names offer 6, the case has 6"),
        (lambda: plan_totals(CASE, plan(), np.ones(3, bool)), r"where has shape \(3,\)"),
    ],
)
def test_what_does_not_fit_is_named(ask, said):
    with pytest.raises(ContractError, match=said):
        ask()
