"""What goes with a mined rule: arms, weights, reach, later periods, bad debt, fairness, many scenes."""

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from scenefit.contracts.errors import ContractError, EmptyArm, SettingsError
from segmentation.fairness import bad_rates, selection_ratio
from segmentation.mining_inputs import Customers
from segmentation.qualities import QUALITIES
from segmentation.rules import Rule
from segmentation.selectors import fits, selectors
from segmentation.subgroups import SubgroupMiner, mine_scenes


def people(n=8000, seed=0):
    rng = np.random.default_rng(seed)
    return rng, pd.DataFrame(
        {
            "job": rng.choice(["nurse", "driver", "teacher", "clerk", "cook", "smith", "baker"], n),
            "age": rng.integers(18, 80, n),
            "owner": rng.random(n) < 0.4,
            "spend": rng.lognormal(5, 1, n),
        }
    )


def overlap(rule, frame, planted):
    members = Rule.read(rule).mask(frame)
    return (members & planted).sum() / (members | planted).sum()


def test_edges_and_sets_are_drawn_where_the_rate_changes():
    rng, frame = people(20_000)
    planted = frame["age"].between(27, 38) & frame["job"].isin(["nurse", "cook", "smith"])
    target = rng.random(len(frame)) < np.where(planted, 0.25, 0.05)
    miner = SubgroupMiner(bins=4).fit(frame, target)
    best = miner.rules_.iloc[0]
    assert overlap(best.rule, frame, planted) > 0.95
    assert miner.looks_ > 0
    assert best.rule_en == "job is cook or nurse or smith and age from 27 to below 39"


def test_looks_at_edges_are_paid_for():
    rng, frame = people(20_000)
    planted = frame["age"].between(27, 38)
    target = rng.random(len(frame)) < np.where(planted, 0.2, 0.05)
    miner = SubgroupMiner(bins=4).fit(frame, target)
    best = miner.rules_.iloc[0]
    # two ways of finding rules, each of which pays for its own looks twice
    paid = best.q / best.p
    assert 2 * len(frame.columns) < paid <= 2 * (miner.tried_ + miner.looks_) * (1 + 1e-9)


def test_three_conditions_are_found_where_two_do_not_do():
    rng, frame = people(20_000)
    planted = (frame["age"] < 45) & frame["owner"] & (frame["job"] == "nurse")
    target = rng.random(len(frame)) < np.where(planted, 0.4, 0.05)
    best = SubgroupMiner(depth=3).fit(frame, target).rules_.iloc[0]
    assert overlap(best.rule, frame, planted) > 0.9
    assert len(Rule.read(best.rule).where.of) == 3


@pytest.mark.parametrize("quality", [name for name in QUALITIES if name != "uplift"])
def test_every_quality_ranks_by_what_it_says(quality):
    rng, frame = people()
    planted = frame["job"].isin(["nurse", "cook"]).to_numpy()
    target = rng.random(len(frame)) < np.where(planted, 0.2, 0.05)
    rules = SubgroupMiner(quality=quality).fit(frame, target, rng.random(len(frame)) < 0.3).rules_
    assert rules["worth"].is_monotonic_decreasing
    best = rules.iloc[0]
    mining = np.zeros(len(frame), dtype=bool)
    mining[np.random.default_rng(0).permutation(len(frame))[: len(frame) // 2]] = True
    share = (Rule.read(best.rule).mask(frame) & mining).sum() / mining.sum()
    expected = {
        "opportunity": (best.lift_low - 1) * best.unreached, "wracc": share * (best.rate - best.base),
        "lift": best.lift - 1, "lower_lift": best.lift_low - 1,
    }  # fmt: skip
    assert_allclose(best.worth, expected[quality])


def trial(effect=0.12, n=24_000):
    """Treatment helps young nurses only; drivers buy more with or without it."""
    rng, frame = people(n)
    planted = (frame["job"].isin(["nurse", "cook"]) & (frame["age"] < 45)).to_numpy()
    treatment = rng.random(n) < 0.5
    base = np.where(frame["job"] == "driver", 0.3, 0.1)
    return frame, rng.random(n) < base + effect * (planted & treatment), treatment, planted


def test_uplift_finds_whom_treatment_helps_not_who_buys_anyway():
    frame, target, treatment, planted = trial()
    rules = SubgroupMiner(quality="uplift").fit(frame, target, treatment=treatment).rules_
    best = rules.iloc[0]
    assert overlap(best.rule, frame, planted) > 0.6
    assert best.confirmed
    assert best.proof == "randomised"
    assert best.uplift_low < 0.12 < best.uplift_high
    assert not rules["rule_en"].str.contains("driver").any()


def test_treatment_that_went_by_the_rule_is_no_lot():
    frame, target, _, planted = trial()
    rng = np.random.default_rng(5)
    treatment = rng.random(len(frame)) < np.where(planted, 0.8, 0.4)
    target = rng.random(len(frame)) < 0.1 + 0.15 * (planted & treatment)
    chosen = SubgroupMiner(quality="uplift").fit(frame, target, treatment=treatment).rules_
    assert chosen.iloc[0].proof == "unproven"
    weighted = SubgroupMiner(quality="uplift").fit(
        frame, target, treatment=treatment, propensity=np.where(planted, 0.8, 0.4)
    )
    assert weighted.rules_.iloc[0].proof == "weighted"


def test_weights_undo_that_marketing_chose_whom_to_reach():
    rng, frame = people(40_000)
    keen = frame["spend"].to_numpy() > 300
    propensity = np.where(frame["job"] == "clerk", np.where(keen, 0.9, 0.1), 0.5)
    reached = rng.random(len(frame)) < propensity
    # clerks are no better than others, but those of them who were reached are mostly keen
    target = reached & (rng.random(len(frame)) < np.where(keen, 0.4, 0.1))
    frame = frame.drop(columns="spend")
    naive = SubgroupMiner().fit(frame, target & reached, reached).rules_
    fair = SubgroupMiner().fit(frame, target, reached, propensity=propensity).rules_
    among_reached = SubgroupMiner().fit(frame[reached], target[reached]).rules_
    assert among_reached["rule_en"].str.contains("clerk").any()
    assert not fair["rule_en"].str.contains("clerk").any()
    assert (naive["proof"] == "unproven").all()


def test_a_group_that_is_better_only_by_reach_is_unproven():
    rng, frame = people(20_000)
    nurse = (frame["job"] == "nurse").to_numpy()
    reached = rng.random(len(frame)) < np.where(nurse, 0.6, 0.2)
    only_by_reach = rng.random(len(frame)) < np.where(reached, 0.3, 0.05)
    first = SubgroupMiner().fit(frame, only_by_reach, reached).rules_.iloc[0]
    assert (first.rule_en, first.proof) == ("job is nurse", "unproven")
    also_without = rng.random(len(frame)) < np.where(nurse, 0.3, 0.1)
    assert SubgroupMiner().fit(frame, also_without, reached).rules_.iloc[0].proof == "observational"


def test_a_rule_of_one_period_is_not_confirmed_by_another():
    rng, frame = people(20_000)
    later = np.arange(len(frame)) >= 10_000
    passing = (frame["job"] == "nurse") & ~later
    lasting = frame["age"] < 30
    target = rng.random(len(frame)) < np.where(passing, 0.3, np.where(lasting, 0.2, 0.05))
    rules = SubgroupMiner().fit(frame, target, later=later).rules_
    confirmed = dict(zip(rules["rule_en"], rules["confirmed"], strict=True))
    assert not any(held for rule, held in confirmed.items() if rule.startswith("job is nurse"))
    assert any(held for rule, held in confirmed.items() if rule.startswith("age below"))


def test_westfall_young_keeps_the_planted_and_its_least_p():
    rng, frame = people()
    target = rng.random(len(frame)) < np.where(frame["job"] == "nurse", 0.2, 0.05)
    miner = SubgroupMiner(correction="westfall-young", permutations=99).fit(frame, target)
    assert miner.rules_.iloc[0].rule_en.startswith("job is nurse")
    again = SubgroupMiner(correction="westfall-young", permutations=99).fit(frame, target)
    assert again.rules_.equals(miner.rules_)
    assert SubgroupMiner(correction="westfall-young", permutations=99).fit(frame, rng.permutation(target)).rules_.empty


def test_bad_debt_and_fairness_go_with_each_rule():
    rng, frame = people()
    nurse = (frame["job"] == "nurse").to_numpy()
    target = rng.random(len(frame)) < np.where(nurse, 0.3, 0.05)
    bad = np.where(rng.random(len(frame)) < 0.5, np.nan, rng.random(len(frame)) < 0.1)
    gender = np.where(rng.random(len(frame)) < np.where(nurse, 0.8, 0.5), "f", "m")
    row = (
        SubgroupMiner()
        .fit(frame, target, bad=bad, protected_values=pd.DataFrame({"gender": gender, "none": np.nan}))
        .rules_.iloc[0]
    )
    members = Rule.read(row.rule).mask(frame)
    assert_allclose(row.bad_rate, np.nanmean(bad[members]))
    assert row.bad_known == (~np.isnan(bad[members])).sum()
    assert row.bad_low < row.bad_rate < row.bad_high
    shares = [members[gender == g].mean() for g in "fm"]
    assert_allclose(row.fairness, min(shares) / max(shares))
    assert list(json.loads(row.fairness_by)) == ["gender"]


def test_few_people_of_a_level_say_nothing_about_fairness():
    codes = np.repeat([0, 1, 2, -1], [200, 200, 50, 10])
    assert selection_ratio(codes != 1, codes) == 0.0
    assert np.isnan(selection_ratio(np.zeros(460, dtype=bool), codes))
    assert bad_rates([np.ones(3, dtype=bool)], np.full(3, np.nan)).known.tolist() == [0]


def test_difference_and_lift_come_from_customers_nobody_searched():
    rng, frame = people()
    target = rng.random(len(frame)) < np.where(frame["job"] == "nurse", 0.2, 0.05)
    row = SubgroupMiner().fit(frame, target).rules_.iloc[0]
    held = np.ones(len(frame), dtype=bool)
    held[np.random.default_rng(0).permutation(len(frame))[: len(frame) // 2]] = False
    members = Rule.read(row.rule).mask(frame)
    inside, outside = target[held & members].mean(), target[held & ~members].mean()
    assert_allclose([row.difference, row.confirm_lift], [inside - outside, inside / target[held].mean()])
    assert row.difference_low < inside - outside < row.difference_high


def test_scenes_give_the_same_rules_alone_and_together_local_and_on_ray():
    scenes = {}
    for i, name in enumerate(("travel", "home")):
        rng, frame = people(seed=i)
        scenes[name] = Customers(frame, rng.random(len(frame)) < np.where(frame["job"] == "nurse", 0.2, 0.05))
    local = mine_scenes(scenes, {"top": 3}, seed=4, backend="local")
    assert set(local["scene_id"]) == {"travel", "home"}
    ray = mine_scenes(scenes, {"top": 3}, seed=4, backend="ray")
    pd.testing.assert_frame_equal(local, ray)
    from scenefit.runtime.parallel import stop_ray

    stop_ray()


def test_selectors_fit_whom_their_rule_means():
    _, frame = people(500)
    frame.loc[::7, "job"] = None
    frame["spend"] = frame["spend"].mask(frame.index % 5 == 0)
    frame["known"] = np.where(frame.index % 3 == 0, None, frame["owner"])
    for name in frame:
        found = selectors(frame[name], 5, 10)
        assert found
        for condition, mask in zip(found, fits(frame[name], found), strict=True):
            assert (Rule(where=condition).mask(frame) == mask).all()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"treatment": np.ones(500)}, EmptyArm, "all 500 customers are treated"),
        ({"treatment": np.zeros(500)}, EmptyArm, "all 500 customers are control"),
        ({"treatment": np.ones(3)}, ContractError, r"treatment: shape \(3,\)"),
        ({"reached": np.ones(500), "propensity": np.zeros(500)}, ContractError, r"500 values are outside \(0, 1\]"),
        ({"reached": np.ones(500), "propensity": np.full(500, 1.5)}, ContractError, "such as .1.5"),
        ({"reached": np.ones(500), "propensity": np.full(500, np.nan)}, ContractError, "outside"),
        ({"reached": np.zeros(500), "propensity": np.full(500, 0.5)}, ContractError, "nobody was"),
        ({"propensity": np.full(500, 0.5)}, ContractError, "given without `reached`"),
        ({"bad": np.full(500, 0.5)}, ContractError, "bad: 500 values are neither 0, 1 nor empty"),
        ({"later": np.ones(500)}, ContractError, "all of 500 rows are of the later period"),
        ({"protected_values": pd.DataFrame({"gender": ["f"]})}, ContractError, "protected_values: 1 rows for 500"),
        ({"treatment": np.arange(500) % 2}, SettingsError, "give both or none"),
    ],
)
def test_what_cannot_be_is_refused(given, error, message):
    _, frame = people(500)
    with pytest.raises(error, match=message):
        SubgroupMiner().fit(frame, np.arange(500) % 3 == 0, **given)


def test_uplift_needs_arms_and_certain_treatment_has_no_control():
    _, frame = people(500)
    target = np.arange(500) % 3 == 0
    with pytest.raises(SettingsError, match="treatment is missing"):
        SubgroupMiner(quality="uplift").fit(frame, target)
    with pytest.raises(ContractError, match="nobody like them can be in the control arm"):
        SubgroupMiner(quality="uplift").fit(frame, target, treatment=np.arange(500) % 2, propensity=np.ones(500))
    with pytest.raises(SettingsError, match="shuffles outcomes"):
        SubgroupMiner(correction="westfall-young").fit(
            frame, target, np.ones(500, dtype=bool), propensity=np.full(500, 0.5)
        )


def test_frames_without_anything_to_mine_are_refused_or_said_to_be_empty():
    _, frame = people(500)
    target = np.arange(500) % 3 == 0
    with pytest.raises(ContractError, match="no column to mine"):
        SubgroupMiner().fit(pd.DataFrame({"gender": ["f"] * 500}), target)
    with pytest.raises(ContractError, match="infinite"):
        SubgroupMiner().fit(frame.assign(spend=np.inf), target)
    with pytest.raises(ContractError, match="more than once"):
        SubgroupMiner().fit(pd.concat([frame, frame], axis=1), target)
    empty = SubgroupMiner().fit(pd.DataFrame({"nothing": np.full(500, np.nan)}), target)
    assert empty.note_ == "no condition has 100 members on the mining half and leaves anybody out"
    assert (
        SubgroupMiner(support=300).fit(frame, target).note_
        == "support 300 is above the 250 customers of the mining half"
    )
    assert "the same for all 250" in SubgroupMiner().fit(frame, np.zeros(500)).note_
