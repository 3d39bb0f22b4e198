"""From models to a plan, by hand: homes, who may get what, what it is worth, which limits hold."""

import numpy as np
import pandas as pd
import pytest

from app.planning import Homes, eligibility, homes, plan_limits, plan_offers, product_terms
from recsys.value import Terms, Value, discounted_margin
from scenefit.contracts.reach import Reach
from scenefit.runtime.settings import LimitSettings, ValueSettings


def products(**columns):
    names = ["apr", "funding_cost", "margin", "incentive", "tenor_min", "tenor_max", "age_min", "age_max", "pd_max"]
    size = len(next(iter(columns.values())))
    return pd.DataFrame({name: [np.nan] * size for name in names} | columns)


def everybody(n):
    return Reach(np.ones(n, bool), np.zeros(n, np.int16), ())


def test_home_is_the_scene_of_largest_affinity_the_first_where_equal():
    segments = pd.DataFrame({
        "who": [0, 0, 2, 2, 3], "scene_id": ["travel", "home", "travel", "home", "home"],
        "segment_id": ["t/0", "h/0", "t/1", "h/1", "h/0"], "affinity": [0.2, 0.7, 0.4, 0.4, np.nan],
    })  # fmt: skip
    found = homes(4, segments)
    assert found.scene.tolist() == ["home", "", "home", "home"]
    assert found.segment.tolist() == ["h/0", "", "h/1", "h/0"]
    assert found.cell.tolist() == [1, 0, 2, 1]


def test_the_first_rule_that_says_no_is_the_reason():
    everything, nothing = np.ones((5, 2), bool), np.zeros((5, 2), bool)
    reach = Reach(np.array([False, True, True, True, True]), np.zeros(5, np.int16), ())
    held, active = nothing.copy(), everything.copy()
    held[2, 0], active[3, 1] = True, False
    found = eligibility(
        products(age_min=[18.0, np.nan]), reach, active, held, np.array([1990, 2010, 1990, 1990, 1990.0]),
        np.array([0.9, 0.0, 0.0, 0.3, 0.1]), 2026, 0.2,
    )  # fmt: skip
    named = np.asarray(found.reasons)[found.reason]
    assert [row.tolist() for row in named] == [
        ["not reachable", "not reachable"],
        ["age limits", "eligible"],
        ["already has it", "eligible"],
        ["likely default", "not active in its scenes"],
        ["eligible", "eligible"],
    ]


def test_a_product_may_ask_for_less_risk_than_the_policy_and_never_for_more():
    risk = np.array([0.04, 0.1, 0.3, np.nan])
    active, held = np.ones((4, 3), bool), np.zeros((4, 3), bool)
    table = products(pd_max=[0.05, 0.5, np.nan])
    found = eligibility(table, everybody(4), active, held, np.full(4, 1990.0), risk, 2026, 0.2)
    assert found.allowed.tolist() == [[True] * 3, [False, True, True], [False] * 3, [True] * 3]


def test_a_stated_margin_goes_before_the_rate_and_the_rate_before_the_assumption():
    table = products(
        apr=[0.12, 0.12, np.nan], funding_cost=[0.03, 0.03, 0.03], margin=[0.07, np.nan, np.nan],
        incentive=[5.0, np.nan, 1.0], tenor_min=[6.0, 6.0, np.nan], tenor_max=[18.0, 18.0, np.nan],
    )  # fmt: skip
    amounts = np.array([1_000.0, 1_000.0, 200.0])
    found = product_terms(table, amounts, ValueSettings(margin=0.25, discount_rate=0.05))
    loan = discounted_margin(np.array([1_000.0]), np.array([0.12]), np.array([0.03]), np.array([12]), 0.05)[0]
    assert found.margin.tolist() == pytest.approx([70.0, loan, 50.0])
    assert found.incentive.tolist() == [5, 0, 1]
    assert found.amount is amounts


def test_limits_by_hand():
    #                   nobody may contact 3; offering is worth nothing to 2
    allowed = np.array([[True, True], [True, False], [True, True], [False, False], [True, True]])
    value = np.array([[5.0, 9.0], [4.0, 8.0], [-1.0, -2.0], [7.0, 7.0], [2.0, 1.0]])
    loss = np.array([[10.0, 20.0], [30.0, 90.0], [50.0, 60.0], [90.0, 90.0], [40.0, 70.0]])
    cost = np.full((5, 2), 0.5)
    home = Homes(np.array(["s"] * 5), np.array(["s/0", "s/0", "s/0", "s/1", ""], dtype=object), np.zeros(5, int))
    settings = LimitSettings(budget_per_person=0.8, loss_share=0.5, reach_floor=0.5)
    found = plan_limits(
        Value(value, loss, cost), cost, allowed, home, pd.Series([3.0, np.nan], index=["P1", "P2"]), settings
    )
    assert [(x.name, x.sense, x.total) for x in found] == [
        ("budget", "<=", 0.8 * 4),
        # everybody's best: 20 + 30 + 50 + 40
        ("expected loss", "<=", 70.0),
        ("capacity P1", "<=", 3.0),
        # two of s/0 are worth an offer; nobody of s/1 may get one, and no segment has no floor
        ("reach s/0", ">=", 1.0),
    ]
    assert found[2].weight.tolist() == [[1.0, 0.0]]
    assert found[3].where.tolist() == [True, True, True, False, False]


def test_without_expected_loss_there_is_no_loss_limit():
    home = Homes(np.array([""]), np.array([""], dtype=object), np.zeros(1, int))
    value = Value(np.ones((1, 1)), np.zeros((1, 1)), np.zeros((1, 1)))
    found = plan_limits(value, np.ones((1, 1)), np.ones((1, 1), bool), home, pd.Series([np.nan]), LimitSettings())
    assert [limit.name for limit in found] == ["budget"]


def test_a_plan_keeps_eligibility_and_budget_and_beats_the_plan_by_hand():
    rng = np.random.default_rng(0)
    n, m = 400, 3
    p = 0.3 * rng.random((n, m))
    table = products(pd_max=[np.nan] * m)
    held = rng.random((n, m)) < 0.2
    risk = np.where(rng.random(n) < 0.1, 0.9, 0.02)
    decision = eligibility(table, everybody(n), np.ones((n, m), bool), held, np.full(n, 1990.0), risk, 2026, 0.2)
    segment = np.where(rng.random(n) < 0.5, "a", "b").astype(object)
    home = Homes(segment, segment, (segment == "b").astype(int))
    terms = Terms(np.full(m, 1_000.0), np.array([60.0, 90.0, 40.0]), np.array([4.0, 9.0, 0.0]))
    limits = LimitSettings(budget_per_person=0.4)
    capacity = pd.Series([50.0, np.nan, np.nan], index=["P1", "P2", "P3"])
    contact = np.full(n, 0.05)
    found = plan_offers(p, np.zeros(m), terms, risk, contact, decision, home, capacity, limits, lgd=0.6)
    given = np.flatnonzero(found.plan.assignment >= 0)
    what = found.plan.assignment[given]
    assert decision.allowed[given, what].all()
    spent = 0.05 * len(given) + (p[given, what] * terms.incentive[what]).sum()
    assert spent == pytest.approx(found.plan.usage["budget"])
    assert spent <= 0.4 * decision.allowed.any(axis=1).sum() + 1e-6
    assert (what == 0).sum() <= 50
    earned = p[given, what] * (terms.margin[what] - risk[given] * 0.6 * 1_000 - terms.incentive[what]) - 0.05
    assert found.plan.value == pytest.approx(earned.sum())
    assert found.plan.value >= found.greedy_value > 0


def test_an_unknown_risk_counts_as_no_loss_rather_than_as_no_number():
    decision = eligibility(
        products(pd_max=[np.nan]), everybody(2), np.ones((2, 1), bool), np.zeros((2, 1), bool), np.full(2, 1990.0),
        np.full(2, np.nan), 2026, 0.2,
    )  # fmt: skip
    home = Homes(np.array(["", ""]), np.array(["", ""], dtype=object), np.zeros(2, int))
    terms = Terms(np.array([100.0]), np.array([10.0]), np.array([0.0]))
    found = plan_offers(
        np.full((2, 1), 0.5), np.zeros(1), terms, np.full(2, np.nan), np.zeros(2), decision, home,
        pd.Series([np.nan], index=["P1"]), LimitSettings(), lgd=0.6,
    )  # fmt: skip
    assert found.plan.value == pytest.approx(10.0)
