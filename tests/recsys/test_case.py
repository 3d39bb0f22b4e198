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


@pytest.mark.parametrize(
    ("field", "place", "number", "said"),
    [("p_take", (3, 1), np.nan, r"p_take\[3, 1\] is nan; give a finite number from 0 to 1"),
     ("p_take", (3, 1), 1.5, r"p_take\[3, 1\] is 1.5"), ("p_take", (3, 1), -0.5, r"p_take\[3, 1\] is -0.5"),
     ("p_unoffered", 2, np.inf, r"p_unoffered\[2\] is inf"), ("pd_given_take", 4, np.nan, r"pd_given_take\[4\] is nan"),
     ("pd_given_take", 4, 1.01, r"pd_given_take\[4\] is 1.01"),
     ("contact_cost", 0, np.inf, r"contact_cost\[0\] is inf; give a finite number from 0 everywhere"),
     ("contact_cost", 5, -1.0, r"contact_cost\[5\] is -1.0")],
)  # fmt: skip
def test_a_number_that_cannot_be_is_named_with_its_field_and_place(field, place, number, said):
    numbers = getattr(made_case(9), field).copy()
    numbers[place] = number
    with pytest.raises(ContractError, match=f"case: {said}"):
        made_case(9, **{field: numbers})


def test_terms_and_loss_given_default_are_numbers_too():
    terms = made_case(9).terms
    with pytest.raises(ContractError, match=r"terms.margin\[0\] is nan; give a finite number everywhere"):
        made_case(9, terms=terms._replace(margin=np.full(6, np.nan)))
    with pytest.raises(ContractError, match="lgd is nan; give a finite number from 0 to 1"):
        made_case(9, lgd=float("nan"))
    assert made_case(9, terms=terms._replace(margin=np.full(6, -10.0))).terms.margin[0] == -10


def test_nobody_is_a_case_too():
    assert made_case(0).p_take.shape == (0, 6)
