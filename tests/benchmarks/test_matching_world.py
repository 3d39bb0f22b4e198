"""Truth made again is the world's truth; plans are judged by it; findings count every world."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.matching_truth import Truth, aligned, by_message, knowable_chances, true_chances
from benchmarks.matching_value import ORACLE, OURS, Judged, judged
from benchmarks.matching_world import (
    KNOWABLE,
    PER_COST,
    TAKE_RATE,
    Found,
    Setting,
    best_within,
    found_in,
    goals,
    report,
    world_of,
)
from scenefit.contracts.world import make_world, products
from tests.recsys.made_case import made_case

PEOPLE = 400


@pytest.fixture(scope="module")
def truth():
    return true_chances(PEOPLE, 3, "hard")


def test_truth_made_again_is_the_truth_of_the_world(truth):
    kept = make_world(PEOPLE, 3, "hard").block(0).truth
    takes, people = kept["takes"].to_pandas(), kept["customers"].to_pandas()
    assert takes["customer_id"].tolist() == truth.ids.tolist()
    assert np.array_equal(takes[list(products.IDS)].to_numpy(), truth.offered)
    assert np.array_equal(people["pd"].to_numpy(), truth.default)
    assert (truth.offered >= truth.without).all()


def test_the_knowable_leaves_out_chance_and_keeps_the_level(truth):
    known = knowable_chances(PEOPLE, 3, "hard")
    assert known.ids.tolist() == truth.ids.tolist()
    assert known.default.mean() == pytest.approx(truth.default.mean(), rel=0.15)
    assert known.default.std() < truth.default.std()
    assert np.corrcoef(known.default, truth.default)[0, 1] > 0.3


def case_by_message(n=300):
    case = by_message(made_case(n))
    return replace(case, facts={"capacity": {"p1": 60.0, "p2": 90.0, "p3": 120.0}})


def truth_of(case, factor=1.0):
    chance = case.p_take.astype(float) * factor
    return Truth(case.customers, chance, np.zeros_like(chance), case.pd_given_take)


def test_a_case_by_message_has_one_offer_of_each_product():
    case = case_by_message()
    assert case.offers["offer_id"].tolist() == ["p1@sms", "p2@sms", "p3@sms"]
    assert case.p_take.shape == case.reason.shape == (300, 3)
    assert case.contact_cost.tolist() == [0.05] * 3


def test_truth_stands_in_the_order_of_the_case():
    case = case_by_message(3)
    case = replace(case, offers=case.offers.assign(product_id=list(products.IDS[2::-1])))
    ids = np.array(["c000002", "c000000", "c000001"], object)
    offered = np.arange(3 * len(products.IDS), dtype=float).reshape(3, -1)
    found = aligned(Truth(ids, offered, offered, np.array([0.2, 0.0, 0.1])), case)
    assert found.default.tolist() == [0.0, 0.1, 0.2]
    assert found.offered[0].tolist() == offered[1, [2, 1, 0]].tolist()


def test_whoever_believes_the_truth_is_the_oracle():
    case = case_by_message()
    found = found_in(case, truth_of(case), truth_of(case), 0.5, 0)
    assert found.free[OURS].profit == pytest.approx(found.free[ORACLE].profit)
    assert found.free[KNOWABLE].profit == pytest.approx(found.free[ORACLE].profit)
    assert found.takers == pytest.approx(1)
    assert found.default == pytest.approx(1)
    assert all(one.profit <= found.free[ORACLE].profit * (1 + 1e-6) for one in found.free.values() if not one.missed)


def test_profit_is_judged_by_the_truth():
    case = case_by_message()
    one = world_of(case, truth_of(case, 0.5), 0.5)
    plan = np.full(300, -1)
    plan[7] = 1
    loss = case.pd_given_take[7] * case.lgd * 5_000
    take = 0.5 * float(case.p_take[7, 1])
    assert judged(one, plan).profit == pytest.approx(take * (500 - loss - 10) - 0.05)
    assert judged(one, plan).bad_rate == pytest.approx(case.pd_given_take[7])


def test_the_most_profitable_plan_within_the_rate_counts():
    plans = [Judged(9, 0.05, 1, 0), Judged(7, 0.03, 1, 0), Judged(8, 0.03, 1, 0)]
    assert best_within(plans, 0.03) == plans[2]
    assert best_within(plans, 0.01) is None


def test_goals_count_every_world_and_say_what_is_missed():
    def found(ours):
        free = {name: Judged(100.0, 0.02, 5, 0) for name in (TAKE_RATE, PER_COST, ORACLE)}
        free[OURS] = Judged(ours, 0.02, 5, 0)
        return Found(free, free | {ORACLE: None}, 1.2, 0.8, 0.05)

    both = {Setting("easy", 0, "half"): found(120.0), Setting("easy", 1, "half"): found(100.0)}
    told = goals(both)
    assert "plan ÷ rank by take-rate and fill, under the same limits: 1.100 on average" in told
    assert "kept), 1 of 2 worlds and levels reach it" in told
    assert "plan ÷ oracle, at equal bad rate: never both reached" in told
    whole = report(both, 400)
    assert whole.startswith("2 synthetic worlds of 400 people")
    assert "| easy, 1 | half | oracle | 100 | 1.000 | 0.0200 | 5 | 0 | not reached | | | |" in whole
