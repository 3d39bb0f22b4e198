"""Mined rules are kept only where marketing may use every column they read."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from app.tasks import SceneMembers, subgroups
from scenefit.contracts.errors import PurposeError
from scenefit.contracts.schema import check
from scenefit.contracts.tables import SUBGROUPS


def members(column):
    rng = np.random.default_rng(0)
    level = rng.integers(0, 5, 4000)
    return SceneMembers(
        np.arange(4000), pd.DataFrame({column: level}), rng.random(4000) < np.where(level == 1, 0.3, 0.05),
        rng.random(4000) < 0.3, np.where(rng.random(4000) < 0.5, np.nan, 0.0),
        pd.DataFrame({"gender": rng.choice(["f", "m"], 4000)}),
    )  # fmt: skip


def mined(column):
    return subgroups("travel", members(column), SimpleNamespace(miner={"depth": 1}), 0)


def test_rules_on_marketing_features_are_kept_with_their_json():
    rules = mined("visits_90d")
    assert len(rules)
    check(rules, SUBGROUPS)
    assert rules["rule"].str.contains("visits_90d").all()
    assert rules["fairness"].between(0, 1).all()
    assert (rules["bad_rate"] == 0).all()


def test_a_rule_on_what_only_risk_may_read_is_refused():
    with pytest.raises(PurposeError, match="bureau"):
        mined("bureau_score")


def test_a_rule_on_an_unknown_column_is_refused():
    with pytest.raises(PurposeError, match="what it may be used for is not known"):
        mined("shoe_size")
