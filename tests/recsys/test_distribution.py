"""Who is served: figures of groups of 20 people or more, and whether groups fare alike."""

import numpy as np
import pandas as pd
import pytest

from recsys.distribution import SUPPRESSED, distribution, fairness, guardrails, merged, ratio_interval
from recsys.plan_figures import moved
from scenefit.contracts.errors import ContractError
from tests.recsys.made_case import made_case

CASE = made_case(300)
ASSIGNMENT = np.where(CASE.allowed[:, 0] & (np.arange(300) % 2 == 0), 0, -1)


def test_groups_add_up_to_the_plan():
    table = distribution(CASE, ASSIGNMENT, "segment_id")
    assert table["people"].sum() == 300
    assert table["offered"].sum() == (ASSIGNMENT >= 0).sum()
    assert table["takers"].sum() == pytest.approx(float(CASE.p_take[ASSIGNMENT >= 0, 0].sum()), rel=1e-5)
    assert table["served_share"].between(0, 1).all()


def test_small_groups_are_shown_together_and_never_below_twenty():
    group = pd.Series(["a"] * 100 + ["b"] * 30 + ["c"] * 3 + [""] * 5)
    label = pd.Series(merged(group))
    assert (label == SUPPRESSED).sum() == 38  # c and unknown are 8 people, so b joins them
    assert set(label) == {"a", SUPPRESSED}


def test_figures_of_default_need_twenty_people_offered():
    few = np.full(300, -1)
    few[np.flatnonzero(CASE.allowed[:, 0])[:7]] = 0
    table = distribution(CASE, few, "region")
    assert table.loc[table["offered"] > 0, ["loss", "profit", "bad_rate"]].isna().all().all()


def test_equal_treatment_is_fair_and_leaving_a_group_out_is_not():
    women = (CASE.protected["gender"] == "f").to_numpy()
    everybody = np.where(CASE.allowed[:, 0], 0, -1)
    left_out = np.where(women, -1, everybody)
    assert fairness(CASE, left_out, "gender").ratio == 0
    assert fairness(CASE, left_out, "gender").doubtful
    fair = fairness(CASE, everybody, "gender")
    assert fair.low <= fair.ratio <= fair.high
    assert fairness(CASE, np.full(300, -1), "gender").least == ""


def test_the_interval_of_a_ratio_holds_it():
    low, high = ratio_interval((40, 100), (50, 100))
    assert low < 0.8 < high
    assert ratio_interval((3, 100), (0, 100))[1] == np.inf


def test_guardrails_by_group_compare_with_a_share():
    burden = np.where(np.arange(300) % 4 == 0, 0.9, 0.1)
    table = guardrails(CASE, ASSIGNMENT, "scene_id", burden, most=0.5, share=0.2)
    assert not table["ok"].any()
    assert guardrails(CASE, ASSIGNMENT, "scene_id", burden, most=0.95, share=0.0)["ok"].all()
    assert guardrails(CASE, ASSIGNMENT, "scene_id", np.full(300, np.nan), 0.5, 0.2)["ok"].isna().all()


def test_moved_counts_customers_of_either_plan():
    assert moved(np.array([0, 1, -1, -1]), np.array([0, -1, 2, -1])) == (2, pytest.approx(2 / 3))
    assert moved(np.array([0, 1]), np.array([[0, -1], [1, -1]])) == (0, 0.0)


def test_bad_input_is_named():
    with pytest.raises(ContractError, match="no group 'zodiac'"):
        distribution(CASE, ASSIGNMENT, "zodiac")
    with pytest.raises(ContractError, match="20 people or more"):
        distribution(CASE, ASSIGNMENT, "region", smallest=5)
    with pytest.raises(ContractError, match="give the plan of this case"):
        distribution(CASE, ASSIGNMENT[:9], "region")
    with pytest.raises(ContractError, match="facts of shape"):
        guardrails(CASE, ASSIGNMENT, "region", np.zeros(3), 0.5, 0.2)
