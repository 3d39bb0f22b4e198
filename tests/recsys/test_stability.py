"""Plans under inputs that are a little off, and what inertia does."""

import numpy as np
import pytest

from recsys.stability import held_values, inertia_curve, smallest_inertia, stability, wiggled, within_errors
from recsys.what_if import problem_of
from scenefit.contracts.errors import ContractError
from tests.recsys.made_case import made_case

CASE = made_case(60)


@pytest.fixture(scope="module")
def plan():
    return problem_of(CASE).solve()


def test_inputs_stay_in_range_and_equal_seeds_give_equal_bytes():
    for drawn in (within_errors, wiggled):
        one, two = (drawn(CASE, np.random.default_rng(3)) for _ in range(2))
        assert one.p_take.tobytes() == two.p_take.tobytes()
        assert ((one.p_take >= 0) & (one.p_take <= 1)).all()
        assert (one.p_take != CASE.p_take).any()
    ratio = wiggled(CASE, np.random.default_rng(0)).p_take / CASE.p_take
    assert np.nanmax(np.abs(ratio - 1)) <= 0.01 + 1e-6


def test_inputs_that_do_not_move_change_nothing(plan):
    found = stability(CASE, plan, draws=1, wiggle=0.0)
    assert found.value_kept == pytest.approx(1, abs=1e-6)


def test_inertia_keeps_offers_where_they_are(plan):
    curve = inertia_curve(CASE, plan, [0.0, 100.0], draws=1)
    assert curve["churn"].iloc[1] <= curve["churn"].iloc[0]
    assert curve["value_given_up"].iloc[0] == 0
    assert smallest_inertia(CASE, plan, churn=1.0, draws=1).inertia == 0


def test_inertia_promotes_no_loss():
    assert held_values(np.array([[1.0, -1.0], [-1.0, 2.0]]), np.array([0, 0]), 5.0).tolist() == [[6, -1], [-1, 2]]


def test_bad_input_is_refused(plan):
    with pytest.raises(ContractError, match="0 or more"):
        stability(CASE, plan, inertia=-1.0)
    with pytest.raises(ContractError, match="give the plan"):
        stability(CASE, None)
    with pytest.raises(ContractError, match="goal for churn is 2"):
        smallest_inertia(CASE, plan, churn=2.0)
    with pytest.raises(ContractError, match="the inertia is nan"):
        held_values(np.ones((2, 2)), np.array([0, 0]), float("nan"))
