"""What a run keeps of its plan: everything comes back as it was."""

import numpy as np
import pandas as pd
import pytest

from app.kept_case import read_case, read_plan, write_case, write_plan
from recsys.case import case_limits, case_value, worthwhile
from recsys.problem import Problem
from scenefit.contracts.errors import StoreError
from tests.recsys.made_case import made_case


def test_a_kept_case_comes_back_as_it_was(tmp_path):
    case = made_case(n=60, protected=pd.DataFrame(index=range(60)))
    write_case(tmp_path, case)
    found = read_case(tmp_path)
    for name in ("p_take", "p_unoffered", "pd_given_take", "contact_cost", "reason", "logit_error", "pd_error"):
        np.testing.assert_array_equal(getattr(found, name), getattr(case, name))
        assert getattr(found, name).dtype == getattr(case, name).dtype
    assert found.customers.tolist() == case.customers.tolist()
    pd.testing.assert_frame_equal(found.offers, case.offers)
    pd.testing.assert_frame_equal(found.groups, case.groups)
    assert found.protected.shape == (60, 0)
    assert (found.limits, found.reasons, found.facts, found.lgd) == (case.limits, case.reasons, case.facts, case.lgd)
    np.testing.assert_array_equal(case_value(found).value, case_value(case).value)


def test_terms_that_an_offer_lacks_stay_missing(tmp_path):
    case = made_case(n=5)
    write_case(tmp_path, made_case(n=5, offers=case.offers.assign(apr=[np.nan, 0.1, np.nan, 0.2, 0.3, 0.4])))
    assert read_case(tmp_path).offers["apr"].isna().tolist() == [True, False, True, False, False, False]


def test_a_kept_plan_comes_back_as_it_was(tmp_path):
    case = made_case(n=60)
    value = case_value(case)
    plan = Problem(value.value, worthwhile(case, value), case_limits(case, value)).solve()
    write_plan(tmp_path, plan, case.limits)
    found, specs = read_plan(tmp_path)
    assert found.assignment.tolist() == plan.assignment.tolist()
    assert (found.value, found.upper_bound, found.gap) == (plan.value, plan.upper_bound, plan.gap)
    assert (found.usage, found.shadow_prices, specs) == (plan.usage, plan.shadow_prices, case.limits)


def test_a_run_of_an_older_version_says_so(tmp_path):
    with pytest.raises(StoreError, match=r"this run kept no case; .* `scenefit run`"):
        read_case(tmp_path)
    with pytest.raises(StoreError, match="this run kept no plan"):
        read_plan(tmp_path)


def test_a_changed_case_is_refused(tmp_path):
    write_case(tmp_path, made_case(n=5))
    file = tmp_path / "models" / "case" / "p_take.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match=r"p_take.npy: missing or changed"):
        read_case(tmp_path)
