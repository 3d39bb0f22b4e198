"""Rules as data: the first one that says no is the reason."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.policy import Ruling, age_rule, decide
from scenefit.contracts.errors import ContractError

NOBODY, EVERYBODY = np.zeros((1, 1), bool), np.ones((1, 1), bool)


def test_the_first_rule_that_says_no_gives_the_reason():
    decision = decide(
        [
            Ruling("blocked", np.array([[True], [False], [False]])),
            Ruling("not sold", np.array([[True, False]])),
            Ruling("risky", np.array([[True, True], [False, False], [False, True]])),
        ],
        3,
        2,
    )
    assert decision.reasons == ("eligible", "blocked", "not sold", "risky")
    assert decision.reason.tolist() == [[1, 1], [2, 0], [2, 3]]
    assert decision.allowed.tolist() == [[False, False], [False, True], [False, False]]


def test_without_rules_everything_is_allowed():
    assert decide([], 2, 3).allowed.all()
    assert not decide([Ruling("all", EVERYBODY)], 2, 3).allowed.any()


@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), max_size=5))
def test_a_pair_is_allowed_exactly_when_no_rule_forbids_it(rules):
    masks = [np.array(rule).reshape(2, 3) for rule in rules]
    decision = decide([Ruling(f"rule {i}", mask) for i, mask in enumerate(masks)], 2, 3)
    np.testing.assert_array_equal(decision.allowed, ~np.any([*masks, np.zeros((2, 3), bool)], axis=0))
    np.testing.assert_array_equal(decision.reason == 0, decision.allowed)


def test_a_rule_of_the_wrong_shape_is_named():
    with pytest.raises(ContractError, match=r"rule 'age' has shape \(4, 1\), must broadcast to \(3, 2\)"):
        decide([Ruling("age", np.zeros((4, 1), bool))], 3, 2)


def test_more_rules_than_codes_are_refused():
    assert decide([Ruling(str(i), NOBODY) for i in range(255)], 1, 1).allowed.all()
    with pytest.raises(ContractError, match="256 rules, a reason code counts to 255"):
        decide([Ruling(str(i), NOBODY) for i in range(256)], 1, 1)


@pytest.mark.parametrize(
    ("born", "forbidden"),
    [
        (2008, True),  # turns 18 in the course of 2026 and may still be 17
        (2007, False),
        (1966, False),  # is 59 or 60
        (1965, True),  # is 60 or 61
        (np.nan, True),
    ],
)
def test_ages_from_18_to_60_by_birth_year(born, forbidden):
    ruling = age_rule(np.array([born]), 2026, np.array([18.0]), np.array([60.0]))
    assert ruling.forbids.tolist() == [[forbidden]]


def test_an_unknown_age_matters_only_where_a_product_has_a_limit():
    ruling = age_rule(np.array([np.nan, 1990]), 2026, np.array([np.nan, 18, np.nan]), np.array([np.nan, np.nan, 60]))
    assert ruling.forbids.tolist() == [[False, True, True], [False, False, False]]
