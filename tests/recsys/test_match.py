"""Plans keep every limit, and say truly how far from the best they are."""

import itertools
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import recsys.cells
from recsys.cells import banded, cell_plan, whole_quota
from recsys.limits import Limit
from recsys.match import greedy, match_offers, upper_bound
from recsys.ranking import pack
from scenefit.contracts.errors import ContractError, Infeasible, NotEligible


class Case(NamedTuple):
    values: np.ndarray
    allowed: np.ndarray
    limits: list
    cost: np.ndarray
    segment: np.ndarray


def added_up(plan, limit):
    """What a plan uses of a limit, customer by customer."""
    total = 0.0
    for i, j in enumerate(plan):
        if j >= 0 and (limit.where is None or limit.where[i]):
            total += limit.weight[i % limit.weight.shape[0], j % limit.weight.shape[1]]
    return total


def keeps(plan, limits):
    return all(
        added_up(plan, x) <= x.total + 1e-8 * max(1, abs(x.total))
        if x.sense == "<="
        else added_up(plan, x) >= x.total - 1e-8 * max(1, abs(x.total))
        for x in limits
    )


def worth(plan, values):
    return sum(values[i, j] for i, j in enumerate(plan) if j >= 0)


def crowd(n, m=8, segments=5, seed=0):
    """Offers of which some pay and some do not, under a budget, a loss limit, capacities and reach floors."""
    rng = np.random.default_rng(seed)
    p = 0.2 * rng.random((n, m)) ** 3
    loss = p * rng.integers(100, 1000, m) * rng.random((n, 1)) ** 3
    cost = 0.05 + p * rng.integers(0, 30, m)
    values = p * rng.integers(50, 300, m) - 0.6 * loss - cost
    segment = rng.integers(0, segments, n)
    limits = [
        Limit("budget", "<=", 0.3 * n, cost),
        Limit("loss", "<=", 0.1 * loss.max(axis=1).sum(), loss),
        *(Limit(f"capacity {j}", "<=", n // 20, np.eye(m)[[j]]) for j in range(m)),
        *(
            Limit(f"reach {s}", ">=", (segment == s).sum() // 10, np.ones((1, 1)), segment == s)
            for s in range(segments)
        ),
    ]
    return Case(values, rng.random((n, m)) < 0.6, limits, cost, segment)


def planned(case, **options):
    return match_offers(case.values, pack(case.allowed), case.limits, **options)


@st.composite
def tiny(draw):
    n, m = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    cost = np.round(rng.random((n, m)) * 3, 1)
    limits = [
        Limit("budget", "<=", draw(st.integers(0, 60)) / 10, cost),
        Limit("capacity", "<=", float(draw(st.integers(0, 4))), np.eye(m)[[0]]),
        Limit("reach", ">=", float(draw(st.integers(0, 2))), np.ones((1, 1)), rng.random(n) < 0.6),
    ]
    return Case(np.round(rng.normal(1, 3, (n, m)), 2), rng.random((n, m)) < 0.7, limits, cost, np.zeros(n, int))


@settings(max_examples=150, deadline=None)
@given(tiny())
def test_a_tiny_plan_is_the_best_of_all_plans(case):
    choices = [[-1, *np.flatnonzero(row)] for row in case.allowed]
    possible = [plan for plan in itertools.product(*choices) if keeps(plan, case.limits)]
    if not case.allowed.any():
        with pytest.raises(NotEligible):
            planned(case)
    elif not possible:
        with pytest.raises(Infeasible, match=r"match: "):
            planned(case)
    else:
        best = max(worth(plan, case.values) for plan in possible)
        plan = planned(case)
        assert keeps(plan.assignment, case.limits)
        assert plan.value == pytest.approx(worth(plan.assignment, case.values))
        assert plan.value == pytest.approx(best, abs=1e-6)
        assert plan.upper_bound >= best - 1e-6
        assert plan.gap == pytest.approx((plan.upper_bound - plan.value) / max(abs(plan.upper_bound), 1e-9))


@pytest.mark.parametrize(("n", "gap"), [(60, 0.05), (2_000, 0.02), (8_000, 0.005)])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_limit_is_kept_when_added_up_again(n, gap, seed):
    case = crowd(n, seed=seed)
    plan = planned(case, cells=case.segment)
    given_ = np.flatnonzero(plan.assignment >= 0)
    assert case.allowed[given_, plan.assignment[given_]].all()
    assert keeps(plan.assignment, case.limits)
    assert plan.usage == pytest.approx({x.name: added_up(plan.assignment, x) for x in case.limits})
    assert plan.value == pytest.approx(worth(plan.assignment, case.values))
    assert plan.value <= plan.upper_bound
    assert 0 <= plan.gap < gap
    for limit in case.limits:
        assert plan.shadow_prices[limit.name] * (1 if limit.sense == "<=" else -1) >= 0


def test_prices_refined_on_customers_close_what_cells_leave_open():
    case = crowd(8_000)
    plan = planned(case, cells=case.segment)
    cells = cell_plan(case.values, case.allowed, case.limits, banded(case.values, case.allowed, case.segment))
    bound = upper_bound(case.values, case.allowed, case.limits, cells.prices)
    assert plan.upper_bound < bound
    assert (bound - plan.value) / bound > 10 * plan.gap


def test_a_plan_is_worth_more_than_value_per_cost_by_hand():
    case = crowd(4_000)
    by_hand = greedy(case.values, pack(case.allowed), case.limits, case.cost)
    assert keeps(by_hand, [limit for limit in case.limits if limit.sense == "<="])
    assert planned(case, cells=case.segment).value > worth(by_hand, case.values)


def test_by_hand_the_best_value_per_cost_goes_first_and_the_next_best_where_it_does_not_fit():
    values, cost = np.array([[4.0, 3.0], [10.0, 2.0], [1.0, -1.0]]), np.array([[2.0, 1.0], [2.0, 1.0], [9.0, 1.0]])
    limits = [Limit("first", "<=", 0.0, np.array([[1.0, 0.0]])), Limit("budget", "<=", 1.5, cost)]
    assert greedy(values, pack(np.ones((3, 2), bool)), limits[1:], cost).tolist() == [1, -1, -1]
    assert greedy(values, pack(np.ones((3, 2), bool)), limits[:1], cost).tolist() == [1, 1, -1]


@pytest.mark.parametrize("n", [300, 5_000])
def test_the_order_of_customers_does_not_change_the_value(n):
    case = crowd(n)
    order = np.random.default_rng(9).permutation(n)
    limits = [
        Limit(x.name, x.sense, x.total, x.weight if x.weight.shape[0] == 1 else x.weight[order],
              None if x.where is None else x.where[order])
        for x in case.limits
    ]  # fmt: skip
    shuffled = Case(case.values[order], case.allowed[order], limits, case.cost[order], case.segment[order])
    one, other = planned(case, cells=case.segment), planned(shuffled, cells=shuffled.segment)
    assert other.value == pytest.approx(one.value, rel=1e-3)
    assert (one.assignment[order] == other.assignment).mean() > 0.99


def test_the_same_question_has_the_same_answer():
    case = crowd(5_000)
    one, other = planned(case, cells=case.segment), planned(case, cells=case.segment)
    assert one.assignment.tobytes() == other.assignment.tobytes()
    assert (one.value, one.upper_bound, one.shadow_prices) == (other.value, other.upper_bound, other.shadow_prices)


@pytest.mark.parametrize("n", [20, 5_000])
def test_nothing_to_spend_is_an_empty_plan(n):
    case = crowd(n)
    plan = match_offers(case.values, pack(case.allowed), [Limit("budget", "<=", 0.0, case.cost)])
    assert (plan.assignment == -1).all()
    assert (plan.value, plan.usage) == (0.0, {"budget": 0.0})
    assert plan.upper_bound == pytest.approx(0, abs=1e-6)


def test_without_limits_everybody_gets_their_best_offer_if_it_pays():
    case = crowd(500)
    plan = match_offers(case.values, pack(case.allowed), [])
    best = np.where(case.allowed, case.values, -np.inf)
    np.testing.assert_array_equal(plan.assignment, np.where(best.max(axis=1) > 0, best.argmax(axis=1), -1))
    assert plan.gap == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("n", [40, 5_000])
def test_equal_customers_fill_what_there_is_room_for(n):
    """At the price of the budget nobody is better served than not; the room must still be used."""
    plan = match_offers(
        np.full((n, 2), 3.0), pack(np.ones((n, 2), bool)), [Limit("budget", "<=", n / 4, np.ones((n, 1)))]
    )
    assert plan.value == pytest.approx(3.0 * (n // 4))


def test_a_limit_on_the_number_of_offers_is_no_capacity_of_the_first_product():
    rng = np.random.default_rng(0)
    values = rng.random((5_000, 6))
    plan = match_offers(values, pack(np.ones(values.shape, bool)), [Limit("contacts", "<=", 1_000.0, np.ones((1, 1)))])
    assert plan.usage == {"contacts": 1_000}
    assert plan.value == pytest.approx(np.sort(values.max(axis=1))[-1_000:].sum())
    assert plan.gap == pytest.approx(0, abs=1e-9)


def test_a_floor_on_one_product_is_met_by_that_product():
    rng = np.random.default_rng(0)
    values = rng.random((5_000, 6)) + np.array([0, 0, 0, 0, 0, -2.0])
    plan = match_offers(values, pack(np.ones(values.shape, bool)), [Limit("last", ">=", 500.0, np.eye(6)[[5]])])
    assert plan.usage == {"last": 500}
    assert plan.shadow_prices["last"] < 0


def test_means_of_cells_do_not_make_a_possible_plan_impossible(monkeypatch):
    """Half of a cell is cheap, half dear: on average the floor costs more than the budget, in truth it does not."""
    monkeypatch.setattr(recsys.cells, "BANDS", 1)
    n = 24_000
    cost = np.where(np.arange(n) % 2, 9.0, 1.0)[:, None]
    limits = [Limit("budget", "<=", n / 4, cost), Limit("reach", ">=", n / 4, np.ones((1, 1)))]
    values = np.random.default_rng(0).random((n, 1))
    cells = cell_plan(values, np.ones((n, 1), bool), limits, np.zeros(n, int))
    assert "limits cannot be met together" in cells.conflict
    plan = match_offers(values, pack(np.ones((n, 1), bool)), limits)
    assert keeps(plan.assignment, limits)


def test_limits_that_cannot_be_met_are_named_with_the_distance():
    n = 30
    ones = np.ones((1, 1))
    limits = [Limit("budget", "<=", 5.0, np.ones((n, 1))), Limit("reach all", ">=", 20.0, ones)]
    with pytest.raises(Infeasible, match=r"'(budget|reach all)' .* would have to move by 15. Loosen one of them"):
        match_offers(np.ones((n, 2)), pack(np.ones((n, 2), bool)), limits)
    with pytest.raises(Infeasible, match=r"'reach' must be >= 31, but all who may get an offer come to 30"):
        match_offers(np.ones((n, 2)), pack(np.ones((n, 2), bool)), [Limit("reach", ">=", 31.0, ones)])
    with pytest.raises(Infeasible, match=r"'budget' must be <= -1, but an empty plan uses 0"):
        match_offers(np.ones((n, 2)), pack(np.ones((n, 2), bool)), [Limit("budget", "<=", -1.0, ones)])


def limit(**changes):
    return Limit(
        **({"name": "budget", "sense": "<=", "total": 1.0, "weight": np.ones((3, 2)), "where": None} | changes)
    )


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ([limit(weight=-np.ones((3, 2)))], "'budget' has weights that are negative or not finite"),
        ([limit(weight=np.full((3, 2), np.nan))], "'budget' has weights that are negative or not finite"),
        ([limit(weight=np.ones(3))], r"'budget' has weights of shape \(3,\); use \(3, 1\), \(1, 2\) or \(3, 2\)"),
        ([limit(where=np.ones(2, bool))], r"'budget' has where of shape \(2,\)"),
        ([limit(where=np.ones(3))], "must be .* true or false"),
        ([limit(total=np.nan)], "'budget' has the total nan"),
        ([limit(sense="<")], "'budget' has the sense '<'; it must be '<=' or '>='"),
        ([limit(), limit()], "two limits are called 'budget'"),
    ],
)
def test_a_limit_that_does_not_fit_is_refused(limits, message):
    with pytest.raises(ContractError, match=message):
        match_offers(np.ones((3, 2)), pack(np.ones((3, 2), bool)), limits)


@pytest.mark.parametrize(
    ("values", "eligible", "options", "message"),
    [
        (np.array([[1.0, np.nan]]), np.ones((1, 2), bool), {}, "value of offer 1 for customer 0 is nan"),
        (np.array([[1.0, -np.inf]]), np.ones((1, 2), bool), {}, "value of offer 1 for customer 0 is -inf"),
        (
            np.ones((1, 2)),
            np.ones((1, 2), bool),
            {"per_customer": 2},
            "per_customer is 2; this version plans one offer",
        ),
        (np.ones((2, 2)), np.ones((1, 2), bool), {}, "2 customers, 1 rows of eligibility"),
        (np.ones((1, 2)), np.ones((1, 2), bool), {"cells": np.zeros(3, int)}, r"cells \(3,\); give one each"),
        (np.ones((1, 70)), np.ones((1, 2), bool), {}, "2 words per row"),
        (np.ones(3), np.ones((1, 2), bool), {}, r"values have shape \(3,\)"),
    ],
)
def test_values_that_do_not_fit_are_refused(values, eligible, options, message):
    with pytest.raises(ContractError, match=message):
        match_offers(values, pack(eligible), [], **options)


def test_nobody_eligible_is_said_so():
    with pytest.raises(NotEligible, match="none of 3 customers may get any of 2 offers; loosen the eligibility rules"):
        match_offers(np.ones((3, 2)), pack(np.zeros((3, 2), bool)), [])


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 4))
def test_whole_quotas_are_as_many_as_the_fractions_and_next_to_them(seed, cells, m):
    x = np.random.default_rng(seed).random((cells, m)) * 5
    quota = whole_quota(x)
    assert (np.abs(quota - x) < 1).all()
    assert (np.abs(quota.sum(axis=1) - x.sum(axis=1)) <= 0.5 + 1e-9).all()


def test_bands_part_customers_of_one_cell_by_value():
    rng = np.random.default_rng(0)
    values, cells = rng.random((30_000, 2)), np.repeat([7, 3], 15_000)
    groups = banded(values, np.ones(values.shape, bool), cells)
    assert len(np.unique(groups)) == 2 * recsys.cells.BANDS
    best = values.max(axis=1)
    for cell in (3, 7):
        inside = np.unique(groups[cells == cell])
        spans = sorted((best[groups == g].min(), best[groups == g].max()) for g in inside)
        assert all(low <= high for (_, low), (high, _) in itertools.pairwise(spans))
