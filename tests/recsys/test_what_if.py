"""A plan after a change, the frontier, the plan at a bad rate, and limits that conflict."""

import numpy as np
import pytest

from recsys.case import case_value
from recsys.conflict import conflict
from recsys.frontier import frontier, plan_at_bad_rate
from recsys.plan_check import check
from recsys.plan_figures import by_column, figures
from recsys.what_if import Change, changed_case, levered, problem_of, what_if
from scenefit.contracts.errors import ContractError
from tests.recsys.made_case import made_case

CASE = made_case(60)
PROBLEM = problem_of(CASE)


@pytest.fixture(scope="module")
def plan():
    return PROBLEM.solve()


def test_more_budget_never_earns_less(plan):
    found = what_if(CASE, plan, Change(totals={"budget": 40.0}))
    assert found.after.value >= found.before.value - 1e-6
    assert check(found.case, found.plan).ok


def test_value_and_loss_of_few_people_are_not_told(plan):
    value = case_value(CASE)
    best = np.where(CASE.allowed, value.value, -np.inf).argmax(axis=1)
    few = np.where(np.arange(60) < 19, best, -1)
    told, enough = figures(CASE, value, few), figures(CASE, value, best)
    assert np.isnan([told.value, told.expected_loss, told.bad_rate]).all()
    assert (told.customers, told.offers) == (19, 19)
    assert told.takers > 0
    assert not np.isnan([enough.value, enough.expected_loss, enough.bad_rate]).any()
    nobody = figures(CASE, value, np.full(60, -1))
    assert (nobody.value, nobody.expected_loss) == (0.0, 0.0)
    points = frontier(CASE, [0.2, 30.0], "budget", plan) if check(CASE, plan).ok else None
    assert points is not None
    small = points["customers"].between(1, 19)
    assert points.loc[small, ["value", "expected_loss"]].isna().all(axis=None)


def test_a_hidden_row_cannot_be_had_by_taking_the_others_from_the_total():
    case = made_case(400)
    value = case_value(case)
    # 25 people on p1, 30 on p2 and 5 on p3
    assignment = np.full(400, -1)
    assignment[:25], assignment[25:55], assignment[55:60] = 0, 2, 4
    table = by_column(case, value, assignment, "product_id").set_index("product_id")
    assert table["customers"].to_dict() == {"p1": 25, "p2": 30, "p3": 5}
    assert table["value"].isna().to_dict() == table["loss"].isna().to_dict() == {"p1": True, "p2": False, "p3": True}


def test_a_stricter_appetite_keeps_the_risky_out(plan):
    found = what_if(CASE, plan, Change(pd_max=0.05, lgd=0.7))
    assert CASE.pd_given_take[found.plan.assignment >= 0].max() <= 0.05


def test_incentive_and_lever_do_what_they_say():
    dearer = changed_case(CASE, Change(incentive={"p1": 30.0}, take_per_unit=0.01))
    assert dearer.terms.incentive[:2].tolist() == [30.0, 30.0]
    assert (dearer.p_take[:, :2] >= CASE.p_take[:, :2]).all()
    value = np.array([[2.0, -2.0, 2.0, 2.0, 2.0, 2.0]])
    assert levered(CASE, value, {"p1": 3.0})[0, :3].tolist() == [6.0, -2.0, 2.0]


def test_an_apr_moves_the_margin_by_its_interest():
    offers = CASE.offers.assign(funding_cost=0.05, tenor_months=12, discount_rate=0.08)
    case = made_case(60, offers=offers)
    assert changed_case(case, Change(apr={"p1": 0.12})).terms.margin == pytest.approx(case.terms.margin)
    assert (changed_case(case, Change(apr={"p1": 0.2})).terms.margin > case.terms.margin).tolist()[:3] == [1, 1, 0]
    with pytest.raises(ContractError, match="do not state funding_cost"):
        changed_case(CASE, Change(apr={"p1": 0.2}))


def test_the_frontier_rises_and_marks_what_cannot_be():
    points = frontier(CASE, [-1.0, 10.0, 30.0])
    assert points["feasible"].tolist() == [False, True, True]
    assert points["value"].iloc[1] <= points["value"].iloc[2]


def test_the_bad_rate_is_kept_with_a_bound(plan):
    made = plan.assignment >= 0
    takers = CASE.p_take[made, plan.assignment[made]].astype(float)
    rate = float(takers @ CASE.pd_given_take[made] / takers.sum())
    found = plan_at_bad_rate(CASE, 0.8 * rate, plan, close=0.05)
    made = found.plan.assignment >= 0
    takers = CASE.p_take[made, found.plan.assignment[made]].astype(float)
    assert takers @ CASE.pd_given_take[made] <= 0.8 * rate * takers.sum() * (1 + 1e-9)
    assert found.plan.value <= found.plan.upper_bound + 1e-6


def test_a_conflict_names_the_limits_and_what_is_enough():
    assert conflict(PROBLEM) is None
    found = conflict(PROBLEM, {"budget": 0.1, "reach digital/1": 4.0}, units={"budget": "cost"})
    assert {member.name for member in found.members} == {"budget", "reach digital/1"}
    for member in found.members:
        assert conflict(PROBLEM, {"budget": 0.1, "reach digital/1": 4.0, member.name: member.enough}) is None
    assert "raise 'budget' from ¥0.1" in found.en[1]
    assert found.zh[0].startswith("以下限额无法同时满足")


def test_bad_changes_are_refused(plan):
    with pytest.raises(ContractError, match="no limit 'bugdet'"):
        what_if(CASE, plan, Change(totals={"bugdet": 1.0}))
    with pytest.raises(ContractError, match="finite"):
        Change(totals={"budget": float("nan")})
    with pytest.raises(ContractError, match="pd_max is 2"):
        Change(pd_max=2)
    with pytest.raises(ContractError, match="product 'p9'"):
        changed_case(CASE, Change(incentive={"p9": 1.0}))
    with pytest.raises(ContractError, match="give the plan"):
        what_if(CASE, None, Change())
    with pytest.raises(ContractError, match="no limit 'x'"):
        frontier(CASE, [1.0], "x")
    with pytest.raises(ContractError, match="no limit 'x'"):
        conflict(PROBLEM, {"x": 1.0})
    with pytest.raises(ContractError, match="the cap is nan"):
        plan_at_bad_rate(CASE, float("nan"))
