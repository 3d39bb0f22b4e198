"""What a plan does for a product in a subgroup."""

import numpy as np
import pytest

from recsys.case import case_limits, case_value, worthwhile
from recsys.problem import Problem
from recsys.subgroup_plan import subgroup_plan
from scenefit.contracts.errors import ContractError
from tests.recsys.made_case import made_case

CASE = made_case(400)


@pytest.fixture(scope="module")
def plan():
    value = case_value(CASE)
    return Problem(value.value, worthwhile(CASE, value), case_limits(CASE, value)).solve()


def test_planned_people_add_up_to_the_plan_and_reasons_to_the_rest(plan):
    everybody = {"everybody": np.ones(400, bool)}
    cells, blocked = subgroup_plan(CASE, plan, everybody)
    assert cells["planned"].sum() == (plan.assignment >= 0).sum()
    assert (cells["eligible"] >= cells["worth_offering"]).all()
    assert (cells["worth_offering"] >= cells["planned"]).all()
    assert {"not reachable", "already has it"} <= set(blocked["reason"])
    assert (blocked["people"] >= 20).all()


def test_profit_lies_in_its_interval(plan):
    cells = subgroup_plan(CASE, plan, "segment_id").cells.dropna(subset=["profit"])
    assert len(cells)
    assert (cells["profit_low"] <= cells["profit"]).all()
    assert (cells["profit"] <= cells["profit_high"]).all()


def test_few_people_are_not_told(plan):
    few = np.zeros(400, bool)
    few[:19] = True
    cells, blocked = subgroup_plan(CASE, plan, {"few": few})
    assert cells[["planned", "profit", "blocked_by"]].isna().all().all()
    assert blocked.empty


def test_unknown_columns_and_masks_of_others_are_refused(plan):
    with pytest.raises(ContractError, match="no column 'mood'"):
        subgroup_plan(CASE, plan, "mood")
    with pytest.raises(ContractError, match="mask 'few'"):
        subgroup_plan(CASE, plan, {"few": np.ones(3, bool)})
