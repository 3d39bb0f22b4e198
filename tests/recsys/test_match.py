"""Plans keep every limit, and say truly how far from the best they are."""

import itertools
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.limits import Limit
from recsys.match import greedy, match_offers
from recsys.problem import Problem
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
    plan = planned(case)
    given_ = np.flatnonzero(plan.assignment >= 0)
    assert case.allowed[given_, plan.assignment[given_]].all()
    assert keeps(plan.assignment, case.limits)
    assert plan.usage == pytest.approx({x.name: added_up(plan.assignment, x) for x in case.limits})
    assert plan.value == pytest.approx(worth(plan.assignment, case.values))
    assert plan.value <= plan.upper_bound
    assert 0 <= plan.gap < gap
    for limit in case.limits:
        assert plan.shadow_prices[limit.name] * (1 if limit.sense == "<=" else -1) >= 0


def test_a_plan_is_worth_more_than_value_per_cost_by_hand():
    case = crowd(4_000)
    by_hand = greedy(case.values, pack(case.allowed), case.limits, case.cost)
    assert keeps(by_hand, [limit for limit in case.limits if limit.sense == "<="])
    assert planned(case).value > worth(by_hand, case.values)


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
    one, other = planned(case), planned(shuffled)
    assert other.value == pytest.approx(one.value, rel=1e-3)
    assert (one.assignment[order] == other.assignment).mean() > 0.99


def test_the_same_question_has_the_same_answer():
    case = crowd(5_000)
    one, other = planned(case), planned(case)
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
        (np.ones((1, 2)), np.ones((1, 2), bool), {"per_customer": 0}, "per_customer is 0; plan at least one"),
        (np.ones((1, 2)), np.ones((1, 2), bool), {"per_customer": 3}, "per_customer is 3, there are 2 offers"),
        (np.ones((1, 2)), np.ones((1, 2), bool), {"exclusive": np.zeros(3, int)}, r"groups have shape \(3,\)"),
        (np.ones((2, 2)), np.ones((1, 2), bool), {}, "2 customers, 1 rows of eligibility"),
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


@st.composite
def several(draw):
    """A tiny case in which a customer may get two of three offers, the first two excluding each other."""
    n = draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    cost = np.round(rng.random((n, 3)) * 3, 1)
    limits = [
        Limit("budget", "<=", draw(st.integers(0, 80)) / 10, cost),
        Limit("capacity", "<=", float(draw(st.integers(0, 4))), np.eye(3)[[0]]),
        Limit("reach", ">=", float(draw(st.integers(0, 2))), np.array([[0.0, 1.0, 1.0]]), rng.random(n) < 0.6),
    ]
    return Case(np.round(rng.normal(1, 3, (n, 3)), 2), rng.random((n, 3)) < 0.8, limits, cost, np.zeros(n, int))


@settings(max_examples=80, deadline=None)
@given(several())
def test_a_tiny_plan_of_several_offers_each_is_the_best_of_all_plans(case):
    if not case.allowed.any():
        return
    group = np.array([0, 0, 1])
    sets = [(), (0,), (1,), (2,), (0, 2), (1, 2)]
    choices = [[s for s in sets if all(row[j] for j in s)] for row in case.allowed]
    n = len(case.values)

    def as_pairs(plan):
        return [(i, j) for i, chosen in enumerate(plan) for j in chosen]

    def uses(plan, x):
        weight = np.broadcast_to(x.weight, case.values.shape)
        return sum(weight[i, j] for i, j in as_pairs(plan) if x.where is None or x.where[i])

    def kept(plan):
        return all(
            uses(plan, x) <= x.total + 1e-9 if x.sense == "<=" else uses(plan, x) >= x.total - 1e-9 for x in case.limits
        )

    possible = [plan for plan in itertools.product(*choices) if kept(plan)]
    asked = {"per_customer": 2, "exclusive": group}
    if not possible:
        with pytest.raises(Infeasible, match=r"match: "):
            planned(case, **asked)
        return
    best = max(sum(case.values[i, j] for i, j in as_pairs(plan)) for plan in possible)
    plan = planned(case, **asked)
    assert plan.assignment.shape == (n, 2)
    assert kept([tuple(j for j in row if j >= 0) for row in plan.assignment])
    assert plan.value == pytest.approx(best, abs=1e-6)
    assert plan.upper_bound >= best - 1e-6


@pytest.mark.parametrize("seed", [0, 1])
def test_several_offers_each_keep_limits_and_groups_at_a_proven_distance(seed):
    case = crowd(6_000, seed=seed)
    group = np.arange(8) // 2
    one, two = planned(case), planned(case, per_customer=2, exclusive=group)
    who, place = np.nonzero(two.assignment >= 0)
    offers = two.assignment[who, place]
    assert case.allowed[who, offers].all()
    assert len(np.unique(who * 8 + group[offers])) == len(who)
    for x in case.limits:
        weight = np.broadcast_to(x.weight, case.values.shape)[who, offers]
        total = weight[x.where[who]].sum() if x.where is not None else weight.sum()
        assert total <= x.total * (1 + 1e-9) if x.sense == "<=" else total >= x.total
        assert two.usage[x.name] == pytest.approx(total)
    assert two.value > one.value
    assert 0 <= two.gap < 1e-4


def test_known_prices_and_another_total_give_the_same_plan_as_from_nothing():
    case = crowd(12_000, m=24)
    problem = Problem(case.values, pack(case.allowed), case.limits)
    start = np.array(list(problem.solve().shadow_prices.values()))
    tighter = problem.solve(totals={"budget": 0.8 * case.limits[0].total}, start=start)
    afresh = problem.solve(totals={"budget": 0.8 * case.limits[0].total})
    assert tighter.value == pytest.approx(afresh.value, rel=2e-5)
    assert tighter.upper_bound == pytest.approx(afresh.upper_bound, rel=1e-6)
    assert tighter.value < problem.solve().value
    with pytest.raises(ContractError, match="there is no limit 'bugdet'"):
        problem.solve(totals={"bugdet": 1.0})
    with pytest.raises(ContractError, match="limit 'budget' has the total nan"):
        problem.solve(totals={"budget": np.nan})
    with pytest.raises(ContractError, match="give one finite price each"):
        problem.solve(start=np.zeros(3))


def test_a_limit_by_offer_within_a_group_and_one_by_person_are_kept():
    """Weights by offer for some people, by person, and by pair for some people: every shape a limit can have."""
    case = crowd(9_000, m=10, seed=3)
    inside = case.segment == 2
    limits = [
        *case.limits[:2],
        Limit("two products there", "<=", 25.0, (np.arange(10) < 2).astype(float)[None, :], inside),
        Limit("visits", "<=", 900.0, 0.5 + np.arange(9_000)[:, None] % 3),
        Limit("cost there", "<=", 60.0, case.cost, inside),
        Limit("cost of calls", "<=", 200.0, case.cost * (np.arange(10) > 7)),
    ]
    plan = match_offers(case.values, pack(case.allowed), limits)
    assert keeps(plan.assignment, limits)
    assert 0 <= plan.gap < 1e-4
    assert max(plan.shadow_prices.values()) > 0


@pytest.mark.parametrize("threads", [1, 2])
def test_the_plan_is_the_same_on_any_number_of_threads(threads):
    import numba

    case = crowd(9_000, seed=5)
    expected = planned(case)
    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, before))
    try:
        found = planned(case)
    finally:
        numba.set_num_threads(before)
    assert found.assignment.tobytes() == expected.assignment.tobytes()
    assert found.shadow_prices == expected.shadow_prices


def test_impossible_limits_of_a_crowd_are_proven_so_and_named_with_a_distance():
    case = crowd(20_000)
    ones = np.ones((1, 1))
    limits = [
        Limit("budget", "<=", 100.0, case.cost),
        Limit("reach all", ">=", 8_000.0, ones),
        Limit("capacity 0", "<=", 500.0, np.eye(8)[[0]]),
    ]
    with pytest.raises(
        Infeasible, match=r"cannot be met together: 'budget' \(<= 100\) would have to move by .* at least"
    ):
        match_offers(case.values, pack(case.allowed), limits)
    problem = Problem(case.values, pack(case.allowed), limits)
    cheapest = np.sort(np.where(case.allowed, case.cost, np.inf).min(axis=1))[:8_000].sum()
    plan = problem.solve(totals={"budget": 1.2 * cheapest})
    assert plan.usage["reach all"] == 8_000
    assert plan.usage["budget"] <= 1.2 * cheapest


def by_highs(case, whole):
    """The optimum by HiGHS on the whole programme: None where the limits cannot be met."""
    from scipy import sparse
    from scipy.optimize import Bounds, LinearConstraint, milp

    n, m = case.values.shape
    rows, low, high = [sparse.kron(sparse.identity(n), np.ones((1, m)))], [np.zeros(n)], [np.ones(n)]
    for x in case.limits:
        weight = np.broadcast_to(x.weight, (n, m)) * (1 if x.where is None else x.where[:, None])
        rows.append(sparse.csr_matrix(weight.reshape(1, -1)))
        low.append([x.total if x.sense == ">=" else -np.inf])
        high.append([x.total if x.sense == "<=" else np.inf])
    found = milp(
        -case.values.ravel(),
        constraints=LinearConstraint(sparse.vstack(rows), np.concatenate(low), np.concatenate(high)),
        bounds=Bounds(0, case.allowed.ravel().astype(float)),
        integrality=np.full(n * m, int(whole)),
        options={"mip_rel_gap": 0.0},
    )
    return None if found.x is None else -found.fun


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.02, 0.1, 0.5]), st.sampled_from([0.02, 0.1, 0.6]))
def test_small_plans_reach_what_highs_finds_on_the_whole_programme(seed, budget, floor):
    """Zero budgets, tight ones, floors that cannot be met, and many equal customers."""
    rng = np.random.default_rng(seed)
    case = crowd(int(rng.integers(20, 60)), m=4, segments=2, seed=seed)
    if seed % 3 == 0:
        # degenerate: everybody like one of three
        like = rng.integers(0, 3, len(case.values))
        case = case._replace(values=case.values[like], cost=case.cost[like])
    n = len(case.values)
    case = case._replace(
        limits=[
            Limit("budget", "<=", budget * n, case.cost),
            Limit("reach", ">=", np.floor(floor * n), np.ones((1, 1)), case.segment == 0),
            Limit("capacity", "<=", n // 10, np.eye(4)[[1]]),
        ]
    )
    if not case.allowed.any():
        return
    best = by_highs(case, whole=True)
    if best is None:
        with pytest.raises(Infeasible):
            planned(case)
        return
    plan = planned(case)
    assert keeps(plan.assignment, case.limits)
    assert plan.value == pytest.approx(best, rel=1e-5, abs=1e-6)
    assert plan.upper_bound >= best - 1e-6


def test_the_bound_of_a_crowd_is_the_optimum_of_the_whole_linear_programme():
    case = crowd(3_000, m=8, seed=4)
    plan = planned(case)
    optimum = by_highs(case, whole=False)
    assert plan.upper_bound == pytest.approx(optimum, rel=1e-7)
    assert optimum * (1 - 1e-4) <= plan.value <= optimum * (1 + 1e-9)


@pytest.mark.parametrize("n", [6_000, 20_000])
def test_a_crowd_of_equal_customers_is_served_to_the_last_place(n):
    """Everybody is torn at the price of the limit: whoever is not looked at again must not count as served nothing."""
    values = np.tile([10.0, 60.0, 9.0, 50.0, 8.0, 40.0], (n, 1))
    limits = [Limit("contacts", "<=", n / 2, np.ones((1, 1)))]
    plan = match_offers(values, pack(np.ones(values.shape, bool)), limits)
    assert plan.value == pytest.approx(60.0 * n / 2)
    assert plan.upper_bound == pytest.approx(60.0 * n / 2)


@pytest.mark.parametrize("n", [400, 6_000])
def test_a_capacity_of_nothing_costs_what_one_more_place_would_earn(n):
    case = crowd(n)
    limits = [Limit("capacity 0", "<=", 0.0, np.eye(8)[[0]])]
    plan = planned(case._replace(limits=limits))
    others = np.where(case.allowed, case.values, -np.inf)[:, 1:].max(axis=1)
    gain = np.where(case.allowed[:, 0], case.values[:, 0], -np.inf) - np.maximum(others, 0)
    assert plan.shadow_prices["capacity 0"] == pytest.approx(gain.max(), rel=1e-6)
