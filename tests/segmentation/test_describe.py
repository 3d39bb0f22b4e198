"""Segments in words and numbers: lifts with intervals, risk of groups alone, scene mix, reach."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from benchmarks.segments_tables import TABLES
from scenefit.contracts.errors import ContractError
from segmentation.columns import in_days
from segmentation.describe import LEAST_FOR_RISK, Outcomes, describe
from segmentation.encoders import CustomerEncoder
from segmentation.lifts import lifts, wilson
from segmentation.names import SegmentName
from segmentation.sweep import SegmentSweep


def shoppers(n=600, seed=0):
    """Synthetic: a third shops at night, a third spends much, a third neither."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], n // 3)
    frame = pd.DataFrame(
        {
            "night_share_365d": np.where(labels == 1, 0.8, 0.1) + rng.normal(0, 0.05, n),
            "spend_365d": np.where(labels == 2, 9000.0, 800.0) * rng.lognormal(0, 0.3, n),
            "home_owner": rng.random(n) < np.where(labels == 2, 0.9, 0.2),
            "occupation": pd.Series(np.where(labels == 1, "nurse", "driver"), dtype="string"),
        }
    )
    return frame, labels


def test_lifts_by_hand():
    frame = pd.DataFrame({"spend": [4.0, 8.0, 1.0, 1.0, 1.0, np.nan], "kind": ["a", "a", "b", "b", "a", None]})
    found = lifts(frame, np.array([0, 0, 1, 1, 1, 1])).set_index(["label", "feature"])
    assert_allclose(found.loc[(0, "spend"), ["known", "mean", "base", "tgi"]].astype(float), [2, 6, 3, 200])
    assert_allclose(found.loc[(1, "kind=a"), ["known", "mean", "base"]].astype(float), [3, 1 / 3, 3 / 5])
    # with w = 2/5: (1/6 - .4/3)^2 8/2 + (.6/3)^2 0/3 is the variance of log(6/3)
    width = 1.959964 * abs(1 / 6 - 0.4 / 3) * 2
    assert_allclose(
        found.loc[(0, "spend"), ["tgi_low", "tgi_high"]].astype(float), 200 * np.exp([-width, width]), rtol=1e-6
    )


def test_a_share_of_nothing_has_wilsons_upper_end():
    frame = pd.DataFrame({"home_owner": [False] * 10 + [True] * 10})
    none = lifts(frame, np.repeat([0, 1], 10)).iloc[0]
    assert none.tgi == none.tgi_low == 0
    assert_allclose(none.tgi_high, 100 * 0.2775328 / 0.5, rtol=1e-5)
    assert_allclose(wilson(np.array([0]), np.array([10]))[1], 0.2775328, rtol=1e-6)


def test_what_has_no_ratio_has_no_interval():
    frame = pd.DataFrame({"trend": [-1.0, 2.0, 1.0, 3.0], "nothing": [np.nan] * 4, "zero": [0.0] * 4})
    found = lifts(frame, np.array([0, 0, 1, 1])).set_index(["label", "feature"])
    assert np.isnan(found.loc[(0, "trend"), "tgi_low"])
    assert np.isnan(found.loc[(0, "zero"), "tgi"])
    assert "nothing" not in found.index.get_level_values(1)


def test_the_interval_of_a_lift_holds_the_truth_nineteen_times_in_twenty():
    rng = np.random.default_rng(3)
    truth = {"ticket": 600 / (0.1 * 6 + 0.9 * 4), "home_owner": 8 / (0.1 * 0.08 + 0.9 * 0.03)}
    held = dict.fromkeys(truth, 0)
    for _ in range(200):
        labels = (rng.random(1500) < 0.1).astype(int)
        ticket = rng.gamma(2, 2, 1500) * np.where(labels == 1, 1.5, 1)
        owner = rng.random(1500) < np.where(labels == 1, 0.08, 0.03)
        found = lifts(pd.DataFrame({"ticket": ticket, "home_owner": owner}), labels)
        found = found[found["label"] == 1].set_index("feature")
        for name, value in truth.items():
            held[name] += found.loc[name, "tgi_low"] <= value <= found.loc[name, "tgi_high"]
    assert all(180 <= hits <= 199 for hits in held.values()), held


def test_segments_are_told_in_words_of_both_languages():
    frame, labels = shoppers()
    found = describe(frame, labels, "retail").segments.set_index("segment_id")
    night = found.loc["retail/2"]
    assert night.sentence_en.startswith("Occupation nurse, night shoppers: 200 customers (33.3%). Apart by ")
    assert "; share of night activity " in night.sentence_en
    assert "occupation = nurse 100% (all: 33.3%, TGI 300 [" in night.sentence_en
    assert "夜间活动占比" in night.sentence_zh
    assert "200人（33.3%）" in night.sentence_zh
    assert night.precision == night.recall == night.fidelity == 1


def test_the_name_that_a_person_gave_and_the_id_that_stayed_are_used():
    frame, labels = shoppers()
    found = describe(frame, labels, "retail", ["retail/9", "retail/4", "retail/1"], {1: SegmentName("Owls", "夜猫子")})
    assert found.segments.segment_id.tolist() == ["retail/9", "retail/4", "retail/1"]
    assert found.segments.name_en[1] == "Owls"
    assert found.segments.sentence_zh[1].startswith("夜猫子：200人")
    assert set(found.lifts.segment_id) == {"retail/9", "retail/4", "retail/1"}


def test_risk_is_shown_of_groups_and_never_of_a_few():
    frame, labels = shoppers()
    risk = np.full(600, np.nan)
    risk[:LEAST_FOR_RISK] = 0.1
    risk[200 : 200 + LEAST_FOR_RISK - 1] = 0.3
    found = describe(frame, labels, "retail", outcomes=Outcomes(risk=risk)).segments.risk
    assert_allclose(found, [0.1, np.nan, np.nan])


def test_value_reach_and_scene_mix_by_hand():
    frame, labels = shoppers(60)
    value = np.where(labels == 2, 30.0, 5.0)
    value[0] = np.nan
    reached = labels == 1
    scenes = pd.DataFrame({"travel": np.where(labels == 0, 3.0, 1.0), "daily": 1.0})
    found = describe(frame, labels, "retail", outcomes=Outcomes(value=value, reached=reached, scenes=scenes))
    table = found.segments
    assert_allclose(table.value_mean, [5, 5, 30])
    assert_allclose(table.value_total, [95, 100, 600])
    assert_allclose(table.value_share.sum(), 1)
    assert table.reach.tolist() == [0, 1, 0]
    assert (table.reach_low <= table.reach).all()
    assert (table.reach <= table.reach_high).all()
    assert_allclose(table.top_scene_share[0], 0.75)
    mix = found.scenes.set_index(["segment_id", "scene_id"])
    # travel is 3 of 4 in the first segment and 100 of 160 overall
    assert_allclose(mix.loc[("retail/1", "travel"), ["share", "base", "tgi"]].astype(float), [0.75, 100 / 160, 120])


def test_a_segment_that_is_like_everybody_says_so():
    frame = pd.DataFrame({"spend_28d": np.tile([1.0, 2.0, 3.0], 40)})
    found = describe(frame, np.repeat([0, 1], 60), "retail").segments
    assert "Nothing sets them clearly apart." in found.sentence_en[0]
    assert "与总体无明显差异" in found.sentence_zh[0]


def test_without_outcomes_their_columns_are_empty():
    found = describe(*shoppers(), "retail")
    assert found.segments[["value_mean", "risk", "reach", "top_scene_share"]].isna().all(axis=None)
    assert found.scenes.empty


def test_shuffling_customers_changes_nothing():
    frame, labels = shoppers()
    order = np.random.default_rng(5).permutation(600)
    one = describe(frame, labels, "retail", outcomes=Outcomes(value=frame.spend_365d.to_numpy()))
    two = describe(
        frame.iloc[order], labels[order], "retail", outcomes=Outcomes(value=frame.spend_365d.to_numpy()[order])
    )
    pd.testing.assert_frame_equal(one.lifts, two.lifts, check_exact=True)
    assert one.segments.rule.tolist() == two.segments.rule.tolist()
    assert one.segments.value_total.tolist() == two.segments.value_total.tolist()


def test_outcomes_must_match_and_make_sense():
    frame, labels = shoppers(60)
    with pytest.raises(ContractError, match="value has 3 rows but there are 60 customers"):
        describe(frame, labels, "retail", outcomes=Outcomes(value=np.ones(3)))
    with pytest.raises(ContractError, match=r"risk of row 1 is 7; give probabilities"):
        describe(frame, labels, "retail", outcomes=Outcomes(risk=np.r_[0.1, 7.0, np.zeros(58)]))
    with pytest.raises(ContractError, match="negative visits or spend"):
        describe(frame, labels, "retail", outcomes=Outcomes(scenes=pd.DataFrame({"travel": -np.ones(60)})))
    with pytest.raises(ContractError, match="60 rows but 2 labels"):
        lifts(frame, np.array([0, 1]))


@pytest.mark.data
@pytest.mark.parametrize("name", ["cc_general", "customer_personality", "online_retail"])
def test_segments_of_real_customers_have_names_and_rules_of_their_own(datasets, name):
    customers = TABLES[name](datasets)
    encoder = CustomerEncoder(as_of=customers.as_of)
    sweep = SegmentSweep(k_range=[3], n_seeds=2).fit(encoder.fit_transform(customers.frame))
    frame = customers.frame if customers.as_of is None else in_days(customers.frame, customers.as_of)
    found = describe(frame, sweep.labels_, name, outcomes=Outcomes(value=customers.spend))
    assert found.segments.name_en.is_unique
    assert found.segments.name_zh.is_unique
    assert found.surrogate.fidelity > found.surrogate.baseline + 0.2
    assert (found.segments[["precision", "recall"]] > 0.5).all(axis=None)
    assert_allclose(found.segments.value_share.sum(), 1)
    sure = found.lifts.dropna(subset=["tgi_low", "tgi_high"])
    assert ((sure.tgi_low <= sure.tgi) & (sure.tgi <= sure.tgi_high)).all()
