"""Mined subgroups: the planted one is found with the right numbers, chance is not mistaken for it."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import hypergeom

from scenefit.contracts.errors import ContractError, SettingsError
from scenefit.contracts.schema import check
from scenefit.contracts.tables import SUBGROUPS
from segmentation.rules import Rule
from segmentation.selectors import selectors
from segmentation.subgroups import SubgroupMiner


def scene(n=6000, seed=0):
    """Night nurses take the product four times as often; few of them are reached."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "occupation": rng.choice(["nurse", "driver", "teacher", "clerk"], n),
            "night_share_365d": np.round(rng.random(n), 2),
            "city_tier": rng.integers(1, 5, n),
            "home_owner": rng.random(n) < 0.4,
            "spend_90d": rng.lognormal(5, 1, n),
        }
    )
    planted = (frame.occupation == "nurse") & (frame.night_share_365d >= 0.6)
    target = rng.random(n) < np.where(planted, 0.24, 0.06)
    reached = rng.random(n) < np.where(planted, 0.05, 0.5)
    return frame, target, reached, planted.to_numpy()


def halves(n, seed=0):
    order = np.random.default_rng(seed).permutation(n)
    mining = np.zeros(n, dtype=bool)
    mining[order[: n // 2]] = True
    return mining


@pytest.fixture(scope="module")
def mined():
    frame, target, reached, planted = scene()
    return SubgroupMiner().fit(frame, target, reached), frame, target, reached, planted


def test_the_planted_subgroup_comes_first_and_is_confirmed(mined):
    miner, frame, _, _, planted = mined
    best = miner.rules_.iloc[0]
    members = Rule.read(best.rule).mask(frame)
    assert (members & planted).sum() / (members | planted).sum() > 0.9
    assert best.confirmed
    assert best.rule_en == "occupation is nurse and share of night activity at least 60%"
    assert best.rule_zh == "职业为nurse，且夜间活动占比不低于60%"


def test_every_number_by_brute_force(mined):
    miner, frame, target, reached, _ = mined
    mining = halves(len(frame))
    assert len(miner.rules_)
    for row in miner.rules_.itertuples():
        members = Rule.read(row.rule).mask(frame)
        found, held = members & mining, members & ~mining
        assert row.size == members.sum()
        assert row.unreached == (members & ~reached).sum()
        assert_allclose(row.rate, target[found].mean())
        assert_allclose(row.base, target[mining].mean())
        assert_allclose(row.lift, target[found].mean() / target[mining].mean())
        assert row.lift_low < row.lift < row.lift_high
        exact = hypergeom.sf(target[found].sum() - 1, mining.sum(), target[mining].sum(), found.sum())
        assert_allclose(row.p, exact, rtol=1e-8)
        assert_allclose(row.confirm_rate, target[held].mean())
        again = hypergeom.sf(target[held].sum() - 1, (~mining).sum(), target[~mining].sum(), held.sum())
        assert row.confirm_p >= again * (1 - 1e-8)


def test_every_rule_with_enough_members_counts_as_tried(mined):
    miner, frame, *_ = mined
    mining = halves(len(frame))
    singles = [(name, s.mask(frame) & mining) for name in frame for s in selectors(frame[name], 5, 100)]
    singles = [(name, mask) for name, mask in singles if 100 <= mask.sum() < mining.sum()]
    pairs = sum(
        (a & b).sum() >= 100 for i, (home, a) in enumerate(singles) for other, b in singles[i + 1 :] if other != home
    )
    assert miner.tried_ == len(singles) + pairs


def test_the_list_is_different_groups_ranked_by_what_is_to_be_won(mined):
    miner, frame, _, reached, _ = mined
    worth = (miner.rules_.lift_low - 1) * miner.rules_.unreached
    assert worth.is_monotonic_decreasing
    groups = [Rule.read(rule).mask(frame) & ~reached for rule in miner.rules_.rule]
    for i, a in enumerate(groups):
        assert all((a & b).sum() <= 0.5 * (a | b).sum() for b in groups[:i])


def test_a_second_condition_must_raise_the_rate():
    frame, target, reached, _ = scene(seed=3)
    for rule in SubgroupMiner(top=20).fit(frame, target, reached).rules_.rule:
        where = Rule.read(rule).where
        if where.kind == "and":
            both = target[where.mask(frame)].mean()
            assert all(both > target[part.mask(frame)].mean() for part in where.of)


def test_the_table_keeps_its_contract(mined):
    miner, *_ = mined
    stored = check(miner.rules_.assign(scene_id="travel"), SUBGROUPS)
    assert stored["rank"].tolist() == list(range(1, len(stored) + 1))
    assert list(miner.rules_.columns) == [n for n in SUBGROUPS.names if n != "scene_id"]


def test_the_same_seed_gives_the_same_rules(mined):
    miner, frame, target, reached, _ = mined
    assert SubgroupMiner().fit(frame, target, reached).rules_.equals(miner.rules_)


def test_who_is_reached_already_is_not_an_opportunity():
    frame, target, _, _ = scene()
    assert SubgroupMiner().fit(frame, target, np.ones(len(frame), dtype=bool)).rules_.empty
    assert (SubgroupMiner().fit(frame, target).rules_.eval("unreached == size")).all()


def confirmed_by_chance(worlds):
    frame, target, reached, _ = scene(2000)
    rng = np.random.default_rng(0)
    return [
        SubgroupMiner(support=50, seed=i).fit(frame, rng.permutation(target), reached).rules_.confirmed.any()
        for i in range(worlds)
    ]


def test_permuted_outcomes_confirm_nothing():
    assert np.mean(confirmed_by_chance(40)) <= 0.05


def test_planted_subgroups_are_found_in_nearly_every_world():
    found = []
    for seed in range(10):
        frame, target, reached, planted = scene(seed=seed)
        rules = SubgroupMiner(seed=seed).fit(frame, target, reached).rules_
        masks = [Rule.read(rule).mask(frame) for rule in rules.rule[rules.confirmed]]
        found.append(any((m & planted).sum() >= 0.6 * (m | planted).sum() for m in masks))
    assert np.mean(found) >= 0.9


@pytest.mark.parametrize(
    ("n", "settings", "rate"),
    [(6000, {"support": 5000}, 0.1), (60, {}, 0.1), (6000, {}, 0.0), (6000, {}, 1.0), (0, {}, 0.1), (1, {}, 1.0)],
)
def test_where_nothing_can_be_shown_the_table_is_empty_but_whole(n, settings, rate):
    frame = scene()[0].iloc[:n]
    target = np.arange(n) < rate * n
    miner = SubgroupMiner(**settings).fit(frame, target)
    assert miner.rules_.empty
    assert list(miner.rules_.columns) == [name for name in SUBGROUPS.names if name != "scene_id"]
    check(miner.rules_.assign(scene_id=pd.Series(dtype=str)), SUBGROUPS)


def test_protected_columns_are_not_mined_unless_asked_for():
    frame, target, reached, planted = scene()
    frame = frame[["city_tier"]].assign(gender=np.where(planted, "f", "m"))
    assert not SubgroupMiner().fit(frame, target, reached).rules_.rule.str.contains("gender").any()
    assert SubgroupMiner(protected=()).fit(frame, target, reached).rules_.rule.str.contains("gender").any()


def test_depth_one_has_single_conditions_only():
    frame, target, reached, _ = scene()
    rules = SubgroupMiner(depth=1).fit(frame, target, reached).rules_
    assert len(rules)
    assert not rules.rule.str.contains('"and"').any()


def test_gaps_and_empty_columns_do_not_disturb():
    frame, target, reached, _ = scene()
    frame = frame.assign(nothing=np.nan, country="CN")
    frame.loc[::7, "night_share_365d"] = np.nan
    frame["occupation"] = frame.occupation.astype("string").mask(np.arange(len(frame)) % 11 == 0)
    best = SubgroupMiner().fit(frame, target, reached).rules_.iloc[0]
    assert best.confirmed
    assert "nurse" in best.rule


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (np.zeros(3), r"target: shape \(3,\) for 6,000 customers"),
        (np.full(6000, np.nan), "6,000 values are neither 0 nor 1, such as .nan"),
        (np.full(6000, 2), "neither 0 nor 1, such as .2"),
        (np.full(6000, "yes"), "neither 0 nor 1"),
    ],
)
def test_an_outcome_is_yes_or_no_for_everybody(target, message):
    with pytest.raises(ContractError, match=message):
        SubgroupMiner().fit(scene()[0], target)


@pytest.mark.parametrize(
    "settings",
    [
        {"depth": 0},
        {"depth": 5},
        {"support": 0},
        {"top": 0},
        {"bins": 1},
        {"q": 0},
        {"quality": "best"},
        {"correction": "none"},
        {"correction": "westfall-young", "permutations": 10},
    ],
)
def test_settings_that_cannot_be_are_refused(settings):
    frame, target, reached, _ = scene()
    with pytest.raises(SettingsError):
        SubgroupMiner(**settings).fit(frame, target, reached)


def test_intervals_cover_every_run_of_bins():
    found = [s.sentence("en") for s in selectors(pd.Series([1.0, 2, 3] * 50, name="city_tier"), 5, 10)]
    assert found == [
        "city tier is 1", "city tier below 3", "city tier is 2", "city tier at least 2", "city tier is 3",
    ]  # fmt: skip


def test_any_against_none_is_tried_where_most_have_none():
    found = selectors(pd.Series([0] * 900 + list(range(1, 101)), name="clicks_365d"), 5, 10)
    assert [s.sentence("en") for s in found] == ["clicks in 365 days below 1", "clicks in 365 days at least 1"]


@pytest.mark.data
def test_telephone_sales_of_a_bank_have_subgroups_that_hold_on_the_other_half(datasets):
    calls = pd.read_parquet(datasets / "uci_bank_marketing" / "bank_additional_full.parquet")
    # what is known before the call; its length is not, and the economy's figures are the calendar in disguise
    frame = calls[["job", "default", "housing", "loan", "contact", "previous", "poutcome"]]
    rules = SubgroupMiner().fit(frame, (calls["y"] == "yes").to_numpy()).rules_
    assert rules.confirmed.all()
    assert (rules.confirm_rate > 1.2 * rules.base).all()
    assert "poutcome is success" in rules.rule_en.to_list()
