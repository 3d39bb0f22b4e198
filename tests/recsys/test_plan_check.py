"""The independent check passes a sound plan and catches every kind of tampering."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import recsys.plan_check
from recsys.plan_check import check
from recsys.what_if import problem_of
from scenefit.contracts.errors import ContractError
from tests.recsys.made_case import made_case

CASE = made_case(60)


@pytest.fixture(scope="module")
def plan():
    return problem_of(CASE).solve()


def failed(found):
    return set(found.rows.loc[~found.rows["ok"], "check"])


def with_offer(plan, who, offer):
    assignment = plan.assignment.copy()
    assignment[who] = offer
    return replace(plan, assignment=assignment)


def test_a_sound_plan_passes(plan):
    found = check(CASE, plan)
    assert found.ok, found.en
    assert "hold" in found.en
    assert "通过" in found.zh


def test_the_check_imports_nothing_that_made_the_plan():
    folder = Path(recsys.plan_check.__file__).parent
    for path in folder.glob("plan_check*.py"):
        tree = ast.parse(path.read_text("utf8"))
        names = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
        assert all(not n.startswith("recsys") or n.startswith("recsys.plan_check") for n in names), path.name


def test_an_ineligible_offer_is_named_with_its_customer_and_rule(plan):
    who, offer = np.argwhere(CASE.reason == 1)[0]
    found = check(CASE, with_offer(plan, who, offer))
    row = found.rows.set_index("check").loc["nobody ineligible"]
    assert not row["ok"]
    assert f"customer {CASE.customers[who]}, offer {CASE.offers['offer_id'][offer]}: not reachable" == row["offender"]


@pytest.mark.parametrize(
    ("changes", "caught"),
    [
        ({"value": 1.01}, "value"),
        ({"upper_bound": 1.5}, "gap"),
        ({"gap": 0.5}, "gap"),
    ],
)
def test_a_figure_that_is_not_true_is_caught(plan, changes, caught):
    name, factor = next(iter(changes.items()))
    stated = getattr(plan, name)
    assert caught in failed(check(CASE, replace(plan, **{name: stated * factor + 0.01})))


def test_a_bound_below_what_is_possible_is_caught(plan):
    low = plan.upper_bound * 0.9
    lied = replace(plan, upper_bound=low, gap=(low - plan.value) / low)
    assert {"value within its bound", "bound is proven", "gap"} <= failed(check(CASE, lied))


def test_a_worse_plan_with_a_made_up_bound_is_caught(plan):
    worse = plan.assignment.copy()
    worse[np.flatnonzero(worse >= 0)[:5]] = -1
    values = problem_of(CASE).values
    chosen = worse >= 0
    value = float(values[chosen, worse[chosen]].sum())
    assert "bound is proven" in failed(check(CASE, replace(plan, assignment=worse, value=value, upper_bound=value)))


@pytest.mark.parametrize("spec", CASE.limits, ids=lambda spec: spec.name)
def test_every_limit_is_added_up_again(plan, spec):
    used = plan.usage[spec.name]
    tight = replace(spec, total=used - 1 if spec.sense == "<=" else used + 1)
    specs = [tight if other.name == spec.name else other for other in CASE.limits]
    assert f"limit {spec.name}" in failed(check(CASE, plan, specs=specs))
    assert f"limit {spec.name}" in failed(check(CASE, replace(plan, usage={**plan.usage, spec.name: used + 1})))


def test_prices_of_the_wrong_sign_and_missing_ones_are_caught(plan):
    prices = {**plan.shadow_prices, "budget": -1.0}
    assert "signs of shadow prices" in failed(check(CASE, replace(plan, shadow_prices=prices)))
    assert "every limit has its figures" in failed(check(CASE, replace(plan, shadow_prices={})))


def test_a_draft_product_is_caught(plan):
    made = plan.assignment[plan.assignment >= 0]
    product = CASE.offers["product_id"].iloc[made[0]]
    live = dict.fromkeys(CASE.offers["product_id"], "live")
    assert "every product is live" in failed(check(CASE, plan, states={**live, product: "draft"}))
    assert "every product is live" not in failed(check(CASE, plan, states=live))


@pytest.mark.parametrize("state", ["submitted", "withdrawn", "Live", "", None, float("nan"), pd.NA, True])
def test_only_live_is_live(plan, state):
    made = plan.assignment[plan.assignment >= 0]
    product = CASE.offers["product_id"].iloc[made[0]]
    states = {**dict.fromkeys(CASE.offers["product_id"], "live"), product: state}
    assert "every product is live" in failed(check(CASE, plan, states=states))
    told = CASE.offers.assign(state=[states[one] for one in CASE.offers["product_id"]])
    found = check(replace(CASE, offers=told), plan)
    assert "every product is live" in failed(found)
    assert f": {state}" in found.rows.set_index("check").loc["every product is live", "offender"]


def test_a_product_without_a_state_is_not_live_where_states_are_given(plan):
    assert "every product is live" in failed(check(CASE, plan, states={}))
    assert check(CASE, plan).ok


def test_too_many_doubled_and_exclusive_offers_are_caught(plan):
    who = int(np.flatnonzero(CASE.allowed.all(axis=1))[0])
    several = np.column_stack([plan.assignment, np.full(60, -1)])
    several[who] = (0, 0)
    assert {"offers per customer", "no offer twice to one customer"} <= failed(
        check(CASE, replace(plan, assignment=several))
    )
    several[who] = (0, 1)
    found = check(CASE, replace(plan, assignment=several), 2, np.repeat([0, 1, 2], 2))
    assert "one of each exclusive group" in failed(found)


def test_unknown_offers_and_broken_inputs_are_caught(plan):
    assert "offers are known" in failed(check(CASE, with_offer(plan, 0, 99)))
    case = made_case(60)
    case.p_take[3, 0] = np.nan  # after the case was made, which refuses it
    assert "shares lie in 0 to 1" in failed(check(case, plan))
    twice = CASE.customers.copy()
    twice[1] = twice[0]
    assert "ids are distinct and ascending" in failed(check(replace(CASE, customers=twice), plan))


def test_no_plan_and_one_of_others_are_refused(plan):
    with pytest.raises(ContractError, match="there is no plan"):
        check(CASE, None)
    with pytest.raises(ContractError, match="60 customers"):
        check(CASE, replace(plan, assignment=plan.assignment[:5]))
