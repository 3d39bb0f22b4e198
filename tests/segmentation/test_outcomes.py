"""What segments bring: means over those who are known, risk of groups alone, reach and reachable apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scenefit.contracts.errors import ContractError
from segmentation.outcomes import LEAST_FOR_RISK, Outcomes, worth

LABELS = np.repeat([0, 1], 40)


def test_value_counts_those_who_hold_something():
    value = np.full(80, np.nan)
    value[:3], value[40:42] = [10.0, 20.0, 30.0], [100.0, 40.0]
    rows = worth(Outcomes(value=value), LABELS, ["t/1", "t/2"]).segments
    assert rows["value_mean"].tolist() == [20, 70]
    assert rows["value_known"].tolist() == [3, 2]
    assert rows["value_share"].tolist() == [0.3, 0.7]
    assert rows[["risk", "reach", "reachable"]].isna().all(axis=None)


def test_risk_is_of_groups_alone():
    risk = np.full(80, np.nan)
    risk[:LEAST_FOR_RISK], risk[40 : 40 + LEAST_FOR_RISK - 1] = 0.1, 0.3
    rows = worth(Outcomes(risk=risk), LABELS, ["t/1", "t/2"]).segments
    assert rows["risk"][0] == pytest.approx(0.1)
    assert np.isnan(rows["risk"][1])
    assert rows["risk_known"].tolist() == [20, 19]


def test_who_was_reached_and_who_may_be_are_two_things():
    reached, may = np.zeros(80, dtype=bool), np.ones(80, dtype=bool)
    reached[:10], may[70:] = True, False
    rows = worth(Outcomes(reached=reached, reachable=may), LABELS, ["t/1", "t/2"]).segments
    assert rows["reach"].tolist() == [0.25, 0]
    assert rows["reachable"].tolist() == [1, 0.75]
    assert (rows["reach_low"] <= rows["reach"]).all()
    assert rows["reach_high"][1] > 0


def test_the_mix_of_scenes_is_measured_against_everybody():
    visits = pd.DataFrame({"travel": np.r_[np.full(40, 3.0), np.ones(40)], "home": np.r_[np.ones(40), np.ones(40)]})
    found = worth(Outcomes(scenes=visits), LABELS, ["t/1", "t/2"])
    mix = found.scenes.set_index(["segment_id", "scene_id"])
    assert mix.loc[("t/1", "travel"), "share"] == 0.75
    assert mix.loc[("t/1", "travel"), "base"] == pytest.approx(160 / 240)
    assert found.segments["top_scene"].tolist() == ["travel", "home"]


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        (Outcomes(reachable=np.ones(3, dtype=bool)), "reachable has 3 rows but there are 80 customers"),
        (Outcomes(risk=np.full(80, 1.5)), "risk of row 0 is 1.5; give probabilities"),
        (Outcomes(scenes=pd.DataFrame({"travel": np.full(80, -1.0)})), "negative visits or spend"),
    ],
)
def test_what_does_not_fit_is_refused(outcomes, said):
    with pytest.raises(ContractError, match=said):
        worth(outcomes, LABELS, ["t/1", "t/2"])
