"""What a case says of its offers and limits."""

import numpy as np
import pytest

from recsys.case import LimitSpec, case_limits, case_value
from scenefit.contracts.errors import ContractError
from tests.recsys.made_case import made_case


def test_limits_that_count_the_same_share_one_matrix_and_narrow_by_offers():
    case = made_case(50)
    value = case_value(case)
    specs = (
        LimitSpec("budget", "<=", 1.0, "cost"),
        LimitSpec("travel", "<=", 1.0, "cost", {"scene_id": ["travel"]}),
        LimitSpec("calls", "<=", 1.0, "cost", None, {"channel": ["call"]}),
        LimitSpec("loss", "<=", 1.0, "loss"),
        LimitSpec("takers", ">=", 1.0, "takers"),
    )
    budget, travel, calls, loss, takers = case_limits(case, value, specs)
    cost = case.contact_cost + case.p_take.astype(float) * case.terms.incentive
    np.testing.assert_allclose(budget.weight, cost)
    assert np.shares_memory(budget.weight, travel.weight)
    assert travel.where.tolist() == (case.groups["scene_id"] == "travel").tolist()
    np.testing.assert_allclose(calls.weight, cost * np.array([0, 1, 0, 1, 0, 1]))
    assert loss.weight is value.expected_loss
    assert takers.weight is case.p_take


def test_a_limit_that_counts_something_unknown_is_refused():
    case = made_case(5)
    with pytest.raises(ContractError, match="'mood' counts 'smiles'; it can count offers, cost, loss, takers"):
        case_limits(case, case_value(case), (LimitSpec("mood", "<=", 1.0, "smiles"),))
