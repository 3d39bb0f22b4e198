"""Why an offer is not made: the first stage speaks."""

import numpy as np
import pytest

from recsys.offer_rules import RULES
from recsys.why_not import why_not
from risk.policy import Ruling, decide
from scenefit.contracts.errors import ContractError


def decision():
    """Two customers, five offers; the first customer may not get offer 0 by two rules."""
    young = np.zeros((2, 5), dtype=bool)
    held = np.zeros((2, 5), dtype=bool)
    young[0, 0] = held[0, 0] = held[0, 1] = True
    return decide([Ruling("age limits", young), Ruling("already has it", held)], 2, 5)


VALUE = np.array([[9.0, 9.0, -1.0, 2.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0]])


def test_the_first_stage_that_said_no_speaks():
    found = why_not(decision(), VALUE, np.array([3, -1]), 0)
    assert [one.stage for one in found] == ["eligibility", "eligibility", "value", "offered", "limits"]
    assert [one.rule for one in found] == ["age limits", "already has it", "", "", ""]
    assert (found[0].en, found[0].zh) == (RULES["age limits"].en, RULES["age limits"].zh)
    assert "限额" in found[4].zh


def test_who_gets_nothing_is_told_of_the_limits():
    assert {one.stage for one in why_not(decision(), VALUE, np.array([3, -1]), 1)} == {"limits"}


def test_an_offer_worth_less_than_the_one_given_lost_the_choice():
    stages = [one.stage for one in why_not(decision(), VALUE, np.array([3, 4]), 1)]
    assert stages == ["choice"] * 4 + ["offered"]


def test_an_eligible_offer_beyond_the_ranked_ones_is_worth_less_than_they():
    value = np.array([[np.nan] * 5, [np.nan, 2.0, 3.0, 4.0, 5.0]])
    assert why_not(decision(), value, np.array([-1, 4]), 1)[0].stage == "rank"


def test_a_rule_without_a_sentence_speaks_by_its_name():
    new = decide([Ruling("court listing", np.array([[True]]))], 1, 1)
    [one] = why_not(new, np.ones((1, 1)), np.array([-1]), 0)
    assert (one.en, one.zh) == ("court listing", "court listing")


def test_other_customers_or_shapes_are_refused():
    with pytest.raises(ContractError, match="customer 2 of 2"):
        why_not(decision(), VALUE, np.array([3, 4]), 2)
    with pytest.raises(ContractError, match="same customers and offers"):
        why_not(decision(), VALUE[:, :4], np.array([3, 4]), 0)
