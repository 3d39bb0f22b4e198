"""Who is chosen: rates by group, never of a few people."""

import numpy as np
import pytest

from recsys.selection import selection_rates
from scenefit.contracts.errors import ContractError


def test_rates_are_compared_with_the_most_chosen_group():
    groups = np.repeat(["a", "b", "c"], [100, 50, 40])
    chosen = np.concatenate([np.arange(100) < 40, np.arange(50) < 10, np.arange(40) < 0])
    table = selection_rates(chosen, groups).set_index("group")
    assert table["rate"].tolist() == [0.4, 0.2, 0.0]
    np.testing.assert_allclose(table["ratio"], [1.0, 0.5, 0.0])
    assert ((table["low"] <= table["rate"]) & (table["rate"] <= table["high"])).all()


def test_groups_of_a_few_and_people_not_known_are_not_shown():
    groups = np.repeat(["many", "few", ""], [30, 19, 500])
    assert selection_rates(np.ones(549, dtype=bool), groups)["group"].tolist() == ["many"]


def test_nobody_chosen_leaves_no_ratio():
    table = selection_rates(np.zeros(60, dtype=bool), np.repeat(["a", "b"], 30))
    assert table["ratio"].isna().all()


def test_smaller_groups_cannot_be_asked_for():
    with pytest.raises(ContractError, match="20 are the fewest"):
        selection_rates(np.ones(30, dtype=bool), np.repeat("a", 30), least=5)
    with pytest.raises(ContractError, match="give each person one"):
        selection_rates(np.ones(30, dtype=bool), np.repeat("a", 20))
